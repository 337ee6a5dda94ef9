"""How does somebody die at many moments of one story, one after the other, and never twice of one death?

As in rgb_deaths.py, but that the plugin which is killed has to live; that its peers are connected again meanwhile; that
each death has a time of its own; and that somebody may be gone for ever.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

from lnpd.services.node.node import Node
from lnpd.services.plugins.process import PluginProcess
from lnpd.testing import until
from tests.crash.power import electrify
from tests.interop.rgb import rgb_world
from tests.interop.rgb_deaths import PATIENCE_SECONDS, REFUSED, Moment, Mortal, MortalPair, Victim, tapped
from tests.interop.rgb_nodes import COINS_SAT, settings_of

T = TypeVar("T")


class Wake(Mortal):
    """A network in which nobody dies twice."""

    def __init__(self, folder: Path, bitcoind: Path, victim: Victim) -> None:
        super().__init__(folder, bitcoind, victim)
        self.ever = set[tuple[str, str]]()  # whose names, and what they have passed since the beginning
        self.killed: int | None = None

    def _strikes(self, name: str, moment: str, what: str) -> bool:
        self.ever.add((name, what))
        return (name != self.victim.name or self._lives()) and super()._strikes(name, moment, what)

    def _lives(self) -> bool:
        if self.victim.kind == "node":
            return True
        host = getattr(self.node_of_victim(), "plugins", None)  # not while it starts
        return host is not None and any(map(self.is_back, host.plugins))

    def is_back(self, plugin: PluginProcess) -> bool:
        """Whether it is ready, and no process that was killed and has not been missed yet."""
        return plugin.status == "ready" and plugin.pid not in (None, self.killed)

    def kill_plugin(self) -> None:
        """From any thread."""
        (plugin,) = self.node_of_victim().plugins.plugins
        if plugin.pid:
            self.killed = plugin.pid
            os.killpg(plugin.pid, signal.SIGKILL)


class WakePair(MortalPair):
    """Alice and Bob, one of whom dies again and again."""

    network: Wake
    gone: Node | None = None  # who never comes back

    @property
    def there(self) -> list[Node]:
        """Who is not gone for ever."""
        return [node for node in (self.alice, self.bob) if node is not self.gone]

    @property
    def all_live(self) -> bool:
        """Whether nobody is dead just now."""
        return self.is_on and all(map(self.network.is_back, (p for node in self.there for p in node.plugins.plugins)))

    async def at(self, moments: Sequence[tuple[Moment, str]], act: Callable[[], Awaitable[T]]) -> T | None:
        """See MortalPair."""
        due = self.network.due = list(moments)
        self.network.met.clear()
        acting, loop = asyncio.ensure_future(act()), asyncio.get_running_loop()
        try:
            async with asyncio.timeout(PATIENCE_SECONDS) as patience:
                while due or not (acting.done() and self.is_on):
                    left = len(due)
                    await self.back()
                    await asyncio.sleep(0.01)
                    if len(due) < left:
                        patience.reschedule(loop.time() + PATIENCE_SECONDS)
        except TimeoutError:
            raise AssertionError(f"{due or 'no answer'} within {PATIENCE_SECONDS:g} s") from None
        finally:
            acting.cancel()
        await self.back()
        try:
            return await acting
        except REFUSED:
            return None

    async def back(self) -> None:
        """See MortalPair."""
        while not self.is_on:
            await self._revived()
        for node in self.there:
            (plugin,) = node.plugins.plugins
            await until(lambda plugin=plugin: self.network.is_back(plugin), "the plugin's next life")  # type: ignore[misc]  # mypy: a default argument
        if self.gone is None:
            await self.linked()


@asynccontextmanager
async def wake_pair(folder: Path, victim: Victim) -> AsyncIterator[WakePair]:
    """Two connected nodes; Alice has issued 100,000 USDX. Skips where rgb-lib or bitcoind is missing."""
    world = await asyncio.to_thread(rgb_world)
    electrify()
    network = Wake(folder / "n", world.bitcoind.directory, victim)
    async with tapped(network), network:
        nodes = [await network.begun(network.config(name, **settings_of(world))) for name in ("alice", "bob")]
        pair = WakePair(world, network, *nodes)
        pair.listening = {node.config.alias: tuple(node.peers.listening()) for node in nodes}
        pair.asset = await pair.issued()
        await world.fund((await pair.rgb(pair.alice, "address"))["address"], COINS_SAT)
        await pair.linked()
        yield pair
