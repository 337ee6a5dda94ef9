"""When is an opened channel ready to use? (BOLT 2, channel_ready)

    funding at minimum_depth
     |---- channel_ready(point 1, alias) --->|
     |<--- channel_ready(point 1, alias) ----|
     both sent and received: Normal

A reorganisation before that takes the depth back; what it means after that is in undone.py.
"""

from collections.abc import Generator
from typing import Any

from lnpd_sdk.types import Party
from msgspec.structs import replace

from lnpd.channel.actions import Action, Notify, Send, WatchOutput, WatchTransaction
from lnpd.channel.events import TransactionConfirmed
from lnpd.channel.failure import fail
from lnpd.channel.outcomes import undecided
from lnpd.channel.progress import after_change
from lnpd.channel.queries import CommitmentPoint, ask
from lnpd.channel.state import AwaitingReady, Channel, Negotiating, Normal, ShuttingDown
from lnpd.channel.table import Step, done, on
from lnpd.channel.undone import keep_funding
from lnpd.crypto.secp import is_point
from lnpd.errors import FundingOutputWrong, InvalidPerCommitmentPoint
from lnpd.tx.funding import funding_output
from lnpd.wire.messages import ChannelReady, ChannelReadyTlvs

OPERATING = (Normal, ShuttingDown, Negotiating)
Acting = Generator[Any, Any, tuple[Channel, list[Action]]]  # Any: each reply is typed by its own query


def await_ready(channel: Channel) -> Acting:
    """Enter AwaitingReady: watch the funding; with minimum_depth 0 nothing is waited for."""
    funding = channel.fundings[0]
    script = funding_output(funding).script_pubkey
    depth = max(1, channel.minimum_depth)
    channel = replace(channel, phase=AwaitingReady(), depth_reached=channel.minimum_depth == 0)
    channel, sends = yield from announce_ready(channel)
    return channel, [
        WatchTransaction("funding", funding.txid, script, depth),
        WatchOutput("funding", funding.txid, funding.vout, script, channel.policy.resolution_depth),
        Notify("phase", "channel_opening", (("channel", channel.key), ("channel_id", channel.id.hex()))),
        *sends,
    ]


def announce_ready(channel: Channel) -> Acting:
    """Send channel_ready if it is time and the connection is up."""
    if not channel.depth_reached or channel.ready[channel.us] or not channel.live:
        return channel, []
    message = yield from ready_message(channel)
    channel, notices = _entered(replace(channel, ready=_with(channel.ready, channel.us)))
    return channel, [Send(message), *notices]


def ready_message(channel: Channel) -> Generator[Any, Any, ChannelReady]:
    """Our channel_ready, the same each time."""
    point = yield from ask(CommitmentPoint(1))
    tlvs = ChannelReadyTlvs(short_channel_id=channel.aliases[channel.us] or None)
    return ChannelReady(channel_id=channel.id, second_per_commitment_point=point, tlvs=tlvs)


@on((AwaitingReady, Normal, ShuttingDown, Negotiating), TransactionConfirmed)
def on_confirmed(channel: Channel, event: TransactionConfirmed) -> Step:
    """The funding is deep enough; its output is checked before we vouch for it."""
    funding = channel.fundings[0]
    if event.transaction.txid != funding.txid or event.depth < channel.minimum_depth:
        return (yield from done(channel))
    if event.transaction.outputs[funding.vout : funding.vout + 1] != (funding_output(funding),):
        return (yield from fail(channel, FundingOutputWrong("The funding transaction does not pay what was agreed.")))
    scid = short_channel_id(event.height, event.index, funding.vout)
    undone = channel.funding_undone
    channel = replace(channel, depth_reached=True, funding_undone=False, short_channel_id=scid)
    channel, actions = yield from announce_ready(channel)
    actions.append(keep_funding(event.transaction))
    if not undone:
        return channel, actions
    notice = Notify("funding", "funding_confirmed_again", (("channel", channel.key),))
    waited = yield from undecided(channel)
    return (yield from after_change(channel, [*actions, *waited, notice]))


@on((AwaitingReady, Normal, ShuttingDown, Negotiating), ChannelReady)
def on_channel_ready(channel: Channel, message: ChannelReady) -> Step:
    """The peer is ready; a redundant one may only bring another alias."""
    alias = message.tlvs.short_channel_id or channel.aliases[channel.them]
    aliases = (alias, channel.aliases[1]) if channel.them == 0 else (channel.aliases[0], alias)
    channel = replace(channel, aliases=aliases)
    if channel.ready[channel.them]:
        return done(channel)
    if not is_point(message.second_per_commitment_point):
        raise InvalidPerCommitmentPoint("channel_ready: second_per_commitment_point is no point.")
    points = (*channel.their_points, message.second_per_commitment_point)
    channel = replace(channel, their_points=points, ready=_with(channel.ready, channel.them))
    channel, notices = _entered(channel)
    return done(channel, *notices)


def short_channel_id(height: int, index: int, vout: int) -> bytes:
    """BOLT 7, Definition of short_channel_id."""
    return height.to_bytes(3, "big") + index.to_bytes(3, "big") + vout.to_bytes(2, "big")


def _with(ready: tuple[bool, bool], party: Party) -> tuple[bool, bool]:
    return (True, ready[1]) if party == 0 else (ready[0], True)


def _entered(channel: Channel) -> tuple[Channel, list[Action]]:
    """Normal once both are ready; a channel that is shutting down already stays there."""
    if not all(channel.ready) or not isinstance(channel.phase, AwaitingReady):
        return channel, []
    notice = Notify("phase", "channel_ready", (("channel", channel.key), ("channel_id", channel.id.hex())))
    return replace(channel, phase=Normal()), [notice]
