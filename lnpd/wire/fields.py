"""How is each fundamental type of BOLT 1 written as bytes?

Two tables: FIXED types have one size and pack together; VARIABLE types know their own end. All integers are big-endian.
Reading is strict: shortest encodings only, and no byte beyond `end` is looked at.
"""

import re
from collections.abc import Callable
from typing import Any

import msgspec

from lnpd.errors import BadPoint, NotMinimal, TlvLengthWrong, Truncated, Unencodable

MAX_MESSAGE_LENGTH = 65535  # what BOLT 8's 2-byte length can carry, type included

U64_MAX = 0xFFFF_FFFF_FFFF_FFFF
_SCID_LENGTH, _POINT_LENGTH = 8, 33
_SCIDDIR_LENGTHS = {0: 1 + _SCID_LENGTH, 1: 1 + _SCID_LENGTH, 2: _POINT_LENGTH, 3: _POINT_LENGTH}

Reader = Callable[[bytes, int, int], tuple[Any, int]]  # data, at, end -> value, at; any value, as the type says
Writer = Callable[[Any], bytes]


class Fixed(msgspec.Struct, frozen=True):
    """A type of one size: its struct code, its Python type, and what must hold of it beyond the size."""

    size: int
    code: str
    python: str
    check: Callable[[bytes], None] | None = None


class Variable(msgspec.Struct, frozen=True):
    """A type that knows its own end. A greedy one ends where its record does, so it can only be the last field."""

    least: int
    python: str
    read: Reader
    write: Writer
    greedy: bool = False


def kind(value: object) -> str:
    """A refused value as an error may show it: never its content, which can be a secret or very long."""
    return f"{type(value).__name__} of {len(value)}" if isinstance(value, bytes | str | tuple) else type(value).__name__


def read_bigsize(data: bytes, at: int, end: int) -> tuple[int, int]:
    """Read a bigsize (BOLT 1, appendix A). Raises Truncated, NotMinimal."""
    if at >= end:
        raise Truncated("bigsize: no byte left")
    first = data[at]
    if first < 0xFD:
        return first, at + 1
    width = 1 << (first - 0xFC)
    stop = at + 1 + width
    if stop > end:
        raise Truncated(f"bigsize: {end - at - 1} bytes left of {width}")
    value = int.from_bytes(data[at + 1 : stop], "big")
    if value < 0xFD or (width > 2 and value >> (4 * width) == 0):
        raise NotMinimal(f"bigsize: {value} in {width + 1} bytes")
    return value, stop


def write_bigsize(value: int) -> bytes:
    """Write a bigsize in its shortest form. Raises Unencodable."""
    if not isinstance(value, int) or not 0 <= value <= U64_MAX:
        raise Unencodable(f"bigsize: {kind(value)} that is no integer of 64 bits")
    if value < 0xFD:
        return bytes((value,))
    width = 2 if value <= 0xFFFF else 4 if value <= 0xFFFF_FFFF else 8
    return bytes((0xFC + width.bit_length() - 1,)) + value.to_bytes(width, "big")


def check_point(value: bytes) -> None:
    """The form of a compressed point; whether it is on the curve is asked where it is used. Raises BadPoint."""
    if value[0] not in (2, 3):
        raise BadPoint(f"point begins with {value[0]:02x}, not 02 or 03")


def scid(block_height: int, transaction_index: int, output_index: int) -> bytes:
    """The 8 bytes of a short_channel_id (BOLT 7). Raises Unencodable."""
    try:
        return block_height.to_bytes(3, "big") + transaction_index.to_bytes(3, "big") + output_index.to_bytes(2, "big")
    except OverflowError:
        text = f"{block_height}x{transaction_index}x{output_index}"
        raise Unencodable(f"short_channel_id {text} does not fit 3, 3 and 2 bytes") from None


def scid_parts(value: bytes) -> tuple[int, int, int]:
    """Block height, transaction index and output index of a short_channel_id."""
    return int.from_bytes(value[:3], "big"), int.from_bytes(value[3:6], "big"), int.from_bytes(value[6:], "big")


def scid_text(value: bytes) -> str:
    """A short_channel_id as people write it: 539268x845x1 (BOLT 7)."""
    return "x".join(map(str, scid_parts(value)))


def _truncated_integer(width: int) -> Variable:
    def read(data: bytes, at: int, end: int) -> tuple[int, int]:
        if end - at > width:
            raise TlvLengthWrong(f"tu{8 * width}: {end - at} bytes, at most {width}")
        if at < end and data[at] == 0:
            raise NotMinimal(f"tu{8 * width}: begins with a zero byte")
        return int.from_bytes(data[at:end], "big"), end

    def write(value: int) -> bytes:
        if not isinstance(value, int) or not 0 <= value < 1 << (8 * width):
            raise Unencodable(f"tu{8 * width}: {kind(value)} that is no integer of {width} bytes")
        return value.to_bytes((value.bit_length() + 7) // 8, "big")

    return Variable(0, "int", read, write, greedy=True)


def _read_sciddir_or_pubkey(data: bytes, at: int, end: int) -> tuple[bytes, int]:
    if at >= end:
        raise Truncated("sciddir_or_pubkey: no byte left")
    if data[at] not in _SCIDDIR_LENGTHS:
        raise BadPoint(f"sciddir_or_pubkey begins with {data[at]:02x}, not 00 to 03")
    stop = at + _SCIDDIR_LENGTHS[data[at]]
    if stop > end:
        raise Truncated(f"sciddir_or_pubkey: {end - at} bytes left of {stop - at}")
    return data[at:stop], stop


def _write_sciddir_or_pubkey(value: bytes) -> bytes:
    if not isinstance(value, bytes) or not value or _SCIDDIR_LENGTHS.get(value[0]) != len(value):
        raise Unencodable(f"sciddir_or_pubkey: {kind(value)}: it is 9 bytes from 00 or 01, or 33 from 02 or 03")
    return value


FIXED = {
    "byte": Fixed(1, "B", "int"),
    "u8": Fixed(1, "B", "int"),
    "u16": Fixed(2, "H", "int"),
    "u32": Fixed(4, "I", "int"),
    "u64": Fixed(8, "Q", "int"),
    "s8": Fixed(1, "b", "int"),
    "s16": Fixed(2, "h", "int"),
    "s32": Fixed(4, "i", "int"),
    "s64": Fixed(8, "q", "int"),
    "chain_hash": Fixed(32, "32s", "bytes"),
    "channel_id": Fixed(32, "32s", "bytes"),
    "sha256": Fixed(32, "32s", "bytes"),
    "signature": Fixed(64, "64s", "bytes"),
    "bip340sig": Fixed(64, "64s", "bytes"),
    "point": Fixed(_POINT_LENGTH, f"{_POINT_LENGTH}s", "bytes", check_point),
    "short_channel_id": Fixed(_SCID_LENGTH, f"{_SCID_LENGTH}s", "bytes"),
}
VARIABLE = {
    "bigsize": Variable(1, "int", read_bigsize, write_bigsize),
    "tu16": _truncated_integer(2),
    "tu32": _truncated_integer(4),
    "tu64": _truncated_integer(8),
    "sciddir_or_pubkey": Variable(9, "bytes", _read_sciddir_or_pubkey, _write_sciddir_or_pubkey),
}
UTF8 = "utf8"  # one byte of a string: it only occurs counted, and is a str as a whole
OCTETS = {"byte", "u8"}  # counted ones are bytes as a whole
COUNTS = {"byte", "u8", "u16", "u32", "u64"}  # what may count a later field; its limit is the message's length

FUNDAMENTAL = frozenset(FIXED) | frozenset(VARIABLE) | {UTF8}

_CUT = re.compile(r"([a-z0-9_]+)\[\.\.(\d+)\]")


def fixed(name: str) -> Fixed | None:
    """The fixed type of that name, or its first bytes for `sha256[..4]`; None if there is none."""
    cut = _CUT.fullmatch(name)
    if cut is None:
        return FIXED.get(name)
    whole, size = FIXED.get(cut[1]), int(cut[2])
    if whole is None or whole.python != "bytes" or not 0 < size <= whole.size:
        return None
    return Fixed(size, f"{size}s", "bytes")
