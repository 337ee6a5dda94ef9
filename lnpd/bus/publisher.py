"""How does the node tell many programs on other machines the same, without waiting for any of them?

An XPUB socket behind a door. Whoever is too slow misses messages, never a part of one, and its queue stays short; what
is told has to say by itself that something is missing. A subscriber takes all: nobody makes the node keep more of it.
"""

import asyncio
from collections.abc import Callable
from typing import Final

import zmq

from lnpd.bus.curve import Door
from lnpd.errors import EndpointRefused

QUEUED_MESSAGES: Final = 200
SUBSCRIPTION_BYTES: Final = 1024  # of a handshake, rather
TURN_MESSAGES: Final = 100
SUBSCRIBE, UNSUBSCRIBE = b"\1", b"\0"


class Publisher:
    """Tells whoever comes by the ways that are opened. `subscribed()` is told of each that begins to listen, and
    `misused(way)` of one that sends anything else."""

    def __init__(self, door: Door, subscribed: Callable[[], None], misused: Callable[[str], None]) -> None:
        self._door, self._subscribed, self._misused = door, subscribed, misused
        self._socket = door.context.socket(zmq.XPUB)
        for option, value in (
            (zmq.LINGER, 0),
            (zmq.SNDHWM, QUEUED_MESSAGES),
            (zmq.RCVHWM, QUEUED_MESSAGES),
            (zmq.MAXMSGSIZE, SUBSCRIPTION_BYTES),
            (zmq.XPUB_VERBOSE, 1),
        ):
            self._socket.setsockopt(option, value)
        door.guard(self._socket)
        self._loop = asyncio.get_running_loop()
        self._fd = int(self._socket.getsockopt(zmq.FD))
        self._loop.add_reader(self._fd, self._drain)
        self.closed = False

    def publish(self, message: bytes) -> None:
        """Tells all who have room for it."""
        if not self.closed:
            self._socket.send(message, zmq.NOBLOCK)
            self._look()

    def open_way(self, way: str, endpoint: str) -> None:
        """Listens at one more endpoint, for one connection. EndpointRefused."""
        self._door.open_way(self._socket, way)
        try:
            self._socket.bind(endpoint)
        except zmq.ZMQError as error:
            self._door.close_way(way)
            raise EndpointRefused(f"{endpoint} cannot be listened on: {error}") from None
        finally:
            self._look()

    def close_way(self, way: str, endpoint: str) -> None:
        """Ends that connection, if the way is open."""
        if self._door.close_way(way) and not self.closed:
            self._socket.unbind(endpoint)
            self._look()

    def close(self) -> None:
        """Tells nothing more."""
        if not self.closed:
            self.closed = True
            self._loop.remove_reader(self._fd)
            self._socket.close(0)

    def _look(self) -> None:
        """The descriptor is edge-triggered: what came meanwhile is not announced again."""
        self._loop.call_soon(self._drain)

    def _drain(self) -> None:
        for _ in range(TURN_MESSAGES):  # then give the loop a turn
            if self.closed:
                return
            try:
                frame = self._socket.recv(zmq.NOBLOCK, copy=False)
            except zmq.ZMQError:
                return
            if frame.bytes == SUBSCRIBE:
                self._subscribed()
            elif frame.bytes != UNSUBSCRIBE:
                self._misused(self._door.way(frame))
        self._look()
