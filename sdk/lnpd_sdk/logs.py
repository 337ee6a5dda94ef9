"""How does what a plugin logs by Python's own `logging` come into the node's log?

A handler of the root logger hands each record to the node (`Node.log`) with its level: a plugin's author writes
`logging.getLogger(__name__).info(...)` and nothing else. Records of any thread are welcome. Beyond MAX_WAITING that
wait for the node they are counted, and the next line says how many were left out.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final

from lnpd_sdk.envelope import BusError

Caller = Callable[[str, object], Awaitable[object]]
MAX_WAITING: Final = 200
LEVELS: Final = ((logging.ERROR, "error"), (logging.WARNING, "warning"), (logging.INFO, "info"))


def level_of(number: int) -> str:
    """The node's word for a level of `logging`."""
    return next((word for least, word in LEVELS if number >= least), "debug")


class NodeHandler(logging.Handler):
    """Hands records to the node, one after the other."""

    def __init__(self, call: Caller, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._call, self._loop = call, loop
        self._lines: deque[tuple[str, str]] = deque()
        self._left_out = 0
        self._task: asyncio.Task[None] | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Puts a record on its way; from any thread, and it never waits. (`logging` calls it under a lock.)"""
        if len(self._lines) >= MAX_WAITING:
            self._left_out += 1
            return
        text = self.format(record)
        if self._left_out:
            text, self._left_out = f"{text} ({self._left_out} lines before this one were left out)", 0
        self._lines.append((level_of(record.levelno), text))
        with suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        if self._task is None or self._task.done():
            self._task = self._loop.create_task(self._send())

    async def _send(self) -> None:
        while self._lines:
            level, text = self._lines.popleft()
            with suppress(BusError):  # the node is gone, or takes no more: there is nowhere left to say so
                await self._call("log", {"level": level, "text": text})


@contextmanager
def records_to(call: Caller, loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    """The root logger's records, from INFO on unless the author chose a level, go to the node meanwhile."""
    root, handler = logging.getLogger(), NodeHandler(call, loop)
    before = root.level
    if before == logging.WARNING:  # as it is when nobody chose one
        root.setLevel(logging.INFO)
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)
        root.setLevel(before)
