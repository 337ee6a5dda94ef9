"""Which Bitcoin transaction closes the seals, how does a consignment write it, and what does it commit to?

Bitcoin's own form (BIP 144) in and out, and the strict encoding, in which every count is a u32 and the witness stands
inside its input. The first output that is an OP_RETURN or taproot is the one that may commit.
"""

from hashlib import sha256

import msgspec

from nia.errors import Malformed, NoCommitment, NotOpret, Truncated, UnreadableTransaction, WrongCommitment
from nia.mpc import OP_RETURN, P2TR_PREFIX, opret_script
from nia.strict import Reader, a_hash, blob, collection, number, u8, u16, u32, u64

P2TR_BYTES = 34
MIN_INPUT_BYTES, MIN_OUTPUT_BYTES = 36 + 4 + 4 + 4, 8 + 4
MAX_TRANSACTION_BYTES = 4_000_000
SEGWIT = b"\0\1"


class TxIn(msgspec.Struct, frozen=True):
    """An input, with its witness."""

    txid: bytes
    vout: int
    sequence: int
    script_sig: bytes = b""
    witness: tuple[bytes, ...] = ()


class TxOut(msgspec.Struct, frozen=True):
    """An output."""

    value_sat: int
    script: bytes


class Tx(msgspec.Struct, frozen=True):
    """A transaction; `version` is unsigned. Raises OutOfRange."""

    version: int
    inputs: tuple[TxIn, ...]
    outputs: tuple[TxOut, ...]
    locktime: int

    def __post_init__(self) -> None:
        self.encode()

    def encode(self) -> bytes:
        """Its bytes in the strict encoding."""
        return (
            u32(self.version)
            + collection([_strict_input(each) for each in self.inputs], 4)
            + collection([u64(each.value_sat) + blob(each.script, 4) for each in self.outputs], 4)
            + u32(self.locktime)
        )

    def serialize(self, with_witness: bool = True) -> bytes:
        """Its bytes on Bitcoin's wire (BIP 144)."""
        segwit = with_witness and any(each.witness for each in self.inputs)
        inputs = [a_hash(i.txid) + u32(i.vout) + sized(i.script_sig) + u32(i.sequence) for i in self.inputs]
        outputs = [u64(each.value_sat) + sized(each.script) for each in self.outputs]
        witnesses = [_counted([sized(item) for item in each.witness]) for each in self.inputs] if segwit else []
        return (
            u32(self.version)
            + (SEGWIT if segwit else b"")
            + _counted(inputs)
            + _counted(outputs)
            + b"".join(witnesses)
            + u32(self.locktime)
        )

    def txid(self) -> bytes:
        """Its id, in internal byte order."""
        return sha256(sha256(self.serialize(with_witness=False)).digest()).digest()

    def unsigned(self) -> "Tx":
        """The same without any witness: its id is the same, and nobody can broadcast it."""
        bare = tuple(msgspec.structs.replace(each, witness=()) for each in self.inputs)
        return msgspec.structs.replace(self, inputs=bare)

    def spends(self, txid: bytes, vout: int) -> bool:
        """Is this output among its inputs?"""
        return any((each.txid, each.vout) == (txid, vout) for each in self.inputs)

    def check_commitment(self, commitment: bytes) -> None:
        """Raises NoCommitment, NotOpret or WrongCommitment unless it commits to this."""
        for output in self.outputs:
            if output.script[:1] == bytes([OP_RETURN]):
                if output.script == opret_script(commitment):
                    return
                raise WrongCommitment(f"output {output.script.hex()} does not commit to {commitment.hex()}")
            if output.script.startswith(P2TR_PREFIX) and len(output.script) == P2TR_BYTES:
                raise NotOpret("a taproot output stands before any OP_RETURN, and would have to commit")
        raise NoCommitment("no output is an OP_RETURN")


def _strict_input(each: TxIn) -> bytes:
    witness = collection([blob(item, 4) for item in each.witness], 4)
    return a_hash(each.txid) + u32(each.vout) + blob(each.script_sig, 4) + u32(each.sequence) + witness


def read_tx(reader: Reader) -> Tx:
    """A transaction in the strict encoding. Raises classes of Malformed."""
    version = reader.number(4)
    inputs = tuple(reader.items(4, MIN_INPUT_BYTES, _read_input))
    outputs = tuple(reader.items(4, MIN_OUTPUT_BYTES, lambda each: TxOut(each.number(8), each.blob(4))))
    return Tx(version, inputs, outputs, reader.number(4))


def _read_input(reader: Reader) -> TxIn:
    txid, vout, script_sig = reader.a_hash(), reader.number(4), reader.blob(4)
    sequence = reader.number(4)
    return TxIn(txid, vout, sequence, script_sig, tuple(reader.items(4, 4, lambda each: each.blob(4))))


def parse_tx(data: bytes) -> Tx:
    """A transaction from Bitcoin's wire, with a witness or without. Raises UnreadableTransaction."""
    if len(data) > MAX_TRANSACTION_BYTES:
        raise UnreadableTransaction(f"{len(data)} bytes, where {MAX_TRANSACTION_BYTES} are the most")
    reader = Reader(data)
    try:
        found = _parse(reader)
        reader.end()
    except UnreadableTransaction:
        raise
    except Malformed as why:
        raise UnreadableTransaction(str(why)) from why
    return found


def _parse(reader: Reader) -> Tx:
    version = reader.number(4)
    segwit = reader.take(2) == SEGWIT
    if not segwit:
        reader.at -= len(SEGWIT)
    inputs = [
        (reader.a_hash(), reader.number(4), reader.take(read_size(reader)), reader.number(4)) for _ in _counting(reader)
    ]
    outputs = tuple(TxOut(reader.number(8), reader.take(read_size(reader))) for _ in _counting(reader))
    witnesses = [tuple(reader.take(read_size(reader)) for _ in _counting(reader)) if segwit else () for _ in inputs]
    if segwit and not any(witnesses):
        raise UnreadableTransaction("it says to have a witness and has none")
    given = zip(inputs, witnesses, strict=True)
    spent = tuple(TxIn(txid, vout, sequence, sig, witness) for (txid, vout, sig, sequence), witness in given)
    return Tx(version, spent, outputs, reader.number(4))


def _counting(reader: Reader) -> range:
    """As many steps as the count says, no more than bytes are left."""
    if (count := read_size(reader)) > reader.left:
        raise Truncated(f"{count} items at {reader.at}, where {reader.left} bytes are left")
    return range(count)


def read_size(reader: Reader) -> int:
    """Bitcoin's compact size, in its shortest form. Raises UnreadableTransaction."""
    first = reader.number(1)
    if first < 0xFD:
        return first
    width = 2 ** (first - 0xFC)
    found = reader.number(width)
    if len(_compact(found)) != 1 + width:
        raise UnreadableTransaction(f"the size {found} before {reader.at} is not in its shortest form")
    return found


def _compact(count: int) -> bytes:
    if count < 0xFD:
        return u8(count)
    if count <= 0xFFFF:
        return b"\xfd" + u16(count)
    return b"\xfe" + u32(count) if count <= 0xFFFFFFFF else b"\xff" + number(count, 8)


def sized(data: bytes) -> bytes:
    """The bytes behind their compact size."""
    return _compact(len(data)) + data


def _counted(items: list[bytes]) -> bytes:
    return _compact(len(items)) + b"".join(items)
