"""What has happened in this node, in which order, and who waits to hear of it?

Events are rows of the store: a service records one in the transaction of what happened, and says afterwards that it is
stored. A subscriber reads from its own place on, so that nobody's queue can overflow and a restart loses nothing.
"""

import asyncio
import time
from typing import Final

import msgspec

from lnpd.rpc.answers import Event
from lnpd.store.store import Store
from lnpd.store.write import Write

KEPT_EVENTS = 100_000
ADDRESSED = "chain_event"  # told to the plugin alone that watches: many of them push out no event of the node
PRUNE_EVERY = 1_000


class Topic(msgspec.Struct, frozen=True):
    """What an event of this name says, and the names of its payload's fields."""

    text: str
    fields: tuple[str, ...]


# Every topic. `channel` is the channel's key in this node's database, which it has before it has a channel_id.
TOPICS: Final[dict[str, Topic]] = {
    "channel_opening": Topic("The funding is agreed and signed; its depth is waited for.", ("channel", "channel_id")),
    "channel_ready": Topic("Both sides sent channel_ready.", ("channel", "channel_id")),
    "channel_active": Topic("channel_reestablish was exchanged after a reconnect: the channel goes on.",
                            ("channel", "channel_id")),
    "channel_quiescent": Topic("Nothing is pending on either side (stfu). `initiator` is us or peer.",
                               ("channel", "channel_id", "initiator")),
    "channel_frozen": Topic("A provider is missing, late or wrong: the channel waits for it.",
                            ("channel", "channel_id", "reason")),
    "channel_warning": Topic("The peer broke a rule; it was warned and disconnected.",
                             ("channel", "channel_id", "reason")),
    "peer_warning": Topic("The peer sent a warning.", ("channel", "channel_id", "reason")),
    "channel_failed": Topic("The channel cannot go on, and is settled on chain if it was funded.",
                            ("channel", "channel_id", "reason")),
    "funding_unconfirmed": Topic("A reorganisation took the funding transaction out of the chain.",
                                 ("channel", "channel_id")),
    "funding_confirmed_again": Topic("It is deep again, and the channel goes on.", ("channel", "channel_id")),
    "update_committed": Topic("A plugin's update is irrevocable on both sides. `body` is hex.",
                              ("channel_id", "provider", "id", "ours", "body")),
    "update_forgotten": Topic("An update of ours was not signed before the connection was lost: propose it again.",
                              ("channel_id", "provider", "id", "ours", "body")),
    "secret_sold": Topic("A child that was signed for an adaptor point is in the mempool, or on the chain, completed by"
                         " the peer: `data` is the point's secret in hex, by the name that put_witness takes. It is"
                         " told to the plugin of its provider alone.", ("channel_id", "provider", "name", "data")),
    "close_blocked": Topic("A close waits for providers; one field `blocked by NAME` each, with its reason.",
                           ("channel", "channel_id")),
    "close_agreed": Topic("A mutual close is signed by both sides and broadcast.",
                          ("channel", "channel_id", "txid", "fee_sat")),
    "channel_on_chain": Topic("The funding output was spent. `spend` says by what: mutual, ours, theirs, theirs_next,"
                              " revoked, future or unknown.", ("channel", "channel_id", "spend", "txid")),
    "channel_spend_undone": Topic("A reorganisation undid the spend of the funding output.", ("channel", "channel_id")),
    "channel_closed": Topic("Nothing of the channel is left to do.", ("channel", "channel_id", "reason")),
    "chain_event": Topic("What a plugin watched happened on the chain; it alone is told. `what` is confirmed,"
                         " unconfirmed, spent, unspent, height, expired or busy.", ("plugin", "key", "what")),
    "payment_sent": Topic("A payment of ours is fulfilled.", ("payment_hash", "amount_msat")),
    "payment_failed": Topic("A payment of ours failed, and nothing of it is in flight.",
                            ("payment_hash", "amount_msat", "why")),
    "payment_received": Topic("An invoice of ours is paid.", ("payment_hash", "amount_msat")),
    "forward_settled": Topic("An HTLC passed through this node and was fulfilled: `fee_msat` is what it earned.",
                             ("payment_hash", "amount_msat", "incoming", "outgoing", "fee_msat")),
    "forward_failed": Topic("An HTLC that was to pass through this node failed after it was accepted.",
                            ("payment_hash", "amount_msat", "incoming", "outgoing", "why")),
}  # fmt: skip


class Events:
    """The log of a node's events; an EventLog for the RPC."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._changed = asyncio.Event()
        self._read_last: tuple[int, int, tuple[Event, ...]] = (0, 0, ())  # most subscribers ask for the same

    @staticmethod
    def record(write: Write, topic: str, payload: object) -> int:
        """Adds an event to a transaction; `payload` becomes JSON. Returns its sequence."""
        sequence = write.append_event(topic, int(time.time()), msgspec.json.encode(payload))
        if sequence % PRUNE_EVERY == 0:
            write.prune_events(KEPT_EVENTS, apart=ADDRESSED)
            write.prune_events(KEPT_EVENTS, ADDRESSED)
        return sequence

    def stored(self) -> None:
        """Wakes the subscribers: a transaction with events is durable. On the event loop's thread."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def publish(self, topic: str, payload: object) -> int:
        """Stores an event that belongs to no other transaction. Returns its sequence."""
        sequence = await self._store.write(lambda write: self.record(write, topic, payload))
        self.stored()
        return sequence

    async def since(self, sequence: int, limit: int) -> tuple[Event, ...]:
        """At most `limit` events later than `sequence`, oldest first."""
        if self._read_last[:2] == (sequence, limit):
            return self._read_last[2]
        rows = await self._store.read(lambda read: read.events_since(sequence, limit))
        found = tuple(Event(row.sequence, row.topic, row.unix_seconds, msgspec.Raw(row.value)) for row in rows)
        if len(found) == limit:  # else more may come behind them
            self._read_last = (sequence, limit, found)
        return found

    async def newer(self, sequence: int) -> None:
        """Returns once an event later than `sequence` is stored."""
        while True:
            changed = self._changed  # before the look: what is stored after it wakes us
            if await self._store.read(lambda read: read.events_since(sequence, 1)):
                return
            await changed.wait()

    async def last(self) -> int:
        """The sequence of the last stored event, 0 if there is none."""
        return await self._store.read(lambda read: read.last_event())
