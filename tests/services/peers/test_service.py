"""Do nodes find, greet, refuse and leave each other over real sockets as they should?"""

import asyncio
import socket
from pathlib import Path

import pytest

from lnpd import errors
from lnpd.errors import LnpdError
from lnpd.hooks.kinds import hookimpl
from lnpd.peer.chains import CHAIN_HASHES
from lnpd.peer.greeting import OFFERED, Greeting
from lnpd.peer.liveness import Timeouts
from lnpd.services.peers.connection import Connection
from lnpd.services.peers.limits import Limits
from lnpd.services.peers.service import Peers
from lnpd.wire.features import Features
from tests.peer.ends import ALICE, BOB, CAROL
from tests.services.peers.nodes import PATIENCE_SECONDS, NodeMaker, port_of, run, until, words

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
        bob.router.open.clear()
        alice.router.links[bob.id].send(words(1))
        await until(lambda: bob.router.calls == 1)
        info = bob.peers.list()[0]
        await twin.peers.connect(bob.at)
        await until(lambda: bob.peers.list() and bob.peers.list()[0] is not info)
        await alice.peers.stop()
        assert bob.router.events == [("connected", alice.id)], "the router is not done with the first one"
        bob.router.open.set()
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


def test_whoever_asks_for_the_same_connection_at_once_gets_the_same(tmp_path: Path) -> None:
    async def test(make: NodeMaker) -> None:
        alice, bob = await make(ALICE), await make(BOB)
        opened: list[Connection] = []
        accept = bob.peers.opened
        bob.peers.opened = lambda connection: (opened.append(connection), accept(connection))[1]  # type: ignore[method-assign, func-returns-value]
        infos = await asyncio.gather(*(alice.peers.connect(bob.at) for _ in range(5)))
        assert len(set(map(id, infos))) == 1
        await until(lambda: alice.id in bob.router.links)
        assert len(opened) == 1 and not alice.peers._dialling

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
                (f"{mainnet.id.hex()}@127.0.0.1:{port_of(bob)}", errors.WrongNodeId, f"127.0.0.1:{port_of(bob)}: "),
                (f"{mainnet.id.hex()}@127.0.0.1:{port_of(bob)}", errors.WrongNodeId, mainnet.id.hex()),
                (mainnet.at, errors.NoCommonChain, "We are on regtest, you are on bitcoin."),
                (f"{alice.id.hex()}@127.0.0.1:1", errors.PeerTurnedAway, "itself"),
                (mainnet.id.hex(), errors.PeerAddressUnknown, f"lnp connect {mainnet.id.hex()}@HOST:PORT"),
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
    async def peer_connected(self, node_id: str, features: str, **_more: object) -> None:
        self.told.append(("connected", node_id))

    @hookimpl
    async def peer_disconnected(self, node_id: str) -> None:
        self.told.append(("disconnected", node_id))


class Dialler:
    """A plugin that dials whom it is asked about, and waits."""

    def __init__(self, peers: Peers, at: str) -> None:
        self.peers, self.at, self.told = peers, at, list[str]()

    @hookimpl
    async def peer_connecting(self, node_id: str, address: str, incoming: bool) -> str | None:
        try:
            await self.peers.connect(self.at)
        except errors.WouldDeadlock as error:
            self.told.append(str(error))
        return None


def test_a_plugin_that_would_wait_for_the_dial_that_waits_for_it_is_told_so(tmp_path: Path) -> None:
    async def test(make: NodeMaker) -> None:
        alice, bob = await make(ALICE), await make(BOB)
        alice.hooks.join(dialler := Dialler(alice.peers, bob.at), "dialler")
        async with asyncio.timeout(4):
            await alice.peers.connect(bob.at)
        assert dialler.told == [f"{bob.id.hex()} is being dialled, and that waits for the hook that asks for it."]
        await alice.peers.disconnect(bob.id)
        await alice.peers.connect(bob.at)
        assert len(dialler.told) == 2, "only while it is asked"

    run(tmp_path, test)


def test_a_hook_may_refuse_a_node_and_others_are_told_of_it_coming_and_going(tmp_path: Path) -> None:
    async def test(make: NodeMaker) -> None:
        alice, bob = await make(ALICE), await make(BOB)
        keeper, refuser = Doorkeeper(None), Doorkeeper("not today\x1b[2J")
        alice.hooks.join(keeper, "keeper")
        await alice.peers.connect(bob.at)
        await alice.peers.disconnect(bob.id)
        await until(lambda: keeper.told == [("connected", bob.id.hex()), ("disconnected", bob.id.hex())])
        alice.hooks.join(refuser, "refuser", rank=-1)
        with pytest.raises(errors.PeerTurnedAway, match=r"^127\.0\.0\.1:\d+: not today\\x1b\[2J$"):
            await alice.peers.connect(bob.at)
        assert (keeper.asked, refuser.asked) == (1, 1), "a no is enough, and nobody behind it is asked"
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
