"""How does a test make nodes that connect over real sockets, with a router that takes note of everything?"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

from lnpd.crypto import secp
from lnpd.hooks.dispatch import Hooks
from lnpd.peer.chains import CHAIN_HASHES
from lnpd.peer.greeting import Greeting
from lnpd.peer.liveness import Timeouts
from lnpd.peer.session import USUAL_TIMEOUTS
from lnpd.services.interfaces import Link
from lnpd.services.peers.connection import Connection
from lnpd.services.peers.limits import Limits
from lnpd.services.peers.service import Peers
from lnpd.store.store import Store
from lnpd.wire.base import Message
from lnpd.wire.messages import Warning

REGTEST = Greeting(CHAIN_HASHES["regtest"])
QUICK = Limits(retry_first_seconds=0.01, retry_most_seconds=0.05, connect_seconds=5, linger_seconds=0.5)
PATIENCE_SECONDS = 20


class KeyHolder:
    """What the peers need of a signer."""

    def __init__(self, secret: bytes) -> None:
        self.secret = secret

    async def node_id(self) -> bytes:
        return secp.public_key(self.secret)

    async def ecdh(self, point: bytes) -> bytes:
        return secp.ecdh(self.secret, point)


class Log:
    """A router that takes note of everything, can be held up, and raises what it is told to."""

    def __init__(self) -> None:
        self.wanted: set[bytes] = set()
        self.events: list[tuple[str, bytes]] = []
        self.links: dict[bytes, Link] = {}
        self.features: dict[bytes, bytes] = {}
        self.received: list[Message] = []
        self.batches: list[int] = []
        self.open = asyncio.Event()
        self.open.set()
        self.raises: Exception | None = None
        self.calls = 0

    def wanted_peers(self) -> set[bytes]:
        return self.wanted

    async def peer_connected(self, node_id: bytes, features: bytes, link: Link) -> None:
        self.events.append(("connected", node_id))
        self.links[node_id], self.features[node_id] = link, features

    async def messages(self, node_id: bytes, link: Link, batch: list[Message]) -> None:
        self.calls += 1
        await self.open.wait()
        self.received += batch
        self.batches.append(len(batch))
        if self.raises is not None:
            raise self.raises

    async def peer_disconnected(self, node_id: bytes, link: Link) -> None:
        self.events.append(("disconnected", node_id))
        if self.links.get(node_id) is link:
            del self.links[node_id]


class Node:
    """A node's peers with what they need."""

    def __init__(self, secret: bytes, store: Store, greeting: Greeting, limits: Limits, timeouts: Timeouts) -> None:
        self.id, self.router, self.hooks = secp.public_key(secret), Log(), Hooks()
        self.peers = Peers(
            KeyHolder(secret),  # type: ignore[arg-type]  # of a signer, no more than this is used
            self.router, self.hooks, store, greeting, timeouts=timeouts, limits=limits,
        )  # fmt: skip
        self.at = ""

    def connection(self, other: "Node") -> Connection:
        link = self.router.links[other.id]
        assert isinstance(link, Connection)
        return link


NodeMaker = Callable[..., Awaitable[Node]]


@contextlib.asynccontextmanager
async def nodes(folder: Path) -> AsyncIterator[NodeMaker]:
    """Makes nodes that listen, and stops them in the end."""
    async with contextlib.AsyncExitStack() as stack:

        async def make(
            secret: bytes,
            *,
            greeting: Greeting = REGTEST,
            limits: Limits = QUICK,
            timeouts: Timeouts = USUAL_TIMEOUTS,
            name: str = "",
        ) -> Node:
            path = folder / (name or secret[:1].hex())
            path.mkdir(exist_ok=True)
            store = Store.open(path, "regtest")
            stack.push_async_callback(store.close)
            node = Node(secret, store, greeting, limits, timeouts)
            await node.peers.start()
            stack.push_async_callback(node.peers.stop)
            (address,) = await node.peers.listen("127.0.0.1:0")
            node.at = f"{node.id.hex()}@{address}"
            return node

        yield make


async def until(condition: Callable[[], object]) -> None:
    """Waits for a condition."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not condition():
            await asyncio.sleep(0.001)


def run(folder: Path, test: Callable[[NodeMaker], Awaitable[None]]) -> None:
    async def main() -> None:
        async with asyncio.timeout(3 * PATIENCE_SECONDS), nodes(folder) as make:
            await test(make)

    asyncio.run(main())


def words(number: int) -> Warning:
    return Warning(channel_id=bytes(32), data=b"%d" % number)


def port_of(node: Node) -> int:
    return int(node.at.rpartition(":")[2])
