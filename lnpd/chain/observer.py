"""How do readers hear what happens on a chain?

    woken, or by the clock  ->  look  ->  events  ->  one bounded stream for each reader

An Observer does so for a chain that is elsewhere. What it finds is a hint: a reader asks again. A look that fails is
said once, and tried again until it does not.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from lnpd.chain.interface import ChainEvent
from lnpd.errors import ChainError

log = logging.getLogger("lnpd.chain")

MAX_EVENTS: Final = 256
RETRY_SECONDS: Final = 1.0
MOST_COMPLAINTS: Final = 5
"""So many different ones are said of one silence: some name a time, or each of several servers."""


class EventStream:
    """Events for one reader, from its making on; the oldest are dropped, and counted, when the reader lags behind."""

    def __init__(self) -> None:
        self.dropped = 0
        self._events: deque[ChainEvent] = deque(maxlen=MAX_EVENTS)
        self._wake = asyncio.Event()
        self._closed = False

    def put(self, event: ChainEvent) -> None:
        """Adds an event; on the loop's thread."""
        self.dropped += len(self._events) == MAX_EVENTS
        self._events.append(event)
        self._wake.set()

    def close(self) -> None:
        """Ends the stream after what is in it."""
        self._closed = True
        self._wake.set()

    def __aiter__(self) -> EventStream:
        return self

    async def __anext__(self) -> ChainEvent:
        while not self._events:
            if self._closed:
                raise StopAsyncIteration
            self._wake.clear()
            await self._wake.wait()
        return self._events.popleft()


class Observer:
    """Looks at a chain (`whom`, in the log) from `start` on; `pause_seconds` is the clock.

    `look` hears whether it was woken, and whether the look before it failed. It raises ChainError.
    """

    def __init__(
        self, whom: str, look: Callable[[bool, bool], Awaitable[None]], pause_seconds: Callable[[], float]
    ) -> None:
        self._whom, self._look, self._pause_seconds = whom, look, pause_seconds
        self._streams: list[EventStream] = []
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._complaints: set[str] = set()  # since it answered last

    def start(self) -> None:
        """Looks from now on."""
        self._task = asyncio.create_task(self._observe())

    async def close(self) -> None:
        """Looks no more, and ends every stream."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        for stream in self._streams:
            stream.close()

    def wake(self) -> None:
        """There may be something new."""
        self._wake.set()

    def stream(self) -> EventStream:
        """Events from now on."""
        stream = EventStream()
        self._streams.append(stream)
        return stream

    def spread(self, event: ChainEvent) -> None:
        """Something happened: every reader hears of it."""
        for stream in self._streams:
            stream.put(event)

    async def _observe(self) -> None:
        while True:
            failed, woken = bool(self._complaints), False
            if failed:
                await asyncio.sleep(RETRY_SECONDS)
            else:
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._pause_seconds()):
                        woken = await self._wake.wait()
            self._wake.clear()
            try:
                await self._look(woken, failed)
                if failed:
                    log.warning("%s answers again", self._whom)
                self._complaints.clear()
            except ChainError as error:
                self._complain(str(error))
            except Exception:
                log.exception("looking at %s failed", self._whom)
                self._complaints.add("it failed in a way of its own")

    def _complain(self, what: str) -> None:
        if what not in self._complaints and len(self._complaints) < MOST_COMPLAINTS:
            self._complaints.add(what)
            log.warning("%s does not help: %s", self._whom, what)
