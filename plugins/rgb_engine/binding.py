"""Where is rgb-lib, and what do its refusals mean?

It is imported here alone, when it is needed. Its methods take and give its own types, raise `RgbLibError` with a class
for each refusal, and `InternalError` where its Rust code panicked. What is raised beyond the package are classes of
`errors`.
"""

import importlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from nia.genesis import ChainNet
from rgb_engine.errors import (
    BadRequest,
    ConsignmentRefused,
    ElectrumUnreachable,
    EngineError,
    LibraryMissing,
    LibraryPanicked,
    LibraryRefused,
    NetworkUnknown,
    NotEnough,
    TransferUnknown,
    WalletDamaged,
)

VERSION: Final = "0.3.0b7"
HOW: Final = "pip install 'lnpd[rgb]' (Linux with glibc 2.34 or later and macOS have a wheel)"
CHAINS: Final = {
    "regtest": ChainNet.REGTEST,
    "signet": ChainNet.SIGNET,
    "testnet": ChainNet.TESTNET3,
    "bitcoin": ChainNet.BITCOIN,
}
"""The node's names of networks, and RGB's."""

NETWORKS: Final = {
    ChainNet.REGTEST: "REGTEST",
    ChainNet.SIGNET: "SIGNET",
    ChainNet.TESTNET3: "TESTNET",
    ChainNet.BITCOIN: "MAINNET",
}
"""What rgb-lib calls them."""

MAX_DETAILS: Final = 500

CLASSES: Final[dict[str, type[EngineError]]] = {
    "AssetNotFound": BadRequest,
    "BatchTransferNotFound": TransferUnknown,
    "CannotFailBatchTransfer": TransferUnknown,
    "CannotDeleteBatchTransfer": TransferUnknown,
    "CannotProvideOutOfBandAck": TransferUnknown,
    "CannotProvideOutOfBandConsignment": ConsignmentRefused,
    "FailedBdkSync": ElectrumUnreachable,
    "Indexer": ElectrumUnreachable,
    "Network": ElectrumUnreachable,
    "InvalidIndexer": ElectrumUnreachable,
    "InvalidElectrum": ElectrumUnreachable,
    "BitcoinNetworkMismatch": WalletDamaged,
    "FingerprintMismatch": WalletDamaged,
    "Inconsistency": WalletDamaged,
    "WrongPassword": WalletDamaged,
    "InsufficientAllocationSlots": NotEnough,
    "InsufficientAssignments": NotEnough,
    "InsufficientBitcoins": NotEnough,
    "InvalidConsignment": ConsignmentRefused,
    "InvalidFilePath": ConsignmentRefused,
    "UnknownTransfer": TransferUnknown,
}
"""Which class each of rgb-lib's refusals becomes; all others that begin with Invalid are BadRequest."""

BLANKS: Final = re.compile(r"(?:\s|\\[nt])+")  # also those that rgb-lib has escaped
SENTENCES: Final = {
    "InvalidIndexer": "it does not answer, or is none",
    "InsufficientAllocationSlots": "no output of this wallet is free to hold tokens, and there are too few satoshi to "
    "make one: send some to the address that `lnp rgb address` shows",
    "InsufficientBitcoins": "the RGB wallet has too few satoshi that are free: send some to the address that "
    "`lnp rgb address` shows",
    "InsufficientAssignments": "the RGB wallet has too few tokens that can be spent now",
    "InvalidFilePath": "the bytes are no consignment",
    "CannotProvideOutOfBandConsignment": "no open invoice of this wallet is paid by the consignment",
}


def load() -> Any:  # Any: it ships no types
    """rgb-lib. LibraryMissing."""
    try:
        return importlib.import_module("rgb_lib")
    except (ImportError, OSError) as error:  # OSError: its native half does not fit this machine
        raise LibraryMissing(f"rgb-lib {VERSION} is not installed: {HOW}. ({error})") from None


def chain(name: str) -> ChainNet:
    """The contracts' value for a network of the node's. NetworkUnknown."""
    if name not in CHAINS:
        raise NetworkUnknown(f"RGB knows no network {name}: {', '.join(CHAINS)}")
    return CHAINS[name]


def network(name: str) -> Any:  # Any: as above
    """rgb-lib's value for a network of the node's. NetworkUnknown."""
    return getattr(load().BitcoinNetwork, NETWORKS[chain(name)])


@contextmanager
def translated() -> Iterator[None]:
    """What rgb-lib raises within becomes one of `errors`."""
    library = load()
    panic = library.rgb_lib.InternalError
    try:
        yield
    except library.RgbLibError as error:
        raise _refusal(error) from None
    except panic as error:
        raise LibraryPanicked(f"rgb-lib failed within itself: {str(error)[:MAX_DETAILS]}") from None
    except (TypeError, ValueError, OverflowError) as error:  # a value does not go through its binding
        raise BadRequest(f"rgb-lib does not take this: {str(error)[:MAX_DETAILS]}") from None


def _refusal(error: Exception) -> EngineError:
    code = type(error).__name__
    details = BLANKS.sub(" ", str(error).removeprefix("details=")).strip("'\". ")[:MAX_DETAILS]
    words = re.sub(r"(?<!^)([A-Z])", r" \1", code).lower()
    text = SENTENCES.get(code) or (f"{words} ({details})" if details else words)
    kind = CLASSES.get(code, BadRequest if code.startswith("Invalid") else LibraryRefused)
    return LibraryRefused(text, code) if kind is LibraryRefused else kind(text)
