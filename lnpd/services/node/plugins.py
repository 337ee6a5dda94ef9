"""What does the node answer about its plugins, and how is their host made of a configuration?"""

import logging
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from lnpd_sdk.envelope import CallFailed
from lnpd_sdk.manifest import Manifest, RpcMethod
from lnpd_sdk.nearest import nearest
from lnpd_sdk.questions import OptionChange

from lnpd.channel.state import Channel
from lnpd.config import Config
from lnpd.config.listing import HIDDEN
from lnpd.errors import CommandVetoed, PluginNotRunning, PluginRefused
from lnpd.errors.words import one_line
from lnpd.hooks.answers import Answers
from lnpd.hooks.capabilities import explained, in_effect
from lnpd.hooks.dispatch import Hooks
from lnpd.hooks.registry import Registry, asked_by
from lnpd.providers.types import CORE_PROVIDERS
from lnpd.rpc import answers
from lnpd.rpc.answers import GrantsShown, HookShown
from lnpd.rpc.commands import BY_METHOD
from lnpd.rpc.described import EXTENDABLE
from lnpd.rpc.kinds import PLUGIN_NAME
from lnpd.services.channels.pins import pins
from lnpd.services.node import grants
from lnpd.services.node.services import Services
from lnpd.services.plugins import explain
from lnpd.services.plugins.calls import Plugin
from lnpd.services.plugins.host import PluginHost
from lnpd.services.plugins.kept import Kept
from lnpd.services.plugins.options import Options, Setting
from lnpd.services.plugins.process import PluginProcess
from lnpd.services.plugins.remote import RemoteDoor
from lnpd.services.plugins.surroundings import Surroundings, Terms
from lnpd.store.store import Store

log = logging.getLogger("lnpd.plugins")


def host_of(
    config: Config,
    store: Store,
    registry: Registry,
    questions: Answers,
    hooks: Hooks,
    channels: Callable[[], Iterable[Channel]],
) -> PluginHost:
    """The host of a configuration's plugins; what is the node's own is claimed first."""
    registry.claim_core(tuple(p.spec for p in CORE_PROVIDERS.values()), frozenset(BY_METHOD), EXTENDABLE)
    for provider in CORE_PROVIDERS.values():
        questions.add_core(provider)
    host = PluginHost(config.runtime, registry, questions, hooks, config.granted())
    host.surroundings = _surroundings(config)
    if config.plugin_listen:
        host.remote = RemoteDoor(config.plugin_listen, config.directory, dict(config.remote_plugins))
    places = {each.key.removeprefix("plugin."): each.place for each in config.given if each.key.startswith("plugin.")}
    files = {each.key.removeprefix("plugin."): each.file for each in config.given if each.file is not None}
    host.chosen = Options(config.plugin_options, store, places, files)
    host.pins = lambda: pins(channels())
    return host


def _surroundings(config: Config) -> Surroundings:
    terms = Terms(
        memory_mib=config.plugin_memory_mib,
        files=config.plugin_files,
        processes=config.plugin_processes,
        sandbox=config.plugin_sandbox,
        network=config.plugin_network,
    )
    secret = config.passphrase_file, config.backup_file, config.bitcoind_directory, *config.files
    return Surroundings(config.directory, terms, tuple(path for path in secret if path is not None))


async def start_all(config: Config, store: Store, host: PluginHost) -> None:
    """Starts the configuration's plugins, and those that a person started; then it shows whose options are nobody's."""
    await host.start((*config.plugins, *await Kept(store).paths(config.plugins)))
    for name in host.chosen.strangers(each.name for each in host.plugins):
        hint = nearest(name, (each.name for each in host.plugins))
        log.warning("options are given for the plugin %s, and no plugin of this name is there%s", name, hint)


class PluginApi:
    """The part of the Backend that is about plugins."""

    def __init__(self, services: Services) -> None:
        self._services, self._kept = services, Kept(services.store)

    async def plugins(self) -> tuple[answers.Plugin, ...]:
        """Every plugin."""
        return tuple(map(self._shown, self._services.plugins.plugins))

    async def plugin_start(self, plugin: str) -> answers.Plugin:
        """Starts a plugin."""
        host = self._services.plugins
        if PLUGIN_NAME.fullmatch(plugin):
            found = await host.start_again(host.named(plugin))
        else:
            found = await host.start_one(_file(plugin))
        given = {str(each.resolve()) for each in self._services.config.plugins}
        if type(found) is PluginProcess and found.status != "refused" and found.path not in given:
            await self._kept.add(Path(found.path))
        return self._shown(found)

    async def plugin_stop(self, plugin: str) -> answers.Plugin:
        """Stops a plugin."""
        found = self._services.plugins.named(plugin)
        await self._kept.forget(Path(found.path))
        await found.stop()
        return self._shown(found)

    async def plugin_reload(self, plugin: str) -> answers.Plugin:
        """Puts a new process in the place of a plugin's."""
        found = self._services.plugins.named(plugin)
        await found.reload()
        return self._shown(found)

    async def plugin_options(self, plugin: str | None) -> tuple[answers.PluginOption, ...]:
        """Options with their values."""
        host, rows = self._services.plugins, []
        for each in [host.named(plugin)] if plugin else host.plugins:
            manifest = _manifest(each) if plugin else each.manifest
            settings = await host.chosen.settings(manifest) if manifest else ()
            rows += [_option(each.name, setting) for setting in settings]
        return tuple(rows)

    async def plugin_grants(self, plugin: str) -> GrantsShown:
        """What a plugin may do, and has done of it."""
        return await grants.shown(self._services, self._services.plugins.named(plugin))

    async def plugin_set(self, plugin: str, option: str, value: str) -> answers.PluginOption:
        """Sets a dynamic option."""
        host = self._services.plugins
        found = host.named(plugin)
        manifest = _manifest(found)
        read = host.chosen.read(manifest, option, value)
        try:
            await found.change(OptionChange(option, read))
        except CallFailed as error:
            raise PluginRefused(one_line(str(error))) from None
        await host.chosen.keep(manifest.name, option, read)
        settings = await host.chosen.settings(manifest)
        return next(_option(found.name, setting) for setting in settings if setting.spec.name == option)

    async def plugin_unset(self, plugin: str, option: str) -> None:
        """Takes back what was set of a dynamic option. OptionRefused."""
        host = self._services.plugins
        found = host.named(plugin)
        manifest = _manifest(found)
        before = host.chosen.given(manifest, option)
        try:
            await found.change(OptionChange(option, before))
        except CallFailed as error:
            raise PluginRefused(one_line(str(error))) from None
        await host.chosen.forget(manifest.name, option)

    async def explain_hook(self, hook: str) -> HookShown:
        """Who takes part in a hook."""
        return explain.explained(self._services.plugins.hooks, hook)

    async def permit(self, method: str, params: dict[str, Any]) -> None:  # Any: each value has its parameter's kind
        """Whether the plugins let a command pass. None of them is shown another's secret."""
        if method == "config.set" and self._is_secret(params["key"]):
            params = {**params, "value": HIDDEN}
        refusal = await self._services.plugins.hooks.chain("rpc_command", None, method=method, params=params)
        if refusal is not None:
            raise CommandVetoed(f"A plugin refuses {method}: {one_line(refusal)}")

    def _is_secret(self, key: str) -> bool:
        manifests = (each.manifest for each in self._services.plugins.plugins if each.manifest)
        return key in {f"plugin.{each.name}.{row.name}" for each in manifests for row in each.options if row.secret}

    def plugin_methods(self) -> tuple[tuple[str, RpcMethod], ...]:
        """The RPC methods of the plugins, of those too that are away for now."""
        return self._services.registry.rpc_methods()

    async def call_plugin(self, method: str, params: dict[str, Any]) -> object:  # Any: a plugin's values are its own
        """Calls a plugin's RPC method."""
        for name, value in params.items():
            if name == "channel_id" and isinstance(value, str):
                params = {**params, name: self._services.channels.driver_of(value).channel.id.hex()}
        try:
            return await self._services.plugins.call_rpc(method, params)
        except CallFailed as error:
            raise PluginRefused(one_line(str(error))) from None

    def _shown(self, plugin: Plugin) -> answers.Plugin:
        manifest = plugin.manifest
        asked = asked_by(manifest) if manifest else ()
        grants = self._services.plugins.granted(plugin, plugin.name)
        return answers.Plugin(
            name=plugin.name,
            path=str(plugin.path),
            process=plugin.pid,
            status=plugin.status,
            why=plugin.why,
            version=manifest.version if manifest else "",
            providers=tuple(p.name for p in manifest.providers) if manifest else (),
            rpc=tuple(m.name for m in manifest.rpc) if manifest else (),
            capabilities=asked,
            grants=grants,
            starts=plugin.starts,
            faults=plugin.faults,
            in_effect=in_effect(asked, grants),
            notes=explained(plugin.name, asked, grants) if manifest else (),
            dropped=plugin.dropped,
            waiting=plugin.waiting,
        )


def _manifest(plugin: Plugin) -> Manifest:
    if plugin.manifest is None:
        raise PluginNotRunning(f"The plugin {plugin.name} does not run: {plugin.why or plugin.status}")
    return plugin.manifest


def _option(plugin: str, setting: Setting) -> answers.PluginOption:
    spec = setting.spec
    return answers.PluginOption(
        plugin=plugin,
        option=spec.name,
        kind=spec.kind,
        value=HIDDEN if spec.secret and setting.value else setting.value,
        default=spec.default,
        source=setting.source,
        dynamic=spec.dynamic,
        help=spec.help,
    )


def _file(path: str) -> Path:
    """A plugin's file; ~ is the home of the node's user."""
    return Path(os.path.expanduser(path))
