"""What happens on the chain to the channels, and how do their transactions get there?

    add_watch, add_broadcast, remove_owner     rows, in the transaction of the step that wants them
    applied                                    after its commit: look, and broadcast
    a block                                    one transaction: events into inboxes, cursor moved; then `deliver`

Everything is in the rows (chainwatch_rows.py); this object may be lost at any moment. A broadcast is completed anew at
each block until the chain has spent its inputs, for fees change, mempools forget, and blocks are undone.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from lnpd.chain.interface import BlockRef, ChainBackend, ChainDelta, Outcome
from lnpd.channel.actions import WatchOutput, WatchTransaction
from lnpd.channel.events import SpendSeen
from lnpd.errors import (
    BitcoindUnreachable,
    ChainClosed,
    ChainError,
    ChainUnreachable,
    ElectrumUnreachable,
    FeerateUnknown,
    LnpdError,
    RowRefused,
)
from lnpd.services.chain.follow import POLL_SECONDS, ChainFollower, Past, Wanted
from lnpd.services.chain.rows import (
    Fact,
    Hits,
    Row,
    Seen,
    StoredFact,
    Subject,
    follow,
    happened,
    hits_in,
    is_done,
    new_row,
    owner_prefix,
    read_row,
    row_key,
    seen_in,
    watches_of,
    write_row,
)
from lnpd.services.onchain import BroadcastStatus, ChainListener, ChainWatcher, Outpoint, StoredBroadcast
from lnpd.store.codec import encode
from lnpd.store.read import Read
from lnpd.store.store import Store
from lnpd.store.write import Write

log = logging.getLogger("lnpd.chain")
# Somebody else spends the same output, mostly the peer, who closed the channel at the same time: one of them confirms.
RIVAL = ("insufficient fee, rejecting replacement", "bad-txns-inputs-missingorspent", "txn-mempool-conflict")

FEERATE_SECONDS: Final = 5.0
MIN_FEERATE_PER_KW: Final = 253
"""The lowest rate that nodes relay, rounded as they round."""

NAMESPACE: Final = "chain-watch"
SETTLED_BLOCKS: Final = 6
"""So deep a spend is taken for settled by whoever kept coins to pay for a rival of it."""

UNKNOWN_PER_KW: Final = 2_500
"""10 sat per virtual byte, as long as nobody has told an estimate: the lowest would wait where there are fees."""

GONE: Final = (ChainUnreachable, BitcoindUnreachable, ElectrumUnreachable, ChainClosed)
LOOK_BACK_BLOCKS: Final = 144
"""How far before its first watch an owner's past begins: the node may have been away, and blocks may be undone."""


class ChainWatch:
    """Follows a backend for the channels. `broken` hears of an error after which the node must stop."""

    name = "the watch over the channels"

    def __init__(
        self,
        store: Store,
        backend: ChainBackend,
        listener: ChainListener,
        broken: Callable[[Exception], None] | None = None,
        poll_seconds: float = POLL_SECONDS,
    ) -> None:
        self._store, self._backend, self._listener = store, backend, listener
        self._follower = ChainFollower(store, backend, self, broken, poll_seconds)
        self.others: dict[bytes, ChainListener] = {}  # those of owners whose names begin so
        self._owed: set[bytes] = set()
        self._undone: list[BlockRef] = []  # blocks that left the chain, and nobody has heard of it yet
        # Told height and block_hash (hex, as explorers write it) of each, the highest first, before the new tip.
        self.on_undone: Callable[..., object] = lambda **_block: None
        self._seen: Seen = {}  # what waits, and spends an owner's output
        self._news: list[tuple[bytes, SpendSeen]] = []  # that of it which its owner has not heard of
        self._broadcasts: dict[bytes, tuple[Row, BroadcastStatus]] = {}
        self._feerates: dict[int, int] = {}
        self._unestimated: dict[int, str] = {}  # by target: why there is none, which is said once
        self._floor_per_kw = 0

    async def start(self, wait: bool = True) -> None:
        """Catches up, delivering what happened since the last run, and follows; without `wait` the past of what is
        newly watched is read beside the caller. Raises ChainError."""
        await self._follower.start(wait)

    async def stop(self) -> None:
        """Ends between two transactions."""
        await self._follower.stop()

    async def sync(self) -> None:
        """Returns when everything up to the present tip is delivered. Raises ChainError."""
        await self._follower.sync()

    def applied(self) -> None:
        """A transaction with watches or broadcasts is committed."""
        self._follower.wake()

    @property
    def complaint(self) -> str:
        """Why the chain cannot be followed now; empty if it can."""
        return self._follower.complaint

    @property
    def acted(self) -> bool:
        """Whether all that there was at the start, the past included, is delivered."""
        return self._follower.acted

    @property
    def height(self) -> int:
        """The height up to which everything was delivered."""
        return self._follower.tip.height if self._follower.tip else 0

    @property
    def known_height(self) -> int:
        """The height up to which all that is watched is known: below `height` while a past is read."""
        return self._follower.known_height

    async def mined_height(self, owner: bytes, key: str) -> int:
        """The block of the transaction that an owner watches under this key; 0 if it is in none."""
        place = owner_prefix(owner) + b"t" + key.encode()
        value = await self._store.read(lambda read: read.value(NAMESPACE, place))
        found = read_row(place, value).found[0] if value is not None else None
        return found.block_height if found else 0

    async def feerate(self, target_blocks: int) -> int:
        """Satoshi per 1000 weight units; the last known estimate if the backend fails or is late, and without any
        UNKNOWN_PER_KW, or what the mempool takes at least."""
        await self.estimate(target_blocks)
        return self.known_feerate(target_blocks)

    async def estimate(self, target_blocks: int) -> int | None:
        """`feerate` as the backend answers now; None if it has no estimate, fails or is late."""
        try:
            async with asyncio.timeout(FEERATE_SECONDS):
                self._feerates[target_blocks] = await self._backend.feerate(target_blocks)
                self._floor_per_kw = 0
                self._unestimated.pop(target_blocks, None)
        except (ChainError, TimeoutError) as error:
            if isinstance(error, FeerateUnknown):
                self._floor_per_kw = error.floor_per_kw
            why = str(error) or "the chain does not answer"
            if why not in self._unestimated.values():
                log.warning("no estimate of the feerate: %s", why)
            self._unestimated[target_blocks] = why
            return None
        return self.known_feerate(target_blocks)

    def known_feerate(self, target_blocks: int) -> int:
        """`feerate` as it was answered last, at once."""
        known = self._feerates.get(target_blocks, UNKNOWN_PER_KW)
        return max(MIN_FEERATE_PER_KW, self._floor_per_kw, known)

    def status(self, owner: bytes) -> tuple[BroadcastStatus, ...]:
        """How the broadcasts of an owner stand, as of the last block or broadcast."""
        return tuple(status for row, status in self._broadcasts.values() if row.owner == owner)

    # --- rows, in the caller's transaction

    def add_watch(self, write: Write, owner: bytes, action: WatchTransaction | WatchOutput) -> None:
        """Reports to this owner; the same again changes nothing, another one under its key replaces it."""
        self._add(write, owner, action)

    def add_broadcast(self, write: Write, owner: bytes, broadcast: StoredBroadcast) -> None:
        """Broadcasts until the chain has spent all inputs; replaced and repeated as a watch is."""
        self._add(write, owner, broadcast)

    def remove_owner(self, write: Write, owner: bytes) -> None:
        """Forgets all of an owner's rows; what waits in its inbox stays."""
        for key, _ in write.values(NAMESPACE, owner_prefix(owner)):
            write.delete_value(NAMESPACE, key)

    def _add(self, write: Write, owner: bytes, subject: Subject) -> None:
        siblings = [read_row(*each) for each in write.values(NAMESPACE, owner_prefix(owner))]
        cursor = write.chain_cursor()
        since = max(0, cursor.height - LOOK_BACK_BLOCKS) if cursor else 0
        row = new_row(owner, subject, min([each.from_height for each in siblings], default=since))
        for known in siblings:
            if row_key(known) == row_key(row):
                if (known.subject, known.broadcast) == (row.subject, row.broadcast):
                    return
                row = replace(row, events=known.events)
        write.put_value(NAMESPACE, row_key(row), write_row(row))

    # --- what the follower asks

    def cursor(self, read: Read) -> BlockRef | None:
        """The last block whose effects are stored."""
        stored = read.chain_cursor()
        return BlockRef(stored.height, stored.block_hash) if stored else None

    def wanted(self, read: Read) -> Wanted:
        """What all rows watch."""
        rows = _rows(read)
        fresh = [row for row in rows if not row.scanned]
        return Wanted(
            frozenset(watch for row in rows for watch in watches_of(row)),
            frozenset(watch for row in fresh for watch in watches_of(row)),
            min((row.from_height for row in fresh), default=0),
        )

    def take(self, write: Write, delta: ChainDelta) -> None:
        """Puts into the inboxes what these blocks did."""
        write.point("chain-followed")
        gone = frozenset(block.hash for block in delta.disconnected)
        self._undone += delta.disconnected
        hits, rows = hits_in(delta.connected), _rows(write)
        self._follow(write, [(row, row) for row in rows], gone, hits, delta.end.height)
        if not delta.more:
            seen = seen_in(delta.mempool, rows)
            self._news += [(key[0], event) for key, event in seen.items() if key not in self._seen]
            self._seen = seen
        write.set_chain_cursor(delta.end.height, delta.end.hash)

    def learn(self, write: Write, past: Past) -> None:
        """Puts into the inboxes what the past did to new watches."""
        write.point("chain-past-read")
        hits = hits_in(past.connected)
        fresh = [row for row in _rows(write) if not row.scanned and past.watches.issuperset(watches_of(row))]
        rows = [(row, replace(row, scanned=True)) for row in fresh]
        self._follow(write, rows, frozenset(), hits, past.tip.height)

    def _follow(
        self, write: Write, rows: list[tuple[Row, Row]], gone: frozenset[bytes], hits: Hits, height: int
    ) -> None:
        """Changes rows, each given as it is stored and as it is known now, and tells in the order of the chain.

        What cannot be stored costs its own watch: whoever makes such a transaction may not hide a block from others.
        """
        told: list[tuple[Fact, bytes, str]] = []
        for before, known in rows:
            row, events = follow(known, gone, hits, height)
            key = row_key(row)
            for number, event in enumerate(events, row.events - len(events)):
                told.append((event, row.owner, f"chain/{key.hex()}/{number}"))
            if is_done(row, height):
                write.delete_value(NAMESPACE, key)
            elif row != before:
                with _alarm(row.owner, key.hex()):
                    write.put_value(NAMESPACE, key, write_row(row))
        for event, owner, name in sorted(told, key=lambda each: happened(each[0])):
            with _alarm(owner, name):
                write.add_inbox(owner, name, encode(StoredFact(event)))
                self._owed.add(owner)

    async def caught_up(self, tip: BlockRef, moved: bool) -> None:
        """Wakes whom something happened to, and broadcasts."""
        owed, self._owed = self._owed, set()
        for owner in sorted(owed):
            self._listener_of(owner).deliver(owner)
        news, self._news = self._news, []
        for owner, event in news:
            self._listener_of(owner).seen(owner, event)
        undone, self._undone = self._undone, []
        for block in undone:
            self.on_undone(height=block.height, block_hash=block.hash[::-1].hex())
        if moved:
            for listener in (self._listener, *self.others.values()):
                listener.deliver_block(tip.height)
        rows = {row_key(row): row for row in await self._store.read(_rows) if row.broadcast is not None}
        self._broadcasts = {key: known for key, known in self._broadcasts.items() if key in rows}
        for key, row in rows.items():
            known = self._broadcasts.get(key)
            if moved or known is None or known[0].broadcast != row.broadcast or not known[1].attempts:
                await self._broadcast(key, row)

    def _listener_of(self, owner: bytes) -> ChainListener:
        return next((each for name, each in self.others.items() if owner.startswith(name)), self._listener)

    # --- broadcasts

    async def _broadcast(self, key: bytes, row: Row) -> None:
        broadcast = row.broadcast
        assert broadcast is not None, "only broadcasts are broadcast"
        known = self._broadcasts.get(key)
        same = known is not None and known[0].broadcast == broadcast
        before = known[1] if known and same else BroadcastStatus(broadcast.key, inputs=len(broadcast.inputs))
        status = replace(before, spent=row.spent)
        if row.spent == len(row.found):
            ended = self.height >= SETTLED_BLOCKS - 1 + max(each.block_height for each in row.found if each)
            if ended and not before.ended:
                await self._listener_of(row.owner).ended(row.owner, broadcast.key)
            status = replace(status, ended=ended)
        else:
            status = await self._attempt(row.owner, broadcast, _spent(row, broadcast), status)
        if status.refused and status.refused != before.refused:
            text = "the transaction %s of %s is refused: %s"
            level = logging.INFO if is_rival(status.refused) else logging.WARNING
            log.log(level, text, broadcast.key, row.owner.decode(), status.refused)
        self._broadcasts[key] = (row, status)

    async def _attempt(
        self, owner: bytes, broadcast: StoredBroadcast, spent: frozenset[Outpoint], status: BroadcastStatus
    ) -> BroadcastStatus:
        try:
            txs = await self._listener_of(owner).complete(owner, broadcast, spent)
        except LnpdError as error:
            return replace(status, refused=f"It cannot be completed: {error}", attempts=status.attempts + 1)
        if txs is None:
            return status
        try:
            result = await self._backend.broadcast(txs)
        except GONE:
            raise
        except ChainError as error:  # of this one alone, perhaps: no other one waits for it
            return replace(status, refused=f"The chain does not say what it makes of it: {error}")
        refused = result.reason if result.outcome is Outcome.REFUSED else ""
        txids = tuple(verdict.txid for verdict in result.verdicts)
        await self._listener_of(owner).answered(
            txids, {v.txid for v in result.verdicts if v.outcome is not Outcome.REFUSED}
        )
        return replace(status, txids=txids, refused=refused, attempts=status.attempts + 1)


def is_rival(refused: str) -> bool:
    """Whether a transaction is refused because another one is there, which is no reason for alarm."""
    return any(reason in refused for reason in RIVAL)


@contextmanager
def _alarm(owner: bytes, name: str) -> Iterator[None]:
    """The database refuses a row: that is said, and nothing else is lost by it."""
    try:
        yield
    except RowRefused as error:
        text = "channel %s: what the chain did to it cannot be stored (%s), look after it by hand: %s"
        log.critical(text, owner.decode(errors="replace"), name, error)


def _rows(read: Read) -> list[Row]:
    return [read_row(*each) for each in read.values(NAMESPACE)]


def _spent(row: Row, broadcast: StoredBroadcast) -> frozenset[Outpoint]:
    return frozenset(each for each, found in zip(broadcast.inputs, row.found, strict=True) if found is not None)


if TYPE_CHECKING:
    _WATCHES: type[ChainWatcher] = ChainWatch
