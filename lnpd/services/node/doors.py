"""Through which doors do others reach a node, and how are they opened so that the node's end closes them?"""

from contextlib import AsyncExitStack
from typing import Protocol

from lnpd.config import Config
from lnpd.services.metrics import MetricsPage
from lnpd.services.node.metrics import page
from lnpd.services.peers.address import Address
from lnpd.services.plugins.host import PluginHost
from lnpd.services.rpc.api import Backend, EventLog
from lnpd.services.rpc.far import FarRpc, Pinned


class Door(Protocol):
    """What is opened and closed."""

    async def start(self) -> None:
        """Opens it."""
        ...

    async def stop(self) -> None:
        """Closes it."""
        ...


async def opened(stack: AsyncExitStack, *doors: Door) -> None:
    """Opens each in turn; the stack closes them."""
    for door in doors:
        await door.start()
        stack.push_async_callback(door.stop)


def far_of(config: Config, api: Backend, events: EventLog) -> tuple[FarRpc, ...]:
    """The RPC for other machines, if the configuration has one."""
    if config.rpc_listen is None:
        return ()
    address = Address(config.rpc_listen.host, config.rpc_listen.port)
    pinned = Pinned(address, dict(config.rpc_clients), dict(config.rpc_readers))
    return (FarRpc(api, events, pinned, config.directory, config.runtime),)


def pages_of(config: Config, host: PluginHost) -> tuple[MetricsPage, ...]:
    """The metrics page, if the configuration has one."""
    if config.metrics is None:
        return ()
    return (MetricsPage(config.metrics, lambda: page(host.plugins, host.hooks.figures.rows)),)
