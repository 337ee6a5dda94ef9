"""On which chain is a story told? On the embedded one, and on a real bitcoind.

Both have a hand that mines what it is told (`mine_only`), and an estimate of feerates that can be set.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from lnpd.testing import Network
from tests.interop.bitcoind import a_bitcoind

CHAINS = ("embedded", "bitcoind")


@asynccontextmanager
async def a_network(directory: Path, chain: str = CHAINS[0], *options: str) -> AsyncIterator[Network]:
    """A network on one of CHAINS; a bitcoind has these words in its command line and finds every transaction again."""
    if chain == "embedded":
        async with Network(directory) as network:
            yield network
        return
    made = a_bitcoind(directory, "-txindex=1", *options)
    async with made as bitcoind, Network(directory / "n", bitcoind=bitcoind.directory) as network:
        yield network
