"""May this update be proposed? Asked of every update, by its proposer before it is sent and by its receiver.

Four questions: does any provider refuse it; does it keep BOLT 2's limits (limits.py); does it commute with what the
other party has pending; and do the rules of money allow it, the proposer's reserve among them. The proposer asks the
last of both commitments, and keeps a fee-spike buffer. Two updates that cross may do together what neither does alone:
so the rules of money are also asked of an extension's update beside all that the other party has pending.
"""

from collections.abc import Generator
from typing import Any

from lnpd_sdk.types import Party, Reject, Update, other

from lnpd.channel import commitments
from lnpd.channel.actions import Action, Keep
from lnpd.channel.foresight import ahead_of
from lnpd.channel.limits import check_limits
from lnpd.channel.queries import Folds, FoldUpdates, JudgeProposal, ask
from lnpd.channel.state import Channel, update_key
from lnpd.channel.updates import FUTURE, NEXT, is_removal, taken_msat, updates_by_party, with_proposed
from lnpd.errors import (
    ChannelNotReady,
    CommandRefused,
    CommitmentsApart,
    ProtocolError,
    UpdateAfterStfu,
    UpdateBeforeReady,
    UpdateRejected,
    UpdatesDoNotCommute,
)
from lnpd.tx.accounts import Account, lowest
from lnpd.tx.states import CORE, htlcs_of
from lnpd.wire.base import Message
from lnpd.wire.message import to_row

Both = tuple[tuple[Update, ...], tuple[Update, ...]]  # the proposer's updates, and the recipient's
Crossing = tuple[Folds, Folds]  # without and with an update
Admitting = Generator[Any, Any, tuple[Channel, list[Action]]]  # Any: each reply is typed by its own query


def admit(channel: Channel, update: Update, message: Message, max_taken_msat: int | None = None) -> Admitting:
    """The channel with one more proposal and the row of its message. Raises ProposalRefused and its kin.

    `max_taken_msat` bounds our own proposals as the grant of their provider bounds the peer's.
    """
    recipient = other(update.proposer)
    number = channel.numbers[recipient] + 1
    pending = _split(channel, recipient, NEXT)
    before = yield from commitments.fold_all(channel, recipient, number, (*pending[1], *pending[0]))
    check_limits(channel, update, before)
    yield from ahead_of(channel, update, before)
    after = yield from _folded(channel, recipient, number, (*pending[1], *pending[0], update))
    crossing = yield from _commutes(channel, recipient, number, pending, update, after)
    effect = yield from _judged(channel, update, recipient, (before, after), max_taken_msat)
    if crossing is not None:
        crossed = yield from _judged(channel, update, recipient, crossing, max_taken_msat, crossed=True)
        effect = lowest((effect, crossed))
    row = Keep("update", update_key(update), to_row(message))
    return with_proposed(channel, update, effect), [row]


def granted_msat(channel: Channel, provider: str) -> int:
    """What the user lets a provider still take from our balance in this channel."""
    return max(0, 1000 * dict(channel.policy.grants).get(provider, 0) - taken_msat(channel, provider))


def _taken_msat(channel: Channel, update: Update, *folds: Crossing | None) -> int:
    """What an extension's update takes from our balance, at most: alone, or beside what is pending."""
    if update.provider in CORE:
        return 0
    us = channel.us
    return max(0, *(pair[0].balances_msat[us] - pair[1].balances_msat[us] for pair in folds if pair))


def own(admitting: Admitting) -> Admitting:
    """Our own proposal: what would be the peer's error is a refused command, and changes nothing."""
    try:
        return (yield from admitting)
    except ProtocolError as error:
        raise CommandRefused(str(error)) from error


def may_propose(channel: Channel) -> None:
    """Raises CommandRefused where this side may not send an update now."""
    if not channel.live:
        raise ChannelNotReady("The peer is not connected, or the channel is not reestablished yet.")
    if not all(channel.ready):
        raise ChannelNotReady("The channel is not ready yet: its funding has too few confirmations for a side.")
    if channel.funding_undone:
        raise ChannelNotReady("A reorganisation took the funding out of the chain: it has to be deep again first.")
    if channel.quiescence.wanted or channel.quiescence.sent or channel.quiescence.received:
        raise ChannelNotReady("The channel rests for a moment (stfu): no update may be sent.")
    if channel.shutdown[channel.us] and peer_may_be_clear(channel):
        if channel.log:
            raise ChannelNotReady(
                "What the peer changes now may let the channel close: propose it again if it does not."
            )
        raise CommandRefused("The closing transaction is being negotiated: nothing may change any more.")


def peer_may_be_clear(channel: Channel) -> bool:
    """Whether the peer may have nothing pending already, without another message of ours.

    BOLT 2 forbids updates from then on. It is so if all that is pending are the peer's updates that we have signed,
    and these remove the last HTLC, or may be what a blocking provider waits for.
    """
    if any(p.update.proposer == channel.us or p.stage < 3 for p in channel.log):
        return False
    removed = {p.update.id for p in channel.log if is_removal(p.update)}
    left = [h for h in htlcs_of(channel.base.states) if h.offerer == channel.them or h.id not in removed]
    return not left and (bool(channel.log) or not channel.blocked_by)


def may_receive(channel: Channel) -> None:
    """Raises UpdateAfterStfu, UpdateBeforeReady: when a peer may not send updates (BOLT 2)."""
    if not all(channel.ready):
        raise UpdateBeforeReady("An update came before channel_ready.")
    if channel.quiescence.received:
        raise UpdateAfterStfu("An update came after stfu.")


def _split(channel: Channel, recipient: Party, stages: tuple[int, int]) -> Both:
    """A commitment's pending updates: the proposer's, and the recipient's own."""
    updates = updates_by_party(channel, recipient, stages)
    return updates[other(recipient)], updates[recipient]


def _folded(channel: Channel, holder: Party, number: int, updates: tuple[Update, ...]) -> Generator[Any, Any, Folds]:
    view = commitments.fold_view(channel, holder, number)
    base = channel.base
    query = FoldUpdates(channel.channel_type, view, base.states, updates, True, base.moved_msat)
    reply = yield from ask(query)
    if isinstance(reply, Reject):
        raise UpdateRejected(f"The update is refused: {reply.reason.rstrip('.')}.")
    return reply


def _commutes(
    channel: Channel,
    recipient: Party,
    number: int,
    before: Both,
    update: Update,
    after: Folds,
) -> Generator[Any, Any, Crossing | None]:
    """Whatever the two parties have pending may become irrevocable in either order, on either side first.

    Returns everything that is pending, without and with the update, where an extension could make a difference of it.
    """
    # The core's own updates commute by construction (tests walk it); refolding hundreds of them twice is what costs.
    if not channel.extensions:
        return None
    own, pending = before
    everything = _split(channel, recipient, FUTURE)[1]
    if not everything:
        return None
    if everything != pending:
        after = yield from _folded(channel, recipient, number, (*everything, *own, update))
    crossed = yield from _folded(channel, recipient, number, (*own, update, *everything))
    if crossed != after:
        raise UpdatesDoNotCommute(
            f"{update.provider}: this update does not commute with what the other side has pending; try it again."
        )
    if everything == pending or all(each.provider in CORE for each in (update, *everything)):
        return None
    return (yield from commitments.fold_all(channel, recipient, number, (*everything, *own))), after


def _judged(
    channel: Channel,
    update: Update,
    recipient: Party,
    folds: Crossing,
    max_taken_msat: int | None,
    crossed: bool = False,
) -> Generator[Any, Any, Account]:
    """The rules of money (tx/proposal.py), in the recipient's next commitment, without and with the update.

    Returns what the update does to its provider's account, at worst. The proposer's reserve is that of this commitment,
    for there both sides know the same updates. What the update does in the proposer's own is judged too where an
    extension could make a difference, and always by the proposer.
    `crossed` are the folds with what is not part of the next commitment yet: then reserves and fees do not count.
    """
    ours = update.proposer == channel.us
    # A peer's update may have crossed our shutdown; ours may not follow either.
    closing = bool(channel.shutdown[update.proposer]) or (ours and any(channel.shutdown))
    grant_msat, own_msat = _left_msat(channel, update, max_taken_msat)
    effects: list[Account] = []
    for holder in (recipient, other(recipient)):
        if holder != recipient and not (ours or channel.extensions):
            continue
        point = yield from commitments.next_point(channel, holder)
        was, will = (commitments.specification(channel, holder, point, each) for each in folds)
        query = JudgeProposal(
            was,
            will,
            update,
            commitments.reserves_sat(channel),
            grant_msat=grant_msat,
            own_msat=own_msat,
            strict=not crossed and (ours or holder == recipient),
            spike=not crossed and ours and update.kind == "add",
            shrink=closing and update.provider not in CORE,
            whole=not is_removal(update),
        )
        reply = yield from ask(query)
        if not isinstance(reply, Account):
            raise reply
        effects.append(reply)
    if any(each.net_msat != effects[0].net_msat for each in effects):
        raise CommitmentsApart(
            f"{update.provider}: what this update takes is not the same in both commitments: "
            f"{effects[0].net_msat} and {effects[1].net_msat} msat by party."
        )
    return lowest(effects)


def _left_msat(channel: Channel, update: Update, max_taken_msat: int | None) -> tuple[int | None, int | None]:
    """What this update's provider may still take of our money: by the peer's updates, and by our own. None is no limit,
    which is what the core has, our own updates without `max_taken_msat`, and whoever the limit is not for."""
    if update.provider in CORE:
        return None, None
    if update.proposer != channel.us:
        return granted_msat(channel, update.provider), None
    if max_taken_msat is None:
        return None, None
    return None, max(0, max_taken_msat - taken_msat(channel, update.provider))
