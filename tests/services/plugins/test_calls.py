"""What does a plugin's answer to a hook, or its RPC result, have to be, wherever it runs?"""

import asyncio
import json
from pathlib import Path

import pytest
from lnpd_sdk import envelope
from lnpd_sdk.envelope import BadFrame
from msgspec.structs import replace

from lnpd.cli.render import render
from lnpd.errors import PluginFault
from lnpd.hooks.kinds import KINDS
from lnpd.services.plugins.calls import MAX_HOOK_ANSWER_BYTES, Plugin
from lnpd.services.plugins.host import PluginHost
from lnpd.services.plugins.results import MAX_BYTES, MAX_DEPTH, MAX_VALUES, result_of
from tests.plugins.two_parties import load
from tests.services.plugins.test_host import hosted, written

HOOK = """
    import asyncio

    @plugin.hook("peer_connecting")
    async def connecting(node, **fields):
        {}
"""
FAULTS = {
    "late": ("await asyncio.sleep(1000)", 1),
    "an exception": ("raise ValueError('my bug')", 1),
    "too long": (f"return 'x' * {MAX_HOOK_ANSWER_BYTES}", 1),  # and its quotes
    "one that is there": ("return 'no'", 0),
}


async def started(host: PluginHost, path: Path, here: bool) -> Plugin:
    if here:
        return await host.add_in_process(load(path).plugin)
    await host.start((path,))
    return host.plugins[0]


@pytest.mark.parametrize("what", FAULTS)
@pytest.mark.parametrize("here", [False, True], ids=["process", "here"])
def test_a_hook_that_is_late_or_raises_is_counted(
    tmp_path: Path, what: str, here: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(KINDS, "peer_connecting", replace(KINDS["peer_connecting"], deadline_seconds=0.2))
    body, faults = FAULTS[what]

    async def main() -> None:
        host, _ = hosted(tmp_path, bad=("hook:peer_connecting",))
        plugin = await started(host, written(tmp_path, HOOK.format(body)), here)
        answer = await host.hooks.chain("peer_connecting", node_id="02", address="", incoming=True)
        assert answer == (None if faults else "no")
        assert plugin.faults == faults
        assert plugin.status == "ready"
        await host.stop()

    asyncio.run(main())


def test_a_hook_that_ends_its_process_is_no_second_fault(tmp_path: Path) -> None:
    async def main() -> None:
        host, _ = hosted(tmp_path, bad=("hook:peer_connecting",))
        plugin = await started(host, written(tmp_path, HOOK.format("os._exit(3)")), here=False)
        asked = [host.hooks.chain("peer_connecting", node_id="02", address="", incoming=True) for _ in range(5)]
        assert await asyncio.gather(*asked) == [None] * 5
        assert plugin.faults == 0, "an end is counted as a start"
        await host.stop()

    asyncio.run(main())


RESULTS = {
    "bytes are hex": ({"key": b"\x00\xff", "list": [b"\x01"]}, {"key": "00ff", "list": ["01"]}),
    "JSON as it is": ([1, 1.5, None, True, "x", {"a": []}], [1, 1.5, None, True, "x", {"a": []}]),
}


@pytest.mark.parametrize("what", RESULTS)
def test_a_result_is_json(what: str) -> None:
    value, expected = RESULTS[what]
    assert result_of(envelope.encode(value)) == expected
    json.dumps(expected)


def nested(depth: int) -> bytes:
    return b"\x91" * depth + b"\x90"


REFUSED = {
    "nested": (nested(MAX_DEPTH + 1), f"nested more than {MAX_DEPTH} deep"),
    "nested beyond the stack": (nested(100_000), "agreed form"),
    "nested maps": (b"\x81\xa1a" * 900 + b"\x80", f"nested more than {MAX_DEPTH} deep"),
    "many values": (envelope.encode([0] * MAX_VALUES), f"more than {MAX_VALUES} values"),
    "many bytes": (envelope.encode("x" * MAX_BYTES), f"over {MAX_BYTES}"),
    "a number for a name": (envelope.encode({1: 2}), "a map with a int for a name"),
    "a moment": (b"\xd6\xff\x00\x00\x00\x01", "a datetime, which JSON does not have"),
    "no msgpack": (b"\xc1", "agreed form"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_result_that_nobody_could_be_given_is_refused(what: str) -> None:
    data, words = REFUSED[what]
    with pytest.raises(BadFrame, match=words):
        result_of(data)


def test_the_deepest_result_can_be_shown() -> None:
    assert render("bad-deep", result_of(nested(MAX_DEPTH - 1)))


@pytest.mark.parametrize("here", [False, True], ids=["process", "here"])
def test_a_plugin_is_named_for_its_result(tmp_path: Path, here: bool) -> None:
    body = """
    @plugin.rpc("Answers deeply.")
    async def deep(node):
        value = []
        for _ in range(900):
            value = [value]
        return value

    @plugin.rpc("Answers with bytes.")
    async def raw(node):
        return {"txid": bytes(4)}
    """

    async def main() -> None:
        host, _ = hosted(tmp_path)
        await started(host, written(tmp_path, body), here)
        with pytest.raises(PluginFault, match="bad: bad-deep: its result is nested more than 32 deep"):
            await host.call_rpc("bad-deep", {})
        assert await host.call_rpc("bad-raw", {}) == {"txid": "00000000"}
        await host.stop()

    asyncio.run(main())
