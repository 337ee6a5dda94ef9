"""Which lines did the log have last, and who waits for the next one? (`lnp log`)

A reader keeps its own place, a number; lines go when newer ones need their room, whether they were read or not. So a
slow reader costs nothing, and learns how many lines it missed.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from lnpd.services.logs.lines import Line, line_of

MAX_LINES: Final = 5_000
MAX_CHARACTERS: Final = 4 << 20


class Ring(logging.Handler):
    """The last lines. Records of any thread are welcome. Their numbers come after `began`: a process that counts from
    the milliseconds of its start gives none of those that an earlier life gave, as long as that said less than a line
    each millisecond."""

    def __init__(self, max_lines: int = MAX_LINES, max_characters: int = MAX_CHARACTERS, began: int = 0) -> None:
        super().__init__()
        self.began = began
        self._most, self._most_characters = max_lines, max_characters
        self._lines: deque[Line] = deque()
        self._characters, self.last, self._wakes = 0, began, 0
        self._waiting: set[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = set()

    def emit(self, record: logging.LogRecord) -> None:
        """A record, under the handler's lock."""
        line = line_of(record)
        self._lines.append(line)
        self._characters += line.size
        self.last += 1
        while len(self._lines) > self._most or (self._characters > self._most_characters and len(self._lines) > 1):
            self._characters -= self._lines.popleft().size
        self._tell()

    def _tell(self) -> None:
        for loop, event in tuple(self._waiting):
            if not loop.is_closed():
                loop.call_soon_threadsafe(event.set)

    def wake(self) -> None:
        """Nobody waits any longer: the node stops, and answers first."""
        self._wakes += 1
        self._tell()

    def newest(self, most: int, wanted: Callable[[Line], bool]) -> tuple[list[Line], int]:
        """The last lines that are wanted, oldest first, and the number of the last that was looked at."""
        assert self.lock is not None
        with self.lock:
            lines, last = list(self._lines), self.last
        found: list[Line] = []
        for line in reversed(lines):
            if len(found) == most:
                break
            if wanted(line):
                found.append(line)
        return found[::-1], last

    def since(self, number: int, most: int, wanted: Callable[[Line], bool]) -> tuple[list[Line], int, int]:
        """At most so many lines later than a number, oldest first; the number of the last one that was looked at; and
        how many were gone before they could be."""
        assert self.lock is not None
        with self.lock:
            first = self.last - len(self._lines) + 1
            later = list(self._lines)[max(0, number + 1 - first) :]
        place = max(number, first - 1)
        lost, found = max(0, first - 1 - number), list[Line]()
        for line in later:
            if len(found) == most:
                break
            place += 1
            if wanted(line):
                found.append(line)
        return found, place, lost

    async def newer(self, number: int) -> None:
        """Returns once there is a line later than a number, or waiting has no sense any more."""
        waiter, wakes = (asyncio.get_running_loop(), asyncio.Event()), self._wakes
        self._waiting.add(waiter)
        try:
            while self.last <= number and self._wakes == wakes:
                waiter[1].clear()
                if self.last <= number:
                    await waiter[1].wait()
        finally:
            self._waiting.discard(waiter)


RING: Final = Ring(began=int(1000 * time.time()))
"""That of this process, whose log is one."""
