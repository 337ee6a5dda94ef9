"""How does a test of the chain's interface get one world after the other: the embedded chain, a real bitcoind,
and a real Electrum server upon one?
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from lnpd.chain.bitcoind.regtest import RegtestBitcoind
from lnpd.chain.electrum.backend import ElectrumChain
from lnpd.chain.embedded import ChainView, EmbeddedChain
from lnpd.chain.interface import BlockRef, ChainBackend, ChainDelta, Outcome, Output
from lnpd.tx.transaction import Tx
from tests.chain.purse import P2WPKH, pay
from tests.interop.bitcoind import Bitcoind, a_bitcoind
from tests.interop.electrum import ElectrumHand, ElectrumServer, an_electrum_server

KINDS = ("embedded", "bitcoind", "electrum")
LIMIT_SECONDS = 90


class World:
    """A regtest chain, `hand` that makes its blocks, and views of it. Each kind has the same methods."""

    def __init__(
        self, hand: EmbeddedChain | RegtestBitcoind | ElectrumHand, server: Bitcoind | ElectrumServer | None = None
    ) -> None:
        self.hand, self.server = hand, server
        self._views: list[RegtestBitcoind | ElectrumChain] = []

    async def view(self) -> ChainView | RegtestBitcoind | ElectrumChain:
        """Another client's view."""
        if isinstance(self.hand, EmbeddedChain):
            return self.hand.view()
        assert self.server is not None
        view = await self.server.view()
        self._views.append(view)
        return view

    async def coin(self, amount_sat: int = 1_000_000, script: bytes = P2WPKH) -> Output:
        """A confirmed coin of ours."""
        found = await self.hand.output(await self.hand.fund(script, amount_sat))
        assert found is not None
        return found

    async def offer(self, *txs: Tx) -> None:
        """Broadcasts what the mempool takes."""
        for tx in txs:
            result = await self.hand.broadcast((tx.serialise(),))
            assert result.outcome is not Outcome.REFUSED, result.reason

    async def reason(self, *txs: Tx) -> str:
        """Why a broadcast is refused; empty if it is not."""
        return (await self.hand.broadcast(tuple(tx.serialise() for tx in txs))).reason

    async def close(self) -> None:
        """Ends the views."""
        for view in self._views:
            await view.close()


@asynccontextmanager
async def a_world(kind: str, directory: Path) -> AsyncIterator[World]:
    """A new chain on which the faucet can pay."""
    if kind == "embedded":
        chain = await EmbeddedChain.open(directory / "chain")
        try:
            yield World(chain)
        finally:
            await chain.close()
        return
    async with a_bitcoind(directory, *(["-txindex=1"] if kind == "electrum" else [])) as bitcoind:
        hand = await bitcoind.view()
        try:
            await hand.mine(101)
            async with _upon(kind, directory, bitcoind, hand) as world:
                yield world
                await world.close()
        finally:
            await hand.close()


@asynccontextmanager
async def _upon(kind: str, directory: Path, bitcoind: Bitcoind, hand: RegtestBitcoind) -> AsyncIterator[World]:
    if kind == "bitcoind":
        yield World(hand, bitcoind)
        return
    async with an_electrum_server(directory, bitcoind) as server:
        electrum = await server.hand(hand)
        try:
            yield World(electrum, server)
        finally:
            await electrum.close()


def told(kind: str, directory: Path, story: Callable[[World], Awaitable[None]]) -> None:
    """Tells a story in a world."""

    async def main() -> None:
        async with a_world(kind, directory) as world:
            await story(world)

    asyncio.run(asyncio.wait_for(main(), LIMIT_SECONDS))


async def everything_since(view: ChainBackend, block: BlockRef) -> ChainDelta:
    """All deltas since a block, as one."""
    whole = await view.blocks_since(block)
    while whole.more:
        next_one = await view.blocks_since(whole.end)
        assert not next_one.disconnected
        connected = whole.connected + next_one.connected
        whole = ChainDelta(whole.disconnected, connected, next_one.mempool, next_one.end, next_one.more)
    return whole


def spend_of(coin: Output, **change: object) -> Tx:
    """A signed payment of a coin of ours."""
    return pay(coin, **change)  # type: ignore[arg-type]
