"""Do channels open on a transaction that others make, sign and publish, and does a forced close bring it along?"""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from lnpd_sdk.envelope import CallFailed
from lnpd_sdk.node import Node as Asked
from lnpd_sdk.plugin import Plugin
from lnpd_sdk.services.factories import Opening
from msgspec.structs import replace

from lnpd.chain.policy import Policy
from lnpd.channel.foreign import MAX_ANCESTORS, MAX_WEIGHT
from lnpd.channel.opening import channel_id_of
from lnpd.channel.state import AwaitingReady, Closed, OnChain
from lnpd.errors import LnpdError
from lnpd.providers.htlc import MAX_ACCEPTED_HTLCS
from lnpd.services.channels import factories
from lnpd.services.node.node import Node
from lnpd.testing import Network, until, until_asked
from lnpd.tx.fees import COMMITMENT_WEIGHT_ANCHORS, HTLC_OUTPUT_WEIGHT
from lnpd.tx.transaction import Tx, TxIn, TxOut
from tests.chain.purse import p2wsh

ANYONE = b"\x52"
GRANTS: dict[str, Any] = {"grants": (("factory", "factory"), ("factory", "chain"), ("other", "factory"))}
AMOUNTS_SAT = (500_000, 300_000)


async def joined(node: Node, name: str = "factory", *capabilities: str) -> Asked:
    plugin = Plugin(name, "1", capabilities=capabilities or ("factory", "chain"))
    await node.plugins.add_in_process(plugin)
    assert plugin.node is not None
    return plugin.node


async def made(network: Network, openings: list[Opening]) -> tuple[Tx, Tx]:
    """A transaction with an output for each channel, and the unconfirmed one that it spends; neither is signed."""
    coin = await network.chain.fund(p2wsh(ANYONE), 1_000_000)
    parent = Tx((TxIn(coin.txid, coin.index),), (TxOut(990_000, p2wsh(ANYONE)),))
    outputs = tuple(TxOut(each.amount_sat, each.script_pubkey) for each in openings)
    return parent, Tx((TxIn(parent.txid, 0),), outputs)


def signed(*transactions: Tx) -> tuple[bytes, ...]:
    return tuple(each.with_witness(0, (ANYONE,)).serialise() for each in transactions)


def unsigned(*transactions: Tx) -> tuple[bytes, ...]:
    return tuple(each.serialise() for each in transactions)


async def opened(network: Network, alice: Node, bob: Node) -> tuple[Asked, list[str], tuple[Tx, Tx]]:
    """Two channels on one transaction that nobody has signed yet."""
    await network.connect(alice, bob)
    node = await joined(alice)
    openings = [await node.open_unfunded(bob.node_id.hex(), each, push_msat=100_000_000) for each in AMOUNTS_SAT]
    parent, funding = await made(network, openings)
    chain = unsigned(parent, funding)
    channels = [await node.fund_unfunded(each.opening, n, chain) for n, each in enumerate(openings)]
    for side in (alice, bob):
        assert {type(driver.channel.phase) for driver in side.channels.drivers.values()} == {AwaitingReady}
    assert await network.chain.transaction(funding.txid) is None
    return node, channels, (parent, funding)


def test_two_channels_on_one_transaction_before_it_is_published(tmp_path: Path) -> None:
    async def main() -> None:
        async with Network(tmp_path) as network:
            alice, bob = await network.node("alice", **GRANTS), await network.node("bob")
            node, channels, chain = await opened(network, alice, bob)
            for each in channels:
                await node.keep_ancestors(each, signed(*chain))
            assert (await network.chain.broadcast(signed(*chain))).outcome.name == "ACCEPTED"
            await network.mine(6)
            for each in channels:
                await network.active(each, alice, bob)
            invoice = await bob.api.invoice(450_000_000, "more than one of them has", 3600)
            with pytest.raises(LnpdError):
                await alice.api.pay(invoice.invoice, None, 20)
            invoice = await bob.api.invoice(300_000_000, "over the larger one", 3600)
            await alice.api.pay(invoice.invoice, None, 20)
            assert (await alice.api.close(channels[1], False, None)).how == "mutual"

    asyncio.run(main())


@pytest.mark.parametrize("signed_when", ["before", "after"])
def test_a_forced_close_brings_along_what_was_kept(tmp_path: Path, signed_when: str) -> None:
    """Before anybody has published it, and after a restart. Kept unsigned, it waits for what is signed."""

    async def main() -> None:
        async with Network(tmp_path) as network:
            alice, bob = await network.node("alice", **GRANTS), await network.node("bob", **GRANTS)
            node, channels, chain = await opened(network, alice, bob)
            other, funding = await joined(bob), chain[1]
            with pytest.raises(CallFailed) as refused:
                await other.keep_ancestors(channels[1], signed(chain[0]))
            assert refused.value.code == "AncestorsUnfit"
            await garbage_and_strangers_are_refused(alice, other, node, channels[1], chain)
            await other.keep_ancestors(channels[1], signed(*chain))  # the acceptor's side may close by force, too
            if signed_when == "before":
                await node.keep_ancestors(channels[0], signed(*chain))
            alice = await network.restart(alice)
            await alice.api.close(channels[0], True, None, not_restored=True)
            if signed_when == "after":
                assert await network.chain.transaction(funding.txid) is None
                await (await joined(alice)).keep_ancestors(channels[0], signed(*chain))

            async def published() -> bool:
                return await network.chain.transaction(funding.txid) is not None

            await until_asked(published, "parents first")
            await network.spent(f"{funding.txid[::-1].hex()}:0")  # then the commitment
            await network.mine(6)
            left, closed = (bob.channels.driver_of(each) for each in reversed(channels))
            await until(lambda: left.channel.depth_reached, "the other channel on the same transaction")
            await until(lambda: isinstance(closed.channel.phase, OnChain), "the close that bob heard of")
            await network.connect(alice, bob)
            await network.active(channels[1], alice, bob)

    asyncio.run(main())


async def garbage_and_strangers_are_refused(alice: Node, there: Asked, node: Asked, channel: str, chain: Any) -> None:
    """`there` is a plugin of the acceptor's."""
    parent, funding = chain
    garbage = funding.with_witness(0, (b"\x00", ANYONE)), funding.with_witness(0, (b"\x51",))
    for asked in (there, node):
        for bad in garbage:
            with pytest.raises(CallFailed, match=r"Input 0 of [0-9a-f]{64} is not signed as what it spends asks for"):
                await asked.keep_ancestors(channel, (*signed(parent), bad.serialise()))
    with pytest.raises(CallFailed, match="an acceptor keeps nothing else"):
        await there.keep_ancestors(channel, (*signed(parent), *unsigned(funding)))
    stranger = await joined(alice, "other", "factory")
    with pytest.raises(CallFailed, match="was not opened by other") as refused:
        await stranger.keep_ancestors(channel, signed(*chain))
    assert refused.value.code == "NotItsFactory"


def test_a_commitment_and_its_child_have_room_behind_what_is_kept() -> None:
    taken = Policy()
    assert taken.max_ancestors >= MAX_ANCESTORS + 2
    most = COMMITMENT_WEIGHT_ANCHORS + 2 * MAX_ACCEPTED_HTLCS * HTLC_OUTPUT_WEIGHT
    assert MAX_WEIGHT + most + 2_000 <= 4 * taken.max_ancestor_vbytes, "the child of an anchor is small"


def test_an_opening_that_the_peer_hung_up_on_makes_room_for_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(factories, "MAX_OPENINGS", 1)

    async def main() -> None:
        async with Network(tmp_path) as network:
            alice, bob = await network.node("alice", **GRANTS), await network.node("bob")
            await network.connect(alice, bob)
            node, peer = await joined(alice), bob.node_id.hex()
            both = await asyncio.gather(*(node.open_unfunded(peer, 200_000) for _ in "ab"), return_exceptions=True)
            (refused,) = [each for each in both if isinstance(each, CallFailed)]
            (begun,) = [each for each in both if isinstance(each, Opening)]
            assert "no more at once" in str(refused)
            await bob.api.disconnect(alice.node_id.hex())
            await until(lambda: begun.opening not in alice.channels.drivers, "the opening is over")
            await network.connect(alice, bob)
            await node.open_unfunded(peer, 200_000)

    asyncio.run(main())


def test_what_does_not_fit_is_refused_by_name(tmp_path: Path) -> None:
    async def main() -> None:
        async with Network(tmp_path) as network:
            alice, bob = await network.node("alice", **GRANTS), await network.node("bob")
            await network.connect(alice, bob)
            node, other = await joined(alice), await joined(alice, "other", "factory")
            begun = await node.open_unfunded(bob.node_id.hex(), 500_000)
            parent, funding = await made(network, [begun])
            short = replace(funding, outputs=(replace(funding.outputs[0], value_sat=499_999),))
            legacy = replace(funding, inputs=(replace(funding.inputs[0], script_sig=b"\x51"),))
            refused: list[tuple[str, Asked, int, tuple[bytes, ...]]] = [
                ("NothingKept", node, 0, ()),
                ("NamedScriptWrong", node, 1, unsigned(parent, funding)),
                ("NamedScriptWrong", node, 0, unsigned(parent)),
                ("NamedAmountWrong", node, 0, unsigned(parent, short)),
                ("AncestorsUnfit", node, 0, unsigned(funding, funding)),
                ("AncestorsUnfit", node, 0, unsigned(parent, legacy)),
                ("AncestorsUnfit", node, 0, unsigned(*[parent] * 26)),
                ("TransactionUnreadable", node, 0, (b"nonsense",)),
                ("NoSuchOpening", other, 0, unsigned(parent, funding)),
            ]
            for code, asked, vout, chain in refused:
                with pytest.raises(CallFailed) as error:
                    await asked.fund_unfunded(begun.opening, vout, chain)
                assert error.value.code == code
            taken = channel_id_of(funding.txid, 0)
            assert alice.channels.parts.ids.claim(taken, "another")
            with pytest.raises(CallFailed) as error:
                await node.fund_unfunded(begun.opening, 0, unsigned(parent, funding))
            assert error.value.code == "OutpointTaken"
            alice.channels.parts.ids.leave("another")
            assert await node.fund_unfunded(begun.opening, 0, unsigned(parent, funding)) == taken.hex()
            with pytest.raises(CallFailed, match="waits for its funding"):
                await node.fund_unfunded(begun.opening, 0, unsigned(parent, funding))
            await nothing_is_left_of_what_is_dropped(node, alice, bob)
            ungranted = await joined(alice, "nobody", "factory")
            with pytest.raises(CallFailed) as error:
                await ungranted.open_unfunded(bob.node_id.hex(), 500_000)
            assert error.value.code == "CapabilityMissing"

    asyncio.run(main())


async def nothing_is_left_of_what_is_dropped(node: Asked, alice: Node, bob: Node) -> None:
    begun = await node.open_unfunded(bob.node_id.hex(), 200_000)
    (left,) = [d for d in bob.channels.drivers.values() if d.channel.capacity_sat == 200_000]
    await node.drop_unfunded(begun.opening)
    await until(lambda: isinstance(left.channel.phase, Closed), "the peer heard of it")
    assert begun.opening not in alice.channels.drivers
    for peer, code in ((bob.node_id.hex()[2:], "UnknownPeer"), ("02" * 33, "PeerNotConnected")):
        with pytest.raises(CallFailed) as error:
            await node.open_unfunded(peer, 200_000)
        assert error.value.code == code
