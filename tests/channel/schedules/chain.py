"""How does a schedule end on the chain: by a mutual close, by the latest commitment of a side, or by a revoked one?

The transactions are judged before they confirm; claims are made from the actions of the machines, signed, judged, and
confirmed in turn. A reorganisation takes back each first spend once.
"""

from lnpd.channel import actions, events
from lnpd.channel.state import Closed, OnChain
from lnpd.errors import ClaimUneconomic
from lnpd.tx.claims import make_claim
from lnpd.tx.funding import funding_script_pubkey
from lnpd.tx.transaction import Tx
from tests.channel.harness import Node
from tests.channel.schedules import checks, judge
from tests.channel.schedules.observed import DELAYS
from tests.channel.schedules.world import DEPTH, HEIGHT, World


def end_mutual(world: World, party: int, value: int) -> None:
    """Everything is settled, and both agree on a closing transaction."""
    world.finish()
    if world.over():
        end_force(world, party, value)
        return
    checks.at_rest(world)
    world.close(party, value)
    world.calm()
    tx = checks.closing_of(world)
    _judge_spend(world, tx)
    _confirm(world, tx, reorganised=value % 2 == 0)
    for node in world.nodes:
        assert isinstance(node.channel.phase, Closed), node.channel.phase


def end_force(world: World, party: int, value: int) -> None:
    """A side closes in the middle of what was under way; the other hears of it, or sees it on the chain."""
    world.force(party, 0)
    if value % 2:
        world.deliver(party, 3)
    candidates = [tx for node in world.nodes for tx in node.broadcast if _spends_funding(world, tx)]
    if not candidates:
        return  # given up before it was funded
    tx = candidates[value // 2 % len(candidates)]
    _judge_spend(world, tx)
    _confirm(world, tx, reorganised=value % 4 == 3)


def end_cheat(world: World, party: int, value: int) -> None:
    """After everything has come to rest, a side broadcasts a commitment that it has revoked."""
    world.calm()
    holder, victim = world.nodes[party], world.nodes[1 - party]
    revoked = [each for each in holder.signer.held.values() if each[0].number < holder.channel.numbers[party]]
    if world.over() or not revoked:
        end_force(world, party, value)
        return
    checks.at_rest(world)
    graph, signatures = revoked[value % len(revoked)]
    tx = judge.judge_commitment(holder, graph, signatures, world.numbers)
    funding = graph.funding
    victim.run(events.OutputSpent(funding.txid, funding.vout, tx, HEIGHT))
    phase = victim.channel.phase
    assert isinstance(phase, OnChain) and phase.spend == "revoked"
    assert all(r.status == "claiming" or r.kind == "anchor" for r in phase.resolutions), phase.resolutions
    _follow(world, [victim], tx, funding.txid, funding.vout)
    assert isinstance(victim.channel.phase, Closed), victim.channel.phase


def end_nothing(world: World, party: int, value: int) -> None:
    """The story has been told already."""


ENDINGS = {"mutual": end_mutual, "cheat": end_cheat, "force": end_force, "nothing": end_nothing}


def _spends_funding(world: World, tx: Tx) -> bool:
    outpoints = {(f.txid, f.vout) for node in world.nodes for f in node.channel.fundings}
    return (tx.inputs[0].txid, tx.inputs[0].vout) in outpoints


def _judge_spend(world: World, tx: Tx) -> None:
    funding = world.nodes[0].channel.fundings[0]
    spent = (funding.capacity_sat, funding_script_pubkey(funding.funding_keys))
    judge.judge("closes", tx, [spent])


def _confirm(world: World, tx: Tx, *, reorganised: bool) -> None:
    """Both sides see this spend of the funding, perhaps undone once before; then all that follows from it."""
    txid, vout = tx.inputs[0].txid, tx.inputs[0].vout
    for node in world.nodes:
        node.run(events.OutputSpent(txid, vout, tx, HEIGHT))
        assert isinstance(node.channel.phase, OnChain) and node.channel.phase.spend != "unknown", node.channel.phase
        if reorganised:
            node.run(events.OutputUnspent(txid, vout))
            node.run(events.OutputSpent(txid, vout, tx, HEIGHT))
    _follow(world, list(world.nodes), tx, txid, vout)


def _follow(world: World, nodes: list[Node], tx: Tx, txid: bytes, vout: int) -> None:
    """Blocks go by, claims confirm, everything becomes deep."""
    for node in nodes:
        done: set[str] = set()
        for height in (HEIGHT, HEIGHT + 1, *(HEIGHT + delay + more for delay in DELAYS for more in (-2, -1))):
            node.run(events.Block(height))
            for claim in [a for a in node.did if isinstance(a, actions.Claim) and a.key not in done]:
                done.add(claim.key)
                _claim(node, claim, height)
        node.run(events.OutputSpent(txid, vout, tx, HEIGHT, DEPTH))
        phase = node.channel.phase
        if isinstance(phase, OnChain):  # what this release does not claim yet, or what is not worth its fee
            assert all(
                r.status in ("resolved", "unclaimed", "claiming") or r.kind == "anchor" for r in phase.resolutions
            )


def _claim(node: Node, action: actions.Claim, height: int) -> None:
    kept = node.kept(action.commitment)
    assert kept is not None
    soonest = max(each.path.older for each in action.claims if each.output.kind != "anchor")
    assert height == HEIGHT + max(soonest - 1, 0), "a claim comes as soon as it may be in the next block"
    try:
        claim = make_claim(kept.graph, action.claims, action.destination, judge.FEERATE_PER_KW)
    except ClaimUneconomic:
        judge.COUNTS["uneconomic claims"] += 1
        return
    tx = judge.complete_claim(node, kept.graph, claim, action.secret)
    judge.judge("claims", tx, judge.spent_by(claim))
    for depth in (1, DEPTH):
        for each in (*claim.inputs, *claim.uneconomic):
            node.run(events.OutputSpent(each.txid, each.vout, tx, height, depth))
