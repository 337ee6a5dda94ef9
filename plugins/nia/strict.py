"""How does the strict encoding write numbers, collections and options, and how is it read without trust?

Integers are little-endian. A collection or a byte string is its count, then its items; the count's width follows from
the greatest count that the type allows (u8, u16 or u32). Sets and maps ascend. An option is a byte 0 or 1.
The reader takes only what the writer could have made, so that every file it accepts is written again byte for byte.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import Any, Protocol, TypeVar

from nia.errors import (
    BrokenOrder,
    EmptyCollection,
    OutOfRange,
    TrailingBytes,
    Truncated,
    UnknownTag,
    UnreadableText,
)

HASH_BYTES = 32
PRINTABLE = frozenset(range(0x20, 0x7F))


class _Ordered(Protocol):
    def __lt__(self, other: Any, /) -> bool: ...  # Any: as in typeshed, for each type knows its own peers only


Item = TypeVar("Item")
Key = TypeVar("Key", bound=_Ordered)


def number(value: int, width_bytes: int) -> bytes:
    """An unsigned integer in that many bytes. Raises OutOfRange."""
    try:
        return value.to_bytes(width_bytes, "little")
    except OverflowError:
        raise OutOfRange(f"{value} does not fit {width_bytes} bytes") from None


def signed(value: int, width_bytes: int) -> bytes:
    """An integer in two's complement. Raises OutOfRange."""
    try:
        return value.to_bytes(width_bytes, "little", signed=True)
    except OverflowError:
        raise OutOfRange(f"{value} does not fit {width_bytes} bytes and a sign") from None


def u8(value: int) -> bytes:
    """One byte."""
    return number(value, 1)


def u16(value: int) -> bytes:
    """Two bytes."""
    return number(value, 2)


def u32(value: int) -> bytes:
    """Four bytes."""
    return number(value, 4)


def u64(value: int) -> bytes:
    """Eight bytes."""
    return number(value, 8)


def collection(items: Sequence[bytes], width_bytes: int) -> bytes:
    """Items, each encoded already, behind their count."""
    return number(len(items), width_bytes) + b"".join(items)


def blob(data: bytes, width_bytes: int) -> bytes:
    """A byte string behind its length."""
    return number(len(data), width_bytes) + data


def a_hash(data: bytes) -> bytes:
    """The 32 bytes themselves. Raises OutOfRange for any other length."""
    if len(data) != HASH_BYTES:
        raise OutOfRange(f"a hash has 32 bytes, not {len(data)}")
    return data


def ascends(keys: Iterable[Key]) -> bool:
    """Is each greater than the one before it?"""
    return all(first < second for first, second in pairwise(keys))


class Reader:
    """A cursor over bytes that somebody else made. Whatever is wrong with them raises a class of Malformed."""

    def __init__(self, data: bytes, at: int = 0) -> None:
        self._data, self.at = data, at

    @property
    def left(self) -> int:
        """How many bytes have not been read."""
        return len(self._data) - self.at

    def take(self, length: int) -> bytes:
        """The next bytes. Raises Truncated."""
        if length > self.left:
            raise Truncated(f"{length} bytes are wanted at {self.at} and {self.left} are left")
        self.at += length
        return self._data[self.at - length : self.at]

    def number(self, width_bytes: int) -> int:
        """An unsigned integer."""
        return int.from_bytes(self.take(width_bytes), "little")

    def signed(self, width_bytes: int) -> int:
        """An integer in two's complement."""
        return int.from_bytes(self.take(width_bytes), "little", signed=True)

    def a_hash(self) -> bytes:
        """32 bytes."""
        return self.take(HASH_BYTES)

    def blob(self, width_bytes: int) -> bytes:
        """A byte string behind its length."""
        return self.take(self.number(width_bytes))

    def items(self, width_bytes: int, item_bytes: int, read: Callable[["Reader"], Item], least: int = 0) -> list[Item]:
        """Items behind their count, each of `item_bytes` or more, so that no count costs more than the file's length.

        Raises EmptyCollection below `least`.
        """
        count = self.number(width_bytes)
        if count < least:
            raise EmptyCollection(f"{count} items before {self.at}, where {least} are the least")
        if count * item_bytes > self.left:
            raise Truncated(f"{count} items of {item_bytes} bytes or more at {self.at}, where {self.left} are left")
        return [read(self) for _ in range(count)]

    def ascending(self, keys: Iterable[Key]) -> None:
        """Raises BrokenOrder unless these keys, just read, ascend."""
        if not ascends(keys):
            raise BrokenOrder(f"the items before {self.at} do not ascend")

    def tag(self, *known: int) -> int:
        """The byte of a variant. Raises UnknownTag for one that is not among these."""
        found = self.number(1)
        if found not in known:
            raise UnknownTag(f"tag {found} at {self.at - 1}, where {known} are known")
        return found

    def text(self, width_bytes: int, most: int) -> str:
        """Printable ASCII, of 1 to `most` characters. Raises UnreadableText."""
        data = self.blob(width_bytes)
        if not 1 <= len(data) <= most or not PRINTABLE.issuperset(data):
            raise UnreadableText(f"{len(data)} bytes before {self.at} are no text of 1 to {most} ASCII characters")
        return data.decode("ascii")

    def end(self) -> None:
        """Raises TrailingBytes if anything is left."""
        if self.left:
            raise TrailingBytes(f"{self.left} bytes follow the end")


def whole(data: bytes, read: Callable[[Reader], Item]) -> Item:
    """The one value that all these bytes are. Raises classes of Malformed, and those of the type's own rules."""
    reader = Reader(data)
    found = read(reader)
    reader.end()
    return found
