"""Does a plugin call what of the RPC it was granted, and does `plugin grants` say what that is?"""

import asyncio
from pathlib import Path
from typing import Annotated, Any

import pytest
from lnpd_sdk.envelope import CallFailed
from lnpd_sdk.node import Node as Asked
from lnpd_sdk.plugin import Plugin

from lnpd.errors import ManifestRefused, NoSuchMethod, ParameterRefused, PluginNotFound, PluginNotRunning
from lnpd.services.node.node import Node
from lnpd.services.plugins.offers import rpc
from lnpd.services.rpc import dispatch
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


def tipping(seen: list[dict[str, object]], name: str = "waiter") -> Plugin:
    """A plugin that adds a tip to what is invoiced."""
    plugin = Plugin(name, "1", capabilities=("rpc:invoice",))

    @plugin.rpc("Makes an invoice with a tip.", extends="invoice")
    async def invoice(
        node: Asked, tip_msat: Annotated[int, "what is paid beside it"], amount_msat: int, description: str = "a meal"
    ) -> Any:
        seen.append({"tip_msat": tip_msat, "amount_msat": amount_msat, "description": description})
        return await node.rpc("invoice", amount_msat=amount_msat + tip_msat, description=description)

    return plugin


def test_a_plugin_adds_a_parameter_to_a_command_and_is_called_where_it_is_given(tmp_path: Path) -> None:
    async def main() -> None:
        async with Network(tmp_path) as network:
            alice, seen = await network.node("alice", grants=(("waiter", "rpc:invoice"),)), list[dict[str, object]]()
            asked = {"amount_msat": 9_000, "description": "a meal"}
            with pytest.raises(ParameterRefused, match="invoice has no parameter 'tip_msat'"):
                await dispatch.call(alice.api, "invoice", asked | {"tip_msat": 1_000})
            waiter = await alice.plugins.add_in_process(tipping(seen))
            plain: Any = await dispatch.call(alice.api, "invoice", asked)
            assert (plain.amount_msat, seen) == (9_000, [])
            tipped: Any = await dispatch.call(alice.api, "invoice", asked | {"tip_msat": 1_000})
            assert (tipped["amount_msat"], seen) == (10_000, [asked | {"tip_msat": 1_000}])
            for more, words in (
                (asked | {"tip_msat": "x"}, "tip_msat"),
                (
                    {"tip_msat": 1_000, **asked, "expiry_seconds": 60},
                    r"with tip_msat \(of waiter\) takes no expiry_sec",
                ),
                ({"tip_msat": 1_000, "description": ""}, "with tip_msat .* needs amount_msat"),
            ):
                with pytest.raises(ParameterRefused, match=words):
                    await dispatch.call(alice.api, "invoice", more)
            with pytest.raises(NoSuchMethod):
                await dispatch.call(alice.api, "waiter-invoice", asked | {"tip_msat": 1})
            with pytest.raises(
                ManifestRefused, match="bar claims the parameter tip_msat of invoice, which waiter owns"
            ):
                await alice.plugins.add_in_process(tipping([], "bar"))
            rows: Any = await dispatch.call(alice.api, "help", {})
            (row,) = [row for row in rows if row["name"] == "invoice"]
            assert [each["plugin"] for each in row["parameters"]][-2:] == ["", "waiter"]
            await waiter.stop()
            assert (await dispatch.call(alice.api, "invoice", asked)).amount_msat == 9_000  # type: ignore[attr-defined]
            with pytest.raises(PluginNotRunning, match="waiter"):
                await dispatch.call(alice.api, "invoice", asked | {"tip_msat": 1_000})

    asyncio.run(main())


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
