"""What do all messages, TLV streams and composite types have in common?

They are frozen msgspec values; what follows from others, a count, is not in them. The generated classes, and those
that are built for a plugin's rows, derive from these.
"""

from typing import ClassVar

import msgspec


class Tlvs(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A TLV stream: one attribute a known record, None (or False, for a record without fields) where it is absent.

    `unknown` keeps the records that this class has no attribute for as (type, value), in ascending order: odd ones that
    nobody here knows, and those that a plugin owns. They are encoded again as they came.
    """

    NAME: ClassVar[str] = ""

    unknown: tuple[tuple[int, bytes], ...] = ()


class Composite(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A composite type of a BOLT (`subtype`), or a TLV record of several fields."""

    NAME: ClassVar[str] = ""


class Message(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="message_name"):
    """A message with a number and a name in the BOLTs or in a plugin's manifest; the last attribute is `tlvs`."""

    NUMBER: ClassVar[int] = -1
    NAME: ClassVar[str] = ""


class Unknown(msgspec.Struct, frozen=True, tag="unknown", tag_field="message_name"):
    """A message of an odd type that nobody here knows; BOLT 1 has it ignored. `payload` is without the type."""

    number: int
    payload: bytes
