"""Whose is a name, with its grants, and whose a method, when two plugins want it? The first's on the command line."""

import asyncio
from pathlib import Path

import pytest

from lnpd.services.plugins import process as plugin_process
from lnpd.services.plugins.remote import RemoteDoor
from lnpd.testing import free_port
from tests.services.plugins.offers.desk import desk
from tests.services.plugins.test_host import LOCKBOX, hosted, until, written

QUICK = "plugin.capabilities = ('updates:50000',)"
SLOW = "time.sleep(1.0)\n" + QUICK


def named(folder: Path, name: str, body: str) -> Path:
    (folder / name).mkdir()
    return written(folder / name, body, "lockbox")


@pytest.mark.parametrize("first", ["slow", "quick"])
def test_a_name_and_its_grants_are_the_firsts_however_fast_the_second_is(tmp_path: Path, first: str) -> None:
    paths = [named(tmp_path, "slow", SLOW), named(tmp_path, "quick", QUICK)]
    if first == "quick":
        paths.reverse()

    async def main() -> None:
        host, _ = hosted(tmp_path, lockbox=("updates:50000",))
        await host.start(tuple(paths))
        good, evil = host.plugins
        assert (good.status, evil.status) == ("ready", "refused")
        assert host.registry.granted("lockbox", "updates") == "50000"
        assert f"registered already, from {paths[0]}: {paths[1]} may not" in evil.why
        await host.stop()

    asyncio.run(main())


def test_a_method_is_the_firsts(tmp_path: Path) -> None:
    evil = written(tmp_path, "plugin.rpc('', name='lockbox-put')(lambda node: 'mine')", "evil")

    async def main() -> None:
        host, _ = hosted(tmp_path)
        await host.start((LOCKBOX, evil))
        assert [p.status for p in host.plugins] == ["ready", "refused"]
        assert "evil claims the RPC method lockbox-put, which lockbox owns" in host.plugins[1].why
        await host.stop()

    asyncio.run(main())


def test_who_waits_for_its_turn_is_not_late(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugin_process, "START_SECONDS", 1.5)
    slow = [written(tmp_path, "time.sleep(1000)", f"slow{n}") for n in range(2)]

    async def main() -> None:
        host, _ = hosted(tmp_path)
        await host.start((*slow, LOCKBOX))
        assert [p.status == "ready" for p in host.plugins] == [False, False, True]
        assert [p.starts for p in host.plugins][2] == 1
        await host.stop()

    asyncio.run(main())


def test_who_waits_for_its_turn_can_be_stopped(tmp_path: Path) -> None:
    async def main() -> None:
        host, _ = hosted(tmp_path)
        starting = asyncio.create_task(host.start((named(tmp_path, "hangs", "time.sleep(1000)"), LOCKBOX)))
        waiting = tmp_path / "run"
        await until(lambda: len(host.plugins) == 2 and all(p.pid for p in host.plugins) and waiting.exists())
        await asyncio.wait_for(host.stop(), plugin_process.STOP_SECONDS)
        await starting
        assert [p.status for p in host.plugins] == ["stopped", "stopped"]
        assert host.registry.owners == {}

    asyncio.run(main())


def test_a_name_is_kept_for_whose_it_is_though_it_does_not_start(tmp_path: Path) -> None:
    """Whose file is named so; and, whatever its file's name, who had it last."""
    broken, evil = named(tmp_path, "broken", "sys.exit(1)"), written(tmp_path, QUICK, "evil")
    evil.write_text(evil.read_text().replace("Plugin('evil'", "Plugin('lockbox'"))

    async def main() -> None:
        async with desk(tmp_path, lockbox=("updates:50000",)) as host:
            await host.start((evil, broken))
            assert host.plugins[0].status == "refused" != host.plugins[1].status != "ready"
            assert (
                f"a plugin named lockbox is the plugin at {broken}: {evil} may not have its name" in host.plugins[0].why
            )
            assert host.registry.granted("lockbox", "updates") is None
        async with desk(tmp_path, lockbox=("updates:50000",)) as host:
            await host.start((evil,))
            assert host.plugins[0].status == "ready", "nobody else of this node's is called so"
        evil.write_text("import sys; sys.exit(1)")
        other = written(tmp_path, QUICK, "other")
        other.write_text(other.read_text().replace("Plugin('other'", "Plugin('lockbox'"))
        async with desk(tmp_path, lockbox=("updates:50000",)) as host:
            await host.start((other, evil))
            assert host.plugins[0].status == "refused" != host.plugins[1].status != "ready"
            assert f"is the plugin at {evil}" in host.plugins[0].why
            await host.plugins[1].stop()
        async with desk(tmp_path) as host:
            await host.start((other,))
            assert host.plugins[0].status == "ready"

    asyncio.run(main())


def test_a_name_is_kept_beside_plugins_of_other_machines_too(tmp_path: Path) -> None:
    had, other = (written(tmp_path, QUICK, name) for name in ("had", "other"))
    for path in (had, other):
        path.write_text(path.read_text().replace(f"Plugin('{path.stem}'", "Plugin('lockbox'"))

    async def statuses(*paths: Path) -> list[str]:
        async with desk(tmp_path, lockbox=("updates:50000",)) as host:
            host.remote = RemoteDoor(f"tcp://127.0.0.1:{free_port()}", tmp_path, {"far": bytes(32)})
            await host.start(paths)
            return [plugin.status for plugin in host.plugins]

    async def main() -> None:
        assert await statuses(had) == ["waiting", "ready"]
        had.write_text("import sys; sys.exit(1)")
        far, others, hads = await statuses(other, had)
        assert (far, others) == ("waiting", "refused")
        assert hads in ("waiting", "starting")

    asyncio.run(main())


@pytest.mark.parametrize("granted", ["first", "second"])
def test_a_grant_to_a_path_is_that_programs_alone(tmp_path: Path, granted: str) -> None:
    first, second = named(tmp_path, "first", QUICK), named(tmp_path, "second", QUICK)

    async def main() -> None:
        host, _ = hosted(tmp_path, **{str(first if granted == "first" else second): ("updates:5",)})
        await host.start((first, second))
        assert host.registry.granted("lockbox", "updates") == ("5" if granted == "first" else None)
        assert host.granted(host.plugins[1], "other") == (("updates:5",) if granted == "second" else ())
        await host.stop()

    asyncio.run(main())


def test_the_next_life_takes_nothing_of_one_that_is_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugin_process, "PAUSES_SECONDS", (0.0,))
    body = """
        if os.path.exists(sys.argv[0] + ".life"):
            plugin.rpc("", name="lockbox-put")(lambda node: "mine")
        open(sys.argv[0] + ".life", "w").close()
    """
    evil = written(tmp_path, body, "evil")

    async def main() -> None:
        host, _ = hosted(tmp_path)
        await host.start((LOCKBOX, evil))
        good, bad = host.plugins
        assert (good.status, bad.status) == ("ready", "ready")
        monkeypatch.setattr(plugin_process, "PAUSES_SECONDS", (1000.0,))
        good.fail("a test")
        await until(lambda: good.status == "waiting")
        monkeypatch.setattr(plugin_process, "PAUSES_SECONDS", (0.0,))
        bad.fail("a test")
        await until(lambda: bad.status == "refused")
        assert "lockbox-put, which lockbox owns" in bad.why
        await host.stop()

    asyncio.run(main())


def test_sockets_of_another_life_are_removed(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    old = [tmp_path / "run" / f"plugin-{n}-7" for n in range(3)]
    for path in old:
        path.touch()
    (tmp_path / "run" / "signer").touch()

    async def main() -> None:
        host, _ = hosted(tmp_path)
        await host.start((LOCKBOX,))
        assert not any(path.exists() for path in old)
        assert (tmp_path / "run" / "signer").exists()
        await host.stop()
        assert list((tmp_path / "run").glob("plugin-*")) == []

    asyncio.run(main())
