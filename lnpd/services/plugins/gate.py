"""How many connections may strangers hold where remote plugins come in, and plugins?

    stranger -- tcp --> gate -- a way in of its own, within the node --> ZeroMQ, which asks for its key (bus/curve.py)

ZeroMQ itself takes every connection that comes, each of which is one of the files that this node may have open. Here
they are taken one by one, and are few (four files each, once they have said something). Of those that have not proved a
key the oldest gives way, of the address that has most of them. Of those that have, each key has its own few, and nobody
else's are ended for them, wherever they come from. The gate reads nothing of what it passes on: whose a connection is
says the doorkeeper, which knows it by its way.
"""

import asyncio
import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Final, Protocol

from lnpd.errors import EndpointRefused
from lnpd.errors.words import Sparing
from lnpd.services.peers.address import Address
from lnpd.services.peers.limits import Waiting

log = logging.getLogger("lnpd.plugins")

STRANGERS: Final = 16
STRANGERS_OF_ONE_NETWORK: Final = 4
CONNECTIONS_OF_ONE: Final = 2  # one may be dead, and not known to be
HANDSHAKE_SECONDS: Final = 10.0
LAST_WORDS_SECONDS: Final = 2.0
PAUSE_SECONDS: Final = 0.1
BACKLOG: Final = 128


class Inside(Protocol):
    """Where connections lead to."""

    def open_way(self, way: str) -> str:
        """The path of a unix socket, for one connection. EndpointRefused."""
        ...

    def close_way(self, way: str) -> None:
        """It is over: nothing that came by it is heard any more. To be called twice is harmless."""
        ...


class Gate:
    """Listens at an address and passes on to `inside`, which tells it who came (`prove`). `kind` is what they are, of
    whom each may have `of_one` connections."""

    def __init__(
        self, address: Address, inside: Inside, kind: str = "remote plugin", of_one: int = CONNECTIONS_OF_ONE
    ) -> None:
        self._address, self.inside, self._kind, self._of_one = address, inside, kind, of_one
        self.strangers: Waiting[_Way] = Waiting(STRANGERS, STRANGERS_OF_ONE_NETWORK)
        self.turned_away, self._crowded = 0, Sparing()
        self._numbers = count(1)
        self._ways: dict[str, _Way] = {}  # as they came
        self._listening: socket.socket | None = None
        self._accepting: asyncio.Task[None] | None = None

    def open(self) -> None:
        """Listens. EndpointRefused."""
        host, port = self._address.host, self._address.port
        try:
            family, kind, number, _, where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
            self._listening = socket.socket(family, kind, number)
            self._listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._listening.bind(where)
            self._listening.listen(BACKLOG)
        except OSError as error:
            self.close()
            raise EndpointRefused(f"tcp://{self._address} cannot be listened on: {error.strerror}") from None
        self._listening.setblocking(False)
        self._accepting = asyncio.create_task(self._accept(self._listening), name=f"gate of each {self._kind}")

    def close(self) -> None:
        """Listens no more, and ends every connection."""
        if self._accepting is not None:
            self._accepting.cancel()
        if self._listening is not None:
            self._listening.close()
        for way in tuple(self._ways.values()):
            way.end()

    def of(self, owner: str) -> "list[_Way]":
        """The connections that a plugin has, the oldest first."""
        return [way for way in self._ways.values() if way.owner == owner]

    async def _accept(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                taken, at = await loop.sock_accept(listening)
            except OSError:  # it was gone again, or the node has no file left for it: others come
                await asyncio.sleep(PAUSE_SECONDS)
                continue
            way = _Way(self, str(next(self._numbers)), at[0])
            self._ways[way.name] = way
            if (oldest := self.strangers.add(way, way.host)) is not None:
                oldest.end()
            try:
                await loop.connect_accepted_socket(lambda way=way: _End(way, outside=True), taken)  # type: ignore[misc]
            except OSError:
                taken.close()
                way.end()

    def prove(self, name: str, owner: str) -> None:
        """Who came by a way has proved a plugin's key."""
        if (way := self._ways.get(name)) is None:
            return
        self.strangers.remove(way)
        way.prove(owner)
        if len(own := self.of(owner)) > self._of_one:
            if (more := self._crowded.more(asyncio.get_running_loop().time())) is not None:
                told = self._kind, owner, more
                log.warning("the %s %s has too many connections: the oldest is closed%s", *told)
            own[0].end()

    def dismiss(self, name: str) -> None:
        """Who came by a way is not heard any more; what it is told on the way out may still leave."""
        if (way := self._ways.get(name)) is not None:
            way.dismiss()

    def ended(self, way: "_Way") -> None:
        """It is over."""
        self._ways.pop(way.name, None)
        self.inside.close_way(way.name)
        if not way.owner:
            self.turned_away += 1
            if self.turned_away & (self.turned_away - 1) == 0:  # at 1, 2, 4, 8, ...: how often is up to strangers
                told = self.turned_away, self._kind, way.host
                log.warning("%d connections proved no key of a %s, the last from %s", *told)
        self.strangers.remove(way)


class _Way:
    """One connection: its end outside and, once that is there, its end inside."""

    def __init__(self, gate: Gate, name: str, host: str) -> None:
        self._gate, self.name, self.host = gate, name, host
        self.owner = ""  # of the key that it has proved
        self.is_dismissed = self._leaves = self._over = False
        self._ends: list[_End] = []
        self._first = b""
        loop = asyncio.get_running_loop()
        self._limit = loop.call_later(HANDSHAKE_SECONDS, self.end)
        self._opening: asyncio.Task[None] | None = None

    def begin(self, end: "_End") -> None:
        """An end is there."""
        self._ends.append(end)
        if self._over:
            end.close(0.0)
        elif not end.outside:
            first, end.other = self._ends[0], self._ends[0]
            first.other = end
            end.write(self._first)
            self._first = b""
            first.go_on()

    def hear(self, data: bytes) -> None:
        """It says something for the first time; the rest waits until there is an end inside."""
        self._first += data
        self._ends[0].hold()
        if self._opening is None:
            self._opening = asyncio.create_task(self._open())

    async def _open(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            with _way_in(self._gate.inside, self.name) as path:
                await loop.create_unix_connection(lambda: _End(self, outside=False), path)
        except (OSError, EndpointRefused):
            self.end()

    def prove(self, owner: str) -> None:
        """It is a stranger's no more."""
        self.owner = owner
        self._limit.cancel()

    def dismiss(self) -> None:
        """Reads no more of what it says, and ends it soon."""
        if not self.is_dismissed:
            self.is_dismissed = True
            self._ends[0].hold()
            self._limit.cancel()
            self._limit = asyncio.get_running_loop().call_later(LAST_WORDS_SECONDS, self.end)

    def lost(self, end: "_End") -> None:
        """An end is gone. What a plugin said before it left may still be heard."""
        if end.outside and self.owner and not self._over:
            self._leaves = True
            for each in self._ends:
                each.close(LAST_WORDS_SECONDS)
            self._limit.cancel()
            self._limit = asyncio.get_running_loop().call_later(LAST_WORDS_SECONDS, self.end)
        elif not self._leaves:
            self.end(LAST_WORDS_SECONDS)

    def end(self, last_words_seconds: float = 0.0) -> None:
        """Closes both ends, once what is on its way has left, if it leaves soon."""
        if self._over:
            return
        self._over = True
        self._limit.cancel()
        self._gate.ended(self)
        if self._opening is not None:
            self._opening.cancel()
        for end in self._ends:
            end.close(last_words_seconds)


@contextmanager
def _way_in(inside: Inside, name: str) -> Iterator[str]:
    """The path of a socket that is not found any more once somebody has come by it."""
    path = inside.open_way(name)
    try:
        yield path
    finally:
        Path(path).unlink(missing_ok=True)


class _End(asyncio.Protocol):
    """One end of a connection: what comes here leaves at the other one, no faster than it is taken there."""

    def __init__(self, way: _Way, outside: bool) -> None:
        self._way, self.outside = way, outside
        self.other: _End | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        if self.outside:
            taken: socket.socket = transport.get_extra_info("socket")
            taken.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._way.begin(self)

    def data_received(self, data: bytes) -> None:
        if self.other is not None:
            self.other.write(data)
        elif self.outside:
            self._way.hear(data)

    def connection_lost(self, error: Exception | None) -> None:
        self._way.lost(self)

    def pause_writing(self) -> None:
        if self.other is not None:
            self.other.hold()

    def resume_writing(self) -> None:
        if self.other is not None:
            self.other.go_on()

    def write(self, data: bytes) -> None:
        """Sends it."""
        if self._transport is not None:
            self._transport.write(data)

    def hold(self) -> None:
        """Reads no more."""
        if self._transport is not None:
            self._transport.pause_reading()

    def go_on(self) -> None:
        """Reads, if it is still heard."""
        if self._transport is not None and not (self.outside and self._way.is_dismissed):
            with suppress(RuntimeError):  # it is closing
                self._transport.resume_reading()

    def close(self, last_words_seconds: float) -> None:
        """It is over, at the latest after some seconds."""
        if self._transport is None:
            return
        if not last_words_seconds:
            self._transport.abort()
        elif not self._transport.is_closing():
            self._transport.close()
            asyncio.get_running_loop().call_later(last_words_seconds, self._transport.abort)
