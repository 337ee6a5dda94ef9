"""Do the rows of one owner make sense together with those that are there?

Every type exists and ends; a count is an earlier integer field; what takes the rest stands last; and no element of an
array may be empty, or a few bytes could ask for any number of them.
"""

from collections.abc import Mapping
from typing import NamedTuple

from lnpd.errors import BadRow
from lnpd.wire import fields
from lnpd.wire.rows import REST, FieldRow, Rows, StreamRow, SubtypeRow

RESERVED_ATTRIBUTES = {"message": {"tlvs", "message_name"}, "tlv_stream": {"unknown"}}  # what the classes already have
MAX_NESTING = 8


def check(owner: str, rows: Rows, streams: Mapping[str, StreamRow], subtypes: Mapping[str, SubtypeRow]) -> None:
    """Check what `owner` added, given all streams and subtypes with those of the rows. Raises BadRow."""
    scope = _Scope(owner, streams, subtypes)
    for subtype in rows.subtypes:
        scope.fields("subtype", subtype.name, subtype.fields)
    for stream in rows.streams:
        scope.names("tlv_stream", stream.name, [record.name for record in stream.records])
        for record in stream.records:
            scope.fields("type", f"{stream.name} {record.name}", record.fields)
    for message in rows.messages:
        scope.fields("message", message.name, message.fields)
        if message.stream not in streams:
            raise BadRow(f"{owner}: {message.name} ends in {message.stream}, which is no tlv_stream")
        if any(scope.extent_of(field).greedy for field in message.fields):
            raise BadRow(f"{owner}: {message.name} has a field that takes the rest, where its TLV stream stands")


class Extent(NamedTuple):
    """How far a type can reach: its fewest bytes, whether it ends only where the record does, and its nesting."""

    least: int
    greedy: bool
    depth: int = 0


class _Scope:
    """The types that may be named, each measured once."""

    def __init__(self, owner: str, streams: Mapping[str, StreamRow], subtypes: Mapping[str, SubtypeRow]) -> None:
        self.owner, self.streams, self.subtypes = owner, streams, subtypes
        self.measured = {fields.UTF8: Extent(1, False)}
        self.measured |= {name: Extent(type_.least, type_.greedy) for name, type_ in fields.VARIABLE.items()}
        self.open: set[str] = set()  # composite types that are being measured: meeting one again is a cycle

    def names(self, kind: str, where: str, names: list[str]) -> None:
        taken = set(RESERVED_ATTRIBUTES.get(kind, ()))
        for name in names:
            if name in taken:
                raise BadRow(f"{self.owner}: {where}: the name {name} is taken")
            taken.add(name)

    def fields(self, kind: str, where: str, row: tuple[FieldRow, ...]) -> None:
        self.names(kind, where, [field.name for field in row])
        earlier: dict[str, str] = {}
        for field in row:
            self.count(where, field, earlier)
            if field is not row[-1] and self.extent_of(field).greedy:
                raise BadRow(f"{self.owner}: {where}: {field.name} takes the rest, and {row[-1].name} follows it")
            earlier[field.name] = "" if field.count else field.type
        if sum(self.extent_of(field).least for field in row) > fields.MAX_MESSAGE_LENGTH:
            raise BadRow(f"{self.owner}: {where} does not fit a message of {fields.MAX_MESSAGE_LENGTH} bytes")

    def count(self, where: str, field: FieldRow, earlier: Mapping[str, str]) -> None:
        extent = self.extent(field.type)
        if field.type == fields.UTF8 and not field.count:
            raise BadRow(f"{self.owner}: {where}: {field.name} is utf8 without a count")
        if field.count and (extent.least == 0 or extent.greedy):
            raise BadRow(f"{self.owner}: {where}: {field.name} repeats {field.type}, which can be empty or has no end")
        if field.count in ("", REST) or field.count.isdigit():
            return
        if earlier.get(field.count) not in fields.COUNTS:
            raise BadRow(
                f"{self.owner}: {where}: {field.count}, which counts {field.name}, is no earlier integer field"
            )

    def extent_of(self, field: FieldRow) -> Extent:
        """How far a field can reach."""
        one = self.extent(field.type)
        times = int(field.count) if field.count.isdigit() else 0 if field.count else 1
        return Extent(one.least * times, one.greedy or field.count == REST, one.depth)

    def extent(self, name: str) -> Extent:
        """How far one value of a type can reach; a type that does not exist, or contains itself, is refused."""
        if name in self.measured:
            return self.measured[name]
        if fixed := fields.fixed(name):
            return Extent(fixed.size, False)
        if name in self.open:
            raise BadRow(f"{self.owner}: {name} contains itself")
        if len(self.open) >= MAX_NESTING:
            raise BadRow(f"{self.owner}: {name} is nested deeper than {MAX_NESTING}")
        self.open.add(name)
        found = self.measured[name] = self.composite(name)
        self.open.discard(name)
        if found.depth > MAX_NESTING:
            raise BadRow(f"{self.owner}: {name} is nested deeper than {MAX_NESTING}")
        return found

    def composite(self, name: str) -> Extent:
        if name in self.subtypes:
            parts = [self.extent_of(field) for field in self.subtypes[name].fields]
            depth = 1 + max((part.depth for part in parts), default=0)
            return Extent(sum(part.least for part in parts), any(part.greedy for part in parts), depth)
        stream = self.streams.get(name.removeprefix("tlv_"))
        if stream is None:
            raise BadRow(f"{self.owner}: {name} is no type, subtype or tlv_stream")
        parts = [self.extent_of(field) for record in stream.records for field in record.fields]
        return Extent(0, True, 1 + max((part.depth for part in parts), default=0))
