"""How does closing by agreement begin? (BOLT 2, Closing Initiation)

us                                   peer
 |---- shutdown(script) --------------->|    once none of our updates is unacked on their commitment
 |<--- shutdown(script) ----------------|
 |     (HTLCs are settled, providers let go)
 |<--> closing_signed (negotiation.py) <->|
"""

from msgspec.structs import replace

from lnpd.channel.actions import Action
from lnpd.channel.events import Close
from lnpd.channel.progress import after_change, with_shutdown
from lnpd.channel.queries import AllowDestination, ask
from lnpd.channel.scripts import shutdown_script_allowed
from lnpd.channel.state import AwaitingReady, Channel, Negotiating, Normal, ShuttingDown
from lnpd.channel.table import Step, on
from lnpd.errors import CommandRefused, ShutdownScriptChanged, ShutdownScriptForm, ShutdownTwice
from lnpd.tx.seals import holder_of
from lnpd.wire.messages import Shutdown


@on((AwaitingReady, Normal, ShuttingDown), Close)
def on_close(channel: Channel, command: Close) -> Step:
    """Close by agreement. Sent when it may be, also after a reconnect; again, it only changes the fees."""
    upfront = channel.terms[channel.us].upfront_shutdown_script
    script = channel.shutdown_script or channel.shutdown[channel.us] or upfront or command.script
    if upfront and command.script not in (b"", upfront):
        raise CommandRefused(
            "When this channel was opened the peer was promised where its close pays us, and allows nothing else: leave"
            " the destination out (--upfront-shutdown)."
        )
    holder, known = holder_of(channel.channel_type), (b"", channel.policy.sweep_script, channel.shutdown_script)
    if holder and command.script not in (*known, upfront):
        raise CommandRefused(
            f"What comes home from this channel is held for {holder}, which has to know where: close it to the wallet"
            " (leave the destination out), and send on from there."
        )
    if not shutdown_script_allowed(script, channel.policy.anysegwit):
        raise CommandRefused("A channel closes to P2WPKH, P2WSH or, if the peer allows it, a later witness program.")
    if not 0 <= command.min_fee_sat <= command.max_fee_sat:
        raise CommandRefused("The lowest fee has to be at most the highest.")
    if script not in (upfront, channel.policy.sweep_script):
        yield from ask(AllowDestination(script))
    fees = (command.min_fee_sat, command.max_fee_sat)
    return (yield from after_change(replace(channel, shutdown_script=script, closing_range_sat=fees), []))


@on((AwaitingReady, Normal, ShuttingDown, Negotiating), Shutdown)
def on_shutdown(channel: Channel, message: Shutdown) -> Step:
    """The peer wants to close: so do we, as soon as we may."""
    script, before = message.scriptpubkey, channel.shutdown[channel.them]
    if not shutdown_script_allowed(script, channel.policy.anysegwit):
        raise ShutdownScriptForm("shutdown: scriptpubkey is in none of the forms that are allowed.")
    upfront = channel.terms[channel.them].upfront_shutdown_script
    if channel.policy.upfront_shutdown and upfront and script != upfront:
        raise ShutdownScriptChanged("shutdown: scriptpubkey is not the one named in upfront_shutdown_script.")
    if before and before != script:
        raise ShutdownTwice("shutdown: it was sent before with another scriptpubkey.")
    actions: list[Action] = []
    channel = replace(channel, shutdown_heard=True)
    if not before:
        channel = with_shutdown(channel, channel.them, script)
    if not channel.shutdown_script:
        channel = replace(channel, shutdown_script=answer_script(channel))
    return (yield from after_change(channel, actions))


def answer_script(channel: Channel) -> bytes:
    """Where a close pays us if nobody says where: as promised, or to the wallet."""
    return channel.terms[channel.us].upfront_shutdown_script or channel.policy.sweep_script
