"""How is a transaction shown to who signs it, and read when it comes back? (PSBT: BIP 174, version 0)"""

from base64 import b64decode
from collections.abc import Sequence
from typing import Final

from nia.errors import NiaError, UnreadableTransaction
from nia.strict import Reader
from nia.transaction import Tx, TxIn, TxOut, parse_tx, read_size, sized
from rgb_engine.errors import WalletDamaged

MAGIC: Final = b"psbt\xff"
UNSIGNED_TX, WITNESS_UTXO, FINAL_SCRIPTSIG, FINAL_WITNESS = b"\x00", b"\x01", b"\x07", b"\x08"
END: Final = b"\x00"
NO_WITNESS: Final = b"\x00"
SEGWIT: Final = b"\x00\x01"
VERSION_BYTES = LOCKTIME_BYTES = 4

Rows = dict[bytes, bytes]


def shown(tx: Tx, spent: Sequence[TxOut]) -> bytes:
    """An unsigned transaction, with what each of its inputs spends."""
    found = MAGIC + _row(UNSIGNED_TX, tx.serialize(with_witness=False)) + END
    for output in spent:
        found += _row(WITNESS_UTXO, output.value_sat.to_bytes(8, "little") + sized(output.script)) + END
    return found + END * len(tx.outputs)


def spending(psbt: bytes) -> tuple[tuple[TxIn, TxOut], ...]:
    """The inputs of a PSBT, each with what it spends. Raises NiaError."""
    unsigned, rows = _parts(psbt)
    return tuple((each, _spent(row)) for each, row in zip(parse_tx(unsigned).inputs, rows, strict=True))


def transactions(psbt: str) -> tuple[bytes, bytes]:
    """The unsigned transaction of what rgb-lib made, in base 64, and the same with the witnesses of the inputs that
    are final. WalletDamaged."""
    try:
        unsigned, rows = _parts(b64decode(psbt, validate=True))
    except (ValueError, NiaError) as error:
        raise WalletDamaged(f"rgb-lib's PSBT cannot be read: {error}") from None
    if any(FINAL_SCRIPTSIG in row for row in rows):
        raise WalletDamaged("rgb-lib's PSBT cannot be read: an input is not segwit")
    witnesses = b"".join(row.get(FINAL_WITNESS, NO_WITNESS) for row in rows)
    body, locktime = unsigned[VERSION_BYTES:-LOCKTIME_BYTES], unsigned[-LOCKTIME_BYTES:]
    return unsigned, unsigned[:VERSION_BYTES] + SEGWIT + body + witnesses + locktime


def _parts(psbt: bytes) -> tuple[bytes, list[Rows]]:
    """The unsigned transaction, and the rows of each input. Raises NiaError."""
    reader = Reader(psbt)
    if reader.take(len(MAGIC)) != MAGIC:
        raise UnreadableTransaction("no PSBT")
    if (unsigned := _rows(reader).get(UNSIGNED_TX)) is None:
        raise UnreadableTransaction("a PSBT without its transaction")
    return unsigned, [_rows(reader) for _ in parse_tx(unsigned).inputs]


def _rows(reader: Reader) -> Rows:
    rows: Rows = {}
    while length := read_size(reader):
        key = reader.take(length)
        rows[key] = reader.take(read_size(reader))
    return rows


def _spent(row: Rows) -> TxOut:
    reader = Reader(row.get(WITNESS_UTXO, b""))
    found = TxOut(reader.number(8), reader.take(read_size(reader)))
    reader.end()
    return found


def _row(key: bytes, value: bytes) -> bytes:
    return sized(key) + sized(value)
