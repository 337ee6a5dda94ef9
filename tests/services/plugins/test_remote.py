"""Does a plugin on another machine become one of the node's, by its key alone, and come back?"""

import asyncio
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest
import zmq
from lnpd_sdk import envelope
from lnpd_sdk.client import new_key, public_key
from lnpd_sdk.envelope import Answer, BusError, Call, Fault, Notice
from lnpd_sdk.questions import Hello
from zmq.utils import z85

from lnpd.bus.curve import kept_keys
from lnpd.bus.peer import BusPeer
from lnpd.errors import EndpointRefused, ReloadRefused
from lnpd.services.plugins import gate, remote
from lnpd.services.plugins.calls import Plugin
from lnpd.services.plugins.host import PluginHost
from lnpd.services.plugins.life import LIMITS
from lnpd.services.plugins.remote import KEY_FILE, RemoteDoor
from lnpd.testing import free_port
from tests.services.plugins.test_host import contribute, hosted, until, written

BODY = """
    word = plugin.option("word", str, "hello")

    @plugin.rpc("Says something.")
    async def say(node):
        await node.log("info", "asked")
        return [word.value, os.getpid()]

    @plugin.provider
    class Bad(ProviderBase):
        spec = ProviderSpec("bad", (1,), (Phase("contribute"),))
        def contribute(self, view, state):
            return ()
"""


NEWS = envelope.pack(Notice("news", envelope.raw([1, 2, 3])))


def listening(folder: Path, endpoint: str, key: bytes) -> PluginHost:
    (folder / "node").mkdir(exist_ok=True)
    host, _ = hosted(folder / "node")
    host.remote = RemoteDoor(endpoint, folder / "node", {"bad": key})
    return host


@contextmanager
def running(path: Path, endpoint: str, key_file: Path, node: bytes) -> Iterator[subprocess.Popen[bytes]]:
    """A plugin as its owner starts it."""
    environment = {"LNPD_ENDPOINT": endpoint, "LNPD_KEY_FILE": str(key_file), "LNPD_NODE_KEY": node.hex()}
    process = subprocess.Popen([sys.executable, str(path)], env={**os.environ, **environment}, stderr=subprocess.PIPE)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def made(folder: Path, name: str = "key") -> tuple[Path, bytes]:
    file = folder / name
    new_key(str(file))
    return file, public_key(str(file))


@contextmanager
def connection(endpoint: str, key_file: Path, node: bytes) -> Iterator[tuple["zmq.Socket[bytes]", "zmq.Socket[bytes]"]]:
    """A connection with a plugin's key, and what hears its end."""
    with zmq.Context() as context, context.socket(zmq.DEALER) as socket:
        secret = z85.encode(bytes.fromhex(key_file.read_text()))
        for option, value in (
            (zmq.CURVE_SERVERKEY, z85.encode(node)),
            (zmq.CURVE_SECRETKEY, secret),
            (zmq.CURVE_PUBLICKEY, zmq.curve_public(secret)),
            (zmq.RECONNECT_IVL, -1),
            (zmq.LINGER, 0),
        ):
            socket.setsockopt(option, value)
        ended = socket.get_monitor_socket(zmq.EVENT_DISCONNECTED)
        socket.connect(endpoint)
        yield socket, ended
        socket.disable_monitor()
        ended.close(0)


def test_it_connects_answers_and_comes_back(tmp_path: Path) -> None:
    async def main() -> None:
        file, key = made(tmp_path)
        endpoint = f"tcp://127.0.0.1:{free_port()}"
        path = written(tmp_path, BODY)
        host = listening(tmp_path, endpoint, key)
        await host.start(())
        (plugin,) = host.plugins
        assert (plugin.name, plugin.status, plugin.pid) == ("bad", "waiting", None)
        node_key = kept_keys(tmp_path / "node" / KEY_FILE).public
        with running(path, endpoint, file, node_key) as process:
            await until(lambda: plugin.status == "ready")
            assert await host.call_rpc("bad-say", {}) == ["hello", process.pid]
            assert await host.answers.answer(contribute("bad")) == ()
            with pytest.raises(ReloadRefused, match="another machine"):
                await plugin.reload()
            plugin.fail("a test")
            await until(lambda: host.answers.missing({"bad": 1}))
            await until(lambda: plugin.status == "ready")
            await host.stop()
            again = listening(tmp_path, endpoint, key)
            await again.start(())
            await until(lambda: again.plugins[0].status == "ready")
            assert await again.call_rpc("bad-say", {}) == ["hello", process.pid]
        with running(path, endpoint, file, node_key) as process:
            await until(lambda: again.plugins[0].starts >= 2 and again.plugins[0].status == "ready")
            assert await again.call_rpc("bad-say", {}) == ["hello", process.pid]
        await again.stop()

    asyncio.run(main())


def test_another_key_is_refused_and_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        _, key = made(tmp_path)
        other, other_key = made(tmp_path, "other")
        endpoint = f"tcp://127.0.0.1:{free_port()}"
        host = listening(tmp_path, endpoint, key)
        await host.start(())
        node_key = kept_keys(tmp_path / "node" / KEY_FILE).public
        said = lambda: [r.getMessage() for r in caplog.records if other_key.hex() in r.getMessage()]  # noqa: E731
        with caplog.at_level(logging.WARNING), running(written(tmp_path, BODY), endpoint, other, node_key):
            await until(said)
        assert "nobody's key is" in said()[0]
        assert (host.plugins[0].status, host.plugins[0].starts) == ("waiting", 1)
        await host.stop()

    asyncio.run(main())


def test_a_known_key_is_good_for_its_own_name_only(tmp_path: Path) -> None:
    """The name is the key's, whatever the plugin calls itself."""

    async def main() -> None:
        file, key = made(tmp_path)
        endpoint = f"tcp://127.0.0.1:{free_port()}"
        host = listening(tmp_path, endpoint, key)
        await host.start(())
        (plugin,) = host.plugins
        node_key = kept_keys(tmp_path / "node" / KEY_FILE).public
        with running(written(tmp_path, BODY, "good"), endpoint, file, node_key):
            await until(lambda: plugin.status == "refused")
        assert "the plugin bad calls itself 'good' now" in plugin.why
        assert host.registry.owners == {}
        await host.stop()

    asyncio.run(main())


GREEDY = """
    @plugin.on_init
    async def begin(node):
        import asyncio
        asyncio.get_running_loop().create_task(flood(node))

    async def flood(node):
        import asyncio
        await asyncio.gather(*(node.kv_get("x") for _ in range(3)), return_exceptions=True)
"""


def test_what_one_asks_for_takes_no_room_of_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They come over one socket, and each has limits of its own."""

    async def main() -> None:
        free = asyncio.Event()
        asked: list[str] = []
        keys = {name: made(tmp_path, name) for name in ("bad", "good")}
        endpoint = f"tcp://127.0.0.1:{free_port()}"
        (tmp_path / "node").mkdir()
        host, _ = hosted(tmp_path / "node")
        host.remote = RemoteDoor(endpoint, tmp_path / "node", {name: key for name, (_, key) in keys.items()})

        async def serve(plugin: Plugin, method: str, params: msgspec.Raw) -> object:
            asked.append(plugin.name)
            if plugin.name == "bad":
                await free.wait()
            return None

        monkeypatch.setattr(host, "serve", serve)
        monkeypatch.setattr(remote, "LIMITS", LIMITS._replace(running=3))
        await host.start(())
        bad, good = (next(p for p in host.plugins if p.name == name) for name in ("bad", "good"))
        node_key = kept_keys(tmp_path / "node" / KEY_FILE).public
        with running(written(tmp_path, GREEDY), endpoint, keys["bad"][0], node_key):
            await until(lambda: asked.count("bad") == 3)
            with running(written(tmp_path, BODY, "good"), endpoint, keys["good"][0], node_key):
                await until(lambda: good.status == "ready")
                assert (await host.call_rpc("good-say", {}))[0] == "hello"  # type: ignore[index]  # its own values
                assert (bad.status, bad.faults, good.faults) == ("ready", 0, 0)
        free.set()
        await host.stop()

    asyncio.run(main())


def test_after_its_failure_nothing_of_it_is_read_and_its_connection_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[bytes] = []

    async def main() -> None:
        file, key = made(tmp_path)
        endpoint = f"tcp://127.0.0.1:{free_port()}"
        host = listening(tmp_path, endpoint, key)
        await host.start(())
        (plugin,) = host.plugins
        receive = BusPeer._receive

        def received(peer: BusPeer, identity: bytes, data: bytes) -> None:
            heard.append(data)
            if data == NEWS:
                plugin.fail("it fails at the first of them")
            receive(peer, identity, data)

        monkeypatch.setattr(BusPeer, "_receive", received)
        assert host.remote is not None and host.remote._link is not None
        host.remote._link._receive = host.remote._bus._receive  # type: ignore[union-attr]
        with connection(endpoint, file, kept_keys(tmp_path / "node" / KEY_FILE).public) as (socket, ended):
            hello = envelope.pack(Call(1, "hello", envelope.raw(Hello((1,), "a test"))))
            socket.send_multipart([hello])
            await until(lambda: socket.poll(0))
            assert isinstance(envelope.unpack(socket.recv()), Answer)
            for _ in range(50):
                socket.send(NEWS)
            await until(lambda: ended.poll(0))
            assert (plugin.why, heard) == ("it fails at the first of them", [hello, NEWS])
            assert envelope.unpack(socket.recv()) == Notice("stop", envelope.raw(None), 0)
        with connection(endpoint, file, kept_keys(tmp_path / "node" / KEY_FILE).public) as (socket, ended):
            await until(lambda: plugin.status == "waiting" and plugin.starts == 2)
            for number in range(50):  # who does not begin with a hello is told so, once
                socket.send(envelope.pack(Call(number, "log", envelope.raw({}))))
            await until(lambda: ended.poll(0))
            assert isinstance(said := envelope.unpack(socket.recv()), Fault) and said.code == "PluginBusy"
        await host.stop()

    monkeypatch.setattr(gate, "LAST_WORDS_SECONDS", 0.2)
    asyncio.run(main())


def test_keys_are_kept_for_their_owner_alone(tmp_path: Path) -> None:
    first = kept_keys(tmp_path / "key")
    assert first == kept_keys(tmp_path / "key")
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    (tmp_path / "key").write_text("nonsense")
    with pytest.raises(EndpointRefused, match="does not hold a key"):
        kept_keys(tmp_path / "key")
    with pytest.raises(BusError, match="is not a key"):
        public_key(str(tmp_path / "key"))


def test_a_key_pair_is_made_by_a_command(tmp_path: Path) -> None:
    file = tmp_path / "mine"
    command = [sys.executable, "-m", "lnpd_sdk.keys", str(file)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, bytes.fromhex(done.stdout)) == (0, public_key(str(file)))
    assert file.stat().st_mode & 0o777 == 0o600
    again = subprocess.run(command, capture_output=True, text=True)
    assert (again.returncode, "File exists" in again.stderr) == (1, True)
