"""How does a program on another machine reach the node? By one encrypted connection, or a word that says why not.

Either side has to prove a key that the other one knows (CURVE). A connection that is lost stays lost: whoever asked
does not know what was done, so no socket may connect again behind its back.
"""

import functools
import itertools
import math
import operator
import socket as sockets
import threading
import time
from contextlib import suppress
from typing import Final, NamedTuple

import zmq
from lnpd_sdk.envelope import MAX_FRAME_BYTES
from zmq.utils import z85
from zmq.utils.monitor import parse_monitor_message

from lnpd.bus.curve import HEARTBEAT_MS, SILENCE_MS, KeyPair
from lnpd.bus.link import shared_context
from lnpd.errors import KeyNotKnown, LnpdError, NodeConnectionLost, NodeUnavailable

QUEUED_MESSAGES: Final = 200
HANDSHAKE_SECONDS: Final = 10.0
_numbers = itertools.count(1)  # pyzmq names monitors by descriptors, which come again too soon
LOST: Final = "The connection to the node was lost."

_NOBODY: Final = "Nobody answers at {place}."
_OTHER_KEY: Final = "What answers at {place} does not have the key that --server-key names."
_ENDED: Final = "What answers at {place} ended the connection: it is no lnpd, or has too many."
_UNKNOWN: Final = (
    "The node at {place} does not know this key, {key}: its user allows it by --rpc-client or --rpc-reader."
)
_FAILURES: Final[dict[int, tuple[type[LnpdError], str]]] = {
    zmq.EVENT_HANDSHAKE_FAILED_AUTH: (KeyNotKnown, _UNKNOWN),
    zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL: (NodeUnavailable, _OTHER_KEY),
    zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL: (NodeUnavailable, _OTHER_KEY),
    zmq.EVENT_CLOSED: (NodeUnavailable, _NOBODY),
    zmq.EVENT_CONNECT_RETRIED: (NodeUnavailable, _NOBODY),
    zmq.EVENT_DISCONNECTED: (NodeUnavailable, _ENDED),
}
# Not the end of the watch itself: ZeroMQ waits for ever until it is heard, and a socket that nobody closed has no ear.
WATCHED: Final = functools.reduce(operator.or_, _FAILURES, int(zmq.EVENT_HANDSHAKE_SUCCEEDED))


class FarKeys(NamedTuple):
    """The node's public key, and our own pair."""

    server: bytes
    own: KeyPair


class Connecting(NamedTuple):
    """A socket that connects, and where ZeroMQ says what becomes of it."""

    socket: "zmq.Socket[bytes]"
    monitor: "zmq.Socket[bytes]"
    place: str
    key: str

    def is_ready(self, told: list[bytes]) -> bool:
        """Whether the keys are proved now. Raises KeyNotKnown or NodeUnavailable if they never will be."""
        event = int(parse_monitor_message(told)["event"])
        if event in _FAILURES:
            kind, text = _FAILURES[event]
            raise kind(text.format(place=self.place, key=self.key))
        return event == zmq.EVENT_HANDSHAKE_SUCCEEDED

    def too_late(self, seconds: float) -> NodeUnavailable:
        """What to tell when nothing of that has come."""
        return NodeUnavailable(f"Nobody has answered at {self.place} within {seconds:g} s.")

    def close(self) -> None:
        """Ends it."""
        with suppress(zmq.ZMQError):
            self.socket.disable_monitor()
        self.monitor.close(0)
        self.socket.close(0)


def connecting(place: str, keys: FarKeys, kind: int) -> Connecting:
    """Begins to connect to "tcp://HOST:PORT". Raises NodeUnavailable."""
    socket = shared_context().socket(kind)
    for option, value in (
        (zmq.LINGER, 0),
        (zmq.IPV6, 1),
        (zmq.SNDHWM, QUEUED_MESSAGES),
        (zmq.RCVHWM, QUEUED_MESSAGES),
        (zmq.MAXMSGSIZE, MAX_FRAME_BYTES),
        (zmq.RECONNECT_IVL, -1),
        (zmq.HEARTBEAT_IVL, HEARTBEAT_MS),
        (zmq.HEARTBEAT_TIMEOUT, SILENCE_MS),
        (zmq.CURVE_SERVERKEY, z85.encode(keys.server)),
        (zmq.CURVE_PUBLICKEY, z85.encode(keys.own.public)),
        (zmq.CURVE_SECRETKEY, z85.encode(keys.own.secret)),
    ):
        socket.setsockopt(option, value)
    if kind == zmq.SUB:
        socket.setsockopt(zmq.SUBSCRIBE, b"")
    made = Connecting(
        socket, socket.get_monitor_socket(WATCHED, f"inproc://far-{next(_numbers)}"), place, keys.own.public.hex()
    )
    try:
        socket.connect(place)
    except zmq.ZMQError as error:
        made.close()
        raise NodeUnavailable(f"{place} cannot be connected to: {error}.") from None
    return made


def _milliseconds(deadline: float) -> int:
    """How long it is until then: 0 when it is over, and not before."""
    return max(0, math.ceil(1000 * (deadline - time.monotonic())))


class FarSocket:
    """One connection that blocks the program: to ask, or to hear what is published. One thread uses it at a time;
    any thread may close it."""

    def __init__(self, place: str, keys: FarKeys, seconds: float | None, hears: bool = False) -> None:
        """Connects, and proves the keys. Raises KeyNotKnown, NodeUnavailable."""
        self._made = connecting(place, keys, zmq.SUB if hears else zmq.DEALER)
        self._used, self._ended = threading.Lock(), False
        self._wake, self._woken = sockets.socketpair()
        seconds = HANDSHAKE_SECONDS if seconds is None else min(seconds, HANDSHAKE_SECONDS)
        deadline = time.monotonic() + seconds
        try:
            while True:
                if not self._made.monitor.poll(_milliseconds(deadline)):
                    raise self._made.too_late(seconds)
                if self._made.is_ready(self._made.monitor.recv_multipart()):
                    break
        except BaseException:
            self.close()
            raise
        self._poller = zmq.Poller()
        for each in (self._made.socket, self._made.monitor, self._woken):
            self._poller.register(each, zmq.POLLIN)

    def send(self, message: bytes, deadline: float | None = None) -> None:
        """Queues one message. Raises NodeConnectionLost."""
        try:
            self._made.socket.send(message, zmq.NOBLOCK)
        except zmq.ZMQError:
            raise NodeConnectionLost(LOST) from None

    def receive(self, deadline: float | None) -> bytes:
        """Waits for one message, until a time of the monotonic clock. Raises NodeConnectionLost, TimeoutError."""
        with self._used:
            try:
                return self._received(deadline)
            except zmq.ZMQError:
                raise NodeConnectionLost(LOST) from None
            finally:
                if self._ended:
                    self._close()

    def _received(self, deadline: float | None) -> bytes:
        while not self._ended:
            left = None if deadline is None else _milliseconds(deadline)
            if left == 0:
                raise TimeoutError
            ready = dict(self._poller.poll(left))
            if self._made.socket in ready:  # what came before the end is heard
                return self._made.socket.recv(zmq.NOBLOCK)
            if self._made.monitor in ready:
                event = parse_monitor_message(self._made.monitor.recv_multipart())["event"]
                if event == zmq.EVENT_DISCONNECTED:
                    break
        raise NodeConnectionLost(LOST)

    def close(self) -> None:
        """Ends the connection; another thread that waits in it gets NodeConnectionLost."""
        self._ended = True
        with suppress(OSError):
            self._wake.send(b"x")
        if self._used.acquire(blocking=False):
            self._close()
            self._used.release()

    def __del__(self) -> None:
        if hasattr(self, "_woken"):  # it began
            self.close()

    def _close(self) -> None:
        self._made.close()
        self._wake.close()
        self._woken.close()
