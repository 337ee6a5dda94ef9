"""What is told to all subscribers on other machines, and what does one of them still have to ask for?

    node                     subscriber
      | {"sequence": 7, "previous": 6, "event": {...}} ->|  told
      | {"sequence": 9, "previous": 8, "event": {...}} ->|  what of 8? -> history(since=7)
      | {"sequence": 9, "previous": 9} ----------------->|  a beat: nothing is missing

What is published may get lost, and what not everybody may read is not published. So each message says which event came
before it, and the node's log, which is asked then, has the last word.
"""

from collections import deque
from collections.abc import Sequence
from typing import Final

import msgspec

from lnpd.errors import NodeConnectionLost
from lnpd.rpc.answers.node import Event

PAGE_EVENTS: Final = 100


class Published(msgspec.Struct, frozen=True, omit_defaults=True):
    """The log goes up to `sequence`. The event is that one, and `previous` the one before it; without it, ask."""

    sequence: int
    previous: int
    event: Event | None = None


_decoder = msgspec.json.Decoder(Published)


def read(message: bytes) -> Published:
    """What a message says. Raises NodeConnectionLost."""
    try:
        return _decoder.decode(message)
    except (msgspec.MsgspecError, RecursionError, UnicodeError):
        raise NodeConnectionLost("The node publishes what is not understood.") from None


class Reading:
    """Where a subscriber is: `at` is the last event that it has. `must_ask` says when the log is to be asked."""

    def __init__(self, at: int) -> None:
        self.at, self.must_ask = at, True
        self._found: deque[Event] = deque()

    def next(self) -> Event | None:
        """An event that was found, if there is one."""
        return self._found.popleft() if self._found else None

    def found(self, events: Sequence[Event]) -> None:
        """What the log has after `at`, up to PAGE_EVENTS of it."""
        self.must_ask = len(events) >= PAGE_EVENTS
        for event in events:
            self._take(event)

    def heard(self, told: Published) -> None:
        """Something was published."""
        if told.sequence <= self.at:
            return
        if told.event is not None and told.previous <= self.at:
            self._take(told.event)
        else:
            self.must_ask = True

    def _take(self, event: Event) -> None:
        if event.sequence > self.at:
            self.at = event.sequence
            self._found.append(event)
