"""Can strangers at the door of remote plugins take the files of this node, or a plugin's place?"""

import asyncio
import os
import resource
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lnpd.bus.curve import kept_keys
from lnpd.errors import EndpointRefused
from lnpd.services.peers.address import Address
from lnpd.services.plugins import gate as plugin_gate
from lnpd.services.plugins.gate import CONNECTIONS_OF_ONE, STRANGERS, STRANGERS_OF_ONE_NETWORK, Gate
from lnpd.services.plugins.remote import KEY_FILE, RemoteDoor
from lnpd.testing import free_port
from tests.services.plugins.test_host import hosted, until, written
from tests.services.plugins.test_remote import BODY, listening, made, running

FILES = 100  # that the node may have open, beyond those that it has
# Many machines' worth of connections that say nothing, from 20 addresses.
CROWD = """
import socket, sys
rows = [socket.create_connection(("127.0.0.1", int(sys.argv[1])), source_address=(f"127.0.1.{n % 20 + 1}", 0))
        for n in range(300)]
for row in rows:
    try:
        row.send(b"\\xff")  # as ZeroMQ's greeting begins
    except OSError:
        pass
sys.stdin.read()
"""
# One key, many connections.
GREEDY = """
import os, sys, zmq
from zmq.utils import z85
port, node, secret = sys.argv[1], bytes.fromhex(sys.argv[2]), bytes.fromhex(open(sys.argv[3]).read())
sockets = []
for number in range(30):
    socket = zmq.Context.instance().socket(zmq.DEALER)
    socket.setsockopt(zmq.CURVE_SERVERKEY, z85.encode(node))
    socket.setsockopt(zmq.CURVE_SECRETKEY, z85.encode(secret))
    socket.setsockopt(zmq.CURVE_PUBLICKEY, zmq.curve_public(z85.encode(secret)))
    socket.setsockopt(zmq.RECONNECT_IVL, -1)
    monitor = socket.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED)
    socket.connect(f"tcp://127.0.0.1:{port}")
    assert monitor.poll(20_000)
    sockets.append((socket, monitor))
print("in", flush=True)
sys.stdin.read()
os._exit(0)
"""


class Nowhere:
    """No way leads in."""

    def open_way(self, way: str) -> str:
        raise EndpointRefused("nothing is inside")

    def close_way(self, way: str) -> None:
        pass


@contextmanager
def few_files() -> Iterator[int]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    there = len(os.listdir("/proc/self/fd"))
    resource.setrlimit(resource.RLIMIT_NOFILE, (there + FILES, hard))
    try:
        yield there
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@contextmanager
def crowd(port: int) -> Iterator[None]:
    process = subprocess.Popen([sys.executable, "-c", CROWD, str(port)], stdin=subprocess.PIPE)
    try:
        yield
    finally:
        process.communicate()


def test_a_crowd_that_says_nothing_keeps_no_plugin_out_and_takes_few_files(tmp_path: Path) -> None:
    async def main() -> None:
        file, key = made(tmp_path)
        port = free_port()
        host = listening(tmp_path, f"tcp://127.0.0.1:{port}", key)
        await host.start(())
        (plugin,), door = host.plugins, host.remote
        gate = door._gate if door else None
        assert gate is not None
        with crowd(port), few_files() as before:
            await until(lambda: gate.turned_away >= 300 - STRANGERS)
            await until(lambda: len(os.listdir("/proc/self/fd")) - before <= 4 * STRANGERS + 2)
            assert len(gate.strangers) == STRANGERS
            node_key = kept_keys(tmp_path / "node" / KEY_FILE).public
            with running(written(tmp_path, BODY), f"tcp://127.0.0.1:{port}", file, node_key) as process:
                await until(lambda: plugin.status == "ready")
                assert await host.call_rpc("bad-say", {}) == ["hello", process.pid]
                assert (len(gate.of("bad")), len(gate.strangers)) == (1, STRANGERS - 1)
            await until(lambda: not gate.of("bad"))
            await until(lambda: plugin.why == "its connection ended")
        await until(lambda: not len(gate.strangers))
        await host.stop()

    asyncio.run(main())


def test_a_key_with_many_connections_ends_its_own_and_nobody_elses(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        keys = {name: made(tmp_path, name) for name in ("bad", "greedy")}
        port = free_port()
        (tmp_path / "node").mkdir()
        host, _ = hosted(tmp_path / "node")
        host.remote = door = RemoteDoor(
            f"tcp://127.0.0.1:{port}", tmp_path / "node", {name: key for name, (_, key) in keys.items()}
        )
        await host.start(())
        honest, gate = host.plugins[0], door._gate
        assert gate is not None
        node_key = kept_keys(tmp_path / "node" / KEY_FILE).public
        with running(written(tmp_path, BODY), f"tcp://127.0.0.1:{port}", keys["bad"][0], node_key) as process:
            await until(lambda: honest.status == "ready")
            greedy = await asyncio.create_subprocess_exec(
                *(sys.executable, "-c", GREEDY, str(port), node_key.hex(), str(keys["greedy"][0])),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
            assert greedy.stdout is not None
            assert await asyncio.wait_for(greedy.stdout.readline(), 60) == b"in\n"
            await until(lambda: len(gate.of("greedy")) == CONNECTIONS_OF_ONE)
            assert await host.call_rpc("bad-say", {}) == ["hello", process.pid]
            assert (honest.starts, len(gate.of("bad"))) == (1, 1)
            await greedy.communicate(b"")
        await host.stop()
        assert not list((tmp_path / "node" / "run").glob("plugin-*"))

    asyncio.run(main())
    said = [r.getMessage() for r in caplog.records if "too many connections" in r.getMessage()]
    assert said[0] == "the remote plugin greedy has too many connections: the oldest is closed"


def test_one_address_has_few_and_a_handshake_that_is_not_over_in_time_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        gate = Gate(Address("127.0.0.1", port := free_port()), Nowhere())
        gate.open()
        with pytest.raises(EndpointRefused, match=f"tcp://127.0.0.1:{port} cannot be listened on: Address already"):
            Gate(Address("127.0.0.1", port), Nowhere()).open()
        rows = [socket.create_connection(("127.0.0.1", port)) for _ in range(2 * STRANGERS_OF_ONE_NETWORK)]
        await until(lambda: gate.turned_away == STRANGERS_OF_ONE_NETWORK)
        assert len(gate.strangers) == STRANGERS_OF_ONE_NETWORK
        gate.close()
        assert (len(gate.strangers), gate.turned_away) == (0, 2 * STRANGERS_OF_ONE_NETWORK)
        monkeypatch.setattr(plugin_gate, "HANDSHAKE_SECONDS", 0.01)
        gate = Gate(Address("127.0.0.1", free_port()), Nowhere())
        gate.open()
        rows.append(socket.create_connection(("127.0.0.1", gate._address.port)))
        await until(lambda: gate.turned_away == 1)
        for row in rows:
            row.close()
        gate.close()

    asyncio.run(main())
