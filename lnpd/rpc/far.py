"""How does a program ask a node on another machine, and hear of its events? Over ZeroMQ, encrypted (CURVE).

requests   the lines of lines.py, one in each message, to the port of --rpc-listen
events     published at the port that the answer to `events` names; published.py says how none is missed
"""

from typing import Any, Protocol

import msgspec

from lnpd.bus.curve import private_keys
from lnpd.bus.far import FarKeys, FarSocket
from lnpd.errors import NodeConnectionLost
from lnpd.rpc import lines, published
from lnpd.rpc.answers.node import Event
from lnpd.rpc.pipe import began_after
from lnpd.rpc.place import Remote


def keys_of(node: Remote) -> FarKeys:
    """The keys of a connection to it. Raises KeyFileRefused."""
    return FarKeys(node.server_key, private_keys(node.key_file))


def events_at(node: Remote, port: int) -> str:
    """Where its events are published. Raises NodeConnectionLost."""
    if not 0 < port < 65_536:
        raise NodeConnectionLost("The node does not say where its events are published.")
    return f"{node.address.rpartition(':')[0]}:{port}"


def open_pipe(node: Remote, timeout_seconds: float | None) -> FarSocket:
    """A Pipe to a node. Raises KeyNotKnown, KeyFileRefused, NodeUnavailable."""
    return FarSocket(node.address, keys_of(node), timeout_seconds)


def begun_at(answer: Any) -> lines.Subscribed:  # Any: a JSON value
    """The answer to `events`. Raises AnswerNotUnderstood."""
    return lines.typed(msgspec.Raw(msgspec.json.encode(answer)), lines.Subscribed)


class Asking(Protocol):
    """What a feed needs of a client."""

    def call(self, method: str) -> Any:  # Any: a JSON value
        """As Client.call."""
        ...

    def history(self, *, since: int, limit: int) -> tuple[Event, ...]:
        """As Client.history."""
        ...

    def hang_up(self) -> None:
        """As Client.hang_up."""
        ...


class FarFeed:
    """A Feed of a node on another machine; `asking` is a client of it, which the feed ends."""

    def __init__(self, node: Remote, asking: Asking, since: int | None, timeout_seconds: float | None) -> None:
        """Subscribes. Raises as SocketFeed does, and as `open_pipe`."""
        self._asking = asking
        try:
            begun = begun_at(asking.call("events"))
            self.begun_after = began_after(since, begun.sequence)
            self._news = FarSocket(events_at(node, begun.port), keys_of(node), timeout_seconds, hears=True)
        except BaseException:
            asking.hang_up()
            raise
        self._reading = published.Reading(self.begun_after)

    def next(self, deadline: float | None) -> Event:
        """As Feed.next."""
        while (event := self._reading.next()) is None:
            if self._reading.must_ask:
                self._reading.found(self._asking.history(since=self._reading.at, limit=published.PAGE_EVENTS))
            else:
                self._reading.heard(published.read(self._news.receive(deadline)))
        return event

    def close(self) -> None:
        """As Feed.close."""
        self._news.close()
        self._asking.hang_up()
