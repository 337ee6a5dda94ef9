"""Does a node answer while a plugin sends as much as it can, and does the plugin end for it?"""

import asyncio
import re
import resource
import socket
import time
from pathlib import Path

import pytest

from lnpd.services.plugins import process as plugin_process
from lnpd.testing import Network
from tests.cli.test_whole import Daemon, seeded
from tests.services.plugins.test_host import written

ANSWER_SECONDS = 1.0
MEMORY_KB = 500_000
FLOOD = """
    import asyncio
    from lnpd_sdk import envelope
    from lnpd_sdk.envelope import Answer, Call, Notice

    FRAMES = {frames}

    def flood(call):
        socket = call.__self__._socket
        packed = [envelope.pack(frame) for frame in FRAMES]
        while True:
            for frame in packed:
                socket.send(frame)

    def attach(call, old=plugin.attach):
        old(call)
        asyncio.get_running_loop().call_later(0.3, flood, call)

    plugin.attach = attach
"""
OVER = "bytes a second by itself"
FLOODS = {  # what it sends, and what is said of it
    "deep calls": ('[Call(7, "log", envelope.raw([[]] * 1_900_000))]', "asks for too much: a call of 1900005 bytes"),
    "calls of half a megabyte": ('[Call(7, "log", envelope.raw([[]] * 500_000))]', OVER),
    "many small calls": ('[Call(7, "channels", envelope.raw({}))] * 100', f"{OVER}|too much|does not take its answers"),
    "answers to nothing": ("[Answer(99, envelope.raw([[]] * 4_000_000))]", OVER),
    "notices": ('[Notice("news", envelope.raw([[]] * 1_000_000))]', OVER),
}


@pytest.mark.parametrize("what", FLOODS)
def test_the_node_answers_and_the_plugin_ends(
    tmp_path: Path, what: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(plugin_process, "PAUSES_SECONDS", (0.0,))
    frames, words = FLOODS[what]
    path = written(tmp_path, FLOOD.format(frames=frames))

    async def main() -> None:
        async with Network(tmp_path) as network:
            alice = await network.node("alice", plugins=(path,))
            (plugin,) = alice.plugins.plugins
            before, longest = _memory_kb(), 0.0
            async with asyncio.timeout(60):
                while plugin.status != "quarantined":
                    began = time.monotonic()
                    await alice.api.info()
                    longest = max(longest, time.monotonic() - began)
                    await asyncio.sleep(0.001)
            assert longest < ANSWER_SECONDS
            assert _memory_kb() - before < MEMORY_KB
            began = time.monotonic()
            await network.stop(alice)
            assert time.monotonic() - began < ANSWER_SECONDS
        assert plugin.starts == 5

    asyncio.run(main())
    said = [record.getMessage() for record in caplog.records if record.getMessage().startswith("plugin bad: ")]
    assert any(re.search(words, line) for line in said), said
    assert len(said) < 50


def test_a_daemon_answers_and_ends_by_sigterm_meanwhile(tmp_path: Path) -> None:
    """Small frames that are never too many: the plugin reads its answers, and asks as fast as it can."""
    body = """
    import asyncio
    from lnpd_sdk.envelope import CallFailed

    async def flood(node):
        while True:
            calls = [node.call("log", [[]] * 1000) for _ in range(20)]
            await asyncio.gather(*calls, return_exceptions=True)
            open(sys.argv[0] + ".floods", "w").close()

    def attach(call, old=plugin.attach):
        old(call)
        asyncio.get_running_loop().call_later(0.3, lambda: asyncio.ensure_future(flood(plugin.node)))

    plugin.attach = attach
    """
    path = written(tmp_path, body)
    daemon = Daemon(seeded(tmp_path / "a"), "--plain-seed", "--plugin-sandbox", "never", "--plugin", path)
    try:
        with socket.socket(socket.AF_UNIX) as asking:
            asking.settimeout(20)
            asking.connect(str(daemon.directory / "rpc.sock"))
            longest, asked = 0.0, 0
            while asked < 50:
                asked += path.with_suffix(".py.floods").exists()
                began = time.monotonic()
                asking.sendall(b'{"jsonrpc": "2.0", "id": 1, "method": "info"}\n')
                answer = b""
                while not answer.endswith(b"\n"):
                    answer += asking.recv(65536)
                assert b'"result"' in answer, answer
                longest = max(longest, time.monotonic() - began)
        assert longest < ANSWER_SECONDS
    finally:
        began = time.monotonic()
        code = daemon.end()
    assert code == 0
    assert time.monotonic() - began < 5


def _memory_kb() -> int:
    """The most that this process ever had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
