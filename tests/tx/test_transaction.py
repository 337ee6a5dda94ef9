"""Are a transaction's bytes read exactly as they are written, and nothing else?"""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lnpd.errors import TransactionUnreadable
from lnpd.tx.transaction import MAX_TRANSACTION_BYTES, Tx, TxIn, TxOut, compact_size, parse

u32 = st.integers(0, 0xFFFFFFFF)
items = st.lists(st.binary(max_size=80), max_size=3).map(tuple)
inputs = st.builds(TxIn, st.binary(min_size=32, max_size=32), u32, u32, items, st.binary(max_size=300))
outputs = st.builds(TxOut, st.integers(-(1 << 63), (1 << 63) - 1), st.binary(max_size=300))
transactions = st.builds(
    Tx,
    st.lists(inputs, min_size=1, max_size=4).map(tuple),
    st.lists(outputs, max_size=4).map(tuple),
    u32,
    st.integers(-(1 << 31), (1 << 31) - 1),
)

# The first transaction that paid somebody (block 170 of Bitcoin): its inputs have a scriptSig.
LEGACY = bytes.fromhex(
    "0100000001c997a5e56e104102fa209c6a852dd90660a20b2d9c352423edce25857fcd3704000000004847304402"
    "204e45e16932b8af514961a1d3a1a25fdf3f4f7732e9d624c6c61548ab5fb8cd410220181522ec8eca07de4860a4"
    "acdd12909d831cc56cbbac4622082221a8768d1d0901ffffffff0200ca9a3b00000000434104ae1a62fe09c5f51b"
    "13905f07f06b99a2f7159b2225f374cd378d71302fa28414e7aab37397f554a7df5f142c21c1b7303b8a0626f1ba"
    "ded5c72a704f7e6cd84cac00286bee0000000043410411db93e1dcdb8a016b49840f8c53bc1eb68a382e97b1482e"
    "cad7b148a6909a5cb2e0eaddfb84ccf9744464f82e160bfa9b8b64f9d4c03f999b8643f656b412a3ac00000000"
)
LEGACY_ID = "f4184fc596403b9d638783cf57adfe4c75c605f6356fbc91338530e9831e9e16"


@given(transactions)
def test_what_is_written_is_read(tx: Tx) -> None:
    assert parse(tx.serialise()) == tx


@given(st.binary(max_size=200))
def test_other_bytes_have_one_error_or_one_form(data: bytes) -> None:
    with suppress(TransactionUnreadable):
        assert parse(data).serialise() == data


@given(transactions, st.data())
def test_a_changed_byte_is_read_as_it_stands_or_refused(tx: Tx, data: st.DataObject) -> None:
    raw = bytearray(tx.serialise())
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
    with suppress(TransactionUnreadable):
        assert parse(bytes(raw)).serialise() == raw


def test_a_scriptsig_is_part_of_the_id() -> None:
    tx = parse(LEGACY)
    assert tx.txid[::-1].hex() == LEGACY_ID
    assert tx.serialise() == LEGACY
    assert tx.weight == 4 * len(LEGACY)


ONE = Tx((TxIn(bytes(32), 0, witness=(b"x",)),), (TxOut(1, b""),))
BARE = ONE.with_witness(0, ()).serialise()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "ends early"),
        (ONE.serialise()[:-1], "ends early"),
        (ONE.serialise() + b"\0", "follow"),
        (bytes(MAX_TRANSACTION_BYTES + 1), "longer"),
        (BARE[:4] + b"\0\x02" + BARE[4:], "unknown flag"),
        (BARE[:4] + b"\0\x01" + BARE[4:-4] + b"\0" + BARE[-4:], "no witness"),
        (BARE[:4] + b"\xfd\x01\0" + BARE[5:], "not minimal"),
        (BARE[:4] + compact_size(1 << 60) + BARE[5:], "ends early"),
    ],
)
def test_each_fault_of_form_is_refused(data: bytes, words: str) -> None:
    with pytest.raises(TransactionUnreadable, match=words):
        parse(data)
