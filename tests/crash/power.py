"""How does a node that lives in this process lose its power?

Everything that a node does runs in one context, in which its `Power` is set: its tasks, and the calls that a test
makes at it, are known by that. When the power is cut its store refuses everything, its connections are reset, its
plugins' processes are killed and its tasks are dropped, all between two steps of the event loop. That happens around
one of its commits, or around one of its broadcasts.
"""

import asyncio
import contextvars
import os
import signal
import threading
import weakref
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from lnpd.chain.embedded import ChainView
from lnpd.chain.interface import BroadcastResult
from lnpd.services.node.node import Node

T = TypeVar("T")
BROADCAST = frozenset({"broadcast"})
"""The name under which a broadcast is asked about, as a commit is under its points."""
Trigger = Callable[[str, frozenset[str]], bool]
_POWER: contextvars.ContextVar["Power | None"] = contextvars.ContextVar("power", default=None)


class PowerCut(Exception):
    """The store lost its power in the middle of a commit."""


class Died(Exception):
    """The node that was asked died before it answered."""


class Power:
    """The power of one life of a node. `fails` is asked around each commit and broadcast whether it does just now."""

    def __init__(self, fails: Trigger) -> None:
        self.on = True
        self.node: Node | None = None
        self.gone = asyncio.Event()
        self._fails = fails
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._tasks: weakref.WeakSet[asyncio.Task[Any]] = weakref.WeakSet()
        self._context = contextvars.copy_context()
        self._context.run(_POWER.set, self)

    def fault(self, moment: str, points: frozenset[str]) -> None:
        """A store's fault, on the store's thread: what the loop has begun by now is over when the commit goes on."""
        if self.on and self._fails(moment, points):
            if threading.get_ident() == self._thread:  # the database is being opened
                self.cut()
            else:
                done = threading.Event()
                self._loop.call_soon_threadsafe(self._cut, done)
                done.wait()
        if not self.on:
            raise PowerCut("there is no power")

    async def offered(self, moment: str) -> None:
        """Around a broadcast of the node's; its power may have failed when this goes on."""
        if self.on and self._fails(moment, BROADCAST):
            self.cut()
        await asyncio.sleep(0)  # the caller ends here if there is no power

    def _cut(self, done: threading.Event) -> None:
        self.cut()
        done.set()

    def cut(self) -> None:
        """Everything ends, between two steps of the event loop."""
        if not self.on:
            return
        self.on = False
        if self.node is not None and hasattr(self.node, "peers"):
            self.node.peers.abort()
            self.node.channels.drivers.clear()  # nothing is drained
            for plugin in self.node.plugins.plugins:
                if plugin.pid:
                    os.killpg(plugin.pid, signal.SIGKILL)
        for task in self._tasks:
            task.cancel()
        self.gone.set()

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Something that the node does: Died if its power fails before the end."""
        if not self.on:
            work.close()
            raise Died
        task = asyncio.get_running_loop().create_task(work, context=self._context)
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError:
            task.cancel()
            raise
        if not self.on:
            if not task.cancelled():
                task.exception()
            raise Died
        return task.result()

    async def bury(self) -> None:
        """Gives back what a dead node held of this process: its files, sockets and locks. Nothing is written."""
        assert not self.on
        assert self.node is not None
        others = [task for task in self._tasks if task is not asyncio.current_task()]
        await asyncio.gather(*others, return_exceptions=True)
        await self.node.stop()

    def own(self, task: asyncio.Task[Any]) -> None:
        """A task of the node."""
        self._tasks.add(task)
        if not self.on:
            task.cancel()


class Mains(ChainView):
    """A node's view of the chain, in which its power may fail around a broadcast."""

    async def broadcast(self, txs: tuple[bytes, ...]) -> BroadcastResult:
        """As every view does."""
        power = _POWER.get()
        assert power is not None, "only nodes have such a view"
        await power.offered("before")
        result = await super().broadcast(txs)
        await power.offered("after")
        return result


def electrify() -> None:
    """From now on the loop knows which node a task belongs to."""

    def made(
        loop: asyncio.AbstractEventLoop, work: Any, context: contextvars.Context | None = None
    ) -> asyncio.Task[Any]:
        task: asyncio.Task[Any] = asyncio.Task(work, loop=loop, context=context)
        power = context.get(_POWER) if context is not None else _POWER.get()
        if power is not None:
            power.own(task)
        return task

    asyncio.get_running_loop().set_task_factory(made)
