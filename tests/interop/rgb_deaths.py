"""How does somebody die at a named moment of a story of tokens, and how does the story go on?

    async with mortal_pair(folder, Victim("bob", "plugin")) as pair:
        await pair.at("after", "kv_put funding/", pair.open_once)

A moment is before or after something that goes between the victim's node and its plugin's process ("send rgb_verdict",
"hook initial_states", "rpc rgb open", "provider fold"), or a commit of the node's store ("funding-created"). A plugin's
process is killed with SIGKILL, and its host starts it again. A node loses its power (tests/crash/power.py), its plugin
is killed with it, and it is started again on its directory. Nobody else does anything about it, but for a user who
repeats a command that was not answered.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, TypeVar
from unittest.mock import patch

import msgspec
from lnpd_sdk.envelope import BusError
from lnpd_sdk.questions import PeerMessage, ProviderQuestion, RpcRequest

from lnpd.channel.presets import DEFAULT
from lnpd.config import Config
from lnpd.errors import LnpdError, PluginFault
from lnpd.services.node.node import Node
from lnpd.services.payments import forwarding, outgoing
from lnpd.services.plugins import process
from lnpd.services.plugins.process import PluginProcess
from lnpd.services.signer.seed import create_seed, new_seed
from lnpd.testing import Network, until, until_asked
from tests.crash.power import Died, Power, electrify
from tests.interop.rgb import rgb_world
from tests.interop.rgb_nodes import COINS_SAT, ISSUED, RgbNodes, settings_of

T = TypeVar("T")
Moment = Literal["before", "after"]
Kind = Literal["plugin", "node"]
PATIENCE_SECONDS: Final = 40.0
REFUSED: Final = (LnpdError, BusError, Died)
MANY: Final = 1_000
LIFETIMES: Final = MANY  # a plugin that is killed so often within ten minutes would be quarantined


@dataclass(frozen=True)
class Victim:
    """Who dies: a node's plugin, or the node with its plugin."""

    name: str
    kind: Kind

    def __str__(self) -> str:
        return f"{self.name}'s {self.kind}"


class Mortal(Network):
    """A network in which one of the nodes can die."""

    def __init__(self, folder: Path, bitcoind: Path, victim: Victim) -> None:
        super().__init__(folder, bitcoind=bitcoind)
        self.victim, self.due = victim, list[tuple[str, str]]()
        self.deaths: Counter[str] = Counter()
        self.met: Counter[tuple[str, str, str]] = Counter()  # since the last death
        self.passed = set[tuple[str, str]]()
        self.powers: dict[str, Power] = {}

    def _made(self, config: Config) -> Node:
        name = config.alias
        power = self.powers[name] = Power(lambda moment, points: self._stored(name, moment, points))
        power.node = Node(config, fault=power.fault)
        return power.node

    async def begun(self, config: Config) -> Node:
        """A node that runs within a power of its own."""
        config.directory.mkdir(mode=0o700, exist_ok=True)
        if not config.seed_path.exists():
            create_seed(config.seed_path, new_seed(), None, plain=True)
        node = self._made(config)
        await self.powers[config.alias].run(node.start())
        self.nodes.append(node)
        return node

    # --- what happens
    def _stored(self, name: str, moment: str, points: frozenset[str]) -> bool:
        """On the store's thread: whether the node's power fails."""
        return True in [self._strikes(name, moment.removesuffix("_commit"), each) for each in sorted(points)]

    def _strikes(self, name: str, moment: str, what: str) -> bool:
        """Whether the node dies of it now; a plugin is killed here."""
        self.met[name, moment, what] += 1
        number = self.met[name, moment, what]
        what = what if number == 1 else f"{what} {number}"
        if name != self.victim.name or self.due[:1] != [(moment, what)]:
            return False
        del self.due[0]
        self.met.clear()
        self.deaths[f"{moment} {what}"] += 1
        if self.victim.kind == "node":
            return True
        self.kill_plugin()
        return False

    def kill_plugin(self) -> None:
        """From any thread."""
        (plugin,) = self.node_of_victim().plugins.plugins
        if plugin.pid:
            os.killpg(plugin.pid, signal.SIGKILL)

    def node_of_victim(self) -> Node:
        """As it lives now."""
        found = self.powers[self.victim.name].node
        assert found is not None
        return found

    async def passes(self, plugin: PluginProcess, moment: Moment, what: str) -> bool:
        """Something goes between a node and its plugin: whether the plugin was killed. The task of a node that died
        ends here."""
        name = next((n for n, p in self.powers.items() if getattr(p.node, "plugins", None) is plugin.host), "")
        before = sum(self.deaths.values())
        if self._strikes(name, moment, what):
            self.powers[name].cut()
            await asyncio.sleep(0)
        return sum(self.deaths.values()) > before


async def _answered(acting: Awaitable[T], refusals: list[Exception]) -> T | None:
    """What was answered; None for what was refused, or never answered."""
    try:
        return await acting
    except REFUSED as error:
        refusals.append(error)
        return None


def numbered(met: Counter[tuple[str, str, str]]) -> set[tuple[str, str]]:
    """Whose names, and what they have passed: "channels", "channels 2"."""
    return {(name, f"{what} {1 + n}".removesuffix(" 1")) for (name, _, what), most in met.items() for n in range(most)}


def _asked(method: str, params: object) -> str:
    """What a question to a plugin is called here."""
    match params:
        case RpcRequest(name=name):
            return f"{method} {name}"
        case PeerMessage(name=name):
            return f"message {name}"
        case ProviderQuestion(method=function):
            return f"provider {function}"
    return method


def _served(method: str, params: msgspec.Raw) -> str:
    """What a plugin's call of its node is called here."""
    if method in ("kv_put", "kv_delete"):
        key = bytes(msgspec.msgpack.decode(params)["key"])
        return f"{method} {key.decode().partition('/')[0]}/"
    if method == "send":
        return f"send {msgspec.msgpack.decode(params)['name']}"
    return method


@asynccontextmanager
async def tapped(network: Mortal) -> AsyncIterator[None]:
    """The network hears of all that goes between nodes and plugins, which are started again at once."""
    served, call = PluginProcess.served, PluginProcess.call

    async def hears(plugin: PluginProcess, method: str, params: msgspec.Raw, trace: str) -> object:
        what = _served(method, params)
        if await network.passes(plugin, "before", what):
            raise PluginFault(plugin.name, "was killed")  # it has not asked yet
        result = await served(plugin, method, params, trace)
        await network.passes(plugin, "after", what)
        return result

    async def asks(plugin: PluginProcess, method: str, params: object, deadline_seconds: float) -> bytes:
        what = _asked(method, params)
        await network.passes(plugin, "before", what)
        result = await call(plugin, method, params, deadline_seconds)
        await network.passes(plugin, "after", what)
        return result

    with (
        patch.object(PluginProcess, "served", hears),
        patch.object(PluginProcess, "call", asks),
        patch.object(process, "PAUSES_SECONDS", (0.02,)),
        patch.object(process, "MAX_FAILURES", LIFETIMES),
        patch.object(outgoing, "RETRY_SECONDS", 0.02),
        patch.object(forwarding, "RETRY_SECONDS", 0.02),
    ):
        yield


class MortalPair(RgbNodes):
    """Alice, who issues and opens, and Bob; one of them dies again and again."""

    network: Mortal

    @property
    def victim(self) -> Node:
        """The node that dies, or whose plugin does."""
        return self.node(self.network.victim.name)

    def node(self, name: str) -> Node:
        """As it lives now."""
        return self.alice if name == "alice" else self.bob

    async def ask(self, name: str, what: Callable[[Node], Coroutine[Any, Any, T]]) -> T:
        """What a node answers. Died, and what it raises."""
        return await self.network.powers[name].run(what(self.node(name)))

    async def rgb(self, node: Node, method: str, **params: Any) -> Any:  # Any: JSON values
        """A command of the plugin. Died too."""
        return await self.ask(node.config.alias, lambda node: node.api.call_plugin(f"rgb {method}", params))

    async def at(self, moments: Sequence[tuple[Moment, str]], act: Callable[[], Awaitable[T]]) -> T | None:
        """Does something, in which somebody dies at these moments, one after the other; whoever died is started again
        at once. Returns when everybody is there again: what was answered, or None if it was refused or not answered."""
        self.network.due = list(moments)
        self.network.met.clear()
        refusals: list[Exception] = []
        acting = asyncio.ensure_future(_answered(act(), refusals))
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while self.network.due or not (acting.done() and self.is_on):
                    if acting.done() or not self.is_on:
                        await self.back()
                    await asyncio.sleep(0.01)
        except TimeoutError:
            why = f"{self.network.due or 'no answer'} within {PATIENCE_SECONDS:g} s: {refusals}"
            raise AssertionError(why) from None
        finally:
            acting.cancel()
        self.network.passed = numbered(self.network.met)
        await self.back()
        return await acting

    @property
    def is_on(self) -> bool:
        """Whether the one that dies has power."""
        return self.network.powers[self.network.victim.name].on

    async def back(self) -> None:
        """Returns once both nodes live, with their plugins, and are connected."""
        while not self.is_on:
            await self._revived()
        for node in (self.alice, self.bob):
            (plugin,) = node.plugins.plugins
            await until(lambda plugin=plugin: plugin.status == "ready" and plugin.pid, "the plugin's next life")  # type: ignore[misc]
        await self.linked()

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

    async def linked(self) -> None:
        """Returns once they are connected: those that have a channel see to it, a user to the others."""

        async def there() -> bool:
            if self.bob.node_id not in self.alice.channels.links or self.alice.node_id not in self.bob.channels.links:
                address = f"{self.bob.node_id.hex()}@{self.listening['bob'][0]}"
                try:
                    await self.alice.api.connect(address)
                except LnpdError:
                    return False
            return self.alice.node_id in self.bob.channels.links

        await until_asked(there, "their connection")

    async def insist(self, name: str, method: str, **params: Any) -> Any:  # Any: JSON values
        """A command that its user repeats until it is answered."""
        last = ""
        for _ in range(50):
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
        yield pair
