"""How is a plugin run by itself, as a node would run it, without a node? For an author's tools.

The same host starts it, checks its manifest and asks it: what is refused here is refused by a node. Nobody has granted
it anything, and of the services it only has its log.
"""

import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from lnpd_sdk.manifest import Manifest

from lnpd.errors import ManifestRefused
from lnpd.hooks.answers import Answers
from lnpd.hooks.dispatch import Hooks
from lnpd.hooks.registry import Registry
from lnpd.providers.types import CORE_PROVIDERS
from lnpd.rpc.commands import BY_METHOD
from lnpd.rpc.described import EXTENDABLE
from lnpd.services.plugins.calls import Plugin
from lnpd.services.plugins.host import TEST_MODE, PluginHost
from lnpd.wire.catalogue import CORE


@asynccontextmanager
async def alone(path: Path, environment: Mapping[str, str] | None = None) -> AsyncIterator[Plugin]:
    """A plugin's process, ready to be asked; its providers run under the SDK's guard.

    `environment` is told to it beside what it inherits. Raises PluginNotFound, and ManifestRefused if it does not
    become ready, with the reason that a node would show.
    """
    registry = Registry(CORE)
    registry.claim_core(tuple(each.spec for each in CORE_PROVIDERS.values()), frozenset(BY_METHOD), EXTENDABLE)
    with tempfile.TemporaryDirectory(prefix="lnpd-") as folder:
        host = PluginHost(Path(folder), registry, Answers(), Hooks(), {})
        host.environment.update({TEST_MODE: "1", **(environment or {})})
        await host.start((path,))
        try:
            (plugin,) = host.plugins
            if plugin.status != "ready":
                raise ManifestRefused(plugin.why or f"{path} did not become ready")
            yield plugin
        finally:
            await host.stop()


async def manifest_of(path: Path) -> Manifest:
    """What a plugin declares. Raises as `alone` does."""
    async with alone(path) as plugin:
        assert plugin.manifest is not None
        return plugin.manifest
