"""When, and where, is a peer with channels dialled again?

Addresses at which a node answered are kept in the store. A node that should be connected and is not is dialled with
growing pauses, of random length, so that a thousand nodes do not come back to one at the same moment.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Collection
from random import SystemRandom
from typing import Final

import msgspec

from lnpd.errors import LnpdError
from lnpd.services.peers.address import Address
from lnpd.services.peers.limits import Limits
from lnpd.store.codec import decode, encode
from lnpd.store.read import Read
from lnpd.store.store import Store

log = logging.getLogger("lnpd.peers")

NAMESPACE: Final = "peers"
KEPT_ADDRESSES: Final = 5


class KnownAddresses(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a node answered, the last place first."""

    addresses: tuple[Address, ...]


class Reconnector:
    """Keeps the connections up that `wanted` names. `dial` connects, or raises an LnpdError."""

    def __init__(
        self,
        store: Store,
        limits: Limits,
        wanted: Callable[[], Collection[bytes]],
        dial: Callable[[bytes, Address], Awaitable[object]],
    ) -> None:
        self._store, self._limits, self._wanted, self._dial = store, limits, wanted, dial
        self._known: dict[bytes, tuple[Address, ...]] = {}
        self._attempts: dict[bytes, int] = {}
        self._tasks: dict[bytes, asyncio.Task[None]] = {}
        self._connected: set[bytes] = set()
        self._lost_unix_seconds: dict[bytes, float] = {}
        self._asleep: set[bytes] = set()
        self._random = SystemRandom()

    async def load(self) -> None:
        """Read the known addresses."""

        def rows(read: Read) -> list[tuple[bytes, bytes]]:
            return read.values(NAMESPACE)

        for node_id, value in await self._store.read(rows):
            self._known[node_id] = decode(value, KnownAddresses, table=NAMESPACE, key=node_id).addresses

    def addresses(self, node_id: bytes) -> tuple[Address, ...]:
        """Where the node answered, the last place first."""
        return self._known.get(node_id, ())

    def away_since(self, node_id: bytes) -> float | None:
        """When the connection to a node was lost, or this node started without one, as a Unix time; None of one that is
        there, and of one that nobody has missed."""
        return self._lost_unix_seconds.get(node_id)

    async def remember(self, node_id: bytes, address: Address) -> None:
        """The node answered there."""
        before = self.addresses(node_id)
        if before[:1] == (address,):
            return
        after = (address, *(other for other in before if other != address))[:KEPT_ADDRESSES]
        self._known[node_id] = after
        value = encode(KnownAddresses(after))
        await self._store.write(lambda write: write.put_value(NAMESPACE, node_id, value))

    def connected(self, node_id: bytes) -> None:
        """The node is there, whoever dialled. What is dialled already goes on: if two connections cross, both ends must
        see both of them to keep the same one."""
        self._connected.add(node_id)
        self._lost_unix_seconds.pop(node_id, None)
        if node_id in self._asleep:
            self._tasks.pop(node_id).cancel()

    def stable(self, node_id: bytes) -> None:
        """A connection lasted: the next pauses are short again."""
        self._attempts.pop(node_id, None)

    def lost(self, node_id: bytes, *, again: bool = True) -> None:
        """There is no connection to this node: make one `again` if it is wanted, and somebody knows where."""
        self._connected.discard(node_id)
        if node_id in self._wanted():  # a stranger who came and went is not missed
            self._lost_unix_seconds.setdefault(node_id, time.time())
        if not again:
            return
        if node_id in self._tasks or node_id not in self._wanted() or not self.addresses(node_id):
            return
        task = asyncio.get_running_loop().create_task(self._bring_back(node_id))
        self._tasks[node_id] = task
        task.add_done_callback(lambda done: self._done(node_id, done))

    async def stop(self) -> None:
        """Dial nobody any more."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _bring_back(self, node_id: bytes) -> None:
        while node_id in self._wanted() and node_id not in self._connected:
            self._asleep.add(node_id)
            try:
                await asyncio.sleep(self._pause(node_id))
            finally:
                self._asleep.discard(node_id)
            for address in self.addresses(node_id):
                try:
                    await self._dial(node_id, address)
                    return
                except LnpdError as error:
                    log.info("%s: %s", node_id.hex(), error)

    def _pause(self, node_id: bytes) -> float:
        attempt = self._attempts.get(node_id, 0)
        self._attempts[node_id] = attempt + 1
        longest = min(self._limits.retry_first_seconds * 2 ** min(attempt, 30), self._limits.retry_most_seconds)
        return self._random.uniform(longest / 2, longest)

    def _done(self, node_id: bytes, task: asyncio.Task[None]) -> None:
        if self._tasks.get(node_id) is task:
            del self._tasks[node_id]
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("dialling %s failed", node_id.hex(), exc_info=error)
