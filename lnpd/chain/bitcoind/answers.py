"""What does bitcoind answer, as far as lnpd reads it?

One value for each RPC; fields that are not named are passed over. Amounts are exact decimals of BTC; `sat` turns them
into satoshi.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from lnpd.errors import BitcoindMisbehaves

COIN: Final = 100_000_000
MAX_MONEY_SAT: Final = 21_000_000 * COIN

Hash = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
Hex = Annotated[str, Meta(pattern="^(?:[0-9a-f]{2})*$")]
Height = Annotated[int, Meta(ge=0, le=2**31)]


def sat(amount: Decimal) -> int:
    """Satoshi of an amount in BTC. Raises BitcoindMisbehaves if it is none."""
    if not amount.is_finite() or not 0 <= amount <= MAX_MONEY_SAT // COIN or (found := amount * COIN) % 1:
        raise BitcoindMisbehaves(f"bitcoind names {str(amount)[:40]} as an amount.")
    return int(found)


def internal(shown: str) -> bytes:
    """A hash as lnpd keeps it, from the way it is shown."""
    return bytes.fromhex(shown)[::-1]


def shown(internal_hash: bytes) -> str:
    """A hash as bitcoind takes it."""
    return internal_hash[::-1].hex()


class BlockchainInfo(msgspec.Struct, frozen=True):
    """getblockchaininfo."""

    chain: str
    blocks: Height
    headers: Height
    bestblockhash: Hash
    initialblockdownload: bool
    time: int = 0
    verificationprogress: float = 0.0
    pruned: bool = False
    pruneheight: Height = 0
    signet_challenge: str = ""


class NetworkInfo(msgspec.Struct, frozen=True):
    """getnetworkinfo."""

    version: int
    subversion: Annotated[str, Meta(max_length=300)] = ""
    connections: int = 0
    timeoffset: int = 0


class Header(msgspec.Struct, frozen=True):
    """getblockheader. `confirmations` is -1 off the best chain."""

    hash: Hash
    height: Height
    confirmations: int
    time: int
    mediantime: int
    previousblockhash: Hash = "0" * 64


class BlockContents(Header, frozen=True, kw_only=True):
    """getblock with verbosity 1."""

    tx: tuple[Hash, ...]


class ScriptHex(msgspec.Struct, frozen=True):
    """A scriptPubKey."""

    hex: Hex


class Prevout(msgspec.Struct, frozen=True):
    """The output that an input spends."""

    script: ScriptHex = msgspec.field(name="scriptPubKey")
    value: Decimal
    height: Height = 0
    generated: bool = False


class InputWithPrevout(msgspec.Struct, frozen=True):
    """An input of getblock with verbosity 3; a coinbase's has no txid."""

    txid: Hash = ""
    vout: int = 0
    prevout: Prevout | None = None


class TransactionWithPrevouts(msgspec.Struct, frozen=True):
    """A transaction of getblock with verbosity 3."""

    vin: tuple[InputWithPrevout, ...]


class BlockWithPrevouts(msgspec.Struct, frozen=True):
    """getblock with verbosity 3."""

    hash: Hash
    tx: tuple[TransactionWithPrevouts, ...]


class MempoolIds(msgspec.Struct, frozen=True):
    """getrawmempool with its sequence number."""

    txids: list[Hash]
    mempool_sequence: int


class MempoolInfo(msgspec.Struct, frozen=True):
    """getmempoolinfo."""

    mempoolminfee: Decimal
    minrelaytxfee: Decimal
    loaded: bool = True


class FeeEstimate(msgspec.Struct, frozen=True):
    """estimatesmartfee."""

    feerate: Decimal | None = None
    errors: tuple[str, ...] = ()


class Coin(msgspec.Struct, frozen=True):
    """gettxout."""

    bestblock: Hash
    confirmations: Height
    value: Decimal
    script: ScriptHex = msgspec.field(name="scriptPubKey")
    coinbase: bool = False


COIN_OR_NONE: Final[type[Coin | None]] = Coin | None  # type: ignore[assignment]  # mypy: a union is no type
"""gettxout of an output that may be spent or unknown."""


class Spender(msgspec.Struct, frozen=True):
    """An element of gettxspendingprevout."""

    txid: Hash
    vout: int
    spendingtxid: Hash | None = None


class RawTransaction(msgspec.Struct, frozen=True):
    """getrawtransaction with verbosity 1."""

    hex: Hex
    blockhash: Hash | None = None
    confirmations: int = 0


class ScannedCoin(msgspec.Struct, frozen=True):
    """An output that scantxoutset found."""

    txid: Hash
    vout: int
    amount: Decimal
    height: Height
    script: Hex = msgspec.field(name="scriptPubKey")
    coinbase: bool | None = None


class ScannedCoins(msgspec.Struct, frozen=True):
    """scantxoutset."""

    unspents: tuple[ScannedCoin, ...]
    success: bool = True


class ScannedBlocks(msgspec.Struct, frozen=True):
    """scanblocks."""

    relevant_blocks: tuple[Hash, ...]
    to_height: Height
    completed: bool = True


class Index(msgspec.Struct, frozen=True):
    """An element of getindexinfo."""

    synced: bool
    best_block_height: Height


class Notification(msgspec.Struct, frozen=True):
    """An element of getzmqnotifications."""

    type: str
    address: Annotated[str, Meta(max_length=300)]


class PackageMember(msgspec.Struct, frozen=True):
    """What submitpackage says of one transaction."""

    txid: Hash
    error: str | None = None


class PackageResult(msgspec.Struct, frozen=True):
    """submitpackage, from Bitcoin Core 26 on."""

    package_msg: str
    results: dict[str, PackageMember] = msgspec.field(name="tx-results", default_factory=dict)
