"""How does a program on this machine ask a node? With a blocking socket, so that `lnp` starts at once.

with RpcClient(directory) as node:
    node.call("info")
"""

import socket
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import msgspec

from lnpd.errors import DeadlineMissed, NodeConnectionLost, NodeUnavailable, RefusedByNode

MAX_LINE_BYTES: Final = 64 << 20
_CHUNK_BYTES: Final = 1 << 16
SOCKET_NAME: Final = "rpc.sock"


class _Fault(msgspec.Struct, frozen=True):
    code: int
    message: str
    data: dict[str, Any] = {}  # JSON values


class _Line(msgspec.Struct, frozen=True):
    """A response or a notification of JSON-RPC 2.0."""

    id: str | int | None = None
    result: Any = None  # a JSON value
    error: _Fault | None = None
    method: str = ""
    params: Any = None  # a JSON value


_decoder = msgspec.json.Decoder(_Line)


class RpcClient:
    """A connection to the node of a data directory; one call at a time."""

    def __init__(self, directory: Path) -> None:
        """Connects. Raises NodeUnavailable."""
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._socket.connect(str(directory / SOCKET_NAME))
        except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError):
            self._socket.close()
            raise NodeUnavailable(
                f"No lnpd runs in {directory}: start it, or name another --directory or --network."
            ) from None
        except OSError as error:
            self._socket.close()
            raise NodeUnavailable(f"The lnpd in {directory} cannot be reached: {error}.") from None
        self._buffer = bytearray()
        self._calls = 0

    def __enter__(self) -> "RpcClient":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the connection."""
        self._socket.close()

    def call(self, method: str, params: dict[str, Any] | None = None, timeout_seconds: float | None = None) -> Any:
        """What the node answers, a JSON value. Raises RefusedByNode, NodeConnectionLost, DeadlineMissed.

        After DeadlineMissed the command may still be done: only the waiting ended.
        """
        self._calls += 1
        line = msgspec.json.encode({"jsonrpc": "2.0", "id": self._calls, "method": method, "params": params or {}})
        deadline = None if timeout_seconds is None else time.monotonic() + timeout_seconds
        try:
            self._socket.settimeout(timeout_seconds)
            self._socket.sendall(line + b"\n")
            while True:
                answer = self._read(deadline)
                if answer.error is not None:
                    fault = answer.error
                    raise RefusedByNode(fault.code, str(fault.data.get("name", "")), fault.message)
                if answer.id == self._calls:
                    return answer.result
        except TimeoutError:
            raise DeadlineMissed(f"The node has not answered {method} within {timeout_seconds:g} s.") from None
        except OSError as error:
            raise NodeConnectionLost(f"The connection to the node was lost: {error}.") from None

    def events(self, since: int | None = None) -> Iterator[dict[str, Any]]:
        """The node's events as they come, without an end. Raises as `call`."""
        self.call("events", {} if since is None else {"since": since})
        try:
            while True:
                line = self._read(None)
                if line.method == "event":
                    yield line.params
        except OSError as error:
            raise NodeConnectionLost(f"The connection to the node was lost: {error}.") from None

    def _read(self, deadline: float | None) -> _Line:
        searched = 0
        while (end := self._buffer.find(b"\n", searched)) < 0:
            searched = len(self._buffer)
            if searched > MAX_LINE_BYTES:
                raise NodeConnectionLost("The node sent a line that is too long.")
            if deadline is not None and deadline <= time.monotonic():
                raise TimeoutError
            self._socket.settimeout(None if deadline is None else max(deadline - time.monotonic(), 0.001))
            chunk = self._socket.recv(_CHUNK_BYTES)
            if not chunk:
                raise NodeConnectionLost("The node ended before it had answered.")
            self._buffer += chunk
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        try:
            return _decoder.decode(line)
        except (msgspec.MsgspecError, RecursionError, UnicodeError):
            raise NodeConnectionLost("What answers there is no lnpd.") from None
