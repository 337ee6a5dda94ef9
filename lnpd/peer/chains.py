"""Which blockchain is meant by a `chain_hash`? (BOLT 0; the hash of its genesis block, in the order of the header)"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

CHAIN_HASHES: Final[Mapping[str, bytes]] = MappingProxyType(
    {
        name: bytes.fromhex(chain_hash)
        for name, chain_hash in (
            ("bitcoin", "6fe28c0ab6f1b372c1a6a246ae63f74f931e8365e15a089c68d6190000000000"),
            ("testnet", "43497fd7f826957108f4a30fd9cec3aeba79972084e90ead01ea330900000000"),
            ("testnet4", "43f08bdab050e35b567c864b91f47f50ae725ae2de53bcfbbaf284da00000000"),
            ("signet", "f61eee3b63a380a477a063af32b2bbc97c9ff9f01f2c4225e973988108000000"),
            ("regtest", "06226e46111a0b59caaf126043eb5bbf28c34f3a5e332a1fc7b2b73cf188910f"),
        )
    }
)
_NAMES: Final = {chain_hash: name for name, chain_hash in CHAIN_HASHES.items()}


def chain_name(chain_hash: bytes) -> str:
    """The chain's name for a person; its hash in hex where it has none."""
    return _NAMES.get(chain_hash, chain_hash.hex())
