"""Are the chosen coins enough, is nothing lost, and is a refusal always true?"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lnpd.errors import InsufficientFunds
from lnpd.services.onchain import WalletCoin
from lnpd.services.wallet.select import (
    CHANGE_SCRIPT,
    CHANGE_WEIGHT,
    DUST_SAT,
    INPUT_WEIGHT,
    LONG_TERM_FEERATE_PER_KW,
    MAX_INPUTS,
    fee_sat,
    select,
    select_all,
    weight,
)
from lnpd.tx.transaction import TxOut

P2WSH = b"\0\x20" + bytes(32)


def coins(*values_sat: int, height: int | None = 1) -> list[WalletCoin]:
    return [
        WalletCoin(number.to_bytes(32, "big"), 0, value_sat, CHANGE_SCRIPT, 0, number, height)
        for number, value_sat in enumerate(values_sat)
    ]


def payment(amount_sat: int) -> tuple[TxOut]:
    return (TxOut(amount_sat, P2WSH),)


def test_weights_are_those_of_bolt_3_and_bip_141() -> None:
    assert (INPUT_WEIGHT, CHANGE_WEIGHT, DUST_SAT) == (272, 124, 294)
    assert weight(1, payment(1)) == 42 + 272 + 43 * 4


@given(
    st.lists(st.integers(1, 3_000_000), max_size=12),
    st.integers(330, 5_000_000),
    st.integers(253, 50_000),
    st.integers(0, 100_000),
)
def test_money_is_neither_made_nor_lost(values: list[int], amount: int, rate: int, keep: int) -> None:
    outputs = payment(amount)
    try:
        chosen = select(coins(*values), outputs, rate, keep)
    except InsufficientFunds:
        # All coins together, with a change output, would not have sufficed; with a reserve, what a choice without
        # change may waste counts too.
        effective = sum(max(0, value - fee_sat(INPUT_WEIGHT, rate)) for value in values)
        base = fee_sat(weight(1, outputs) - INPUT_WEIGHT + CHANGE_WEIGHT, rate)
        waste = fee_sat(CHANGE_WEIGHT, rate) + fee_sat(INPUT_WEIGHT, LONG_TERM_FEERATE_PER_KW) if keep else 0
        assert effective < amount + base + keep + waste + DUST_SAT + len(values) + 1
        return
    points = {(coin.txid, coin.vout) for coin in chosen.coins}
    assert len(points) == len(chosen.coins) > 0
    assert sum(coin.value_sat for coin in chosen.coins) == amount + chosen.change_sat + chosen.fee_sat
    made = (*outputs, TxOut(chosen.change_sat, CHANGE_SCRIPT)) if chosen.change_sat else outputs
    least_sat = fee_sat(weight(len(chosen.coins), made), rate)
    if chosen.change_sat:
        assert chosen.fee_sat == least_sat and chosen.change_sat >= DUST_SAT
    else:
        waste_sat = fee_sat(CHANGE_WEIGHT, rate) + max(DUST_SAT, fee_sat(INPUT_WEIGHT, LONG_TERM_FEERATE_PER_KW))
        assert least_sat <= chosen.fee_sat <= least_sat + waste_sat + 2 + len(chosen.coins)
    assert sum(values) - amount - chosen.fee_sat >= keep


def test_an_exact_set_makes_no_change() -> None:
    needed_sat = fee_sat(weight(2, payment(1)), 1_000)
    chosen = select(coins(500_000, 70_000, 30_000 + needed_sat, 20_000), payment(100_000), 1_000)
    assert sorted(coin.value_sat for coin in chosen.coins) == [30_000 + needed_sat, 70_000]
    assert chosen.change_sat == 0 and chosen.fee_sat in (needed_sat, needed_sat + 1)


def test_otherwise_the_largest_coin_pays() -> None:
    chosen = select(coins(10_000, 900_000, 50_000), payment(40_000), 1_000)
    assert [coin.value_sat for coin in chosen.coins] == [900_000] and chosen.change_sat > 800_000


def test_unconfirmed_change_is_touched_last() -> None:
    both = coins(100_000) + coins(0, 900_000, height=None)[1:]
    assert [coin.height for coin in select(both, payment(50_000), 1_000).coins] == [1]
    assert None in [coin.height for coin in select(both, payment(150_000), 1_000).coins]


def test_coins_that_cost_more_than_they_hold_are_left() -> None:
    dust = [fee_sat(INPUT_WEIGHT, 10_000)] * 50
    chosen = select(coins(*dust, 100_000), payment(50_000), 10_000)
    assert [coin.value_sat for coin in chosen.coins] == [100_000]
    assert len(select_all(coins(*dust, 100_000), P2WSH, 10_000).coins) == 1
    assert select_all([], P2WSH, 10_000).coins == ()


def test_no_transaction_has_too_many_inputs() -> None:
    many = coins(*[10_000] * (MAX_INPUTS + 50))
    assert len(select(many, payment(1_500_000), 253).coins) <= MAX_INPUTS
    assert len(select_all(many, P2WSH, 253).coins) == MAX_INPUTS
    with pytest.raises(InsufficientFunds, match="2,500,000 sat can be spent"):
        select(many, payment(2_400_000), 253)


def test_a_hard_choice_ends() -> None:
    values = [1_000_003 + 7 * number for number in range(400)]
    chosen = select(coins(*values), payment(3_333_333), 5_000)
    assert chosen.change_sat > 0
