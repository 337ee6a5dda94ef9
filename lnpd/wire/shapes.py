"""How does a compiled layout become one value: a composite, a TLV record, a whole TLV stream?"""

from collections.abc import Mapping
from typing import Any

import msgspec

from lnpd.errors import TlvLengthWrong, Unencodable, UnknownEvenTlv
from lnpd.wire.base import Composite, Tlvs
from lnpd.wire.fields import kind
from lnpd.wire.layout import Layout, Shape
from lnpd.wire.rows import RecordRow
from lnpd.wire.tlv import join, spans

# Values are what the row's type says, known only when the rows are read: hence Any in this file.


def composite_shape(type_: type[Composite], layout: Layout) -> Shape:
    """A value with an attribute for each field."""
    names, read_fields, write_fields = layout.names, layout.read, layout.write

    def read(data: bytes, at: int, end: int) -> tuple[Any, int]:
        values, at = read_fields(data, at, end)
        return type_(**dict(zip(names, values, strict=True))), at

    def write(value: Any) -> bytes:
        if type(value) is not type_:
            raise Unencodable(f"{kind(value)} is no {type_.__name__}")
        return write_fields(msgspec.structs.astuple(value))

    return Shape(layout.least, read, write)


def record_shape(stream: str, row: RecordRow, layout: Layout, type_: type[Composite] | None) -> Shape:
    """A record's value: True without fields, its only field, or `type_`, a composite. Its length is exact."""
    if type_ is not None:
        shape = composite_shape(type_, layout)
    elif layout.names:
        shape = _only_field(layout)
    else:
        shape = Shape(0, lambda data, at, end: (True, at), _write_flag)
    read_value = shape.read

    def read(data: bytes, at: int, end: int) -> tuple[Any, int]:
        value, at = read_value(data, at, end)
        if at != end:
            raise TlvLengthWrong(f"{stream}: TLV type {row.number} ({row.name}) has {end - at} bytes too many")
        return value, at

    return Shape(shape.least, read, shape.write)


def stream_shape(type_: type[Tlvs], name: str, records: Mapping[int, tuple[str, Shape]], lenient: bool) -> Shape:
    """A stream: what `type_` has an attribute for is decoded into it; a record of another owner is checked, and kept as
    bytes in `unknown` beside the odd ones that nobody knows; and beside the even ones, if it is `lenient`.
    """
    attributes = set(type_.__struct_fields__) - {"unknown"}
    own = [
        (number, attribute, shape.write) for number, (attribute, shape) in records.items() if attribute in attributes
    ]
    readers = {
        number: (attribute in attributes, attribute, shape.read) for number, (attribute, shape) in records.items()
    }

    def read(data: bytes, at: int, end: int) -> tuple[Tlvs, int]:
        found: dict[str, Any] = {}
        unknown: list[tuple[int, bytes]] = []
        for number, begin, stop in spans(data, at, end):
            is_own, attribute, read_value = readers.get(number, (False, "", None))
            if read_value is None and number % 2 == 0 and not lenient:
                raise UnknownEvenTlv(f"{name}: TLV type {number} is even and unknown")
            value = read_value(data, begin, stop)[0] if read_value else None
            if is_own:
                found[attribute] = value
            else:
                unknown.append((number, data[begin:stop]))
        return type_(**found, unknown=tuple(unknown)), end

    def write(tlvs: Any) -> bytes:
        if type(tlvs) is not type_:
            raise Unencodable(f"{name}: {kind(tlvs)} is no {type_.__name__}")
        values = [(number, getattr(tlvs, attribute), write_value) for number, attribute, write_value in own]
        known = [
            (number, write_value(value))
            for number, value, write_value in values
            if value is not None and value is not False
        ]
        return join([*known, *(_checked(name, record, readers, lenient) for record in tlvs.unknown)])

    return Shape(0, read, write)


def _checked(
    stream: str, record: Any, readers: Mapping[int, tuple[bool, str, Any]], lenient: bool
) -> tuple[int, bytes]:
    """A record of `unknown` that may be sent: odd, or a plugin's. Whoever adds one holds it against its rows; one that
    is sent again may be older than they are, and stays as it was."""
    number, value = record
    is_own, attribute, read_value = readers.get(number, (False, "", None))
    if is_own:
        raise Unencodable(f"{stream}: TLV type {number} belongs into {attribute}, not into unknown")
    if type(value) is not bytes or (read_value is None and number % 2 == 0 and not lenient):
        raise Unencodable(f"{stream}: TLV type {number} is even and unknown, or its value is not bytes")
    return number, value


def _only_field(layout: Layout) -> Shape:
    def read(data: bytes, at: int, end: int) -> tuple[Any, int]:
        values, at = layout.read(data, at, end)
        return values[0], at

    return Shape(layout.least, read, lambda value: layout.write((value,)))


def _write_flag(value: Any) -> bytes:
    if value is not True:
        raise Unencodable(f"{kind(value)} is not True")
    return b""
