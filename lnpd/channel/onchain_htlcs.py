"""What becomes of an HTLC whose channel is on chain, for whoever waits for it? (BOLT 5)

we offered it, and its output
  is spent with the preimage, in a block or not fulfilled, at once
  was spent without it (our timeout, a penalty) failed, once that is SETTLEMENT deep
  is spent by nobody, and not worth our fee     failed, long after its expiry: until then it costs us its value
  does not exist in this commitment             failed, once the commitment is as deep
  or whatever, and the peer sent its preimage   fulfilled, at once: it is worth its money upstream however it comes
the peer offered it, and we know the preimage   we claim it, also if we learn it only now
"""

from hashlib import sha256

from lnpd_sdk.types import PARTIES
from msgspec.structs import replace

from lnpd.channel.actions import Action, HtlcFailed, HtlcFulfilled, Keep, Tell
from lnpd.channel.deadlines import committed_htlcs
from lnpd.channel.dust import htlc_of as add_of
from lnpd.channel.dust import is_dust
from lnpd.channel.events import Fail, FailMalformed, Fulfill, OutputSpent, SpendSeen
from lnpd.channel.failure import broadcast_latest
from lnpd.channel.onchain_outputs import htlc_of, output_of
from lnpd.channel.removals import htlc_at, removal_update
from lnpd.channel.state import Channel, Closed, Decision, Failed, OnChain, Resolution, update_key
from lnpd.channel.table import Step, done, on
from lnpd.channel.updates import with_proposed
from lnpd.errors import CommandRefused
from lnpd.tx.graph import Graph
from lnpd.tx.seals import sealing
from lnpd.tx.states import HTLC, feerate_of
from lnpd.tx.transaction import Tx
from lnpd.wire.message import to_row
from lnpd.wire.messages import UpdateFulfillHtlc

PREIMAGE_BYTES = 32
TAKEN_BY_PREIMAGE = "The peer took it with the preimage."
NOT_WORTH_SAT = 500  # an output of less does not pay for its own sweep at the lowest feerate
KNOWN_SPENDS = ("ours", "theirs", "theirs_next", "revoked")


def shown_preimage(tx: Tx, txid: bytes, vout: int, payment_hash: bytes) -> bytes | None:
    """The preimage in the witness of the input that spends this output; the hash proves it, whatever the script."""
    for spent in tx.inputs:
        if (spent.txid, spent.vout) == (txid, vout):
            for item in spent.witness:
                if len(item) == PREIMAGE_BYTES and sha256(item).digest() == payment_hash:
                    return item
    return None


def spent_htlc(
    channel: Channel, graph: Graph | None, resolution: Resolution, event: OutputSpent | SpendSeen
) -> tuple[Resolution, list[Action]]:
    """An output was spent, or will be: if it held our HTLC and the preimage was shown, whoever waits for that hears of
    it."""
    htlc = htlc_of(output_of(graph, resolution)) if graph is not None else None
    if htlc is None or htlc[0] != channel.us:
        return resolution, []
    preimage = shown_preimage(event.transaction, event.txid, event.vout, htlc[2])
    if preimage is None:
        return resolution, []
    if isinstance(event, OutputSpent):
        resolution = replace(resolution, reason=TAKEN_BY_PREIMAGE)
    if resolution.outcome == "fulfilled":
        return resolution, []
    told = Tell(f"fulfilled/{htlc[1]}", "payments", HtlcFulfilled(htlc[1], htlc[2], preimage))
    return replace(resolution, outcome="fulfilled"), [told]


def missing_from(channel: Channel, graph: Graph | None) -> tuple[int, ...]:
    """The ids of HTLCs that we offered and that the confirmed commitment has no output for.

    They were trimmed, or the commitment is older or newer than they are. Of a commitment that we do not know, after
    data loss, we cannot say.
    """
    assert isinstance(channel.phase, OnChain)
    if graph is None or channel.phase.spend not in KNOWN_SPENDS:
        return ()
    present = {htlc[1] for o in graph.outputs if (htlc := htlc_of(o)) is not None and htlc[0] == channel.us}
    return tuple(sorted(unsettled(channel).keys() - present))


def unsettled(channel: Channel) -> dict[int, bytes]:
    """The payment hashes of all HTLCs that we offered and that are not irrevocably removed, by id; those that nobody
    signed too, but none that the peer fulfilled by a message."""
    committed = {h.id: h.payment_hash for h in committed_htlcs(channel) if h.offerer == channel.us}
    pending = [p.update for p in channel.log if p.update.provider == HTLC]
    added = {u.id: add_of(u).payment_hash for u in pending if (u.kind, u.proposer) == ("add", channel.us)}
    fulfilled = {u.id for u in pending if (u.kind, u.proposer) == ("fulfill", channel.them)}
    return {number: each for number, each in (committed | added).items() if number not in fulfilled}


def fail_what_is_over(channel: Channel, height: int, graph: Graph | None) -> tuple[Channel, list[Action]]:
    """Fail the HTLCs that nobody can claim any more, once no usual reorganisation undoes that."""
    phase = channel.phase
    assert isinstance(phase, OnChain)
    settled_height = height - channel.policy.settlement_depth + 1
    actions: list[Action] = []
    offered = unsettled(channel)
    if phase.missing and phase.height <= settled_height:
        actions += [_failed(number, offered[number]) for number in phase.missing if number in offered]
        phase = replace(phase, missing=())
    resolutions: list[Resolution] = []
    for r in phase.resolutions:
        if graph is not None and r.outcome == "" and _is_over(channel, graph, r, height):
            htlc = htlc_of(output_of(graph, r))
            if htlc is not None and htlc[0] == channel.us:
                # A revoked commitment may hold an HTLC that was settled since: whoever waited for it knows.
                actions += [_failed(htlc[1], htlc[2])] if htlc[1] in offered else []
                r = replace(r, outcome="failed")
        resolutions.append(r)
    return replace(channel, phase=replace(phase, resolutions=tuple(resolutions))), actions


def may_claim(channel: Channel, identity: int) -> bool:
    """Whether a preimage of this incoming HTLC would still bring its money: asked before we pay for it."""
    htlc, phase = htlc_at(channel, channel.them, identity), channel.phase
    if htlc is None or channel.funding_undone or isinstance(phase, Closed):
        return False
    if isinstance(phase, OnChain):
        mine = [r for r in phase.resolutions if (r.provider, r.id, r.child) == (HTLC, f"{channel.them}/{identity}", -1)]
        return any(not r.spent_height and r.status != "resolved" for r in mine)
    if isinstance(phase, Failed):  # whichever commitment confirms, it has to hold it
        feerate_per_kw = feerate_of(channel.base.states)
        return phase.may_broadcast and not any(is_dust(channel, htlc, holder, feerate_per_kw) for holder in PARTIES)
    return True


def awaits_outcome(channel: Channel, resolution: Resolution) -> bool:
    """Whether an output holds an HTLC that we offered, and nothing is told of it: its preimage may still show there."""
    ours = resolution.provider == HTLC and resolution.id.startswith(f"{channel.us}/")
    return ours and resolution.child < 0 and resolution.outcome == ""


def is_worthless(channel: Channel, resolution: Resolution) -> bool:
    """Whether it costs more to take an output than it brings; nobody here knows what a second stage brings along."""
    is_sealed = resolution.stage >= 0 and sealing(channel.channel_type, "claim") is not None
    return resolution.value_sat < NOT_WORTH_SAT and not resolution.bears and not is_sealed


def _is_over(channel: Channel, graph: Graph, resolution: Resolution, height: int) -> bool:
    """Whether an output was spent for good, or is not worth it and our HTLC in it expired long ago."""
    if resolution.spent_height:
        return resolution.spent_height <= height - channel.policy.settlement_depth + 1
    if not is_worthless(channel, resolution) or not awaits_outcome(channel, resolution):
        return False
    # What the revocation key opens has no lock of ours, and an expiry all the same.
    expiry = resolution.after or output_of(graph, resolution).cltv_expiry
    return expiry <= height - channel.policy.resolution_depth


def waits_to_fail(channel: Channel, height: int) -> bool:
    """Whether `fail_what_is_over` may have something to do at this height."""
    phase = channel.phase
    assert isinstance(phase, OnChain)
    settled_height = height - channel.policy.settlement_depth + 1
    return (bool(phase.missing) and phase.height <= settled_height) or any(
        r.provider == HTLC and r.child < 0 and r.outcome == "" and 0 < r.spent_height <= settled_height
        for r in phase.resolutions
    )


def _failed(number: int, payment_hash: bytes) -> Tell:
    return Tell(f"failed/{number}", "payments", HtlcFailed(number, payment_hash, on_chain=True))


# What the rest of the node decides while the channel is on its way to the chain, or there


def remember_preimage(channel: Channel, command: Fulfill) -> tuple[Channel, list[Action]]:
    """The channel with a decision to claim. Refused if there is no such HTLC, or if it is not its preimage."""
    htlc = htlc_at(channel, channel.them, command.id)
    if htlc is None or sha256(command.preimage).digest() != htlc.payment_hash:
        raise CommandRefused(f"There is no irrevocably committed incoming HTLC {command.id} with this preimage.")
    if any(d.id == command.id and d.kind == "fulfill" for d in channel.decisions):
        return channel, []
    others = tuple(d for d in channel.decisions if d.id != command.id)  # what failed it was never sent, or is in vain
    decision = Decision(command.id, "fulfill", command.preimage)
    message = UpdateFulfillHtlc(channel_id=channel.id, id=command.id, payment_preimage=command.preimage)
    row = Keep("decision", str(command.id), to_row(message))
    return replace(channel, decisions=(*others, decision)), [row]


@on(Failed, Fulfill)
def on_fulfill_failed(channel: Channel, command: Fulfill) -> Step:
    """It is claimed as soon as a commitment confirms: ours is worth a higher fee now, and has a deadline."""
    channel, actions = remember_preimage(channel, command)
    assert isinstance(channel.phase, Failed)
    if actions and channel.phase.may_broadcast and not channel.unproven:
        actions += yield from broadcast_latest(channel)
    return channel, actions


@on((Failed, OnChain), UpdateFulfillHtlc)
def on_preimage_by_message(channel: Channel, message: UpdateFulfillHtlc) -> Step:
    """Whoever waits for a preimage is told of it; the HTLC itself is settled on chain. What proves nothing is ignored
    (BOLT 2: a channel in an error state)."""
    payment_hash = unsettled(channel).get(message.id)
    if payment_hash is None or sha256(message.payment_preimage).digest() != payment_hash:
        return done(channel)
    update = removal_update(channel.them, message)
    told = HtlcFulfilled(message.id, payment_hash, message.payment_preimage)
    row = Keep("update", update_key(update), to_row(message))
    return done(with_proposed(channel, update), row, Tell(f"fulfilled/{message.id}", "payments", told))


@on((Failed, OnChain), Fail)
def on_fail_on_chain(channel: Channel, command: Fail) -> Step:
    """There is nobody to tell: the peer takes its HTLC back by itself (BOLT 5)."""
    return done(channel)


@on((Failed, OnChain), FailMalformed)
def on_fail_malformed_on_chain(channel: Channel, command: FailMalformed) -> Step:
    """The same."""
    return done(channel)
