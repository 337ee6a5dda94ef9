"""How does a test get an Electrum server of its own, upon a bitcoind of its own?

It learns of bitcoind's blocks and mempool by asking now and then, so a hand that has mined or offered something waits
until the server knows of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from contrib.regtest import electrum
from contrib.regtest.electrum import POLL_MILLISECONDS
from lnpd.chain.bitcoind.answers import internal
from lnpd.chain.bitcoind.regtest import RegtestBitcoind
from lnpd.chain.electrum.backend import ElectrumChain
from lnpd.chain.interface import BlockRef, BroadcastResult, Outcome, Outpoint, WatchTxid
from lnpd.chain.kernel import ANYONE_SCRIPT
from lnpd.errors import ChainError
from tests.interop.bitcoind import Bitcoind, needed

SETTLE_SECONDS = 30


class ElectrumServer(electrum.ElectrumServer):
    """A server for a test. Skips it where e-x is missing; fails it in CI."""

    def start(self) -> None:
        """See the class above."""
        needed("Electrum server", electrum.electrumx)
        super().start()

    async def view(self, *, directory: Path | None = None, tls: bool = False) -> ElectrumChain:
        """A new view of it, as a node has one."""
        return await ElectrumChain.open([self.tls if tls else self.tcp], "regtest", directory=directory, poll_seconds=1)

    async def hand(self, miner: RegtestBitcoind) -> ElectrumHand:
        """A view, and the hand that makes blocks."""
        hand = await ElectrumHand.open([self.tcp], "regtest", poll_seconds=1)
        hand.miner, hand.bitcoind = miner, self.bitcoind
        await hand.settled()
        return hand


class ElectrumHand(ElectrumChain):
    """A view by the server; what it makes, it makes at bitcoind, and waits until the server knows."""

    miner: RegtestBitcoind
    bitcoind: Bitcoind
    offered: frozenset[bytes] = frozenset()

    async def broadcast(self, txs: tuple[bytes, ...]) -> BroadcastResult:
        """Through the server."""
        result = await super().broadcast(txs)
        taken = {verdict.txid for verdict in result.verdicts if verdict.outcome is Outcome.ACCEPTED}
        self.offered |= taken
        if taken:
            await self.settled()
        return result

    async def mine(self, count: int = 1, script: bytes = ANYONE_SCRIPT) -> list[BlockRef]:
        """See RegtestBitcoind."""
        found = await self.miner.mine(count, script)
        await self.settled()
        return found

    async def fund(self, script: bytes, amount_sat: int) -> Outpoint:
        """See RegtestBitcoind."""
        found = await self.miner.fund(script, amount_sat)
        await self.settled()
        return found

    async def reorganise(self, depth: int, new_length: int, txs: Sequence[bytes] = ()) -> list[BlockRef]:
        """See RegtestBitcoind."""
        found = await self.miner.reorganise(depth, new_length, txs)
        await self.settled()
        return found

    async def settled(self) -> None:
        """Returns once the server knows bitcoind's tip, and of what was offered, what waits."""
        async with asyncio.timeout(SETTLE_SECONDS):
            while not await self._is_settled():
                await asyncio.sleep(POLL_MILLISECONDS / 1000)

    async def _is_settled(self) -> bool:
        waiting = {internal(txid) for txid in await asyncio.to_thread(self.bitcoind.call, "getrawmempool")}
        try:
            if await self.best_block() != await self.miner.best_block():
                return False
            known = (await self.scan(map(WatchTxid, self.offered | waiting), 1_000_000)).mempool
        except ChainError:
            return False
        return {match.txid for match in known} == waiting


@asynccontextmanager
async def an_electrum_server(directory: Path, bitcoind: Bitcoind) -> AsyncIterator[ElectrumServer]:
    """A running server, for one test."""
    made = ElectrumServer(directory / "electrum", bitcoind)
    made.start()
    try:
        await made.answers()
        yield made
    finally:
        await asyncio.to_thread(made.kill)
