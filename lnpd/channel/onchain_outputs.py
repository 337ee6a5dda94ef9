"""Which outputs of a confirmed commitment have we a part in, and how are they followed?

A `Resolution` is what the snapshot remembers of each. What can be done about it follows anew from the kept graph, so
that a preimage which comes late is as good as one that was there from the start.
"""

from collections.abc import Generator, Sequence
from typing import Any

from lnpd_sdk.script import Template
from lnpd_sdk.types import ACCEPTOR, OPENER, Party
from msgspec.structs import replace

from lnpd.channel.actions import WatchOutput
from lnpd.channel.events import OutputSpent
from lnpd.channel.queries import FindCommitment, Kept, ask
from lnpd.channel.state import Channel, OnChain, Resolution
from lnpd.channel.witnesses import supplied
from lnpd.tx.claims import NO_PREIMAGE, Claimable, Confirmed, Plan, State, Unclaimed, plan
from lnpd.tx.graph import Graph, Output
from lnpd.tx.states import HTLC

ANCHOR = "anchor"


def kept_graph(channel: Channel) -> Generator[Any, Any, Graph | None]:
    """The graph of the commitment that spent the funding, if we know one."""
    assert isinstance(channel.phase, OnChain)
    if not channel.phase.commitment:
        return None
    kept: Kept | None = yield from ask(FindCommitment(channel.phase.commitment))
    return kept.graph if kept else None


# What can be taken


def htlc_of(output: Output) -> tuple[Party, int, bytes] | None:
    """The offerer, the id and the payment hash of the HTLC that an output of a commitment holds."""
    if output.provider != HTLC or not isinstance(output.script, Template) or not output.script.payment_hash:
        return None
    offerer, _, number = output.id.partition("/")
    return (OPENER if offerer == str(OPENER) else ACCEPTOR), int(number), output.script.payment_hash


def planned(channel: Channel, confirmed: Confirmed) -> Plan:
    """What we take of a confirmed transaction.

    A preimage opens every HTLC of its hash; those that we did not decide to claim are left, for who shows a preimage
    before an HTLC is irrevocable tells that it is the payee (BOLT 5). An extension's outputs are opened by what was
    supplied for it, and by nothing else.
    """
    assert isinstance(channel.phase, OnChain)
    decided = {d.id: d.preimage for d in channel.decisions if d.kind == "fulfill"}
    late: dict[str, bytes] = {}
    ours: set[tuple[str, str]] = set()
    for output in confirmed.outputs:
        htlc = htlc_of(output)
        if htlc is not None and htlc[0] == channel.them and htlc[1] in decided:
            late[f"sha256:{htlc[2].hex()}"] = decided[htlc[1]]
            ours.add(_name(output))
    state: State = "revoked" if channel.phase.spend == "revoked" else "latest"
    found = plan(confirmed, channel.us, state, late)
    left = [c for c in found.claims if c.late and _name(c.output) not in ours]
    outputs = ((c.vout, c.output) for c in left)
    unclaimed = [Unclaimed(v, o.provider, o.id, o.value_sat, NO_PREIMAGE, o.kind) for v, o in outputs]
    found = Plan(tuple(c for c in found.claims if c not in left), (*found.unclaimed, *unclaimed))
    others = {c.output.provider for c in left} | {each.provider for each in channel.witnesses}
    for provider in sorted(others - {HTLC}):
        own = plan(confirmed, channel.us, state, supplied(channel, provider))
        found = Plan(
            tuple(sorted(_parted(found.claims, own.claims, provider), key=lambda claim: claim.vout)),
            tuple(u for u in found.unclaimed if u.provider != provider)
            + tuple(u for u in own.unclaimed if u.provider == provider),
        )
    return found


def _parted(claims: Sequence[Claimable], own: Sequence[Claimable], provider: str) -> list[Claimable]:
    """Of one provider its own, of the others what was found."""
    return [
        *(each for each in claims if each.output.provider != provider),
        *(each for each in own if each.output.provider == provider),
    ]


def _name(output: Output | Resolution) -> tuple[str, str]:
    """An id is its provider's: an extension may call its output as an HTLC is called."""
    return output.provider, output.id


def confirmed_of(graph: Graph, resolution: Resolution) -> Confirmed:
    """The transaction that an output belongs to."""
    return Confirmed(graph, resolution.height, resolution.txid, resolution.child)


def output_of(graph: Graph, resolution: Resolution) -> Output:
    """The output that a resolution is about."""
    outputs = confirmed_of(graph, resolution).outputs
    return next(o for o in outputs if _name(o) == _name(resolution))


def claims_by_output(channel: Channel, graph: Graph, wanted: list[Resolution]) -> dict[tuple[bytes, int], Claimable]:
    """How each of these outputs is taken, by its place; an output that nothing takes is left out."""
    found: dict[tuple[bytes, int], Claimable] = {}
    for confirmed in {(r.txid, r.child): confirmed_of(graph, r) for r in wanted}.values():
        places = {_name(r): r.vout for r in wanted if (r.txid, r.child) == (confirmed.txid, confirmed.child)}
        for claim in planned(channel, confirmed).claims:
            vout = places.get(_name(claim.output))
            if vout is not None:
                found[confirmed.txid, vout] = replace(claim, vout=vout)
    return found


# What is remembered


def resolutions_of(confirmed: Confirmed, found: Plan) -> tuple[Resolution, ...]:
    """What we take and what we leave, as it stands before anything was claimed."""
    txid, height, child = confirmed.txid, confirmed.height, confirmed.child
    taken = tuple(as_waiting(Resolution(
        txid, c.vout, c.output.provider, c.output.id, c.output.kind, c.output.value_sat, "waiting", height, child=child
    ), c) for c in found.claims)  # fmt: skip
    left = tuple(
        Resolution(
            txid,
            u.vout,
            u.provider,
            u.id,
            u.kind,
            u.value_sat,
            "unclaimed",
            height,
            after=confirmed.outputs[u.vout].cltv_expiry,
            reason=u.reason,
            child=child,
        )
        for u in found.unclaimed
    )
    return (*taken, *left)


def as_waiting(resolution: Resolution, claim: Claimable) -> Resolution:
    """An output that we take like this, once its locks have passed."""
    return replace(
        resolution,
        status="waiting",
        older=claim.path.older,
        after=claim.path.after,
        stage=claim.stage,
        rival_height=claim.rival_height,
        reason="",
        claim="",
        bears=claim.bears,
    )


def watches(channel: Channel, graph: Graph, resolutions: tuple[Resolution, ...]) -> list[WatchOutput]:
    """Watch every output in which we have a part."""
    depth = channel.policy.resolution_depth
    return [
        WatchOutput(f"output/{r.txid.hex()}/{r.vout}", r.txid, r.vout, output_of(graph, r).script_pubkey, depth)
        for r in resolutions
    ]


def second_stage(channel: Channel, graph: Graph, taken: Resolution, event: OutputSpent) -> tuple[Resolution, ...]:
    """What came of an output that was moved on by its second stage: ours to sweep after the delay, or, of a cheat's,
    ours at once by the revocation key; of the peer's, what its child pays to us.

    The child's output stands beside its input, whatever else the transaction holds (SINGLE, BOLT 3).
    """
    assert isinstance(channel.phase, OnChain)
    if taken.child >= 0:
        return ()
    tx = event.transaction
    position = next(i for i, spent in enumerate(tx.inputs) if (spent.txid, spent.vout) == (event.txid, event.vout))
    for index, child in enumerate(graph.children):
        if child.vout != taken.vout or len(tx.outputs) < position + len(child.outputs):
            continue
        beside = tx.outputs[position : position + len(child.outputs)]
        if beside == child.tx.outputs:
            confirmed = Confirmed(graph, event.height, tx.txid, index)
            found = resolutions_of(confirmed, planned(channel, confirmed))
            return tuple(replace(r, vout=position + r.vout) for r in found)
    return ()
