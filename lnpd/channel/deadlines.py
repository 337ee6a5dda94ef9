"""When must an HTLC close its channel? (BOLT 2, cltv_expiry_delta Selection) When must an extension's output to which
we have the late datum, and when does the channel's type? When has an acceptor waited for the funding for too long?
(BOLT 2, channel_ready: "after a timeout of 2016 blocks")

Decided from what is stored alone: no provider, no peer and no payment is asked, so it works while all of them are gone.
"""

from collections.abc import Generator
from typing import Any, Final

from lnpd_sdk.types import ACCEPTOR, Htlc
from msgspec.structs import replace

from lnpd.channel.actions import Notify
from lnpd.channel.dust import htlc_of
from lnpd.channel.events import Block
from lnpd.channel.failure import fail
from lnpd.channel.queries import FindCommitment, Kept, ask, commitment_key
from lnpd.channel.stakes import opened_in
from lnpd.channel.state import AwaitingReady, Channel, Closed, Failed, Negotiating, Normal, ShuttingDown
from lnpd.channel.table import Step, done, on
from lnpd.errors import FulfillmentDeadlinePassed, FundingLockEnds, HtlcTimedOut, LateDatumExpires, ProtocolError
from lnpd.tx.funding_types import lock_blocks
from lnpd.tx.states import HTLC, htlcs_of

FUNDING_BLOCKS: Final = 2016
LOCK_MARGIN_BLOCKS: Final = 1008  # a week in which our commitment gets in, whatever the fees are
GRACE_BLOCKS: Final = 2  # after an expiry, before we give up on the peer's update_fail_htlc
PROOF_BLOCKS: Final = 6  # after a start, before a deadline no longer waits for the peer's channel_reestablish; half as
# many after each further start without it, for whoever starts again and again has deadlines all the same


@on((AwaitingReady, Normal, ShuttingDown, Negotiating), Block)
def on_block(channel: Channel, event: Block) -> Step:
    """Close if an HTLC that we offered has timed out, or one that we fulfilled is about to."""
    if isinstance(channel.phase, AwaitingReady) and channel.us == ACCEPTOR and not channel.depth_reached:
        return (yield from _awaited(channel, event.height))
    return (yield from _watched(channel, event.height))


@on(Failed, Block)
def on_block_failed(channel: Channel, event: Block) -> Step:
    """A failed channel that waits for the peer's word does not wait longer than an HTLC can; one that the peer never
    funded is forgotten, unless an old copy of our database would forget money of ours with it."""
    assert isinstance(channel.phase, Failed)
    if channel.us == ACCEPTOR and not channel.depth_reached:
        risk = channel.unproven and channel.base.balances_msat[channel.us]
        return (yield from done(channel) if risk else _awaited(channel, event.height))
    if not channel.unproven or not channel.phase.may_broadcast:
        return (yield from done(channel))
    return (yield from _watched(channel, event.height))


def _watched(channel: Channel, height: int) -> Step:
    """Fail for an HTLC that is due. While our state is unproven, the peer has a few blocks from the start on to show
    what it knows: an old copy is full of HTLCs that ended long ago, and the deadline of a true one has room for it.

    Of a store that is known to be a copy only the peer's word is believed: an HTLC is at stake, and the whole channel.
    """
    if channel.unproven and not channel.unproven_since_height:
        channel = replace(channel, unproven_since_height=height)
    due = _due(channel, height) or _funding_due(channel, height) or (yield from _opened_due(channel, height))
    if due is None or (channel.unproven and (channel.doubted or height < _proof_due_height(channel))):
        return (yield from done(channel))
    return (yield from fail(channel, due, though_unproven=True))


def _proof_due_height(channel: Channel) -> int:
    """When a deadline no longer waits for the peer's word."""
    return channel.unproven_since_height + max(1, PROOF_BLOCKS >> channel.unproven_starts)


def _due(channel: Channel, height: int) -> ProtocolError | None:
    """Why an HTLC closes the channel now."""
    if not channel.policy.htlc_deadlines:
        return None
    for htlc in committed_htlcs(channel):
        if htlc.offerer == channel.us and height >= htlc.cltv_expiry + GRACE_BLOCKS:
            return HtlcTimedOut(f"HTLC {htlc.id} expired at height {htlc.cltv_expiry} and was not removed.")
        if fulfilled(channel, htlc) and height >= htlc.cltv_expiry - channel.policy.htlc_deadline_blocks:
            text = f"HTLC {htlc.id} was fulfilled and not removed; it expires at height {htlc.cltv_expiry}."
            return FulfillmentDeadlinePassed(text)
    return None


def _opened_due(channel: Channel, height: int) -> Generator[Any, Any, ProtocolError | None]:
    """Why an extension's output closes the channel now: its late datum is ours, and soon the peer can take it, too."""
    if not channel.policy.htlc_deadlines or not channel.witnesses:
        return None
    for funding in channel.fundings:
        kept: Kept | None = yield from ask(
            FindCommitment(commitment_key(funding.txid, channel.us, channel.numbers[channel.us]))
        )
        for until_height, output in opened_in(channel, kept.graph) if kept is not None else ():
            if height >= until_height - channel.policy.htlc_deadline_blocks:
                name = f"{output.provider} {output.id}"
                return LateDatumExpires(f"{name} is opened to us by what we know, and the peer can take it soon.")
    return None


def _funding_due(channel: Channel, height: int) -> ProtocolError | None:
    """Why the funding has to be spent now: somebody else than both parties may take it soon."""
    lock = lock_blocks(channel.channel_type.funding, channel.fundings[0].funding_keys) if channel.fundings else 0
    if not lock or not channel.short_channel_id:
        return None
    opens_height = int.from_bytes(channel.short_channel_id[:3], "big") + lock
    if height < opens_height - LOCK_MARGIN_BLOCKS:
        return None
    return FundingLockEnds(f"From height {opens_height} on, the funding can be taken without both parties.")


def _awaited(channel: Channel, height: int) -> Step:
    """Who opens channels and never funds them may not fill this node with them."""
    since = channel.awaited_since_height or height
    if height < since + FUNDING_BLOCKS:
        return done(replace(channel, awaited_since_height=since))
    reason = f"The funding transaction did not confirm within {FUNDING_BLOCKS} blocks."
    notice = Notify("phase", "channel_closed", (("channel", channel.key), ("reason", reason)))
    return done(replace(channel, phase=Closed(reason)), notice)


def committed_htlcs(channel: Channel) -> tuple[Htlc, ...]:
    """Every HTLC that is in either side's commitment, or may be."""
    pending = tuple(
        htlc_of(p.update) for p in channel.log if p.stage > 0 and p.update.provider == HTLC and p.update.kind == "add"
    )
    return (*htlcs_of(channel.base.states), *pending)


def fulfilled(channel: Channel, htlc: Htlc) -> bool:
    """Whether we have decided to claim this HTLC of the peer's."""
    return htlc.offerer == channel.them and any(d.id == htlc.id and d.kind == "fulfill" for d in channel.decisions)
