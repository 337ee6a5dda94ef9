"""How does somebody die at many moments of one story, one after the other, and never twice of one death?

As in rgb_deaths.py, but that the plugin which is killed has to live; that its peers are connected again meanwhile; that
each death has a time of its own; and that somebody may be gone for ever.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TypeVar

from lnpd_sdk.envelope import BusError

from lnpd.errors import LnpdError
from lnpd.services.node.node import Node
from lnpd.services.plugins.process import PluginProcess
from lnpd.testing import until
from tests.crash.power import Died, electrify
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
        self.heard = 0  # of all that happens

    def _strikes(self, name: str, moment: str, what: str) -> bool:
        self.ever.add((name, what))
        self.heard += 1
        return (name != self.victim.name or self._lives()) and super()._strikes(name, moment, what)

    def _lives(self) -> bool:
        if self.victim.kind == "node":
            return True
        host = getattr(self.node_of_victim(), "plugins", None)  # not while it starts
        return host is not None and any(map(self.is_back, host.plugins))

    def is_back(self, plugin: PluginProcess) -> bool:
        """Whether it is ready, and no process that was killed and has not been missed yet."""
        return plugin.status == "ready" and plugin.pid not in (None, self.killed)

    def strike(self) -> None:
        """The victim dies just now."""
        if self.victim.kind == "node":
            self.powers[self.victim.name].cut()
        else:
            self.kill_plugin()

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
        network, there = self.network, self.there
        known = all(network.powers[node.config.alias].node is node for node in there)  # and not one that is starting
        return self.is_on and known and all(network.is_back(p) for node in there for p in node.plugins.plugins)

    async def at(self, moments: Sequence[tuple[Moment, str]], act: Callable[[], Awaitable[T]]) -> T | None:
        """See MortalPair. It waits as long as anything happens."""
        due = self.network.due = list(moments)
        self.network.met.clear()
        acting, heard, loop = asyncio.ensure_future(act()), 0, asyncio.get_running_loop()
        try:
            async with asyncio.timeout(PATIENCE_SECONDS) as patience:
                while due or not (acting.done() and self.is_on):
                    await self.back()
                    if due and acting.done():
                        acting.result()
                    await asyncio.sleep(0.01)
                    if self.network.heard > heard:
                        heard = self.network.heard
                        patience.reschedule(loop.time() + PATIENCE_SECONDS)
        except TimeoutError:
            raise AssertionError(f"{due or 'no answer'}, and nothing happens for {PATIENCE_SECONDS:g} s") from None
        finally:
            acting.cancel()
        await self.back()
        try:
            return await acting
        except REFUSED:
            return None

    async def handled(self) -> None:
        """Returns once who is there has handled the whole chain, and so has its plugin; somebody may die of it, and is
        waited for."""
        height = (await self.network.chain.best_block()).height
        for node in self.there:
            handles = False
            while not handles:
                await until(lambda: self.all_live, "the next life")
                handles = await self._handles(node.config.alias, height)

    async def _handles(self, name: str, height: int) -> bool:
        """False if it died meanwhile."""
        try:
            await self.ask(name, lambda node: self.network.handled(node, height))
            with suppress(LnpdError, BusError):  # whatever is in the way, or whoever died: the next block asks again
                await self.rgb(self.node(name), "collect")
        except Died:
            return False
        return True

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
