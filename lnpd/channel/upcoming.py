"""Which update will an event propose that still waits?

A guess from the channel as it will be by then: it saves a question of its own (foresight.py), and decides nothing.
"""

from collections.abc import Callable, Iterable
from typing import Any, Final

from lnpd_sdk.types import Update

from lnpd.channel.events import Add, Event, Fail, Fulfill
from lnpd.channel.foresight import Following
from lnpd.channel.htlcs import add_update, failing, fulfilling, offer
from lnpd.channel.removals import RemovalMessage, being_removed, htlc_at, removal_update
from lnpd.channel.state import Channel
from lnpd.channel.updates import next_id
from lnpd.tx.states import HTLC
from lnpd.wire.base import Message, Unknown
from lnpd.wire.messages import UpdateAddHtlc, UpdateFailHtlc, UpdateFailMalformedHtlc, UpdateFulfillHtlc


def following(events: Iterable[Event | Message | Unknown]) -> Following:
    """The updates of these events, one at each call; what is none ends them."""
    waiting = iter(events)

    def following_one(channel: Channel) -> Update | None:
        event = next(waiting, None)
        guess = UPDATES.get(type(event))
        return guess(channel, event) if guess is not None else None

    return following_one


def _added(channel: Channel, message: UpdateAddHtlc) -> Update | None:
    expected = message.id == next_id(channel, HTLC, channel.them)
    return add_update(channel.them, message) if expected else None


def _removed(channel: Channel, message: RemovalMessage) -> Update | None:
    known = htlc_at(channel, channel.us, message.id) and message.id not in being_removed(channel, channel.them)
    return removal_update(channel.them, message) if known else None


def _removing(channel: Channel, message: RemovalMessage) -> Update | None:
    known = htlc_at(channel, channel.them, message.id) and message.id not in being_removed(channel, channel.us)
    return removal_update(channel.us, message) if known else None


# Any: the table maps each event's class to a function of just that class, which no static type can say.
UPDATES: Final[dict[type, Callable[[Channel, Any], Update | None]]] = {
    Add: lambda channel, command: add_update(channel.us, offer(channel, command)),
    Fulfill: lambda channel, command: _removing(channel, fulfilling(channel, command)),
    Fail: lambda channel, command: _removing(channel, failing(channel, command)),
    UpdateAddHtlc: _added,
    UpdateFulfillHtlc: _removed,
    UpdateFailHtlc: _removed,
    UpdateFailMalformedHtlc: _removed,
}
