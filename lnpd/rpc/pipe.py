"""How do lines go to a node of this machine and come back? Over its unix socket, which blocks the program."""

import socket
import time
from contextlib import suppress
from pathlib import Path
from typing import Final, Protocol

from lnpd.errors import DeadlineMissed, EventsLost, NodeConnectionLost, NodeUnavailable
from lnpd.rpc import lines
from lnpd.rpc.answers.node import Event
from lnpd.rpc.place import SOCKET_NAME

_CHUNK_BYTES: Final = 1 << 16
LOST: Final = "The connection to the node was lost: {}."
ENDED: Final = "The node ended before it had answered."


class Pipe(Protocol):
    """Lines to a node and from it, whole ones. A deadline is a time of the monotonic clock, None is none."""

    def send(self, line: bytes, deadline: float | None) -> None:
        """Sends one. Raises NodeConnectionLost, TimeoutError."""
        ...

    def receive(self, deadline: float | None) -> bytes:
        """Waits for one. Raises NodeConnectionLost, TimeoutError."""
        ...

    def close(self) -> None:
        """Ends the connection, in another thread as well: who waits there gets NodeConnectionLost."""
        ...


class Feed(Protocol):
    """The events of one connection. `begun_after` is the sequence number that they follow."""

    @property
    def begun_after(self) -> int:
        """The number that its first event is later than."""
        ...

    def next(self, deadline: float | None) -> Event:
        """Waits for one. Raises NodeConnectionLost, TimeoutError."""
        ...

    def close(self) -> None:
        """Ends it, as a pipe is ended."""
        ...


def no_node(directory: Path, error: OSError) -> NodeUnavailable:
    """What to tell a person who finds no node at a directory."""
    if isinstance(error, FileNotFoundError | ConnectionRefusedError | NotADirectoryError):
        return NodeUnavailable(f"No lnpd runs in {directory}: start it, or name another --directory or --network.")
    return NodeUnavailable(f"The lnpd in {directory} cannot be reached: {error}.")


def began_after(since: int | None, sequence: int) -> int:
    """Where a subscription begins, if the node's last event has this number. Raises EventsLost."""
    if since is not None and sequence < since:
        raise EventsLost(
            f"The node's last event is number {sequence}, and number {since} was read before: its database is another"
            " or an older one."
        )
    return sequence if since is None else since


class SocketPipe:
    """A Pipe over the socket of a data directory."""

    def __init__(self, directory: Path) -> None:
        """Connects. Raises NodeUnavailable."""
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._buffer = bytearray()
        try:
            self._socket.connect(str(directory / SOCKET_NAME))
        except OSError as error:
            self._socket.close()
            raise no_node(directory, error) from None

    def send(self, line: bytes, deadline: float | None) -> None:
        """As Pipe.send."""
        try:
            self._wait_until(deadline)
            self._socket.sendall(line + b"\n")
        except TimeoutError:
            raise
        except OSError as error:
            raise NodeConnectionLost(LOST.format(error.strerror or error)) from None

    def receive(self, deadline: float | None) -> bytes:
        """As Pipe.receive."""
        searched = 0
        while (end := self._buffer.find(b"\n", searched)) < 0:
            searched = len(self._buffer)
            if searched > lines.MAX_LINE_BYTES:
                raise NodeConnectionLost("The node sent a line that is too long.")
            self._buffer += self._chunk(deadline)
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        return line

    def _chunk(self, deadline: float | None) -> bytes:
        try:
            self._wait_until(deadline)
            chunk = self._socket.recv(_CHUNK_BYTES)
        except TimeoutError:
            raise
        except OSError as error:
            raise NodeConnectionLost(LOST.format(error.strerror or error)) from None
        if not chunk:
            raise NodeConnectionLost(ENDED)
        return chunk

    def _wait_until(self, deadline: float | None) -> None:
        left = None if deadline is None else deadline - time.monotonic()
        if left is not None and left <= 0:
            raise TimeoutError
        self._socket.settimeout(left)

    def close(self) -> None:
        """As Pipe.close."""
        with suppress(OSError):  # the node was faster
            self._socket.shutdown(socket.SHUT_RDWR)  # which wakes another thread
        self._socket.close()


class SocketFeed:
    """A Feed over the socket of a data directory."""

    def __init__(self, directory: Path, since: int | None, timeout_seconds: float | None) -> None:
        """Subscribes. Raises NodeUnavailable, NodeConnectionLost, EventsLost, RefusedByNode, DeadlineMissed."""
        self._pipe = SocketPipe(directory)
        try:
            deadline = None if timeout_seconds is None else time.monotonic() + timeout_seconds
            self._pipe.send(lines.question(1, "events", {"since": since}), deadline)
            begun = lines.typed(lines.result(lines.read(self._pipe.receive(deadline))), lines.Subscribed)
            self.begun_after = began_after(since, begun.sequence)
        except TimeoutError:
            self._pipe.close()
            raise DeadlineMissed(f"The node has not answered events within {timeout_seconds:g} s.") from None
        except BaseException:
            self._pipe.close()
            raise

    def next(self, deadline: float | None) -> Event:
        """As Feed.next."""
        while (found := lines.event(lines.read(self._pipe.receive(deadline)))) is None:
            pass
        return found

    def close(self) -> None:
        """As Feed.close."""
        self._pipe.close()
