"""What of a plugin's RPC result may a person or a program be given?

What JSON can hold, not nested beyond reason: the author's value travels as msgpack, where anything goes, and from here
on through everything that shows or writes it. Bytes are hex, as everywhere in the node's RPC.
"""

from lnpd_sdk import envelope
from lnpd_sdk.envelope import BadFrame

MAX_BYTES = 512 * 1024  # lists of nothing in as many bytes take 0.2 s to read
MAX_DEPTH = 32
MAX_VALUES = 100_000


def result_of(data: bytes) -> object:
    """The result in its msgpack, as JSON values. BadFrame names what it cannot be."""
    if len(data) > MAX_BYTES:
        raise BadFrame(f"its result of {len(data)} bytes is over {MAX_BYTES}")
    return _Reader().value(envelope.decode(data, object), 0)


class _Reader:
    def __init__(self) -> None:
        self._left = MAX_VALUES

    def value(self, value: object, depth: int) -> object:
        self._left -= 1
        if depth > MAX_DEPTH:
            raise BadFrame(f"its result is nested more than {MAX_DEPTH} deep")
        if self._left < 0:
            raise BadFrame(f"its result has more than {MAX_VALUES} values")
        match value:
            case bytes():
                return value.hex()
            case list():
                return [self.value(each, depth + 1) for each in value]
            case dict():
                return {self._name(name): self.value(each, depth + 1) for name, each in value.items()}
            case None | bool() | int() | float() | str():
                return value
        raise BadFrame(f"its result holds a {type(value).__name__}, which JSON does not have")

    @staticmethod
    def _name(name: object) -> str:
        if not isinstance(name, str):
            raise BadFrame(f"its result has a map with a {type(name).__name__} for a name")
        return name
