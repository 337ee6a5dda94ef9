"""What travels between two processes on the bus, and which question does an answer belong to?

Every frame is one msgpack map with a `type`, of at most 4 MiB. Calls go both ways on one connection, so each side
numbers its own, from 1. Pure: the sockets are elsewhere.
"""

from functools import lru_cache
from typing import Annotated, Any

import msgspec

CONTRACT_VERSION = 3
CONTRACT_VERSIONS = (1, 2, 3)  # that a node and the SDK speak; 2 has `providers`, 3 has `SealedOutput.party`
MAX_FRAME_BYTES = 4 * 1024 * 1024
MAX_TEXT = 2_000  # characters of a fault's sentence; the rest is cut off
ACCIDENTS = (TypeError, AttributeError, NameError, LookupError, ArithmeticError, AssertionError)
_HERE = __file__.rpartition("/")[0]

Name = Annotated[str, msgspec.Meta(max_length=100)]


class Call(msgspec.Struct, frozen=True, tag="call"):
    """A question. `params` is the msgpack of the method's parameters; `trace` follows a chain of calls."""

    id: int
    method: Name
    params: msgspec.Raw
    trace: Name = ""


class Answer(msgspec.Struct, frozen=True, tag="answer"):
    """The answer to the sender's call `id`. `result` is the msgpack of the method's result."""

    id: int
    result: msgspec.Raw


class Fault(msgspec.Struct, frozen=True, tag="fault"):
    """The other side could not answer call `id`. `code` is stable, `text` is a sentence for a person."""

    id: int
    code: Name
    text: Annotated[str, msgspec.Meta(max_length=MAX_TEXT)]

    @staticmethod
    def of(number: int, error: BaseException) -> "Fault":
        """What `error` means for call `number`: the class's name is the code (`CallFailed` passes its own on). Of what
        nobody raises on purpose the text names the class and the place too."""
        code = error.code if isinstance(error, CallFailed) else type(error).__name__
        if isinstance(error, ACCIDENTS):
            return Fault(number, code[:100], f"{code[:100]}: {error}"[:MAX_TEXT] + _place(error))
        return Fault(number, code[:100], str(error)[:MAX_TEXT] or code[:100])


class Notice(msgspec.Struct, frozen=True, tag="notice"):
    """Something happened; nobody answers. `sequence` grows by one within a topic; 0 where nothing is kept."""

    topic: Name
    payload: msgspec.Raw
    sequence: int = 0


def _place(error: BaseException) -> str:
    """The deepest line of an author's own that led to it, ` (lamp.py, line 7)`; empty if there is none."""
    found, at = "", error.__traceback__
    while at is not None:
        file = at.tb_frame.f_code.co_filename
        if not file.startswith(_HERE) and "/lib/python" not in file:
            found = f" ({file.rpartition('/')[2][:100]}, line {at.tb_lineno})"
        at = at.tb_next
    return found


Frame = Call | Answer | Fault | Notice

_decoder = msgspec.msgpack.Decoder(Frame)
_encoder = msgspec.msgpack.Encoder()


class BusError(Exception):
    """Root of what can go wrong between two processes; its text is a sentence for a person."""


class BadFrame(BusError):
    """A frame is too long or is not one of ours."""


class CallFailed(BusError):
    """The other side answered a call with a fault; `code` is stable, the text is its sentence."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code

    @property
    def named(self) -> str:
        """The sentence behind its code, which one of an accident begins with."""
        return str(self) if str(self).startswith(f"{self.code}: ") else f"{self.code}: {self}"


def encode(value: object) -> bytes:
    """The msgpack of a value (parameters, results, payloads); BadFrame if it cannot travel."""
    try:
        return _encoder.encode(value)
    except (TypeError, OverflowError, ValueError, RecursionError) as error:
        raise BadFrame(f"a value cannot travel: {error}") from None


def raw(value: object) -> msgspec.Raw:
    """The msgpack of a value, ready to be put into a frame; BadFrame if it cannot travel."""
    return msgspec.Raw(encode(value))


@lru_cache(maxsize=1_000)  # kinds come from code; to read a type expression takes longer than most values
def _decoder_of(kind: Any) -> "msgspec.msgpack.Decoder[Any]":  # Any: as in `decode`
    return msgspec.msgpack.Decoder(kind)


def decode(data: bytes | msgspec.Raw, kind: Any) -> Any:  # Any: msgspec takes types that `type` cannot express
    """A value of `kind` from its msgpack; BadFrame if it is anything else."""
    try:
        return _decoder_of(kind).decode(data)
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
