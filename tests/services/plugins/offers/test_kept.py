"""Can a plugin derive again whatever it sealed, also in revoked commitments, in a closed channel, after a restart?"""

import asyncio
from pathlib import Path

import pytest
from lnpd_sdk.envelope import CallFailed
from lnpd_sdk.plugin import Plugin
from lnpd_sdk.services.kept import KeptCommitment

from lnpd.channel.state import Channel
from lnpd.services.channels.batch import kept_of
from lnpd.services.node.node import Node
from lnpd.testing import Network, until
from lnpd.tx.transaction import Tx
from lnpd.wire.fields import scid_text
from tests.e2e.closing import driver_of, ears, finish, offer, spender
from tests.plugins.stamp import KIND, sealed_again, stamp


async def stamped(network: Network) -> tuple[Node, Node, Plugin]:
    """Alice and bob, with a channel that holds an HTLC each way, and alice's plugin."""
    alice, bob = await network.node("alice"), await network.node("bob")
    plugin = stamp()
    await alice.plugins.add_in_process(plugin)
    await bob.plugins.add_in_process(stamp())
    await network.channel(alice, bob, 1_000_000, push_sat=400_000, kind=KIND)
    ears(alice), ears(bob)
    height = (await network.chain.best_block()).height
    await offer(alice, bob, 1, 40_000, height + 40)
    await offer(bob, alice, 2, 20_000, height + 60)
    await offer(alice, bob, 3, 400, height + 40)  # trimmed
    return alice, bob, plugin


async def again(node: Node, plugin: Plugin, channel: Channel) -> dict[bytes, KeptCommitment]:
    """All commitments that the node has kept, each sealed again."""
    key = channel.key.encode()
    rows = await node.store.read(lambda read: read.records(key, "commitment"))
    found: dict[bytes, KeptCommitment] = {}
    for row in rows:
        kept = kept_of(row.value)
        assert kept is not None and plugin.node is not None
        graph = kept.graph
        told = await plugin.node.kept_commitment(channel.id.hex(), graph.tx.txid[::-1].hex())
        carriers = 1 + len(graph.children) + sum(map(bool, (s for o in graph.outputs for s in o.claim_seals)))
        below = sum(map(bool, (s for c in graph.children for o in c.outputs for s in o.claim_seals)))
        assert sealed_again(told) == carriers + below
        assert told.sealed.txid == graph.tx.txid
        assert [o.script_pubkey for o in told.sealed.outputs] == [o.script_pubkey for o in graph.tx.outputs]
        assert (told.view.number, told.view.holder) == (graph.number, graph.holder)
        found[graph.tx.txid] = told
    return found


def carrier(tx: Tx) -> bytes:
    return next(o.script_pubkey for o in tx.outputs if o.script_pubkey[:1] == b"\x6a")


def test_every_commitment_ever_made_is_derived_again(tmp_path: Path) -> None:
    """What is on the chain in the end carries it, too; the channel is closed, and the node was started anew."""

    async def main() -> None:
        async with Network(tmp_path) as network:
            alice, bob, plugin = await stamped(network)
            channel = driver_of(alice).channel
            found = await again(alice, plugin, channel)
            numbers = [told.view.number for told in found.values()]
            assert len(found) >= 6 and {each.view.holder for each in found.values()} == {0, 1}
            assert max(numbers) >= 3 and max(len(each.view.htlcs) for each in found.values()) == 3
            assert len({told.state for told in found.values()}) == 4
            assert any(len(told.children) == 2 and len(told.claims) > 6 for told in found.values())
            await network.stop(bob)
            await alice.api.close(channel.id.hex(), True, None)
            funding = channel.fundings[0]
            await network.spent(f"{funding.txid[::-1].hex()}:{funding.vout}")
            closing = await spender(network, funding.txid, funding.vout)
            assert closing is not None and closing.txid in found
            await network.mine()
            assert plugin.node is not None
            (row,) = await plugin.node.channels()
            assert (row["state"], row["capacity_sat"]) == ("on_chain", 1_000_000)
            assert row["closing_txid"] == closing.txid[::-1].hex()
            assert row["scids"] == [scid_text(channel.short_channel_id), scid_text(channel.aliases[0])]
            assert row["funding"] == f"{funding.txid[::-1].hex()}:{funding.vout}"
            alice = await network.restart(alice)
            plugin = stamp()
            await alice.plugins.add_in_process(plugin)
            assert await again(alice, plugin, channel) == found
            assert carrier(closing) == found[closing.txid].carriers[0]

    asyncio.run(main())


def test_a_close_by_agreement_is_derived_again_and_of_others_channels_nothing_is_told(tmp_path: Path) -> None:
    async def main() -> None:
        async with Network(tmp_path) as network:
            alice, bob = await network.node("alice"), await network.node("bob")
            plugin, other = stamp(), Plugin("other", "1")
            for each in (plugin, other):
                await alice.plugins.add_in_process(each)
            await bob.plugins.add_in_process(stamp())
            identity = await network.channel(alice, bob, 1_000_000, push_sat=400_000, kind=KIND)
            node, stranger = plugin.node, other.node
            assert node is not None and stranger is not None
            closed = await alice.api.close(identity, False, None)
            await network.seen(closed.txid)
            await finish(network, alice, bob)
            await until(lambda: not alice.channels.drivers)
            assert await node.channels() == [] == await stranger.channels(closed=True)
            (row,) = await node.channels(closed=True)
            assert (row["state"], row["closing_txid"], row["channel_id"]) == ("closed", closed.txid, identity)
            told = await node.kept_commitment(identity, closed.txid)
            assert sealed_again(told) == 1 and told.transaction.purpose == "close"
            sent = await network.chain.transaction(bytes.fromhex(closed.txid)[::-1])
            assert sent is not None and told.carriers[0] in sent.transaction
            for asked, name in (
                (stranger.kept_commitment(identity, closed.txid), "ChannelNotPinned"),
                (node.kept_commitment(identity, closed.txid, "other"), "ChannelNotPinned"),
                (node.kept_commitment("00" * 32, closed.txid), "ChannelNotPinned"),
                (node.kept_commitment(identity, "00" * 32), "CommitmentForgotten"),
                (node.kept_commitment(identity, "nothing"), "CommitmentForgotten"),
            ):
                with pytest.raises(CallFailed) as refused:
                    await asked
                assert refused.value.code == name

    asyncio.run(main())
