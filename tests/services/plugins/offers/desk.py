"""How does a test ask the host's services as a plugin does?"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from lnpd_sdk.node import Node
from lnpd_sdk.plugin import Plugin

from lnpd.hooks.answers import Answers
from lnpd.hooks.dispatch import Hooks
from lnpd.hooks.registry import Registry
from lnpd.services.events import Events
from lnpd.services.plugins.host import PluginHost
from lnpd.services.plugins.notifying import Notifying
from lnpd.store.store import Store
from lnpd.wire.catalogue import CORE


@asynccontextmanager
async def desk(folder: Path, **grants: tuple[str, ...]) -> AsyncIterator[PluginHost]:
    """A host with a store of its own; `grants` by the plugin's name."""
    store = Store.open(folder / "store", "regtest")
    host = PluginHost(folder / "run", Registry(CORE), Answers(), Hooks(), grants)
    host.desk.store = store
    host.desk.events = Events(store)
    host.desk.notifying = Notifying(store, host.desk.events, host.ready)
    try:
        yield host
    finally:
        await host.stop()
        await store.close()


async def joined(host: PluginHost, name: str, *capabilities: str) -> Node:
    """A plugin in this process, and its way to the node."""
    plugin = Plugin(name, "1", capabilities=capabilities)
    await host.add_in_process(plugin)
    assert plugin.node is not None
    return plugin.node
