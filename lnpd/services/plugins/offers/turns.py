"""How much of the node's time may plugins take by what the node computes for them?

What is computed here stands in everybody's way, and how much that is the asker decides: a transaction of thousands of
inputs takes tens of milliseconds to hash. So a plugin has one such computation done at a time, and rests after it in
proportion. All plugins together rest too: who asks waits until what was computed for anybody is rested for, one plugin
after the other, so that ten of them have no more of the node's time than two, and each its part.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final
from weakref import WeakKeyDictionary

from lnpd.services.plugins.calls import Plugin

RESTS: Final = 4  # times as long as the node has computed for the plugin: a fifth of its time
RESTS_OF_ALL: Final = 2  # times as long as it has computed for anybody: a third
LONGEST_SECONDS: Final = 2.0


class Turns:
    """The plugins' turns at one node."""

    def __init__(self) -> None:
        self._own: WeakKeyDictionary[Plugin, asyncio.Lock] = WeakKeyDictionary()
        self._begin = asyncio.Lock()  # those who wait for the node's rest, the first who came first
        self._rested_at = 0.0

    @asynccontextmanager
    async def turn(self, plugin: Plugin) -> AsyncIterator[None]:
        """Begins when the plugin's earlier turns are over, with their rests, and when the node has rested. Nobody waits
        for the rest of the last one."""
        lock, loop = self._own.setdefault(plugin, asyncio.Lock()), asyncio.get_running_loop()
        await lock.acquire()
        rest_seconds = 0.0
        try:
            async with self._begin:
                if (seconds := self._rested_at - loop.time()) > 0:
                    await asyncio.sleep(seconds)
            began = time.thread_time()  # not what is waited for: a disk, a signer in a process of its own
            try:
                yield
            finally:
                computed = min(time.thread_time() - began, LONGEST_SECONDS / RESTS)
                rest_seconds = RESTS * computed
                self._rested_at = max(self._rested_at, loop.time()) + RESTS_OF_ALL * computed
        finally:
            loop.call_later(rest_seconds, lock.release)
