"""What plugins does this node have, what may each do, and what does the node do for them?

What a plugin registered comes with its process and leaves with it: only the channels that pin one of its providers
notice, for they freeze until it is back.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Literal, Protocol

import msgspec
from lnpd_sdk import envelope
from lnpd_sdk.manifest import Manifest
from lnpd_sdk.questions import RpcRequest

from lnpd.errors import CapabilityMissing, ManifestRefused, NoSuchMethod, PluginNotFound
from lnpd.hooks.answers import Answers
from lnpd.hooks.dispatch import Hooks
from lnpd.hooks.registry import Registry
from lnpd.services.plugin_process import LINE_BYTES, PluginProcess

log = logging.getLogger("lnpd.plugins")
RPC_SECONDS = 60.0


class Proposal(msgspec.Struct, frozen=True):
    """What a plugin gives to `propose`."""

    channel_id: str
    provider: str
    body: bytes


class LogLine(msgspec.Struct, frozen=True):
    """What a plugin gives to `log`."""

    level: Literal["debug", "info", "warning", "error"]
    text: str


class Backend(Protocol):
    """What the host needs of the rest of the node to serve plugins."""

    async def propose(self, proposal: Proposal, max_debit_sat: int) -> int:
        """Proposes an update that may take at most `max_debit_sat` of our balance in this channel; its id."""
        ...

    async def pinning(self, providers: frozenset[str]) -> list[dict[str, object]]:
        """The channels that pin one of these providers."""
        ...

    async def providers_changed(self) -> None:
        """Providers came or went: freeze or thaw the channels that pin them."""
        ...


class PluginHost:
    """All plugins of a node. `grants` are capabilities by plugin name, given by the user."""

    def __init__(
        self,
        runtime: Path,
        registry: Registry,
        answers: Answers,
        hooks: Hooks,
        grants: dict[str, tuple[str, ...]],
    ) -> None:
        self._runtime = runtime
        self.registry, self.answers, self.hooks = registry, answers, hooks
        self._grants = grants
        self.plugins: list[PluginProcess] = []
        self.backend: Backend | None = None
        self._services: dict[str, Callable[[PluginProcess, msgspec.Raw], Awaitable[object]]] = {
            "propose": self._propose,
            "channels": self._channels,
            "log": self._log,
        }

    async def start(self, paths: tuple[Path, ...]) -> None:
        """Starts every plugin, at once; returns when each is ready or has failed. PluginNotFound names a bad path."""
        for path in paths:
            if not path.is_file():
                raise PluginNotFound(f"there is no plugin at {path}")
        self._runtime.mkdir(mode=0o700, parents=True, exist_ok=True)
        first = len(self.plugins)
        self.plugins += [PluginProcess(self, path.resolve(), first + n) for n, path in enumerate(paths)]
        await asyncio.gather(*(plugin.start() for plugin in self.plugins[first:]))

    async def stop(self) -> None:
        """Stops every plugin."""
        await asyncio.gather(*(plugin.stop() for plugin in self.plugins))

    def endpoint(self, number: int, start: int) -> str:
        """A fresh endpoint for each start: what an old process still holds is not the new one's."""
        return f"ipc://{self._runtime}/plugin-{number}-{start}"

    async def call_rpc(self, name: str, params: dict[str, object]) -> object:
        """Calls a plugin's RPC method."""
        found = self.registry.rpc_method(name)
        plugin = next((p for p in self.plugins if found and p.name == found[0] and p.status == "ready"), None)
        if plugin is None:
            raise NoSuchMethod(f"there is no method {name}")
        data = await plugin.call("rpc", RpcRequest(name, envelope.raw(params)), RPC_SECONDS)
        answer: object = envelope.decode(data, object)
        return answer

    # --- what its plugins tell it
    def register(self, plugin: PluginProcess, manifest: Manifest) -> None:
        """Checks and registers a manifest, as a whole."""
        for other in self.plugins:
            if other is not plugin and other.name == manifest.name and other.status == "ready":
                raise ManifestRefused(f"a plugin named {manifest.name} is registered already, from {other.path}")
        owned = self.registry.register(manifest, plugin.hook, self._granted(manifest))
        self.hooks.plugins.register(owned.proxy, manifest.name)
        for spec in manifest.providers:
            self.answers.add(spec, plugin.ask)

    async def joined(self, plugin: PluginProcess) -> None:
        """A plugin is ready."""
        log.info("plugin %s is ready, process %s", plugin.name, plugin.pid)
        if self.backend is not None:
            await self.backend.providers_changed()

    async def left(self, plugin: PluginProcess) -> None:
        """A plugin's process ended: what it registered leaves with it."""
        manifest = plugin.forget()
        if manifest is None:
            return
        for spec in manifest.providers:
            self.answers.remove(spec.name)
        self.hooks.plugins.unregister(name=manifest.name)
        self.registry.unregister(manifest.name)
        if self.backend is not None:
            await self.backend.providers_changed()

    async def serve(self, plugin: PluginProcess, method: str, params: msgspec.Raw) -> object:
        """Answers a plugin's call of a host service."""
        service = self._services.get(method)
        if service is None:
            raise NoSuchMethod(f"the node has no service {method[:60]!r}")
        return await service(plugin, params)

    def _granted(self, manifest: Manifest) -> tuple[str, ...]:
        granted = self._grants.get(manifest.name, ())
        return tuple(g for g in granted if g.partition(":")[0] in {c.partition(":")[0] for c in manifest.capabilities})

    async def _propose(self, plugin: PluginProcess, params: msgspec.Raw) -> object:
        proposal = envelope.decode(params, Proposal)
        owner = self.registry.provider(proposal.provider)
        if owner is None or owner[0] != plugin.name:
            raise CapabilityMissing(f"{plugin.name} does not own the provider {proposal.provider[:40]!r}")
        limit = self.registry.granted(plugin.name, "updates")
        if limit is None:
            raise CapabilityMissing(
                f"{plugin.name} may not move money in channels: start lnpd with --grant {plugin.name}=updates:MAX_SAT"
            )
        assert self.backend is not None
        return await self.backend.propose(proposal, int(limit) if limit.isdecimal() else 0)

    async def _channels(self, plugin: PluginProcess, params: msgspec.Raw) -> object:
        assert self.backend is not None and plugin.manifest is not None
        return await self.backend.pinning(frozenset(spec.name for spec in plugin.manifest.providers))

    async def _log(self, plugin: PluginProcess, params: msgspec.Raw) -> object:
        line = envelope.decode(params, LogLine)
        log.log(logging.getLevelName(line.level.upper()), "plugin %s: %s", plugin.name, line.text[:LINE_BYTES])
        return None
