"""How do plugins hear of events: each at its own pace, in order, at least once, and none in the way of another?

    the log of events (rows) -- from the plugin's own place on --> batch --> plugin -- how far it came --> place (a row)

Nothing is queued: who is behind reads from the store when it has time, so a plugin that is stuck costs one batch of
memory and a task that waits. A place is a row under the plugin's name, which outlives plugin and node.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Final

import msgspec
from lnpd_sdk import envelope
from lnpd_sdk.envelope import BadFrame, CallFailed
from lnpd_sdk.manifest import Manifest
from lnpd_sdk.nearest import nearest
from lnpd_sdk.questions import Event, Heard, Notifications

from lnpd.errors import LnpdError, ManifestRefused, PluginFault
from lnpd.errors.words import one_line
from lnpd.rpc.answers import Event as Stored
from lnpd.services.events import TOPICS, Events
from lnpd.services.plugins.calls import Plugin
from lnpd.store.read import u64_key
from lnpd.store.store import Store

log = logging.getLogger("lnpd.plugins")
PLACES: Final = "plugin-places"
BATCH: Final = 1_000
BATCH_BYTES: Final = 256 * 1024
DELIVERY_SECONDS: Final = 600.0  # who is stuck is not given more meanwhile; one that hangs is found by its ping
PAUSES_SECONDS: Final = (0.1, 0.5, 2.0, 10.0, 60.0)
TRIES: Final = 5
"""So often an event is given to a plugin that raises at it; then it is left out, and that is said."""


class Notifying:
    """All subscriptions. `plugin_of` finds a ready plugin."""

    def __init__(self, store: Store, events: Events, plugin_of: Callable[[str], Plugin | None]) -> None:
        self.store, self.events, self.plugin_of = store, events, plugin_of
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._turn = asyncio.Lock()

    async def refresh(self, subscribers: Sequence[str]) -> None:
        """Plugins came or went; these, by name, are ready and hear of something: of all that happens from now on."""
        async with self._turn:
            for name in self._tasks.keys() - set(subscribers):
                self._tasks.pop(name).cancel()
            for name in subscribers:
                if name not in self._tasks or self._tasks[name].done():
                    subscription = _Subscription(self, name)
                    await subscription.begin()
                    self._tasks[name] = asyncio.create_task(subscription.run(), name=f"events for {name}")

    async def stop(self) -> None:
        """Ends all of them; each goes on from its place."""
        tasks = list(self._tasks.values())
        await self.refresh(())
        await asyncio.gather(*tasks, return_exceptions=True)


class _Subscription:
    """One plugin's."""

    def __init__(self, all_: Notifying, name: str) -> None:
        self._store, self._events, self._plugin_of, self._name = all_.store, all_.events, all_.plugin_of, name
        self._place = self._kept = 0
        self._tries = 0  # of the first event behind the place

    async def run(self) -> None:
        """Until it is cancelled."""
        try:
            while True:
                found = await self._events.since(self._place, BATCH)
                if not found:
                    await self._keep(self._place)
                    await self._events.newer(self._place)
                elif not await self._give(found):
                    self._tries += 1
                    await asyncio.sleep(PAUSES_SECONDS[min(self._tries, len(PAUSES_SECONDS)) - 1])
        except LnpdError as error:  # the store has stopped, and the node with it
            log.warning("plugin %s hears of no more events: %s", self._name, error)

    async def begin(self) -> None:
        """Where it was; a new one begins behind the last event."""
        stored = await self._store.read(lambda read: read.value(PLACES, self._name.encode()))
        if stored is None:
            self._place = await self._events.last()
            await self._keep(self._place, new=True)
        else:
            self._place = self._kept = int.from_bytes(stored, "big")

    async def _keep(self, place: int, new: bool = False) -> None:
        """Not for each batch that had nothing for it: what it did not want may be read again."""
        if place != self._kept or new:
            await self._store.write(lambda write: write.put_value(PLACES, self._name.encode(), u64_key(place)))
            self._kept = place

    async def _give(self, found: Sequence[Stored]) -> bool:
        """Whether the plugin went on."""
        plugin = self._plugin_of(self._name)
        if plugin is None or plugin.manifest is None:
            return False  # about to be cancelled
        batch, last = _batch(plugin.manifest, found)
        if batch:
            heard = await self._ask(plugin, Notifications(batch, await self._missed(found[0].sequence)))
            if heard is None:
                return False
            if heard.fault and self._tries < TRIES - 1 and heard.sequence < batch[0].sequence:
                self._say(plugin, f"event {batch[0].sequence}, {batch[0].topic}: {heard.fault}")
                return False
            last = self._reached(plugin, batch, heard, last)
            await self._keep(last)
        self._place, self._tries = max(self._place, last), 0
        return True

    def _reached(self, plugin: Plugin, batch: tuple[Event, ...], heard: Heard, last: int) -> int:
        """How far it came, as if a stranger had said so; behind an event that it cannot handle at all."""
        if not heard.fault:
            return last
        if heard.sequence >= batch[0].sequence:
            return min(heard.sequence, last)
        self._say(plugin, f"event {batch[0].sequence}, {batch[0].topic}, is left out after {TRIES} tries")
        return batch[0].sequence

    async def _ask(self, plugin: Plugin, given: Notifications) -> Heard | None:
        try:
            heard: Heard = envelope.decode(await plugin.call("notifications", given, DELIVERY_SECONDS), Heard)
            return heard
        except (CallFailed, PluginFault, BadFrame) as error:
            self._say(plugin, f"events were not handled: {error}")
            return None

    async def _missed(self, first: int) -> bool:
        """Whether events that it has not heard of may be forgotten."""
        return first > self._place + 1 and self._place + 1 < await self._store.read(lambda read: read.first_event())

    def _say(self, plugin: Plugin, text: str) -> None:
        plugin.faults += 1
        plugin.voice.say(logging.WARNING, one_line(text))


def _batch(manifest: Manifest, found: Sequence[Stored]) -> tuple[tuple[Event, ...], int]:
    """What of these rows the plugin hears of, and the last row that was looked at."""
    wanted, size, last = frozenset(manifest.notifications), 0, found[0].sequence - 1
    batch: list[Event] = []
    for row in found:
        if row.topic in wanted and _may_hear(row, manifest):
            payload = bytes(row.payload)
            if batch and size + len(payload) > BATCH_BYTES:
                break
            size += len(payload)
            batch.append(Event(row.sequence, row.topic, row.unix_seconds, payload))
        last = row.sequence
    return tuple(batch), last


class _Addressed(msgspec.Struct):
    plugin: str = ""
    provider: str = ""


def _may_hear(row: Stored, manifest: Manifest) -> bool:
    """What the chain did is told to the plugin that asked for it, and what it showed to the one whose secret it is."""
    if row.topic not in ("chain_event", "secret_sold"):
        return True
    whose = msgspec.json.decode(row.payload, type=_Addressed)
    return whose.plugin == manifest.name or whose.provider in {spec.name for spec in manifest.providers}


def check_topics(manifest: Manifest) -> None:
    """Whether there are the node's topics that a plugin hears of; another plugin's may come later. ManifestRefused."""
    for topic in manifest.notifications:
        if "/" not in topic and topic not in TOPICS:
            near = nearest(topic, TOPICS)
            raise ManifestRefused(f"{manifest.name} hears of {topic[:80]!r}, which is no topic of this node{near}")
