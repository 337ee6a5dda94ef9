"""What becomes of a channel whose rules were broken? (BOLT 1 error and warning, BOLT 5 Failing a Channel)

This is the one place where an error becomes a message. BOLT 2 mostly leaves the choice between a `warning` with a
closed connection and an `error` that ends the channel: the class of the error makes it. A ProtocolWarning costs one
reconnect; every other ProtocolError costs the channel, and once it has a funding, our latest commitment is broadcast
unless it may be revoked: never after data loss, and while our state is unproven not before the peer's word
(lnpd.channel.deadlines says how long that is waited for).
"""

from collections.abc import Generator
from typing import Any

import msgspec
from msgspec.structs import replace

from lnpd.channel.actions import Action, Broadcast, Disconnect, FundingReleased, Notify, Send, SignBroadcast, Tell
from lnpd.channel.events import ForceClose, GiveUp
from lnpd.channel.gates import remembered
from lnpd.channel.queries import FindCommitment, FindRow, Kept, ask, commitment_key
from lnpd.channel.stakes import our_anchor, stake_in
from lnpd.channel.state import (
    AwaitingAccept,
    AwaitingFunding,
    AwaitingFundingCreated,
    AwaitingFundingSigned,
    AwaitingReady,
    Channel,
    Closed,
    Failed,
    Negotiating,
    New,
    Normal,
    OnChain,
    ShuttingDown,
)
from lnpd.channel.table import Step, done, on
from lnpd.errors import CommandRefused, DataLost, ProtocolError, ProtocolWarning, StateUnproven
from lnpd.errors.words import one_line
from lnpd.tx.transaction import Tx
from lnpd.wire.messages import Error as ErrorMessage
from lnpd.wire.messages import Warning as WarningMessage

UNFUNDED = (New, AwaitingAccept, AwaitingFunding, AwaitingFundingCreated, AwaitingFundingSigned)
FUNDED = (AwaitingReady, Normal, ShuttingDown, Negotiating)
MAX_TEXT_BYTES = 1000


def failed(channel: Channel, error: ProtocolError) -> Step:
    """The step that follows one that raised: run it on the channel as it was before the broken message."""
    channel = remembered(channel, error)
    if only_warns(channel, error):
        notice = Notify("warning", "channel_warning", (("channel", channel.key), ("reason", str(error))))
        return (yield from done(channel, Send(warning(channel, error)), Disconnect(str(error)), notice))
    return (yield from fail(channel, error))


def only_warns(channel: Channel, error: ProtocolError) -> bool:
    """Whether an error costs a reconnect, and not the channel."""
    return isinstance(error, ProtocolWarning) and not isinstance(channel.phase, UNFUNDED)


def warning(channel: Channel, what: ProtocolError | str) -> WarningMessage:
    """What a peer is told of what only costs a reconnect."""
    return WarningMessage(channel_id=channel.id, data=str(what).encode()[:MAX_TEXT_BYTES])


def fail(channel: Channel, error: ProtocolError, *, tell: bool = True, though_unproven: bool = False) -> Step:
    """End the channel: tell the peer (if it is there) and broadcast what settles it, `though_unproven` at once."""
    text = str(error)
    sends: list[Action] = []
    if tell and channel.link != "down":
        sends = [Send(ErrorMessage(channel_id=channel.id, data=text.encode()[:MAX_TEXT_BYTES]))]
    notice = Notify("phase", "channel_failed", (("channel", channel.key), ("reason", text)))
    if isinstance(channel.phase, UNFUNDED):
        return replace(channel, phase=Closed(text)), [*sends, *released(channel), notice]
    if isinstance(channel.phase, OnChain | Closed):
        return channel, []
    may_broadcast = not isinstance(error, DataLost)
    if isinstance(channel.phase, Failed):
        may_broadcast = may_broadcast and channel.phase.may_broadcast
    channel = proven(channel) if though_unproven else channel
    channel = replace(channel, phase=Failed(text, may_broadcast), auxiliary=())
    broadcasts = (yield from broadcast_latest(channel)) if may_broadcast and not channel.unproven else []
    return channel, [*sends, *broadcasts, notice]


def proven(channel: Channel) -> Channel:
    """Our state is the latest, or is taken for it."""
    return replace(channel, unproven=False, unproven_starts=0, doubted=False)


def broadcast_latest(channel: Channel) -> Generator[Any, Any, list[Action]]:
    """Our latest commitment on each funding, from its kept row. Asks no provider."""
    actions = as_broadcasts((yield from kept_ancestors(channel)))
    number = channel.numbers[channel.us]
    for funding in channel.fundings:
        kept: Kept | None = yield from ask(FindCommitment(commitment_key(funding.txid, channel.us, number)))
        assert kept is not None and kept.signatures is not None, "our latest commitment is always kept"
        fill = SignBroadcast(funding.txid, number)
        key = f"commitment/{funding.txid.hex()}"
        stake = stake_in(channel, kept.graph)
        anchor_vout = our_anchor(kept.graph, channel.us)
        actions.append(
            Broadcast(key, kept.graph.tx, (fill,), anchor_vout, stake.ours_sat, stake.stake_sat, stake.deadline_height)
        )
    return actions


def kept_ancestors(channel: Channel) -> Generator[Any, Any, tuple[Tx, ...]]:
    """What leads to a funding that others make, as it is kept: a commitment needs it on the chain."""
    row = (yield from ask(FindRow("ancestors", channel.fundings[0].txid.hex()))) if channel.foreign else None
    return msgspec.msgpack.decode(row, type=tuple[Tx, ...]) if row is not None else ()


def as_broadcasts(transactions: tuple[Tx, ...]) -> list[Action]:
    """Each by itself: parents come first, here and in the names by which they are broadcast again."""
    return [Broadcast(f"ancestor/{number:02}", tx) for number, tx in enumerate(transactions)]


def released(channel: Channel) -> tuple[Action, ...]:
    """What frees the coins of a funding that will not be broadcast."""
    if not isinstance(channel.phase, AwaitingFundingSigned) or channel.foreign:
        return ()
    return (Tell("released", "funding", FundingReleased(channel.phase.transaction.txid)),)


@on((*FUNDED, Failed), ForceClose)
def on_force_close(channel: Channel, command: ForceClose) -> Step:
    """Close from stored data, asking nobody. Refused where our latest commitment is revoked, or may be."""
    if isinstance(channel.phase, Failed) and not channel.phase.may_broadcast:
        raise CommandRefused("Our state of this channel is old: only the peer can close it safely.")
    if channel.unproven and not command.not_restored:
        raise StateUnproven(
            "Since this node started, the peer has not shown that our state of this channel is the latest. If this "
            "database is an older copy that was restored, our commitment in it is revoked, and who broadcasts it loses "
            "everything in the channel to the peer."
        )
    return fail(channel, ProtocolError(command.reason), though_unproven=True)


@on(UNFUNDED, ForceClose)
@on(UNFUNDED, GiveUp)
def on_give_up(channel: Channel, command: ForceClose | GiveUp) -> Step:
    """Give up an opening."""
    return fail(channel, ProtocolError(command.reason))


@on((*UNFUNDED, *FUNDED, Failed), ErrorMessage)
def on_error(channel: Channel, message: ErrorMessage) -> Step:
    """The peer ended the channel: so do we (BOLT 1, error)."""
    text = one_line(message.data)
    if isinstance(channel.phase, Failed):
        return done(channel)
    return fail(channel, ProtocolError(f"The peer sent an error: {text}"), tell=False)


@on((*UNFUNDED, *FUNDED, Failed, OnChain, Closed), WarningMessage)
def on_warning(channel: Channel, message: WarningMessage) -> Step:
    """Only shown to a person."""
    fields = (("channel", channel.key), ("reason", one_line(message.data)))
    return done(channel, Notify("warning", "peer_warning", fields))


def frozen(channel: Channel, why: str) -> Notify:
    """The event that a channel waits for a provider."""
    return Notify("frozen", "channel_frozen", (("channel", channel.key), ("reason", why)))
