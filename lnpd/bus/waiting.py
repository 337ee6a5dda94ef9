"""Which calls wait for an answer, and for which is it too late?

Nearly every call is answered long before its deadline. So there is no timer for each: calls of one length are in the
order in which their time is up, and one timer waits for the first of all.
"""

import asyncio
from collections.abc import Iterator
from typing import NamedTuple

import msgspec
from lnpd_sdk.envelope import Answer, CallFailed, Fault

from lnpd.bus.link import Identity
from lnpd.errors import DeadlineMissed

Key = tuple[Identity, int]  # who is asked, and the call's number


class _Asked(NamedTuple):
    """A call that waits."""

    answered: "asyncio.Future[msgspec.Raw]"
    method: str
    seconds: float | None


class Waiting:
    """The calls of one side of a link that wait for an answer."""

    def __init__(self) -> None:
        self._asked: dict[Key, _Asked] = {}
        self._ends: dict[float, dict[Key, float]] = {}  # by length, on the loop's clock; the first to end is the first
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._asked)

    def begin(self, key: Key, method: str, seconds: float | None) -> "asyncio.Future[msgspec.Raw]":
        """A call waits from now on, for some seconds or for ever: what is returned resolves to its answer, or raises
        DeadlineMissed, CallFailed, or what `fail` gives."""
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[msgspec.Raw] = loop.create_future()
        self._asked[key] = _Asked(answered, method, seconds)
        if seconds is not None:
            end = loop.time() + seconds
            if (ends := self._ends.get(seconds)) is None:
                ends = self._ends[seconds] = {}
            ends[key] = end
            if self._timer is None or end < self._timer.when():
                self._arm(loop, end)
        return answered

    def end(self, key: Key) -> None:
        """It waits no more. A later answer to it is nobody's."""
        asked = self._asked.pop(key, None)
        if asked is not None and asked.seconds is not None:
            self._forget(key, asked.seconds)

    def settle(self, identity: Identity, frame: Answer | Fault) -> bool:
        """Hands an answer to its call; False if none of this side waits for it."""
        asked = self._asked.get((identity, frame.id))
        if asked is None:
            return False
        if not asked.answered.done():
            if isinstance(frame, Answer):
                asked.answered.set_result(frame.result)
            else:
                asked.answered.set_exception(CallFailed(frame.code, frame.text))
        return True

    def fail(self, error: Exception, only: Identity | None = None) -> None:
        """Ends every call that waits, or every one to a side: it is known to be gone."""
        for (identity, _), asked in self._asked.items():
            if only in (None, identity) and not asked.answered.done():
                asked.answered.set_exception(error)

    def close(self, error: Exception) -> None:
        """Ends every call, and the timer."""
        self.fail(error)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _forget(self, key: Key, seconds: float) -> None:
        ends = self._ends.get(seconds, {})
        ends.pop(key, None)
        if not ends:
            self._ends.pop(seconds, None)

    def _arm(self, loop: asyncio.AbstractEventLoop, end: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = loop.call_at(end, self._look)

    def _look(self) -> None:
        """The first deadline that there was is over; most likely its call was answered long ago."""
        self._timer = None
        loop = asyncio.get_running_loop()
        for key, asked in list(self._late(loop.time())):
            assert asked.seconds is not None
            self._forget(key, asked.seconds)
            if not asked.answered.done():
                asked.answered.set_exception(DeadlineMissed(f"no answer to {asked.method} within {asked.seconds:g} s"))
        if self._ends:
            self._arm(loop, min(next(iter(ends.values())) for ends in self._ends.values()))

    def _late(self, now: float) -> Iterator[tuple[Key, _Asked]]:
        for ends in self._ends.values():
            for key, end in ends.items():
                if end > now:
                    break
                yield key, self._asked[key]
