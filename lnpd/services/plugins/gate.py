"""How many connections may strangers hold where remote plugins come in?

    stranger -- tcp --> gate -- a socket of the node's own --> ZeroMQ, which asks for its key (bus/curve.py)

ZeroMQ itself takes every connection that comes, each of which is one of the files that this node may have open. Here
they are taken one by one, and are few (three files each, once they have said something): of those that have not proved
a key the oldest gives way, of the address that has most of them, and so it is with those that have. The gate reads
nothing but the beginning of what ZeroMQ answers (RFC 23, ZMTP 3): a greeting, WELCOME, and READY to whom it lets in.
"""

import asyncio
import logging
import socket
from contextlib import suppress
from pathlib import Path
from typing import Final

from lnpd.errors import EndpointRefused
from lnpd.errors.words import Sparing
from lnpd.services.peers.address import Address
from lnpd.services.peers.limits import Waiting

log = logging.getLogger("lnpd.plugins")

STRANGERS: Final = 16
STRANGERS_OF_ONE_NETWORK: Final = 4
SPARE: Final = 4  # connections of plugins, beyond two for each: one may be dead, and not known to be
HANDSHAKE_SECONDS: Final = 10.0
LAST_WORDS_SECONDS: Final = 2.0
PAUSE_SECONDS: Final = 0.1
BACKLOG: Final = 128
GREETING_BYTES: Final = 64
WELCOME_BYTES: Final = 2 + 168
READY: Final = b"\x05READY"
LONG: Final = 0x02  # of a frame's flags: its size takes eight bytes, not one


class Gate:
    """Listens at an address and passes on to `inside`, a unix socket. `plugins`: how many there may be."""

    def __init__(self, address: Address, inside: Path, plugins: int) -> None:
        self._address, self._inside = address, inside
        most = 2 * plugins + SPARE
        self.strangers: Waiting[_Way] = Waiting(STRANGERS, STRANGERS_OF_ONE_NETWORK)
        self.let_in: Waiting[_Way] = Waiting(most, most)
        self.turned_away, self._crowded = 0, Sparing()
        self._ways: set[_Way] = set()
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
        self._accepting = asyncio.create_task(self._accept(self._listening), name="gate of remote plugins")

    def close(self) -> None:
        """Listens no more, and ends every connection."""
        if self._accepting is not None:
            self._accepting.cancel()
        if self._listening is not None:
            self._listening.close()
        for way in tuple(self._ways):
            way.end()

    async def _accept(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                taken, at = await loop.sock_accept(listening)
            except OSError:  # it was gone again, or the node has no file left for it: others come
                await asyncio.sleep(PAUSE_SECONDS)
                continue
            way = _Way(self, at[0], self._inside)
            self._ways.add(way)
            if (oldest := self.strangers.add(way, way.host)) is not None:
                oldest.end()
            try:
                await loop.connect_accepted_socket(lambda way=way: _End(way, outside=True), taken)  # type: ignore[misc]
            except OSError:
                taken.close()
                way.end()

    def welcome(self, way: "_Way") -> None:
        """It has proved a key."""
        self.strangers.remove(way)
        if way in self._ways and (oldest := self.let_in.add(way, way.host)) is not None:
            if (more := self._crowded.more(asyncio.get_running_loop().time())) is not None:
                log.warning("%s has too many connections of remote plugins: the oldest is closed%s", oldest.host, more)
            oldest.end()

    def ended(self, way: "_Way") -> None:
        """It is over."""
        self._ways.discard(way)
        if way.is_stranger:
            self.turned_away += 1
            if self.turned_away & (self.turned_away - 1) == 0:  # at 1, 2, 4, 8, ...: how often is up to strangers
                log.warning(
                    "%d connections proved no key of a remote plugin, the last from %s", *(self.turned_away, way.host)
                )
        self.strangers.remove(way)
        self.let_in.remove(way)


class _Way:
    """One connection: its end outside and, once that is there, its end inside."""

    def __init__(self, gate: Gate, host: str, inside: Path) -> None:
        self._gate, self.host, self._inside = gate, host, inside
        self._ends: list[_End] = []
        self._answer: _Answer | None = _Answer()
        self._over = False
        self._first = b""
        loop = asyncio.get_running_loop()
        self._limit = loop.call_later(HANDSHAKE_SECONDS, self.end)
        self._opening: asyncio.Task[None] | None = None

    @property
    def is_stranger(self) -> bool:
        """Whether it has proved no key."""
        return self._answer is not None

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
            await loop.create_unix_connection(lambda: _End(self, outside=False), str(self._inside))
        except OSError:
            self.end()

    def answered(self, data: bytes) -> None:
        """What ZeroMQ says, on its way out."""
        if self._answer is not None and self._answer.is_ready(data):
            self._answer = None
            self._limit.cancel()
            self._gate.welcome(self)

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
        if not self.outside:
            self._way.answered(data)
        if self.other is not None:
            self.other.write(data)
        elif self.outside:
            self._way.hear(data)

    def connection_lost(self, error: Exception | None) -> None:
        self._way.end(LAST_WORDS_SECONDS)

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
        """Reads."""
        if self._transport is not None:
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


class _Answer:
    """The beginning of what ZeroMQ answers to one connection."""

    def __init__(self) -> None:
        self._data = b""

    def is_ready(self, data: bytes) -> bool:
        """Whether this is where it lets it in."""
        self._data = (self._data + data)[: GREETING_BYTES + WELCOME_BYTES + 9 + len(READY)]
        flags, _, body = (rest := self._data[GREETING_BYTES + WELCOME_BYTES :])[:1], rest[1:2], rest[2:]
        if flags and flags[0] & LONG:
            body = rest[9:]
        return body.startswith(READY)
