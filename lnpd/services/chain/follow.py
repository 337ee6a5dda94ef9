"""How does a service follow the chain without missing anything or counting it twice?

    what it wants watched is registered -> blocks since its cursor, a delta at a time, the effects of each and the moved
    cursor in one transaction -> what it began to watch since is looked up in the past -> after the commit it acts

A past may take hours to read. It is read an answer at a time, and blocks are taken and acted upon in between; it is
stored once it is known up to the cursor, for what lies above that is told by the deltas of what is registered.

Hints of the backend only wake this loop; the cursor decides what is read. A follower that was killed at any moment
goes on from its cursor, and one whose blocks were reorganised away is told which left the chain.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import Protocol

import msgspec

from lnpd.chain.interface import BlockRef, ChainBackend, ChainDelta, ConnectedBlock, Match, Watch
from lnpd.errors import ChainError
from lnpd.services.chain.alarm import Broken, alarmed
from lnpd.store.read import Read
from lnpd.store.store import Store
from lnpd.store.write import Write

log = logging.getLogger("lnpd.chain")

POLL_SECONDS = 30.0
HIDDEN_BLOCKS = 2_016  # so far back each new tip has it looked for what was hidden: no channel's output waits longer
RETRY_SECONDS = 1.0
STOP_SECONDS = 1.0


class Wanted(msgspec.Struct, frozen=True):
    """What a service has watched; `fresh` of it was never looked up in the past, from `from_height` on."""

    watches: frozenset[Watch]
    fresh: frozenset[Watch] = frozenset()
    from_height: int = 0


class Past(msgspec.Struct, frozen=True):
    """What happened to fresh watches up to the cursor, `tip`."""

    watches: frozenset[Watch]
    connected: tuple[ConnectedBlock, ...]
    mempool: tuple[Match, ...]
    tip: BlockRef


class _Reading:
    """The past of fresh watches as far as it is read: below `height`, on the chain of the cursor."""

    def __init__(self, wanted: Wanted) -> None:
        self.watches, self.from_height = wanted.fresh, wanted.from_height
        self.height = wanted.from_height
        self.connected: list[ConnectedBlock] = []

    def add(self, delta: ChainDelta, tip: BlockRef) -> None:
        """What an answer told of the blocks up to the cursor."""
        self.connected += [each for each in delta.connected if each.block.height <= tip.height]
        self.height = max(self.height, min(delta.end.height, tip.height) + 1)

    def undo(self, blocks: tuple[BlockRef, ...]) -> None:
        """Blocks below the cursor are no more: those that came instead are read, which does no harm."""
        fork = min((each.height for each in blocks), default=self.height)
        self.connected = [each for each in self.connected if each.block.height < fork]
        self.height = min(self.height, max(self.from_height, fork))


class Service(Protocol):
    """A service that follows. The three that take a view of the store run on the store's thread and see it only."""

    @property
    def name(self) -> str:
        """Who cannot follow any more, if that is so."""
        ...

    def cursor(self, read: Read) -> BlockRef | None:
        """The last block whose effects are stored."""
        ...

    def wanted(self, read: Read) -> Wanted:
        """What it has watched."""
        ...

    def take(self, write: Write, delta: ChainDelta) -> None:
        """Stores the effects of a delta, and the cursor at its end."""
        ...

    def learn(self, write: Write, past: Past) -> None:
        """Stores the effects of the past on fresh watches, which are fresh no more."""
        ...

    async def caught_up(self, tip: BlockRef, moved: bool) -> None:
        """Everything up to `tip` is stored; `moved` says that the tip is another one than before. Acts on it."""
        ...


class ChainFollower:
    """The loop of one service. `broken` hears of whatever ends it, which the chain's own errors do not: the node must
    stop, for a service that stands still looks well and misses everything. `complaint` is the chain's error for which
    it tries again and again; empty while all is well. `acted` says whether all that there was at the start, the past of
    what was new included, is stored and acted upon.
    """

    def __init__(
        self,
        store: Store,
        backend: ChainBackend,
        service: Service,
        broken: Broken | None = None,
        poll_seconds: float = POLL_SECONDS,
    ) -> None:
        self._store, self._backend, self._service, self._broken = store, backend, service, broken
        self._poll_seconds = poll_seconds
        self._registered: frozenset[Watch] = frozenset()
        self._waiting: tuple[Match, ...] | None = None  # not known at a start: the mempool may have changed since
        self._at: BlockRef | None = None
        self._acted_at: BlockRef | None = None
        self._shown: set[tuple[bytes, bytes]] = set()  # transactions and their blocks, where some may be hidden
        self._past: _Reading | None = None
        self.acted = False
        self.complaint = ""
        self._wake = asyncio.Event()
        self._busy = asyncio.Lock()
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def tip(self) -> BlockRef | None:
        """The cursor as last stored; None before the start."""
        return self._at

    @property
    def known_height(self) -> int:
        """Up to which block all that is watched is known: below the cursor while a past is read, 0 before the start."""
        at = self._at.height if self._at else 0
        return min(at, max(0, self._past.height - 1)) if self._past else at

    async def start(self, wait: bool = True) -> None:
        """Catches up with the chain, then follows it. Raises ChainError, UnknownBlock if this is another chain.

        wait: until the past of what is new is read. Else that is done beside the caller: it may take hours.
        """
        if wait:
            await self.sync()
        else:
            async with self._busy:
                await self._reach()
            self.wake()
        what = f"{self._service.name} cannot follow the chain any more"
        loops = (self._listen(), self._follow())
        self._tasks = [alarmed(asyncio.create_task(loop), what, self._broken) for loop in loops]

    async def stop(self) -> None:
        """Ends between two transactions; in the middle of a question that the chain does not answer."""
        with suppress(TimeoutError):
            async with asyncio.timeout(STOP_SECONDS):
                await self._busy.acquire()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def wake(self) -> None:
        """There may be something new to do."""
        self._wake.set()

    async def sync(self) -> None:
        """Returns when everything up to the present tip is stored and acted upon. Raises ChainError."""
        async with self._busy:
            while not await self._pass():
                pass

    # --- one pass

    async def _pass(self) -> bool:
        """False while a past is read, and after: what it held may be worth more watches."""
        wanted, tip = await self._reach()
        if wanted.fresh:
            is_learned = await self._look_back(wanted, tip)
            if not is_learned and tip != self._acted_at:
                await self._act(tip)
            return False
        await self._act(tip)
        self.acted = True
        return True

    async def _act(self, tip: BlockRef) -> None:
        if self._backend.may_hide and tip != self._acted_at:
            await self._look_again(tip)
        await self._service.caught_up(tip, tip != self._acted_at)
        self._acted_at = tip

    async def _reach(self) -> tuple[Wanted, BlockRef]:
        """What is wanted, and the tip, up to which everything but the past of what is new is stored."""
        wanted = await self._store.read(self._service.wanted)
        await self._register(wanted.watches)
        return wanted, await self._catch_up()

    async def _register(self, watches: frozenset[Watch]) -> None:
        if new := watches - self._registered:
            await self._backend.watch(new)
            self._registered |= new
        if old := self._registered - watches:
            await self._backend.unwatch(old)
            self._registered -= old

    async def _catch_up(self) -> BlockRef:
        at = await self._store.read(self._service.cursor)
        if at is None:
            at = await self._backend.best_block()
            await self._take(ChainDelta((), (), (), at, False))
        while True:
            delta = await self._backend.blocks_since(at)
            if self._past is not None:
                self._past.undo(delta.disconnected)
            if delta.end != at or (not delta.more and delta.mempool != self._waiting):
                await self._take(delta)
            at = self._at = delta.end
            if not delta.more:
                self._waiting = delta.mempool
                return at

    async def _take(self, delta: ChainDelta) -> None:
        await self._store.write(lambda write: self._service.take(write, delta))

    async def _look_again(self, at: BlockRef) -> None:
        """Takes what was hidden until now in blocks that were followed long ago: nobody would ask about them again."""
        blocks: list[ConnectedBlock] = []
        height = max(1, at.height - HIDDEN_BLOCKS)
        while height <= at.height:
            delta = await self._backend.scan(self._registered, height)
            blocks += [each for each in delta.connected if each.block.height <= at.height]
            height = delta.end.height + 1 if delta.more else at.height + 1
        shown = {(match.txid, each.block.hash) for each in blocks for match in each.matches}
        if shown <= self._shown or (await self._backend.blocks_since(at)).disconnected:
            return
        await self._take(ChainDelta((), tuple(blocks), (), at, True))
        self._shown = shown

    async def _look_back(self, wanted: Wanted, tip: BlockRef) -> bool:
        """Asks once more for the past of what is fresh. True once it is known up to the cursor, and stored."""
        past = self._past
        if past is None or wanted.from_height < past.from_height:
            past = self._past = _Reading(wanted)
        delta = await self._backend.scan(past.watches, past.height)
        is_exact = delta.end == tip
        if not is_exact and delta.end.height >= tip.height and (await self._backend.blocks_since(tip)).disconnected:
            return False  # the next delta tells it
        past.add(delta, tip)
        if past.height <= tip.height:
            return False
        self._past = None
        if not is_exact:
            self._waiting = None  # the mempool that was told is not the cursor's: it is taken anew
        await self._learn(past, Past(past.watches, tuple(past.connected), delta.mempool if is_exact else (), tip))
        return True

    async def _learn(self, reading: _Reading, past: Past) -> None:
        def learn(write: Write) -> None:
            if self._service.wanted(write).from_height >= reading.from_height:  # else more is to be read by now
                self._service.learn(write, past)

        await self._store.write(learn)

    # --- the tasks

    async def _listen(self) -> None:
        async for _ in self._backend.events():
            self._wake.set()

    async def _follow(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(RETRY_SECONDS if self.complaint else self._poll_seconds):
                    await self._wake.wait()
            self._wake.clear()
            try:
                await self.sync()
                self.complaint = ""
            except ChainError as error:
                if str(error) != self.complaint:
                    self.complaint = str(error)
                    log.warning("the chain cannot be followed: %s", error)
