"""How does the node answer programs on other machines?

    program -- tcp --> gate -- CURVE: a key that the user pinned --> requests: the lines of the unix socket
                       (as many connections as are good)         --> events: published to all who listen

Requests come to the port of --rpc-listen, events are published at the next one. Lines, answers, calls and connections
of each key are bounded; a subscriber that is slow misses events, asks for them by `history`, and costs no memory.
"""

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from lnpd_sdk.envelope import MAX_FRAME_BYTES

from lnpd.bus.curve import Door, KeyPair, kept_keys, owner_of, way_of
from lnpd.bus.link import Identity, Link
from lnpd.bus.publisher import Publisher
from lnpd.errors import (
    AnswerTooLong,
    CallsTooMany,
    EndpointRefused,
    LinkOverflow,
    ListenRefused,
    LnpdError,
    RequestTooLong,
)
from lnpd.errors.words import Sparing
from lnpd.rpc.published import PAGE_EVENTS, Published
from lnpd.services.peers.address import Address
from lnpd.services.plugins.gate import Gate
from lnpd.services.rpc import dispatch
from lnpd.services.rpc.api import Backend, EventLog
from lnpd.services.rpc.requests import LINE_BYTES, MAX_CALLS, Request, answered, encode, unread

log = logging.getLogger("lnpd.rpc")

KEY_FILE: Final = "rpc-key"
KIND: Final = "program that asks from elsewhere"
CONNECTIONS_OF_ONE: Final = 16
WAITING_ANSWERS: Final = 16
BEAT_SECONDS: Final = 10.0
PUBLISHED_BYTES: Final = 1 << 16
UNPUBLISHED: Final = ("secret_sold",)
"""Not every key may read these: who may asks for them."""


class Pinned(NamedTuple):
    """Where to listen, and the public keys that may ask, by their names: for all, and for what changes nothing."""

    address: Address
    clients: dict[str, bytes]
    readers: dict[str, bytes]


class _Socket(Protocol):
    """What an entrance leads to."""

    def open_way(self, way: str, endpoint: str) -> None: ...

    def close_way(self, way: str, endpoint: str) -> None: ...

    def close(self) -> None: ...


class Entrance:
    """One address: its gate, its doorkeeper, and the socket behind them. `ended(way)` is told of each connection."""

    def __init__(self, address: Address, keys: KeyPair, known: dict[str, bytes], place: Path) -> None:
        self._place = place
        self._socket: _Socket | None = None
        self.gate = Gate(address, self, KIND, CONNECTIONS_OF_ONE)
        self.door = Door(keys, known, self.gate.prove, KIND)
        self.ended: Callable[[str], None] = lambda _way: None

    def open(self, socket: _Socket) -> None:
        """Listens. EndpointRefused."""
        self._socket = socket
        self.gate.open()

    def open_way(self, way: str) -> str:
        """A socket for one connection."""
        if self._socket is None:
            raise EndpointRefused("nobody is listened to any more")
        self._socket.open_way(way, f"ipc://{self._place}-{way}")
        return f"{self._place}-{way}"

    def close_way(self, way: str) -> None:
        """That connection is over."""
        if self._socket is not None:
            self._socket.close_way(way, f"ipc://{self._place}-{way}")
        self.ended(way)

    def dismiss(self, identity: Identity) -> None:
        """What a connection sends is not read any more, and it is ended."""
        self.door.dismiss(identity)
        self.gate.dismiss(way_of(identity))

    def close(self) -> None:
        """Listens no more."""
        self.gate.close()
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        self.door.close()


class FarRpc:
    """The RPC of a node for other machines. Its key is kept in `directory`, its sockets are in `runtime`."""

    def __init__(self, backend: Backend, events: EventLog, pinned: Pinned, directory: Path, runtime: Path) -> None:
        self._backend, self._events, self._pinned = backend, events, pinned
        self._directory, self._runtime = directory, runtime
        self._entrances: list[Entrance] = []
        self._link: Link | None = None
        self._publisher: Publisher | None = None
        self._publishing: asyncio.Task[None] | None = None
        self._running: Counter[str] = Counter()
        self._tasks: dict[str, set[asyncio.Task[None]]] = {}
        self._lasting: set[asyncio.Task[None]] = set()
        self._unsent, self._last = Sparing(), 0

    @property
    def events_address(self) -> Address:
        """Where events are published: the next port."""
        return Address(self._pinned.address.host, self._pinned.address.port + 1)

    async def start(self) -> None:
        """Begins to answer and to publish. Raises ListenRefused."""
        try:
            keys = kept_keys(self._directory / KEY_FILE)
            self._last = await self._events.last()
            asked = self._entrance(self._pinned.address, keys, "rpc")
            asked.ended = self._parted
            self._link = Link.guarded(self._receive, asked.door, WAITING_ANSWERS)
            asked.open(self._link)
            heard = self._entrance(self.events_address, keys, "rpc-events")
            self._publisher = Publisher(heard.door, self._beat, heard.gate.dismiss)
            heard.open(self._publisher)
        except (EndpointRefused, OSError) as error:
            await self.stop()
            raise ListenRefused(f"--rpc-listen {self._pinned.address}: {error}.") from None
        self._publishing = asyncio.create_task(self._publish(), name="events to other machines")
        log.info("programs on other machines ask at %s: the node's key is %s", self._pinned.address, keys.public.hex())

    def _entrance(self, address: Address, keys: KeyPair, name: str) -> Entrance:
        made = Entrance(address, keys, self._pinned.clients | self._pinned.readers, self._runtime / name)
        self._entrances.append(made)
        return made

    async def stop(self) -> None:
        """Answers and publishes no more."""
        tasks = [*self._lasting, *(task for each in self._tasks.values() for task in each)]
        tasks += [self._publishing] if self._publishing is not None else []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for entrance in self._entrances:
            entrance.close()
        self._entrances.clear()

    # --- requests
    def _receive(self, identity: Identity, line: bytes) -> None:
        owner, way = owner_of(identity), way_of(identity)
        if len(line) > LINE_BYTES:
            self._send(identity, unread(b"", RequestTooLong(f"A request has at most {LINE_BYTES} bytes.")))
            return
        refusal: LnpdError | None = None
        if self._running[owner] >= MAX_CALLS:
            refusal = CallsTooMany(f"{MAX_CALLS} questions of this key are being answered already.")
        task = asyncio.create_task(self._answer(identity, line, refusal))
        self._running[owner] += 1
        self._tasks.setdefault(way, set()).add(task)
        task.add_done_callback(lambda done: self._done(done, owner, way))

    def _done(self, task: "asyncio.Task[None]", owner: str, way: str) -> None:
        self._running[owner] -= 1
        if not self._running[owner]:
            del self._running[owner]
        self._lasting.discard(task)
        if tasks := self._tasks.get(way):
            tasks.discard(task)
            if not tasks:
                del self._tasks[way]

    def _parted(self, way: str) -> None:
        """Nobody waits for what that connection asked; what changes something ends by itself, and counts until then."""
        for task in tuple(self._tasks.pop(way, ())):
            if task not in self._lasting:
                task.cancel()

    async def _answer(self, identity: Identity, line: bytes, refusal: LnpdError | None) -> None:
        only_reads = owner_of(identity) not in self._pinned.clients

        async def call(request: Request) -> object:
            if refusal is not None:
                raise refusal
            return await self._call(request, only_reads)

        if (data := await answered(line, call)) is None:
            return
        if len(data) > MAX_FRAME_BYTES:
            refusal = AnswerTooLong(f"The answer has {len(data)} bytes, of which {MAX_FRAME_BYTES} go at once.")
            data = await answered(line, call)
        self._send(identity, data or b"")

    async def _call(self, request: Request, only_reads: bool) -> object:
        command = dispatch.find(self._backend, request.method)
        if command.mutating:  # cut off in the midst, it would leave coins reserved, or a peer waiting
            task = asyncio.current_task()
            assert task is not None  # that of `_receive`
            self._lasting.add(task)
        if not command.streaming:
            return await dispatch.call(self._backend, request.method, request.params, only_reads)
        dispatch.named(command, request.params)
        return {"subscription": 0, "sequence": await self._events.last(), "port": self.events_address.port}

    def _send(self, identity: Identity, data: bytes) -> None:
        if self._link is None:
            return
        try:
            self._link.send(data, identity)
        except LinkOverflow as error:  # it left, or does not take its answers
            if (more := self._unsent.more(asyncio.get_running_loop().time())) is not None:
                log.info("an answer to %s could not be sent: %s%s", owner_of(identity), error, more)

    # --- events
    async def _publish(self) -> None:
        while True:
            found = await self._events.since(self._last, PAGE_EVENTS)
            for event in found:
                told = Published(event.sequence, self._last, None if event.topic in UNPUBLISHED else event)
                data = encode(told)
                self._tell(data if len(data) <= PUBLISHED_BYTES else encode(Published(event.sequence, self._last)))
                self._last = event.sequence
            if not found:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(BEAT_SECONDS):
                        await self._events.newer(self._last)
                        continue
                self._beat()

    def _beat(self) -> None:
        """Says how far the log goes: to whom has just come, and to all now and then, for the last one may be lost."""
        self._tell(encode(Published(self._last, self._last)))

    def _tell(self, data: bytes) -> None:
        if self._publisher is not None:
            self._publisher.publish(data)
