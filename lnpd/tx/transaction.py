"""What is a Bitcoin transaction, as a value?

Frozen, with serialisation (BIP 144) and its strict reverse, txid, and the digests that segwit version 0 signatures
commit to (BIP 143).
Hashes are in internal byte order throughout.
"""

import struct
from functools import lru_cache
from hashlib import sha256

import msgspec

from lnpd.errors import TransactionUnreadable

SIGHASH_ALL = 0x01
SIGHASH_SINGLE = 0x03
SIGHASH_ANYONECANPAY = 0x80

MAX_TRANSACTION_BYTES = 4_000_000

_pack_version = struct.Struct("<i").pack
_pack_uint = struct.Struct("<I").pack
_pack_amount = struct.Struct("<q").pack
_ONE_BYTE = tuple(bytes((number,)) for number in range(0xFD))


def hash256(data: bytes) -> bytes:
    """SHA256 twice."""
    return sha256(sha256(data).digest()).digest()


def compact_size(number: int) -> bytes:
    """Bitcoin's variable-length integer."""
    if number < 0xFD:
        return _ONE_BYTE[number]
    if number <= 0xFFFF:
        return b"\xfd" + struct.pack("<H", number)
    if number <= 0xFFFFFFFF:
        return b"\xfe" + struct.pack("<I", number)
    return b"\xff" + struct.pack("<Q", number)


def with_length(data: bytes) -> bytes:
    """A byte string behind its compact size."""
    return compact_size(len(data)) + data


class TxIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An input. Every input that lnpd makes is segwit, with an empty scriptSig; a stranger's may have one."""

    txid: bytes
    vout: int
    sequence: int = 0xFFFFFFFF
    witness: tuple[bytes, ...] = ()
    script_sig: bytes = b""

    @property
    def outpoint(self) -> bytes:
        """The 36 bytes of the outpoint."""
        return self.txid + _pack_uint(self.vout)


class TxOut(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An output."""

    value_sat: int
    script_pubkey: bytes

    def serialise(self) -> bytes:
        """Amount and script."""
        return _pack_amount(self.value_sat) + with_length(self.script_pubkey)


class Tx(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A transaction."""

    inputs: tuple[TxIn, ...]
    outputs: tuple[TxOut, ...]
    locktime: int = 0
    version: int = 2

    def _body(self) -> tuple[bytes, bytes, bytes]:
        inputs = b"".join([i.outpoint + with_length(i.script_sig) + _pack_uint(i.sequence) for i in self.inputs])
        return (
            _pack_version(self.version),
            compact_size(len(self.inputs)) + inputs + compact_size(len(self.outputs)) + _outputs(self.outputs),
            _pack_uint(self.locktime),
        )

    def serialise(self) -> bytes:
        """The bytes for the network (BIP 144); without witnesses, the bytes that the txid is the hash of."""
        version, body, locktime = self._body()
        if not any(i.witness for i in self.inputs):
            return version + body + locktime
        witness = b"".join(
            compact_size(len(i.witness)) + b"".join(with_length(item) for item in i.witness) for i in self.inputs
        )
        return version + b"\0\x01" + body + witness + locktime

    @property
    def txid(self) -> bytes:
        """The transaction's id, internal byte order."""
        return _txid(self)

    @property
    def weight(self) -> int:
        """Weight units (BIP 141)."""
        stripped = sum(map(len, self._body()))
        return 3 * stripped + (len(self.serialise()) if any(i.witness for i in self.inputs) else stripped)

    def sighash(self, index: int, script_code: bytes, value_sat: int, flags: int = SIGHASH_ALL) -> bytes:
        """The digest that a signature of input `index` commits to (BIP 143).

        `script_code` is the witness script (for P2WPKH the matching P2PKH script) without its length.
        """
        anyone, single = bool(flags & SIGHASH_ANYONECANPAY), flags & 0x1F == SIGHASH_SINGLE
        spent = self.inputs[index]
        prevouts = sequences = outputs = bytes(32)
        if not anyone:
            prevouts = hash256(b"".join(i.outpoint for i in self.inputs))
            if not single:
                sequences = hash256(b"".join(_pack_uint(i.sequence) for i in self.inputs))
        if not single:
            outputs = hash256(_outputs(self.outputs))
        elif index < len(self.outputs):
            outputs = hash256(self.outputs[index].serialise())
        return hash256(
            _pack_version(self.version)
            + prevouts
            + sequences
            + spent.outpoint
            + with_length(script_code)
            + _pack_amount(value_sat)
            + _pack_uint(spent.sequence)
            + outputs
            + _pack_uint(self.locktime)
            + _pack_uint(flags)
        )

    def with_witness(self, index: int, witness: tuple[bytes, ...]) -> "Tx":
        """The same transaction with the witness of one input."""
        inputs = list(self.inputs)
        inputs[index] = msgspec.structs.replace(inputs[index], witness=witness)
        return msgspec.structs.replace(self, inputs=tuple(inputs))


# Whoever builds, keeps, checks and signs a commitment asks for its id, its weight or what is signed of it.
@lru_cache(maxsize=32)
def _outputs(outputs: tuple[TxOut, ...]) -> bytes:
    return b"".join([output.serialise() for output in outputs])


@lru_cache(maxsize=32)
def _txid(tx: Tx) -> bytes:
    return hash256(b"".join(tx._body()))


def parse(data: bytes) -> Tx:
    """The transaction of these bytes, in exactly the form that `serialise` writes. Raises TransactionUnreadable."""
    if len(data) > MAX_TRANSACTION_BYTES:
        raise TransactionUnreadable(f"A transaction of {len(data)} bytes is longer than any block.")
    reader = _Reader(data)
    version: int = reader.number("<i")
    has_witness = data[4:5] == b"\0"
    if has_witness and reader.take(2) != b"\0\x01":
        raise TransactionUnreadable("A transaction has no inputs, or an unknown flag (BIP 144).")
    inputs = [_read_input(reader) for _ in range(reader.count(41))]
    outputs = tuple(TxOut(reader.number("<q"), reader.string()) for _ in range(reader.count(9)))
    if has_witness:
        for index, each in enumerate(inputs):
            witness = tuple(reader.string() for _ in range(reader.count(1)))
            inputs[index] = msgspec.structs.replace(each, witness=witness)
        if not any(each.witness for each in inputs):
            raise TransactionUnreadable("A transaction in the form of BIP 144 has no witness.")
    tx = Tx(tuple(inputs), outputs, reader.number("<I"), version)
    if reader.at != len(data):
        raise TransactionUnreadable("Bytes follow a transaction.")
    return tx


def _read_input(reader: "_Reader") -> TxIn:
    txid, vout, script_sig = reader.take(32), reader.number("<I"), reader.string()
    return TxIn(txid, vout, reader.number("<I"), script_sig=script_sig)


class _Reader:
    """A place in some bytes; what is not there, or not minimal, raises TransactionUnreadable."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, length: int) -> bytes:
        start, self.at = self.at, self.at + length
        if self.at > len(self.data):
            raise TransactionUnreadable("A transaction ends early.")
        return self.data[start : self.at]

    def number(self, form: str) -> int:
        value: int = struct.unpack(form, self.take(struct.calcsize(form)))[0]
        return value

    def count(self, smallest: int) -> int:
        """How many follow, of things that take at least `smallest` bytes each."""
        first = self.number("<B")
        value = first if first < 0xFD else self.number(("<H", "<I", "<Q")[first - 0xFD])
        if first >= 0xFD and len(compact_size(value)) != (3, 5, 9)[first - 0xFD]:
            raise TransactionUnreadable("A compact size is not minimal.")
        if value * smallest > len(self.data) - self.at:
            raise TransactionUnreadable("A transaction ends early.")
        return value

    def string(self) -> bytes:
        return self.take(self.count(1))
