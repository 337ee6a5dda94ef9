"""Does a connection survive a slow router, cut off who does not read, and get its last word across?"""

import asyncio
import contextlib
import socket
from pathlib import Path

import pytest

from lnpd import errors
from lnpd.errors import LnpdError
from lnpd.hooks.features import PluginFeatures
from lnpd.peer.liveness import Timeouts
from lnpd.services.peers.limits import Limits
from lnpd.wire.base import Message
from lnpd.wire.catalogue import CORE
from lnpd.wire.message import Codec
from lnpd.wire.messages import Error, Warning
from tests.peer.ends import ALICE, BOB
from tests.services.peers.nodes import QUICK, NodeMaker, port_of, run, until, words

# Whoever wants to wear us out


def test_200_half_open_connections_leave_a_real_peer_served(tmp_path: Path) -> None:
    async def test(make: NodeMaker) -> None:
        alice, bob = await make(ALICE), await make(BOB)
        sockets = [socket.create_connection(("127.0.0.1", port_of(bob))) for _ in range(100)]
        await until(lambda: len(bob.peers._half_open) == QUICK.half_open_per_network)
        connecting = asyncio.create_task(alice.peers.connect(bob.at))
        sockets += [socket.create_connection(("127.0.0.1", port_of(bob))) for _ in range(100)]
        for one in sockets[::3]:
            with contextlib.suppress(OSError):
                one.send(b"\0" * 49)  # one byte short of act one
        with contextlib.suppress(LnpdError):
            await connecting  # it may have been evicted by the flood that came with it; then the next try is served
        await alice.peers.connect(bob.at)
        assert await alice.peers.ping(bob.id) >= 0
        assert len(bob.peers._half_open) <= QUICK.half_open_per_network
        await until(lambda: len(bob.peers._connections) <= QUICK.half_open_per_network + 1)
        for one in sockets:
            one.close()

    run(tmp_path, test)


def test_a_peer_that_does_not_read_is_cut_off(tmp_path: Path) -> None:
    async def test(make: NodeMaker) -> None:
        limits = Limits(unwritten_bytes=1 << 20, linger_seconds=0.1)
        alice, bob = await make(ALICE, limits=limits), await make(BOB)
        await alice.peers.connect(bob.at)
        await until(lambda: alice.id in bob.router.links)
        link, reader = alice.connection(bob), bob.connection(alice)
        reader._pause()  # nothing but the kernel's buffers takes what comes
        large = Warning(channel_id=bytes(32), data=bytes(60_000))
        for _ in range(1000):
            link.send(large)
            await asyncio.sleep(0)
            if link.over:
                break
        assert isinstance(link.error, errors.PeerNotReading)
        await until(
            lambda: alice.router.events[-1] == ("disconnected", bob.id) and link not in alice.peers._connections
        )
        link.send(large)
        await link.drain()

    run(tmp_path, test)


def test_a_peer_that_stalls_is_cut_off_in_time(tmp_path: Path) -> None:
    async def test(make: NodeMaker) -> None:
        limits = Limits(stalled_seconds=0.05, unwritten_bytes=1 << 30, linger_seconds=0.1)
        alice, bob = await make(ALICE, limits=limits), await make(BOB)
        await alice.peers.connect(bob.at)
        await until(lambda: alice.id in bob.router.links)
        link = alice.connection(bob)
        bob.connection(alice)._pause()
        large = Warning(channel_id=bytes(32), data=bytes(60_000))
        while link._writable.is_set():
            link.send(large)
            await asyncio.sleep(0)
        await link.drain()
        assert isinstance(link.error, errors.PeerNotReading)

    run(tmp_path, test)


def test_a_busy_router_stops_the_reading_and_loses_nothing(tmp_path: Path) -> None:
    async def test(make: NodeMaker) -> None:
        limits = Limits(unread_bytes=1 << 14, unread_messages=100, unwritten_bytes=1 << 26)
        alice, bob = (
            await make(ALICE),
            await make(BOB, limits=limits, timeouts=Timeouts(idle_seconds=0.05, pong_seconds=1.0)),
        )
        await alice.peers.connect(bob.at)
        await until(lambda: alice.id in bob.router.links)
        bob.router.open.clear()
        sender, reader = alice.connection(bob), bob.connection(alice)
        sender.send(words(0))
        await until(lambda: bob.router.calls == 1)
        for number in range(1, 4001):
            sender.send(Warning(channel_id=bytes(32), data=b"%d" % number + bytes(2000)))
            if number % 50 == 0:
                await asyncio.sleep(0)
        await until(lambda: not reader._reading)
        waiting = len(reader._inbox)
        assert waiting <= (1 << 18) // 2000 + 100
        assert reader.session is not None
        silent_at = reader.session.due_at() + 1.2  # time to be pinged and given up
        await until(lambda: asyncio.get_running_loop().time() > silent_at)
        assert not reader.over, "we do not read, so that its silence is ours"
        assert len(reader._inbox) == waiting
        bob.router.open.set()
        await until(lambda: len(bob.router.received) == 4001)
        numbers = [message.data.rstrip(b"\0") for message in bob.router.received if isinstance(message, Warning)]
        assert numbers == [b"%d" % number for number in range(4001)]

    run(tmp_path, test)


def test_pings_without_a_message_never_stop_the_reading(tmp_path: Path) -> None:
    async def test(make: NodeMaker) -> None:
        alice, bob = await make(ALICE), await make(BOB, limits=Limits(unread_bytes=1000))
        await alice.peers.connect(bob.at)
        for _ in range(100):
            await alice.peers.ping(bob.id, 1)

    run(tmp_path, test)


def test_a_silent_peer_is_let_go(tmp_path: Path) -> None:
    async def test(make: NodeMaker) -> None:
        alice, bob = await make(ALICE), await make(BOB, timeouts=Timeouts(idle_seconds=0.02, pong_seconds=0.02))
        await alice.peers.connect(bob.at)
        await until(lambda: alice.id in bob.router.links)
        link = bob.connection(alice)
        alice.connection(bob)._pause()
        await until(lambda: link.over)
        assert isinstance(link.error, errors.PeerSilent)

    run(tmp_path, test)


# The end of a connection


@pytest.mark.parametrize(
    ("raised", "said"),
    [
        (errors.ProtocolWarning("That was not nice."), Warning(channel_id=bytes(32), data=b"That was not nice.")),
        (errors.ProtocolError("All is lost."), Error(channel_id=bytes(32), data=b"All is lost.")),
        (ValueError("a bug"), None),
    ],
)
def test_what_a_router_raises_ends_the_connection_and_is_told_if_it_is_the_peers_fault(
    tmp_path: Path, raised: Exception, said: Message | None
) -> None:
    async def test(make: NodeMaker) -> None:
        alice, bob = await make(ALICE), await make(BOB)
        await alice.peers.connect(bob.at)
        bob.router.raises = raised
        alice.router.links[bob.id].send(words(1))
        await until(lambda: ("disconnected", bob.id) in alice.router.events)
        await until(lambda: ("disconnected", alice.id) in bob.router.events)
        assert alice.router.received == ([said] if said else [])

    run(tmp_path, test)


def test_the_last_message_arrives_though_the_peer_was_still_talking(tmp_path: Path) -> None:
    async def test(make: NodeMaker) -> None:
        alice, bob = await make(ALICE), await make(BOB)
        last = Error(channel_id=b"\7" * 32, data=b"closing")
        for _ in range(20):
            await alice.peers.connect(bob.at)
            await until(lambda: alice.id in bob.router.links)
            alice.router.received.clear()
            bob.router.links[alice.id].send(words(1))
            bob.router.links[alice.id].close("the channel failed", last)
            alice.router.links[bob.id].send(*(Warning(channel_id=bytes(32), data=bytes(60_000)) for _ in range(5)))
            await until(lambda: not alice.peers.list() and bob.id not in alice.router.links)
            assert alice.router.received == [words(1), last]
            await until(lambda: alice.id not in bob.router.links)

    run(tmp_path, test)


def test_messages_of_a_plugin_are_known_once_its_rows_are(tmp_path: Path) -> None:
    async def test(make: NodeMaker) -> None:
        alice, bob = await make(ALICE), await make(BOB)
        codec = Codec(CORE.with_rows("toy", ["message,40001,toy_note", "data,u16,number"]))
        note = codec.message_type("toy_note")(number=7)  # type: ignore[call-arg]
        await alice.peers.connect(bob.at)
        with pytest.raises(errors.Unencodable):
            alice.router.links[bob.id].send(note)
        alice.peers.speak(codec, (), PluginFeatures())
        await alice.peers.ping(bob.id)  # bob has not the rows: an odd message is ignored
        alice.router.links[bob.id].send(note, words(1))
        await until(lambda: bob.router.received == [words(1)])
        bob.peers.speak(codec, (), PluginFeatures())
        alice.router.links[bob.id].send(note)
        await until(lambda: bob.router.received == [words(1), note])

    run(tmp_path, test)


def test_stopping_tells_the_router_and_leaves_no_socket(tmp_path: Path) -> None:
    async def test(make: NodeMaker) -> None:
        alice, bob = await make(ALICE), await make(BOB)
        await alice.peers.connect(bob.at)
        await alice.peers.stop()
        assert alice.router.events == [("connected", bob.id), ("disconnected", bob.id)]
        assert not alice.peers._connections and not alice.peers._tasks
        with pytest.raises(LnpdError):
            await bob.peers.connect(alice.at)

    run(tmp_path, test)
