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
from lnpd.services.plugins.gate import READY, STRANGERS, STRANGERS_OF_ONE_NETWORK, Gate, _Answer
from lnpd.services.plugins.remote import KEY_FILE
from lnpd.testing import free_port
from tests.services.plugins.test_host import until, written
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
            await until(lambda: len(os.listdir("/proc/self/fd")) - before <= 3 * STRANGERS + 2)
            assert len(gate.strangers) == STRANGERS
            node_key = kept_keys(tmp_path / "node" / KEY_FILE).public
            with running(written(tmp_path, BODY), f"tcp://127.0.0.1:{port}", file, node_key) as process:
                await until(lambda: plugin.status == "ready")
                assert await host.call_rpc("bad-say", {}) == ["hello", process.pid]
                assert (len(gate.let_in), len(gate.strangers)) == (1, STRANGERS - 1)
            await until(lambda: not len(gate.let_in))
        await until(lambda: not len(gate.strangers))
        await host.stop()

    asyncio.run(main())


def test_one_address_has_few_and_a_handshake_that_is_not_over_in_time_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        inside = await asyncio.start_unix_server(lambda _r, _w: None, tmp_path / "inside")
        gate = Gate(Address("127.0.0.1", port := free_port()), tmp_path / "inside", 1)
        gate.open()
        with pytest.raises(EndpointRefused, match=f"tcp://127.0.0.1:{port} cannot be listened on: Address already"):
            Gate(Address("127.0.0.1", port), tmp_path / "inside", 1).open()
        rows = [socket.create_connection(("127.0.0.1", port)) for _ in range(2 * STRANGERS_OF_ONE_NETWORK)]
        await until(lambda: gate.turned_away == STRANGERS_OF_ONE_NETWORK)
        assert len(gate.strangers) == STRANGERS_OF_ONE_NETWORK
        gate.close()
        assert (len(gate.strangers), gate.turned_away) == (0, 2 * STRANGERS_OF_ONE_NETWORK)
        monkeypatch.setattr(plugin_gate, "HANDSHAKE_SECONDS", 0.01)
        gate = Gate(Address("127.0.0.1", free_port()), tmp_path / "inside", 1)
        gate.open()
        rows.append(socket.create_connection(("127.0.0.1", gate._address.port)))
        await until(lambda: gate.turned_away == 1)
        for row in rows:
            row.close()
        gate.close()
        inside.close()

    asyncio.run(main())


@pytest.mark.parametrize("size", [1, 40, 500])
@pytest.mark.parametrize(("said", "lets_in"), [(b"\x04\x40" + READY, True), (b"\x06" + bytes(8) + READY, True),
                                               (b"\x04\x09\x05ERROR\x03400", False)])  # fmt: skip
def test_who_is_let_in_is_read_from_the_answer(said: bytes, lets_in: bool, size: int) -> None:
    answer, data = _Answer(), bytes(64) + b"\x04\xa8" + bytes(168) + said + bytes(50)
    parts = [data[at : at + size] for at in range(0, len(data), size)]
    assert any(answer.is_ready(part) for part in parts) is lets_in
