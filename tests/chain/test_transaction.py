"""Are transactions and blocks read exactly, and is everything else refused?"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lnpd.chain.transaction import Block, read_transaction
from lnpd.errors import TransactionMalformed
from lnpd.tx.transaction import Tx, TxIn, TxOut

# The first transaction of Bitcoin, known to everybody.
GENESIS_COINBASE = bytes.fromhex(
    "01000000010000000000000000000000000000000000000000000000000000000000000000ffffffff4d04ffff001d0104455468652054696d"
    "65732030332f4a616e2f32303039204368616e63656c6c6f72206f6e206272696e6b206f66207365636f6e64206261696c6f757420666f7220"
    "62616e6b73ffffffff0100f2052a01000000434104678afdb0fe5548271967f1a67130b7105cd6a828e03909a67962e0ea1f61deb649f6bc3f"
    "4cef38c4f35504e51ec112de5c384df7ba0b8d578a4c702b6bf11d5fac00000000"
)
GENESIS_TXID = "4a5e1e4baab89f3a32518a88c31bc87f618f76673e2cc77ab2127b7afdeda33b"
SEGWIT = Tx((TxIn(b"\x07" * 32, 3, 5, (b"ab", b"")),), (TxOut(9, b"\x51"), TxOut(8, b"")), 77, 2).serialise()


def test_reads_the_first_transaction() -> None:
    tx = read_transaction(GENESIS_COINBASE)
    assert tx.txid[::-1].hex() == GENESIS_TXID
    assert tx.is_coinbase
    assert tx.outputs[0].value_sat == 50 * 10**8
    assert tx.weight == 4 * len(GENESIS_COINBASE)


def test_reads_a_segwit_transaction() -> None:
    tx = read_transaction(SEGWIT)
    assert (tx.inputs[0].point, tx.inputs[0].sequence, tx.inputs[0].witness) == ((b"\x07" * 32, 3), 5, (b"ab", b""))
    assert [(o.value_sat, o.script) for o in tx.outputs] == [(9, b"\x51"), (8, b"")]
    assert (tx.locktime, tx.version) == (77, 2)
    assert tx.txid != tx.wtxid
    assert tx.raw == SEGWIT
    assert tx.weight == 3 * len(tx.stripped) + len(SEGWIT)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        SEGWIT[:-1],
        SEGWIT + b"\0",
        SEGWIT[:5] + b"\x02" + SEGWIT[6:],  # an unknown flag
        SEGWIT[:6] + b"\xff" + b"\xff" * 8 + SEGWIT[7:],  # more inputs than there are bytes
        SEGWIT[:6] + b"\xfd\x01\x00" + SEGWIT[7:],  # a length that is not minimal
        Tx((TxIn(bytes(32), 0),), ()).serialise()[:4]
        + b"\0\x01"
        + Tx((TxIn(bytes(32), 0),), ()).serialise()[4:-4]
        + bytes(5),
    ],
)
def test_refuses_what_is_not_one_transaction(raw: bytes) -> None:
    with pytest.raises(TransactionMalformed):
        read_transaction(raw)


@given(st.binary(max_size=300))
def test_strange_bytes_are_read_or_refused(raw: bytes) -> None:
    for read in (read_transaction, Block):
        try:
            assert read(raw) is not None
        except TransactionMalformed:
            continue


@given(st.integers(0, len(SEGWIT) - 1), st.integers(0, 255))
def test_what_is_read_is_what_was_there(place: int, value: int) -> None:
    changed = SEGWIT[:place] + bytes([value]) + SEGWIT[place + 1 :]
    try:
        tx = read_transaction(changed)
    except TransactionMalformed:
        return
    assert tx.raw == changed
