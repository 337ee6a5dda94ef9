"""In which world do nodes die? Two whole nodes or more, one chain, and a cut that strikes once.

    async with World(folder, Cut("alice", "commitment-signed", "before")) as world:
        await world.begin()
        ... steps of stories.py, each of which goes on after a death ...

A node that dies is started again on its directory, at its old address; nobody does anything else for it.
"""

import asyncio
import os
import signal
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, TypeVar
from unittest.mock import patch

from lnpd.chain.embedded import ChainView, EmbeddedChain
from lnpd.config import Address
from lnpd.services.node.node import Node
from lnpd.services.payments import forwarding, outgoing
from lnpd.services.peers.limits import Limits
from lnpd.services.signer.seed import create_seed, new_seed
from lnpd.testing import LOCAL, Network, free_port, usable
from tests.crash.power import BROADCAST, Died, Mains, Power, electrify

T = TypeVar("T")
Moment = Literal["before", "after"]
LOCKBOX = Path(__file__).parents[2] / "plugins" / "lockbox.py"
NODES = ("alice", "bob")
PATIENCE_SECONDS = 40.0
LIMIT_SECONDS = 110
BACK_SECONDS = 45.0  # a start beside others on a busy machine
IMPATIENT = Limits(retry_first_seconds=0.02, retry_most_seconds=0.1)
PAUSES: Final = {outgoing: 0.02, forwarding: 0.02}
"""After which an HTLC is offered again."""


@contextmanager
def memory() -> Iterator[Path]:
    """A folder in memory, where there is such a place: a process dies here, and no disk."""
    place = Path("/dev/shm")
    with tempfile.TemporaryDirectory(prefix="crash-", dir=place if place.is_dir() else None) as folder:
        yield Path(folder)


def told(tell: "Callable[[Path], Coroutine[Any, Any, World]]") -> "World":
    """The world in which a story was told: in memory, in a loop of its own, and not for ever."""

    async def limited(folder: Path) -> World:
        async with asyncio.timeout(LIMIT_SECONDS):
            return await tell(folder / "n")

    with memory() as folder:
        return asyncio.run(limited(folder))


@dataclass(frozen=True)
class Cut:
    """Whose power fails (or whose plugin is killed), at which commit with this point, counted from 1.

    The point may be "commit", which is any, or "broadcast", which is no commit.
    """

    who: str
    point: str
    moment: Moment
    victim: Literal["daemon", "plugin"] = "daemon"
    count: int = 1


@dataclass(eq=False)
class Life:
    """A node from its start to its death."""

    node: Node
    power: Power


class World:
    """alice and bob (or `names`), and their deaths."""

    def __init__(self, folder: Path, cut: Cut | None = None, names: tuple[str, ...] = NODES) -> None:
        self.names = names
        self.plugins: tuple[Path, ...] = (LOCKBOX,)
        self.grants: tuple[tuple[str, str], ...] = (("lockbox", "updates:1000000"),)
        self.network, self.cut = Network(folder), cut
        self.make: type[Node] = Node
        self.born: list[Node] = []
        self.orphans = ""  # what a start says of the HTLCs that a story offers by hand
        self.feerate_per_kw = 0  # what the nodes' views of the chain estimate, if it is not the usual
        self.hits: Counter[tuple[str, str]] = Counter()
        self.chapters: dict[str, Counter[tuple[str, str]]] = {}  # hits, by stage of a story that has some
        self.deaths = 0
        self.plugin_deaths = 0
        self.broken_lines = 0
        self.channel = ""  # the one that has to be active after each death
        self._gates: dict[tuple[str, str], threading.Event] = {}
        self._when: dict[tuple[str, str], Callable[[], object]] = {}
        self._listen: dict[str, tuple[Address, ...]] = {}
        self._lives: dict[str, Life] = {}
        self._up = {name: asyncio.Event() for name in names}
        self._keepers: list[asyncio.Task[None]] = []
        self._left = cut.count if cut else 0
        self._patches = ExitStack()

    async def __aenter__(self) -> "World":
        electrify()
        for module, seconds in PAUSES.items():
            self._patches.enter_context(patch.object(module, "RETRY_SECONDS", seconds))
        await self.network.__aenter__()
        chain = self.network.chain
        assert isinstance(chain, EmbeddedChain)
        self.chain, chain.view = chain, self._view  # type: ignore[method-assign]  # nodes get views in which they may die
        return self

    async def __aexit__(self, *error: object) -> None:
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        for life in self._lives.values():
            await life.node.stop()
        await self.network.__aexit__(*error)
        self._patches.close()

    # --- life and death

    async def begin(self) -> None:
        """All nodes start."""
        for name in self.names:
            self._keepers.append(asyncio.create_task(self._keep(name)))
        for name in self.names:
            await self.living(name)

    def arm(self, cut: Cut | None) -> None:
        """From now on this death may come."""
        self.cut, self._left = cut, cut.count if cut else 0

    async def chaptered(self, story: object, stages: Sequence[str], mortal: str, cut: Cut | None) -> None:
        """A story's stages, which are methods of it; in one of them, or at its end, somebody dies."""
        for stage in stages:
            self.hits.clear()
            self.arm(cut if stage == mortal else None)
            await getattr(story, stage)()
            if not self.struck:
                self.strike()
            self.chapters[stage] = self.hits.copy()

    async def _keep(self, name: str) -> None:
        """Starts the node, again after each death."""
        while True:
            life = await self._start(name)
            if life.power.on:
                self._lives[name] = life
                self._up[name].set()
                await life.power.gone.wait()
            self._up[name].clear()
            await life.power.bury()
            self._lives.pop(name, None)

    async def _start(self, name: str) -> Life:
        listen = self._listen.get(name, (Address(LOCAL, free_port()),))
        config = self.network.config(name, listen=listen, plugins=self.plugins, grants=self.grants)
        config.directory.mkdir(mode=0o700, exist_ok=True)
        if not config.seed_path.exists():
            create_seed(config.seed_path, new_seed(), None, plain=True)
        power = Power(lambda moment, points: self._strikes(name, moment.removesuffix("_commit"), points))
        power.node = self.make(config, chain=self.chain, fault=power.fault, limits=IMPATIENT)
        self.born.append(power.node)
        try:
            await power.run(power.node.start())
        except Died:
            return Life(power.node, power)
        problems = [each for each in power.node.checks.problems if each.what.partition(" belongs ")[2] != self.orphans]
        assert not problems, f"{name}: a start after a death is no reason for an alarm: {problems}"
        self._listen[name] = tuple(Address(at.host, at.port) for at in power.node.peers.listening())
        return Life(power.node, power)

    def _view(self) -> ChainView:
        view = Mains(self.chain._chain, self.chain._worker)
        self.chain._views.add(view)
        if self.feerate_per_kw:
            view._feerate_per_kw = self.feerate_per_kw
        return view

    async def living(self, name: str) -> Life:
        """The node, as soon as it lives. Whoever waited for it may find it dead again."""
        try:
            async with asyncio.timeout(BACK_SECONDS):
                while not self._is_alive(name):
                    await self._change(name)
        except TimeoutError:
            raise AssertionError(f"{name} does not come back") from None
        return self._lives[name]

    def _is_alive(self, name: str) -> bool:
        return self._up[name].is_set() and self._lives[name].power.on

    async def _change(self, name: str) -> None:
        up = asyncio.create_task(self._up[name].wait())
        try:
            await asyncio.wait({up, *self._keepers}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            up.cancel()
        for keeper in self._keepers:
            if keeper.done():
                keeper.result()

    def _strikes(self, name: str, moment: str, points: frozenset[str]) -> bool:
        """On the store's thread: whether the power of this node fails now."""
        for point in points if moment == "before" else ():
            if gate := self._gates.get((name, point)):
                gate.wait(PATIENCE_SECONDS)
        passed = points if points is BROADCAST else points | {"commit"}
        if moment == "after":
            for point in passed:
                self.hits[name, point] += 1
                if happens := self._when.pop((name, point), None):
                    happens()
        cut = self.cut
        if cut is None or not self._left or (name, moment) != (cut.who, cut.moment) or cut.point not in passed:
            return False
        self._left -= 1
        if self._left:
            return False
        if cut.victim == "daemon":
            self.deaths += 1
            return True
        self.kill_plugin(name)
        return False

    def strike(self) -> None:
        """The death that did not come by itself comes now."""
        assert self.cut is not None
        self._left = 0
        self.deaths += 1
        self._lives[self.cut.who].power.cut()

    def kill_plugin(self, name: str) -> None:
        """From any thread."""
        life = self._lives.get(name)
        for plugin in life.node.plugins.plugins if life else ():
            if plugin.pid:
                self.plugin_deaths += 1
                os.killpg(plugin.pid, signal.SIGKILL)

    @property
    def struck(self) -> bool:
        """Whether the cut has happened, if there is one."""
        return self.cut is None or not self._left

    @property
    def disturbed(self) -> bool:
        """Whether anything happened by now for which a payment or an update may be refused."""
        return bool(self.deaths or self.plugin_deaths or self.broken_lines)

    # --- asking the nodes

    async def ask(self, name: str, what: Callable[[Node], Coroutine[Any, Any, T]]) -> T:
        """What a node answers, once it lives. Died."""
        life = await self.living(name)
        return await life.power.run(what(life.node))

    async def look(self, name: str, what: Callable[[Node], Coroutine[Any, Any, T]]) -> T:
        """What a node answers to a question that may be asked again, if it dies meanwhile."""
        while True:
            try:
                return await self.ask(name, what)
            except Died:
                continue

    async def until(self, name: str, what: Callable[[Node], Coroutine[Any, Any, T | None]], why: str) -> T:
        """The answer, once it is true."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + PATIENCE_SECONDS
        while loop.time() < deadline:
            if found := await self.look(name, what):
                return found
            await asyncio.sleep(0.01)
        raise AssertionError(f"{name}: never came true: {why}")

    async def mine(self, blocks: int = 1) -> None:
        """New blocks, which all nodes have handled when this returns."""
        await self.chain.mine(blocks)
        for name in self.names:
            await self.look(name, _caught_up)

    async def mine_nothing(self, blocks: int = 1, *txs: bytes) -> None:
        """Blocks in which nothing that waits finds room; the first holds these transactions."""
        await self.chain.mine_only(txs, blocks)
        await self.handled()

    async def handled(self) -> None:
        """Returns once all nodes have handled each block, and have broadcast what they want because of it."""
        for name in (*self.names, *self.names):
            await self.look(name, _caught_up)

    async def estimate(self, feerate_per_kw: int) -> None:
        """What every node takes for the feerate from now on."""
        self.feerate_per_kw = feerate_per_kw
        for view in self.chain._views:
            await view.set_feerate(feerate_per_kw)

    def cut_line(self, name: str) -> None:
        """Resets the connections of a node."""
        self.broken_lines += 1
        if (life := self._lives.get(name)) is not None:
            for link in list(life.node.channels.links.values()):
                link.abort()  # type: ignore[attr-defined]  # every link here is a real connection

    def at(self, name: str, point: str, happens: Callable[[], object]) -> None:
        """Has something happen, on the loop, just after the node's next commit with this point."""
        loop = asyncio.get_running_loop()
        self._when[name, point] = lambda: loop.call_soon_threadsafe(happens)

    def hold(self, name: str, point: str) -> None:
        """The node's disk is slow: its next commit with this point waits for `nothing_more`."""
        self._gates[name, point] = threading.Event()

    def nothing_more(self) -> None:
        """Forgets what has not happened yet, and lets go what is held."""
        self._when.clear()
        gates, self._gates = self._gates, {}
        for gate in gates.values():
            gate.set()

    async def active(self) -> None:
        """Returns once the channel can be used on both nodes, with nobody's help."""
        for name in NODES:
            await self.until(name, self._is_usable, "the channel is active again with no one's help")

    async def is_active(self) -> bool:
        """Whether it can be used on both now."""
        return all([await self.look(name, self._is_usable) for name in NODES])

    async def _is_usable(self, node: Node) -> bool:
        return usable(node, self.channel) is not None


async def _caught_up(node: Node) -> None:
    await node.watcher.sync()
    await node.wallet.sync()
    await node.channel_chain.delivered()
    for driver in list(node.channels.drivers.values()):
        await driver.settled()
