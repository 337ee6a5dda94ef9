"""What plugins does this node have, what may each do, and what does the node do for them?

All are started at once, and settled in the order of the command line: of two that want one method the first has it,
however fast the second is (names.py: whose a name is, with its grants). What a plugin registered comes with its process
and leaves with it: only the channels that pin one of its providers notice, for they freeze until it is back.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
from lnpd_sdk.manifest import Manifest, OptionValue

from lnpd.bus.link import check_endpoint
from lnpd.errors import ManifestRefused, NoSuchMethod, PluginNotFound, PluginNotRunning
from lnpd.hooks.answers import Answers
from lnpd.hooks.capabilities import in_effect
from lnpd.hooks.dispatch import Hooks
from lnpd.hooks.older import TOGETHER_SINCE
from lnpd.hooks.registry import Registry, asked_by
from lnpd.services.plugins.calls import Plugin
from lnpd.services.plugins.changes import Changes, Listener
from lnpd.services.plugins.child import Child
from lnpd.services.plugins.here import PluginHere, PluginObject
from lnpd.services.plugins.names import Names
from lnpd.services.plugins.notifying import check_topics
from lnpd.services.plugins.offers import table as offers
from lnpd.services.plugins.offers.offer import Desk
from lnpd.services.plugins.options import Options
from lnpd.services.plugins.process import PluginProcess
from lnpd.services.plugins.remote import RemoteDoor
from lnpd.services.plugins.replacing import check_pins
from lnpd.services.plugins.surroundings import Surroundings
from lnpd.tx.graph import ProviderPin

log = logging.getLogger("lnpd.plugins")
RPC_SECONDS = 60.0
TEST_MODE = "LNPD_TEST_MODE"  # lnpd_sdk.guard


class PluginHost:
    """All plugins of a node. `grants` are capabilities by plugin name, or by its path, given by the user."""

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
        hooks.rows = lambda: registry.spoken
        self._grants = {str(Path(key).resolve()) if "/" in key else key: given for key, given in grants.items()}
        self.environment: dict[str, str] = {TEST_MODE: "1"} if answers.ask_twice else {}
        self.plugins: list[Plugin] = []
        self.remote: RemoteDoor | None = None
        self.chosen = Options()
        self.surroundings = Surroundings(runtime.parent)
        self.pins: Callable[[], tuple[tuple[str, ProviderPin], ...]] = tuple  # of live channels, by their ids
        self.desk = Desk(registry, hooks)
        self.traces, self.figures = hooks.traces, hooks.figures
        self.names = Names()
        self.changes = Changes(self._listeners, self.figures)

    async def start(self, paths: tuple[Path, ...]) -> None:
        """Starts every plugin, at once; returns when each is ready or has failed.

        PluginNotFound names a bad path, EndpointRefused a directory whose path is too long for a socket.
        """
        for path in paths:
            if not path.is_file():
                raise PluginNotFound(f"There is no plugin at {path}.")
        check_endpoint(self.endpoint(len(self.plugins) + len(paths), 10**9))
        self._runtime.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._runtime.chmod(0o700)  # it may have been there, open to others
        if not self.plugins:
            for old in self._runtime.glob("plugin-*"):  # sockets of another life, which nobody listens on any more
                old.unlink()
        if self.remote is not None and not self.remote.is_open:
            away = self.remote.open(self)
            self.plugins += away
            await asyncio.gather(*(plugin.start() for plugin in away))
        if self.desk.store is not None:
            await self.names.load(self.desk.store)
        first = len(self.plugins)
        started = [PluginProcess(self, path.resolve(), first + n) for n, path in enumerate(paths)]
        self.plugins += started
        await asyncio.gather(*(plugin.start() for plugin in started))

    async def start_one(self, path: Path) -> Plugin:
        """Starts one more plugin, or one that is there and does not run. PluginNotFound, PluginNotRunning."""
        if found := self._at(path):
            return await self.start_again(found)
        await self.start((path,))
        found = self._at(path)
        assert found is not None
        return found

    def _at(self, path: Path) -> Plugin | None:
        whole = str(path.resolve())
        return next((p for p in self.plugins if p.path == whole), None)

    async def start_again(self, plugin: Plugin) -> Plugin:
        """Starts a plugin that was stopped, refused or quarantined, or waits for its next start. PluginNotRunning."""
        if plugin.status in ("starting", "ready"):
            raise PluginNotRunning(f"The plugin {plugin.name} runs already: lnp plugin reload {plugin.name}")
        await plugin.stop()
        await plugin.start()
        return plugin

    def named(self, name: str) -> Plugin:
        """A plugin by its name, that of its file while it has none. PluginNotFound."""
        found = next((p for p in self.plugins if p.known_as == name), None)
        found = found or next((p for p in self.plugins if p.name == name), None)
        if found is None:
            raise PluginNotFound(f"There is no plugin {name[:400]!r}: lnp plugin list")
        return found

    async def add_in_process(self, plugin: PluginObject) -> Plugin:
        """Registers a plugin object in this process: the same checks, grants, calls and RPC as for a process.

        Raises what is wrong with its manifest.
        """
        here = PluginHere(self, plugin)
        await here.start()
        self.plugins.append(here)
        await self.changes.tell()
        return here

    async def stop(self) -> None:
        """Stops every plugin, those too that are still starting."""
        await asyncio.gather(*(plugin.stop() for plugin in self.plugins))
        if self.remote is not None:
            self.remote.close()
        await self.changes.stop()
        if self.desk.notifying is not None:
            await self.desk.notifying.stop()
        if self.desk.watching is not None:
            await self.desk.watching.stop()

    def endpoint(self, number: int, start: int) -> str:
        """A fresh endpoint for each start: what an old process still holds is not the new one's."""
        return f"ipc://{self._runtime}/plugin-{number}-{start}"

    async def call_rpc(self, name: str, params: dict[str, object]) -> object:
        """Calls a plugin's RPC method. NoSuchMethod, PluginNotRunning; CallFailed is what the plugin refused or raised;
        PluginFault if it did not answer."""
        found = self.registry.rpc_method(name)
        if found is None:
            raise NoSuchMethod(f"There is no command {name}.")
        plugin = self.ready(found[0])
        if plugin is None:
            how = next((p.status for p in self.plugins if p.known_as == found[0]), "not here")
            raise PluginNotRunning(
                f"The plugin {found[0]}, whose command this is, is {how}: lnp plugin start {found[0]}"
            )
        return await plugin.rpc(name, params, RPC_SECONDS)

    def ready(self, name: str) -> Plugin | None:
        """A plugin that can be asked, by its name."""
        return next((p for p in self.plugins if p.name == name and p.status == "ready"), None)

    def granted(self, plugin: Plugin, name: str) -> tuple[str, ...]:
        """What the user granted to a plugin of this name, and to its path."""
        return self._grants.get(name, ()) + self._grants.get(plugin.path, ())

    # --- what its plugins tell it
    async def turn(self, plugin: Plugin) -> None:
        """Returns when those before it on the command line are settled."""
        for other in self.plugins:
            if other is plugin:
                return
            await other.settled.wait()

    def register(self, plugin: Plugin, manifest: Manifest) -> None:
        """Checks and registers a manifest, as a whole."""
        holder = self.names.holder(manifest.name, self.plugins)
        if holder is not None and holder is not plugin:
            has = "is registered already, from" if holder.known_as else "is the plugin at"
            raise ManifestRefused(
                f"a plugin named {manifest.name} {has} {holder.path}: {plugin.path} may not have its name and its"
                " grants"
            )
        check_topics(manifest)
        grants = in_effect(asked_by(manifest), self.granted(plugin, manifest.name))
        owned = self.registry.register(manifest, plugin.hook, grants)
        added: list[str] = []
        try:
            for spec in manifest.providers:
                together = plugin.ask_together if manifest.contract >= TOGETHER_SINCE else None
                self.answers.add(spec, plugin.ask, plugin.fail, together, manifest.contract)
                added.append(spec.name)
            rank = self.plugins.index(plugin) if plugin in self.plugins else len(self.plugins)
            self.hooks.join(owned.proxy, manifest.name, rank)
        except Exception:
            self._unregister(manifest.name, added)
            if not plugin.known_as:
                self.registry.unregister(manifest.name, released=True)
            raise

    async def options(self, plugin: Plugin, manifest: Manifest) -> dict[str, OptionValue]:
        """The values of a plugin's options. OptionRefused."""
        self.chosen.require_private(manifest)
        return {setting.spec.name: setting.value for setting in await self.chosen.settings(manifest)}

    async def spawn(self, plugin: Plugin, endpoint: str, token: bytes) -> Child:
        """Starts a plugin's process. OSError."""
        return await self.surroundings.spawn(Path(plugin.path), endpoint, token, self.environment)

    def may_replace(self, plugin: Plugin, manifest: Manifest) -> None:
        """Whether a plugin may go on with another manifest. ManifestRefused, ReloadRefused."""
        before = plugin.manifest
        if before is None:
            raise PluginNotRunning(f"The plugin {plugin.name} does not run.")
        check_pins(before, manifest, self.pins())
        self.replace(plugin, manifest)  # nobody is asked in between
        self.replace(plugin, before)

    def replace(self, plugin: Plugin, manifest: Manifest) -> None:
        """Registers another manifest of a plugin; raises as `register` does, and changes nothing then."""
        before = plugin.forget()
        if before is None:
            raise PluginNotRunning(f"The plugin {plugin.name} does not run.")
        self._unregister(before.name, [spec.name for spec in before.providers])
        try:
            plugin.enrol(manifest)
        except Exception:
            plugin.enrol(before)
            raise

    async def joined(self, plugin: Plugin) -> None:
        """A plugin is ready."""
        log.info("plugin %s is ready, process %s", plugin.name, plugin.pid)
        self.hooks.ready(plugin.name)
        await self.changes.tell()

    async def left(self, plugin: Plugin) -> None:
        """A plugin's process ended: what it registered leaves with it."""
        manifest = plugin.forget()
        if manifest is None:
            return
        self._unregister(manifest.name, [spec.name for spec in manifest.providers])
        await self.changes.tell()

    async def resumed(self, plugin: Plugin) -> None:
        """A plugin can be asked again, as before: nobody could while it was to be reloaded, and was not."""
        log.info("plugin %s goes on", plugin.name)
        await self.changes.tell()

    def _listeners(self) -> Iterator[tuple[str, Listener]]:
        """Channels come first: what they do about money waits for nothing else."""
        if (backend := self.desk.backend) is not None:
            yield "channels", backend.providers_changed
        if self.desk.messages is not None:
            yield "the wire", self.desk.messages.refresh
        if backend is not None:
            yield "whoever hears of channels", backend.tell_frozen
        if (notifying := self.desk.notifying) is not None:
            rows = [(p.name, p.manifest) for p in self.plugins if p.status == "ready" and p.manifest]
            names = [name for name, manifest in rows if manifest.notifications]
            yield "who hears of events", lambda: notifying.refresh(names)
        if (store := self.desk.store) is not None:
            yield "whoever keeps names", lambda: self.names.keep(store, self.plugins)

    def _unregister(self, name: str, providers: list[str]) -> None:
        for provider in providers:
            self.answers.remove(provider)
        self.hooks.leave(name)
        self.registry.unregister(name)

    async def serve(self, plugin: Plugin, method: str, params: msgspec.Raw) -> object:
        """Answers a plugin's call of a host service."""
        with self.figures.of(f"service {method if method in offers.OFFERS else 'unknown'}", plugin.name).call():
            return await offers.serve(self.desk, plugin, method, params)
