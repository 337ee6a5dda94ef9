"""How does lnpd hear what another program publishes over ZeroMQ (bitcoind's notifications)?

A SUB socket that connects by itself again and again. Messages may be lost: each carries its topic's number, and
`receive` is told when one is missing, or when the publisher was started anew.
"""

import asyncio
from collections.abc import Callable

import zmq

from lnpd.bus.link import check_endpoint, shared_context
from lnpd.errors import EndpointRefused

MAX_MESSAGE_BYTES = 1_000
QUEUED_MESSAGES = 20_000
TURN_MESSAGES = 500
Receive = Callable[[str, bytes, bool], None]


class Subscription:
    """Hands each message to `receive(topic, body, whether some were lost before it)`."""

    def __init__(self, endpoints: tuple[str, ...], topics: tuple[str, ...], receive: Receive) -> None:
        """Subscribes, for the running loop. Raises EndpointRefused."""
        self._receive, self._topics = receive, frozenset(topics)
        self._numbers: dict[str, int] = {}
        self._loop = asyncio.get_running_loop()
        self._socket = shared_context().socket(zmq.SUB)
        self.closed = False
        for option, value in (
            (zmq.LINGER, 0),
            (zmq.RCVHWM, QUEUED_MESSAGES),
            (zmq.MAXMSGSIZE, MAX_MESSAGE_BYTES),
            (zmq.RECONNECT_IVL, 100),
            (zmq.RECONNECT_IVL_MAX, 5_000),
            (zmq.TCP_KEEPALIVE, 1),
            (zmq.TCP_KEEPALIVE_IDLE, 60),
        ):
            self._socket.setsockopt(option, value)
        for topic in topics:
            self._socket.setsockopt(zmq.SUBSCRIBE, topic.encode())
        try:
            for endpoint in endpoints:
                self._socket.connect(check_endpoint(endpoint))
        except (zmq.ZMQError, EndpointRefused) as error:
            self._socket.close(0)
            raise EndpointRefused(f"{endpoint} cannot be listened to: {error}") from None
        self._fd = int(self._socket.getsockopt(zmq.FD))
        self._loop.add_reader(self._fd, self._drain)
        self._loop.call_soon(self._drain)

    def _drain(self) -> None:
        for _ in range(TURN_MESSAGES):  # then give the loop a turn
            if self.closed:
                return
            try:
                parts = self._socket.recv_multipart(zmq.NOBLOCK)
            except zmq.ZMQError:
                return
            self._take(parts)
        self._loop.call_soon(self._drain)

    def _take(self, parts: list[bytes]) -> None:
        if len(parts) != 3 or len(parts[2]) != 4:
            return
        topic, number = parts[0].decode("ascii", errors="replace"), int.from_bytes(parts[2], "little")
        if topic not in self._topics:  # a subscription is to a prefix
            return
        last = self._numbers.get(topic)
        self._numbers[topic] = number
        self._receive(topic, parts[1], last is not None and number != (last + 1) % 2**32)

    def close(self) -> None:
        """Hears no more; a second call does nothing."""
        if not self.closed:
            self.closed = True
            self._loop.remove_reader(self._fd)
            self._socket.close(0)
