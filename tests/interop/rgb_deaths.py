"""How does somebody die at a named moment of a story of tokens?

A moment is before or after something that goes between the victim's node and its plugin's process ("send rgb_verdict",
"hook initial_states", "rpc rgb open", "provider fold"), or a commit of the node's store ("funding-created"). A plugin's
process is killed with SIGKILL, and its host starts it again. A node loses its power (tests/crash/power.py), and its
plugin is killed with it; rgb_wakes.py starts it again.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal
from unittest.mock import patch

import msgspec
from lnpd_sdk.questions import PeerMessage, ProviderQuestion, RpcRequest

from lnpd.config import Config
from lnpd.errors import PluginFault
from lnpd.services.node.node import Node
from lnpd.services.payments import forwarding, outgoing
from lnpd.services.plugins import process
from lnpd.services.plugins.process import PluginProcess
from lnpd.services.signer.seed import create_seed, new_seed
from lnpd.testing import Network
from tests.crash.power import Power

Moment = Literal["before", "after"]
Kind = Literal["plugin", "node"]
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
        self.passed = set[tuple[str, str]]()  # between the last two deaths that were due
        self.ever = set[tuple[str, str]]()  # the same without numbers, since this was cleared
        self.heard = 0  # of all that happens
        self.killed: int | None = None  # the process that was killed last
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
        self.heard += 1
        self.ever.add((name, what))
        if name == self.victim.name and not self._lives():
            return False  # it is dead already
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
