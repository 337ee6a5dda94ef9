"""What are the records of a TLV stream (BOLT 1, "Type-Length-Value Format")?

Only types, lengths and their order are read here; codec.py knows what the values mean.
"""

from collections.abc import Iterable, Iterator

from lnpd.errors import TlvOutOfOrder, Truncated, Unencodable
from lnpd.wire.fields import read_bigsize, write_bigsize


def spans(data: bytes, at: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Each record of data[at:end] as type, begin and end of its value, in strictly ascending order of types.

    Raises Truncated, NotMinimal, TlvOutOfOrder.
    """
    last = -1
    while at < end:
        number, at = read_bigsize(data, at, end)
        if number <= last:
            raise TlvOutOfOrder(f"TLV type {number} after {last}")
        last = number
        length, at = read_bigsize(data, at, end)
        if length > end - at:
            raise Truncated(f"TLV type {number}: length {length}, {end - at} bytes left")
        yield number, at, at + length
        at += length


def split(data: bytes) -> tuple[tuple[int, bytes], ...]:
    """The records of a whole stream as (type, value). Raises as `spans` does."""
    return tuple((number, data[begin:end]) for number, begin, end in spans(data, 0, len(data)))


def join(records: Iterable[tuple[int, bytes]]) -> bytes:
    """The stream of these records, which may come in any order. Raises Unencodable if a type occurs twice."""
    ordered = sorted(records, key=lambda record: record[0])
    if len({number for number, _ in ordered}) < len(ordered):
        raise Unencodable(f"a TLV type occurs twice in {[number for number, _ in ordered]}")
    return b"".join(write_bigsize(number) + write_bigsize(len(value)) + value for number, value in ordered)
