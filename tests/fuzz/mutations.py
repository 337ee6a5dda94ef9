"""What can be wrong with a message that was right?

    mutated(chance, message)       what is sent instead of it: nothing, one message or two
    invented(chance, row, ids)     a message of a row of the catalogue, with values at their boundaries

Both know the fields of a message from lnpd's own catalogue: a number goes to the ends of its type and one off what it
was, a count no longer fits what it counts, TLV records are unknown, twice, out of order, or of no length.
"""

from collections.abc import Callable, Sequence
from random import Random
from typing import NamedTuple

from lnpd.crypto import secp
from lnpd.crypto.noise import MAX_MESSAGE_BYTES
from lnpd.peer.chains import CHAIN_HASHES
from lnpd.wire import fields
from lnpd.wire.catalogue import CORE
from lnpd.wire.fields import write_bigsize
from lnpd.wire.rows import REST, FieldRow, MessageRow

POINTS = tuple(secp.public_key(bytes([n]) * 32) for n in (1, 2, 3))
NO_POINTS = (b"\2" + bytes(32), b"\2" + b"\xff" * 32, b"\4" + POINTS[0][1:], bytes(33))
COUNTS = (0, 1, 2, 3, 30, 484, 1000)


class Span(NamedTuple):
    """Where a field is in a message's bytes; `counts` if it says how many others there are."""

    field: FieldRow
    begin: int
    end: int
    counts: bool


def spans(data: bytes) -> tuple[list[Span], int]:
    """The fields of a message as far as they have fixed sizes or counts, and where its TLV records begin."""
    row = CORE.message(int.from_bytes(data[:2], "big"))
    found: list[Span] = []
    at = 2
    if row is None:
        return found, at
    counters = {field.count for field in row.fields}
    values: dict[str, int] = {}
    for field in row.fields:
        size = fields.fixed(field.type)
        if size is None or field.count == REST:
            break
        number = int(field.count) if field.count.isdigit() else values.get(field.count, 1)
        end = at + number * size.size
        if end > len(data):
            break
        found.append(Span(field, at, end, field.name in counters))
        values[field.name] = int.from_bytes(data[at:end], "big")
        at = end
    return found, at


def _with(data: bytes, span: Span, value: bytes) -> bytes:
    return data[: span.begin] + value + data[span.end :]


def _number(chance: Random, old: int, size: int) -> bytes:
    most = (1 << 8 * size) - 1
    near = (old - 1, old + 1, old * 2, old * 1000, old // 2)
    return (chance.choice((0, 1, 2, most, most - 1, most // 2 + 1, *near)) & most).to_bytes(size, "big")


def _octets(chance: Random, old: bytes, kind: str) -> bytes:
    if kind == "point":
        flipped = bytes([old[0] ^ 1]) + old[1:]
        return chance.choice((*POINTS, *NO_POINTS, flipped))
    at = chance.randrange(len(old)) if old else 0
    flipped = old[:at] + bytes([old[at] ^ 1 << chance.randrange(8)]) + old[at + 1 :] if old else b""
    return chance.choice((flipped, bytes(len(old)), b"\xff" * len(old), chance.randbytes(len(old))))


# What can be done to a message: each returns what is sent instead of it


def at_a_boundary(chance: Random, data: bytes) -> Sequence[bytes]:
    """One field has another value of its type; a channel's id mostly stays, else the message is nobody's."""
    found = [span for span in spans(data)[0] if span.field.type != "channel_id" or not chance.randrange(8)]
    if not found:
        return at_random(chance, data)
    span = chance.choice(found)
    old, kind = data[span.begin : span.end], fields.fixed(span.field.type)
    if kind is not None and kind.python == "int" and not span.field.count:
        return (_with(data, span, _number(chance, int.from_bytes(old, "big"), kind.size)),)
    return (_with(data, span, _octets(chance, old, span.field.type)),)


def of_another_count(chance: Random, data: bytes) -> Sequence[bytes]:
    """A count that does not fit what it counts."""
    found = [span for span in spans(data)[0] if span.counts]
    if not found:
        return at_a_boundary(chance, data)
    span = chance.choice(found)
    old = int.from_bytes(data[span.begin : span.end], "big")
    return (_with(data, span, _number(chance, old, span.end - span.begin)),)


def cut(chance: Random, data: bytes) -> Sequence[bytes]:
    """Its end is missing, often from a field's border on."""
    borders = [span.begin for span in spans(data)[0]]
    at = chance.choice(borders) if borders and chance.randrange(2) else chance.randrange(len(data))
    return (data[:at],)


def _record(number: int, value: bytes) -> bytes:
    return write_bigsize(number) + write_bigsize(len(value)) + value


def with_records(chance: Random, data: bytes) -> Sequence[bytes]:
    """TLV records behind it: unknown odd and even ones, twice, out of order, too long, badly written, known ones."""
    row = CORE.message(int.from_bytes(data[:2], "big"))
    stream = CORE.streams.get(row.stream) if row else None
    known = [record.number for record in stream.records] if stream else []
    value = chance.randbytes(chance.choice((0, 1, 8, 32, 33, 64, 300)))
    number = chance.choice((*known, 1, 2, 65, 66, 65537, 65538, (1 << 64) - 1, (1 << 64) - 2))
    record = _record(number, value)
    tails = (
        record,
        record + record,
        _record(number | 1, value) + _record(1, b""),
        write_bigsize(number) + b"\xff" + b"\xff" * 8 + value,
        b"\xfd\x00\x01" + b"\x00",
        write_bigsize(number) + b"\xfd\xff\xff" + bytes(1000),
        chance.randbytes(chance.choice((1, 40, 60_000))),
    )
    tail = chance.choice(tails)
    records_at = spans(data)[1]
    return ((data if chance.randrange(3) else data[:records_at]) + tail,)


def at_random(chance: Random, data: bytes) -> Sequence[bytes]:
    """Some bytes are others."""
    changed = bytearray(data)
    for _ in range(chance.randint(1, 8)):
        if len(changed) > 2:
            changed[chance.randrange(2, len(changed))] = chance.randrange(256)
    return (bytes(changed),)


def of_another_number(chance: Random, data: bytes) -> Sequence[bytes]:
    """The same fields under another message's number."""
    number = chance.choice((*CORE.numbers, chance.randrange(1 << 16)))
    return (number.to_bytes(2, "big") + data[2:],)


def twice(_chance: Random, data: bytes) -> Sequence[bytes]:
    """Said twice."""
    return (data, data)


def twice_with_a_slip(chance: Random, data: bytes) -> Sequence[bytes]:
    """Said, and said again differently."""
    return (data, *at_a_boundary(chance, data))


def not_at_all(_chance: Random, _data: bytes) -> Sequence[bytes]:
    """Kept back."""
    return ()


Mutation = Callable[[Random, bytes], Sequence[bytes]]
MUTATIONS: dict[Mutation, int] = {
    at_a_boundary: 12,
    of_another_count: 2,
    cut: 2,
    with_records: 4,
    at_random: 2,
    of_another_number: 2,
    twice: 3,
    twice_with_a_slip: 3,
    not_at_all: 2,
}


def mutated(chance: Random, data: bytes) -> tuple[bytes, ...]:
    """What is sent instead of a message."""
    (mutation,) = chance.choices(list(MUTATIONS), list(MUTATIONS.values()))
    return tuple(message[:MAX_MESSAGE_BYTES] for message in mutation(chance, data))


# Messages out of nothing


def invented(chance: Random, row: MessageRow, ids: Sequence[bytes]) -> bytes:
    """A message of this row about a channel of these ids: its fields fit each other, its values are anything."""
    lengths = {field.count: chance.choice(COUNTS) for field in row.fields if field.count}
    out = row.number.to_bytes(2, "big")
    for field in row.fields:
        kind = fields.fixed(field.type)
        if kind is None:
            return out + chance.randbytes(chance.randrange(200))
        if field.name in lengths:
            lengths[field.name] %= 1 << 8 * kind.size
            out += lengths[field.name].to_bytes(kind.size, "big")
            continue
        number = int(field.count) if field.count.isdigit() else lengths.get(field.count, 1) if field.count else 1
        out += b"".join(_value(chance, field.type, kind, ids) for _ in range(number))
    return (out if chance.randrange(4) else with_records(chance, out)[0])[:MAX_MESSAGE_BYTES]


def _value(chance: Random, name: str, kind: fields.Fixed, ids: Sequence[bytes]) -> bytes:
    if name == "channel_id":
        return chance.choice(ids)
    if name == "chain_hash":
        return CHAIN_HASHES["regtest"]
    if name == "point":
        return chance.choice(POINTS) if chance.randrange(4) else chance.choice(NO_POINTS)
    if kind.python == "int":
        return _number(chance, chance.choice((1, 144, 253, 1000, 500_000)), kind.size)
    return chance.randbytes(kind.size)
