"""What travels between two processes on the bus, and which question does an answer belong to?

Every frame is one msgpack map with a `type`. Calls go both ways on one connection, so each side numbers its own.
`Dialogue` keeps the questions that wait for an answer; it is pure, the sockets are elsewhere.
"""

from typing import Any

import msgspec

CONTRACT_VERSION = 1
MAX_FRAME_BYTES = 4 * 1024 * 1024


class Call(msgspec.Struct, frozen=True, tag="call"):
    """A question. `params` is the msgpack of the method's parameters; `trace` follows a chain of calls."""

    id: int
    method: str
    params: msgspec.Raw
    trace: str = ""


class Answer(msgspec.Struct, frozen=True, tag="answer"):
    """The answer to the sender's call `id`. `result` is the msgpack of the method's result."""

    id: int
    result: msgspec.Raw


class Fault(msgspec.Struct, frozen=True, tag="fault"):
    """The other side could not answer call `id`. `code` is stable, `text` is a sentence for a person."""

    id: int
    code: str
    text: str


class Notice(msgspec.Struct, frozen=True, tag="notice"):
    """Something happened; nobody answers. `sequence` grows by one within a topic; 0 where nothing is kept."""

    topic: str
    payload: msgspec.Raw
    sequence: int = 0


Frame = Call | Answer | Fault | Notice

_decoder = msgspec.msgpack.Decoder(Frame)
_encoder = msgspec.msgpack.Encoder()


class BusError(Exception):
    """Root of what can go wrong between two processes; its text is a sentence for a person."""


class BadFrame(BusError):
    """A frame is too long or is not one of ours."""


class CallFailed(BusError):
    """The other side answered a call with a fault."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


def encode(value: object) -> bytes:
    """The msgpack of a value (parameters, results, payloads)."""
    return _encoder.encode(value)


def raw(value: object) -> msgspec.Raw:
    """The msgpack of a value, ready to be put into a frame."""
    return msgspec.Raw(_encoder.encode(value))


def decode(data: bytes | msgspec.Raw, kind: Any) -> Any:  # Any: msgspec takes types that `type` cannot express
    """A value of `kind` from its msgpack; BadFrame if it is anything else."""
    try:
        return msgspec.msgpack.decode(data, type=kind)
    except (msgspec.MsgspecError, RecursionError, ValueError) as error:
        raise BadFrame(f"a value does not have the agreed form: {error}") from None


def pack(frame: Frame) -> bytes:
    """The bytes of a frame; BadFrame if they are more than MAX_FRAME_BYTES."""
    data = _encoder.encode(frame)
    if len(data) > MAX_FRAME_BYTES:
        raise BadFrame(f"a frame of {len(data)} bytes is over the limit of {MAX_FRAME_BYTES}")
    return data


def unpack(data: bytes) -> Frame:
    """A frame from its bytes; BadFrame if they are none."""
    if len(data) > MAX_FRAME_BYTES:
        raise BadFrame(f"a frame of {len(data)} bytes is over the limit of {MAX_FRAME_BYTES}")
    try:
        frame: Frame = _decoder.decode(data)
        return frame
    except (msgspec.MsgspecError, RecursionError, ValueError) as error:
        raise BadFrame(f"a frame does not have the agreed form: {error}") from None
