"""What is changed together when a channel handles the events that waited for it?

One batch is one transaction: the last snapshot, every kept row, what the signer must remember, what other services want
stored, and the events that are thereby done. Nothing leaves this node before it is committed.
"""

from collections.abc import Callable, Iterable
from typing import Final

from lnpd_sdk.types import ACCEPTOR

from lnpd.channel.actions import Action, Broadcast, Claim, Disconnect, Keep, Notify, Send, WatchOutput, WatchTransaction
from lnpd.channel.events import Event
from lnpd.channel.queries import FoldMemory, Kept
from lnpd.channel.state import Channel, Closed
from lnpd.services.interfaces import SignerRecords
from lnpd.services.recipients import Effects
from lnpd.services.wallet.marks import unmark
from lnpd.store.codec import decode, encode
from lnpd.store.read import Read
from lnpd.store.write import Write
from lnpd.wire.base import Message

INDEX = "channel-index"  # where a channel's keys are derived from, by its key
Watch = WatchTransaction | WatchOutput
Broadcasting = Broadcast | Claim
UPDATE = "update"
# Rows whose key comes round again; all others are written once.
REPLACED = (UPDATE, "decision", "funding", "records", "ancestors", "spend")
MAX_RECENT = 1000  # rows of a channel; an onion makes most of each 1.4 KB


class Recent:
    """Messages of updates that are stored, and that a step will ask for once, when they are irrevocable. A cache: what
    is not here is read from the store."""

    def __init__(self) -> None:
        self._rows: dict[str, bytes] = {}

    def keep(self, rows: Iterable[Keep]) -> None:
        """These rows were stored; the oldest leave."""
        self._rows.update((row.key, row.value) for row in rows if row.kind == UPDATE)
        while len(self._rows) > MAX_RECENT:
            del self._rows[next(iter(self._rows))]

    def take(self, kind: str, key: str) -> bytes | None:
        """A row, once."""
        return self._rows.pop(key, None) if kind == UPDATE else None


class Batch:
    """A transaction in the making. `before` is the channel as it is stored; `memory` and `recent` are the channel's own
    caches; `waiting` are the events that come next."""

    def __init__(self, before: Channel | None, channel: Channel, memory: FoldMemory, recent: Recent) -> None:
        self.before = before
        self.memory = memory
        self.recent = recent
        self.channel = channel
        self.waiting: Callable[[], Iterable[Event | Message]] = tuple
        self.sends: list[Send | Disconnect] = []
        self.watches: list[Watch] = []
        self.broadcasts: list[Broadcasting] = []
        self.notices: list[Notify] = []
        self.records: list[SignerRecords] = []
        self.effects: list[Effects] = []
        self.done: list[str] = []  # keys of the inbox
        self.points: list[str] = []
        self._kept: dict[tuple[str, str], Keep] = {}

    def add(self, channel: Channel, actions: list[Action]) -> None:
        """A step ended like this."""
        self.channel = channel
        for action in actions:
            match action:
                case Keep():
                    self.keep(action)
                case Send() | Disconnect():
                    self.sends.append(action)
                case WatchTransaction() | WatchOutput():
                    self.watches.append(action)
                case Broadcast() | Claim():
                    self.broadcasts.append(action)
                case Notify():
                    self.notices.append(action)

    def keep(self, row: Keep) -> None:
        """A row of this channel; an equal one is replaced."""
        self._kept[row.kind, row.key] = row

    def hung_up(self) -> None:
        """The connection is over: what was to go out over it must not go out over the next one, perhaps of this batch,
        before channel_reestablish (BOLT 2, Message Retransmission)."""
        self.sends.clear()

    @property
    def disconnects(self) -> bool:
        """Whether the connection ends with this batch."""
        return any(isinstance(action, Disconnect) for action in self.sends)

    # --- reading, with what is not committed yet
    def row(self, kind: str, key: str) -> bytes | None:
        """A kept row of this batch, or of one before it."""
        kept = self._kept.get((kind, key))
        return kept.value if kept else self.recent.take(kind, key)

    def row_by_txid(self, kind: str, txid: bytes) -> bytes | None:
        """A kept row of this batch, by its transaction."""
        return next((k.value for k in self._kept.values() if k.kind == kind and k.txid == txid), None)

    # --- writing
    def stored(self) -> None:
        """The transaction is committed."""
        self.recent.keep(self._kept.values())

    @property
    def changed(self) -> bool:
        """Whether there is anything to store."""
        return bool(
            self.channel != self.before
            or self._kept
            or self.records
            or self.done
            or self.watches
            or self.broadcasts
            or self.notices
            or any(e.writes for e in self.effects)
        )

    @property
    def given_up(self) -> bool:
        """Whether the channel ended before it had a funding, or a peer's never did: nothing of it is worth a row."""
        channel = self.channel
        never = not channel.fundings or (channel.us == ACCEPTOR and not channel.depth_reached)
        return isinstance(channel.phase, Closed) and never

    def write(self, write: Write, more: tuple[Callable[[Write], object], ...]) -> None:
        """All of it. `more` are the driver's own rows (watches, broadcasts, events)."""
        key = self.channel.key.encode()
        if self.given_up:
            if write.channel(key) is not None:
                write.delete_channel(key)
            write.delete_value(INDEX, key)
            unmark(write, self.channel.policy.sweep_script, self.channel.key)
        else:
            closed = isinstance(self.channel.phase, Closed)
            write.save_channel(key, self.channel.peer, encode(self.channel), closed)
            for kept in self._kept.values():
                put = write.replace_record if kept.kind in REPLACED else write.put_record
                put(key, kept.kind, kept.key.encode(), kept.value, kept.txid or None)
        for records in self.records:
            put_records(write, records)
        for effects in self.effects:
            for put_effect in effects.writes:
                put_effect(write)
        for name in self.done:
            write.remove_inbox(key, name)
        for put_more in more:
            put_more(write)
        _mark(write, self.points)


def put_records(write: Write, records: SignerRecords) -> None:
    """What the signer must remember."""
    for record in records:
        write.put_signer_state(record.key, record.value)


# What a transaction contains, and its name: literal, so that a test finds each.
POINTS: Final[tuple[tuple[frozenset[str], Callable[[Write], None]], ...]] = (
    (frozenset({"Open"}), lambda write: write.point("channel-proposed")),
    (frozenset({"Accept"}), lambda write: write.point("channel-accepted")),
    (frozenset({"FundingProvided", "FundingNamed"}), lambda write: write.point("funding-created")),
    (frozenset({"KeepAncestors"}), lambda write: write.point("ancestors-kept")),
    (frozenset({"FundingCreated"}), lambda write: write.point("funding-signed")),
    (frozenset({"FundingSigned"}), lambda write: write.point("funding-broadcast")),
    (frozenset({"ChannelReady"}), lambda write: write.point("channel-ready")),
    (frozenset({"Add", "Propose", "SetFeerate"}), lambda write: write.point("update-proposed")),
    (frozenset({"Committed"}), lambda write: write.point("commitment-signed")),
    (frozenset({"AuxiliarySignatures"}), lambda write: write.point("auxiliary-stored")),
    (frozenset({"CommitmentSigned"}), lambda write: write.point("commitment-held")),
    (frozenset({"RevokeAndAck"}), lambda write: write.point("revocation-stored")),
    (frozenset({"UpdateFulfillHtlc", "PutWitness"}), lambda write: write.point("preimage-learned")),
    (frozenset({"ChannelReestablish"}), lambda write: write.point("channel-reestablished")),
    (frozenset({"Shutdown", "Close"}), lambda write: write.point("shutdown-stored")),
    (frozenset({"ClosingSigned"}), lambda write: write.point("closing-signed")),
    (frozenset({"ForceClose"}), lambda write: write.point("force-close")),
    (frozenset({"OutputSpent", "TransactionConfirmed"}), lambda write: write.point("chain-event")),
)


def _mark(write: Write, points: list[str]) -> None:
    """Names what this transaction contains, so that the power can be cut just before and after it."""
    for contents, point in POINTS:
        if not contents.isdisjoint(points):
            point(write)


def find_row(read: Read, channel: Channel, kind: str, key: str) -> bytes | None:
    """A stored row of a channel."""
    return read.record(channel.key.encode(), kind, key.encode())


def find_by_txid(read: Read, kind: str, txid: bytes) -> bytes | None:
    """A stored row, of whatever channel, by its transaction."""
    found = read.find_record_by_index(kind, txid)
    return found.value if found else None


def kept_of(data: bytes | None) -> Kept | None:
    """A stored commitment."""
    return decode(data, Kept, table="record", key="commitment") if data is not None else None
