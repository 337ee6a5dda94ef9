"""How is a message a plain map of names and values, and how does it come back from one?

For whoever has no classes for it: a plugin, in whatever language.

    integers, bytes, texts    themselves                arrays             lists
    composite types           maps                      a flag             true
    `tlvs`                    a map of the records of the message's own stream that are there; left out if none is

A count is in neither: it follows from what it counts. Records that somebody else owns, or nobody knows, are left out.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from lnpd.errors import Unencodable
from lnpd.wire import fields
from lnpd.wire.base import Composite, Message, Tlvs
from lnpd.wire.codec import Codec
from lnpd.wire.fields import kind
from lnpd.wire.rows import FieldRow, kept

# Values are what the row's type says, known only when the rows are read: hence Any in this file.
TLVS = "tlvs"
SHOWN = 40  # characters of a name that is refused


def plain(message: Message) -> dict[str, Any]:
    """The fields of a message, by name."""
    found: dict[str, Any] = _plain(message)
    if not found.get(TLVS):
        found.pop(TLVS, None)
    return found


def message_of(codec: Codec, name: str, given: Mapping[str, Any]) -> Message:
    """The message of that name with these fields.

    Raises Unencodable for a message or a field that is not there, and for one that is missing; whether each value fits
    its field is asked when the message is encoded.
    """
    type_ = codec.message_type(name)
    row = codec.catalogue.messages[name]
    values = _fields(codec, name, row.fields, {key: value for key, value in given.items() if key != TLVS})
    return type_(**values, tlvs=_tlvs(codec, row.stream, given.get(TLVS, {})))


def _plain(value: Any) -> Any:
    if isinstance(value, Tlvs):
        records = {name: getattr(value, name) for name in value.__struct_fields__ if name != "unknown"}
        return {name: _plain(record) for name, record in records.items() if record is not None and record is not False}
    if isinstance(value, Message | Composite):
        return {name: _plain(each) for name, each in msgspec.structs.asdict(value).items()}
    return [_plain(each) for each in value] if isinstance(value, tuple) else value


def _fields(codec: Codec, where: str, rows: Sequence[FieldRow], given: Any) -> dict[str, Any]:
    """The values that a class is made of."""
    if not isinstance(given, Mapping):
        raise Unencodable(f"{where}: {kind(given)}, where a map of fields belongs")
    wanted = {row.name: row for row in kept(rows)}
    for name in given:
        if name not in wanted:
            raise Unencodable(f"{where} has no field {str(name)[:SHOWN]!r}")
    for name in wanted:
        if name not in given:
            raise Unencodable(f"{where} needs the field {name}")
    return {name: _value(codec, f"{where}: {name}", row, given[name]) for name, row in wanted.items()}


def _value(codec: Codec, where: str, row: FieldRow, value: Any) -> Any:
    if not row.count or row.type in fields.OCTETS or row.type == fields.UTF8:
        return _one(codec, where, row.type, value)
    if not isinstance(value, list | tuple):
        raise Unencodable(f"{where}: {kind(value)}, where a list belongs")
    return tuple(_one(codec, where, row.type, each) for each in value)


def _one(codec: Codec, where: str, type_: str, value: Any) -> Any:
    if (subtype := codec.catalogue.subtypes.get(type_)) is not None:
        return codec.composite_type(type_)(**_fields(codec, where, subtype.fields, value))
    if type_.startswith("tlv_") and (stream := type_.removeprefix("tlv_")) in codec.catalogue.streams:
        return _tlvs(codec, stream, value)
    return value


def _tlvs(codec: Codec, stream: str, given: Any) -> Tlvs:
    type_ = codec.tlvs_type(stream)
    if not isinstance(given, Mapping):
        raise Unencodable(f"{stream}: {kind(given)}, where a map of records belongs")
    own = set(type_.__struct_fields__) - {"unknown"}
    for name in given:
        if name not in own:
            raise Unencodable(f"{stream} has no record {str(name)[:SHOWN]!r} of its owner's")
    return type_(**{name: _record(codec, stream, name, value) for name, value in given.items()})


def _record(codec: Codec, stream: str, name: str, value: Any) -> Any:
    row = codec.catalogue.record(stream, name)
    assert row is not None, "a class has attributes for records of its stream only"
    held, where = kept(row.fields), f"{stream} {name}"
    if len(held) > 1:
        return codec.record_type(stream, name)(**_fields(codec, where, row.fields, value))
    return _value(codec, where, held[0], value) if held else value
