"""How does an Electrum server become a ChainBackend?

    a notification, or a clock  ->  what is new?  ->  events (hints) for whoever waits
    a question                  ->  the server, held against headers and proofs  ->  answer

What a lying server can do: hide a transaction or a whole branch of the chain, tell of unconfirmed transactions that
are none, say that it passed on what it did not, and advise a bad feerate. It cannot make a block without its work, nor
a confirmed transaction, nor move one. Whoever can be harmed by a spending that stays hidden runs a bitcoind.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from lnpd.chain.electrum import fees, work
from lnpd.chain.electrum.address import ElectrumAddress
from lnpd.chain.electrum.broadcasts import Broadcaster
from lnpd.chain.electrum.certificates import Certificates
from lnpd.chain.electrum.client import Client
from lnpd.chain.electrum.coins import Coins
from lnpd.chain.electrum.follower import Follower
from lnpd.chain.electrum.headers import Headers
from lnpd.chain.electrum.ledger import Ledger
from lnpd.chain.electrum.view import View
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
from lnpd.errors import ChainClosed, ElectrumBusy, ElectrumMisbehaves, WatchesTooMany

log = logging.getLogger("lnpd.chain")

POLL_SECONDS: Final = 20.0

Self = TypeVar("Self", bound="ElectrumChain")
T = TypeVar("T")


class ElectrumChain:
    """A ChainBackend upon Electrum servers, for one client. Made by `open`."""

    may_hide = True

    def __init__(
        self, addresses: Sequence[ElectrumAddress], network: str, directory: Path | None, poll_seconds: float | None
    ) -> None:
        if directory is not None:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        certificates = Certificates(directory / "certificates" if directory else None)
        self._network, self._poll_seconds = network, poll_seconds or POLL_SECONDS
        self._headers = Headers(network, directory / "headers" if directory else None)
        self._client = Client(addresses, certificates, network, self._hear)
        self._follower = Follower(self._client, self._headers)
        self._ledger = Ledger(self._client, self._headers)
        self._view = View(self._follower, self._ledger)
        self._coins = Coins(self._client, self._ledger, self._view)
        self._broadcaster = Broadcaster(self._client, self._coins.transaction)
        self._watches: frozenset[Watch] = frozenset()
        self._observer = Observer("an Electrum server", self._look, lambda: self._poll_seconds)
        self._tip: BlockRef | None = None
        self._seen: frozenset[bytes] = frozenset()
        self._closed = False
        self._client.lost = self._observer.wake

    @classmethod
    async def open(
        cls: type[Self],
        addresses: Sequence[ElectrumAddress],
        network: str,
        *,
        directory: Path | None = None,
        poll_seconds: float | None = None,
    ) -> Self:
        """A view of a network's chain by the first of some servers that answers, once all headers are read.

        In `directory` headers and certificates are kept. Raises ElectrumUnreachable, ChainIsAnother,
        CertificateChanged, ElectrumMisbehaves, ElectrumBusy.
        """
        chain = cls(addresses, network, directory, poll_seconds)
        try:
            await asyncio.to_thread(chain._headers.load)
            chain._tip = await chain._follower.settle()
        except BaseException:
            await chain.close()
            raise
        chain._observer.start()
        return chain

    async def close(self) -> None:
        """Ends every stream and the connection; a second call does nothing."""
        if self._closed:
            return
        self._closed = True
        await self._observer.close()
        await self._client.close()
        self._headers.close()

    @property
    def server(self) -> str:
        """The server that is asked now, HOST:PORT; empty while none answers."""
        return self._client.asked

    @property
    def servers(self) -> int:
        """How many were named."""
        return self._client.servers

    # --- ChainBackend

    async def best_block(self) -> BlockRef:
        """The tip of the best chain."""
        return await self._believing(self._best)

    async def tip(self) -> ChainTip:
        """The tip. That a server hides blocks is seen by its age alone."""
        block = await self._believing(self._best)
        return ChainTip(block, work.time_seconds(self._headers.at(block.height)), self._headers.height)

    async def feerate(self, target_blocks: int) -> int:
        """The server's estimate, at least what its bitcoind relays. Raises FeerateUnknown."""
        return await self._believing(lambda: fees.estimate(self._client, target_blocks, self._network))

    async def broadcast(self, txs: tuple[bytes, ...]) -> BroadcastResult:
        """Offers one transaction, or a parent and its child."""
        result = await self._believing(lambda: self._broadcaster.broadcast(tuple(txs)))
        if any(verdict.outcome is Outcome.ACCEPTED for verdict in result.verdicts):
            self._observer.wake()
        return result

    async def block_at(self, height: int) -> BlockSummary | None:
        """The block of the best chain at a height. Its transactions are asked for one by one."""
        return await self._believing(lambda: self._summary(height))

    async def blocks_since(self, block: BlockRef) -> ChainDelta:
        """What happened to the watches since a block. Raises UnknownBlock."""
        delta = await self._believing(lambda: self._view.since(block, self._watches))
        if not {match.txid for match in delta.mempool} <= self._seen:
            self._observer.wake()
        return delta

    async def watch(self, watches: Iterable[Watch]) -> None:
        """Watches for more. Raises WatchesTooMany."""
        self._require_open()
        more = self._watches | frozenset(watches)
        if len(more) > MAX_WATCHES:
            raise WatchesTooMany(f"A view of the chain watches {MAX_WATCHES} things at most.")
        if more != self._watches:
            self._watches = more
            self._observer.wake()

    async def unwatch(self, watches: Iterable[Watch]) -> None:
        """Watches for less."""
        self._require_open()
        gone = self._watches & frozenset(watches)
        self._watches -= gone
        self._view.forget(gone, self._watches)

    async def scan(self, watches: Iterable[Watch], from_height: int) -> ChainDelta:
        """What happened to some watches from a height on."""
        asked = frozenset(watches)
        return await self._believing(lambda: self._view.scan(asked, from_height))

    async def unspent(self, script: bytes) -> tuple[Output, ...]:
        """The outputs that pay to a script and that nobody spends."""
        return await self._believing(lambda: self._coins.unspent(script))

    async def output(self, outpoint: Outpoint) -> Output | None:
        """An output that no block of the best chain spends."""
        return await self._believing(lambda: self._coins.output(outpoint))

    async def transaction(self, txid: bytes) -> FoundTransaction | None:
        """A transaction of the best chain or the mempool, from when the server lists it."""
        return await self._believing(lambda: self._coins.transaction(txid))

    def events(self) -> EventStream:
        """Events from now on."""
        return self._observer.stream()

    def _require_open(self) -> None:
        if self._closed:
            raise ChainClosed("The view of the Electrum servers is closed.")

    async def _believing(self, answer: Callable[[], Awaitable[T]]) -> T:
        """An answer; a server that gives none that can be believed is left."""
        self._require_open()
        try:
            return await answer()
        except (ElectrumMisbehaves, ElectrumBusy) as error:
            await self._client.leave(error)
            raise

    async def _best(self) -> BlockRef:
        with suppress(ElectrumBusy):  # the server is behind what is proven
            return await self._follower.settle()
        return self._headers.tip

    async def _summary(self, height: int) -> BlockSummary | None:
        async def answer(tip: BlockRef) -> BlockSummary | None:
            if not 0 <= height <= tip.height:
                return None
            header, at = self._headers.at(height), self._headers.at
            txids = await self._ledger.txids(height)
            median = work.median_time(height, at)
            ref = self._headers.ref(height)
            return BlockSummary(ref, work.previous(header), work.time_seconds(header), median, txids)

        return await self._view.steadily(answer)

    # --- looking

    def _hear(self, method: str, params: bytes) -> None:
        self._observer.wake()

    async def _look(self, _told: bool, _failed: bool) -> None:
        tip = await self.best_block()
        if tip != self._tip:
            self._tip = tip
            self._observer.spread(NewTip(tip))
        if not self._watches:
            return
        waiting = await self._believing(lambda: self._view.waiting(self._watches))
        for match in waiting:
            if match.txid not in self._seen:
                self._observer.spread(SeenUnconfirmed(match))
        self._seen = frozenset(match.txid for match in waiting)


if TYPE_CHECKING:
    _A_VIEW_OF_SERVERS_IS_A_BACKEND: type[ChainBackend] = ElectrumChain
