"""How is each tagged field of an invoice read and written?

FIELDS is the table: one row a letter of BOLT 11. A row's reader gets the words of one field and returns its value, or
SKIPPED when BOLT 11 says that a reader passes over it; its writer is the inverse. What is skipped or unknown is kept
as it came (RawField), so that an invoice can be written again byte for byte.
"""

import struct
from collections.abc import Callable
from enum import Enum
from typing import Any, Final, NamedTuple

import msgspec
from embit.bech32 import CHARSET

from lnpd.errors import (
    InvoiceDescriptionNotText,
    InvoiceFallbackMalformed,
    InvoiceFieldCut,
    InvoiceFieldLength,
    InvoiceFieldNotMinimal,
    InvoiceFieldTooLong,
    InvoiceNumberTooLarge,
    InvoiceRouteMalformed,
)
from lnpd.routing.bech32 import number_of, to_bytes, to_words, words_of
from lnpd.wire.features import Features

MAX_FIELD_WORDS: Final = 1023
# Stands in a layout for a field that is written as it came.
RAW: Final = "?"

P2PKH: Final = 17
P2SH: Final = 18

_HEAD_WORDS: Final = 3
_POINT_BYTES: Final = 33
_SCID_BYTES: Final = 8
_HOP: Final = struct.Struct(">8sIIH")  # what follows the node id
_HOP_BYTES: Final = _POINT_BYTES + _HOP.size
_MAX_U64: Final = 2**64 - 1
_MAX_U32: Final = 2**32 - 1


class Skip(Enum):
    """The one value SKIPPED, which says that a field is passed over."""

    SKIPPED = "skipped"


SKIPPED: Final = Skip.SKIPPED


class RawField(msgspec.Struct, frozen=True):
    """A field that lnpd does not read: its letter and its words (5 bits each)."""

    letter: str
    words: bytes


class Fallback(msgspec.Struct, frozen=True):
    """Where to pay on chain: a witness version and program, or P2PKH (17) or P2SH (18) and a 20-byte hash."""

    version: int
    program: bytes


class HintedHop(msgspec.Struct, frozen=True):
    """One private channel of a routing hint, seen from the node at its start (BOLT 11, `r`); ids of 33 and 8 bytes."""

    node_id: bytes
    short_channel_id: bytes
    fee_base_msat: int
    fee_proportional_millionths: int
    cltv_expiry_delta: int


class Row(NamedTuple):
    """How one letter is read and written. `words`: its fixed length; another length is skipped. `many`: may repeat."""

    name: str
    read: Callable[[bytes], Any]  # Any: each row has a value type of its own, which Invoice declares
    write: Callable[[Any], bytes]
    words: int | None = None
    many: bool = False


def split(words: bytes) -> list[RawField]:
    """The tagged fields in order; raises InvoiceFieldCut."""
    fields, position = [], 0
    while position < len(words):
        start = position + _HEAD_WORDS
        end = start + number_of(words[position + 1 : start])
        if end > len(words):
            raise InvoiceFieldCut(f"Field {CHARSET[words[position]]!r} is longer than what is left of the invoice.")
        fields.append(RawField(CHARSET[words[position]], words[start:end]))
        position = end
    return fields


def join(field: RawField) -> bytes:
    """The words of one tagged field, with its letter and length; raises InvoiceFieldTooLong."""
    if len(field.words) > MAX_FIELD_WORDS:
        row = FIELDS.get(field.letter)
        name = row.name.replace("_", " ") if row else f"field {field.letter!r}"
        raise InvoiceFieldTooLong(f"The {name} is longer than the 639 bytes that an invoice's field holds.")
    return bytes([CHARSET.index(field.letter)]) + words_of(len(field.words), 2) + field.words


def read(field: RawField) -> Any:  # Any: as in Row
    """The value of a field, or SKIPPED; raises the InvoiceError that its reader names."""
    row = FIELDS.get(field.letter)
    if row is None or row.words not in (None, len(field.words)):
        return SKIPPED
    return row.read(field.words)


def write(letter: str, value: Any) -> RawField:  # Any: as in Row
    """The field that holds this value; raises the InvoiceError that its writer names."""
    row = FIELDS[letter]
    words = row.write(value)
    if row.words not in (None, len(words)):
        raise InvoiceFieldLength(f"The {row.name} takes {row.words} words of 5 bits, not {len(words)}.")
    return RawField(letter, words)


def _read_text(words: bytes) -> str:
    try:
        return to_bytes(words).decode()
    except UnicodeDecodeError as error:
        raise InvoiceDescriptionNotText("The description is not UTF-8 text.") from error


def _write_text(text: str) -> bytes:
    try:
        return to_words(text.encode())
    except UnicodeEncodeError as error:
        raise InvoiceDescriptionNotText("The description cannot be written as UTF-8.") from error


def _number_reader(name: str, limit: int) -> Callable[[bytes], int]:
    def read_number(words: bytes) -> int:
        if words[:1] == b"\0":
            raise InvoiceFieldNotMinimal(f"The {name} begins with zeros.")
        return _in_range(name, number_of(words), limit)

    return read_number


def _number_writer(name: str, limit: int) -> Callable[[int], bytes]:
    return lambda number: words_of(_in_range(name, number, limit))


def _in_range(name: str, number: int, limit: int) -> int:
    if not 0 <= number <= limit:
        raise InvoiceNumberTooLarge(f"The {name} is not between 0 and {limit}.")
    return number


def _read_features(words: bytes) -> Features | Skip:
    if not words:
        return SKIPPED
    if words[0] == 0:
        raise InvoiceFieldNotMinimal("The feature bits begin with zeros.")
    return Features(number_of(words))


def _write_features(features: Features) -> bytes:
    return words_of(features.mask)


def _read_fallback(words: bytes) -> Fallback | Skip:
    if not words or words[0] > P2SH:
        return SKIPPED
    return _checked_fallback(Fallback(words[0], to_bytes(words[1:])))


def _write_fallback(fallback: Fallback) -> bytes:
    checked = _checked_fallback(fallback)
    return bytes([checked.version]) + to_words(checked.program)


def _checked_fallback(fallback: Fallback) -> Fallback:
    lengths = _PROGRAM_BYTES.get(fallback.version, range(0))
    if len(fallback.program) not in lengths:
        raise InvoiceFallbackMalformed(
            f"An on-chain fallback of version {fallback.version} cannot have {len(fallback.program)} bytes."
        )
    return fallback


# BIP 141 and BIP 341; longer versions than 1 are open to what comes.
_PROGRAM_BYTES: Final[dict[int, tuple[int, ...] | range]] = {
    0: (20, 32),
    **{version: range(2, 41) for version in range(1, 17)},
    P2PKH: (20,),
    P2SH: (20,),
}


def _read_route(words: bytes) -> tuple[HintedHop, ...]:
    data = to_bytes(words)
    if not data or len(data) % _HOP_BYTES:
        raise InvoiceRouteMalformed(f"A routing hint of {len(data)} bytes is not a list of {_HOP_BYTES}-byte entries.")
    return tuple(_read_hop(data[start : start + _HOP_BYTES]) for start in range(0, len(data), _HOP_BYTES))


def _read_hop(entry: bytes) -> HintedHop:
    return HintedHop(_checked_node_id(entry[:_POINT_BYTES]), *_HOP.unpack_from(entry, _POINT_BYTES))


def _write_route(route: tuple[HintedHop, ...]) -> bytes:
    if not route:
        raise InvoiceRouteMalformed("A routing hint has at least one entry.")
    return to_words(b"".join(_write_hop(hop) for hop in route))


def _write_hop(hop: HintedHop) -> bytes:
    fees = (hop.fee_base_msat, hop.fee_proportional_millionths, hop.cltv_expiry_delta)
    if len(hop.short_channel_id) != _SCID_BYTES:
        raise InvoiceRouteMalformed(f"A short channel id has {_SCID_BYTES} bytes, not {len(hop.short_channel_id)}.")
    try:
        return _checked_node_id(hop.node_id) + _HOP.pack(hop.short_channel_id, *fees)
    except struct.error as error:
        raise InvoiceNumberTooLarge(f"A fee or CLTV delta of a routing hint is out of range: {fees}.") from error


def _checked_node_id(node_id: bytes) -> bytes:
    # The curve equation is left to whoever routes over the hint: most hints are never used.
    if len(node_id) != _POINT_BYTES or node_id[0] not in (2, 3):
        raise InvoiceRouteMalformed("A routing hint holds something that is no public key.")
    return node_id


FIELDS: Final = {
    "p": Row("payment_hash", to_bytes, to_words, words=52),
    "s": Row("payment_secret", to_bytes, to_words, words=52),
    "d": Row("description", _read_text, _write_text),
    "h": Row("description_hash", to_bytes, to_words, words=52),
    "m": Row("payment_metadata", to_bytes, to_words),
    "n": Row("payee", to_bytes, to_words, words=53),
    "x": Row("expiry_seconds", _number_reader("expiry", _MAX_U64), _number_writer("expiry", _MAX_U64)),
    "c": Row(
        "min_final_cltv_expiry_delta",
        _number_reader("final CLTV delta", _MAX_U32),
        _number_writer("final CLTV delta", _MAX_U32),
    ),
    "f": Row("fallbacks", _read_fallback, _write_fallback, many=True),
    "r": Row("routes", _read_route, _write_route, many=True),
    "9": Row("features", _read_features, _write_features),
}
