"""How do a feerate and an extension's state change? (BOLT 2 update_fee; update_ext)

    proposer                       other
     |---- update_fee, update_ext --->|      then commit and revoke, both ways

Only the opener changes the feerate. An update_ext names its provider by its place in the channel's list of extensions.
"""

import msgspec
from lnpd_sdk.types import OPENER, SetFee, Update

from lnpd.channel.actions import Send
from lnpd.channel.events import Propose, SetFeerate
from lnpd.channel.feerates import afforded
from lnpd.channel.proposals import admit, may_propose, may_receive, own
from lnpd.channel.state import Channel, Normal, ShuttingDown
from lnpd.channel.table import Step, on
from lnpd.channel.updates import next_id
from lnpd.errors import CommandRefused, ExtensionIdOutOfOrder, FeeNotFromOpener, UnknownNamespace
from lnpd.tx.states import BASE
from lnpd.wire.messages import UpdateExt, UpdateFee

FINENESS = 32  # of a feerate that is searched for: a thirty-second of it
EXTENSION = "ext"  # the kind of every extension's update: what it means is in its body


@on((Normal, ShuttingDown), SetFeerate)
def on_set_feerate(channel: Channel, command: SetFeerate) -> Step:
    """Propose another feerate."""
    may_propose(channel)
    if channel.us != OPENER:
        raise CommandRefused("Only the side that opened the channel changes its feerate.")
    least, most = command.least_per_kw, (yield from afforded(channel, command))
    try:
        return (yield from _with_feerate(channel, most))
    except CommandRefused:
        if not 0 < least < most:
            raise
    return (yield from _as_far_as_admitted(channel, least, most))


def _as_far_as_admitted(channel: Channel, least: int, most: int) -> Step:
    """A provider may admit no more than some feerate: near that is better than far below it."""
    admitted = yield from _with_feerate(channel, least)
    while most - least > least // FINENESS:
        middle = (least + most) // 2
        try:
            admitted, least = (yield from _with_feerate(channel, middle)), middle
        except CommandRefused:
            most = middle
    return admitted


def _with_feerate(channel: Channel, feerate_per_kw: int) -> Step:
    message = UpdateFee(channel_id=channel.id, feerate_per_kw=feerate_per_kw)
    channel, rows = yield from own(admit(channel, fee_update(channel, message), message))
    return channel, [*rows, Send(message)]


@on((Normal, ShuttingDown), UpdateFee)
def on_update_fee(channel: Channel, message: UpdateFee) -> Step:
    """The opener proposes another feerate."""
    may_receive(channel)
    if channel.them != OPENER:
        raise FeeNotFromOpener("update_fee: only the party that pays the fee may change it.")
    return (yield from admit(channel, fee_update(channel, message), message))


def fee_update(channel: Channel, message: UpdateFee) -> Update:
    """The update that an update_fee means; both sides count them alike."""
    body = msgspec.msgpack.encode(SetFee(message.feerate_per_kw))
    return Update(OPENER, BASE, "fee", next_id(channel, BASE, OPENER), body)


@on((Normal, ShuttingDown), Propose)
def on_propose(channel: Channel, command: Propose) -> Step:
    """Propose an extension's update."""
    may_propose(channel)
    names = [extension.name for extension in channel.extensions]
    if command.provider not in names:
        raise CommandRefused(f"This channel was opened without the provider {command.provider}.")
    identity = next_id(channel, command.provider, channel.us)
    message = UpdateExt(channel_id=channel.id, namespace=names.index(command.provider), id=identity, data=command.body)
    update = Update(channel.us, command.provider, EXTENSION, identity, command.body)
    channel, rows = yield from own(admit(channel, update, message, command.max_taken_msat))
    return channel, [*rows, Send(message)]


@on((Normal, ShuttingDown), UpdateExt)
def on_update_ext(channel: Channel, message: UpdateExt) -> Step:
    """The peer proposes an extension's update."""
    may_receive(channel)
    if message.namespace >= len(channel.extensions):
        raise UnknownNamespace(f"update_ext: this channel has no extension {message.namespace}.")
    name = channel.extensions[message.namespace].name
    expected = next_id(channel, name, channel.them)
    if message.id != expected:
        raise ExtensionIdOutOfOrder(f"update_ext: {name}'s next id is {expected}, not {message.id}.")
    update = Update(channel.them, name, EXTENSION, message.id, message.data)
    return (yield from admit(channel, update, message))
