"""Which bytes are this message, and which message are these bytes?

A Codec is made for one catalogue and compiles each message when it first meets it. Which
class a value has is asked in classes.py.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from lnpd.errors import MessageTooLong, Truncated, Unencodable, UnknownEvenMessage
from lnpd.wire import fields
from lnpd.wire.base import Composite, Message, Tlvs, Unknown
from lnpd.wire.catalogue import Catalogue
from lnpd.wire.classes import message_class, record_class, stream_class, subtype_class
from lnpd.wire.fields import MAX_MESSAGE_LENGTH, Fixed, Variable
from lnpd.wire.layout import Shape, compile_layout
from lnpd.wire.rows import MessageRow, RecordRow, kept
from lnpd.wire.shapes import composite_shape, record_shape, stream_shape

Stream = TypeVar("Stream", bound=Tlvs)


class _MessageCodec(msgspec.Struct, frozen=True):
    type: type[Message]
    decode: Callable[[bytes], Message]
    encode: Callable[[Any], bytes]  # the message whose class `type` is


class Codec:
    """Encodes and decodes what one catalogue knows. It remembers nothing but what it compiled.

    A `lenient` one keeps even TLV records too that it does not know: for messages that were read by another codec.
    """

    def __init__(self, catalogue: Catalogue, lenient: bool = False) -> None:
        self.catalogue, self._lenient = catalogue, lenient
        self._messages: dict[int, _MessageCodec] = {}
        self._encoders: dict[type, Callable[[Any], bytes]] = {}
        self._shapes: dict[str, Shape] = {}
        self._composites: dict[str, type[Composite]] = {}
        self._streams: dict[str, tuple[type[Tlvs], Shape]] = {}

    def decode(self, data: bytes) -> Message | Unknown:
        """A message from its bytes, type included; an odd type that is not in the catalogue becomes Unknown.

        Raises a WireError: UnknownEvenMessage, Truncated, MessageTooLong, or what is wrong with a field or TLV record.
        """
        if not 2 <= len(data) <= MAX_MESSAGE_LENGTH:
            error = Truncated if len(data) < 2 else MessageTooLong
            raise error(f"a message of {len(data)} bytes: it has 2 to {MAX_MESSAGE_LENGTH}")
        number = data[0] << 8 | data[1]
        codec = self._messages.get(number) or self._known(number)
        if codec is None:
            if number % 2 == 0:
                raise UnknownEvenMessage(f"message {number} is even and unknown")
            return Unknown(number, bytes(data[2:]))
        return codec.decode(data)

    def encode(self, message: Message | Unknown) -> bytes:
        """The bytes of a message, type included. Raises Unencodable."""
        encoder = self._encoders.get(type(message)) or self._encoder(type(message))
        data = encoder(message)
        if len(data) > MAX_MESSAGE_LENGTH:
            raise Unencodable(f"a message of {len(data)} bytes: at most {MAX_MESSAGE_LENGTH} can be sent")
        return data

    def message_type(self, key: int | str) -> type[Message]:
        """The class of a message by number or name; a plugin's is built from its rows. Raises Unencodable."""
        row = self.catalogue.message(key)
        codec = self._known(row.number) if row else None
        if codec is None:
            raise Unencodable(f"message {key} is not in the catalogue")
        return codec.type

    def composite_type(self, name: str) -> type[Composite]:
        """The class of a composite type by name. Raises Unencodable."""
        if name not in self.catalogue.subtypes:
            raise Unencodable(f"subtype {name} is not in the catalogue")
        self._resolve(name)
        return self._composites[name]

    def record_type(self, stream: str, name: str) -> type[Composite]:
        """The class of a TLV record of several fields. Raises Unencodable."""
        row = self._record_row(stream, name)
        if len(kept(row.fields)) < 2:
            raise Unencodable(f"{stream} {name} has no class: it is its only field, or a flag")
        self._record(stream, row)
        return self._composites[f"{stream} {name}"]

    def tlvs_type(self, name: str) -> type[Tlvs]:
        """The class of a TLV stream by name. Raises Unencodable."""
        return self._stream(name)[0]

    def decode_tlvs(self, type_: type[Stream], data: bytes) -> Stream:
        """A stream that stands alone, as an onion's payload does. Raises WireErrors."""
        value, _ = self._stream(type_.NAME)[1].read(data, 0, len(data))
        assert isinstance(value, type_)
        return value

    def encode_tlvs(self, value: Tlvs) -> bytes:
        """The bytes of a stream that stands alone. Raises Unencodable."""
        return self._stream(value.NAME)[1].write(value)

    def decode_record(self, stream: str, name: str, data: bytes) -> Any:  # what the record's rows say
        """The value of one record, for those that a stream's class keeps in `unknown`. Raises WireErrors."""
        return self._record(stream, self._record_row(stream, name)).read(data, 0, len(data))[0]

    def encode_record(self, stream: str, name: str, value: Any) -> tuple[int, bytes]:  # what the record's rows say
        """A record as (type, value bytes), for `unknown`. Raises Unencodable."""
        row = self._record_row(stream, name)
        return row.number, self._record(stream, row).write(value)

    def _known(self, number: int) -> _MessageCodec | None:
        if number not in self._messages and (row := self.catalogue.message(number)):
            codec = self._compile(row)
            self._encoders[codec.type] = codec.encode
            self._messages[number] = codec
        return self._messages.get(number)

    def _encoder(self, type_: type) -> Callable[[Any], bytes]:
        if type_ is Unknown:
            return _encode_unknown
        number = type_.NUMBER if issubclass(type_, Message) else -1
        codec = self._known(number)
        if codec is None or codec.type is not type_:
            raise Unencodable(f"{type_.__name__} is no message of this catalogue")
        return codec.encode

    def _compile(self, row: MessageRow) -> _MessageCodec:
        layout = compile_layout(row.name, row.fields, self._resolve)
        tlvs_type, tlvs = self._stream(row.stream)
        type_ = message_class(row, tlvs_type)
        names, read, write = layout.names, layout.read, layout.write
        read_tlvs, write_tlvs = tlvs.read, tlvs.write
        number, values_of, empty = row.number.to_bytes(2, "big"), msgspec.structs.astuple, tlvs_type()

        def decode(data: bytes) -> Message:
            end = len(data)
            values, at = read(data, 2, end)
            extension = read_tlvs(data, at, end)[0] if at < end else empty
            return type_(**dict(zip(names, values, strict=True)), tlvs=extension)

        def encode(message: Message) -> bytes:
            values = values_of(message)
            extension = b"" if values[-1] == empty else write_tlvs(values[-1])
            return number + write(values) + extension

        return _MessageCodec(type_, decode, encode)

    def _resolve(self, name: str) -> Fixed | Variable | Shape:
        if simple := fields.fixed(name) or fields.VARIABLE.get(name):
            return simple
        subtype = self.catalogue.subtypes.get(name)
        if subtype is None:
            return self._stream(name.removeprefix("tlv_"))[1]
        if name not in self._shapes:
            layout = compile_layout(name, subtype.fields, self._resolve)
            self._composites[name] = subtype_class(subtype)
            self._shapes[name] = composite_shape(self._composites[name], layout)
        return self._shapes[name]

    def _stream(self, name: str) -> tuple[type[Tlvs], Shape]:
        if name not in self._streams:
            row = self.catalogue.streams.get(name)
            if row is None:
                raise Unencodable(f"TLV stream {name!r} is not in the catalogue")
            type_ = stream_class(row)
            shapes = {record.number: (record.name, self._record(name, record)) for record in row.records}
            self._streams[name] = type_, stream_shape(type_, name, shapes, self._lenient)
        return self._streams[name]

    def _record_row(self, stream: str, name: str) -> RecordRow:
        row = self.catalogue.record(stream, name)
        if row is None:
            raise Unencodable(f"{stream} has no record {name}")
        return row

    def _record(self, stream: str, row: RecordRow) -> Shape:
        key = f"{stream} {row.name}"
        if key not in self._shapes:
            layout = compile_layout(key, row.fields, self._resolve)
            if len(layout.names) > 1:
                self._composites[key] = record_class(stream, row)
            self._shapes[key] = record_shape(stream, row, layout, self._composites.get(key))
        return self._shapes[key]


def _encode_unknown(message: Unknown) -> bytes:
    if not 0 <= message.number <= 0xFFFF:
        raise Unencodable(f"message {message.number} is no number of 2 bytes")
    return message.number.to_bytes(2, "big") + message.payload
