"""How much of the node's time may a plugin take by what the node computes for it?

What is computed here stands in everybody's way, and how much that is the asker decides: a transaction of thousands of
inputs takes tens of milliseconds to hash. So a plugin has one such computation done at a time, and rests after it in
proportion: the others have the rest of the time, whatever it asks for.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final
from weakref import WeakKeyDictionary

from lnpd.services.plugins.calls import Plugin

RESTS: Final = 4  # times as long as the node has computed
LONGEST_SECONDS: Final = 2.0
_LOCKS: Final[WeakKeyDictionary[Plugin, asyncio.Lock]] = WeakKeyDictionary()


@asynccontextmanager
async def turn(plugin: Plugin) -> AsyncIterator[None]:
    """Begins when the plugin's earlier turns are over, with their rests; nobody waits for the rest of the last one."""
    lock = _LOCKS.setdefault(plugin, asyncio.Lock())
    await lock.acquire()
    began = time.thread_time()  # not what is waited for: a disk, a signer in a process of its own
    try:
        yield
    finally:
        rest_seconds = min(RESTS * (time.thread_time() - began), LONGEST_SECONDS)
        asyncio.get_running_loop().call_later(rest_seconds, lock.release)
