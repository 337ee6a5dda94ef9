"""Does a plugin's process have the folder, the limits and the walls that the user wants?"""

import asyncio
import logging
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from lnpd_sdk.envelope import CallFailed

from lnpd.services.plugins import surroundings as plugin_surroundings
from lnpd.services.plugins.host import PluginHost
from lnpd.services.plugins.surroundings import Sandbox, Surroundings, Terms
from tests.services.plugins.test_host import hosted, until, written

LOOKS = """
    import resource, socket

    def tried(function):
        try:
            return str(function())
        except OSError as error:
            return type(error).__name__

    @plugin.rpc("Looks around.")
    def look(node, directory: str, secret: str, port: int):
        return {
            "folder": os.getcwd(),
            "temporary": os.environ["TMPDIR"],
            "wrote": tried(lambda: open("note", "w").write("x")),
            "wrote_beside": tried(lambda: open(os.path.join(directory, "plugins", "other", "x"), "w").write("x")),
            "wrote_outside": tried(lambda: open(secret + ".x", "w").write("x")),
            "seed": tried(lambda: open(os.path.join(directory, "seed")).read()),
            "secret": tried(lambda: open(secret).read()),
            "called": tried(lambda: socket.create_connection(("127.0.0.1", port), 5).close()),
            "limits": [resource.getrlimit(k)[0] for k in (resource.RLIMIT_NOFILE, resource.RLIMIT_CORE)],
        }

    @plugin.rpc("Takes memory.")
    def take(node, mib: int):
        return len(bytearray(mib << 20)) >> 20
"""


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """Not below /dev, where the usual one may be (conftest.py): a sandbox has a /dev of its own."""
    with tempfile.TemporaryDirectory(prefix="lnpd-", dir="/var/tmp") as folder:
        yield Path(folder)


def surrounded(folder: Path, terms: Terms) -> tuple[PluginHost, Path, Path]:
    """A host, its directory with a seed and another plugin's folder, and a secret elsewhere."""
    directory = folder / "node"
    (directory / "plugins" / "other").mkdir(parents=True)
    (directory / "seed").write_text("seed")
    secret = folder / "passphrase"
    secret.write_text("hunter2")
    host, _ = hosted(directory)
    host.surroundings = Surroundings(directory, terms, (secret,))
    return host, directory, secret


async def looked(host: PluginHost, folder: Path, directory: Path, secret: Path) -> dict[str, object]:
    server = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    await host.start((written(folder, LOOKS),))
    assert host.plugins[0].status == "ready", host.plugins[0].why
    seen = await host.call_rpc("bad-look", {"directory": str(directory), "secret": str(secret), "port": port})
    await host.stop()
    server.close()
    assert isinstance(seen, dict)
    return seen


def test_it_has_a_folder_and_limits_of_its_own(tmp_path: Path) -> None:
    async def main() -> None:
        host, directory, secret = surrounded(tmp_path, Terms(files=100, sandbox="never"))
        seen = await looked(host, tmp_path, directory, secret)
        own = directory / "plugins" / "bad"
        assert (seen["folder"], seen["temporary"], seen["wrote"]) == (str(own), str(own), "1")
        assert stat.S_IMODE(own.stat().st_mode) == stat.S_IMODE(own.parent.stat().st_mode) == 0o700
        assert seen["limits"] == [100, 0]

    asyncio.run(main())


def test_two_files_of_one_name_have_two_folders(tmp_path: Path) -> None:
    places = Surroundings(tmp_path)
    first, second = (places.folder(Path(each, "bad.py")) for each in ("/a", "/b"))
    assert first == tmp_path / "plugins" / "bad" == places.folder(Path("/a/bad.py"))
    assert second.parent == first.parent and second.name.startswith("bad-")
    assert places.folder(Path("/c/..py")).name == "--py" or places.folder(Path("/c/..py")).parent == first.parent


def test_too_much_memory_is_refused_to_it_alone(tmp_path: Path) -> None:
    async def main() -> None:
        host, _, _ = surrounded(tmp_path, Terms(memory_mib=300, sandbox="never"))
        await host.start((written(tmp_path, LOOKS),))
        assert await host.call_rpc("bad-take", {"mib": 50}) == 50
        with pytest.raises(CallFailed) as refused:
            await host.call_rpc("bad-take", {"mib": 400})
        assert refused.value.code == "MemoryError"
        assert await host.call_rpc("bad-take", {"mib": 50}) == 50
        assert host.plugins[0].status == "ready"
        await host.stop()

    asyncio.run(main())


@pytest.mark.parametrize("network", [(), ("bad",)])
def test_in_a_sandbox_it_sees_and_writes_nothing_of_others(tmp_path: Path, network: tuple[str, ...]) -> None:
    if why := asyncio.run(plugin_surroundings._missing()):
        pytest.skip(f"plugins run without a sandbox here: {why}")

    async def main() -> None:
        host, directory, secret = surrounded(tmp_path, Terms(sandbox="always", network=network))
        seen = await looked(host, tmp_path, directory, secret)
        assert (seen["wrote"], (directory / "plugins" / "bad" / "note").read_text()) == ("1", "x")
        assert (seen["seed"], seen["secret"]) == ("FileNotFoundError", "PermissionError")
        assert (seen["wrote_beside"], seen["wrote_outside"]) == ("FileNotFoundError", "OSError")
        assert (seen["called"] == "None") == bool(network)

    asyncio.run(main())


def test_one_in_a_sandbox_ends_and_comes_back_as_others_do(tmp_path: Path) -> None:
    if why := asyncio.run(plugin_surroundings._missing()):
        pytest.skip(f"plugins run without a sandbox here: {why}")

    async def main() -> None:
        host, _, _ = surrounded(tmp_path, Terms(sandbox="always"))
        await host.start((written(tmp_path, LOOKS),))
        (plugin,) = host.plugins
        plugin.fail("a test")
        await until(lambda: plugin.status == "ready" and plugin.starts == 2)
        await plugin.reload()
        assert await host.call_rpc("bad-take", {"mib": 1}) == 1
        await host.stop()
        assert plugin.pid is None

    asyncio.run(main())


def test_one_whose_file_is_in_memory_finds_itself_in_a_sandbox(tmp_path: Path) -> None:
    if why := asyncio.run(plugin_surroundings._missing()) or (not os.access("/dev/shm", os.W_OK) and "no /dev/shm"):
        pytest.skip(f"not run: {why}")

    async def main(folder: Path) -> None:
        host, _, _ = surrounded(tmp_path, Terms(sandbox="always"))
        await host.start((written(folder, LOOKS),))
        assert host.plugins[0].status == "ready", host.plugins[0].why
        await host.stop()

    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        asyncio.run(main(Path(folder)))


@pytest.mark.parametrize(("sandbox", "status"), [("auto", "ready"), ("always", "refused")])
def test_where_there_is_no_sandbox(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    sandbox: Sandbox,
    status: str,
) -> None:
    monkeypatch.setattr(plugin_surroundings, "BWRAP", "no-such-bwrap")

    async def main() -> None:
        host, _, _ = surrounded(tmp_path, Terms(sandbox=sandbox))
        with caplog.at_level(logging.WARNING, logger="lnpd.plugins"):
            await host.start((written(tmp_path, LOOKS), written(tmp_path, "", "good")))
        assert [plugin.status for plugin in host.plugins] == [status, status]
        said = [record.getMessage() for record in caplog.records if "without a sandbox" in record.getMessage()]
        assert len(said) == (sandbox == "auto")
        if sandbox == "always":
            assert "is not installed" in host.plugins[0].why
        await host.stop()

    asyncio.run(main())


@pytest.mark.parametrize("name", ["signal", "code"])
def test_a_file_that_hides_a_module_of_pythons_is_refused_by_name(tmp_path: Path, name: str) -> None:
    path = written(tmp_path, "", name)
    sentence = f"{name}.py has the name of Python's own module {name}"

    async def main() -> None:
        host, _ = hosted(tmp_path / "node")
        await host.start((path,))
        assert host.plugins[0].status == "refused"
        assert sentence in host.plugins[0].why
        await host.stop()

    asyncio.run(main())
