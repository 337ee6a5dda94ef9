"""How is an unsigned transaction shown to the node for its signature? (BIP 174, version 0)"""

from collections.abc import Sequence

from nia.transaction import Tx

MAGIC = b"psbt\xff"
UNSIGNED_TX, WITNESS_UTXO = b"\x00", b"\x01"
END = b"\x00"


def psbt(tx: Tx, spent: Sequence[tuple[int, bytes]]) -> bytes:
    """The transaction, with what each of its inputs spends: (satoshi, scriptPubKey)."""
    found = MAGIC + _row(UNSIGNED_TX, tx.serialize(with_witness=False)) + END
    for value_sat, script in spent:
        found += _row(WITNESS_UTXO, value_sat.to_bytes(8, "little") + _sized(script)) + END
    return found + END * len(tx.outputs)


def _row(key: bytes, value: bytes) -> bytes:
    return _sized(key) + _sized(value)


def _sized(data: bytes) -> bytes:
    if len(data) < 0xFD:
        return bytes([len(data)]) + data
    return b"\xfd" + len(data).to_bytes(2, "little") + data
