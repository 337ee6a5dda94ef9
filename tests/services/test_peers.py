"""Do nodes find, greet, keep and lose each other over real sockets as they should?"""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from lnpd import errors
from lnpd.crypto import secp
from lnpd.errors import LnpdError
from lnpd.hooks.dispatch import Hooks
from lnpd.hooks.kinds import hookimpl
from lnpd.peer.chains import CHAIN_HASHES
from lnpd.peer.greeting import OFFERED, Greeting
from lnpd.peer.liveness import Timeouts
from lnpd.peer.session import USUAL_TIMEOUTS
from lnpd.services.interfaces import Link
from lnpd.services.peers import Peers
from lnpd.services.peers_connection import Connection
from lnpd.services.peers_limits import Limits
from lnpd.store.store import Store
from lnpd.wire.base import Message
from lnpd.wire.catalogue import CORE
from lnpd.wire.features import Features
from lnpd.wire.message import Codec
from lnpd.wire.messages import Error, Warning
from tests.peer.ends import ALICE, BOB, CAROL

REGTEST = Greeting(CHAIN_HASHES["regtest"])
QUICK = Limits(retry_first_seconds=0.01, retry_most_seconds=0.05, connect_seconds=5, linger_seconds=0.5)
PATIENCE_SECONDS = 20


class KeyHolder:
    """What the peers need of a signer."""

    def __init__(self, secret: bytes) -> None:
        self.secret = secret

    async def node_id(self) -> bytes:
        return secp.public_key(self.secret)

    async def ecdh(self, point: bytes) -> bytes:
        return secp.ecdh(self.secret, point)


class Log:
    """A router that takes note of everything, can be held up, and raises what it is told to."""

    def __init__(self) -> None:
        self.wanted: set[bytes] = set()
        self.events: list[tuple[str, bytes]] = []
        self.links: dict[bytes, Link] = {}
        self.features: dict[bytes, bytes] = {}
        self.received: list[Message] = []
        self.batches: list[int] = []
        self.open = asyncio.Event()
        self.open.set()
        self.raises: Exception | None = None
        self.calls = 0

    def wanted_peers(self) -> set[bytes]:
        return self.wanted

    async def peer_connected(self, node_id: bytes, features: bytes, link: Link) -> None:
        self.events.append(("connected", node_id))
        self.links[node_id], self.features[node_id] = link, features

    async def messages(self, node_id: bytes, link: Link, batch: list[Message]) -> None:
        self.calls += 1
        await self.open.wait()
        self.received += batch
        self.batches.append(len(batch))
        if self.raises is not None:
            raise self.raises

    async def peer_disconnected(self, node_id: bytes, link: Link) -> None:
        self.events.append(("disconnected", node_id))
        if self.links.get(node_id) is link:
            del self.links[node_id]


class Node:
    """A node's peers with what they need."""

    def __init__(self, secret: bytes, store: Store, greeting: Greeting, limits: Limits, timeouts: Timeouts) -> None:
        self.id, self.router, self.hooks = secp.public_key(secret), Log(), Hooks()
        self.peers = Peers(
            KeyHolder(secret),  # type: ignore[arg-type]  # of a signer, no more than this is used
            self.router, self.hooks, store, greeting, timeouts=timeouts, limits=limits,
        )  # fmt: skip
        self.at = ""

    def connection(self, other: "Node") -> Connection:
        link = self.router.links[other.id]
        assert isinstance(link, Connection)
        return link


NodeMaker = Callable[..., Awaitable[Node]]


@contextlib.asynccontextmanager
async def nodes(folder: Path) -> AsyncIterator[NodeMaker]:
    """Makes nodes that listen, and stops them in the end."""
    async with contextlib.AsyncExitStack() as stack:

        async def make(
            secret: bytes,
            *,
            greeting: Greeting = REGTEST,
            limits: Limits = QUICK,
            timeouts: Timeouts = USUAL_TIMEOUTS,
            name: str = "",
        ) -> Node:
            path = folder / (name or secret[:1].hex())
            path.mkdir(exist_ok=True)
            store = Store.open(path, "regtest")
            stack.push_async_callback(store.close)
            node = Node(secret, store, greeting, limits, timeouts)
            await node.peers.start()
            stack.push_async_callback(node.peers.stop)
            (address,) = await node.peers.listen("127.0.0.1:0")
            node.at = f"{node.id.hex()}@{address}"
            return node

        yield make


async def until(condition: Callable[[], object]) -> None:
    """Waits for a condition."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not condition():
            await asyncio.sleep(0.001)


def run(folder: Path, test: Callable[[NodeMaker], Awaitable[None]]) -> None:
    async def main() -> None:
        async with asyncio.timeout(3 * PATIENCE_SECONDS), nodes(folder) as make:
            await test(make)

    asyncio.run(main())


def words(number: int) -> Warning:
    return Warning(channel_id=bytes(32), data=b"%d" % number)


def port_of(node: Node) -> int:
    return int(node.at.rpartition(":")[2])


# Meeting


def test_two_nodes_greet_talk_and_part(tmp_path: Path) -> None:
    async def test(make: NodeMaker) -> None:
        alice, bob = await make(ALICE), await make(BOB)
        info = await alice.peers.connect(bob.at)
        await until(lambda: alice.id in bob.router.links)
        assert (info.node_id, info.incoming, info.features) == (bob.id, False, OFFERED)
        assert [(peer.node_id, peer.incoming) for peer in bob.peers.list()] == [(alice.id, True)]
        assert Features.from_bytes(alice.router.features[bob.id]).has("option_anchors")
        for sender, receiver in ((alice, bob), (bob, alice)):
            sender.router.links[receiver.id].send(*map(words, range(100)))
            await until(lambda receiver=receiver: len(receiver.router.received) == 100)  # type: ignore[misc]
            assert receiver.router.received == [words(number) for number in range(100)]
        assert await alice.peers.ping(bob.id) < PATIENCE_SECONDS
        assert (await alice.peers.connect(bob.at)) == info, "connected already"
        await alice.peers.disconnect(bob.id)
        assert alice.router.events == [("connected", bob.id), ("disconnected", bob.id)]
        await until(lambda: bob.router.events == [("connected", alice.id), ("disconnected", alice.id)])
        assert alice.peers.list() == () and bob.peers.list() == ()
        with pytest.raises(errors.PeerNotConnected):
            await alice.peers.ping(bob.id)

    run(tmp_path, test)


def test_all_messages_of_one_turn_leave_in_one_write_and_arrive_as_one_batch(tmp_path: Path) -> None:
    async def test(make: NodeMaker) -> None:
        alice, bob = await make(ALICE), await make(BOB)
        await alice.peers.connect(bob.at)
        connection = alice.connection(bob)
        writes: list[int] = []
        transport = connection._transport
        assert transport is not None
        write = transport.write
        transport.write = lambda data: (writes.append(len(data)), write(data))[1]  # type: ignore[method-assign, func-returns-value, assignment]
        for number in range(50):
            connection.send(words(number))
        connection.send(words(50), words(51))
        assert writes == []
        await until(lambda: len(bob.router.received) == 52)
        assert len(writes) == 1 and bob.router.batches == [52]

    run(tmp_path, test)


def test_the_newest_connection_stays_and_the_router_hears_in_order(tmp_path: Path) -> None:
    async def test(make: NodeMaker) -> None:
        alice, bob = await make(ALICE), await make(BOB)
        twin = await make(ALICE, name="twin")
        await alice.peers.connect(bob.at)
        await until(lambda: alice.id in bob.router.links)
        first = bob.router.links[alice.id]
        await twin.peers.connect(bob.at)
        await until(lambda: bob.router.links.get(alice.id, first) is not first)
        assert [event for event, _ in bob.router.events] == ["connected", "disconnected", "connected"]
        await until(lambda: alice.router.events[-1][0] == "disconnected")
        assert len(bob.peers.list()) == 1

    run(tmp_path, test)


def test_nodes_that_dial_each_other_at_once_keep_one_and_the_same_connection(tmp_path: Path) -> None:
    async def test(make: NodeMaker) -> None:
        alice, bob = await make(ALICE), await make(BOB)
        for _ in range(10):
            await asyncio.gather(alice.peers.connect(bob.at), bob.peers.connect(alice.at))
            await until(lambda: bob.id in alice.router.links and alice.id in bob.router.links)
            assert await alice.peers.ping(bob.id) >= 0 and await bob.peers.ping(alice.id) >= 0
            assert alice.peers.list()[0].incoming != bob.peers.list()[0].incoming
            await alice.peers.disconnect(bob.id)
            await until(lambda: not bob.peers.list() and alice.id not in bob.router.links)

    run(tmp_path, test)


# Coming back


def test_a_lost_connection_comes_back_by_itself_to_whom_channels_need(tmp_path: Path) -> None:
    async def test(make: NodeMaker) -> None:
        alice, bob, carol = await make(ALICE), await make(BOB), await make(CAROL)
        alice.router.wanted = {bob.id}
        bob.router.wanted = {alice.id}
        await alice.peers.connect(bob.at)
        await alice.peers.connect(carol.at)
        for round_ in range(1, 4):
            await until(lambda: alice.id in bob.router.links and bob.id in alice.router.links)
            (alice if round_ % 2 else bob).connection(bob if round_ % 2 else alice).abort()
            await until(lambda round_=round_: alice.router.events.count(("connected", bob.id)) == round_ + 1)  # type: ignore[misc]
        alice.connection(carol).abort()
        await until(lambda: ("disconnected", carol.id) in alice.router.events)
        assert alice.router.events.count(("connected", carol.id)) == 1

    run(tmp_path, test)


def test_who_was_disconnected_by_a_person_stays_away_until_connect(tmp_path: Path) -> None:
    async def test(make: NodeMaker) -> None:
        alice, bob = await make(ALICE), await make(BOB)
        alice.router.wanted = {bob.id}
        await alice.peers.connect(bob.at)
        await alice.peers.disconnect(bob.id)
        assert not alice.peers._reconnector._tasks
        await alice.peers.connect(bob.id.hex())  # its address is known
        assert len(alice.peers.list()) == 1

    run(tmp_path, test)


def test_a_restarted_node_finds_its_peers_again(tmp_path: Path) -> None:
    async def main() -> None:
        async with nodes(tmp_path) as make:
            bob = await make(BOB)
            async with nodes(tmp_path) as make_before:
                alice = await make_before(ALICE)
                await alice.peers.connect(bob.at)
            await until(lambda: not bob.peers.list())
            store = Store.open(tmp_path / "01", "regtest")
            again = Node(ALICE, store, REGTEST, QUICK, Timeouts())
            again.router.wanted = {bob.id}
            await again.peers.start()
            await until(lambda: bob.id in again.router.links)
            await again.peers.stop()
            await store.close()

    asyncio.run(main())


def test_pauses_grow_to_their_bound_and_start_anew_after_a_stable_link(tmp_path: Path) -> None:
    async def test(make: NodeMaker) -> None:
        reconnector = (await make(ALICE, limits=Limits())).peers._reconnector
        pauses = [reconnector._pause(b"x") for _ in range(40)]
        assert all(2**n / 2 <= pause <= 2**n for n, pause in enumerate(pauses[:8]))
        assert all(150 <= pause <= 300 for pause in pauses[9:])
        reconnector.stable(b"x")
        assert reconnector._pause(b"x") <= 1

    run(tmp_path, test)


# Refusals


def test_each_failure_to_connect_has_a_name_and_a_sentence(tmp_path: Path) -> None:
    async def test(make: NodeMaker) -> None:
        limits = Limits(connect_seconds=0.2, linger_seconds=0.1)
        alice = await make(ALICE, limits=limits, timeouts=Timeouts(handshake_seconds=0.2))
        bob = await make(BOB)
        mainnet = await make(CAROL, greeting=Greeting(CHAIN_HASHES["bitcoin"]))
        with socket.create_server(("127.0.0.1", 0)) as silent, socket.socket() as unheard:
            unheard.bind(("127.0.0.1", 0))
            port, closed = silent.getsockname()[1], unheard.getsockname()[1]
            cases: list[tuple[str, type[LnpdError], str]] = [
                (f"{bob.id.hex()}@127.0.0.1:{closed}", errors.PeerUnreachable, f"127.0.0.1:{closed} cannot be reached"),
                (f"{bob.id.hex()}@no-such-host.invalid", errors.PeerUnreachable, "no-such-host.invalid:9735"),
                (f"{bob.id.hex()}@127.0.0.1:{port}", errors.HandshakeLate, "0.2 s"),
                (f"{mainnet.id.hex()}@127.0.0.1:{port_of(bob)}", errors.WrongNodeId, mainnet.id.hex()),
                (mainnet.at, errors.NoCommonChain, "We are on regtest, you are on bitcoin."),
                (f"{alice.id.hex()}@127.0.0.1:1", errors.PeerTurnedAway, "itself"),
                (mainnet.id.hex(), errors.PeerAddressUnknown, mainnet.id.hex()),
                ("02" * 32 + "@127.0.0.1:1", errors.PeerAddressMalformed, "66 hex digits"),
                ("02" + "ff" * 32 + "@127.0.0.1:1", errors.PeerAddressMalformed, "public key"),
                (f"{bob.id.hex()}@127.0.0.1:99999", errors.PeerAddressMalformed, "host:port"),
                (f"{bob.id.hex()}@", errors.PeerAddressMalformed, "host:port"),
            ]
            for text, kind, sentence in cases:
                with pytest.raises(LnpdError) as caught:
                    await alice.peers.connect(text)
                assert type(caught.value) is kind, f"{text}: {caught.value!r}"
                assert sentence in str(caught.value)
        assert alice.peers.list() == () and alice.router.events == []

    run(tmp_path, test)


def test_a_port_in_use_and_an_address_of_others_are_named(tmp_path: Path) -> None:
    async def test(make: NodeMaker) -> None:
        alice, bob = await make(ALICE), await make(BOB)
        with pytest.raises(errors.ListenRefused, match=f"127.0.0.1:{port_of(alice)} is in use by another program"):
            await bob.peers.listen(f"127.0.0.1:{port_of(alice)}")
        with pytest.raises(errors.ListenRefused, match=r"192\.0\.2\.1:9735 cannot be listened at"):
            await bob.peers.listen("192.0.2.1")
        with pytest.raises(errors.PeerAddressMalformed):
            await bob.peers.listen("a b")
        assert [address.port for address in bob.peers.listening()] == [port_of(bob)]

    run(tmp_path, test)


class Doorkeeper:
    """A plugin that is asked about connections."""

    def __init__(self, answer: str | None) -> None:
        self.answer, self.asked = answer, 0
        self.told: list[tuple[str, str]] = []

    @hookimpl
    async def peer_connecting(self, node_id: str, address: str, incoming: bool) -> str | None:
        self.asked += 1
        return self.answer

    @hookimpl
    async def peer_connected(self, node_id: str, features: str) -> None:
        self.told.append(("connected", node_id))

    @hookimpl
    async def peer_disconnected(self, node_id: str) -> None:
        self.told.append(("disconnected", node_id))


def test_a_hook_may_refuse_a_node_and_others_are_told_of_it_coming_and_going(tmp_path: Path) -> None:
    async def test(make: NodeMaker) -> None:
        alice, bob = await make(ALICE), await make(BOB)
        keeper, refuser = Doorkeeper(None), Doorkeeper("not today\x1b[2J")
        alice.hooks.plugins.register(keeper, "keeper")
        await alice.peers.connect(bob.at)
        await alice.peers.disconnect(bob.id)
        await until(lambda: keeper.told == [("connected", bob.id.hex()), ("disconnected", bob.id.hex())])
        alice.hooks.plugins.register(refuser, "refuser")
        with pytest.raises(errors.PeerTurnedAway, match=r"^not today\?\[2J$"):
            await alice.peers.connect(bob.at)
        assert (keeper.asked, refuser.asked) == (1, 1), "the last one registered is asked first, and its no is enough"
        with pytest.raises(errors.PeerRefused):
            await bob.peers.connect(alice.at)

    run(tmp_path, test)


def test_a_stranger_beyond_the_limit_is_refused_and_a_peer_with_channels_is_not(tmp_path: Path) -> None:
    async def test(make: NodeMaker) -> None:
        bob = await make(BOB, limits=Limits(peers=1))
        alice, carol = await make(ALICE), await make(CAROL)
        await alice.peers.connect(bob.at)
        with pytest.raises(errors.PeerRefused):
            await carol.peers.connect(bob.at)
        bob.router.wanted = {carol.id}
        await carol.peers.connect(bob.at)
        assert len(bob.peers.list()) == 2

    run(tmp_path, test)


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
            await make(BOB, limits=limits, timeouts=Timeouts(idle_seconds=0.05, pong_seconds=0.05)),
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
        silent_at = reader.session.due_at() + 0.05
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
        alice.peers.speak(codec)
        await alice.peers.ping(bob.id)  # bob has not the rows: an odd message is ignored
        alice.router.links[bob.id].send(note, words(1))
        await until(lambda: bob.router.received == [words(1)])
        bob.peers.speak(codec)
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
