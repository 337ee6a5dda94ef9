"""Does a plugin's process come, answer, fail and come back without harm to the node?"""

import asyncio
import os
import signal
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest
from lnpd_sdk.envelope import CallFailed
from lnpd_sdk.services.channels import Proposal
from lnpd_sdk.services.kept import KeptRow, KeptWanted
from lnpd_sdk.types import Blocked, Folded, OutputSpec, Update, View

from lnpd.errors import PluginNotFound, PluginNotRunning, ProviderFault
from lnpd.hooks.answers import Answers
from lnpd.hooks.dispatch import Hooks
from lnpd.hooks.registry import Registry
from lnpd.services.plugins import calls as plugin_calls
from lnpd.services.plugins import process as plugin_process
from lnpd.services.plugins.host import PluginHost
from lnpd.tx.graph import ProviderCall
from lnpd.wire.catalogue import BOLT

LOCKBOX = Path(__file__).parents[3] / "plugins" / "lockbox.py"
VIEW = View(bytes(32), 0, 1_000_000, 0, 1, 253, (354, 354), (144, 100), (500_000_000, 500_000_000), ())
PUT = b"\x82\xa4verb\xa3put\xaaamount_sat\xcda\xa8"  # put 25,000 sat into a box


class Recorder:
    """The rest of the node: it takes note of what plugins ask."""

    def __init__(self) -> None:
        self.proposals: list[tuple[Proposal, int]] = []
        self.changes = 0
        self.known: list[dict[str, object]] = []

    async def propose(self, proposal: Proposal, max_debit_sat: int) -> int:
        self.proposals.append((proposal, max_debit_sat))
        return 7

    async def rows(self, providers: frozenset[str], closed: bool) -> list[dict[str, object]]:
        return self.known

    async def kept(self, providers: frozenset[str], wanted: KeptWanted) -> KeptRow:
        raise AssertionError("nobody asks")

    def providers_changed(self) -> None:
        self.changes += 1

    async def tell_frozen(self) -> None:
        pass


def hosted(folder: Path, **grants: tuple[str, ...]) -> tuple[PluginHost, Recorder]:
    host = PluginHost(folder / "run", Registry(BOLT), Answers(), Hooks(), grants)
    host.desk.backend = host.desk.recall = recorder = Recorder()
    return host, recorder


def written(folder: Path, body: str, name: str = "bad") -> Path:
    path = folder / f"{name}.py"
    head = f"""\
        import os, sys, time
        from lnpd_sdk.plugin import Plugin
        from lnpd_sdk.types import *
        plugin = Plugin({name!r}, version="1")
    """
    path.write_text(textwrap.dedent(head) + textwrap.dedent(body) + '\nif __name__ == "__main__":\n    plugin.run()\n')
    return path


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.005)


def contribute(provider: str, state: bytes = b"") -> ProviderCall:
    return ProviderCall(provider, 1, "contribute", (VIEW, state))


def test_lockbox_registers_answers_and_proposes(tmp_path: Path) -> None:
    async def main() -> None:
        host, node = hosted(tmp_path, lockbox=("updates:50000",))
        await host.start((LOCKBOX,))
        (plugin,) = host.plugins
        assert (plugin.status, plugin.name) == ("ready", "lockbox"), plugin.why
        assert plugin.pid not in (None, os.getpid())
        folded = await host.answers.answer(
            ProviderCall("lockbox", 1, "fold", (VIEW, b"", Update(0, "lockbox", "ext", 0, PUT)))
        )
        assert isinstance(folded, Folded)
        (output,) = await host.answers.answer(contribute("lockbox", folded.state))  # type: ignore[misc]
        assert isinstance(output, OutputSpec)
        assert (output.value_sat, output.debits_msat) == (25_000, (25_000_000, 0))
        blocked = await host.answers.answer(ProviderCall("lockbox", 1, "close", (VIEW, folded.state)))
        assert isinstance(blocked, Blocked)
        node.known = [{"channel_id": "aa", "us": 0, "states": {"lockbox": ""}}]
        answer = await host.call_rpc("lockbox-put", {"channel_id": "aa", "amount_sat": 25_000})
        assert answer == {"channel_id": "aa", "box": 7, "verb": "put", "amount_sat": 25_000}
        assert node.proposals == [(Proposal("aa", "lockbox", PUT), 50_000)]
        await host.stop()
        assert plugin.pid is None

    asyncio.run(main())


@pytest.mark.parametrize(
    ("name", "params", "words"),
    [
        ("lockbox-put", {"channel_id": "aa"}, "lockbox-put needs amount_sat"),
        ("lockbox-put", {"channel_id": "aa", "amount_sat": "x"}, "lockbox-put: .*int"),
        ("lockbox-put", {"channel_id": "aa", "amount_sat": 1, "more": 1}, "no parameter 'more'"),
        ("lockbox-put", {"channel_id": "aa", "amount_sat": 1}, "--grant lockbox=updates:MAX_SAT"),
    ],
)
def test_a_wrong_call_or_a_missing_grant_is_said(
    tmp_path: Path, name: str, params: dict[str, object], words: str
) -> None:
    async def main() -> None:
        host, node = hosted(tmp_path)
        await host.start((LOCKBOX,))
        try:
            with pytest.raises(CallFailed, match=words):
                await host.call_rpc(name, params)
            assert node.proposals == []
        finally:
            await host.stop()

    asyncio.run(main())


def test_killed_it_freezes_its_provider_and_comes_back(tmp_path: Path) -> None:
    async def main() -> None:
        host, node = hosted(tmp_path)
        await host.start((LOCKBOX,))
        (plugin,) = host.plugins
        first = plugin.pid
        assert first
        os.kill(first, signal.SIGKILL)
        await until(lambda: host.answers.missing({"lockbox": 1}))
        with pytest.raises(ProviderFault, match="no plugin here provides lockbox"):
            await host.answers.answer(contribute("lockbox"))
        with pytest.raises(PluginNotRunning, match=r"lockbox, whose command this is, is \w+: lnp plugin start"):
            await host.call_rpc("lockbox-list", {})
        await until(lambda: plugin.status == "ready")
        assert plugin.pid not in (None, first)
        assert host.answers.missing({"lockbox": 1}) == ""
        assert await host.answers.answer(contribute("lockbox")) == ()
        assert node.changes == 3
        await host.stop()

    asyncio.run(main())


PROVIDER = """
    @plugin.provider
    class Bad(ProviderBase):
        spec = ProviderSpec("bad", (1,), (Phase("contribute"),))
        def contribute(self, view, state):
            {}
"""
FAULTS = {
    "raises": ("raise ValueError('my bug')", "contribute failed: ValueError: my bug"),
    "answers something else": ("return {'a': 1}", "answered with something else"),
    "dies": ("os._exit(3)", "its process ended"),
    "hangs": ("time.sleep(1000)", "no answer to provider"),
    "answers 100 MB": ("return bytes(100_000_000)", "over the limit"),
    "sends what is no frame": (
        "plugin.node._call.__self__._socket.send(b'nonsense'); time.sleep(1000)",
        "sent what is not a frame",
    ),
    "sends 100 MB past the SDK": (
        "plugin.node._call.__self__._socket.send(bytes(100_000_000)); time.sleep(1000)",
        "no answer to provider",
    ),
}


@pytest.mark.parametrize("what", FAULTS)
def test_a_provider_that_fails_is_a_fault_by_name(tmp_path: Path, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugin_calls, "DEADLINE_SECONDS", 1.0)
    body, words = FAULTS[what]

    async def main() -> None:
        host, _ = hosted(tmp_path)
        await host.start((written(tmp_path, PROVIDER.format(body)), LOCKBOX))
        assert [p.status for p in host.plugins] == ["ready", "ready"], [p.why for p in host.plugins]
        bad, good = (asyncio.create_task(host.answers.answer(contribute(n))) for n in ("bad", "lockbox"))
        assert await good == (), "another plugin's questions are answered meanwhile"
        with pytest.raises(ProviderFault, match=words) as caught:
            await bad
        assert caught.value.plugin == "bad"
        await until(lambda: host.plugins[0].status == "ready")  # it lives on, or is back
        await host.stop()

    asyncio.run(main())


STARTS = {
    "does not import": ("import no_such_module", "waiting", "No module named 'no_such_module'"),
    "ends at once": ("sys.exit('I do not want to')", "waiting", "I do not want to"),
    "has no good name": ("plugin.name = 'Bad Name'", "refused", "cannot be a plugin's name"),
    "takes a method of the core": ("plugin.rpc('', name='pay')(lambda node: None)", "refused", "pay, which lnpd owns"),
}


@pytest.mark.parametrize("what", STARTS)
def test_a_plugin_that_cannot_start_is_said_and_the_node_goes_on(tmp_path: Path, what: str) -> None:
    body, status, words = STARTS[what]

    async def main() -> None:
        host, _ = hosted(tmp_path)
        host.registry.claim_core((), frozenset({"pay"}))
        await host.start((written(tmp_path, body), LOCKBOX))
        bad, good = host.plugins
        assert words in bad.why
        assert bad.status in (status, "starting")
        assert good.status == "ready"
        await host.stop()

    asyncio.run(main())


def test_five_failures_are_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugin_process, "PAUSES_SECONDS", (0.0,))

    async def main() -> None:
        host, _ = hosted(tmp_path)
        await host.start((written(tmp_path, "sys.exit('again')"),))
        (plugin,) = host.plugins
        await until(lambda: plugin.status == "quarantined")
        assert plugin.starts == 5
        assert "again" in plugin.why
        await host.stop()

    asyncio.run(main())


def test_two_of_one_name_and_unknown_paths_are_refused(tmp_path: Path) -> None:
    async def main() -> None:
        host, _ = hosted(tmp_path)
        with pytest.raises(PluginNotFound, match="no plugin at"):
            await host.start((tmp_path / "nothing.py",))
        await host.start((LOCKBOX, LOCKBOX))
        assert sorted(p.status for p in host.plugins) == ["ready", "refused"]
        assert any("registered already" in p.why for p in host.plugins)
        await host.stop()

    asyncio.run(main())


def test_a_plugin_sees_little_of_the_nodes_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LNPD_SECRET", "hunter2")
    body = "print(sorted(k for k in os.environ if k.startswith('LNPD')), file=open(sys.argv[0] + '.txt', 'w'))"

    async def main() -> None:
        host, _ = hosted(tmp_path)
        path = written(tmp_path, body)
        await host.start((path,))
        await host.stop()
        assert path.with_suffix(".py.txt").read_text() == "['LNPD_ENDPOINT']\n"

    asyncio.run(main())
