"""Is every spend of the funding recognised, and is what is ours claimed when it may be?"""

import pytest
from lnpd_sdk.types import Party
from msgspec.structs import replace

from lnpd import errors
from lnpd.channel import actions, events, queries
from lnpd.channel.state import Closed, Failed, OnChain
from lnpd.crypto.shachain import per_commitment_secret
from lnpd.providers.types import STATIC_REMOTEKEY
from lnpd.tx.funding import locktime_and_sequence
from lnpd.tx.graph import ChannelType
from lnpd.tx.sweeps import make_claim
from lnpd.tx.transaction import Tx, TxIn, TxOut
from tests.channel.harness import PLAIN, SCRIPTS, WITH_VAULT, Node, Pair, add, opened, preimage
from tests.channel.vault import body

HEIGHT = 500_100


def spend(node: Node, tx: Tx, depth: int = 1, height: int = HEIGHT) -> None:
    """The funding is spent by this transaction."""
    funding = node.channel.fundings[0]
    node.run(events.OutputSpent(funding.txid, funding.vout, tx, height, depth))


def on_chain(node: Node) -> OnChain:
    assert isinstance(node.channel.phase, OnChain)
    return node.channel.phase


def statuses(node: Node) -> dict[str, str]:
    return {f"{r.provider} {r.id}": r.status for r in on_chain(node).resolutions}


def claims(node: Node) -> list[actions.Claim]:
    return [a for a in node.did if isinstance(a, actions.Claim)]


def commitment(pair: Pair, holder: Party, number: int) -> queries.Kept:
    node = pair.nodes[holder]
    kept = node.kept(queries.commitment_key(node.channel.fundings[0].txid, holder, number))
    assert kept is not None
    return kept


def test_a_mutual_close() -> None:
    pair = opened()
    pair.command(1, events.Close(SCRIPTS[1], 100, 3000))
    pair.settle()
    tx = pair.nodes[0].broadcast[-1]
    for node in pair.nodes:
        spend(node, tx)
        assert on_chain(node).spend == "mutual" and not on_chain(node).resolutions
        spend(node, tx, depth=100)
        assert isinstance(node.channel.phase, Closed)


@pytest.mark.parametrize("channel_type", [STATIC_REMOTEKEY, PLAIN], ids=["static_remotekey", "anchors"])
def test_our_latest_commitment(channel_type: ChannelType) -> None:
    pair = opened(channel_type)
    pair.command(0, add(1))
    pair.settle()
    node = pair.nodes[0]
    node.run(events.ForceClose())
    tx = node.broadcast[-1]
    spend(node, tx)
    assert on_chain(node).spend == "ours"
    assert statuses(node)["base main/0"] == "waiting" and statuses(node)["htlc 0/0"] == "waiting"
    assert not claims(node)
    node.run(events.Block(HEIGHT + 142))
    assert not claims(node)
    node.run(events.Block(HEIGHT + 143))  # the next block may hold it
    (claim,) = claims(node)
    assert "base main/0" in [f"{c.output.provider} {c.output.id}" for c in claim.claims] and not claim.secret
    graph = node.latest().graph
    made = make_claim(graph, claim.claims, claim.destination, 253)
    assert made.tx.outputs[0].script_pubkey == SCRIPTS[0]
    assert max(i.sequence for i in made.tx.inputs if i.sequence < 1000) == 144


@pytest.mark.parametrize("channel_type", [STATIC_REMOTEKEY, PLAIN], ids=["static_remotekey", "anchors"])
def test_the_peers_current_and_next_commitment(channel_type: ChannelType) -> None:
    pair = opened(channel_type)
    pair.command(0, add(1))
    pair.command(0, events.Commit())
    node = pair.nodes[0]
    for number, expected in ((1, "theirs_next"), (0, "theirs")):
        stored = node.channel
        kept = node.kept(queries.commitment_key(node.channel.fundings[0].txid, 1, number))
        assert kept is not None
        spend(node, kept.graph.tx)
        assert on_chain(node).spend == expected
        assert statuses(node)["base main/0"] == "claiming"
        (claim,) = claims(node)
        make_claim(kept.graph, claim.claims, claim.destination, 253)
        node.store(stored)
        node.did.clear()


def test_a_revoked_commitment_is_punished_at_once_and_whole() -> None:
    pair = opened(WITH_VAULT)
    pair.command(1, events.Propose("vault", body("put", 50_000)))
    pair.command(0, add(1))
    pair.command(1, add(2))
    pair.settle()
    number = pair.nodes[1].channel.numbers[1]
    cheat = commitment(pair, 1, number)
    pair.command(0, add(3))
    pair.settle()
    node = pair.nodes[0]
    spend(node, cheat.graph.tx)
    assert on_chain(node).spend == "revoked"
    (claim,) = claims(node)
    taken = {f"{c.output.provider} {c.output.id}": c.path.name for c in claim.claims}
    assert (taken["base main/1"] == "revocation" and taken["base main/0"] == "payment") or "base main/0" not in taken
    assert taken["htlc 0/0"] == taken["htlc 1/0"] == "revocation" and "vault 1" in taken
    assert claim.deadline_height == HEIGHT + 144 and claim.secret == _secret(pair, number)


def _secret(pair: Pair, number: int) -> bytes:
    return per_commitment_secret(pair.nodes[1].signer.seed, number)


def test_a_cheats_second_stage_is_punished_too() -> None:
    pair = opened()
    pair.command(1, add(1, 50_000_000))
    pair.settle()
    number = pair.nodes[1].channel.numbers[1]
    cheat = commitment(pair, 1, number)
    pair.command(0, events.Fail(0, b""))
    pair.settle()
    node = pair.nodes[0]
    spend(node, cheat.graph.tx)
    (child,) = cheat.graph.children
    # The cheat adds an input for the fee and its change, as SINGLE|ANYONECANPAY lets it.
    tx = replace(child.tx, inputs=(TxIn(b"\x44" * 32, 0), *child.tx.inputs), outputs=(TxOut(9, b""), *child.tx.outputs))
    node.run(events.OutputSpent(cheat.graph.tx.txid, child.vout, tx, HEIGHT + 1))
    first, claim = claims(node)  # the first one goes on without the output that the cheat moved on
    assert [(c.txid, c.vout, c.child, c.path.name) for c in claim.claims] == [(tx.txid, 1, 0, "revocation")]
    assert {c.output.id for c in first.claims} > {"main/0", "main/1"}
    assert statuses(node)["base main/0"] == statuses(node)["base main/1"] == "claiming"
    assert statuses(node)[f"htlc {child.outputs[0].id}"] == "claiming"


def test_a_future_commitment_pays_us_our_own_output() -> None:
    pair = opened()
    node = pair.nodes[0]
    latest = commitment(pair, 1, 0).graph
    basepoints = (node.channel.terms[0].payment_basepoint, node.channel.terms[1].payment_basepoint)
    locktime, sequence = locktime_and_sequence(7, basepoints)
    tx = replace(latest.tx, locktime=locktime, inputs=(replace(latest.tx.inputs[0], sequence=sequence),))
    spend(node, tx)
    assert on_chain(node).spend == "future"
    (claim,) = claims(node)
    kept = node.kept(claim.commitment)
    assert kept is not None
    assert [c.output.id for c in claim.claims] == ["main/0"]
    make_claim(kept.graph, claim.claims, claim.destination, 253)


def test_an_unknown_spend_raises_the_alarm_and_never_closes() -> None:
    pair = opened()
    node = pair.nodes[0]
    funding = node.channel.fundings[0]
    tx = Tx((TxIn(funding.txid, funding.vout),), (TxOut(1, b"\x51"),))
    spend(node, tx)
    spend(node, tx, depth=100)
    assert on_chain(node).spend == "unknown"


def test_resolution_at_depth_closes_the_channel() -> None:
    pair = opened()
    node = pair.nodes[1]
    kept = commitment(pair, 0, 0)
    spend(node, kept.graph.tx)
    (claim,) = claims(node)
    made = make_claim(kept.graph, claim.claims, claim.destination, 253).tx
    mains = [r for r in on_chain(node).resolutions if r.kind != "anchor"]
    spend(node, kept.graph.tx, depth=100)
    for depth, expected in ((1, "spent"), (100, "resolved")):
        for r in mains:
            node.run(events.OutputSpent(r.txid, r.vout, made, HEIGHT + 1, depth))
        if depth == 1:
            assert statuses(node)["base main/1"] == expected
    assert isinstance(node.channel.phase, Closed)


def test_reorganisations_take_back_what_they_undid() -> None:
    pair = opened()
    node = pair.nodes[1]
    kept = commitment(pair, 0, 0)
    spend(node, kept.graph.tx)
    (claim,) = claims(node)
    made = make_claim(kept.graph, claim.claims, claim.destination, 253).tx
    for taken in claim.claims:
        node.run(events.OutputSpent(taken.txid, taken.vout, made, HEIGHT + 1))
    assert statuses(node)["base main/1"] == "spent"
    node.run(events.OutputUnspent(claim.claims[0].txid, claim.claims[0].vout))
    assert "claiming" in statuses(node).values()  # the Claim that was given goes on
    node.run(events.OutputUnspent(node.channel.fundings[0].txid, node.channel.fundings[0].vout))
    assert isinstance(node.channel.phase, Failed)
    ours = node.latest().graph.tx
    spend(node, ours)
    assert on_chain(node).spend == "ours"


def test_another_spender_after_a_reorganisation() -> None:
    pair = opened()
    node = pair.nodes[1]
    spend(node, commitment(pair, 0, 0).graph.tx)
    spend(node, node.latest().graph.tx, height=HEIGHT + 3)
    assert on_chain(node).spend == "ours" and on_chain(node).height == HEIGHT + 3


DEADLINES: dict[str, tuple[Party, bool, int, type[Exception] | None]] = {
    "offered, before its expiry": (0, False, 600_001, None),
    "offered, after its expiry and the grace": (0, False, 600_002, errors.HtlcTimedOut),
    "received and not fulfilled": (1, False, 600_100, None),
    "fulfilled, long before": (1, True, 599_981, None),
    "fulfilled, at the deadline": (1, True, 599_982, errors.FulfillmentDeadlinePassed),
}


@pytest.mark.parametrize(("party", "fulfil", "height", "error"), DEADLINES.values(), ids=DEADLINES)
def test_deadlines_close_from_stored_data(
    party: Party, fulfil: bool, height: int, error: type[Exception] | None
) -> None:
    pair = opened(WITH_VAULT)
    pair.command(0, add(1))
    pair.settle()
    pair.cut()
    node = pair.nodes[party]
    if fulfil:
        node.run(events.Fulfill(0, preimage(1)))
    node.providers = {}  # no provider is asked
    before = len(node.broadcast)
    node.run(events.Block(height))
    assert isinstance(node.channel.phase, Failed) == (error is not None)
    assert len(node.broadcast) == before + (error is not None)


def test_a_developer_may_turn_deadlines_off() -> None:
    pair = opened()
    pair.command(0, add(1))
    pair.settle()
    node = pair.nodes[0]
    node.store(replace(node.channel, policy=replace(node.channel.policy, htlc_deadlines=False)))
    node.run(events.Block(700_000))
    assert not isinstance(node.channel.phase, Failed)
