"""How do the tasks of an event loop share the embedded regtest chain?

One worker thread runs the chain; each task waits for its answer without holding up the loop. Each client has a view of
its own, with its own watches and events, upon the one chain.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, ParamSpec, TypeVar
from weakref import WeakSet

from lnpd.chain import faucet
from lnpd.chain.index import find_matches
from lnpd.chain.interface import (
    MAX_WATCHES,
    BlockRef,
    BlockSummary,
    BroadcastResult,
    ChainBackend,
    ChainDelta,
    ChainEvent,
    ChainTip,
    FoundTransaction,
    NewTip,
    Outpoint,
    Output,
    SeenUnconfirmed,
    Watch,
)
from lnpd.chain.kernel import ANYONE_SCRIPT, KernelChain, Listener, Spent
from lnpd.chain.observer import EventStream
from lnpd.chain.policy import Policy
from lnpd.chain.transaction import Transaction
from lnpd.errors import ChainClosed, WatchesTooMany

DEFAULT_FEERATE_PER_KW: Final = 2_500

P = ParamSpec("P")
R = TypeVar("R")


class Worker:
    """One thread for one chain."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self._executor: ThreadPoolExecutor | None = ThreadPoolExecutor(1, "regtest-chain")

    async def run(self, call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """What `call` answers, on the thread. Raises ChainClosed, and what `call` raises."""
        if self._executor is None:
            raise ChainClosed("The regtest chain is closed.")
        return await self.loop.run_in_executor(self._executor, lambda: call(*args, **kwargs))

    def stop(self) -> None:
        """Takes nothing more; what runs, ends."""
        if self._executor:
            self._executor.shutdown(wait=False)
            self._executor = None


class ChainView(Listener):
    """A ChainBackend upon an embedded chain, for one client."""

    may_hide = False

    def __init__(self, chain: KernelChain, worker: Worker) -> None:
        self._chain, self._worker = chain, worker
        self._watches: set[Watch] = set()  # touched on the chain's thread only
        self._streams: WeakSet[EventStream] = WeakSet()  # touched on the loop's thread only
        self._feerate_per_kw = DEFAULT_FEERATE_PER_KW
        chain.listeners.append(self)

    async def best_block(self) -> BlockRef:
        """The tip of the best chain."""
        return await self._worker.run(lambda: self._chain.tip)

    async def tip(self) -> ChainTip:
        """The tip; this chain lacks nothing."""
        return await self._worker.run(self._chain.read.tip)

    async def feerate(self, target_blocks: int) -> int:
        """The rate that was set; on a chain that mines on command every target is as near as the next."""
        return self._feerate_per_kw

    async def set_feerate(self, per_kw: int) -> None:
        """Sets what this view estimates from now on."""
        self._feerate_per_kw = per_kw

    async def broadcast(self, txs: tuple[bytes, ...]) -> BroadcastResult:
        """Offers one transaction, or a parent and its child."""
        return await self._worker.run(self._chain.broadcast, tuple(txs))

    async def block_at(self, height: int) -> BlockSummary | None:
        """The block of the best chain at a height."""
        return await self._worker.run(self._chain.read.summary, height)

    async def blocks_since(self, block: BlockRef) -> ChainDelta:
        """What happened to this view's watches since a block. Raises UnknownBlock."""
        return await self._worker.run(self._chain.read.blocks_since, block, self._watches)

    async def watch(self, watches: Iterable[Watch]) -> None:
        """Watches for more. Raises WatchesTooMany."""
        await self._worker.run(self._add, frozenset(watches))

    async def unwatch(self, watches: Iterable[Watch]) -> None:
        """Watches for less."""
        await self._worker.run(self._watches.difference_update, frozenset(watches))

    async def scan(self, watches: Iterable[Watch], from_height: int) -> ChainDelta:
        """What happened to some watches from a height on."""
        return await self._worker.run(self._chain.read.scan, frozenset(watches), from_height)

    async def unspent(self, script: bytes) -> tuple[Output, ...]:
        """The outputs that pay to a script and that nobody spends."""
        return await self._worker.run(self._chain.read.unspent, script)

    async def output(self, outpoint: Outpoint) -> Output | None:
        """An output that no block of the best chain spends."""
        return await self._worker.run(self._chain.read.output, outpoint)

    async def transaction(self, txid: bytes) -> FoundTransaction | None:
        """A transaction of the best chain or the mempool."""
        return await self._worker.run(self._chain.read.transaction, txid)

    def events(self) -> EventStream:
        """Events from now on."""
        stream = EventStream()
        self._streams.add(stream)
        return stream

    async def detach(self) -> None:
        """The client is gone: its streams end, its watches are forgotten."""
        self._end_streams()
        await self._worker.run(self._forget)

    # On the chain's thread

    def _add(self, watches: frozenset[Watch]) -> None:
        if len(self._watches | watches) > MAX_WATCHES:
            raise WatchesTooMany(f"A view of the chain watches {MAX_WATCHES} things at most.")
        self._watches |= watches

    def _forget(self) -> None:
        self._watches.clear()
        if self in self._chain.listeners:
            self._chain.listeners.remove(self)

    def new_tip(self, block: BlockRef) -> None:
        """The best chain ends elsewhere."""
        self._publish(NewTip(block))

    def entered(self, tx: Transaction, spent: Spent) -> None:
        """A transaction waits."""
        for match in find_matches(tx, spent, self._watches, None):
            self._publish(SeenUnconfirmed(match))

    def _publish(self, event: ChainEvent) -> None:
        with suppress(RuntimeError):  # the loop has ended; so have its readers
            self._worker.loop.call_soon_threadsafe(self._spread, event)

    # On the loop's thread

    def _spread(self, event: ChainEvent) -> None:
        for stream in self._streams:
            stream.put(event)

    def _end_streams(self) -> None:
        for stream in self._streams:
            stream.close()


class EmbeddedChain(ChainView):
    """The embedded chain with a first view of it, and with what only regtest offers: mining on command."""

    def __init__(self, chain: KernelChain, worker: Worker) -> None:
        super().__init__(chain, worker)
        self._views: WeakSet[ChainView] = WeakSet([self])

    @classmethod
    async def open(
        cls, directory: Path, *, policy: Policy | None = None, clock: Callable[[], float] = time.time
    ) -> EmbeddedChain:
        """Opens the chain of a directory; a new one gets 101 blocks, so that the faucet has a coin to spend.

        Raises RegtestNotInstalled, ChainLocked, BlockLogDamaged, KernelUnusable.
        """
        worker = Worker()
        try:
            chain = await worker.run(_open, directory, policy, clock)
        except BaseException:
            worker.stop()
            raise
        return cls(chain, worker)

    def view(self) -> ChainView:
        """Another client's view of this chain."""
        view = ChainView(self._chain, self._worker)
        self._views.add(view)
        return view

    async def close(self) -> None:
        """Ends every view and closes the chain; a second call does nothing."""
        for view in self._views:
            view._end_streams()
        try:
            await self._worker.run(self._chain.close)
        except ChainClosed:
            return
        self._worker.stop()

    async def mine(self, count: int = 1, script: bytes = ANYONE_SCRIPT) -> list[BlockRef]:
        """Mines blocks upon the tip with what waits in the mempool; coinbases pay to `script`."""
        return await self._worker.run(self._chain.mine, count, script)

    async def mine_only(self, txs: Sequence[bytes] = (), count: int = 1) -> list[BlockRef]:
        """Mines blocks upon the tip: the first holds `txs`, and nothing that waits finds room."""
        return await self._worker.run(lambda: self._chain.mine(count, txs=txs))

    async def reorganise(self, depth: int, new_length: int, txs: Sequence[bytes] = ()) -> list[BlockRef]:
        """Replaces the last `depth` blocks by `new_length` others: the first holds `txs`, the rest are empty."""
        return await self._worker.run(self._chain.reorganise, depth, new_length, txs)

    async def invalidate(self, height: int) -> list[BlockRef]:
        """Replaces the block at a height, and all after it, by an empty branch that is one block longer."""
        return await self._worker.run(self._replace_from, height)

    def _replace_from(self, height: int) -> list[BlockRef]:
        depth = self._chain.height - height + 1
        return self._chain.reorganise(depth, depth + 1)

    async def set_mempool_floor(self, sat_per_kvb: int) -> None:
        """From now on nothing enters the mempool below this rate by itself, as when the world is busy."""

        def set_floor() -> None:
            self._chain.mempool.floor_sat_per_kvb = sat_per_kvb

        await self._worker.run(set_floor)

    async def fund(self, script: bytes, amount_sat: int) -> Outpoint:
        """Pays from the faucet to a script and mines the payment. Raises FaucetDry."""
        return await self._worker.run(faucet.fund, self._chain, script, amount_sat)


def _open(directory: Path, policy: Policy | None, clock: Callable[[], float]) -> KernelChain:
    chain = KernelChain(directory, policy=policy, clock=clock)
    try:
        chain.mine(max(0, faucet.FIRST_BLOCKS - chain.height))  # a first start that was cut short goes on
    except BaseException:
        chain.close()
        raise
    return chain


if TYPE_CHECKING:
    _A_VIEW_IS_A_BACKEND: type[ChainBackend] = ChainView
