"""How does bitcoind become a ChainBackend?

    notifications of ZeroMQ, or a clock  ->  what is new?  ->  events (hints) for whoever waits
    a question                           ->  RPC, held against what can be checked  ->  answer

Nothing that a notification says is believed by itself: it makes lnpd look sooner. When they are off, lost or late,
lnpd looks by the clock. Two things that an embedded chain knows, bitcoind may not: see `transaction`, and the key path
of a taproot output that is watched by its script, whose spending is seen when it confirms, not before.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from lnpd.chain.bitcoind import fees
from lnpd.chain.bitcoind.address import BitcoindAddress
from lnpd.chain.bitcoind.answers import Notification
from lnpd.chain.bitcoind.blocks import Blocks
from lnpd.chain.bitcoind.broadcasts import Broadcaster
from lnpd.chain.bitcoind.coins import Coins
from lnpd.chain.bitcoind.notices import TOPICS, Notice, endpoints_of, read_notice
from lnpd.chain.bitcoind.pool import Pool
from lnpd.chain.bitcoind.rpc import NO_SUCH_METHOD, Rpc
from lnpd.chain.bitcoind.start import ready
from lnpd.chain.bitcoind.state import BitcoindState, state_of
from lnpd.chain.bitcoind.view import View
from lnpd.chain.bitcoind.watched import Watched
from lnpd.chain.interface import (
    MAX_WATCHES,
    BlockRef,
    BlockSummary,
    BroadcastResult,
    ChainBackend,
    ChainDelta,
    ChainTip,
    FoundTransaction,
    NewTip,
    Outcome,
    Outpoint,
    Output,
    SeenUnconfirmed,
    Watch,
)
from lnpd.chain.observer import EventStream, Observer
from lnpd.errors import BitcoindFault, ChainClosed, EndpointRefused, WatchesTooMany

log = logging.getLogger("lnpd.chain")

NOTIFIED_POLL_SECONDS: Final = 30.0
POLL_SECONDS: Final = 5.0
MAX_NOTICES: Final = 5_000
"""Of more than this at once the mempool is compared as a whole instead."""

Self = TypeVar("Self", bound="BitcoindChain")


class Closable(Protocol):
    """Something that listens."""

    def close(self) -> None:
        """Listens no more."""
        ...


Subscribe = Callable[[tuple[str, ...], tuple[str, ...], Callable[[str, bytes, bool], None]], Closable]
"""Subscribes to topics at endpoints. It is given to the chain, because sockets of ZeroMQ are the bus's."""


class BitcoindChain:
    """A ChainBackend upon a bitcoind, for one client. Made by `open`."""

    may_hide = False

    def __init__(
        self, rpc: Rpc, network: str, version: int, subscribe: Subscribe | None, poll_seconds: float | None
    ) -> None:
        self._rpc, self._network, self._subscribe = rpc, network, subscribe
        self._watched = Watched()
        self._blocks, self._pool = Blocks(rpc), Pool(rpc, self._watched)
        self._coins = Coins(rpc, self._blocks, self._pool)
        self._view = View(rpc, self._blocks, self._pool, self._coins, self._watched)
        self._broadcaster = Broadcaster(rpc, version, self._coins.transaction)
        self._poll_seconds = poll_seconds
        self._observer = Observer("bitcoind", self._look, lambda: self._pause_seconds)
        self._notices: list[Notice] = []
        self._compare = True
        self._subscription: Closable | None = None
        self._endpoints: tuple[str, ...] | None = None
        self._silent = False
        self._tip: bytes | None = None
        self._closed = False
        rpc.on_silence = self._observer.wake

    @classmethod
    async def open(
        cls: type[Self],
        address: BitcoindAddress,
        network: str,
        *,
        subscribe: Subscribe | None = None,
        poll_seconds: float | None = None,
    ) -> Self:
        """A view of a network's chain, once bitcoind has all of it.

        Raises ChainIsAnother, BitcoindTooOld, BitcoindUnreachable, BitcoindNotFound, LoginRefused.
        """
        rpc = Rpc(address)
        try:
            info = await ready(rpc, network)
            chain = cls(rpc, network, info.version, subscribe, poll_seconds)
            await chain._listen()
        except BaseException:
            await rpc.close()
            raise
        chain._observer.start()
        log.info("the chain is that of %s at %s", info.subversion, address)
        return chain

    async def close(self) -> None:
        """Ends every stream and connection; a second call does nothing."""
        if self._closed:
            return
        self._closed = True
        await self._observer.close()
        if self._subscription is not None:
            self._subscription.close()
        await self._rpc.close()

    async def state(self) -> BitcoindState:
        """What bitcoind says of itself, for a person. Raises ChainError."""
        self._require_open()
        return await state_of(self._rpc)

    @property
    def is_notified(self) -> bool:
        """Whether bitcoind's notifications are heard, so that nothing waits for the clock."""
        return self._subscription is not None and not self._silent

    # --- ChainBackend

    async def best_block(self) -> BlockRef:
        """The tip of the best chain."""
        self._require_open()
        return await self._blocks.best()

    async def tip(self) -> ChainTip:
        """The tip; bitcoind may know of headers whose blocks it lacks."""
        self._require_open()
        return await self._blocks.tip()

    async def feerate(self, target_blocks: int) -> int:
        """bitcoind's estimate, at least what its mempool takes. Raises FeerateUnknown."""
        self._require_open()
        return await fees.estimate(self._rpc, target_blocks, self._network)

    async def broadcast(self, txs: tuple[bytes, ...]) -> BroadcastResult:
        """Offers one transaction, or a parent and its child."""
        self._require_open()
        result = await self._broadcaster.broadcast(tuple(txs))
        accepted = [verdict.txid for verdict in result.verdicts if verdict.outcome is Outcome.ACCEPTED]
        if accepted and self._watched.all:
            await self._pool.enter(accepted)
            self._observer.wake()
        return result

    async def block_at(self, height: int) -> BlockSummary | None:
        """The block of the best chain at a height. Raises BlockPruned."""
        self._require_open()
        return await self._blocks.summary(height)

    async def blocks_since(self, block: BlockRef) -> ChainDelta:
        """What happened to the watches since a block. Raises UnknownBlock, BlockPruned."""
        self._require_open()
        delta = await self._view.since(block)
        if self._pool.has_news:
            self._observer.wake()
        return delta

    async def watch(self, watches: Iterable[Watch]) -> None:
        """Watches for more. Raises WatchesTooMany."""
        self._require_open()
        new = frozenset(watches) - self._watched.all
        if len(self._watched.all) + len(new) > MAX_WATCHES:
            raise WatchesTooMany(f"A view of the chain watches {MAX_WATCHES} things at most.")
        self._watched.add(new)
        await self._pool.look_for(new)

    async def unwatch(self, watches: Iterable[Watch]) -> None:
        """Watches for less."""
        self._require_open()
        self._watched.remove(watches)
        self._pool.trim()

    async def scan(self, watches: Iterable[Watch], from_height: int) -> ChainDelta:
        """What happened to some watches from a height on. Raises BlockPruned.

        Outpoints that are unspent need no reading. For scripts bitcoind's block filters (blockfilterindex=1) find the
        blocks, if it has them; else each block is read.
        """
        self._require_open()
        return await self._view.scan(frozenset(watches), from_height)

    async def unspent(self, script: bytes) -> tuple[Output, ...]:
        """The outputs that pay to a script. bitcoind reads all its coins for it: minutes, on a large chain."""
        self._require_open()
        await self._pool.settle()
        return await self._coins.unspent(script)

    async def output(self, outpoint: Outpoint) -> Output | None:
        """An output that no block of the best chain spends."""
        self._require_open()
        return await self._coins.output(outpoint)

    async def transaction(self, txid: bytes) -> FoundTransaction | None:
        """A transaction of the best chain or the mempool. An old one is found for certain only with txindex=1."""
        self._require_open()
        return await self._coins.transaction(txid)

    def events(self) -> EventStream:
        """Events from now on."""
        return self._observer.stream()

    def _require_open(self) -> None:
        if self._closed:
            raise ChainClosed("The view of bitcoind is closed.")

    # --- looking

    @property
    def _pause_seconds(self) -> float:
        usual = NOTIFIED_POLL_SECONDS if self.is_notified else POLL_SECONDS
        return usual if self._poll_seconds is None else min(usual, self._poll_seconds)

    async def _look(self, told: bool, failed: bool) -> None:
        self._compare = self._compare or not told
        if failed:
            await self._listen()
        notices, self._notices = self._notices, []
        tip = await self._blocks.best()
        if tip.hash != self._tip:
            if self._tip is not None:
                self._hear(told, notices)
                self._observer.spread(NewTip(tip))
            self._tip, self._compare = tip.hash, True
        if not self._watched.all:
            return
        if self._compare or len(notices) > MAX_NOTICES:
            await self._pool.settle()
            self._compare = False
        else:
            await self._apply([notice for notice in notices if notice.sequence >= self._pool.sequence])
        for match in await self._pool.news():
            self._observer.spread(SeenUnconfirmed(match))

    async def _apply(self, notices: list[Notice]) -> None:
        entered: dict[bytes, None] = {}
        for notice in notices:
            if notice.entered:
                entered[notice.hash] = None
            else:
                entered.pop(notice.hash, None)
                await self._pool.leave(notice.hash)
        await self._pool.enter(entered)

    def _hear(self, told: bool, notices: list[Notice]) -> None:
        """A new tip that nobody told of means that nobody listens, or that nobody speaks."""
        if self._subscription is not None and not told and not notices and not self._silent:
            self._silent = True
            log.warning("bitcoind's notifications do not come: lnpd asks every %g s instead", self._pause_seconds)

    # --- notifications

    async def _listen(self) -> None:
        """Subscribes to what bitcoind publishes, as it says now."""
        if self._subscribe is None:
            return
        try:
            told = await self._rpc.call(tuple[Notification, ...], "getzmqnotifications")
        except BitcoindFault as fault:
            if fault.code != NO_SUCH_METHOD:  # a bitcoind that was built without ZeroMQ
                raise
            told = ()
        endpoints = endpoints_of(told, self._rpc.address.host)
        if endpoints == self._endpoints:
            return
        if self._subscription is not None:
            self._subscription.close()
        self._subscription, self._endpoints, self._silent = None, endpoints, False
        if not endpoints:
            log.warning("bitcoind publishes no zmqpubsequence: lnpd asks every %g s instead", self._pause_seconds)
            return
        try:
            self._subscription = self._subscribe(endpoints, TOPICS, self._receive)
        except EndpointRefused as error:
            log.warning("bitcoind's notifications cannot be heard: %s", error)

    def _receive(self, topic: str, body: bytes, lost: bool) -> None:
        if self._silent:
            self._silent = False
            log.info("bitcoind's notifications come again")
        self._compare = self._compare or lost or len(self._notices) >= MAX_NOTICES
        notice = read_notice(topic, body)
        if notice is not None and not self._compare:
            self._notices.append(notice)
        self._observer.wake()


if TYPE_CHECKING:
    _A_VIEW_OF_BITCOIND_IS_A_BACKEND: type[ChainBackend] = BitcoindChain
