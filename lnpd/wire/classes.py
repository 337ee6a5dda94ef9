"""Which class do values of a row have?

The generated one for rows of the core; for a plugin's rows one is built, with the same base and attributes. Its
attributes are of any type: the codec checks each value as it writes it.
"""

from typing import Any, TypeVar, cast

import msgspec

from lnpd.wire import messages
from lnpd.wire.base import Composite, Message, Tlvs
from lnpd.wire.rows import MessageRow, RecordRow, StreamRow, SubtypeRow, camel, kept

Base = TypeVar("Base", Message, Tlvs, Composite)

# What is built at run time has no static type: hence Any here.


def message_class(row: MessageRow, tlvs: type[Tlvs]) -> type[Message]:
    """The class of a message."""
    if row.owner in messages.ROWS:
        return messages.MESSAGES[row.name]
    attributes = [*((field.name, Any) for field in kept(row.fields)), ("tlvs", tlvs, tlvs())]
    constants = {"NAME": row.name, "NUMBER": row.number}
    return _build(Message, row.name, attributes, constants, tag=row.name)


def stream_class(row: StreamRow) -> type[Tlvs]:
    """The class of a TLV stream. Records of other owners than the stream's are kept in its `unknown`."""
    if row.owner in messages.ROWS:
        return messages.STREAMS.get(row.name, Tlvs)
    own = [record for record in row.records if record.owner == row.owner]
    attributes = [(record.name, Any, None if kept(record.fields) else False) for record in own]
    return _build(Tlvs, row.name, attributes, {"NAME": row.name})


def subtype_class(row: SubtypeRow) -> type[Composite]:
    """The class of a composite type."""
    if row.owner in messages.ROWS:
        return messages.COMPOSITES[row.name]
    return _build(Composite, row.name, [(field.name, Any) for field in kept(row.fields)], {"NAME": row.name})


def record_class(stream: str, row: RecordRow) -> type[Composite]:
    """The class of a TLV record of several fields."""
    if row.owner in messages.ROWS:
        return messages.RECORDS[stream, row.name]
    return _build(Composite, row.name, [(field.name, Any) for field in kept(row.fields)], {"NAME": row.name})


def _build(
    base: type[Base], name: str, attributes: list[Any], constants: dict[str, Any], tag: str | None = None
) -> type[Base]:
    built = msgspec.defstruct(
        camel(name), attributes, bases=(base,), namespace=constants, frozen=True, kw_only=True, tag=tag
    )
    return cast("type[Base]", built)
