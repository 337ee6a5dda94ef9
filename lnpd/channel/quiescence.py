"""How do both sides agree that nothing is in flight? (BOLT 2, Channel Quiescence)

    us                              peer
     |---- stfu(initiator=1) --------->|      once no update of ours is pending
     |<--- stfu(initiator=0) ----------|      once none of theirs is

Both may begin at once; then the channel's opener counts as the initiator. It ends with the connection, or when the
protocol that asked for it ends.
"""

from lnpd_sdk.types import OPENER
from msgspec.structs import replace

from lnpd.channel.actions import Disconnect
from lnpd.channel.events import Quiesce, QuiescenceExpired
from lnpd.channel.progress import after_change, quiet
from lnpd.channel.state import Channel, Normal, ShuttingDown
from lnpd.channel.table import Step, done, on
from lnpd.errors import ChannelNotReady, CommandRefused, QuiescenceTooLong, StfuTwice, StfuWhilePending
from lnpd.wire.messages import Stfu


@on((Normal, ShuttingDown), Quiesce)
def on_quiesce(channel: Channel, command: Quiesce) -> Step:
    """Ask for quiescence; the stfu leaves when none of our updates is pending."""
    if not channel.live:
        raise ChannelNotReady("The peer is not connected, or the channel is not reestablished yet.")
    if any(channel.shutdown):
        raise CommandRefused("The channel is closing: nothing needs quiescence any more.")
    if channel.quiescence.wanted or channel.quiescence.sent:
        return (yield from done(channel))
    quiescence = replace(channel.quiescence, wanted=True)
    return (yield from after_change(replace(channel, quiescence=quiescence), []))


@on((Normal, ShuttingDown), Stfu)
def on_stfu(channel: Channel, message: Stfu) -> Step:
    """The peer is quiet; we follow as soon as we can, or the channel is quiescent."""
    quiescence = channel.quiescence
    if quiescence.received:
        raise StfuTwice("stfu: it was sent before on this connection.")
    if any(p.update.proposer == channel.them for p in channel.log):
        raise StfuWhilePending("stfu: an update of its sender is still pending.")
    if quiescence.sent:
        # Ours said initiator 1; if theirs does too, both began at once.
        initiator = OPENER if message.initiator else channel.us
        channel = replace(channel, quiescence=replace(quiescence, received=True, initiator=initiator))
        channel, actions = quiet(channel, [])
        return (yield from after_change(channel, actions))
    channel = replace(channel, quiescence=replace(quiescence, received=True))
    return (yield from after_change(channel, []))


@on((Normal, ShuttingDown), QuiescenceExpired)
def on_quiescence_expired(channel: Channel, event: QuiescenceExpired) -> Step:
    """End a quiescence that lasts too long by reconnecting."""
    if not channel.quiescence.quiescent:
        return done(channel)
    return done(channel, Disconnect(str(QuiescenceTooLong("The channel was quiescent for 60 seconds."))))
