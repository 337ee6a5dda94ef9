"""Does a plugin's process start and end when it must, and hear nobody but its node?"""

import asyncio
import gc
import logging
import time
from pathlib import Path

import pytest
import zmq
from lnpd_sdk import envelope
from lnpd_sdk.manifest import Manifest

from lnpd.bus.link import Link
from lnpd.bus.peer import BusPeer
from lnpd.errors import DeadlineMissed, EndpointRefused, ManifestRefused, ProviderFault
from lnpd.services.plugins import output as plugin_output
from lnpd.services.plugins import process as plugin_process
from lnpd.services.plugins.process import PluginProcess
from tests.plugins.two_parties import load
from tests.services.plugins.test_host import LOCKBOX, contribute, hosted, until, written
from tests.services.plugins.test_keeper import alive

SLOW = "print('here'); time.sleep(1000)"


def test_it_can_be_stopped_while_it_starts(tmp_path: Path) -> None:
    async def main() -> None:
        host, _ = hosted(tmp_path)
        starting = asyncio.create_task(host.start((written(tmp_path, SLOW), LOCKBOX)))
        await until(lambda: len(host.plugins) == 2 and all(p.pid for p in host.plugins))
        pids = [p.pid for p in host.plugins]
        began = time.monotonic()
        await host.stop()
        await starting
        assert time.monotonic() - began < plugin_process.STOP_SECONDS
        assert [p.status for p in host.plugins] == ["stopped", "stopped"]
        assert not any(alive(pid) for pid in pids if pid)
        assert host.registry.owners == {}
        await host.stop()  # once more does no harm

    asyncio.run(main())


def test_it_can_be_stopped_while_it_waits_for_its_next_start(tmp_path: Path) -> None:
    async def main() -> None:
        host, _ = hosted(tmp_path)
        await host.start((written(tmp_path, "sys.exit(1)"),))
        await until(lambda: host.plugins[0].status == "waiting")
        await host.stop()
        assert host.plugins[0].status == "stopped"

    asyncio.run(main())


def test_a_stop_is_in_order_and_forgets_what_was_registered(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    gc.collect()  # what other tests left tells of itself now, and not as if it were said here
    caplog.clear()

    async def main() -> None:
        host, _ = hosted(tmp_path)
        await host.start((LOCKBOX,))
        with caplog.at_level(logging.WARNING):
            await host.stop()
        assert host.registry.owners == {}
        assert host.answers.missing({"lockbox": 1}) != ""
        process = host.plugins[0]
        assert isinstance(process, PluginProcess)
        assert process.child is not None
        assert process.child.code == 0, "it was asked, not killed"

    asyncio.run(main())
    gc.collect()
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_nobody_else_is_heard_at_its_endpoint(tmp_path: Path) -> None:
    async def main() -> None:
        host, node = hosted(tmp_path, lockbox=("updates:5",))
        await host.start((LOCKBOX,))
        (plugin,) = host.plugins
        pid = plugin.pid
        endpoint = host.endpoint(0, 1)
        stranger = BusPeer().connect(endpoint)
        for method, params in (
            ("register", Manifest(name="stranger", version="1")),
            ("propose", {"channel_id": "aa", "provider": "lockbox", "body": b""}),
        ):
            with pytest.raises(DeadlineMissed):
                await stranger.call(method, params, 0.2)
        raw = Link.connect(endpoint, lambda _identity, _data: None)
        raw.send(b"nonsense")
        assert await host.answers.answer(contribute("lockbox")) == ()
        assert (plugin.pid, plugin.status, plugin.faults) == (pid, "ready", 0)
        assert node.proposals == []
        assert list(host.registry.owners) == ["lockbox"]
        raw.close()
        stranger.close()
        await host.stop()

    asyncio.run(main())


TWICE = """
    @plugin.rpc("Registers again.")
    async def again(node):
        try:
            await node.call("register", plugin.manifest())
        except Exception as error:
            return str(error)
"""


def test_it_registers_once(tmp_path: Path) -> None:
    async def main() -> None:
        host, _ = hosted(tmp_path)
        await host.start((written(tmp_path, TWICE),))
        assert await host.call_rpc("bad-again", {}) == "a plugin registers once"
        assert host.plugins[0].status == "ready"
        await host.stop()

    asyncio.run(main())


FIRST_LIFE = """
    life = sys.argv[0] + ".life"
    if os.path.exists(life):
        plugin.name = "lockbox"
    open(life, "w").close()
"""


def test_a_later_life_may_not_take_another_name(tmp_path: Path) -> None:
    async def main() -> None:
        host, _ = hosted(tmp_path, lockbox=("updates:5",))
        await host.start((written(tmp_path, FIRST_LIFE),))
        (plugin,) = host.plugins
        assert plugin.status == "ready", plugin.why
        plugin.fail("a test")
        await until(lambda: plugin.status == "refused")
        assert "the plugin bad calls itself 'lockbox' now" in plugin.why
        assert host.registry.owners == {}
        await host.stop()

    asyncio.run(main())


def test_its_name_is_kept_for_it_while_it_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugin_process, "PAUSES_SECONDS", (1000.0,))

    async def main() -> None:
        host, _ = hosted(tmp_path)
        await host.start((LOCKBOX,))
        host.plugins[0].fail("a test")
        await until(lambda: host.plugins[0].status == "waiting")
        with pytest.raises(ManifestRefused, match="lockbox is registered already"):
            await host.add_in_process(load(LOCKBOX).plugin)
        await host.stop()

    asyncio.run(main())


BAD_PING = """
    def begin(method, params, old=plugin.begin):
        if method == "ping" and not os.path.exists(sys.argv[0] + ".pinged"):
            open(sys.argv[0] + ".pinged", "w").close()
            raise ValueError("no pong")
        return old(method, params)
    plugin.begin = begin
"""


def test_a_ping_that_fails_restarts_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugin_process, "PING_SECONDS", 0.05)

    async def main() -> None:
        host, _ = hosted(tmp_path)
        await host.start((written(tmp_path, BAD_PING),))
        (plugin,) = host.plugins
        await until(lambda: plugin.starts == 2 and plugin.status == "ready")
        assert plugin.faults == 1
        await host.stop()

    asyncio.run(main())


def test_one_that_does_not_register_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugin_process, "START_SECONDS", 0.5)

    async def main() -> None:
        host, _ = hosted(tmp_path)
        await host.start((written(tmp_path, SLOW),))
        assert "did not register within" in host.plugins[0].why
        await host.stop()

    asyncio.run(main())


DIES = """
    @plugin.provider
    class Bad(ProviderBase):
        spec = ProviderSpec("bad", (1,), (Phase("contribute"),))
        def contribute(self, view, state):
            time.sleep(0.2)
            os._exit(3)
"""


def test_one_death_is_one_fault_for_all_who_wait(tmp_path: Path) -> None:
    async def main() -> None:
        host, _ = hosted(tmp_path)
        await host.start((written(tmp_path, DIES),))
        (plugin,) = host.plugins
        asked = [host.answers.answer(contribute("bad", bytes([n]))) for n in range(20)]
        faults = await asyncio.gather(*asked, return_exceptions=True)
        assert all(isinstance(each, ProviderFault) for each in faults)
        await until(lambda: plugin.starts == 2 and plugin.status == "ready")
        assert plugin.faults <= 1
        await host.stop()

    asyncio.run(main())


LOUD = r"""
    @plugin.rpc("Prints.")
    async def loud(node):
        for n in range(5000):
            print(f"line {n}")
        print("x" * 50_000)
        await node.log("warning", "one\nlnpd: forged\x1b[31m line")
        print("\x1b[2Jlast", flush=True)
"""


def test_what_it_prints_is_bounded_and_cannot_forge(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plugin_output, "WITHIN_SECONDS", 1e9)

    async def main() -> None:
        host, _ = hosted(tmp_path)
        await host.start((written(tmp_path, LOUD),))
        (plugin,) = host.plugins
        with caplog.at_level(logging.INFO, logger="lnpd.plugins"):
            await host.call_rpc("bad-loud", {})
            await until(lambda: plugin.voice.final.endswith("last"))
        said = [r.getMessage() for r in caplog.records if r.getMessage().startswith("plugin bad: ")]
        assert len(said) <= plugin_output.LINES + 1
        assert plugin.voice.left_out >= 5000 - plugin_output.LINES
        assert all("\n" not in line and "\x1b" not in line for line in [*said, plugin.voice.final])
        await host.stop()

    asyncio.run(main())


def test_what_it_prints_is_bounded_in_bytes_too(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plugin_output, "WITHIN_SECONDS", 1e9)
    body = LOUD.replace('print(f"line {n}")', 'print("y" * 9_000)')

    async def main() -> None:
        host, _ = hosted(tmp_path)
        await host.start((written(tmp_path, body),))
        (plugin,) = host.plugins
        with caplog.at_level(logging.INFO, logger="lnpd.plugins"):
            await host.call_rpc("bad-loud", {})
            await until(lambda: plugin.voice.final.endswith("last"))
        said = [r.getMessage() for r in caplog.records if r.getMessage().startswith("plugin bad: ")]
        assert 1 <= len(said) <= plugin_output.BYTES // 9_000 + 3
        assert sum(map(len, said)) < plugin_output.BYTES + 1_000
        await host.stop()

    asyncio.run(main())


def test_a_directory_whose_path_is_too_long_is_named(tmp_path: Path) -> None:
    async def main() -> None:
        host, _ = hosted(tmp_path / ("x" * 100))
        with pytest.raises(EndpointRefused, match="over 107 bytes"):
            await host.start((LOCKBOX,))

    asyncio.run(main())


def test_its_directory_is_the_users_alone(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir(mode=0o755)

    async def main() -> None:
        host, _ = hosted(tmp_path)
        await host.start(())
        assert (tmp_path / "run").stat().st_mode & 0o777 == 0o700

    asyncio.run(main())


def test_a_program_in_another_language_is_run_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "shell"
    path.write_text('#!/bin/sh\nread token\necho "$LNPD_ENDPOINT ${#token}"\nexit 4\n')
    path.chmod(0o700)

    async def main() -> None:
        host, _ = hosted(tmp_path)
        await host.start((path,))
        assert f"{host.endpoint(0, 1)} 32" in host.plugins[0].why
        assert "ended with code 4" in host.plugins[0].why
        await host.stop()

    asyncio.run(main())


def test_a_raw_socket_without_the_token_is_as_good_as_none(tmp_path: Path) -> None:
    """Also one that claims an identity: the token is the identity, and it is not known."""

    async def main() -> None:
        host, _ = hosted(tmp_path)
        await host.start((LOCKBOX,))
        with zmq.Context() as context, context.socket(zmq.DEALER) as socket:
            socket.setsockopt(zmq.LINGER, 0)
            socket.setsockopt(zmq.IDENTITY, b"0" * 32)
            socket.connect(host.endpoint(0, 1))
            call = envelope.Call(1, "log", envelope.raw({"level": "info", "text": "x"}))
            socket.send(envelope.pack(call))
            assert await host.answers.answer(contribute("lockbox")) == ()
            with pytest.raises(zmq.Again):
                socket.recv(zmq.NOBLOCK)
        await host.stop()

    asyncio.run(main())
