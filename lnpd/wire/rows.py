"""What does a row of the wire catalogue say?

One row is one line of comma-separated text in the BOLTs' own words; a row belongs to the heading above it:

    message,128,update_add_htlc       a message: its number, its name, and the option it depends on, if any
    data,channel_id,channel_id        a field: its type and its name
    data,1366*byte,onion_packet       so many of a type; a count may be an earlier field, `len*byte`, or `...`, the rest
    tlv_stream,update_add_htlc_tlvs   a TLV stream; naming one that exists adds records to it
    type,0,blinded_path               a record of the stream above, with its `data` rows below
    subtype,witness                   a composite type, with its `data` rows below

Every message ends in a TLV stream, the BOLT's `extension`: the one that its last field names, else `<message>_tlvs`.
A type may be cut to its first bytes, `sha256[..4]`; `tlv_invoice` as a type is the stream `invoice` in a field.
The files beside this one are such rows, and so is the part of a plugin's manifest that declares messages.
"""

import keyword
import re
from collections.abc import Iterable

import msgspec

from lnpd.errors import BadRow

REST = "..."  # the count of a field that takes what is left
MAX_ROWS = 10_000
MAX_ROW_LENGTH = 200

_NAME = r"[a-z][a-z0-9_]{0,63}"
_FORMS = {
    "message": re.compile(rf"(\d{{1,5}}),({_NAME})(?:,({_NAME}))?"),
    "tlv_stream": re.compile(rf"({_NAME})"),
    "type": re.compile(rf"(\d{{1,20}}),({_NAME})"),
    "subtype": re.compile(rf"({_NAME})"),
    "data": re.compile(rf"(?:(\.\.\.|\d{{1,5}}|{_NAME})\*)?({_NAME}(?:\[\.\.\d{{1,2}}\])?),({_NAME})"),
}
_LARGEST = {"message": 0xFFFF, "type": 0xFFFF_FFFF_FFFF_FFFF}
_HOLDS_DATA = {"message", "type", "subtype"}


class FieldRow(msgspec.Struct, frozen=True):
    """A field: `count` is "" for one value, a number, the name of an earlier field, or `...`."""

    name: str
    type: str
    count: str = ""


class MessageRow(msgspec.Struct, frozen=True):
    """A message without the TLV stream that ends it; `stream` names that."""

    number: int
    name: str
    owner: str
    fields: tuple[FieldRow, ...]
    stream: str
    option: str = ""


class RecordRow(msgspec.Struct, frozen=True):
    """A record of a TLV stream."""

    number: int
    name: str
    owner: str
    fields: tuple[FieldRow, ...]


class StreamRow(msgspec.Struct, frozen=True):
    """A TLV stream, or the records that one owner adds to it."""

    name: str
    owner: str
    records: tuple[RecordRow, ...] = ()


class SubtypeRow(msgspec.Struct, frozen=True):
    """A composite type."""

    name: str
    owner: str
    fields: tuple[FieldRow, ...]


class Rows(msgspec.Struct, frozen=True):
    """All that one owner declares, in the order of its rows."""

    messages: tuple[MessageRow, ...] = ()
    streams: tuple[StreamRow, ...] = ()
    subtypes: tuple[SubtypeRow, ...] = ()


class _Section:
    """A heading and the rows that follow it."""

    def __init__(self, kind: str, words: tuple[str, ...], stream: str) -> None:
        self.kind, self.words, self.stream = kind, words, stream
        self.fields: list[FieldRow] = []


def parse(owner: str, rows: str | Iterable[str]) -> Rows:
    """Read rows, as one text or one string a row; blank rows and rows that begin with # are skipped.

    Raises BadRow with the owner, the row and what is wrong with it.
    """
    lines = rows.splitlines() if isinstance(rows, str) else list(rows)
    if len(lines) > MAX_ROWS:
        raise BadRow(f"{owner}: {len(lines)} rows, at most {MAX_ROWS} are read")
    sections: list[_Section] = []
    for line in lines:
        text = line.strip()
        if text and not text.startswith("#"):
            _add(owner, text, sections)
    return Rows(
        messages=tuple(_message(owner, s) for s in sections if s.kind == "message"),
        streams=tuple(_stream(owner, name, sections) for name in _unique(s.stream for s in sections)),
        subtypes=tuple(SubtypeRow(s.words[0], owner, tuple(s.fields)) for s in sections if s.kind == "subtype"),
    )


def camel(name: str) -> str:
    """The class name of a BOLT name: update_add_htlc -> UpdateAddHtlc."""
    return "".join(part.capitalize() for part in name.split("_"))


def kept(fields: Iterable[FieldRow]) -> tuple[FieldRow, ...]:
    """The fields that a value holds: all but the counts, which follow from the lengths of what they count."""
    fields = tuple(fields)
    counts = {field.count for field in fields}
    return tuple(field for field in fields if field.name not in counts)


def _add(owner: str, text: str, sections: list[_Section]) -> None:
    if len(text) > MAX_ROW_LENGTH:
        raise BadRow(f"{owner}: a row of {len(text)} characters, at most {MAX_ROW_LENGTH} are read")
    kind, _, rest = text.partition(",")
    match = _FORMS[kind].fullmatch(rest) if kind in _FORMS else None
    if match is None:
        raise BadRow(f"{owner}: row {text!r} is none of {', '.join(_FORMS)} with its words")
    words = tuple(word or "" for word in match.groups())
    if kind in _LARGEST and int(words[0]) > _LARGEST[kind]:
        raise BadRow(f"{owner}: row {text!r} has a number above {_LARGEST[kind]}")
    if any(keyword.iskeyword(word) for word in words):
        raise BadRow(f"{owner}: row {text!r} uses a keyword of Python as a name")
    above = sections[-1] if sections else None
    if kind == "data":
        if above is None or above.kind not in _HOLDS_DATA:
            raise BadRow(f"{owner}: row {text!r} follows no message, type or subtype")
        above.fields.append(FieldRow(words[2], words[1], words[0]))
        return
    if kind == "type" and (above is None or not above.stream):
        raise BadRow(f"{owner}: row {text!r} follows no tlv_stream")
    stream = words[0] if kind == "tlv_stream" else above.stream if kind == "type" and above else ""
    sections.append(_Section(kind, words, stream))


def _unique(names: Iterable[str]) -> list[str]:
    return [name for name in dict.fromkeys(names) if name]


def _message(owner: str, section: _Section) -> MessageRow:
    number, name, option = section.words
    fields, stream = tuple(section.fields), f"{name}_tlvs"
    if fields and fields[-1].name == "tlvs" and not fields[-1].count:
        fields, stream = fields[:-1], fields[-1].type
    return MessageRow(int(number), name, owner, fields, stream, option)


def _stream(owner: str, name: str, sections: Iterable[_Section]) -> StreamRow:
    records = (s for s in sections if s.kind == "type" and s.stream == name)
    return StreamRow(
        name, owner, tuple(RecordRow(int(s.words[0]), s.words[1], owner, tuple(s.fields)) for s in records)
    )
