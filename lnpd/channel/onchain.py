"""What happens once the funding output is spent? (BOLT 5)

    the funding is spent by
      a mutual close             wait until it is deep
      our latest commitment      claim to_local after its delay
      the peer's current, next   claim to_remote (and whatever else needs our keys alone)
      a revoked one              claim everything that the revocation key opens, at once
      one of a future number     we have lost data: claim to_remote
      anything else              alarm

Everything follows from the kept graph; no provider is asked. HTLC outputs of commitments that are not revoked are not
claimed yet: they stay in the state as `unclaimed`. A reorganisation takes back what it undid.
"""

from collections.abc import Generator
from typing import Any, Literal

from msgspec.structs import replace

from lnpd.channel.actions import Action, Claim, Notify, WatchOutput
from lnpd.channel.commitments import keep
from lnpd.channel.events import Block, OutputSpent, OutputUnspent
from lnpd.channel.failure import FUNDED, broadcast_latest
from lnpd.channel.lost import future_commitment
from lnpd.channel.queries import FindCommitment, FindCommitmentByTxid, FindMutualClose, Kept, ask, commitment_key
from lnpd.channel.state import Channel, Closed, Failed, OnChain, Resolution
from lnpd.channel.table import Step, done, on
from lnpd.crypto.shachain import index_of
from lnpd.errors import NotThisCommitment
from lnpd.tx.claims import MAX_INPUTS, Claimable, Plan, claimable, claimable_child
from lnpd.tx.funding import commitment_number
from lnpd.tx.graph import Graph, Output
from lnpd.tx.transaction import Tx

Spend = Literal["mutual", "ours", "theirs", "theirs_next", "revoked", "future", "unknown"]
ANCHOR = "anchor"
Acting = Generator[Any, Any, tuple[Channel, list[Action]]]
Found = Generator[Any, Any, tuple[Spend, Graph | None]]  # Any: each reply is typed by its own query


@on((*FUNDED, Failed), OutputSpent)
def on_funding_spent(channel: Channel, event: OutputSpent) -> Step:
    """Recognise the spender, and plan what we take of it."""
    if not _is_funding(channel, event.txid, event.vout):
        return (yield from done(channel))
    spend, graph = yield from recognise(channel, event.transaction)
    reason = channel.phase.error if isinstance(channel.phase, Failed) else f"The funding was spent: {spend}."
    phase = OnChain(spend, event.transaction.txid, event.height, reason=reason)
    actions: list[Action] = []
    if graph is not None:
        plan = claimable(graph, channel.us, "revoked" if spend == "revoked" else "latest")
        key = commitment_key(graph.funding.txid, graph.holder, graph.number)
        resolutions = resolutions_of(graph.tx.txid, plan, event.height)
        phase = replace(phase, commitment=key, resolutions=resolutions)
        actions += watches(channel, graph, resolutions)
        if spend == "future":
            actions.append(keep(graph))
    fields = (("channel", channel.key), ("spend", spend), ("txid", event.transaction.txid[::-1].hex()))
    notice = Notify("phase", "channel_on_chain", fields)
    channel = replace(channel, phase=phase)
    channel, claims = yield from claim_what_is_due(channel, event.height, graph)
    return (yield from close_if_done(channel, [*actions, *claims, notice], event))


def recognise(channel: Channel, tx: Tx) -> Found:
    """Which of the eight kinds of spend this is, and its graph if there is one."""
    txid = tx.txid
    if (yield from ask(FindMutualClose(txid))):
        return "mutual", None
    kept: Kept | None = yield from ask(FindCommitmentByTxid(txid))
    if kept is not None:
        graph = kept.graph
        if graph.holder == channel.us:
            return "ours", graph
        latest = channel.numbers[channel.them]
        if graph.number == latest:
            return ("theirs_next" if channel.awaiting_revocation else "theirs"), graph
        return ("theirs" if channel.awaiting_revocation and graph.number == latest - 1 else "revoked"), graph
    try:
        number = commitment_number(tx, (channel.terms[0].payment_basepoint, channel.terms[1].payment_basepoint))
    except NotThisCommitment:
        return "unknown", None
    if number <= max(channel.numbers):
        return "unknown", None
    return "future", future_commitment(channel, tx, number)


def resolutions_of(txid: bytes, plan: Plan, height: int, child: int = -1) -> tuple[Resolution, ...]:
    """What we take and what we leave, as it stands before anything was claimed."""
    taken = tuple(
        Resolution(
            txid,
            claim.vout,
            claim.output.provider,
            claim.output.id,
            claim.output.kind,
            claim.output.value_sat,
            "waiting",
            height,
            claim.path.older,
            claim.path.after,
            child=child,
        )
        for claim in plan.claims
    )
    left = tuple(
        Resolution(txid, u.vout, u.provider, u.id, "", u.value_sat, "unclaimed", height, reason=u.reason, child=child)
        for u in plan.unclaimed
    )
    return (*taken, *left)


def watches(channel: Channel, graph: Graph, resolutions: tuple[Resolution, ...]) -> list[Action]:
    """Watch every output in which we have a part."""
    return [
        WatchOutput(
            f"output/{r.txid.hex()}/{r.vout}",
            r.txid,
            r.vout,
            output_of(graph, r).script_pubkey,
            channel.policy.resolution_depth,
        )
        for r in resolutions
    ]


def output_of(graph: Graph, resolution: Resolution) -> Output:
    """The output that a resolution is about."""
    outputs = graph.outputs if resolution.child < 0 else graph.children[resolution.child].outputs
    return next(o for o in outputs if o.id == resolution.id and o.provider == resolution.provider)


# Claims


def claim_what_is_due(channel: Channel, height: int, graph: Graph | None) -> Acting:
    """Claim every output whose lock has passed; an anchor only goes with others, for alone it is not worth its fee."""
    phase = channel.phase
    assert isinstance(phase, OnChain)
    due = [r for r in phase.resolutions if r.status == "waiting" and height >= r.due_height]
    if not any(r.kind != ANCHOR for r in due) or graph is None:
        return channel, []
    secret = channel.their_secrets.get(index_of(graph.number)) if phase.spend == "revoked" else b""
    claims = [
        Claim(
            f"claim/{part[0].txid.hex()}/{part[0].vout}",
            phase.commitment,
            tuple(claim_of(channel, graph, r) for r in part),
            channel.policy.sweep_script,
            secret,
            urgent=phase.spend == "revoked",
        )
        for part in (due[start : start + MAX_INPUTS] for start in range(0, len(due), MAX_INPUTS))
    ]
    resolutions = tuple(replace(r, status="claiming") if r in due else r for r in phase.resolutions)
    return replace(channel, phase=replace(phase, resolutions=resolutions)), [*claims]
    yield  # nothing is asked, but every part of a step is a generator


def claim_of(channel: Channel, graph: Graph, resolution: Resolution) -> Claimable:
    """The claim of one output, as planned when it confirmed."""
    assert isinstance(channel.phase, OnChain)
    state: Literal["latest", "revoked"] = "revoked" if channel.phase.spend == "revoked" else "latest"
    if resolution.child < 0:
        plan = claimable(graph, channel.us, state)
        return next(c for c in plan.claims if c.vout == resolution.vout)
    plan = claimable_child(graph, resolution.child, resolution.txid, channel.us, state)
    return replace(plan.claims[0], vout=resolution.vout)


def kept_graph(channel: Channel) -> Generator[Any, Any, Graph | None]:
    """The graph of the commitment that spent the funding, if we know one."""
    assert isinstance(channel.phase, OnChain)
    if not channel.phase.commitment:
        return None
    kept: Kept | None = yield from ask(FindCommitment(channel.phase.commitment))
    return kept.graph if kept else None


@on(OnChain, Block)
def on_block(channel: Channel, event: Block) -> Step:
    """Locks pass with blocks."""
    assert isinstance(channel.phase, OnChain)
    if not any(r.status == "waiting" and event.height >= r.due_height for r in channel.phase.resolutions):
        return (yield from done(channel))
    graph = yield from kept_graph(channel)
    return (yield from claim_what_is_due(channel, event.height, graph))


# What becomes of the outputs


@on(OnChain, OutputSpent)
def on_output_spent(channel: Channel, event: OutputSpent) -> Step:
    """The funding's spend is deep, or somebody (we, most often) took an output."""
    phase = channel.phase
    assert isinstance(phase, OnChain)
    actions: list[Action] = []
    if _is_funding(channel, event.txid, event.vout):
        if event.transaction.txid != phase.txid:  # another spender, after a reorganisation
            channel = replace(channel, phase=Failed(phase.reason))
            return (yield from on_funding_spent(channel, event))
        return (yield from close_if_done(channel, actions, event))
    deep = event.depth >= channel.policy.resolution_depth
    graph = yield from kept_graph(channel)
    resolutions: list[Resolution] = []
    taken = {(spent.txid, spent.vout) for spent in event.transaction.inputs}
    for r in phase.resolutions:
        if (r.txid, r.vout) != (event.txid, event.vout):
            # A claim that shared this output can no longer confirm: the rest is claimed anew.
            orphaned = event.depth == 1 and r.status == "claiming" and (r.txid, r.vout) not in taken
            resolutions.append(replace(r, status="waiting") if orphaned else r)
            continue
        resolutions.append(replace(r, status="resolved" if deep else "spent"))
        if graph is not None and phase.spend == "revoked" and event.depth == 1:
            below = _second_stage(channel, graph, r, event)
            resolutions += below
            actions += watches(channel, graph, below)
    channel = replace(channel, phase=replace(phase, resolutions=tuple(resolutions)))
    channel, claims = yield from claim_what_is_due(channel, event.height, graph)
    return (yield from close_if_done(channel, [*actions, *claims], event))


def _second_stage(channel: Channel, graph: Graph, taken: Resolution, event: OutputSpent) -> tuple[Resolution, ...]:
    """A cheat moved an HTLC output on by its second stage: the revocation key opens what came of it.

    The child's output stands beside its input, whatever else the transaction holds (SINGLE, BOLT 3).
    """
    tx = event.transaction
    for position, spent in enumerate(tx.inputs):
        for index, child in enumerate(graph.children):
            beside = tx.outputs[position : position + 1]
            if (spent.txid, spent.vout) != (event.txid, event.vout) or child.vout != taken.vout or taken.child >= 0:
                continue
            if beside and beside[0].script_pubkey == child.outputs[0].script_pubkey:
                plan = claimable_child(graph, index, tx.txid, channel.us, "revoked")
                found = resolutions_of(tx.txid, plan, event.height, index)[:1]
                return tuple(replace(r, vout=position) for r in found)
    return ()


@on(OnChain, OutputUnspent)
def on_output_unspent(channel: Channel, event: OutputUnspent) -> Step:
    """A reorganisation: what was spent is not, and we begin again from there."""
    phase = channel.phase
    assert isinstance(phase, OnChain)
    if _is_funding(channel, event.txid, event.vout):
        may_broadcast = phase.spend != "future"
        channel = replace(channel, phase=Failed(phase.reason, may_broadcast))
        actions = (yield from broadcast_latest(channel)) if phase.spend == "ours" else []
        return channel, [*actions, Notify("phase", "channel_spend_undone", (("channel", channel.key),))]
    resolutions = tuple(
        replace(r, status="waiting") if (r.txid, r.vout) == (event.txid, event.vout) else r for r in phase.resolutions
    )
    return channel if resolutions == phase.resolutions else replace(
        channel, phase=replace(phase, resolutions=resolutions)
    ), []


def close_if_done(channel: Channel, actions: list[Action], event: OutputSpent) -> Step:
    """Closed once the spend is deep and everything that we can take was taken as deep."""
    phase = channel.phase
    assert isinstance(phase, OnChain)
    if _is_funding(channel, event.txid, event.vout) and event.depth >= channel.policy.resolution_depth:
        phase = replace(phase, deep=True)
        channel = replace(channel, phase=phase)
    settled = all(r.status == "resolved" or r.kind == ANCHOR for r in phase.resolutions)
    if not (phase.deep and settled) or phase.spend == "unknown":
        return channel, actions
    notice = Notify("phase", "channel_closed", (("channel", channel.key), ("reason", phase.reason)))
    return replace(channel, phase=Closed(phase.reason)), [*actions, notice]
    yield  # nothing is asked, but every part of a step is a generator


def _is_funding(channel: Channel, txid: bytes, vout: int) -> bool:
    return any((f.txid, f.vout) == (txid, vout) for f in channel.fundings)
