"""How is a question to a node written, and what does a line of its answer say? JSON-RPC 2.0, without any socket."""

from typing import Any, Final, TypeVar

import msgspec

from lnpd.errors import AnswerNotUnderstood, NodeConnectionLost
from lnpd.rpc.answers.node import Event
from lnpd.rpc.refused import refused

T = TypeVar("T")

MAX_LINE_BYTES: Final = 64 << 20
USUAL_SECONDS: Final = 120.0
BEYOND_SECONDS: Final = 30.0


class Fault(msgspec.Struct, frozen=True):
    """The `error` of a response."""

    code: int
    message: str
    data: dict[str, Any] = {}  # JSON values


class Line(msgspec.Struct, frozen=True):
    """A response or a notification."""

    id: str | int | None = None
    result: msgspec.Raw = msgspec.Raw(b"null")
    error: Fault | None = None
    method: str = ""
    params: msgspec.Raw = msgspec.Raw(b"null")


class Subscribed(msgspec.Struct, frozen=True):
    """The answer to `events`: the node's last event, when it began, and for another machine the port of events."""

    subscription: int
    sequence: int
    port: int = 0


_decoder = msgspec.json.Decoder(Line)
_event = msgspec.json.Decoder(Event)


def question(number: int, method: str, params: dict[str, Any]) -> bytes:  # Any: JSON values
    """A request, without the line's end. What is None is left out: it has the default."""
    given = {name: value for name, value in params.items() if value is not None}
    return msgspec.json.encode({"jsonrpc": "2.0", "id": number, "method": method, "params": given})


def read(line: bytes) -> Line:
    """What a line says. Raises NodeConnectionLost: who writes such lines is not to be heard any more."""
    try:
        return _decoder.decode(line)
    except (msgspec.MsgspecError, RecursionError, UnicodeError):
        raise NodeConnectionLost("What answers there is no lnpd.") from None


def result(line: Line) -> msgspec.Raw:
    """The JSON of a response. Raises RefusedByNode if it is an error."""
    if line.error is not None:
        fault = line.error
        raise refused(fault.code, str(fault.data.get("name", "")), fault.message)
    return line.result


def typed(answer: msgspec.Raw, kind: type[T]) -> T:
    """An answer as its type. Raises AnswerNotUnderstood."""
    try:
        return msgspec.json.decode(answer, type=kind)
    except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
        raise AnswerNotUnderstood(
            f"The node's answer is not understood, perhaps it is another version: {error}."
        ) from None


def event(line: Line) -> Event | None:
    """The event that a line tells, if it tells one. Raises NodeConnectionLost."""
    if line.method != "event":
        return None
    try:
        return _event.decode(line.params)
    except (msgspec.MsgspecError, RecursionError, UnicodeError):
        raise NodeConnectionLost("The node tells of an event in a way that is not understood.") from None


def patience(params: dict[str, Any], seconds: float | None) -> float | None:  # Any: JSON values
    """How long to wait for an answer: longer than the node was told to try. None is for ever."""
    if seconds is None:
        return None
    tries = params.get("timeout_seconds")
    return max(seconds, tries + BEYOND_SECONDS) if isinstance(tries, int) else seconds
