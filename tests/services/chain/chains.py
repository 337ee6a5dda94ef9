"""How do tests of services get a regtest chain: in this process, served by it over the bus, or a bitcoind's?"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from lnpd.chain.bitcoind.regtest import RegtestBitcoind
from lnpd.chain.embedded import EmbeddedChain
from lnpd.chain.faucet import FIRST_BLOCKS
from lnpd.chain.interface import Outcome
from lnpd.services.chain.service import RemoteChain, serve_chain
from lnpd.tx.transaction import Tx
from tests.chain.purse import P2WPKH, pay
from tests.interop.bitcoind import a_bitcoind

Chain = EmbeddedChain | RemoteChain | RegtestBitcoind
KINDS = ("embedded", "remote", "bitcoind")
LIMIT_SECONDS = 60


@asynccontextmanager
async def a_chain(kind: str, directory: Path) -> AsyncIterator[Chain]:
    """The chain of a directory."""
    if kind == "bitcoind":
        async with a_bitcoind(directory, "-txindex=1") as bitcoind:
            view = await bitcoind.view(poll_seconds=0.05)
            await view.mine(FIRST_BLOCKS)
            yield view
            await view.close()
        return
    chain = await EmbeddedChain.open(directory / "chain")
    try:
        if kind == "embedded":
            yield chain
            return
        endpoint = f"ipc://{directory}/c"
        server = serve_chain(chain, endpoint)
        client = RemoteChain(endpoint)
        yield client
        await client.close()
        await server.close()
    finally:
        await chain.close()


async def a_spend(chain: Chain, amount_sat: int = 1_000_000, **change: object) -> Tx:
    """A signed transaction that spends a new, confirmed coin; it is not broadcast."""
    coin = await chain.output(await chain.fund(P2WPKH, amount_sat))
    assert coin is not None
    return pay(coin, **change)  # type: ignore[arg-type]


async def offer(chain: Chain, tx: Tx) -> None:
    """Broadcasts what the mempool takes."""
    result = await chain.broadcast((tx.serialise(),))
    assert result.outcome is not Outcome.REFUSED, result.reason


async def until(condition: Callable[[], bool]) -> None:
    """Waits for a condition of something that nobody here is told about."""
    async with asyncio.timeout(LIMIT_SECONDS):
        while not condition():
            await asyncio.sleep(0.01)


def told(story: Callable[[], Awaitable[None]]) -> None:
    """Runs a story on an event loop."""
    asyncio.run(asyncio.wait_for(story(), LIMIT_SECONDS))
