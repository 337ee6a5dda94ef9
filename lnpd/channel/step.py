"""How does a driver run a channel?

    generator = step(channel, event)
    query = next(generator)             # answer it, generator.send(reply), until StopIteration
    channel, actions = stop.value       # store both in one transaction, then act

`step` raises ProtocolError if the peer broke a rule (then run `failure.failed`, a step too, on the same channel), and
CommandRefused if a command cannot be done: nothing has changed then. A snapshot that was loaded is first given
Disconnected.
"""

from lnpd.channel import (  # the handlers register themselves
    accepting,
    deadlines,
    extensions,
    failure,
    foreign,
    gates,
    htlcs,
    negotiation,
    normal,
    onchain,
    opening,
    quiescence,
    ready,
    reestablish,
    shutdown,
    undone,
    witnesses,
)
from lnpd.channel.events import (
    Block,
    Commit,
    Connected,
    Disconnected,
    Event,
    GiveUp,
    OutputSpent,
    OutputUnspent,
    PeerPosition,
    SpendSeen,
    TransactionConfirmed,
    TransactionUnconfirmed,
)
from lnpd.channel.refusals import refused
from lnpd.channel.state import Channel, Closed, Failed, OnChain
from lnpd.channel.table import TRANSITIONS, Step, done
from lnpd.errors import BatchInterrupted, MessageBeforeReestablish, UnexpectedMessage
from lnpd.wire.base import Message, Unknown
from lnpd.wire.messages import AnnouncementSignatures, ChannelReestablish, CommitmentSigned
from lnpd.wire.messages import Error as ErrorMessage
from lnpd.wire.messages import Warning as WarningMessage

HANDLERS = (
    opening,
    foreign,
    accepting,
    ready,
    htlcs,
    extensions,
    gates,
    normal,
    quiescence,
    shutdown,
    negotiation,
    reestablish,
    failure,
    deadlines,
    undone,
    witnesses,
    onchain,
)
# What the chain or the connection did has happened, whether a phase cares or not; Commit and GiveUp are never refused.
IGNORABLE = (
    Connected,
    Disconnected,
    PeerPosition,
    TransactionConfirmed,
    TransactionUnconfirmed,
    OutputSpent,
    SpendSeen,
    OutputUnspent,
    Block,
    Commit,
    GiveUp,
    Unknown,
    AnnouncementSignatures,  # we announce nothing; a peer that does may ask for our part at any time
)
OVER = (Failed, OnChain, Closed)  # BOLT 2: ignore any other packets for a channel in an error state
AT_ANY_TIME = (ChannelReestablish, ErrorMessage, WarningMessage)


def step(channel: Channel, event: Event | Message | Unknown) -> Step:
    """The step of an event: a generator of queries that returns the new channel and its actions.

    Raises ProtocolError and CommandRefused, at the first `next` or later.
    """
    if isinstance(event, Message):
        check_order(channel, event)
    handler = TRANSITIONS.get((type(channel.phase), type(event)))
    if handler is not None:
        return (yield from handler(channel, event))
    if isinstance(event, IGNORABLE) or (isinstance(event, Message) and isinstance(channel.phase, OVER)):
        return (yield from done(channel))
    if isinstance(event, Message):
        phase = type(channel.phase).__name__
        raise UnexpectedMessage(f"{event.NAME}: not expected while this channel is in phase {phase}.")
    raise refused(channel.phase, event)


def check_order(channel: Channel, message: Message) -> None:
    """Raises MessageBeforeReestablish, BatchInterrupted (BOLT 2, Message Retransmission, Batching)."""
    if isinstance(message, AT_ANY_TIME) or isinstance(channel.phase, OVER):
        return
    if channel.fundings and channel.link != "up":
        raise MessageBeforeReestablish(f"{message.NAME}: it came before channel_reestablish.")
    if channel.batch_missing and not isinstance(message, CommitmentSigned):
        raise BatchInterrupted(f"{message.NAME}: it interrupts a batch of commitment_signed.")
