"""How are a row of fields read and written, once it is compiled?

A layout is built once for each message, record and composite type. Neighbouring fields of fixed size become one
`struct` format; the others are a reader and a writer each. A call then walks over a few closures and looks up no field
by name.

Reading appends the value of every field, counts included, to `raw`; `Layout.read` drops the counts, and `Layout.write`
puts them back from the lengths of what they count.
"""

import struct
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from lnpd.errors import BadUtf8, Truncated, Unencodable
from lnpd.wire import fields
from lnpd.wire.fields import Fixed, Reader, Variable, Writer, kind
from lnpd.wire.rows import REST, FieldRow, kept

# Values are what the row's type says, known only when the rows are read: hence Any in this file.
Raw = Sequence[Any]
Read = Callable[[bytes, int, int, list[Any]], int]  # data, at, end, raw to append to -> at
Write = Callable[[Raw], bytes]


class Shape(msgspec.Struct, frozen=True):
    """A composite type or a TLV stream as one value: its least size, reader and writer."""

    least: int
    read: Reader
    write: Writer


Resolve = Callable[[str], Fixed | Variable | Shape]


class Layout(msgspec.Struct, frozen=True):
    """Fields in their order: `names` and values are those that are kept, `least` is the fewest bytes."""

    names: tuple[str, ...]
    least: int
    read: Callable[[bytes, int, int], tuple[list[Any], int]]
    write: Callable[[Raw], bytes]


def compile_layout(where: str, row: Sequence[FieldRow], resolve: Resolve) -> Layout:
    """Compile fields; `where` names them in errors. Reading raises WireErrors, writing Unencodable."""
    indices = {field.name: index for index, field in enumerate(row)}
    parts: list[tuple[int, Read, Write]] = []
    run: list[tuple[int, str, Fixed]] = []
    for index, field in enumerate(row):
        type_ = fields.fixed(field.type)
        octets = field.type in fields.OCTETS and field.count.isdigit()
        if octets:
            type_ = Fixed(int(field.count), f"{field.count}s", "bytes")
        if type_ is not None and (octets or not field.count):
            run.append((index, f"{where}: {field.name}", type_))
            continue
        if run:
            parts.append(_run(run))
            run = []
        parts.append(_part(index, f"{where}: {field.name}", field, indices, resolve))
    if run:
        parts.append(_run(run))
    least = sum(part[0] for part in parts)
    return Layout(tuple(f.name for f in kept(row)), least, _reader(row, parts), _writer(row, parts))


def _reader(row: Sequence[FieldRow], parts: Sequence[tuple[int, Read, Write]]) -> Callable[..., tuple[list[Any], int]]:
    names = {field.name for field in kept(row)}
    chosen = [index for index, field in enumerate(row) if field.name in names]
    reads = [read for _, read, _ in parts]
    if len(chosen) == len(row):

        def read_all(data: bytes, at: int, end: int) -> tuple[list[Any], int]:
            raw: list[Any] = []
            for read in reads:
                at = read(data, at, end, raw)
            return raw, at

        return read_all

    def read_chosen(data: bytes, at: int, end: int) -> tuple[list[Any], int]:
        raw: list[Any] = []
        for read in reads:
            at = read(data, at, end, raw)
        return [raw[index] for index in chosen], at

    return read_chosen


def _writer(row: Sequence[FieldRow], parts: Sequence[tuple[int, Read, Write]]) -> Callable[[Raw], bytes]:
    writes = [write for _, _, write in parts]
    places = {field.name: place for place, field in enumerate(kept(row))}
    if len(places) == len(row):
        if len(writes) == 1:
            return writes[0]
        return lambda values: b"".join([write(values) for write in writes])
    sources: list[tuple[int, Callable[[Any], Any]]] = []
    for field in row:
        if field.name in places:
            sources.append((places[field.name], _itself))
        else:
            counted = next(other for other in row if other.count == field.name)
            sources.append((places[counted.name], _utf8_length if counted.type == fields.UTF8 else _length))

    def write(values: Raw) -> bytes:
        raw = [source(values[place]) for place, source in sources]
        return b"".join([write(raw) for write in writes])

    return write


def _itself(value: Any) -> Any:
    return value


def _length(value: Any) -> int:
    try:
        return len(value)
    except TypeError:
        raise Unencodable(f"{kind(value)} has no length") from None


def _utf8_length(value: Any) -> int:
    return len(_encode_utf8(value))


def _encode_utf8(value: Any) -> bytes:
    if not isinstance(value, str):
        raise Unencodable(f"{kind(value)} is not a string")
    try:
        return value.encode()
    except UnicodeEncodeError:
        raise Unencodable("a string cannot be written as UTF-8") from None


def _run(members: Sequence[tuple[int, str, Fixed]]) -> tuple[int, Read, Write]:
    """Neighbouring fields of fixed size as one struct."""
    packer = struct.Struct(">" + "".join(type_.code for _, _, type_ in members))
    size, unpack, pack = packer.size, packer.unpack_from, packer.pack
    start, stop = members[0][0], members[-1][0] + 1
    checks = [(index - start, type_.check) for index, _, type_ in members if type_.check]
    # struct pads and cuts what goes into "32s", so the length of bytes is checked beside it
    sizes = [(index - start, name, type_.size) for index, name, type_ in members if type_.python == "bytes"]
    first = members[0][1]

    def read(data: bytes, at: int, end: int, raw: list[Any]) -> int:
        if end - at < size:
            raise Truncated(f"{first} and what follows: {end - at} bytes left of {size}")
        values = unpack(data, at)
        for index, check in checks:
            check(values[index])
        raw += values
        return at + size

    def write(raw: Raw) -> bytes:
        values = raw[start:stop]
        for index, name, length in sizes:
            value = values[index]
            if type(value) is not bytes or len(value) != length:
                raise Unencodable(f"{name}: {kind(value)}, where {length} bytes belong")
        try:
            return pack(*values)
        except struct.error as error:
            raise Unencodable(_unfit(members, values) or f"{first} and what follows: {error}") from None

    return size, read, write


def _unfit(members: Sequence[tuple[int, str, Fixed]], values: Sequence[Any]) -> str:
    """Which integer does not fit into its field; the value may be a secret. Empty if none is at fault."""
    for (_, name, type_), value in zip(members, values, strict=True):
        most = 256**type_.size - 1
        if type_.python == "int" and not isinstance(value, int):
            return f"{name}: {kind(value)}, where an integer from 0 to {most} belongs"
        if type_.python == "int" and not 0 <= value <= most:
            return f"{name}: an integer that is not from 0 to {most}"
    return ""


def _part(index: int, name: str, field: FieldRow, indices: dict[str, int], resolve: Resolve) -> tuple[int, Read, Write]:
    """A field that is counted, or knows its own end."""
    count = _counter(field, indices)
    if field.type in fields.OCTETS or field.type == fields.UTF8:
        return _text_or_octets(index, name, field.type == fields.UTF8, count)
    type_ = resolve(field.type)
    if not field.count:
        assert not isinstance(type_, Fixed)  # those are packed in runs
        return _single(index, type_)
    fewest = int(field.count) if field.count.isdigit() else 0
    if isinstance(type_, Fixed):
        return fewest * type_.size, *_array(
            index, name, type_.size, _read_fixed(type_), _write_fixed(name, type_), count
        )
    return fewest * type_.least, *_array(index, name, type_.least, type_.read, type_.write, count)


def _counter(field: FieldRow, indices: dict[str, int]) -> Callable[[Raw], int] | None:
    """How many values there are, from what is read before; None for the rest."""
    if field.count == REST or not field.count:
        return None
    if field.count.isdigit():
        fixed_count = int(field.count)
        return lambda raw: fixed_count
    place = indices[field.count]
    return lambda raw: int(raw[place])


def _single(index: int, type_: Variable | Shape) -> tuple[int, Read, Write]:
    read_value, write_value = type_.read, type_.write

    def read(data: bytes, at: int, end: int, raw: list[Any]) -> int:
        value, at = read_value(data, at, end)
        raw.append(value)
        return at

    return type_.least, read, lambda raw: write_value(raw[index])


def _text_or_octets(index: int, name: str, text: bool, count: Callable[[Raw], int] | None) -> tuple[int, Read, Write]:
    def read(data: bytes, at: int, end: int, raw: list[Any]) -> int:
        stop = end if count is None else at + count(raw)
        if stop > end:
            raise Truncated(f"{name}: {end - at} bytes left of {stop - at}")
        value = data[at:stop]
        if text:
            try:
                raw.append(value.decode())
            except UnicodeDecodeError as error:
                raise BadUtf8(f"{name}: {error.reason} at byte {error.start}") from None
        else:
            raw.append(value)
        return stop

    def write(raw: Raw) -> bytes:
        value = _encode_utf8(raw[index]) if text else raw[index]
        if type(value) is not bytes:
            raise Unencodable(f"{name}: {kind(value)}, where bytes belong")
        if count is not None and count(raw) != len(value):
            raise Unencodable(f"{name}: {len(value)} bytes, where {count(raw)} belong")
        return value

    return 0, read, write


def _array(
    index: int, name: str, least: int, read_one: Reader, write_one: Writer, count: Callable[[Raw], int] | None
) -> tuple[Read, Write]:
    def read(data: bytes, at: int, end: int, raw: list[Any]) -> int:
        values = []
        if count is None:
            while at < end:
                value, at = read_one(data, at, end)
                values.append(value)
        else:
            left = count(raw)
            if left * least > end - at:  # before the loop: a count is a peer's word
                raise Truncated(f"{name}: {end - at} bytes left for {left} values of {least} or more")
            for _ in range(left):
                value, at = read_one(data, at, end)
                values.append(value)
        raw.append(tuple(values))
        return at

    def write(raw: Raw) -> bytes:
        values = raw[index]
        if not isinstance(values, tuple):
            raise Unencodable(f"{name}: {kind(values)}, where a tuple belongs")
        if count is not None and count(raw) != len(values):
            raise Unencodable(f"{name}: {len(values)} values, where {count(raw)} belong")
        return b"".join(map(write_one, values))

    return read, write


def _read_fixed(type_: Fixed) -> Reader:
    size, check = type_.size, type_.check
    unpack = struct.Struct(">" + type_.code).unpack_from

    def read(data: bytes, at: int, end: int) -> tuple[Any, int]:
        if end - at < size:
            raise Truncated(f"{end - at} bytes left of {size}")
        (value,) = unpack(data, at)
        if check:
            check(value)
        return value, at + size

    return read


def _write_fixed(name: str, type_: Fixed) -> Writer:
    _, _, write = _run([(0, name, type_)])
    return lambda value: write((value,))
