"""How does hypothesis make values of anything that rows describe?"""

from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from lnpd.wire import fields
from lnpd.wire.base import Message, Tlvs
from lnpd.wire.codec import Codec
from lnpd.wire.rows import REST, FieldRow, RecordRow, kept

MOST = 3  # values in an array whose length is free


def messages(codec: Codec, name: str) -> st.SearchStrategy[Message]:
    """Any message of that name, with its TLV stream."""
    row = codec.catalogue.messages[name]
    attributes = {field.name: _field(codec, field) for field in kept(row.fields)}
    return st.builds(codec.message_type(name), **attributes, tlvs=tlvs(codec, row.stream))


def tlvs(codec: Codec, name: str) -> st.SearchStrategy[Tlvs]:
    """Any TLV stream of that name: any of its records, other owners' records as bytes, and odd ones nobody knows."""
    type_ = codec.tlvs_type(name)
    records = codec.catalogue.streams[name].records
    own = [row for row in records if row.name in type_.__struct_fields__]
    known = {row.number for row in records}
    odd = st.integers(0, 2**63 - 1).map(lambda n: 2 * n + 1).filter(lambda n: n not in known)
    parts = [st.dictionaries(odd, st.binary(max_size=5), max_size=2).map(lambda d: tuple(d.items()))]
    parts += [_foreign(codec, name, row) for row in records if row not in own]
    unknown = st.tuples(*parts).map(lambda found: tuple(sorted(record for part in found for record in part)))
    return st.fixed_dictionaries(
        {"unknown": unknown}, optional={row.name: _record(codec, name, row) for row in own}
    ).map(lambda attributes: type_(**attributes))


def _foreign(codec: Codec, stream: str, row: RecordRow) -> st.SearchStrategy[Any]:
    some = _record(codec, stream, row).map(lambda value: (codec.encode_record(stream, row.name, value),))
    return st.one_of(st.just(()), some)


def _record(codec: Codec, stream: str, row: RecordRow) -> st.SearchStrategy[Any]:
    held = kept(row.fields)
    if not held:
        return st.just(True)
    if len(held) == 1:
        return _field(codec, held[0])
    type_ = codec.record_type(stream, row.name)
    return st.builds(type_, **{field.name: _field(codec, field) for field in held})


def _field(codec: Codec, field: FieldRow) -> st.SearchStrategy[Any]:
    if not field.count:
        return _one(codec, field.type)
    free = field.count == REST or not field.count.isdigit()
    least, most = (0, MOST) if free else (int(field.count), int(field.count))
    if field.type == fields.UTF8:
        return st.text(st.characters(exclude_categories=["Cs"]), max_size=MOST)
    if field.type in fields.OCTETS:
        return st.binary(min_size=least, max_size=least if not free else 40)
    if not free and most > 50:  # long fixed arrays: vary one value, or drawing them takes hypothesis' whole budget
        return _one(codec, field.type).map(lambda value: (value,) * most)
    return st.lists(_one(codec, field.type), min_size=least, max_size=most).map(tuple)


def _one(codec: Codec, name: str) -> st.SearchStrategy[Any]:
    if simple := fields.fixed(name):
        return _fixed(name, simple)
    if name in VARIABLE:
        return VARIABLE[name]
    if name in codec.catalogue.subtypes:
        held: Sequence[FieldRow] = kept(codec.catalogue.subtypes[name].fields)
        return st.builds(codec.composite_type(name), **{field.name: _field(codec, field) for field in held})
    return tlvs(codec, name.removeprefix("tlv_"))


def _fixed(name: str, type_: fields.Fixed) -> st.SearchStrategy[Any]:
    if type_.python == "int":
        bits = 8 * type_.size
        signed = type_.code.islower()
        return st.integers(-(1 << bits - 1), (1 << bits - 1) - 1) if signed else st.integers(0, (1 << bits) - 1)
    if name == "point":
        return POINTS
    return st.binary(min_size=type_.size, max_size=type_.size)


POINTS = st.builds(
    lambda first, rest: first + rest, st.sampled_from([b"\2", b"\3"]), st.binary(min_size=32, max_size=32)
)
_SCIDDIRS = st.builds(
    lambda side, scid: side + scid, st.sampled_from([b"\0", b"\1"]), st.binary(min_size=8, max_size=8)
)
VARIABLE: dict[str, st.SearchStrategy[Any]] = {
    "bigsize": st.integers(0, 2**64 - 1),
    "tu16": st.integers(0, 2**16 - 1),
    "tu32": st.integers(0, 2**32 - 1),
    "tu64": st.integers(0, 2**64 - 1),
    "sciddir_or_pubkey": st.one_of(_SCIDDIRS, POINTS),
}
