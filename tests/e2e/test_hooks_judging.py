"""Does a plugin's word on channels, closes, invoices and commands count, in a whole node?"""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lnpd_sdk.hooks import OpenTerms
from lnpd_sdk.plugin import Node as Host
from lnpd_sdk.plugin import Plugin

from lnpd.errors import ChannelRefused, CloseRefused, CommandVetoed, InvoiceTermsRefused, LnpdError
from lnpd.services.node.node import Node
from lnpd.services.rpc import dispatch
from lnpd.testing import Network, until

HOOKS = (
    "open_channel_received", "accept_channel_received", "funding", "shutdown_proposed", "invoice_requested",
    "rpc_command",
)  # fmt: skip
GRANTED: dict[str, Any] = {"grants": tuple(("judge", f"hook:{name}") for name in HOOKS)}
DEEPER = 5  # blocks; the network's nodes ask for 3
Say = Callable[[dict[str, Any]], object]


async def judged(node: Node) -> tuple[dict[str, Say], list[str]]:
    """A plugin that answers each hook by a function of its fields, and what it was asked."""
    plugin, words, asked = Plugin("judge", "1"), dict[str, Say](), list[str]()
    for name in HOOKS:

        def answer(_node: Host, _name: str = name, **fields: Any) -> object:
            asked.append(_name)
            return words[_name](fields) if _name in words else None

        plugin.hook(name)(answer)
    await node.plugins.add_in_process(plugin)
    return words, asked


def test_each_side_may_refuse_a_channel_and_a_close(tmp_path: Path) -> None:
    async def main() -> None:
        async with Network(tmp_path) as network:
            alice, bob = await network.node("alice", **GRANTED), await network.node("bob", **GRANTED)
            (ours, asked), (theirs, _) = await judged(alice), await judged(bob)
            for words, name in (
                (theirs, "open_channel_received"),
                (ours, "accept_channel_received"),
                (ours, "funding"),
            ):
                words[name] = lambda fields: f"not {fields['funding_sat']} sat"
                with pytest.raises(LnpdError, match="not 1000000 sat"):
                    await network.channel(alice, bob, 1_000_000)
                del words[name]
            assert (await alice.api.funds()).reserved_sat == 0
            ours["accept_channel_received"] = lambda fields: None if fields["minimum_depth"] == DEEPER else "no"
            theirs["open_channel_received"] = lambda _fields: OpenTerms(minimum_depth=DEEPER)
            opened = await alice.api.open(bob.node_id.hex(), 1_000_000, 0, "", (), None)
            await network.seen(opened.funding.partition(":")[0])
            await network.mine(DEEPER)
            await network.active(channel := opened.channel_id, alice, bob)
            meddler = Plugin("meddler", "1")
            meddler.hook("shutdown_proposed")(lambda _node, **_fields: "not without a grant")
            await alice.plugins.add_in_process(meddler)
            ours["shutdown_proposed"] = lambda fields: "not yet" if fields["ours"] else None
            theirs["shutdown_proposed"] = lambda _fields: "never"
            with pytest.raises(CloseRefused, match="not yet"):
                await alice.api.close(channel, False, None)
            del ours["shutdown_proposed"]
            await alice.api.close(channel, False, None)  # the peer's plugin is told, and cannot refuse
            await until(lambda: "shutdown_proposed" in asked, "the hook")

    asyncio.run(main())


def test_terms_are_never_looser(tmp_path: Path) -> None:
    async def main() -> None:
        async with Network(tmp_path) as network:
            alice, bob = await network.node("alice", **GRANTED), await network.node("bob", **GRANTED)
            (ours, _), (theirs, _) = await judged(alice), await judged(bob)
            seen: list[int] = []
            ours["accept_channel_received"] = lambda fields: seen.append(fields["minimum_depth"])
            for depth in (0, 145):
                theirs["open_channel_received"] = lambda _fields, depth=depth: OpenTerms(minimum_depth=depth)  # type: ignore[misc]
                await network.channel(alice, bob, 200_000)
            assert seen == [bob.channels.settings.demands.minimum_depth] * 2

    asyncio.run(main())


def test_invoices_and_commands_are_refused_and_a_user_can_always_stop(tmp_path: Path) -> None:
    async def main() -> None:
        async with Network(tmp_path) as network:
            alice = await network.node("alice", **GRANTED)
            words, asked = await judged(alice)
            words["invoice_requested"] = lambda fields: "cheap" if (fields["amount_msat"] or 0) < 1_000 else None
            words["rpc_command"] = lambda fields: f"no {fields['method']} of {fields['params'].get('amount_sat')}"
            with pytest.raises(InvoiceTermsRefused, match="A plugin refuses the invoice: cheap"):
                await alice.api.invoice(999, "tea", 3600)
            assert (await alice.api.invoice(1_000, "tea", 3600)).amount_msat == 1_000
            with pytest.raises(CommandVetoed, match="A plugin refuses fund: no fund of 5"):
                await dispatch.call(alice.api, "fund", {"amount_sat": 5})
            asked.clear()
            await dispatch.call(alice.api, "info", {})
            await dispatch.call(alice.api, "plugin.explain", {"hook": "rpc_command"})
            await dispatch.call(alice.api, "stop", {})
            assert asked == []

    asyncio.run(main())


def test_a_plugin_is_not_asked_about_a_channel_that_it_opens_itself(tmp_path: Path) -> None:
    """It could not answer while it waits; another one is."""

    async def main() -> None:
        async with Network(tmp_path) as network:
            alice, bob = await network.node("alice", **GRANTED), await network.node("bob")
            _, asked = await judged(alice)
            await network.channel(alice, bob, 200_000)
            assert asked.count("funding") == 1
            with alice.hooks.traces.serving("judge", ""):  # as while it waits for a service
                await network.channel(alice, bob, 200_000)
            assert asked.count("funding") == 1
            assert alice.hooks.figures.of("accept_channel_received", "judge").skipped == 1
            with pytest.raises(ChannelRefused):
                await alice.api.open(bob.node_id.hex(), 200_000, 300_000_000, "", (), None)

    asyncio.run(main())
