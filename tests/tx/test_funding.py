"""Are the funding output and the hidden commitment number those of BOLT 3?"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lnpd.errors import NotThisCommitment, ScriptRefused
from lnpd.tx.funding import (
    commitment_number,
    compile_funding,
    funding_script_pubkey,
    locktime_and_sequence,
    make_funding,
    obscuring_factor,
)
from lnpd.tx.transaction import Tx, TxIn
from tests.tx.bolt3 import FUNDING, POINTS

BASEPOINTS = (POINTS["opener_payment"], POINTS["acceptor_payment"])


def test_funding_script() -> None:
    assert FUNDING.witness_script.hex() == (
        "5221023da092f6980e58d2c037173180e9a465476026ee50f96695963e8efe436f54eb21030e9f7b623d2ccc7c9bd44d66d5ce21ce"
        "504c0acf6385a132cec6d3c39fa711c152ae"
    )
    first, second = FUNDING.funding_keys
    assert (
        compile_funding(None, (first, second)).witness_script == compile_funding(None, (second, first)).witness_script
    )
    assert funding_script_pubkey((first, second))[:2] == b"\0\x20"
    assert make_funding(FUNDING.txid, 0, FUNDING.capacity_sat, (first, second)) == FUNDING
    with pytest.raises(ScriptRefused):
        compile_funding(None, (first, second[1:]))


def test_obscuring_factor() -> None:
    assert obscuring_factor(BASEPOINTS) == 0x2BB038521914
    assert locktime_and_sequence(42, BASEPOINTS) == (0x2052193E, 0x802BB038)


@given(st.integers(0, 2**48 - 1))
def test_numbers_are_found_again(number: int) -> None:
    locktime, sequence = locktime_and_sequence(number, BASEPOINTS)
    assert (locktime >> 24, sequence >> 24) == (0x20, 0x80)
    tx = Tx((TxIn(bytes(32), 0, sequence),), (), locktime)
    assert commitment_number(tx, BASEPOINTS) == number


@pytest.mark.parametrize("number", [-1, 2**48])
def test_numbers_out_of_range(number: int) -> None:
    with pytest.raises(NotThisCommitment):
        locktime_and_sequence(number, BASEPOINTS)


@pytest.mark.parametrize(("sequence", "locktime"), [(0xFFFFFFFF, 0), (0x80000000, 0), (0xFFFFFFFD, 0x20000000)])
def test_other_transactions(sequence: int, locktime: int) -> None:
    with pytest.raises(NotThisCommitment):
        commitment_number(Tx((TxIn(bytes(32), 0, sequence),), (), locktime), BASEPOINTS)
    with pytest.raises(NotThisCommitment):
        commitment_number(Tx((), (), 0x20000000), BASEPOINTS)
