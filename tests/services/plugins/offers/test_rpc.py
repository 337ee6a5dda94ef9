"""Does a plugin call what of the RPC it was granted, and does `plugin grants` say what that is?"""

import asyncio
from pathlib import Path

import pytest
from lnpd_sdk.envelope import CallFailed
from lnpd_sdk.node import Node as Asked
from lnpd_sdk.plugin import Plugin

from lnpd.errors import PluginNotFound
from lnpd.services.node.node import Node
from lnpd.services.plugins.offers import rpc
from lnpd.testing import Network

GRANTS = (
    ("clerk", "rpc:read"),
    ("clerk", "rpc:address"),
    ("clerk", "pay:5"),
    ("clerk", "chain"),
    ("clerk", "spend:7"),
    ("reader", "rpc:info"),
)


async def joined(node: Node, name: str, *capabilities: str) -> Asked:
    plugin = Plugin(name, "1", capabilities=capabilities)

    @plugin.rpc("Says so.", name=f"{name}-say")
    async def say(_node: Asked) -> str:
        return name

    await node.plugins.add_in_process(plugin)
    assert plugin.node is not None
    return plugin.node


async def refused(code: str, words: str, node: Asked, method: str, **params: object) -> None:
    with pytest.raises(CallFailed, match=words) as error:
        await node.rpc(method, **params)
    assert error.value.code == code


def test_what_is_named_is_called_and_read_is_what_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        async with Network(tmp_path) as network:
            alice = await network.node("alice", grants=GRANTS)
            clerk = await joined(alice, "clerk", "rpc:read,address", "pay:5", "updates:7", "spend:7")
            reader = await joined(alice, "reader", "rpc:info")
            info = await clerk.rpc("info", features=True)
            assert info["node_id"] == alice.node_id.hex() and info["features"]
            assert (await clerk.rpc("address"))["address"].startswith("bcrt1")
            assert await clerk.rpc("channels") == []
            assert (await reader.rpc("info"))["alias"] == "alice"
            await refused("RpcNotGranted", "--grant reader=rpc:info,channels", reader, "channels")
            await refused("RpcNotGranted", "--grant clerk=rpc:read,address,send", clerk, "send")
            await refused(
                "RpcNotGranted", "rpc:read,address,reader-say", clerk, "reader-say"
            )  # another's is no reading
            await refused("RpcNotGranted", "Plugin.on", clerk, "events")
            await refused("NoSuchMethod", "no method", clerk, "nothing")
            await refused("ParameterRefused", "no parameter", clerk, "info", more=1)
            monkeypatch.setattr(rpc, "MAX_BYTES", 10)
            await refused("RpcAnswerTooLong", "10", clerk, "info")

            shown = await alice.api.plugin_grants("clerk")
            rows = {row.capability: row for row in shown.grants}
            assert [row.granted for row in shown.grants if row.capability == "rpc"] == ["rpc:read", "rpc:address"]
            assert (shown.plugin, shown.status, set(rows)) == (
                "clerk",
                "ready",
                {"rpc", "pay", "updates", "spend", "chain"},
            )
            assert rows["rpc"].in_effect and rows["rpc"].why == ""
            assert rows["pay"].used == "0 msat paid in 0 payments, 0 msat on their way, 5000 msat left"
            assert rows["spend"].used == "0 sat spent in the last day, 7 sat left"
            assert rows["updates"].why == "updates:7 needs --grant clerk=updates:7."
            assert not rows["updates"].in_effect
            assert rows["chain"].why == "chain is granted, but not asked for."
            with pytest.raises(PluginNotFound):
                await alice.api.plugin_grants("nobody")

    asyncio.run(main())
