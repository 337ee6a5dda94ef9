"""How much of the node's time may plugins take by what the node computes for them?

What is computed here stands in everybody's way, and how much that is the asker decides: a transaction of thousands of
inputs takes tens of milliseconds to hash. So a plugin has one such computation done at a time, and rests after it in
proportion. All plugins together rest too: who asks waits until what was computed for anybody is rested for, one plugin
after the other, so that ten of them have no more of the node's time than two, and each its part.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Generator
from typing import Any, Final, TypeVar, cast
from weakref import WeakKeyDictionary

from lnpd.services.plugins.calls import Plugin

T = TypeVar("T")

RESTS: Final = 4  # times as long as the node has computed for the plugin: a fifth of its time
RESTS_OF_ALL: Final = 2  # times as long as it has computed for anybody: a third
LONGEST_SECONDS: Final = 2.0


class Turns:
    """The plugins' turns at one node."""

    def __init__(self) -> None:
        self._own: WeakKeyDictionary[Plugin, asyncio.Lock] = WeakKeyDictionary()
        self._begin = asyncio.Lock()  # those who wait for the node's rest, the first who came first
        self._rested_at = 0.0

    async def take(self, plugin: Plugin, work: Callable[[], Awaitable[T]]) -> T:
        """Does it when the plugin's earlier turns are over, with their rests, and when the node has rested. Nobody
        waits for the rest of the last one."""
        lock, loop = self._own.setdefault(plugin, asyncio.Lock()), asyncio.get_running_loop()
        await lock.acquire()
        metered = _Metered(work)
        try:
            async with self._begin:
                if (seconds := self._rested_at - loop.time()) > 0:
                    await asyncio.sleep(seconds)
            return await metered
        finally:
            computed = min(metered.seconds, LONGEST_SECONDS / RESTS)
            if computed:
                self._rested_at = max(self._rested_at, loop.time()) + RESTS_OF_ALL * computed
            loop.call_later(RESTS * computed, lock.release)


class _Metered(Awaitable[T]):
    """Work, with the `seconds` that its own steps take: not what others do while it waits for a disk, or a signer."""

    def __init__(self, work: Callable[[], Awaitable[T]]) -> None:
        self._work, self.seconds = work, 0.0

    def __await__(self) -> Generator[Any, Any, T]:  # Any: what a task is told to wait for
        steps, thrown = self._whole().__await__(), None
        while True:
            began = time.thread_time()
            try:
                waits = steps.send(None) if thrown is None else steps.throw(thrown)
            except StopIteration as done:
                return cast(T, done.value)
            finally:
                self.seconds += time.thread_time() - began
            thrown = None
            try:
                yield waits
            except BaseException as error:  # it is cancelled
                thrown = error

    async def _whole(self) -> T:
        return await self._work()
