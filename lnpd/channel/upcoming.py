"""Which update will an event propose that still waits?

A guess from the channel as it will be by then: it saves a question of its own (foresight.py), and decides nothing. What
cannot be is found by the core's providers, which are asked of each update before an extension is.
"""

from collections.abc import Callable, Iterable
from typing import Any, Final

from lnpd_sdk.types import Update

from lnpd.channel.events import Add, Event, Fail, Fulfill
from lnpd.channel.foresight import Following
from lnpd.channel.htlcs import add_update, failing, fulfilling, offer
from lnpd.channel.removals import removal_update
from lnpd.channel.state import Channel
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


# Any: the table maps each event's class to a function of just that class, which no static type can say.
UPDATES: Final[dict[type, Callable[[Channel, Any], Update]]] = {
    Add: lambda channel, command: add_update(channel.us, offer(channel, command)),
    Fulfill: lambda channel, command: removal_update(channel.us, fulfilling(channel, command)),
    Fail: lambda channel, command: removal_update(channel.us, failing(channel, command)),
    UpdateAddHtlc: lambda channel, message: add_update(channel.them, message),
    UpdateFulfillHtlc: lambda channel, message: removal_update(channel.them, message),
    UpdateFailHtlc: lambda channel, message: removal_update(channel.them, message),
    UpdateFailMalformedHtlc: lambda channel, message: removal_update(channel.them, message),
}
