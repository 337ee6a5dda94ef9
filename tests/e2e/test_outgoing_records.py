"""Do a plugin's own records travel on the node's messages, and does nobody suffer who does not know them?"""

import asyncio
import logging
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from lnpd_sdk.manifest import ChannelTypeSpec, Filter
from lnpd_sdk.plugin import Node as Host
from lnpd_sdk.plugin import Plugin
from lnpd_sdk.types import ACCEPTOR, OPENER, OutputSpec, Party, Phase, ProviderBase, ProviderSpec, View

from lnpd.services.node.node import Node
from lnpd.testing import Network, until
from tests.e2e.line import in_a_row

STREAMS = ("open_channel", "accept_channel", "update_add_htlc")
ROWS = "\n".join(f"tlv_stream,{name}_tlvs\ntype,70001,{name}_note\ndata,u16,note" for name in STREAMS)
HOOKS = ("outgoing_records", "open_channel_received", "accept_channel_received", "htlc_accepted", "peer_message")
GRANTED: dict[str, Any] = {"grants": (("notes", "messages"), *(("notes", f"hook:{name}") for name in HOOKS))}
Asked = dict[str, list[dict[str, Any]]]
Seen = tuple[Party, tuple[tuple[int, bytes], ...]]  # the holder of a commitment, and the records of an HTLC in it


def watched(plugin: Plugin, seen: set[Seen]) -> None:
    """A provider that notes which records the HTLCs in its views have."""

    @plugin.provider
    class Watcher(ProviderBase):
        spec = ProviderSpec("notes", (1,), (Phase("contribute"),))

        def contribute(self, view: View, _state: bytes) -> tuple[OutputSpec, ...]:
            seen.update((view.holder, htlc.tlvs) for htlc in view.htlcs)
            return ()

    plugin.channel_type(ChannelTypeSpec("notes/seen", "anchors_zero_fee_htlc_tx", (("notes", 1),)))


async def noted(node: Node, answer: dict[str, str], seen: set[Seen] | None = None) -> Asked:
    """A plugin that adds this to each message, and what it was asked and shown."""
    plugin, asked = Plugin("notes", "1", capabilities=("messages",)), defaultdict[str, list[dict[str, Any]]](list)
    plugin.records(ROWS)
    watched(plugin, set() if seen is None else seen)
    for name in HOOKS:

        def told(_node: Host, _hook: str = name, **fields: Any) -> object:
            asked[_hook].append(fields)
            return answer if _hook == "outgoing_records" else None

        filters = {
            "outgoing_records": (Filter("name", one_of=STREAMS),),
            "peer_message": (Filter("name", one_of=STREAMS),),
        }
        plugin.hook(name, *filters.get(name, ()))(told)
    await node.plugins.add_in_process(plugin)
    return asked


async def paid(payer: Node, payee: Node) -> None:
    invoice = await payee.api.invoice(5_000_000, "with a note", 3600)
    await payer.api.pay(invoice.invoice, None, 20)


def of(asked: Asked, hook: str) -> list[dict[str, str]]:
    key = "htlc_records" if hook == "htlc_accepted" else "records"
    return [fields[key] for fields in asked[hook]]


def test_records_go_both_ways_on_openings_and_htlcs(tmp_path: Path) -> None:
    async def main() -> None:
        async with Network(tmp_path) as network:
            alice, bob = await network.node("alice", **GRANTED), await network.node("bob", **GRANTED)
            ours, theirs = await noted(alice, {"70001": "0001"}), await noted(bob, {"70001": "0002"})
            channel = await network.channel(alice, bob, 1_000_000, push_sat=300_000)
            assert of(theirs, "open_channel_received") == [{"70001": "0001"}]
            assert of(ours, "accept_channel_received") == [{"70001": "0002"}]
            assert theirs["outgoing_records"][0]["received"] == {"70001": "0001"}
            await paid(alice, bob)
            await paid(bob, alice)
            assert of(theirs, "htlc_accepted") == [{"70001": "0001"}]
            assert of(ours, "htlc_accepted") == [{"70001": "0002"}]
            shown = [(each["name"], each["records"]["70001"]) for each in theirs["peer_message"]]
            assert shown == [("open_channel", "0001"), ("update_add_htlc", "0001")]
            last = ours["outgoing_records"][-1]
            assert (last["channel_id"], last["amount_msat"], last["incoming"]) == (channel, 5_000_000, "")

    asyncio.run(main())


def test_a_node_without_the_plugin_ignores_them(tmp_path: Path) -> None:
    async def main() -> None:
        async with Network(tmp_path) as network:
            alice, bob = await network.node("alice", **GRANTED), await network.node("bob")
            asked = await noted(alice, {"70001": "0001"})
            await network.channel(alice, bob, 1_000_000, push_sat=300_000)
            await paid(alice, bob)
            await paid(bob, alice)
            assert of(asked, "accept_channel_received") == of(asked, "htlc_accepted") == [{}]

    asyncio.run(main())


def test_both_commitments_show_them_and_what_is_sent_again_has_the_same(tmp_path: Path) -> None:
    """Alice's update_add_htlc is never acknowledged before the connection is lost, and stands in both sides' views of
    both commitments after it, as it was first."""

    async def main() -> None:
        async with Network(tmp_path) as network:
            alice, bob = await network.node("alice", **GRANTED), await network.node("bob", **GRANTED)
            answer, views = {"70001": "0001"}, (set[Seen](), set[Seen]())
            asked = await noted(alice, answer, views[0])
            await noted(bob, {}, views[1])
            channel = await network.channel(alice, bob, 1_000_000, kind="notes/seen")
            assert not views[0] | views[1]
            invoice = await bob.api.invoice(5_000_000, "lost and found", 3600)
            bob.channels.links[alice.node_id].send = lambda *_messages: None  # type: ignore[method-assign]
            paying = asyncio.create_task(alice.api.pay(invoice.invoice, None, 20))
            await until(lambda: views[0], "the HTLC in bob's commitment")
            answer["70001"] = "0009"  # what is in the log already is not asked about again
            bob.channels.links[alice.node_id].close("a test")
            await until(lambda: not alice.channels.driver_of(channel).channel.live, "the end of the connection")
            await network.connect(alice, bob)
            assert (await paying).amount_msat == 5_000_000
            assert views[0] == views[1] == {(holder, ((70001, b"\0\1"),)) for holder in (OPENER, ACCEPTOR)}
            assert [each["name"] for each in asked["outgoing_records"]].count("update_add_htlc") == 1

    asyncio.run(main())


def test_who_passes_an_htlc_on_adds_to_it_and_knows_which_one_it_is(tmp_path: Path) -> None:
    async def main() -> None:
        async with Network(tmp_path) as network:
            (alice, bob, carol), _ = await in_a_row(network, "alice", "bob", "carol", **GRANTED)
            answers = {"70001": "0001"}, {"70001": "0002"}, dict[str, str]()
            nodes = zip((alice, bob, carol), answers, strict=True)
            _, bobs, carols = [await noted(node, answer) for node, answer in nodes]
            await paid(alice, carol)
            assert of(bobs, "htlc_accepted") == [{"70001": "0001"}]
            assert of(carols, "htlc_accepted") == [{"70001": "0002"}]
            assert bobs["outgoing_records"][0]["incoming"] == bobs["htlc_accepted"][0]["htlc"]

    asyncio.run(main())


def test_what_may_not_be_added_is_left_out_by_name(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with Network(tmp_path) as network:
            grants = (*GRANTED["grants"], ("other", "messages"))
            alice, bob = await network.node("alice", grants=grants), await network.node("bob", **GRANTED)
            answer, theirs = {"70002": "0001"}, await noted(bob, {})
            await noted(alice, answer)
            other = Plugin("other", "1", capabilities=("messages",))
            other.records("tlv_stream,update_add_htlc_tlvs\ntype,70005,other_note\ndata,u16,note")
            await alice.plugins.add_in_process(other)
            await network.channel(alice, bob, 1_000_000)
            for given, words in (
                ({"70003": "0001"}, "add no type 70003 to update_add_htlc_tlvs"),
                ({"70001": "01"}, "is not as its rows say"),
                ({"70001": "xx"}, "is not as its rows say"),
                ({"1": "0001"}, "add no type 1 to"),
                ({"70005": "0001"}, "the type 70005 of update_add_htlc_tlvs is other's"),
                ({"070001": "0001"}, "'070001' is no type"),
            ):
                answer.clear()
                answer.update(given)
                await paid(alice, bob)
                assert words in caplog.text
            assert of(theirs, "htlc_accepted") == [{}] * 6
            assert "the type 70002 is even" in caplog.text

    caplog.set_level(logging.WARNING)
    asyncio.run(main())
