"""Which scripts and addresses are the wallet's? (BIP 84, through embit's descriptors)

The account's public key comes from the signer; nothing here can spend.
"""

from __future__ import annotations

from typing import Any, Final

from embit.descriptor import Descriptor
from embit.networks import NETWORKS
from embit.psbt import DerivationPath
from embit.script import Script, address_to_scriptpubkey

from lnpd.crypto.hd import ExtendedPoint
from lnpd.errors import AddressRefused
from lnpd.tx.script import pay_to_key

RECEIVE: Final = 0
CHANGE: Final = 1
BRANCHES: Final = (RECEIVE, CHANGE)

EMBIT_NETWORKS: Final = {"bitcoin": "main", "testnet": "test", "signet": "signet", "regtest": "regtest"}
MAX_ADDRESS_LETTERS: Final = 120

Path = tuple[int, int]
"""Branch and number."""


class WalletScripts:
    """The scripts of both branches, derived as far as they are asked for. Any thread may ask."""

    def __init__(self, account: str, network: str) -> None:
        """`account` is a descriptor's key with its origin: [fingerprint/84h/coinh/0h]xpub."""
        self._network: Any = NETWORKS[EMBIT_NETWORKS[network]]  # Any: embit has no types
        self._name = network
        self._descriptor: Any = Descriptor.from_string(f"wpkh({account}/{{0,1}}/*)")
        key = self._descriptor.keys[0].key
        point = ExtendedPoint(bytes(key.key.sec()), bytes(key.chain_code))
        self._branches = tuple(point.child(branch) for branch in BRANCHES)
        self._derived: dict[Path, bytes] = {}
        self._paths: dict[bytes, Path] = {}

    def script(self, branch: int, number: int) -> bytes:
        """The scriptPubKey at a path."""
        found = self._derived.get((branch, number))
        if found is None:
            # Hundreds at each start, of which embit would take a tenth of a millisecond each.
            found = self._derived[branch, number] = pay_to_key(self._branches[branch].child(number).point)
            self._paths[found] = (branch, number)
        return found

    def path(self, script: bytes) -> Path | None:
        """Where a script is ours, among those that were derived so far."""
        return self._paths.get(script)

    def origin(self, path: Path) -> tuple[Any, DerivationPath]:
        """A path's public key, and how it comes from the master key: what a PSBT shows to the signer."""
        branch, number = path
        key = self._descriptor.derive(number, branch_index=branch).key
        return key.get_public_key(), DerivationPath(key.fingerprint, key.derivation)

    def address(self, script: bytes) -> str:
        """The address of a scriptPubKey."""
        return str(Script(script).address(self._network))

    def script_of(self, address: str) -> bytes:
        """The scriptPubKey of an address of this network. Raises AddressRefused."""
        try:
            if len(address) > MAX_ADDRESS_LETTERS:
                raise ValueError
            text = address.lower() if address.isupper() else address  # bech32 may be written in capitals
            script: Any = address_to_scriptpubkey(text)
            if script.address(self._network) != text:
                raise ValueError
            return bytes(script.data)
        except Exception:  # embit raises errors of many kinds for what is no address
            shown = address[:MAX_ADDRESS_LETTERS]
            raise AddressRefused(f"{shown!r} is no bitcoin address of the network {self._name}.") from None
