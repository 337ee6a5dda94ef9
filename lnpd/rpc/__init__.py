"""How do people and programs speak with a node: its commands, their answers, and a client, plain or async.

from lnpd.rpc import Client

with Client("~/.local/share/lnpd/regtest") as node:
    print(node.info().height)

A name is loaded when it is asked for, so that a program pays for what it uses.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lnpd.rpc.client import Client
    from lnpd.rpc.client_async import AsyncClient
    from lnpd.rpc.place import Remote

__all__ = ["AsyncClient", "Client", "Remote"]


def __getattr__(name: str) -> object:
    match name:
        case "Client":
            from lnpd.rpc.client import Client

            return Client
        case "AsyncClient":
            from lnpd.rpc.client_async import AsyncClient

            return AsyncClient
        case "Remote":
            from lnpd.rpc.place import Remote

            return Remote
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
