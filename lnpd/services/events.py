"""What has happened in this node, in which order, and who waits to hear of it?

Events are rows of the store: a service records one in the transaction of what happened, and says afterwards that it is
stored. A subscriber reads from its own place on, so that nobody's queue can overflow and a restart loses nothing.
"""

import asyncio
import time

import msgspec

from lnpd.services.answers import Event
from lnpd.store.store import Store
from lnpd.store.write import Write

KEPT_EVENTS = 100_000
PRUNE_EVERY = 1_000


class Events:
    """The log of a node's events; an EventLog for the RPC."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._changed = asyncio.Event()

    @staticmethod
    def record(write: Write, topic: str, payload: object) -> int:
        """Adds an event to a transaction; `payload` becomes JSON. Returns its sequence."""
        sequence = write.append_event(topic, int(time.time()), msgspec.json.encode(payload))
        if sequence % PRUNE_EVERY == 0:
            write.prune_events(KEPT_EVENTS)
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
        rows = await self._store.read(lambda read: read.events_since(sequence, limit))
        return tuple(Event(row.sequence, row.topic, row.unix_seconds, msgspec.Raw(row.value)) for row in rows)

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
