"""What has to be true of two channels: at any moment of a schedule, and whenever nothing is under way."""

from collections import Counter

from lnpd_sdk.script import Key

from lnpd.channel import actions
from lnpd.channel.queries import commitment_key
from lnpd.channel.state import Negotiating, Quiescence
from lnpd.tx.states import feerate_of, htlcs_of
from lnpd.tx.transaction import Tx
from tests.channel.harness import Node, preimage
from tests.channel.schedules.observed import DELAYS
from tests.channel.schedules.world import COUNTS, World
from tests.channel.vault import NAME as VAULT
from tests.channel.vault import body, boxes


def at_any_moment(world: World) -> None:
    """No msat is lost or made, both sides have the same idea of every commitment that was signed, and nobody erred."""
    for node in world.nodes:
        channel = node.channel
        if channel.fundings:
            assert sum(channel.base.balances_msat) == 1000 * channel.capacity_sat
            assert min(channel.base.balances_msat) >= 0
        _check_new_commitments(world, node)
        if not world.strange:
            assert not node.errors, f"party {node.us}: {node.errors[0]!r}"
        proposers = {p.update.proposer for p in channel.log if p.update.provider == VAULT}
        COUNTS["crossing extension updates"] += len(proposers) == 2
    quiet = [node.channel.quiescence for node in world.nodes]
    assert not all(q.quiescent for q in quiet) or quiet[0].initiator == quiet[1].initiator


def _check_new_commitments(world: World, node: Node) -> None:
    """What this side holds is what the other one signed; its outputs and its fee are the capacity."""
    held = node.signer.held
    seen = world.checked[node.us]
    if len(held) == seen:
        return
    peer = world.nodes[1 - node.us]
    for (txid, number), (graph, _) in list(held.items())[seen:]:
        kept = peer.kept(commitment_key(txid, node.us, number))
        assert kept is not None and kept.graph == graph, "the two sides differ in a commitment"
        assert sum(o.value_sat for o in graph.outputs) + graph.fee_sat == graph.funding.capacity_sat
        assert sum(graph.balances_msat) == 1000 * graph.funding.capacity_sat and min(graph.balances_msat) >= 0
        assert all(output.value_sat > 0 for output in graph.outputs)
        delays = {p.older for o in graph.outputs for p in o.paths if Key.DELAYED in p.keys}
        assert delays <= {DELAYS[1 - node.us]}, "a holder waits for what the other side has demanded"
        COUNTS["agreed commitments"] += 1
    world.checked[node.us] = len(held)


def at_rest(world: World) -> bool:
    """Compare both sides with each other and with the ledger, if nothing is under way; whether it was so."""
    pair, ledger = world.pair, world.ledger
    a, b = (node.channel for node in world.nodes)
    if world.over() or world.strange or not (pair.connected and a.live and b.live) or not all((*a.ready, *b.ready)):
        return False
    if a.quiescence != Quiescence() or b.quiescence != Quiescence():
        return False
    if a.funding_undone or b.funding_undone:  # decisions wait
        return False
    COUNTS["rests"] += 1
    pair.check()
    assert not a.log and not b.log, "the logs are not empty"
    assert a.base.balances_msat == ledger.balances_msat(), (a.base.balances_msat, ledger.balances_msat())
    states = dict(a.base.states)
    assert feerate_of(a.base.states) == ledger.feerate_per_kw()
    if VAULT in states:
        assert boxes(states[VAULT]) == ledger.boxes_sat()
    live = {(p, i) for p in (0, 1) for i, h in enumerate(ledger.htlcs[p]) if h.fulfilled is None}
    assert {(h.offerer, h.id) for h in htlcs_of(a.base.states)} == live
    for node in world.nodes:
        _check_commitments(world, node)
        _check_told(world, node)
    return True


def _check_commitments(world: World, node: Node) -> None:
    """The latest commitment on every funding has the outputs that BOLT 3's arithmetic wants."""
    expected = world.ledger.outputs_sat(node.us, world.start.dust_sat[node.us])
    for funding in node.channel.fundings:
        kept = node.kept(commitment_key(funding.txid, node.us, node.channel.numbers[node.us]))
        assert kept is not None
        assert sorted(o.value_sat for o in kept.graph.tx.outputs) == expected, (node.us, expected, kept.graph.outputs)


def _check_told(world: World, node: Node) -> None:
    """Payments and plugins have heard of everything that happened, and of nothing else."""
    us, ledger = node.us, world.ledger
    ours, theirs = ledger.htlcs[us], ledger.htlcs[1 - us]
    assert [o.reference for o in node.told(actions.HtlcOffered)] == [str(n) for n in ledger.offered[us]]
    forgotten = Counter(ledger.forgotten[us])
    assert len(node.told(actions.HtlcForgotten)) == forgotten["htlc"]
    assert len(node.told(actions.ExtensionForgotten)) == forgotten["move"]
    assert {(r.id, r.amount_msat) for r in node.told(actions.HtlcReceived)} == {
        (i, h.amount_msat) for i, h in enumerate(theirs)
    }
    assert {(f.id, f.preimage) for f in node.told(actions.HtlcFulfilled)} == {
        (i, preimage(h.number)) for i, h in enumerate(ours) if h.fulfilled
    }
    assert sorted(f.id for f in node.told(actions.HtlcFailed)) == [
        i for i, h in enumerate(ours) if h.fulfilled is False
    ]
    committed = Counter((c.proposer, c.body) for c in node.told(actions.ExtensionCommitted))
    assert committed == Counter((m.party, body(m.verb, m.amount_sat)) for m in ledger.moves)


def closing_of(world: World) -> Tx:
    """The closing transaction that both sides agreed on and broadcast, once it pays what the ledger says."""
    for node in world.nodes:
        assert isinstance(node.channel.phase, Negotiating) and node.channel.phase.agreed_fee_sat >= 0, (
            node.channel.phase
        )
    tx, again = (node.broadcast[-1] for node in world.nodes)
    assert tx == again
    phase = world.nodes[0].channel.phase
    assert isinstance(phase, Negotiating)
    left = [msat // 1000 for msat in world.ledger.balances_msat()]
    left[0] -= phase.agreed_fee_sat
    scripts = world.nodes[0].channel.shutdown
    by_dust_limit = [
        sorted(p for p in zip(left, scripts, strict=True) if p[0] >= dust_sat) for dust_sat in world.start.dust_sat
    ]
    assert sorted((o.value_sat, o.script_pubkey) for o in tx.outputs) in by_dust_limit
    return tx
