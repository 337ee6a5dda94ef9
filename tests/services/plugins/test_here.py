"""Is a plugin object in this process registered, granted and asked as a process is?"""

import asyncio
import os
import textwrap
from pathlib import Path

import pytest
from lnpd_sdk.envelope import CallFailed

from lnpd.errors import ManifestRefused, PluginNotRunning, ProviderFault
from tests.plugins.two_parties import load
from tests.services.plugins.test_host import LOCKBOX, contribute, hosted, written


def test_in_process_it_is_registered_granted_and_asked_alike(tmp_path: Path) -> None:
    async def main() -> None:
        host, node = hosted(tmp_path, lockbox=("updates:50000",))
        here = await host.add_in_process(load(LOCKBOX).plugin)
        assert (here.status, here.name, here.pid) == ("ready", "lockbox", os.getpid())
        assert await host.answers.answer(contribute("lockbox")) == ()
        assert host.answers.round_trips == 1
        await host.call_rpc("lockbox-put", {"channel_id": "aa", "amount_sat": 25_000})
        assert [limit for _, limit in node.proposals] == [50_000]
        with pytest.raises(CallFailed, match="lockbox-put needs amount_sat") as refused:
            await host.call_rpc("lockbox-put", {"channel_id": "aa"})
        assert refused.value.code == "BadParameters"
        with pytest.raises(CallFailed, match="cannot travel"):
            await host.call_rpc("lockbox-put", {"channel_id": "aa", "amount_sat": 2**70})
        with pytest.raises(ManifestRefused, match="registered already, from in this process"):
            await host.add_in_process(load(LOCKBOX).plugin)
        await host.stop()
        assert host.registry.owners == {}
        with pytest.raises(PluginNotRunning):
            await host.call_rpc("lockbox-list", {})

    asyncio.run(main())


def test_in_process_without_a_grant(tmp_path: Path) -> None:
    async def main() -> None:
        host, node = hosted(tmp_path)
        await host.add_in_process(load(LOCKBOX).plugin)
        with pytest.raises(CallFailed, match="--grant lockbox=updates:MAX_SAT") as refused:
            await host.call_rpc("lockbox-put", {"channel_id": "aa", "amount_sat": 25_000})
        assert refused.value.code == "CapabilityMissing"
        assert node.proposals == []

    asyncio.run(main())


@pytest.mark.parametrize(("body", "words"), [("raise ValueError('my bug')", "my bug"), ("return 5", "something else")])
def test_in_process_a_provider_that_fails_is_a_fault_by_name(tmp_path: Path, body: str, words: str) -> None:
    source = """
        @plugin.provider
        class Bad(ProviderBase):
            spec = ProviderSpec("bad", (1,), (Phase("contribute"),))
            def contribute(self, view, state):
    """

    async def main() -> None:
        host, _ = hosted(tmp_path)
        text = textwrap.dedent(source).rstrip() + f"\n        {body}\n"
        here = await host.add_in_process(load(written(tmp_path, text)).plugin)
        with pytest.raises(ProviderFault, match=words):
            await host.answers.answer(contribute("bad"))
        assert here.faults == 1

    asyncio.run(main())
