"""How does a schedule end on the chain: by a mutual close, by the latest commitment of a side, or by a revoked one?

The transactions are judged before they confirm; claims are made from the actions of the machines, signed, judged, and
confirmed in turn, until nothing is left. A reorganisation takes back each first spend once.
"""

from collections.abc import Callable

from lnpd.channel import actions, events
from lnpd.channel.state import Closed, Failed, OnChain
from lnpd.errors import ClaimUneconomic
from lnpd.tx.funding import funding_script_pubkey
from lnpd.tx.states import htlcs_of
from lnpd.tx.sweeps import make_claim
from lnpd.tx.transaction import Tx
from tests.channel.harness import SUPPLIED, Node, preimage
from tests.channel.schedules import checks, judge
from tests.channel.schedules.observed import DELAYS
from tests.channel.schedules.world import DEPTH, EXPIRY_HEIGHT, HEIGHT, World


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
    _decide_late(world, len(tx.outputs))
    for node in world.nodes:
        node.run(events.OutputSpent(txid, vout, tx, HEIGHT))
        assert isinstance(node.channel.phase, OnChain) and node.channel.phase.spend != "unknown", node.channel.phase
        if reorganised:
            node.run(events.OutputUnspent(txid, vout))
            node.run(events.OutputSpent(txid, vout, tx, HEIGHT))
    _decide_late(world, len(tx.outputs) + 1)
    _follow(world, list(world.nodes), tx, txid, vout)


def _decide_late(world: World, value: int) -> None:
    """What was not decided before is decided while the chain settles it."""
    for node in world.nodes:
        phase = node.channel.phase
        decided = {d.id for d in node.channel.decisions}
        if world.start.kind == "gated" and isinstance(phase, Failed | OnChain):
            node.run(SUPPLIED)
        for htlc in htlcs_of(node.channel.base.states):
            if htlc.offerer == node.channel.them and htlc.id not in decided and isinstance(phase, Failed | OnChain):
                known = preimage(world.numbers[htlc.payment_hash])
                node.run(LATE[(value + htlc.id) % len(LATE)](htlc.id, known))


LATE: tuple[Callable[[int, bytes], events.Event], ...] = (
    lambda number, known: events.Fulfill(number, known),
    lambda number, known: events.Fulfill(number, known),
    lambda number, _: events.Fail(number, b"reason"),
    lambda number, _: events.FailMalformed(number, bytes(32), 0x8000 | 4),
)


def _follow(world: World, nodes: list[Node], tx: Tx, txid: bytes, vout: int) -> None:
    """Blocks go by, claims confirm as soon as they may, everything becomes deep, and every channel is closed."""
    chain = Chain(nodes, HEIGHT)
    chain.spent[txid, vout] = (tx, HEIGHT)
    locks = (*DELAYS, DELAYS[-1] + 1)
    expiries = range(EXPIRY_HEIGHT - 1, EXPIRY_HEIGHT + 6)
    later = (expiry + lock + more for expiry in expiries for lock in (0, *locks) for more in (-1, 0))
    soon = (HEIGHT + lock + more for lock in (0, *locks) for more in (-1, 0, 1) if lock + more >= 0)
    for height in sorted({*soon, *later}):
        chain.pass_to(height)
    chain.bury()
    for node in nodes:
        phase = node.channel.phase
        if isinstance(phase, OnChain):
            left = [r for r in phase.resolutions if r.status != "resolved" and r.kind != "anchor"]
            assert {(r.txid, r.vout) for r in left} <= chain.uneconomic, left
        else:
            assert isinstance(phase, Closed), phase


class Chain:
    """Whatever the nodes claim confirms in the next block, if nobody else was first."""

    def __init__(self, nodes: list[Node], height: int) -> None:
        self.nodes, self.height = nodes, height
        self.spent: dict[tuple[bytes, int], tuple[Tx, int]] = {}
        self.uneconomic: set[tuple[bytes, int]] = set()
        self._seen = {node.us: 0 for node in nodes}

    def pass_to(self, height: int) -> None:
        """The blocks up to a height."""
        self.height = height
        for node in self.nodes:
            node.run(events.Block(height))
        for node in self.nodes:
            for claim in self._new_claims(node):
                self._claim(node, claim)

    def _new_claims(self, node: Node) -> list[actions.Claim]:
        new = {a.key: a for a in node.did[self._seen[node.us] :] if isinstance(a, actions.Claim)}
        self._seen[node.us] = len(node.did)
        return list(new.values())

    def _claim(self, node: Node, action: actions.Claim) -> None:
        kept = node.kept(action.commitment)
        assert kept is not None
        for each in action.claims:
            assert self.height >= each.path.after, "a claim comes before its lock"
        left = [c for c in action.claims if (c.txid, c.vout) not in self.spent]
        if not left:
            return
        if left[0].stage >= 0:
            tx, taken = judge.complete_stage(node, kept, left), left
        else:
            try:
                claim = make_claim(kept.graph, left, action.destination, judge.FEERATE_PER_KW)
            except ClaimUneconomic:
                judge.COUNTS["uneconomic claims"] += 1
                self.uneconomic |= {(c.txid, c.vout) for c in left}
                return
            tx, taken = judge.complete_claim(node, kept.graph, claim, action.secret), list(claim.inputs)
            self.uneconomic |= {(c.txid, c.vout) for c in claim.uneconomic}
            judge.judge("claims", tx, judge.spent_by(claim))
        for each in taken:
            self.spent[each.txid, each.vout] = (tx, self.height)
            for party in self.nodes:
                party.run(events.OutputSpent(each.txid, each.vout, tx, self.height))

    def bury(self) -> None:
        """Everything becomes as deep as it has to be."""
        for (txid, vout), (tx, height) in self.spent.items():
            for node in self.nodes:
                node.run(events.OutputSpent(txid, vout, tx, height, DEPTH))
        for node in self.nodes:
            node.run(events.Block(self.height + 2 * DEPTH))
