"""Which messages, TLV records and composite types are there, and who owns each?

A catalogue is a value. A plugin's manifest makes a larger one of it with `with_rows`, and a claim to what somebody
already owns is refused with both names.

Numbers. BOLT 1 keeps messages below 32768 and TLV types below 65536 for the specification, so nobody but `bolt` may
claim one unless the caller says `reserved=True` (a plugin that implements a draft of the specification). Above them an
owner may take odd and even numbers alike: even ones are right where a peer that does not know them must not go on, and
whether the peer agreed to them is asked where they are sent, not here.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import TypeVar

import msgspec

from lnpd.errors import CatalogueClash, ReservedNumber
from lnpd.wire import fields
from lnpd.wire.check import check
from lnpd.wire.messages import ROWS
from lnpd.wire.rows import MessageRow, RecordRow, StreamRow, SubtypeRow, parse

SPECIFICATION = "bolt"  # the owner of what the BOLTs define
FIRST_CUSTOM_MESSAGE = 32768  # BOLT 1, "Lightning Message Format"
FIRST_CUSTOM_TLV = 65536  # BOLT 1, "Type-Length-Value Format"

Key = TypeVar("Key", int, str)
Row = TypeVar("Row", MessageRow, RecordRow, SubtypeRow)


class Catalogue(msgspec.Struct, frozen=True):
    """Everything on the wire by name, and the owners whose rows it is made of."""

    owners: tuple[str, ...] = ()
    messages: Mapping[str, MessageRow] = MappingProxyType({})
    streams: Mapping[str, StreamRow] = MappingProxyType({})
    subtypes: Mapping[str, SubtypeRow] = MappingProxyType({})
    numbers: Mapping[int, MessageRow] = MappingProxyType({})

    def message(self, key: int | str) -> MessageRow | None:
        """The message of that number or name, or None."""
        return self.numbers.get(key) if isinstance(key, int) else self.messages.get(key)

    def record(self, stream: str, key: int | str) -> RecordRow | None:
        """The record of that type or name in a stream, or None."""
        found = self.streams.get(stream)
        return next((row for row in found.records if key in (row.number, row.name)), None) if found else None

    def with_rows(self, owner: str, rows: str | Iterable[str], *, reserved: bool = False) -> "Catalogue":
        """This catalogue and all rows of one more owner (their notation stands in rows.py).

        Raises BadRow (a row cannot be read, or names a type that does not exist), CatalogueClash (somebody owns it
        already) and ReservedNumber (a number of the specification's, without `reserved`).
        """
        if owner in self.owners:
            raise CatalogueClash(f"{owner} has its rows here already: another {owner} cannot add to them")
        more = parse(owner, rows)
        if owner != SPECIFICATION and not reserved:
            _refuse_reserved_messages(more.messages)
        messages, numbers = dict(self.messages), dict(self.numbers)
        for message in more.messages:
            _claim(messages, message.name, message, "message name")
            _claim(numbers, message.number, message, "message")
        subtypes = dict(self.subtypes)
        for subtype in more.subtypes:
            _claim(subtypes, subtype.name, subtype, "subtype")
        streams = self._with_streams(more.messages, more.streams, reserved or owner == SPECIFICATION)
        _refuse_shadows(subtypes.values(), streams)
        check(owner, more, streams, subtypes)
        return Catalogue(
            owners=(*self.owners, owner),
            messages=MappingProxyType(messages),
            streams=MappingProxyType(streams),
            subtypes=MappingProxyType(subtypes),
            numbers=MappingProxyType(numbers),
        )

    def _with_streams(
        self, messages: Iterable[MessageRow], more: Iterable[StreamRow], reserved: bool
    ) -> dict[str, StreamRow]:
        streams = dict(self.streams)
        for message in messages:  # every message can be extended, also one whose stream nobody has described yet
            if message.stream == f"{message.name}_tlvs":
                streams.setdefault(message.stream, StreamRow(message.stream, message.owner))
        for stream in more:
            there = streams.get(stream.name, StreamRow(stream.name, stream.owner))
            numbers, names = {row.number: row for row in there.records}, {row.name: row for row in there.records}
            for record in stream.records:
                if not reserved and there.owner == SPECIFICATION and record.number < FIRST_CUSTOM_TLV:
                    text = f"{record.owner} claims type {record.number} ({record.name}) of {stream.name}"
                    raise ReservedNumber(f"{text}: types below {FIRST_CUSTOM_TLV} are the specification's")
                _claim(names, record.name, record, f"{stream.name} record name")
                _claim(numbers, record.number, record, f"{stream.name} type")
            streams[stream.name] = StreamRow(stream.name, there.owner, tuple(numbers[key] for key in sorted(numbers)))
        return streams


def _refuse_reserved_messages(messages: Iterable[MessageRow]) -> None:
    for row in messages:
        if row.number < FIRST_CUSTOM_MESSAGE:
            text = f"{row.owner} claims message {row.number} ({row.name})"
            raise ReservedNumber(f"{text}: numbers below {FIRST_CUSTOM_MESSAGE} are the specification's")


def _refuse_shadows(subtypes: Iterable[SubtypeRow], streams: Mapping[str, StreamRow]) -> None:
    """A row's type is looked up among fundamental types, subtypes and streams: one name means one of them."""
    for row in subtypes:
        if row.name in fields.FUNDAMENTAL:
            raise CatalogueClash(f"subtype {row.name}: a fundamental type of {SPECIFICATION}, claimed by {row.owner}")
        if stream := streams.get(row.name.removeprefix("tlv_")):
            raise CatalogueClash(f"subtype {row.name}: {stream.owner} has it as a tlv_stream, claimed by {row.owner}")


def _claim(table: dict[Key, Row], key: Key, row: Row, what: str) -> None:
    there = table.setdefault(key, row)
    if there is not row:
        raise CatalogueClash(f"{what} {key}: {there.owner} has it as {there.name}, {row.owner} claims it as {row.name}")


BOLT = Catalogue().with_rows(SPECIFICATION, ROWS[SPECIFICATION])
"""The messages of BOLT 1, 2, 4 and 7, and the TLV streams of BOLT 4 and 12."""

CORE = BOLT.with_rows("lnpd", ROWS["lnpd"])
"""BOLT and lnpd's own messages and records: what `message.encode` and `decode` know, and what plugins add to."""
