"""Does a plugin's new process take the place of the old one, with its state and options, or not at all?"""

import asyncio
import os
import signal
from pathlib import Path

import pytest
from lnpd_sdk.types import Phase, ProviderSpec

from lnpd.errors import PluginFault, PluginNotRunning, ProviderUnasked, ReloadRefused
from lnpd.providers.types import pin
from lnpd.services.plugins import calls as plugin_calls
from lnpd.services.plugins import process as plugin_process
from tests.services.plugins.test_host import contribute, hosted, until, written
from tests.services.plugins.test_keeper import alive

BODY = """
    import asyncio
    VERSION = {version}
    plugin.version = str(VERSION)
    count = 0

    @plugin.on_init
    def begin(node):
        global count
        count = int(plugin.inherited or b"0")
        {init}

    @plugin.on_handover
    def give(node):
        {handover}
        return str(count).encode()

    @plugin.on_stop
    def end(node):
        print("version", VERSION, "stops", flush=True)

    @plugin.rpc("Counts.")
    async def count_up(node, seconds: int = 0):
        global count
        await asyncio.sleep(seconds / 1000)
        count += 1
        return [VERSION, count]

    @plugin.provider
    class Bad(ProviderBase):
        spec = ProviderSpec("bad", {formats}, (Phase("contribute"),){limits})
        def contribute(self, view, state):
            return ()
"""
SPEC = ProviderSpec("bad", (1,), (Phase("contribute"),))


def version(
    folder: Path,
    number: int,
    formats: tuple[int, ...] = (1,),
    init: str = "pass",
    handover: str = "pass",
    limits: str = "",
    more: str = "",
) -> Path:
    text = BODY.format(version=number, formats=formats, init=init, handover=handover, limits=limits)
    return written(folder, text + more)


def test_the_new_one_goes_on_where_the_old_one_stopped(tmp_path: Path) -> None:
    async def main() -> None:
        host, node = hosted(tmp_path)
        await host.start((version(tmp_path, 1),))
        (plugin,) = host.plugins
        first = plugin.pid
        assert first
        assert await host.call_rpc("bad-count-up", {}) == [1, 1]
        slow = asyncio.create_task(host.call_rpc("bad-count-up", {"seconds": 300}))
        await until(lambda: plugin.waiting)
        version(tmp_path, 2)
        reload = asyncio.create_task(plugin.reload())
        await until(lambda: not plugin._open.is_set() or reload.done())  # type: ignore[attr-defined]
        meanwhile = asyncio.create_task(host.call_rpc("bad-count-up", {}))
        assert await host.answers.answer(contribute("bad")) == ()
        assert await slow == [1, 2], "what ran is answered by whom it was asked"
        assert await meanwhile == [2, 3], "what came meanwhile waits for the new one, which has the old one's state"
        await reload
        assert (plugin.status, plugin.faults, plugin.manifest and plugin.manifest.version) == ("ready", 0, "2")
        assert plugin.pid not in (None, first)
        await until(lambda: not alive(first))
        await until(lambda: plugin.voice.final == "version 1 stops")
        assert node.changes == 2
        await host.stop()

    asyncio.run(main())


REFUSED = {
    "it does not start": ({"more": "\n    sys.exit('broken')\n"}, "its process ended with code 1 .*it said: broken"),
    "its init fails": ({"init": "raise ValueError('no')"}, "init failed: ValueError: no"),
    "it has another name": ({"more": "\n    plugin.name = 'good'\n"}, "the plugin bad calls itself 'good' now"),
    "it drops a format": ({"formats": (2,)}, "drops format 1 of the provider bad, which the channel aabb pins"),
    "it shapes differently": ({"limits": ", max_outputs=3"}, "other phases or limits at format 1"),
    "it takes what is another's": (
        {"more": "\n    plugin.rpc('', name='pay')(lambda node: None)\n"},
        "pay, which lnpd owns",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_the_old_one_goes_on_if(tmp_path: Path, what: str) -> None:
    changes, words = REFUSED[what]

    async def main() -> None:
        host, node = hosted(tmp_path)
        host.registry.claim_core((), frozenset({"pay"}))
        host.pins = lambda: (("aabb", pin(SPEC, 1)),)
        await host.start((version(tmp_path, 1),))
        (plugin,) = host.plugins
        first = plugin.pid
        assert await host.call_rpc("bad-count-up", {}) == [1, 1]
        version(tmp_path, 2, **changes)  # type: ignore[arg-type]
        with pytest.raises(ReloadRefused, match=f"bad is not reloaded, the old one goes on: .*{words}"):
            await plugin.reload()
        assert (plugin.status, plugin.pid, plugin.faults) == ("ready", first, 0)
        assert await host.call_rpc("bad-count-up", {}) == [1, 2]
        assert await host.answers.answer(contribute("bad")) == ()
        assert (list(host.registry.owners), node.changes) == (["bad"], 1)
        version(tmp_path, 3, formats=(1, 2))
        await plugin.reload()
        assert await host.call_rpc("bad-count-up", {}) == [3, 3]
        await host.stop()

    asyncio.run(main())


def test_a_state_that_is_not_given_keeps_the_old_one(tmp_path: Path) -> None:
    async def main() -> None:
        host, _ = hosted(tmp_path)
        await host.start((version(tmp_path, 1, handover="raise KeyError('lost')"),))
        (plugin,) = host.plugins
        with pytest.raises(ReloadRefused, match="handover failed: KeyError: 'lost'"):
            await plugin.reload()
        assert await host.call_rpc("bad-count-up", {}) == [1, 1]
        await host.stop()

    asyncio.run(main())


def test_an_old_one_that_dies_meanwhile_is_started_again(tmp_path: Path) -> None:
    async def main() -> None:
        host, _ = hosted(tmp_path)
        await host.start((version(tmp_path, 1, handover="os._exit(3)"),))
        (plugin,) = host.plugins
        with pytest.raises(ReloadRefused):
            await plugin.reload()
        await until(lambda: plugin.status == "ready" and plugin.starts == 3)
        assert await host.call_rpc("bad-count-up", {}) == [1, 1]
        await host.stop()
        assert host.registry.owners == {}

    asyncio.run(main())


def test_stopped_while_it_is_reloaded_both_end(tmp_path: Path) -> None:
    async def main() -> None:
        host, _ = hosted(tmp_path)
        await host.start((version(tmp_path, 1),))
        (plugin,) = host.plugins
        version(tmp_path, 2, init="time.sleep(1000)")
        reload = asyncio.create_task(plugin.reload())
        await until(lambda: not plugin._open.is_set())  # type: ignore[attr-defined]
        await host.stop()
        with pytest.raises(ReloadRefused):
            await reload
        assert (plugin.status, plugin.pid) == ("stopped", None)

    asyncio.run(main())


def test_one_that_does_not_run_is_not_reloaded(tmp_path: Path) -> None:
    async def main() -> None:
        host, _ = hosted(tmp_path)
        await host.start((written(tmp_path, "plugin.name = 'Bad Name'"),))
        with pytest.raises(ReloadRefused, match="is not ready"):
            await host.plugins[0].reload()
        await host.stop()

    asyncio.run(main())


def test_a_quarantine_ends_by_a_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugin_process, "PAUSES_SECONDS", (0.0,))

    async def main() -> None:
        host, _ = hosted(tmp_path)
        path = version(tmp_path, 1, init="raise ValueError('ill')")
        await host.start((path,))
        (plugin,) = host.plugins
        await until(lambda: plugin.status == "quarantined")
        assert "init failed: ValueError: ill" in plugin.why
        version(tmp_path, 2)
        assert await host.start_again(host.named("bad")) is plugin
        assert plugin.status == "ready"
        with pytest.raises(PluginNotRunning, match="runs already"):
            await host.start_one(path)
        await plugin.stop()
        assert (plugin.status, host.registry.owners) == ("stopped", {})
        await host.start_one(path)
        assert await host.call_rpc("bad-count-up", {}) == [2, 1]
        await host.stop()

    asyncio.run(main())


def test_one_in_init_is_asked_nothing_else_and_killed_there_it_comes_back(tmp_path: Path) -> None:
    async def main() -> None:
        host, _ = hosted(tmp_path)
        flag = tmp_path / "flag"
        init = f"os.path.exists({str(flag)!r}) or (open({str(flag)!r}, 'w').close(), time.sleep(1000))"
        starting = asyncio.create_task(host.start((version(tmp_path, 1, init=init),)))
        await until(flag.exists)
        (plugin,) = host.plugins
        asked = asyncio.create_task(host.answers.answer(contribute("bad")))
        assert plugin.pid
        os.kill(plugin.pid, signal.SIGKILL)
        await starting
        with pytest.raises(Exception, match="bad"):
            await asked
        await until(lambda: plugin.status == "ready")
        assert await host.answers.answer(contribute("bad")) == ()
        await host.stop()

    asyncio.run(main())


def test_who_asks_while_it_is_reloaded_waits_no_longer_than_the_deadline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plugin_calls, "DEADLINE_SECONDS", 0.2)

    async def main() -> None:
        host, node = hosted(tmp_path)
        hook = """
    @plugin.hook("peer_connected")
    def seen(node, **fields):
        return None
"""
        await host.start((version(tmp_path, 1, more=hook),))
        (plugin,) = host.plugins
        go = tmp_path / "go"
        slow = f"import pathlib, time\n        while not pathlib.Path({str(go)!r}).exists(): time.sleep(0.01)"
        for number, init in ((2, slow), (3, f"{slow}\n        raise ValueError('no')")):
            version(tmp_path, number, init=init, more=hook)
            told = node.changes
            reload = asyncio.create_task(plugin.reload())
            await until(lambda: not plugin._open.is_set())  # type: ignore[attr-defined]
            with pytest.raises(PluginFault, match="hook peer_connected: bad: is being reloaded: no answer to hook"):
                await plugin.hook("peer_connected", {}, 0.1)
            with pytest.raises(ProviderUnasked, match="is being reloaded"):
                await host.answers.answer(contribute("bad", number.to_bytes(1, "big")))
            go.touch()
            if number == 2:
                await reload
            else:
                with pytest.raises(ReloadRefused, match="init failed"):
                    await reload
            go.unlink()
            assert await host.answers.answer(contribute("bad", number.to_bytes(1, "big"))) == ()
            assert node.changes == told + 1, "channels that did not wait go on"
            assert (plugin.status, plugin.manifest and plugin.manifest.version) == ("ready", "2")
        await host.stop()

    asyncio.run(main())
