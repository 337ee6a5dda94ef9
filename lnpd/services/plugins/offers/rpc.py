"""Which methods of the node's RPC may a plugin call?

Those that its grant names. `read` stands for all of the node's own that change nothing and show no secret: so nothing
that moves money, and no preimage, is ever granted without its name.
"""

from typing import Any, Final

import msgspec
from lnpd_sdk.services.rpc import RpcWanted

from lnpd.errors import RpcAnswerTooLong, RpcNotGranted
from lnpd.hooks.capabilities import kind_of, parameter_of
from lnpd.rpc.commands import Command
from lnpd.services.plugins.calls import Plugin
from lnpd.services.plugins.offers.offer import Desk, Offer, there
from lnpd.services.rpc import dispatch

READ: Final = "read"
MAX_BYTES: Final = 512 * 1024


async def call(desk: Desk, plugin: Plugin, wanted: RpcWanted) -> msgspec.Raw:
    """RpcNotGranted, RpcAnswerTooLong, and whatever the RPC answers."""
    api, grants = there(desk.api), desk.registry.owners[plugin.name].grants
    granted = [name for each in grants if kind_of(each) == "rpc" for name in parameter_of(each).split(",")]
    command = dispatch.find(api, wanted.method)
    if command.streaming:
        raise RpcNotGranted(f"{command.method} is a stream: a plugin hears of events by `Plugin.on`.")
    if command.method not in granted and not (READ in granted and _only_reads(command)):
        raise RpcNotGranted(
            f"The plugin {plugin.name} may not call {command.method}: start lnpd with --grant"
            f" {plugin.name}=rpc:{','.join((*granted, command.method))}"
        )
    only_reads = command.method not in granted
    answer = msgspec.msgpack.encode(await dispatch.call(api, wanted.method, dict(wanted.params), only_reads))
    if len(answer) > MAX_BYTES:
        raise RpcAnswerTooLong(f"{command.method} answers with {len(answer)} bytes: a plugin is given {MAX_BYTES}.")
    return msgspec.Raw(answer)


def _only_reads(command: Command) -> bool:
    return not (command.mutating or command.plugin or command.secret)


OFFERS: Final = (
    Offer(
        "rpc",
        "rpc",
        RpcWanted,
        Any,
        "Calls a method of the node's own RPC.",
        'info = await node.rpc("info", features=True)',
        call,
    ),
)
