"""How do wire messages of plugins get from a peer to their plugin, and from a plugin to a peer?

    peer -> Peers -> messages -+-> a plugin's own: its queue -> `peer_message`, one after the other -> the plugin
                               +-> all others, in their order, to the channels
    plugin -> send -> the peer's connection

Which messages are known follows the plugins that are ready and granted `messages`; without theirs BOLT 1 holds as ever:
unknown odd ones are ignored, an even one ends the connection. A peer agrees to even ones by its `init`, which lists
`NAME/messages` among its extensions; what it said when the connection began counts until its end.
"""

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Callable, Collection, Coroutine
from typing import Any, Final, Protocol

from lnpd_sdk import envelope
from lnpd_sdk.envelope import CallFailed
from lnpd_sdk.questions import PeerMessage
from lnpd_sdk.services.messages import Outgoing

from lnpd.errors import (
    CapabilityMissing,
    MessageNotOwned,
    PeerDidNotAgree,
    PeerNotConnected,
    PluginFault,
    PluginUnasked,
)
from lnpd.hooks.dispatch import Hooks
from lnpd.hooks.features import PluginFeatures
from lnpd.hooks.records import Received
from lnpd.hooks.registry import Registry
from lnpd.services.interfaces import Link, Router
from lnpd.services.plugins.calls import Plugin
from lnpd.wire.base import Message, Tlvs
from lnpd.wire.message import CODEC, Codec
from lnpd.wire.messages import Extension
from lnpd.wire.plain import message_of, plain

DELIVERY_SECONDS: Final = 5.0
SPOKEN: Final = 1  # the version of what plugins' messages agree on with a peer: the number in `init`
MAX_WAITING: Final = 1_000  # messages of one plugin, from all peers
MAX_WAITING_A_PEER: Final = 100


class Speaker(Protocol):
    """Whoever has the connections."""

    def speak(self, codec: Codec, extensions: tuple[Extension, ...], features: PluginFeatures) -> None:
        """From now on these messages are known, and these extensions and features offered on new connections."""
        ...


class PluginMessages:
    """The Router that Peers talks to: it keeps back what belongs to plugins. `plugin_of` finds a ready plugin."""

    def __init__(
        self, router: Router, registry: Registry, plugin_of: Callable[[str], Plugin | None], hooks: Hooks
    ) -> None:
        self._router, self._registry, self._plugin_of, self._hooks = router, registry, plugin_of, hooks
        self._showing: set[asyncio.Task[list[object]]] = set()
        self.speaker: Speaker | None = None
        self._codec, self._features = CODEC, PluginFeatures()
        self._links: dict[bytes, tuple[Link, asyncio.Lock]] = {}
        self._queues: dict[str, _Queue] = {}

    def refresh(self) -> None:
        """Plugins came or went."""
        spoken, features = self._registry.spoken, self._registry.features()
        if (spoken, features) == (self._codec.catalogue, self._features):
            return
        self._features = features
        self._codec = CODEC if spoken.owners == CODEC.catalogue.owners else Codec(spoken)
        for name in self._queues.keys() - self._owners():
            self._queues.pop(name).clear()
        if self.speaker is not None:
            offers = tuple(Extension(name=offer(name), format=SPOKEN) for name in sorted(self._owners()))
            self.speaker.speak(self._codec, offers, features)

    @property
    def codec(self) -> Codec:
        """Of the node's own messages and records, and of those that plugins have now."""
        return self._codec

    @property
    def features(self) -> PluginFeatures:
        """Of plugins now."""
        return self._features

    def _owners(self) -> frozenset[str]:
        return frozenset(self._codec.catalogue.owners) - frozenset(CODEC.catalogue.owners)

    # --- what peers call (interfaces.Router)
    def wanted_peers(self) -> Collection[bytes]:
        """As the channels want."""
        return self._router.wanted_peers()

    async def peer_connected(self, node_id: bytes, features: bytes, link: Link) -> None:
        """A connection is up and `init` is done."""
        self._links[node_id] = link, asyncio.Lock()
        await self._router.peer_connected(node_id, features, link)

    async def peer_disconnected(self, node_id: bytes, link: Link) -> None:
        """A connection is gone."""
        if node_id in self._links and self._links[node_id][0] is link:
            del self._links[node_id]
        await self._router.peer_disconnected(node_id, link)

    async def messages(self, node_id: bytes, link: Link, batch: list[Message]) -> None:
        """Messages of a peer, in order. A plugin's wait for it; nobody waits for the plugin."""
        core = [message for message in batch if message.NUMBER in CODEC.catalogue.numbers]
        if len(core) != len(batch):
            for message in batch:
                if message.NUMBER not in CODEC.catalogue.numbers:
                    self._keep(node_id, message)
        if core:
            self._show(node_id, core)
            await self._router.messages(node_id, link, core)

    def _show(self, node_id: bytes, batch: list[Message]) -> None:
        """Copies of the node's own messages, for those who asked for some by their names. Nobody waits for them."""
        for message in batch if self._hooks.wanted("peer_message") else ():
            if not self._hooks.cares("peer_message", node_id=node_id.hex(), name=message.NAME):
                continue
            if len(self._showing) >= MAX_WAITING:
                self._hooks.complain(
                    "peer_message", f"hook peer_message: not called, {MAX_WAITING} calls have no answer yet"
                )
                return
            tlvs: Tlvs = message.tlvs  # type: ignore[attr-defined]  # each message's class has its own stream
            shown = self._hooks.gather(
                "peer_message",
                node_id=node_id.hex(),
                name=message.NAME,
                fields=plain(message),
                records=Received(message.NAME, tlvs.unknown),
            )
            task = asyncio.create_task(shown)
            self._showing.add(task)
            task.add_done_callback(self._showing.discard)

    def _keep(self, node_id: bytes, message: Message) -> None:
        row = self._codec.catalogue.message(message.NUMBER)
        plugin = self._plugin_of(row.owner) if row else None
        if row is None or plugin is None:
            return  # it went while the message came: as if nobody knew it
        if row.owner not in self._queues:
            self._queues[row.owner] = _Queue(self._plugin_of, row.owner)
        if not self._queues[row.owner].put(node_id, message):
            plugin.dropped += 1

    # --- what plugins call
    async def send(self, plugin: Plugin, outgoing: Outgoing) -> None:
        """Sends a plugin's own message, and waits while the peer takes less than is sent.

        CapabilityMissing, MessageNotOwned, PeerNotConnected, PeerDidNotAgree, Unencodable.
        """
        if self._registry.granted(plugin.name, "messages") is None:
            raise CapabilityMissing(
                f"{plugin.name} may not send messages: start lnpd with --grant {plugin.name}=messages"
            )
        link, lock = self._link(outgoing.node_id)
        async with lock:  # a peer that takes little slows down what is sent to it, and nothing else
            link.send(self._message(plugin, outgoing, link))
            await link.drain()

    def _message(self, plugin: Plugin, outgoing: Outgoing, link: Link) -> Message:
        row = self._codec.catalogue.message(outgoing.name)
        if row is None or row.owner != plugin.name:
            raise MessageNotOwned(f"{outgoing.name[:64]!r} is no message of {plugin.name}")
        if row.number % 2 == 0 and offer(plugin.name) not in {each.name for each in link.extensions}:
            raise PeerDidNotAgree(
                f"{outgoing.name} is even, and the peer's init did not offer {offer(plugin.name)}: it has to run "
                f"{plugin.name} with its messages granted when the connection begins"
            )
        return message_of(self._codec, outgoing.name, outgoing.fields)

    def _link(self, text: str) -> tuple[Link, asyncio.Lock]:
        try:
            return self._links[bytes.fromhex(text)]
        except (ValueError, KeyError):
            raise PeerNotConnected(f"There is no connection to {text[:66]!r}.") from None


def offer(plugin: str) -> str:
    """How `init` names a plugin's messages among the extensions; no provider can have this name."""
    return f"{plugin}/messages"


class _Queue:
    """What waits for one plugin: bounded in all, and for each peer, so that none takes the place of the others."""

    def __init__(self, plugin_of: Callable[[str], Plugin | None], name: str) -> None:
        self._plugin_of, self._name = plugin_of, name
        self._waiting: deque[tuple[bytes, Message]] = deque()
        self._of_peer: Counter[bytes] = Counter()
        self._task: asyncio.Task[None] | None = None

    def put(self, node_id: bytes, message: Message) -> bool:
        """False if there is no room."""
        if len(self._waiting) >= MAX_WAITING or self._of_peer[node_id] >= MAX_WAITING_A_PEER:
            return False
        self._waiting.append((node_id, message))
        self._of_peer[node_id] += 1
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._deliver(), name=f"messages to {self._name}")
        return True

    def clear(self) -> None:
        """The plugin is gone, and what waited for it."""
        self._waiting.clear()
        self._of_peer.clear()
        if self._task is not None:
            self._task.cancel()

    async def _deliver(self) -> None:
        while self._waiting:
            node_id, message = self._waiting.popleft()
            self._of_peer -= Counter({node_id: 1})
            while (plugin := self._plugin_of(self._name)) is not None:
                if await _delivered(plugin, _given(plugin, node_id, message)):
                    break


def _given(plugin: Plugin, node_id: bytes, message: Message) -> Coroutine[Any, Any, bytes]:  # Any: nobody sends into it
    question = PeerMessage(node_id.hex(), message.NAME, envelope.raw(plain(message)))
    return plugin.call("peer_message", question, DELIVERY_SECONDS)


async def _delivered(plugin: Plugin, delivery: Coroutine[Any, Any, bytes]) -> bool:
    """Whether the plugin was given the message; what it makes of it is its own affair."""
    try:
        await delivery
    except PluginUnasked:
        return False
    except (CallFailed, PluginFault) as error:
        plugin.faults += 1
        plugin.voice.say(logging.WARNING, f"a message was not handled: {error}")
    return True
