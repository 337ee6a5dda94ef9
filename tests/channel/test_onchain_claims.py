"""Which outputs share a claim, when does one leave it, and what becomes of a claim whose output is gone?"""

import pytest
from msgspec.structs import replace

from lnpd.channel import actions, events
from lnpd.channel.onchain_claims import ALONE_BLOCKS
from lnpd.channel.state import OnChain
from lnpd.providers.types import ANCHORS_ZERO_FEE_HTLC_TX, STATIC_REMOTEKEY
from lnpd.tx.claims import RACE_BLOCKS
from lnpd.tx.graph import ChannelType
from lnpd.tx.transaction import Tx, TxIn
from tests.channel.harness import Node, Pair, add, opened, preimage

HEIGHT, EXPIRY = 500_100, 500_200
KINDS = {"static_remotekey": STATIC_REMOTEKEY, "anchors": ANCHORS_ZERO_FEE_HTLC_TX}


def spend(node: Node, tx: Tx, height: int = HEIGHT) -> None:
    funding = node.channel.fundings[0]
    node.run(events.OutputSpent(funding.txid, funding.vout, tx, height))


def on_chain(node: Node) -> OnChain:
    assert isinstance(node.channel.phase, OnChain)
    return node.channel.phase


def latest_claims(node: Node) -> dict[str, actions.Claim]:
    """The claims that are given now, by key."""
    return {a.key: a for a in node.did if isinstance(a, actions.Claim)}


def groups(node: Node) -> list[set[str]]:
    """What is claimed together, HTLCs only."""
    found = [{c.output.id for c in a.claims if c.output.provider == "htlc"} for a in latest_claims(node).values()]
    return sorted((group for group in found if group), key=sorted)


def received(channel_type: ChannelType, *expiries: int) -> Pair:
    """Party 0 offers HTLCs with these expiries, and party 1 has decided to claim them all."""
    pair = opened(channel_type)
    for number, expiry in enumerate(expiries):
        pair.command(0, add(number, 20_000_000, expiry))
    pair.settle()
    pair.cut()
    for number in range(len(expiries)):
        pair.nodes[1].run(events.Fulfill(number, preimage(number)))
    return pair


SHARED: dict[str, tuple[ChannelType, bool, list[set[str]]]] = {
    # Alone: each HTLC transaction of static_remotekey, and whatever is close; but none with a preimage that may share:
    # the peer has nothing that could hold it up before the expiry, and each more would need a coin.
    "static_remotekey, ours": (STATIC_REMOTEKEY, True, [{"0/0"}, {"0/1"}, {"0/2"}]),
    "static_remotekey, theirs": (STATIC_REMOTEKEY, False, [{"0/0", "0/1"}, {"0/2"}]),
    "anchors, ours": (ANCHORS_ZERO_FEE_HTLC_TX, True, [{"0/0", "0/1", "0/2"}]),
    "anchors, theirs": (ANCHORS_ZERO_FEE_HTLC_TX, False, [{"0/0", "0/1"}, {"0/2"}]),
}


@pytest.mark.parametrize(("channel_type", "ours", "expected"), SHARED.values(), ids=SHARED)
def test_what_shares_a_transaction(channel_type: ChannelType, ours: bool, expected: list[set[str]]) -> None:
    pair = received(channel_type, EXPIRY, EXPIRY + 5, HEIGHT + ALONE_BLOCKS)
    node = pair.nodes[1]
    spend(node, (node if ours else pair.nodes[0]).latest().graph.tx)
    node.run(events.Block(HEIGHT))
    assert groups(node) == expected
    for claim in latest_claims(node).values():
        rivals = [c.rival_height for c in claim.claims if c.rival_height]
        assert claim.deadline_height == min(rivals, default=0)


def test_timeouts_share_a_transaction_by_their_expiry() -> None:
    pair = opened()
    for number, expiry in enumerate((EXPIRY, EXPIRY, EXPIRY + 1)):
        pair.command(0, add(number, 20_000_000, expiry))
    pair.settle()
    node = pair.nodes[0]
    node.run(events.ForceClose())
    spend(node, node.broadcast[-1])
    node.run(events.Block(EXPIRY - 1))
    assert groups(node) == []
    node.run(events.Block(EXPIRY + 1))
    assert groups(node) == [{"0/0", "0/1"}, {"0/2"}]
    assert all(c.deadline_height >= EXPIRY + RACE_BLOCKS for c in latest_claims(node).values() if c.deadline_height)


@pytest.mark.parametrize("channel_type", KINDS.values(), ids=KINDS)
def test_an_output_leaves_its_company_as_its_expiry_nears(channel_type: ChannelType) -> None:
    pair = received(channel_type, EXPIRY, EXPIRY + 5)
    node = pair.nodes[1]
    spend(node, pair.nodes[0].latest().graph.tx)
    node.run(events.Block(EXPIRY - ALONE_BLOCKS - 1))
    (whole,) = latest_claims(node).values()
    assert groups(node) == [{"0/0", "0/1"}]
    node.run(events.Block(EXPIRY - ALONE_BLOCKS))
    assert groups(node) == [{"0/0"}, {"0/1"}]
    rest, alone = latest_claims(node).values()
    assert rest.key == whole.key and {c.output.id for c in alone.claims} == {"0/0"}
    before = len(node.did)
    node.run(events.Block(EXPIRY - ALONE_BLOCKS + 1))
    assert not [a for a in node.did[before:] if isinstance(a, actions.Claim)], "once is enough"


def test_htlc_transactions_with_preimages_stay_together_to_the_end() -> None:
    pair = received(ANCHORS_ZERO_FEE_HTLC_TX, EXPIRY, EXPIRY + 5)
    node = pair.nodes[1]
    spend(node, node.latest().graph.tx)
    for height in (EXPIRY - ALONE_BLOCKS - 1, EXPIRY - ALONE_BLOCKS, EXPIRY - 1, EXPIRY):
        node.run(events.Block(height))
        assert groups(node) == [{"0/0", "0/1"}]


def test_timeouts_stand_alone_as_soon_as_a_preimage_is_a_danger() -> None:
    pair = opened()
    for number in range(3):
        pair.command(0, add(number, 20_000_000, EXPIRY))
    pair.settle()
    node = pair.nodes[0]
    node.run(events.ForceClose())
    spend(node, node.broadcast[-1])
    close = EXPIRY + RACE_BLOCKS - ALONE_BLOCKS
    for height, expected in ((close - 1, [{"0/0", "0/1", "0/2"}]), (close, [{"0/0"}, {"0/1"}, {"0/2"}])):
        node.run(events.Block(height))
        assert groups(node) == expected


def test_an_output_that_a_fork_unmade_is_taken_out_of_its_claim() -> None:
    pair = received(ANCHORS_ZERO_FEE_HTLC_TX, EXPIRY, EXPIRY + 5)
    node = pair.nodes[1]
    node.run(events.ForceClose())
    graph = node.latest().graph
    spend(node, node.broadcast[-1])
    moved = []
    for child in graph.children:
        fee = TxIn(bytes([child.vout + 1]) * 32, 0)
        moved.append(replace(child.tx, inputs=(*child.tx.inputs, fee)))
        node.run(events.OutputSpent(graph.tx.txid, child.vout, moved[-1], HEIGHT + 1))
    node.run(events.Block(HEIGHT + 144))
    (sweep,) = [c for c in latest_claims(node).values() if any(each.child >= 0 for each in c.claims)]
    assert {c.txid for c in sweep.claims if c.child >= 0} == {tx.txid for tx in moved}
    node.run(events.OutputUnspent(graph.tx.txid, graph.children[0].vout))
    again = latest_claims(node)[sweep.key]
    assert {c.txid for c in again.claims if c.child >= 0} == {moved[1].txid}
    statuses = {(r.txid, r.vout): r.status for r in on_chain(node).resolutions}
    assert statuses[graph.tx.txid, graph.children[0].vout] == "claiming", "its own Claim goes on"
    assert (moved[0].txid, 0) not in statuses
    node.run(events.OutputSpent(graph.tx.txid, graph.children[0].vout, moved[0], HEIGHT + 150))
    assert {(r.txid, r.height) for r in on_chain(node).resolutions if r.child == 0} == {(moved[0].txid, HEIGHT + 150)}
