"""How does a program follow a node's events, through the node's restarts, with none left out and none told twice?

    for event in node.events(since=7):
        print(event.sequence, event.topic)

The place is a sequence number and the node keeps what happened, so the way back is to ask for what is later.
"""

import time
from collections.abc import Callable
from types import TracebackType
from typing import Final

from lnpd.errors import DeadlineMissed, NodeConnectionLost, NodeUnavailable
from lnpd.rpc.answers.node import Event
from lnpd.rpc.pipe import Feed

FIRST_PAUSE_SECONDS: Final = 0.05
LONGEST_PAUSE_SECONDS: Final = 2.0
AWAY: Final = (NodeConnectionLost, NodeUnavailable, DeadlineMissed)
"""What is tried again: the node is not there, or too busy."""


class Pauses:
    """How long to wait between tries to reach a node: longer each time, and no longer than somebody's patience."""

    def __init__(self, patience_seconds: float | None) -> None:
        self._patience_seconds = patience_seconds
        self._next, self._waited = FIRST_PAUSE_SECONDS, 0.0

    def next(self, error: Exception) -> float:
        """Seconds until the next try. Raises the error once the patience has ended."""
        if self._patience_seconds is not None and self._waited >= self._patience_seconds:
            raise error
        pause = self._next
        self._next = min(2 * pause, LONGEST_PAUSE_SECONDS)
        self._waited += pause
        return pause


class Following:
    """An iterator over events, and a context that ends it. `sequence` is the number of the last one that it told."""

    def __init__(self, opened: Callable[[int | None], Feed], since: int | None, patience_seconds: float | None) -> None:
        """Subscribes; raises what `opened` raises."""
        self._opened, self._patience_seconds = opened, patience_seconds
        self._feed: Feed | None = opened(since)
        self._ended = False
        self.sequence = self._feed.begun_after

    def __enter__(self) -> "Following":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __iter__(self) -> "Following":
        return self

    def __next__(self) -> Event:
        event = self.next()
        if event is None:
            raise StopIteration
        return event

    def next(self, timeout_seconds: float | None = None) -> Event | None:
        """Waits for the next event; None if there is none for so long, or after `close`."""
        deadline = None if timeout_seconds is None else time.monotonic() + timeout_seconds
        pauses = Pauses(self._patience_seconds)
        while not self._ended:
            try:
                if self._feed is None:
                    self._feed = self._opened(self.sequence)
                    if self._ended:  # meanwhile, when there was nothing to close yet
                        self._feed.close()
                        break
                event = self._feed.next(deadline)
            except TimeoutError:
                return None
            except AWAY as error:
                if not self._pause(pauses, error, deadline):
                    return None
                continue
            if event.sequence > self.sequence:
                self.sequence = event.sequence
                return event
        return None

    def _pause(self, pauses: Pauses, error: Exception, deadline: float | None) -> bool:
        """Waits before the next try; whether there is time for it."""
        if self._feed is not None:
            self._feed.close()
            self._feed = None
        if self._ended:
            return False
        pause = pauses.next(error)
        if deadline is not None and time.monotonic() + pause >= deadline:
            time.sleep(max(0.0, deadline - time.monotonic()))
            return False
        time.sleep(pause)
        return True

    def close(self) -> None:
        """Ends it; another thread that waits in it is woken, and its loop ends."""
        self._ended = True
        if self._feed is not None:
            self._feed.close()
