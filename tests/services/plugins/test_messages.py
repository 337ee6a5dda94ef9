"""Does what peers send to plugins wait within bounds, beside the channels' messages and in order?"""

import asyncio
from typing import Any

import pytest
from lnpd_sdk.envelope import CallFailed
from lnpd_sdk.manifest import Filter, HookSubscription, Manifest
from lnpd_sdk.services.messages import Outgoing

from lnpd.errors import CapabilityMissing, MessageNotOwned, PeerDidNotAgree, PeerNotConnected, Unencodable
from lnpd.hooks.dispatch import Hooks
from lnpd.hooks.features import PluginFeatures
from lnpd.hooks.registry import Registry
from lnpd.services.plugins import messages as plugin_messages
from lnpd.services.plugins.calls import Plugin
from lnpd.services.plugins.messages import PluginMessages
from lnpd.wire.base import Message, Tlvs
from lnpd.wire.catalogue import CORE
from lnpd.wire.codec import Codec
from lnpd.wire.messages import ChannelReady, Extension, Ping, Shutdown
from lnpd.wire.plain import message_of, plain

ROWS = "message,40001,talker_say\ndata,u64,number\nmessage,40002,talker_ask\ndata,u64,number"
ALICE, BOB = b"\x02" * 33, b"\x03" * 33
PING = Ping(num_pong_bytes=1, ignored=b"")


class Listener(Plugin):
    """A plugin that takes messages as fast as the test lets it."""

    def __init__(self) -> None:
        super().__init__(None, "talker", "here")  # type: ignore[arg-type]  # it asks its host for nothing
        self.status = "ready"
        self.heard: list[tuple[str, int]] = []
        self.free = asyncio.Event()
        self.failure: Exception | None = None

    async def call(self, method: str, params: Any, deadline_seconds: float) -> bytes:
        assert method == "peer_message"
        await self.free.wait()
        if self.failure is not None:
            raise self.failure
        self.heard.append((params.node_id, bytes(params.fields)[-1]))
        return b""

    @property
    def pid(self) -> int | None:
        return None

    def fail(self, why: str) -> None:
        self.why = why

    async def start(self) -> None:
        self.settled.set()

    async def stop(self) -> None:
        self.status = "stopped"


class Wire:
    """A link, the channels behind it, and what both were given."""

    def __init__(self, *extensions: str) -> None:
        self.extensions = tuple(Extension(name=name, format=1) for name in extensions)
        self.sent: list[Message] = []
        self.routed: list[Message] = []
        self.spoken: list[tuple[Codec, tuple[Extension, ...]]] = []

    def send(self, *messages: Message) -> None:
        self.sent += messages

    async def drain(self) -> None:
        return None

    def close(self, reason: str, message: Message | None = None) -> None:
        raise AssertionError(reason)

    def speak(self, codec: Codec, extensions: tuple[Extension, ...], features: PluginFeatures) -> None:
        self.spoken.append((codec, extensions))

    def wanted_peers(self) -> frozenset[bytes]:
        return frozenset()

    async def peer_connected(self, node_id: bytes, features: bytes, link: object) -> None:
        return None

    async def peer_disconnected(self, node_id: bytes, link: object) -> None:
        return None

    async def messages(self, node_id: bytes, link: object, batch: list[Message]) -> None:
        self.routed += batch


async def nobody(_hook: str, _params: dict[str, object]) -> None:
    return None


async def made(wire: Wire, grants: tuple[str, ...] = ("messages",)) -> tuple[PluginMessages, Listener, Registry]:
    registry, plugin = Registry(CORE), Listener()
    registry.register(Manifest(name="talker", version="1", messages=ROWS, capabilities=("messages",)), nobody, grants)
    messages = PluginMessages(wire, registry, lambda name: plugin if name == "talker" else None, Hooks())
    messages.speaker = wire
    messages.refresh()
    for node_id in (ALICE, BOB):
        await messages.peer_connected(node_id, b"", wire)
    return messages, plugin, registry


def say(messages: PluginMessages, number: int) -> Message:
    return message_of(messages._codec, "talker_say", {"number": number})


async def turns(plugin: Listener, count: int) -> None:
    """Returns when so many messages were heard."""
    async with asyncio.timeout(10):
        while len(plugin.heard) < count:
            await asyncio.sleep(0)


def test_a_peers_flood_takes_no_other_peers_place_and_delays_no_channel() -> None:
    async def main() -> None:
        wire = Wire()
        messages, plugin, _ = await made(wire)
        flood = [say(messages, n % 100) for n in range(300)]
        await messages.messages(ALICE, wire, [PING, *flood, PING])
        assert wire.routed == [PING, PING]
        await messages.messages(BOB, wire, [say(messages, 1), say(messages, 2)])
        assert plugin.dropped == 300 - plugin_messages.MAX_WAITING_A_PEER
        plugin.free.set()
        await turns(plugin, plugin_messages.MAX_WAITING_A_PEER + 2)
        assert plugin.heard[-2:] == [(BOB.hex(), 1), (BOB.hex(), 2)]
        assert [number for _, number in plugin.heard[:100]] == list(range(100))
        await messages.messages(ALICE, wire, [say(messages, 9)])
        await turns(plugin, plugin_messages.MAX_WAITING_A_PEER + 3)
        assert plugin.heard[-1] == (ALICE.hex(), 9), "its place is free again"

    asyncio.run(main())


def test_all_peers_together_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        monkeypatch.setattr(plugin_messages, "MAX_WAITING", 3)
        wire = Wire()
        messages, plugin, _ = await made(wire)
        for node_id in (ALICE, BOB):
            await messages.messages(node_id, wire, [say(messages, n) for n in range(2)])
        assert plugin.dropped == 1

    asyncio.run(main())


def test_a_handler_that_fails_is_counted_and_the_next_message_comes() -> None:
    async def main() -> None:
        wire = Wire()
        messages, plugin, _ = await made(wire)
        plugin.free.set()
        plugin.failure = CallFailed("KeyError", "my bug")
        await messages.messages(ALICE, wire, [say(messages, 1)])
        async with asyncio.timeout(10):
            while not plugin.faults:
                await asyncio.sleep(0)
        plugin.failure = None
        await messages.messages(ALICE, wire, [say(messages, 2)])
        await turns(plugin, 1)
        assert (plugin.heard, plugin.faults) == ([(ALICE.hex(), 2)], 1)

    asyncio.run(main())


def test_what_waits_for_a_plugin_leaves_with_it() -> None:
    async def main() -> None:
        wire = Wire()
        messages, plugin, registry = await made(wire)
        late = say(messages, 3)
        await messages.messages(ALICE, wire, [say(messages, 1), say(messages, 2)])
        registry.unregister("talker")
        messages.refresh()
        assert [(codec.catalogue.owners, offers) for codec, offers in wire.spoken[-1:]] == [(CORE.owners, ())]
        await messages.messages(ALICE, wire, [late])
        plugin.free.set()
        for _ in range(10):
            await asyncio.sleep(0)
        assert (plugin.heard, plugin.dropped) == ([], 0)

    asyncio.run(main())


REFUSED: dict[str, tuple[type[Exception], tuple[str, ...], Outgoing]] = {
    "no grant": (CapabilityMissing, (), Outgoing(ALICE.hex(), "talker_say", {"number": 1})),
    "the core's": (MessageNotOwned, ("messages",), Outgoing(ALICE.hex(), "ping", {})),
    "nobody's": (MessageNotOwned, ("messages",), Outgoing(ALICE.hex(), "shout", {})),
    "to nobody": (PeerNotConnected, ("messages",), Outgoing("02" * 32, "talker_say", {"number": 1})),
    "to no hex": (PeerNotConnected, ("messages",), Outgoing("alice", "talker_say", {"number": 1})),
    "even": (PeerDidNotAgree, ("messages",), Outgoing(ALICE.hex(), "talker_ask", {"number": 1})),
    "another field": (Unencodable, ("messages",), Outgoing(ALICE.hex(), "talker_say", {"colour": 1})),
}


@pytest.mark.parametrize(("rule", "grants", "outgoing"), REFUSED.values(), ids=REFUSED)
def test_what_may_not_be_sent_is_refused_by_name(
    rule: type[Exception], grants: tuple[str, ...], outgoing: Outgoing
) -> None:
    async def main() -> None:
        wire = Wire("talker", "other/messages")
        messages, plugin, _ = await made(wire, grants)
        with pytest.raises(rule) as refused:
            await messages.send(plugin, outgoing)
        assert type(refused.value) is rule
        assert wire.sent == []

    asyncio.run(main())


def test_an_even_message_goes_to_who_agreed() -> None:
    async def main() -> None:
        wire = Wire("talker/messages")
        messages, plugin, _ = await made(wire)
        await messages.send(plugin, Outgoing(ALICE.hex(), "talker_ask", {"number": 5}))
        assert [(type(message).NUMBER, plain(message)) for message in wire.sent] == [(40002, {"number": 5})]
        assert wire.spoken[0][1] == (Extension(name="talker/messages", format=1),)

    asyncio.run(main())


def test_each_plugin_is_shown_its_own_records_of_whatever_message() -> None:
    """Neither another's nor those of nobody's: who is no party to them learns nothing of them."""

    async def main() -> None:
        registry, hooks, wire, seen = Registry(CORE), Hooks(), Wire(), list[dict[str, object]]()

        async def told(_hook: str, params: dict[str, object], _seconds: float) -> None:
            seen.append(params)

        hooks.rows = lambda: registry.spoken
        subscription = HookSubscription("peer_message", (Filter("name", one_of=("shutdown", "channel_ready")),))
        for name, number in (("eye", 70001), ("ear", 70003)):
            rows = f"tlv_stream,shutdown_tlvs\ntype,{number},{name}_note\ndata,byte,note"
            manifest = Manifest(name=name, version="1", messages=rows, hooks=(subscription,) if name == "eye" else ())
            hooks.join(registry.register(manifest, told, ("messages", "hook:peer_message")).proxy, name)
        messages = PluginMessages(wire, registry, lambda _name: None, hooks)
        came = (70001, b"\1"), (70003, b"\2"), (70005, b"\3")
        close = Shutdown(channel_id=bytes(32), scriptpubkey=b"", tlvs=Tlvs(unknown=came))
        ready = ChannelReady(channel_id=bytes(32), second_per_commitment_point=ALICE)
        await messages.messages(ALICE, wire, [close, PING, ready])
        async with asyncio.timeout(10):
            while len(seen) < 2:
                await asyncio.sleep(0)
        shown = [(each["name"], each["records"]) for each in seen]
        assert shown == [("shutdown", {"70001": "01"}), ("channel_ready", {})]
        assert wire.routed == [close, PING, ready]

    asyncio.run(main())
