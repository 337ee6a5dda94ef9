"""How do frames get from one process to another?

A link is one ZeroMQ socket on the running asyncio loop. The socket's descriptor is watched and drained without
blocking: that is twice as fast as zmq.asyncio (whose futures cost more than the messages). Queues are bounded; a
frame that does not fit is refused to its sender, never dropped without a word.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path

import zmq
from lnpd_sdk.envelope import MAX_FRAME_BYTES

from lnpd.bus.curve import Door
from lnpd.errors import EndpointRefused, LinkGone, LinkOverflow

# Frames that wait to be sent are ours; those that were received are the other side's, of up to 4 MiB each: when so
# many wait, ZeroMQ stops reading and the sender waits. Nothing is lost.
SEND_FRAMES = 10_000
RECEIVE_FRAMES = 64
# What is read before the loop has another turn: the other side decides how dear a frame is, not what else waits.
TURN_FRAMES = 100
TURN_BYTES = 1024 * 1024
TURN_SECONDS = 0.005
# Between frames that follow each other so closely nobody looks what came: a turn of the loop does, once for all.
BURST_SECONDS = 0.00003
# As numbers they take a third less time, and combined with `|` much less.
_EVENTS, _POLLIN, _RCVMORE = int(zmq.EVENTS), int(zmq.POLLIN), int(zmq.RCVMORE)
_NOBLOCK, _NOBLOCK_MORE = int(zmq.NOBLOCK), int(zmq.NOBLOCK) | int(zmq.SNDMORE)
IPC_PATH_MAX_BYTES = 107
GONE = f"the other side is gone: it closed the connection or sent over {MAX_FRAME_BYTES // 2**20} MiB"
Identity = bytes
Receiver = Callable[[Identity, bytes], None]
Lost = Callable[[], None]

_context: zmq.Context[zmq.Socket[bytes]] | None = None


def shared_context() -> "zmq.Context[zmq.Socket[bytes]]":
    """The one ZeroMQ context of this process."""
    global _context
    if _context is None or _context.closed:
        _context = zmq.Context()
    return _context


def check_endpoint(endpoint: str) -> str:
    """The endpoint itself; EndpointRefused where ZeroMQ would fail late or take another's place silently."""
    scheme, _, rest = endpoint.partition("://")
    if scheme not in ("ipc", "tcp") or not rest:
        raise EndpointRefused(f"{endpoint!r} is not an endpoint: it begins with ipc:// or tcp://")
    if scheme == "ipc" and len(rest.encode()) > IPC_PATH_MAX_BYTES:
        raise EndpointRefused(f"the path {rest} is over {IPC_PATH_MAX_BYTES} bytes, which a socket cannot have")
    return endpoint


class Link:
    """A socket that hands each frame to `receive(identity, frame)`. A connecting link's identity is empty."""

    def __init__(self, kind: int, receive: Receiver, door: Door | None = None) -> None:
        self._receive, self._door = receive, door
        self._routed = kind == zmq.ROUTER
        self._socket = (door.context if door else shared_context()).socket(kind)
        for option, value in (
            (zmq.LINGER, 200),
            (zmq.SNDHWM, SEND_FRAMES),
            (zmq.RCVHWM, RECEIVE_FRAMES),
            (zmq.MAXMSGSIZE, MAX_FRAME_BYTES),
        ):
            self._socket.setsockopt(option, value)
        if self._routed:
            self._socket.setsockopt(zmq.ROUTER_MANDATORY, 1)
        self._loop = asyncio.get_running_loop()
        self._fd = int(self._socket.getsockopt(zmq.FD))
        self._scheduled = False  # or at it: who sends meanwhile need not look whether something came
        self._looked = 0.0
        self._monitor: zmq.Socket[bytes] | None = None
        self._lost: Lost | None = None
        self.closed = False

    @classmethod
    def bind(cls, endpoint: str, receive: Receiver) -> "Link":
        """Listens for any number of connecting links. EndpointRefused if the endpoint is taken."""
        check_endpoint(endpoint)
        if endpoint.startswith("ipc://") and Path(endpoint[6:]).exists() and _answers(endpoint[6:]):
            raise EndpointRefused(f"{endpoint} is in use by another process")
        link = cls(zmq.ROUTER, receive)
        try:
            link._bind(endpoint)
        except EndpointRefused:
            link._socket.close(0)
            raise
        link._watch()
        return link

    @classmethod
    def guarded(cls, receive: Receiver, door: Door, send_frames: int = SEND_FRAMES) -> "Link":
        """Hears those that a door lets in, by the ways that are opened for them. So many frames may wait for each."""
        link = cls(zmq.ROUTER, receive, door)
        link._socket.setsockopt(zmq.SNDHWM, send_frames)
        door.guard(link._socket)
        link._watch()
        return link

    def open_way(self, way: str, endpoint: str) -> None:
        """Listens at one more endpoint, for one connection of a guarded link. EndpointRefused."""
        assert self._door is not None
        self._door.open_way(self._socket, way)
        try:
            self._bind(endpoint)
        except EndpointRefused:
            self._door.close_way(way)
            raise
        finally:
            self._schedule()  # what came meanwhile is not announced again

    def close_way(self, way: str, endpoint: str) -> None:
        """Ends that connection, if the way is open; what it sent, and nobody has read, is dropped."""
        if self._door is not None and self._door.close_way(way) and not self.closed:
            self._socket.unbind(endpoint)
            self._schedule()

    def _bind(self, endpoint: str) -> None:
        try:
            self._socket.bind(endpoint)
        except zmq.ZMQError as error:
            raise EndpointRefused(f"{endpoint} cannot be listened on: {error}") from None

    @classmethod
    def connect(cls, endpoint: str, receive: Receiver, lost: Lost | None = None) -> "Link":
        """Connects to a bound link, again and again; frames wait in the queue until it answers. `lost` is called each
        time that a connection ends: frames that were on their way are lost with it, and so are their answers."""
        link = cls(zmq.DEALER, receive)
        if lost is not None:
            link._monitored(lost)
        link._socket.connect(check_endpoint(endpoint))
        link._watch()
        return link

    def _monitored(self, lost: Lost) -> None:
        self._lost = lost
        self._monitor = self._socket.get_monitor_socket(zmq.EVENT_DISCONNECTED)
        self._loop.add_reader(int(self._monitor.getsockopt(zmq.FD)), self._hear_monitor)
        self._hear_monitor()  # the descriptor is edge-triggered: only what comes after a look is announced

    def _hear_monitor(self) -> None:
        ended = False
        while self._monitor is not None:
            try:
                self._monitor.recv_multipart(zmq.NOBLOCK)
            except zmq.ZMQError:
                break
            ended = True
        if ended and self._lost is not None:
            self._drain()  # what came before the end
            self._lost()

    def _watch(self) -> None:
        self._loop.add_reader(self._fd, self._drain)
        self._schedule()

    def _schedule(self) -> None:
        if not self._scheduled and not self.closed:
            self._scheduled = True
            self._loop.call_soon(self._drain)

    def _drain(self) -> None:
        self._scheduled = more = True
        try:
            more = self._take_turn()
        finally:  # also if handling a frame failed: what still waits is not announced again
            self._scheduled = False
            if more:
                self._schedule()

    def _take_turn(self) -> bool:
        """Hands on what came, for as long as a turn is. Whether there may be more."""
        frames = size = 0
        end = self._loop.time() + TURN_SECONDS
        while frames < TURN_FRAMES and size < TURN_BYTES and self._loop.time() < end:
            if self.closed:
                return False
            try:
                identity, frame, is_dropped = self._received()
            except zmq.ZMQError:
                return False
            frames, size = frames + 1, size + len(frame)
            if not is_dropped:
                self._receive(identity, frame)
            # One frame is the rule, and to look is cheaper than the error that there is no other one.
            if frames == 1 and not self.closed and not int(self._socket.getsockopt(_EVENTS)) & _POLLIN:
                return False
        return True

    def _received(self) -> tuple[Identity, bytes, bool]:
        """Who sent a message, its last part, and whether it has more of them than it should, or is not heard."""
        if self._door is not None:
            return self._received_by(self._door)
        receive, parts = self._socket.recv, 1
        identity = receive(_NOBLOCK) if self._routed else b""
        frame = receive(_NOBLOCK)
        while self._socket.getsockopt(_RCVMORE):
            frame, parts = receive(_NOBLOCK), parts + 1
        return identity, frame, parts > 1

    def _received_by(self, door: Door) -> tuple[Identity, bytes, bool]:
        """The same behind a door: the identity has in front of it whom the doorkeeper let in."""
        name, *parts = self._socket.recv_multipart(_NOBLOCK, copy=False)
        identity = door.owner(parts[-1]) + name.bytes
        if len(parts) > 1 or not door.hears(identity):
            return identity, b"", True
        return identity, parts[0].bytes, False

    def send(self, frame: bytes, identity: Identity = b"") -> None:
        """Queues one frame. LinkOverflow if the other side takes no more frames, LinkGone if it is not there."""
        if self.closed:
            raise LinkOverflow("the link is closed")
        if self._door is not None:
            if not self._door.answers(identity):  # another may have taken the name by which ZeroMQ knew it
                raise LinkGone(GONE)
            identity = self._door.without_owner(identity)
        try:
            if self._routed:
                self._socket.send(identity, _NOBLOCK_MORE)
            self._socket.send(frame, _NOBLOCK)
        except zmq.ZMQError as error:
            if error.errno == zmq.EHOSTUNREACH:
                raise LinkGone(GONE) from None
            raise LinkOverflow("the other side takes no more frames") from None
        if not self._scheduled:  # the descriptor is edge-triggered: what came meanwhile is not announced again
            before, self._looked = self._looked, self._loop.time()
            if self._looked - before < BURST_SECONDS or int(self._socket.getsockopt(_EVENTS)) & _POLLIN:
                self._schedule()

    def close(self) -> None:
        """Closes the socket; frames already queued have a moment to leave."""
        if not self.closed:
            self.closed = True
            self._loop.remove_reader(self._fd)
            if self._monitor is not None:
                self._loop.remove_reader(int(self._monitor.getsockopt(zmq.FD)))
                self._socket.disable_monitor()
                self._monitor.close(0)
                self._monitor = None
            self._socket.close()


def _answers(path: str) -> bool:
    """Whether a process listens on a unix socket: a bind would silently take its place."""
    import socket

    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(0.2)
        try:
            probe.connect(path)
        except OSError:
            return False
        return True
