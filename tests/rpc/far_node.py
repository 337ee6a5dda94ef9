"""Which small node do the tests ask from another machine, and with which keys?"""

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from lnpd.bus.curve import kept_keys
from lnpd.rpc import Remote
from lnpd.services.events import Events
from lnpd.services.peers.address import Address
from lnpd.services.rpc.far import KEY_FILE, Pinned
from lnpd.testing import free_port
from tests.services.rpc.small_node import SmallNode, in_thread

HOST = "127.0.0.1"


class Far(NamedTuple):
    """A small node that runs, and whence it can be asked: here, and with each of three keys from elsewhere."""

    node: SmallNode
    directory: Path
    port: int
    client: Remote
    reader: Remote
    stranger: Remote


def two_ports() -> int:
    """A port that is free, as is the next one."""
    first, second = free_port(), free_port()
    while second != first + 1:
        first, second = second, free_port()
    return first


@contextlib.contextmanager
def far_node(directory: Path, port: int = 0) -> Iterator[Far]:
    """Runs one, in a thread."""
    port = port or two_ports()
    names = ("client", "reader", "stranger")
    public = {name: kept_keys(directory / f"{name}.key").public for name in names}
    server = kept_keys(directory / KEY_FILE).public
    pinned = Pinned(Address(HOST, port), {"phone": public["client"]}, {"screen": public["reader"]})
    with in_thread(directory, pinned) as node:
        remotes = (Remote(f"tcp://{HOST}:{port}", server, directory / f"{name}.key") for name in names)
        yield Far(node, directory, port, *remotes)


def publish(node: SmallNode, *numbers: int, topic: str = "t", size: int = 0) -> None:
    """Stores an event for each number, in one transaction, and says so."""
    events, loop = node.events, node.loop
    assert events is not None and loop is not None

    async def all_of_them(events: Events) -> None:
        more = {"data": "x" * size} if size else {}
        await events._store.write(lambda write: [events.record(write, topic, {"n": n} | more) for n in numbers])
        events.stored()

    asyncio.run_coroutine_threadsafe(all_of_them(events), loop).result(30)
