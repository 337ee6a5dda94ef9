"""Does what brings tokens home leave the rest with the node, at the fee that is due, in each of its versions?"""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from lnpd.tx.transaction import Tx as NodesTx
from lnpd.tx.transaction import parse
from nia.transaction import Tx, TxIn, TxOut
from rgb_engine.psbt import spending
from rgb_engine.wallet import HOLDING_SAT
from rgb_node.homeward import (
    LEAST_REST_SAT,
    MOST_FEE_SAT,
    Trip,
    Version,
    affordable,
    build,
    highest,
    next_feerate,
    vbytes,
)

TRIP = Trip(
    coin=f"{'ab' * 32}:1",
    value_sat=50_000,
    script_pubkey=b"\0\x14" + b"\1" * 20,
    contract_id=b"\2" * 32,
    op_id=b"\3" * 32,
    index=0,
    amount=700,
    home_script=b"\0\x14" + b"\4" * 20,
    rest_script=b"\0\x14" + b"\5" * 20,
    blinding=6,
    entropy=7,
)
MORE = ((TxIn(b"\x08" * 32, 0, 0xFFFFFFFD), TxOut(20_000, b"\0\x14" + b"\x09" * 20)),)


def version(tx: Tx, feerate: int = 1) -> Version:
    return Version(tx.serialize(), ((TRIP.value_sat, TRIP.script_pubkey),), feerate, 100)


def signed(tx: Tx) -> NodesTx:
    """With the longest witnesses, as the node reads it."""
    plain = parse(tx.serialize())
    for place in range(len(tx.inputs)):
        plain = plain.with_witness(place, (bytes(72), bytes(33)))
    return plain


@given(st.integers(1_000, 100_000), st.integers(1, 150), st.booleans())
def test_every_sat_is_accounted_for(value_sat: int, feerate: int, with_more: bool) -> None:
    trip = replace(TRIP, value_sat=value_sat)
    spent = (*trip.alone(), *MORE) if with_more else trip.alone()
    has_sat, made = sum(output.value_sat for _, output in spent), build(trip, spent, feerate)
    if isinstance(made, int):
        assert made > 0 and (with_more or feerate > affordable(trip))
        richer = replace(trip, value_sat=value_sat + made)
        assert isinstance(build(richer, (*richer.alone(), *spent[1:]), feerate), Tx)
        return
    assert with_more or feerate <= affordable(trip)
    committed, home, *rest = made.outputs
    assert committed.value_sat == 0 and (home.value_sat, home.script) == (HOLDING_SAT, trip.home_script)
    assert all(each.script == trip.rest_script and each.value_sat >= LEAST_REST_SAT for each in rest)
    weight = signed(made).weight
    assert vbytes(made) == -(-weight // 4)
    fee_sat = has_sat - sum(output.value_sat for output in made.outputs)
    assert feerate * vbytes(made) <= fee_sat < feerate * (vbytes(made) + 31) + LEAST_REST_SAT


def test_a_version_is_the_same_but_for_what_is_left() -> None:
    cheap, dear = (build(TRIP, TRIP.alone(), feerate) for feerate in (2, 40))
    assert isinstance(cheap, Tx) and isinstance(dear, Tx)
    assert cheap.outputs[:2] == dear.outputs[:2] and cheap.inputs == dear.inputs
    assert spending(version(cheap).psbt) == version(dear).inputs() == TRIP.alone()
    assert (cheap.outputs[2].value_sat - dear.outputs[2].value_sat) == 38 * vbytes(cheap)


@pytest.mark.parametrize(
    ("paid", "estimate", "next_one"), [((), 9, 9), ((1,), 1, 2), ((40,), 9, 50), ((40,), 90, 90), ((7, 8), 1, 10)]
)
def test_the_fee_rises_by_what_the_network_wants(paid: tuple[int, ...], estimate: int, next_one: int) -> None:
    made = build(TRIP, TRIP.alone(), 1)
    assert isinstance(made, Tx)
    trip = TRIP
    for feerate in paid:
        trip = trip.with_version(version(made, feerate=feerate))
    assert next_feerate(trip, estimate) == next_one


def test_no_fee_is_beyond_bounds() -> None:
    made = build(TRIP, TRIP.alone(), highest(TRIP))
    assert isinstance(made, Tx)
    assert TRIP.value_sat - sum(each.value_sat for each in made.outputs) <= MOST_FEE_SAT + 31 * highest(TRIP)
    assert affordable(replace(TRIP, value_sat=HOLDING_SAT)) == 0
