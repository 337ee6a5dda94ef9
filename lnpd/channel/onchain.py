"""What happens once the funding output is spent? (BOLT 5)

    the funding is spent by
      a mutual close             wait until it is deep
      our latest commitment      HTLCs through their second stage, then that and to_local after the delay
      the peer's current, next   to_remote, and HTLCs by timeout or preimage
      a revoked one              everything that the revocation key opens, at once, in the second stage too
      one of a future number     we have lost data: to_remote
      any, known by a backup     to_remote, or to_local after the delay
      anything else              alarm

Everything follows from the kept graph; no provider is asked. onchain_outputs.py says what we have a part in,
onchain_claims.py what is claimed when, onchain_htlcs.py who is told what of an HTLC. A reorganisation takes back what
it undid, and nothing that was told.
"""

from collections.abc import Generator
from typing import Any, Literal

from lnpd_sdk.types import other
from msgspec.structs import replace

from lnpd.channel.actions import Action, Keep, Notify
from lnpd.channel.commitments import keep
from lnpd.channel.events import Block, Fulfill, OutputSpent, OutputUnspent, PutWitness, SpendSeen
from lnpd.channel.failure import FUNDED, broadcast_latest
from lnpd.channel.lost import UNKNOWN, future_commitment, lost_outputs, own_commitment, unsealed, what_is_lost
from lnpd.channel.onchain_claims import claim_what_is_due, give_again, split_what_is_close
from lnpd.channel.onchain_htlcs import (
    awaits_outcome,
    fail_what_is_over,
    is_worthless,
    missing_from,
    remember_preimage,
    spent_htlc,
    waits_to_fail,
)
from lnpd.channel.onchain_outputs import (
    ANCHOR,
    as_waiting,
    claims_by_output,
    kept_graph,
    planned,
    resolutions_of,
    second_stage,
    watches,
)
from lnpd.channel.queries import (
    CommitmentPoint,
    FindCommitmentByTxid,
    FindMutualClose,
    Kept,
    ask,
    commitment_key,
)
from lnpd.channel.state import Channel, Closed, Failed, OnChain, Resolution
from lnpd.channel.table import Step, done, on
from lnpd.channel.undone import on_coin_spent
from lnpd.channel.witnesses import learned, with_witness
from lnpd.errors import NotThisCommitment
from lnpd.tx.claims import Confirmed
from lnpd.tx.funding import commitment_number
from lnpd.tx.graph import Graph
from lnpd.tx.seals import holder_of
from lnpd.tx.transaction import Tx

Spend = Literal["mutual", "ours", "theirs", "theirs_next", "revoked", "future", "unknown"]
Found = Generator[Any, Any, tuple[Spend, Graph | None]]  # Any: each reply is typed by its own query


@on((*FUNDED, Failed), OutputSpent)
def on_funding_spent(channel: Channel, event: OutputSpent) -> Step:
    """Recognise the spender, and plan what we take of it."""
    if not _is_funding(channel, event.txid, event.vout):
        return (yield from on_coin_spent(channel, event))
    spend, graph = yield from recognise(channel, event.transaction)
    reason = channel.phase.error if isinstance(channel.phase, Failed) else f"The funding was spent: {spend}."
    lost = lost_outputs(channel, graph, event.height) if graph is not None else ()
    if channel.from_backup:
        reason = _of_backup(channel, spend, graph, lost)
    phase = OnChain(spend, event.transaction.txid, event.height, reason=reason)
    channel = replace(channel, phase=phase, auxiliary=())
    actions: list[Action] = [*_kept(channel, event)]
    if graph is not None:
        confirmed = Confirmed(graph, event.height, graph.tx.txid)
        resolutions = resolutions_of(confirmed, planned(channel, confirmed))
        key = commitment_key(graph.funding.txid, graph.holder, graph.number)
        missing = missing_from(channel, graph)
        every = (*resolutions, *lost)
        channel = replace(channel, phase=replace(phase, commitment=key, resolutions=every, missing=missing))
        actions += watches(channel, graph, resolutions)
        if spend == "future" or channel.from_backup:
            actions.append(keep(graph))
    fields = (("channel", channel.key), ("spend", spend), ("txid", event.transaction.txid[::-1].hex()))
    actions.append(Notify("phase", "channel_on_chain", fields))
    return _after(channel, graph, actions, event)


def _kept(channel: Channel, event: OutputSpent) -> list[Action]:
    """What leads to coins that are held for a plugin, which has to show how they came about."""
    tx = event.transaction
    return [Keep("spend", tx.txid.hex(), tx.serialise())] if holder_of(channel.channel_type) else []


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
        return ("mutual" if channel.from_backup else "unknown"), None
    if channel.from_backup:
        point = yield from ask(CommitmentPoint(number))
        ours = own_commitment(channel, tx, number, point)
        return ("ours", ours) if ours else ("future", future_commitment(channel, tx, number))
    if number <= max(channel.numbers):
        return "unknown", None
    return "future", future_commitment(channel, tx, number)


def _of_backup(channel: Channel, spend: Spend, graph: Graph | None, lost: tuple[Resolution, ...]) -> str:
    """What a person has to know of a channel of which only a backup was left."""
    if graph is None:
        return "It was closed by agreement: the wallet has what was ours."
    whose = "our" if spend == "ours" else "the peer's"
    told = what_is_lost(lost) + unsealed(channel)
    return f"It was restored from a backup, and {whose} commitment {graph.number} closed it. {told}"


# What changes with time, and with what we learn


@on(OnChain, Block)
def on_block(channel: Channel, event: Block) -> Step:
    """Locks pass with blocks, deadlines near, and what was spent becomes deep."""
    phase = channel.phase
    assert isinstance(phase, OnChain)
    moving = any(r.status in ("waiting", "claiming", "unclaimed") for r in phase.resolutions)
    if not moving and not waits_to_fail(channel, event.height):
        return (yield from done(channel))
    graph = yield from kept_graph(channel)
    return _onwards(channel, graph, [], event.height)


@on(OnChain, Fulfill)
def on_fulfill(channel: Channel, command: Fulfill) -> Step:
    """A preimage that came late."""
    channel, actions = remember_preimage(channel, command)
    return (yield from _opened(channel, actions))


@on(OnChain, PutWitness)
def on_put_witness(channel: Channel, command: PutWitness) -> Step:
    """What a plugin supplies late."""
    return (yield from _opened((yield from with_witness(channel, command)), []))


def _opened(channel: Channel, actions: list[Action]) -> Step:
    """What waited for a late datum is claimed now, with the next block at the latest."""
    phase = channel.phase
    assert isinstance(phase, OnChain)
    graph = yield from kept_graph(channel)
    if graph is None:
        return channel, actions
    open_ones = [r for r in phase.resolutions if r.status in ("unclaimed", "waiting")]  # or there is a better way now
    found = claims_by_output(channel, graph, open_ones)
    resolutions = tuple(
        as_waiting(r, found[r.txid, r.vout]) if r in open_ones and (r.txid, r.vout) in found else r
        for r in phase.resolutions
    )
    channel = replace(channel, phase=replace(phase, resolutions=resolutions))
    return _onwards(channel, graph, actions, max(r.height for r in resolutions) if resolutions else 0)


# What becomes of the outputs


@on(OnChain, OutputSpent)
def on_output_spent(channel: Channel, event: OutputSpent) -> Step:
    """The funding's spend is deep, or somebody (we, most often) took an output."""
    phase = channel.phase
    assert isinstance(phase, OnChain)
    graph = yield from kept_graph(channel)
    if _is_funding(channel, event.txid, event.vout):
        if event.transaction.txid != phase.txid:  # another spender, after a reorganisation
            channel = replace(channel, phase=Failed(phase.reason, not channel.from_backup))
            return (yield from on_funding_spent(channel, event))
        return _after(channel, graph, [], event)
    channel, sold = yield from learned(channel, graph, event)
    actions: list[Action] = [*sold, *_kept(channel, event)]
    resolutions: list[Resolution] = []
    for r in phase.resolutions:
        if (r.txid, r.vout) != (event.txid, event.vout):
            resolutions.append(r)
            continue
        deep = event.depth >= channel.policy.resolution_depth
        r, told = spent_htlc(channel, graph, r, event)
        resolutions.append(replace(r, status="resolved" if deep else "spent", spent_height=event.height))
        actions += told
        if graph is not None and event.depth == 1:
            known = {(each.txid, each.vout) for each in phase.resolutions}
            below = tuple(s for s in second_stage(channel, graph, r, event) if (s.txid, s.vout) not in known)
            resolutions += below
            actions += watches(channel, graph, below)
    channel = replace(channel, phase=replace(phase, resolutions=tuple(resolutions)))
    return _after(channel, graph, actions, event)


@on(OnChain, SpendSeen)
def on_spend_seen(channel: Channel, event: SpendSeen) -> Step:
    """What waits may never confirm, and what it shows is known all the same: upstream it is worth its money already."""
    phase = channel.phase
    assert isinstance(phase, OnChain)
    graph = yield from kept_graph(channel)
    channel, sold = yield from learned(channel, graph, event)
    actions: list[Action] = [*sold]
    resolutions: list[Resolution] = []
    for r in phase.resolutions:
        if (r.txid, r.vout) == (event.txid, event.vout):
            r, told = spent_htlc(channel, graph, r, event)
            actions += told
        resolutions.append(r)
    return replace(channel, phase=replace(phase, resolutions=tuple(resolutions))), actions


@on(OnChain, OutputUnspent)
def on_output_unspent(channel: Channel, event: OutputUnspent) -> Step:
    """A reorganisation: what was spent is not, and what came of it does not exist."""
    phase = channel.phase
    assert isinstance(phase, OnChain)
    if _is_funding(channel, event.txid, event.vout):
        may_broadcast = phase.spend != "future" and not channel.from_backup
        channel = replace(channel, phase=Failed(phase.reason, may_broadcast))
        actions = (yield from broadcast_latest(channel)) if phase.spend == "ours" and may_broadcast else []
        return channel, [*actions, Notify("phase", "channel_spend_undone", (("channel", channel.key),))]
    undone = next((r for r in phase.resolutions if (r.txid, r.vout) == (event.txid, event.vout)), None)
    if undone is None:
        return channel, []
    graph = yield from kept_graph(channel)
    assert graph is not None, "a resolution is about a kept graph's output"
    gone = [r for r in phase.resolutions if r.child >= 0 > undone.child and graph.children[r.child].vout == undone.vout]
    claim = claims_by_output(channel, graph, [undone]).get((undone.txid, undone.vout))
    again = replace(undone, spent_height=0, status="claiming" if undone.claim else "unclaimed")
    if claim is not None and not undone.claim:
        again = as_waiting(again, claim)
    kept = tuple(again if r is undone else r for r in phase.resolutions if r not in gone)
    channel = replace(channel, phase=replace(phase, resolutions=kept))
    return give_again(channel, graph, {r.claim for r in gone if r.claim})


# The end of each step


def _after(
    channel: Channel, graph: Graph | None, actions: list[Action], event: OutputSpent
) -> tuple[Channel, list[Action]]:
    """After a spend: the tip is as high as the spend is deep."""
    phase = channel.phase
    assert isinstance(phase, OnChain)
    if _is_funding(channel, event.txid, event.vout) and event.depth >= channel.policy.resolution_depth:
        channel = replace(channel, phase=replace(phase, deep=True))
    return _onwards(channel, graph, actions, event.height + event.depth - 1)


def _onwards(channel: Channel, graph: Graph | None, actions: list[Action], height: int) -> tuple[Channel, list[Action]]:
    """Claim what is due, fail what is over, and close the channel if nothing is left."""
    for act in (claim_what_is_due, split_what_is_close, fail_what_is_over):
        channel, more = act(channel, height, graph)
        actions = [*actions, *more]
    phase = channel.phase
    assert isinstance(phase, OnChain)
    if not phase.deep or phase.missing or phase.spend == "unknown":
        return channel, actions
    if not all(_is_over(channel, r, height) for r in phase.resolutions):
        return channel, actions
    notice = Notify("phase", "channel_closed", (("channel", channel.key), ("reason", phase.reason)))
    return replace(channel, phase=Closed(phase.reason, phase.txid)), [*actions, notice]


def _is_over(channel: Channel, resolution: Resolution, height: int) -> bool:
    """Whether an output needs nobody's attention: it was taken deeply, or is not worth it and nobody waits for
    its HTLC, or is the peer's to take back since its HTLC expired (BOLT 5: irrevocably resolved)."""
    if resolution.status == "resolved" or resolution.kind in (ANCHOR, UNKNOWN):
        return True
    if resolution.status in ("waiting", "claiming"):
        return is_worthless(channel, resolution) and not awaits_outcome(channel, resolution)
    expired = 0 < resolution.after <= height - channel.policy.resolution_depth
    return resolution.status == "unclaimed" and resolution.id.startswith(f"{other(channel.us)}/") and expired


def _is_funding(channel: Channel, txid: bytes, vout: int) -> bool:
    return any((f.txid, f.vout) == (txid, vout) for f in channel.fundings)
