"""How are the bytes of a transaction or a block read, when a stranger may have written them?

lnpd.tx has the transactions that lnpd makes; this reads everybody's: with scriptSigs, any version, and exactly the form
of BIP 144, every count bounded by the bytes that are there. (embit's reader believes the counts.)
"""

from __future__ import annotations

from functools import cached_property
from struct import Struct
from typing import Final

from lnpd.errors import TransactionMalformed
from lnpd.tx.transaction import hash256

Point = tuple[bytes, int]
"""An outpoint inside this layer: txid and output index. A tuple, because the indexes hold it by the thousand."""

HEADER_BYTES: Final = 80
NULL_POINT: Final[Point] = (bytes(32), 0xFFFFFFFF)

_U16, _U32, _U64, _I32, _I64 = Struct("<H"), Struct("<I"), Struct("<Q"), Struct("<i"), Struct("<q")
_SMALLEST_INPUT, _SMALLEST_OUTPUT = 41, 9


class Reader:
    """A place in some bytes. Raises TransactionMalformed when they end early or a length is not minimal."""

    def __init__(self, data: bytes, offset: int = 0) -> None:
        self.data = data
        self.offset = offset

    def take(self, length: int) -> bytes:
        """The next `length` bytes."""
        start, self.offset = self.offset, self.offset + length
        if self.offset > len(self.data):
            raise TransactionMalformed("A transaction ends early.")
        return self.data[start : self.offset]

    def number(self, form: Struct) -> int:
        """The next integer of a fixed form."""
        value: int = form.unpack(self.take(form.size))[0]
        return value

    def compact(self) -> int:
        """The next compact size."""
        first = self.take(1)[0]
        if first < 0xFD:
            return first
        form, least = ((_U16, 0xFD), (_U32, 0x10000), (_U64, 0x1_0000_0000))[first - 0xFD]
        value = self.number(form)
        if value < least:
            raise TransactionMalformed("A compact size is not minimal.")
        return value

    def count(self, smallest: int) -> int:
        """The next compact size, of things that take at least `smallest` bytes each."""
        value = self.compact()
        if value * smallest > len(self.data) - self.offset:
            raise TransactionMalformed("A transaction ends early.")
        return value

    def string(self) -> bytes:
        """The next bytes behind their compact size."""
        return self.take(self.compact())


class Input:
    """An input: the outpoint that it spends, scriptSig, sequence and witness items."""

    __slots__ = ("point", "script_sig", "sequence", "witness")

    def __init__(self, point: Point, script_sig: bytes, sequence: int) -> None:
        self.point = point
        self.script_sig = script_sig
        self.sequence = sequence
        self.witness: tuple[bytes, ...] = ()


class TxOutput:
    """An output: its value and its scriptPubKey."""

    __slots__ = ("script", "value_sat")

    def __init__(self, value_sat: int, script: bytes) -> None:
        self.value_sat = value_sat
        self.script = script


class Transaction:
    """A transaction as it was read; nobody changes it afterwards."""

    def __init__(self, reader: Reader) -> None:
        start = reader.offset
        self.version = reader.number(_I32)
        body = reader.offset
        segwit = reader.data[body : body + 1] == b"\0"
        if segwit and reader.take(2) != b"\0\x01":
            raise TransactionMalformed("A transaction has no inputs, or an unknown flag (BIP 144).")
        body = reader.offset
        self.inputs = tuple(_read_input(reader) for _ in range(reader.count(_SMALLEST_INPUT)))
        self.outputs = tuple(
            TxOutput(reader.number(_I64), reader.string()) for _ in range(reader.count(_SMALLEST_OUTPUT))
        )
        body_end = reader.offset
        if segwit:
            for spent in self.inputs:
                spent.witness = tuple(reader.string() for _ in range(reader.count(1)))
            if not any(spent.witness for spent in self.inputs):
                raise TransactionMalformed("A transaction in the form of BIP 144 has no witness.")
        self.locktime = reader.number(_U32)
        self.raw = reader.data[start : reader.offset]
        self.stripped = self.raw[:4] + reader.data[body:body_end] + self.raw[-4:] if segwit else self.raw

    @cached_property
    def txid(self) -> bytes:
        """The transaction's id."""
        return hash256(self.stripped)

    @cached_property
    def wtxid(self) -> bytes:
        """The id that commits to the witnesses too (BIP 141)."""
        return hash256(self.raw)

    @property
    def weight(self) -> int:
        """Weight units (BIP 141)."""
        return 3 * len(self.stripped) + len(self.raw)

    @property
    def virtual_bytes(self) -> int:
        """A quarter of the weight, rounded up."""
        return (self.weight + 3) // 4

    @property
    def is_coinbase(self) -> bool:
        """Whether it makes the block's new coins."""
        return len(self.inputs) == 1 and self.inputs[0].point == NULL_POINT


def _read_input(reader: Reader) -> Input:
    point = (reader.take(32), reader.number(_U32))
    return Input(point, reader.string(), reader.number(_U32))


def read_transaction(raw: bytes) -> Transaction:
    """The transaction in `raw`, which ends where it ends. Raises TransactionMalformed."""
    reader = Reader(raw)
    transaction = Transaction(reader)
    if reader.offset != len(raw):
        raise TransactionMalformed("Bytes follow a transaction.")
    return transaction


class Block:
    """A block as it was read: header fields and transactions. Whether it is valid is the kernel's to say."""

    def __init__(self, raw: bytes) -> None:
        reader = Reader(raw)
        header = reader.take(HEADER_BYTES)
        self.hash = hash256(header)
        self.previous = header[4:36]
        self.time_seconds: int = _U32.unpack_from(header, 68)[0]
        self.transactions = tuple(Transaction(reader) for _ in range(reader.count(_SMALLEST_INPUT + _SMALLEST_OUTPUT)))
        if reader.offset != len(raw) or not self.transactions:
            raise TransactionMalformed("A block holds no transaction, or bytes follow it.")
