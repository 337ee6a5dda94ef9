"""Is a transaction the same in Bitcoin's form and in the strict one, and which output commits?"""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nia import errors
from nia.mpc import opret_script
from nia.strict import whole
from nia.transaction import Tx, TxIn, TxOut, parse_tx, read_tx

# The first transaction of BIP 143's examples, unsigned and signed.
UNSIGNED = (
    "0100000002fff7f7881a8099afa6940d42d1e7f6362bec38171ea3edf433541db4e4ad969f0000000000eeffffffef51e1b804cc89d182d279"
    "655c3aa89e815b1b309fe287d9b2b55d57b90ec68a0100000000ffffffff02202cb206000000001976a9148280b37df378db99f66f85c95a78"
    "3a76ac7a6d5988ac9093510d000000001976a9143bde42dbee7e4dbe6a21b2d50ce2f0167faa815988ac11000000"
)

U32, U64 = st.integers(0, 2**32 - 1), st.integers(0, 2**64 - 1)
BYTES = st.binary(max_size=40)
INPUTS = st.builds(
    TxIn, st.binary(min_size=32, max_size=32), U32, U32, BYTES, st.lists(BYTES, max_size=3).map(tuple)
)  # fmt: skip
TXS = st.builds(
    Tx,
    U32,
    st.lists(INPUTS, min_size=1, max_size=4).map(tuple),
    st.lists(st.builds(TxOut, U64, BYTES), max_size=4).map(tuple),
    U32,
)


def test_a_published_transaction() -> None:
    tx = parse_tx(bytes.fromhex(UNSIGNED))
    assert (tx.version, len(tx.inputs), tx.locktime) == (1, 2, 17)
    assert [each.value_sat for each in tx.outputs] == [112_340_000, 223_450_000]
    assert tx.serialize().hex() == UNSIGNED
    assert tx.encode().hex().startswith("0100000002000000fff7f7881a")
    assert tx.txid()[::-1].hex() == "3335ffae0df20c5407e8de12b49405c8e912371f00fe4132bfaf95ad49c40243"


@given(TXS)
def test_both_forms_come_back(tx: Tx) -> None:
    assert whole(tx.encode(), read_tx) == tx
    assert parse_tx(tx.serialize()) == tx
    assert tx.unsigned().txid() == tx.txid()
    assert not any(each.witness for each in tx.unsigned().inputs)


@given(st.binary(max_size=100), TXS, st.integers(0, 200))
def test_no_bytes_escape(noise: bytes, tx: Tx, at: int) -> None:
    raw = tx.serialize()
    for data in (noise, raw[:at] + noise + raw[at:], raw[:at]):
        for read in (parse_tx, lambda each: whole(each, read_tx)):
            try:
                read(data)
            except errors.Malformed as refusal:
                assert str(refusal)


RAW = bytes.fromhex(UNSIGNED)
UNREADABLE = {
    "nothing": b"",
    "cut": RAW[:-1],
    "more": RAW + b"\0",
    "a count not in its shortest form": RAW[:4] + b"\xfd\2\0" + RAW[5:],
    "a count of a bomb": RAW[:4] + b"\xff" * 9,
    "a witness that is none": RAW[:4] + b"\0\1" + RAW[4:-4] + bytes(2) + RAW[-4:],
    "too long": bytes(4_000_001),
}


@pytest.mark.parametrize("what", UNREADABLE)
def test_what_is_no_transaction_is_refused(what: str) -> None:
    with pytest.raises(errors.UnreadableTransaction):
        parse_tx(UNREADABLE[what])


OURS = TxOut(0, opret_script(bytes(32)))
P2WSH, P2TR = TxOut(1, b"\0\x20" + bytes(32)), TxOut(1, b"\x51\x20" + bytes(32))
COMMITS: dict[str, tuple[tuple[TxOut, ...], type[errors.NiaError] | None]] = {
    "first": ((OURS, P2TR, P2WSH), None),
    "behind a P2WSH": ((P2WSH, OURS, P2TR), None),
    "behind what only begins as taproot": ((TxOut(1, P2TR.script + b"\0"), OURS), None),
    "behind a taproot output": ((P2TR, OURS), errors.NotOpret),
    "behind another OP_RETURN": ((TxOut(0, b"\x6a\x01\0"), OURS), errors.WrongCommitment),
    "to something else": ((TxOut(0, opret_script(b"\1" * 32)),), errors.WrongCommitment),
    "nowhere": ((P2WSH,), errors.NoCommitment),
}


@pytest.mark.parametrize("where", COMMITS)
def test_which_output_commits(where: str) -> None:
    outputs, kind = COMMITS[where]
    check: Callable[[bytes], None] = Tx(2, (), outputs, 0).check_commitment
    if kind is None:
        check(bytes(32))
    else:
        with pytest.raises(kind):
            check(bytes(32))


def test_what_has_no_bytes_is_not_made() -> None:
    for make in (lambda: Tx(2**32, (), (), 0), lambda: Tx(2, (TxIn(b"", 0, 0),), (), 0)):
        with pytest.raises(errors.OutOfRange):
            make()
