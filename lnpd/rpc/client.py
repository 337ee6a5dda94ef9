"""How does a program ask a node? Plainly: one question, one answer, in the order of the program.

    with Client("~/.local/share/lnpd/regtest") as node:
        node.info().height
        node.pay(invoice)

Neither asyncio nor ZeroMQ is loaded for a node of this machine, so that `lnp` starts at once.
"""

import time
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import msgspec

from lnpd.errors import DeadlineMissed, NodeConnectionLost
from lnpd.rpc import lines
from lnpd.rpc.following import Following
from lnpd.rpc.methods import Methods
from lnpd.rpc.pipe import Feed, Pipe, SocketFeed, SocketPipe
from lnpd.rpc.place import Place, Remote, place_of

T = TypeVar("T")


class Client(Methods):
    """A connection to a node, of this machine by its data directory, or a Remote one. For one thread at a time.

    It has a method for each command, with typed parameters and answers. Each raises RefusedByNode, which is also of
    the class that the node raised; DeadlineMissed after `timeout_seconds` (None: never), when what was begun goes on;
    and NodeConnectionLost, when nobody knows what was done. No question is asked twice by itself; the next one, after
    a loss, connects anew.
    """

    def __init__(self, node: Path | str | Remote, timeout_seconds: float | None = lines.USUAL_SECONDS) -> None:
        """Connects. Raises NodeUnavailable; of a Remote KeyNotKnown and KeyFileRefused too."""
        self.place, self.timeout_seconds = place_of(node), timeout_seconds
        self._calls = 0
        self._pipe: Pipe | None = dial(self.place, timeout_seconds)

    def __enter__(self) -> "Client":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.hang_up()

    def hang_up(self) -> None:
        """Ends the connection. (`close` closes a channel, `disconnect` ends the connection with a peer.)"""
        if self._pipe is not None:
            self._pipe.close()
            self._pipe = None

    def call(self, method: str, params: dict[str, Any] | None = None, timeout_seconds: float | None = None) -> Any:
        """The answer to any method, a plugin's too, as a JSON value; its parameters by name. It waits for
        `timeout_seconds`, or as long as the client's other questions do. Raises as they do."""
        return msgspec.json.decode(self._answer(method, params or {}, timeout_seconds))

    def events(self, since: int | None = None, patience_seconds: float | None = None) -> Following:
        """The node's events after this sequence number (None: from now on), as they come, in a connection of their own.

        It outlives the node: after a loss it connects anew, and goes on after the last event that it told. It tries
        for `patience_seconds` (None: for ever) before it raises NodeConnectionLost or NodeUnavailable. EventsLost if
        the node's log ends before `since`.
        """
        return Following(lambda after: feed(self.place, after, self.timeout_seconds), since, patience_seconds)

    def _ask(self, method: str, kind: type[T], /, **params: object) -> T:
        return lines.typed(self._answer(method, params, None), kind)

    def _answer(self, method: str, params: dict[str, Any], timeout_seconds: float | None) -> msgspec.Raw:
        if timeout_seconds is None:
            timeout_seconds = lines.patience(params, self.timeout_seconds)
        deadline = None if timeout_seconds is None else time.monotonic() + timeout_seconds
        self._calls += 1
        asked = lines.question(self._calls, method, params)
        try:
            if self._pipe is None:
                self._pipe = dial(self.place, timeout_seconds)
            self._send(self._pipe, asked, deadline)
            while (line := lines.read(self._pipe.receive(deadline))).id != self._calls:
                if line.id is None and line.error is not None:
                    lines.result(line)  # it refuses the connection, or what it could not read
        except TimeoutError:
            raise DeadlineMissed(f"The node has not answered {method} within {timeout_seconds:g} s.") from None
        except NodeConnectionLost:
            self.hang_up()
            raise
        return lines.result(line)

    def _send(self, pipe: Pipe, asked: bytes, deadline: float | None) -> None:
        try:
            pipe.send(asked, deadline)
        except BaseException:  # perhaps half of it is there, and the rest would make no line
            self.hang_up()
            raise


def dial(place: Place, timeout_seconds: float | None) -> Pipe:
    """A pipe to the node of a place. Raises NodeUnavailable, and of a Remote KeyNotKnown and KeyFileRefused."""
    if isinstance(place, Remote):
        from lnpd.rpc.far import open_pipe  # with ZeroMQ, which a node of this machine does not need

        return open_pipe(place, timeout_seconds)
    return SocketPipe(place)


def feed(place: Place, since: int | None, timeout_seconds: float | None) -> Feed:
    """The events of the node of a place. Raises as `dial`, and NodeConnectionLost, EventsLost, RefusedByNode."""
    if isinstance(place, Remote):
        from lnpd.rpc.far import FarFeed

        return FarFeed(place, Client(place, timeout_seconds), since, timeout_seconds)
    return SocketFeed(place, since, timeout_seconds)
