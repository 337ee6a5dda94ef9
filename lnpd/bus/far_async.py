"""How does a program on another machine reach the node, while its event loop goes on? As far.py says, awaited."""

import asyncio
from contextlib import suppress

import zmq
from zmq.asyncio import Socket
from zmq.utils.monitor import parse_monitor_message

from lnpd.bus.far import HANDSHAKE_SECONDS, LOST, Connecting, FarKeys, connecting
from lnpd.errors import NodeConnectionLost


class AsyncFarSocket:
    """One connection for one event loop: to ask, or to hear what is published."""

    def __init__(self, made: Connecting) -> None:
        self._made = made
        self._socket, self._monitor = Socket.from_socket(made.socket), Socket.from_socket(made.monitor)
        self._lost: asyncio.Task[None] | None = None

    @classmethod
    async def opened(cls, place: str, keys: FarKeys, seconds: float | None, hears: bool = False) -> "AsyncFarSocket":
        """Connects, and proves the keys. Raises KeyNotKnown, NodeUnavailable."""
        far = cls(connecting(place, keys, zmq.SUB if hears else zmq.DEALER))
        seconds = HANDSHAKE_SECONDS if seconds is None else min(seconds, HANDSHAKE_SECONDS)
        try:
            async with asyncio.timeout(seconds):
                while not far._made.is_ready(await far._monitor.recv_multipart()):
                    pass
        except TimeoutError:
            far.close()
            raise far._made.too_late(seconds) from None
        except BaseException:
            far.close()
            raise
        far._lost = asyncio.create_task(far._until_lost(), name="end of a connection to a node")
        return far

    async def _until_lost(self) -> None:
        while parse_monitor_message(await self._monitor.recv_multipart())["event"] != zmq.EVENT_DISCONNECTED:
            pass

    async def send(self, message: bytes) -> None:
        """Queues one message. Raises NodeConnectionLost."""
        try:
            await self._socket.send(message)  # the plain socket's would swallow the word that something came
        except zmq.ZMQError:
            raise NodeConnectionLost(LOST) from None

    async def receive(self) -> bytes:
        """Waits for one message. Raises NodeConnectionLost."""
        assert self._lost is not None
        try:
            received = asyncio.ensure_future(self._socket.recv())
        except zmq.ZMQError:
            raise NodeConnectionLost(LOST) from None
        try:
            await asyncio.wait((received, self._lost), return_when=asyncio.FIRST_COMPLETED)
            if received.done():
                return received.result()
        except zmq.ZMQError:
            pass  # it was closed meanwhile
        finally:
            received.cancel()
        raise NodeConnectionLost(LOST)

    def __del__(self) -> None:
        self._made.close()

    def close(self) -> None:
        """Ends the connection."""
        if self._lost is not None:
            self._lost.cancel()
        with suppress(zmq.ZMQError):
            self._made.socket.disable_monitor()
        self._monitor.close(0)
        self._socket.close(0)
        self._made.close()
