"""Is a node asked from another machine by those alone whom its user knows, and does nobody on the way read it?"""

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import zmq

from lnpd import errors
from lnpd.bus.far import connecting
from lnpd.cli import lnp
from lnpd.cli.remote import VARIABLES
from lnpd.rpc import AsyncClient, Client, Remote
from lnpd.rpc.far import keys_of
from lnpd.rpc.published import Published, Reading
from lnpd.services.rpc import far as server
from lnpd.services.rpc.requests import MAX_CALLS
from tests.rpc.far_node import HOST, Far, far_node, publish, two_ports
from tests.services.rpc.small_node import INVOICE, PEER_ID

ELSEWHERE = "127.0.0.2"


@pytest.fixture(scope="module")
def far(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Far]:
    with far_node(tmp_path_factory.mktemp("far")) as running:
        yield running


# --- who is let in


def refused(where: Remote, kind: type[Exception], words: str) -> None:
    async def connect() -> None:
        async with AsyncClient(where, timeout_seconds=10):
            raise AssertionError("it was let in")

    with pytest.raises(kind, match=words):
        Client(where, timeout_seconds=10)
    with pytest.raises(kind, match=words):
        asyncio.run(connect())


def test_an_unknown_key_is_refused_and_told_so(far: Far) -> None:
    refused(far.stranger, errors.KeyNotKnown, f"does not know this key, {keys_of(far.stranger).own.public.hex()}")
    refused(far.client._replace(server_key=b"\7" * 32), errors.NodeUnavailable, "does not have the key")
    refused(far.client._replace(address=f"tcp://{HOST}:{two_ports()}"), errors.NodeUnavailable, "Nobody answers")


@pytest.mark.parametrize(
    ("content", "mode", "words"),
    [
        ("00" * 32, 0o644, "Others than its user"),
        ("nonsense", 0o600, "does not hold a key"),
        ("", None, "No such file"),
    ],
)
def test_a_key_file_that_is_none_is_refused(
    far: Far, tmp_path: Path, content: str, mode: int | None, words: str
) -> None:
    path = tmp_path / "key"
    if mode is not None:
        path.write_text(content)
        path.chmod(mode)
    refused(far.client._replace(key_file=path), errors.KeyFileRefused, words)


def test_a_key_that_may_only_read_changes_nothing_and_sees_no_secret(far: Far) -> None:
    with Client(far.client) as full, Client(far.reader) as reader:
        assert reader.info() == full.info() and reader.peers() == full.peers()
        before = list(far.node.asked)
        for question in (
            lambda: reader.mine(),
            lambda: reader.pay(INVOICE),
            lambda: reader.call("lockbox-put", {"channel": "c3c3c3", "amount_sat": 7}),
            lambda: reader.plugin_options(),
        ):
            with pytest.raises(errors.OnlyReads):
                question()
        assert far.node.asked == before
        assert full.payments()[0].preimage and not reader.payments()[0].preimage
        publish(far.node, 1, topic="secret_sold", size=5)
        with full.events(since=0) as told, reader.events(since=0) as seen:
            while (event := told.next(10)).topic != "secret_sold":
                pass
            assert event.payload == {"n": 1, "data": "xxxxx"}
            while (event := seen.next(10)).topic != "secret_sold":
                pass
            assert event.payload == {"n": 1}
            publish(far.node, 2, topic="secret_sold", size=5)
            assert told.next(10).payload == {"n": 2, "data": "xxxxx"}
            assert seen.next(10).payload == {"n": 2}


# --- what is on the wire


class Wire:
    """Passes on what comes for another address, and keeps all of it."""

    def __init__(self, *ports: int) -> None:
        self.heard = bytearray()
        self._ports = ports

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(1 << 16):
                self.heard += data
                writer.write(data)
        writer.close()

    async def _serve(self, port: int) -> asyncio.Server:
        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            inner_reader, inner_writer = await asyncio.open_connection(HOST, port)
            await asyncio.gather(self._pass(reader, inner_writer), self._pass(inner_reader, writer))

        return await asyncio.start_server(connected, ELSEWHERE, port)

    @contextlib.contextmanager
    def tapped(self) -> Iterator["Wire"]:
        """While it is."""
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever)
        thread.start()
        servers = [asyncio.run_coroutine_threadsafe(self._serve(port), loop).result(10) for port in self._ports]
        try:
            yield self
        finally:
            for each in servers:
                loop.call_soon_threadsafe(each.close)
            loop.call_soon_threadsafe(loop.stop)
            thread.join(10)


def test_nobody_on_the_way_reads_anything(far: Far) -> None:
    with Wire(far.port, far.port + 1).tapped() as wire:
        where = far.client._replace(address=f"tcp://{ELSEWHERE}:{far.port}")
        with Client(where) as node, node.events() as events:
            publish(far.node, 4711, topic="a_topic_of_its_own")
            assert events.next(10).payload == {"n": 4711}
            assert node.decode(INVOICE).description == "Kaffee für zwei"
            assert node.call("lockbox-put", {"channel": "c3c3c3", "amount_sat": 7}) == {"box": 0, "amount_sat": 7}
    assert wire.heard.count(b"CURVE") >= 4 and len(wire.heard) > 1000  # both connections, both ways
    secret = keys_of(where).own.secret
    plain = [b"jsonrpc", b"decode", b"lockbox", INVOICE.encode(), b"Kaffee", b"a_topic_of_its_own", b"4711", b"events"]
    assert [word for word in (*plain, secret, secret.hex().encode()) if word in wire.heard] == []


# --- bounds


def test_a_slow_subscriber_misses_what_it_then_asks_for(far: Far) -> None:
    with Client(far.reader).events() as slow:
        publish(far.node, 0)
        assert slow.next(10).payload["n"] == 0
        pages = far.node.pages
        publish(far.node, *range(1, 6001), size=4000)
        told = [slow.next(10).payload["n"] for _ in range(6000)]
        assert told == list(range(1, 6001)) and far.node.pages > pages


async def until_waiting(far: Far, count: int) -> None:
    async with asyncio.timeout(30):
        while far.node.waiting != count:
            await asyncio.sleep(0.005)


def test_so_many_questions_of_one_key_are_answered_at_once(far: Far) -> None:
    async def ask() -> None:
        await until_waiting(far, 0)  # those of other tests
        async with AsyncClient(far.client) as node, AsyncClient(far.client) as other:
            waiting = [asyncio.create_task(node.log(lines=13, follow=True)) for _ in range(MAX_CALLS)]
            await until_waiting(far, MAX_CALLS)
            with pytest.raises(errors.CallsTooMany):
                await other.ping(PEER_ID)
            async with AsyncClient(far.reader) as reader:
                await reader.ping(PEER_ID)  # another key's
            await node.hang_up()
            await asyncio.gather(*waiting, return_exceptions=True)
            await until_waiting(far, 0)  # nobody waits for their answers
            await other.ping(PEER_ID)

    asyncio.run(ask())


def test_what_moves_money_ends_by_itself_when_who_asked_has_left(far: Far) -> None:
    async def ask() -> None:
        await until_waiting(far, 0)
        far.node.asked.clear()
        async with AsyncClient(far.client) as node, AsyncClient(far.client) as other:
            paying = asyncio.create_task(node.pay(INVOICE, amount_msat=13))
            reading = asyncio.create_task(node.log(lines=13, follow=True))
            await until_waiting(far, 2)
            await node.hang_up()
            await asyncio.gather(paying, reading, return_exceptions=True)
            await until_waiting(far, 1)
            waiting = [asyncio.create_task(other.log(lines=13, follow=True)) for _ in range(MAX_CALLS - 1)]
            await until_waiting(far, MAX_CALLS)
            with pytest.raises(errors.CallsTooMany):  # it counts on: to leave opens no way around the bound
                await other.ping(PEER_ID)
            assert far.node.loop is not None
            far.node.loop.call_soon_threadsafe(far.node.goes_on.set)
            await until_waiting(far, MAX_CALLS - 1)
            await other.ping(PEER_ID)
            assert far.node.asked == [("paid", 13)]
            await other.hang_up()
            await asyncio.gather(*waiting, return_exceptions=True)

    asyncio.run(ask())


def test_long_questions_and_answers_are_refused(far: Far, monkeypatch: pytest.MonkeyPatch) -> None:
    with Client(far.client) as node:
        with pytest.raises(errors.RequestTooLong):
            node.call("decode", {"invoice": "x" * (1 << 20)})
        monkeypatch.setattr(server, "MAX_FRAME_BYTES", 1000)
        with pytest.raises(errors.AnswerTooLong):
            node.help()
        assert node.ping(PEER_ID).milliseconds == 0.25


def test_whoever_subscribes_to_parts_is_ended(far: Far) -> None:
    made = connecting(f"tcp://{HOST}:{far.port + 1}", keys_of(far.reader), zmq.SUB)
    try:
        while not made.is_ready(made.monitor.recv_multipart()):
            pass
        for number in range(3):
            made.socket.setsockopt(zmq.SUBSCRIBE, str(number).encode())
        assert made.monitor.poll(10_000)
        with pytest.raises(errors.NodeUnavailable):
            made.is_ready(made.monitor.recv_multipart())
    finally:
        made.close()


def test_a_reading_asks_only_when_something_is_missing() -> None:
    reading = Reading(5)
    reading.found(())
    reading.heard(Published(5, 5))
    assert not reading.must_ask  # nothing is missing
    reading.heard(Published(7, 7))
    assert reading.must_ask and reading.next() is None  # a beat, beyond what was heard


# --- the command line


def test_lnp_asks_a_node_on_another_machine(
    far: Far, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    options = ["--remote", far.reader.address, "--server-key", far.reader.server_key.hex(), "--key-file"]
    assert lnp.main([*options, str(far.reader.key_file), "info"]) == 0
    assert "alice" in capsys.readouterr().out
    assert lnp.main([*options, str(far.reader.key_file), "doctor"]) == 0
    told = capsys.readouterr().out
    assert "The peer of a channel is away." in told and "disk" not in told  # which is another machine's
    assert lnp.main(["mine", *options, str(far.reader.key_file)]) == 1
    assert "this key may only read" in capsys.readouterr().err
    assert lnp.main([*options, str(far.stranger.key_file), "info"]) == 1
    assert "does not know this key" in capsys.readouterr().err
    assert lnp.main([*options[:2], "info"]) == 2
    assert "--key-file go together" in capsys.readouterr().err
    assert lnp.main(["--remote", "nowhere", *options[2:], "x", "info"]) == 2
    assert "tcp://HOST:PORT" in capsys.readouterr().err
    for name, word in zip(VARIABLES.values(), (options[1], options[3], str(far.reader.key_file)), strict=True):
        monkeypatch.setenv(name, word)
    assert lnp.main(["info"]) == 0 and "alice" in capsys.readouterr().out
    assert lnp.main(["info", "--key-file", str(far.stranger.key_file)]) == 1
    told = capsys.readouterr().err
    assert "does not know this key" in told and "(as LNPD_REMOTE, LNPD_SERVER_KEY of the environment says)" in told
    assert lnp.main(["--directory", str(tmp_path), "info"]) == 3  # which is on this machine
    monkeypatch.setenv("LNPD_SERVER_KEY", "none")
    assert lnp.main(["info"]) == 2 and "LNPD_SERVER_KEY takes a public key" in capsys.readouterr().err
    monkeypatch.delenv("LNPD_SERVER_KEY")
    assert lnp.main(["info"]) == 2 and "--server-key (LNPD_SERVER_KEY) is missing" in capsys.readouterr().err
    monkeypatch.delenv("LNPD_REMOTE")
    assert lnp.main(["--directory", str(tmp_path), "info"]) == 3  # a key alone names no node
    capsys.readouterr()
    fresh = tmp_path / "fresh.key"
    for _ in range(2):
        assert lnp.main(["key", str(fresh)]) == 0
        assert capsys.readouterr().out.strip() == keys_of(far.reader._replace(key_file=fresh)).own.public.hex()
    fresh.chmod(0o644)
    assert lnp.main(["key", str(fresh)]) == 1
    assert "Others than its user" in capsys.readouterr().err
