"""How does a story of tokens go on while somebody dies, again and again?

    async with mortal_pair(folder, Victim("bob", "plugin")) as pair:
        await pair.at([("after", "kv_put funding/")], story.open_once)

Whoever died is started again at once, and its peers connect to it. Nobody else does anything about it, but for a user
who repeats a command that was not answered. Who dies of what is said in rgb_deaths.py. How long anything takes is no
matter: a story waits as long as something happens.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec
from lnpd_sdk.envelope import BusError

from lnpd.channel.presets import DEFAULT
from lnpd.errors import LnpdError
from lnpd.services.node.node import Node
from lnpd.testing import until_asked
from tests.crash.power import Died, electrify
from tests.interop.rgb import RgbWorld, rgb_world
from tests.interop.rgb_deaths import MANY, Moment, Mortal, Victim, numbered, tapped
from tests.interop.rgb_nodes import COINS_SAT, ISSUED, RgbNodes, settings_of

T = TypeVar("T")
PATIENCE_SECONDS: Final = 40.0  # in which nothing happens
TRIES: Final = 600
REFUSED: Final = (LnpdError, BusError, Died)


async def _answered(acting: Awaitable[T], refusals: list[Exception]) -> T | None:
    """What was answered; None for what was refused, or never answered."""
    try:
        return await acting
    except REFUSED as error:
        refusals.append(error)
        return None


class MortalPair(RgbNodes):
    """Alice, who issues and opens, and Bob; one of them dies again and again."""

    network: Mortal
    gone: Node | None = None  # who never comes back

    def __init__(self, world: RgbWorld, network: Mortal, alice: Node, bob: Node) -> None:
        super().__init__(world, network, alice, bob)
        self._reviving = asyncio.Lock()

    @property
    def victim(self) -> Node:
        """The node that dies, or whose plugin does."""
        return self.node(self.network.victim.name)

    def node(self, name: str) -> Node:
        """As it lives now."""
        return self.alice if name == "alice" else self.bob

    @property
    def there(self) -> list[Node]:
        """Who is not gone for ever."""
        return [node for node in (self.alice, self.bob) if node is not self.gone]

    @property
    def is_on(self) -> bool:
        """Whether the one that dies has power."""
        return self.network.powers[self.network.victim.name].on

    async def ask(self, name: str, what: Callable[[Node], Coroutine[Any, Any, T]]) -> T:
        """What a node answers. Died, and what it raises."""
        power, node = self.network.powers[name], self.node(name)
        if power.node is not node:  # it is being started again
            raise Died
        return await power.run(what(node))

    async def rgb(self, node: Node, method: str, **params: Any) -> Any:  # Any: JSON values
        """A command of the plugin. Died too."""
        return await self.ask(node.config.alias, lambda node: node.api.call_plugin(f"rgb {method}", params))

    async def at(self, moments: Sequence[tuple[Moment, str]], act: Callable[[], Awaitable[T]]) -> T | None:
        """Does something, in which somebody dies at these moments, one after the other; whoever died is started again
        at once. Returns when everybody is there again: what was answered, or None if it was refused or not answered."""
        due = self.network.due = list(moments)
        self.network.met.clear()
        refusals: list[Exception] = []
        acting, heard, loop = asyncio.ensure_future(_answered(act(), refusals)), 0, asyncio.get_running_loop()
        try:
            async with asyncio.timeout(PATIENCE_SECONDS) as patience:
                while due or not (acting.done() and self.is_on):
                    if acting.done():
                        acting.result()  # raises what is no refusal
                    await self.back()
                    await asyncio.sleep(0.01)
                    if self.network.heard > heard:
                        heard = self.network.heard
                        patience.reschedule(loop.time() + PATIENCE_SECONDS)
        except TimeoutError:
            why = f"{due or 'no answer'}, and nothing happens for {PATIENCE_SECONDS:g} s: {refusals}"
            raise AssertionError(why) from None
        finally:
            acting.cancel()
        self.network.passed = numbered(self.network.met)
        await self.back()
        return await acting

    async def handled(self) -> None:
        """Returns once all who are there have handled the whole chain, with their plugins, whoever dies of it."""
        height = (await self.network.chain.best_block()).height
        for node in self.there:
            handles = False
            while not handles:
                await self.back()
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
        """Returns once all who are not gone for ever live, with their plugins, and are connected."""
        async with self._reviving:
            while not self.is_on or not await self._together():
                await self._revived()

    async def _together(self) -> bool:
        """The same; False as soon as a node dies."""

        async def there() -> bool:
            plugins = [plugin for node in self.there for plugin in node.plugins.plugins]
            return not self.is_on or (all(map(self.network.is_back, plugins)) and await self._linked())

        await until_asked(there, "the next life of all, and their connection")
        return self.is_on

    async def _linked(self) -> bool:
        """Whether they are connected: those that have a channel see to it, a user to the others."""
        if self.gone is not None:
            return True
        if self.bob.node_id not in self.alice.channels.links or self.alice.node_id not in self.bob.channels.links:
            address = f"{self.bob.node_id.hex()}@{self.listening['bob'][0]}"
            with suppress(*REFUSED):
                await self.ask("alice", lambda node: node.api.connect(address))
        return self.alice.node_id in self.bob.channels.links

    async def _revived(self) -> None:
        """Starts the dead node again on its directory; it may die meanwhile."""
        name = self.network.victim.name
        old = self.node(name)
        await self.network.powers[name].bury()
        if old in self.network.nodes:
            self.network.nodes.remove(old)
        try:
            node = await self.network.begun(msgspec.structs.replace(old.config, listen=self.listening[name]))
        except Died:
            return
        if name == "alice":
            self.alice = node
        else:
            self.bob = node

    async def insist(self, name: str, method: str, **params: Any) -> Any:  # Any: JSON values
        """A command that its user repeats until it is answered."""
        last = ""
        for _ in range(TRIES):
            await self.back()
            try:
                return await self.rgb(self.node(name), method, **params)
            except REFUSED as error:
                last = repr(error)
                await asyncio.sleep(0.05)
        raise AssertionError(f"{name} never does {method}: {last}")


@asynccontextmanager
async def mortal_pair(folder: Path, victim: Victim) -> AsyncIterator[MortalPair]:
    """Two connected nodes; Alice has issued 100,000 USDX. Skips where rgb-lib or bitcoind is missing."""
    world = await asyncio.to_thread(rgb_world)
    electrify()
    network = Mortal(folder / "n", world.bitcoind.directory, victim)
    async with tapped(network), network:
        limits = msgspec.structs.replace(DEFAULT, max_pending_per_peer=MANY)  # each death may leave one at the peer
        settings = {**settings_of(world), "limits": limits}
        nodes = [await network.begun(network.config(name, **settings)) for name in ("alice", "bob")]
        pair = MortalPair(world, network, *nodes)
        pair.listening = {node.config.alias: tuple(node.peers.listening()) for node in nodes}
        pair.asset = await pair.issued()
        await world.fund((await pair.rgb(pair.alice, "address"))["address"], 4 * COINS_SAT)
        assert await pair.tokens(pair.alice) == ISSUED
        await pair.back()
        yield pair
