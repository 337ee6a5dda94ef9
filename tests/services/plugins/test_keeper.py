"""Does a plugin end with its node, and all that it started with it, however each of them dies?"""

import asyncio
import os
import signal
import sys
import time
from pathlib import Path

import pytest

from lnpd.services.plugins import keeper
from lnpd.services.plugins.process import PluginProcess
from tests.services.plugins.test_host import LOCKBOX, hosted, until, written

CHILD = """
import subprocess
child = subprocess.Popen(["sleep", "1000"])
print(child.pid, file=open(sys.argv[0] + ".child", "a"), flush=True)
"""
FORKED = """
if os.fork() == 0:
    print(os.getpid(), file=open(sys.argv[0] + ".child", "a"), flush=True)
    time.sleep(1000)
while not os.path.exists(sys.argv[0] + ".child"):
    time.sleep(0.01)
"""
# Forked twice, in a session of its own, its output and input let go of: as far as a process can get.
DAEMON = """
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        for stream in (0, 1, 2):
            os.close(stream)
        print(os.getpid(), file=open(sys.argv[0] + ".child", "a"), flush=True)
        time.sleep(1000)
    os._exit(0)
while not os.path.exists(sys.argv[0] + ".child"):
    time.sleep(0.01)
"""
CHILDREN = {
    "a program": CHILD,
    "a program in a session of its own": CHILD.replace('"1000"]', '"1000"], start_new_session=True'),
    "a fork": FORKED,
    "a daemon": DAEMON,
}


def alive(pid: int) -> bool:
    """Whether a process runs; one that ended and was not waited for yet (a zombie) does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def children(path: Path) -> list[int]:
    """What a plugin started, in each of its lives."""
    return [int(word) for word in path.with_suffix(".py.child").read_text().split()]


@pytest.mark.parametrize("what", CHILDREN)
@pytest.mark.parametrize("how", ["it is asked to stop", "it fails", "it is killed"])
def test_its_children_end_with_it(tmp_path: Path, what: str, how: str) -> None:
    async def main() -> None:
        host, _ = hosted(tmp_path)
        path = written(tmp_path, CHILDREN[what])
        await host.start((path,))
        (plugin,) = host.plugins
        assert plugin.status == "ready", plugin.why
        (child,) = children(path)
        assert alive(child)
        if how == "it fails":
            plugin.fail("a test")
        elif how == "it is killed":
            assert plugin.pid
            os.kill(plugin.pid, signal.SIGKILL)
        else:
            await host.stop()
        await until(lambda: not alive(child))
        await host.stop()
        assert not any(map(alive, children(path)))

    asyncio.run(main())


def test_a_child_that_holds_its_output_open_delays_nothing(tmp_path: Path) -> None:
    body = CHILDREN["a program in a session of its own"] + "sys.exit('done')"

    async def main() -> None:
        host, _ = hosted(tmp_path)
        path = written(tmp_path, body)
        began = time.monotonic()
        await host.start((path,))
        took = time.monotonic() - began
        await host.stop()
        assert not any(map(alive, children(path)))
        assert "ended with code 1" in host.plugins[0].why
        assert took < 4

    asyncio.run(main())


NODE = """
import asyncio, sys
from pathlib import Path
from lnpd.hooks.answers import Answers
from lnpd.hooks.dispatch import Hooks
from lnpd.hooks.registry import Registry
from lnpd.services.plugins.host import PluginHost
from lnpd.wire.catalogue import BOLT

async def main():
    host = PluginHost(Path(sys.argv[1]), Registry(BOLT), Answers(), Hooks(), {})
    starting = asyncio.create_task(host.start(tuple(map(Path, sys.argv[2:]))))
    while len(host.plugins) < len(sys.argv) - 2 or not all(p.pid for p in host.plugins):
        await asyncio.sleep(0.01)
    print(*(p.pid for p in host.plugins), flush=True)
    await starting
    asyncio.create_task(host.call_rpc("bad-hang", {}))
    await asyncio.Event().wait()

asyncio.run(main())
"""
HANGS = """
    @plugin.rpc("Hangs.")
    async def hang(node):
        print("now", file=open(sys.argv[0] + ".hangs", "w"), flush=True)
        time.sleep(1000)
"""


async def killed_node(folder: Path, *paths: Path, marks: tuple[Path, ...] = ()) -> list[int]:
    """The processes of plugins whose node was killed, once these files were written."""
    program = (sys.executable, "-c", NODE, str(folder / "run"), *map(str, paths))
    node = await asyncio.create_subprocess_exec(*program, stdout=asyncio.subprocess.PIPE)
    assert node.stdout is not None
    pids = [int(word) for word in (await node.stdout.readline()).split()]
    await until(lambda: all(path.exists() and path.read_text() for path in marks))
    assert len(pids) == len(paths)
    assert all(map(alive, pids))
    node.kill()
    await node.wait()
    return pids


def test_plugins_end_when_the_node_is_killed_even_one_that_hangs(tmp_path: Path) -> None:
    async def main() -> None:
        path = written(tmp_path, HANGS)
        pids = await killed_node(tmp_path, path, LOCKBOX, marks=(path.with_suffix(".py.hangs"),))
        await until(lambda: not any(map(alive, pids)))

    asyncio.run(main())


@pytest.mark.parametrize("what", CHILDREN)
def test_its_children_end_when_the_node_is_killed(tmp_path: Path, what: str) -> None:
    async def main() -> None:
        path = written(tmp_path, CHILDREN[what])
        pids = await killed_node(tmp_path, path, marks=(path.with_suffix(".py.child"),))
        await until(lambda: not any(map(alive, [*pids, *children(path)])))

    asyncio.run(main())


def deaf(folder: Path) -> Path:
    """A plugin that does not read its standard input, and hears no signal that it may ignore."""
    path = folder / "deaf"
    path.write_text(f'#!/bin/sh\ntrap "" HUP INT TERM\nwhile true; do sleep 1000 & echo $! >{path}.child; wait; done\n')
    path.chmod(0o700)
    return path


def test_one_that_does_not_read_its_input_ends_when_the_node_is_killed(tmp_path: Path) -> None:
    path = deaf(tmp_path)

    async def main() -> None:
        child = path.with_suffix(".child")
        pids = await killed_node(tmp_path, path, marks=(child,))
        await until(lambda: not any(map(alive, [*pids, int(child.read_text())])))

    asyncio.run(main())


def test_one_that_does_not_read_its_input_ends_with_its_keeper(tmp_path: Path) -> None:
    path = deaf(tmp_path)

    async def main() -> None:
        host, _ = hosted(tmp_path)
        starting = asyncio.create_task(host.start((path,)))
        child = path.with_suffix(".child")
        await until(lambda: child.exists() and child.read_text())
        pid = int(child.read_text())
        (plugin,) = host.plugins
        assert isinstance(plugin, PluginProcess)
        first = plugin.pid
        assert first
        os.kill(keeper_of(plugin), signal.SIGKILL)
        await until(lambda: not alive(first) and not alive(pid))
        await host.stop()
        await starting

    asyncio.run(main())


def keeper_of(plugin: PluginProcess) -> int:
    assert plugin.child is not None
    return plugin.child._keeper.pid


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_a_plugin_ends_with_its_keeper_and_comes_back(tmp_path: Path, how: signal.Signals) -> None:
    """Also one whose keeper was stopped, once the plugin has to end."""

    async def main() -> None:
        host, _ = hosted(tmp_path)
        await host.start((LOCKBOX,))
        (plugin,) = host.plugins
        assert isinstance(plugin, PluginProcess)
        first = plugin.pid
        assert first
        os.kill(keeper_of(plugin), how)
        if how == signal.SIGSTOP:
            plugin.fail("a test")
        await until(lambda: plugin.starts == 2 and plugin.status == "ready")
        await until(lambda: not alive(first))
        await host.stop()

    asyncio.run(main())


def test_it_ends_as_the_plugin_does(tmp_path: Path) -> None:
    async def main() -> None:
        host, _ = hosted(tmp_path)
        paths = [
            written(tmp_path, body, name)
            for name, body in (("exits", "sys.exit(3)"), ("killed", "os.kill(os.getpid(), 15)"))
        ]
        missing = tmp_path / "noexec"
        missing.write_text("#!/no/such/shell\n")
        missing.chmod(0o700)
        await host.start((*paths, missing))
        words = ("ended with code 3", "ended with code -15", "No such file or directory")
        assert [word in plugin.why for word, plugin in zip(words, host.plugins, strict=True)] == [True] * 3
        await host.stop()

    asyncio.run(main())


def test_it_needs_the_standard_library_alone() -> None:
    source = Path(keeper.__file__).read_text()
    assert "lnpd" not in "".join(line for line in source.splitlines() if line.startswith(("import", "from")))
