"""Does a feerate rise to its deadline and no further, and does each replacement pay what BIP 125 wants?"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lnpd.tx.feerates import MIN_FEERATE_PER_KW, RAMP_BLOCKS, Paid, estimate_blocks, least_per_kw, scheduled_per_kw
from lnpd.tx.fees import fee_sat

# blocks left, stake, weight, estimate: the feerate
SCHEDULE: dict[str, tuple[int | None, int, int, int, int]] = {
    "no deadline": (None, 100_000, 1000, 2500, 2500),
    "a far deadline": (RAMP_BLOCKS, 100_000, 1000, 2500, 2500),
    "half of the way": (9, 100_000, 1000, 2500, 2500 + (50_000 - 2500) // 2),
    "at the deadline": (0, 100_000, 1000, 2500, 50_000),
    "after it": (-5, 100_000, 1000, 2500, 50_000),
    "a stake that does not allow the estimate": (None, 2_000, 1000, 2500, 1000),
    "the same, close to its deadline": (3, 2_000, 1000, 2500, 1000),
    "a stake that allows nothing": (None, 100, 1000, 2500, MIN_FEERATE_PER_KW),
    "an estimate below what nodes relay": (None, 100_000, 1000, 1, MIN_FEERATE_PER_KW),
}


@pytest.mark.parametrize(("left", "stake_sat", "weight", "estimate", "expected"), SCHEDULE.values(), ids=SCHEDULE)
def test_the_schedule(left: int | None, stake_sat: int, weight: int, estimate: int, expected: int) -> None:
    assert scheduled_per_kw(left, stake_sat, weight, estimate) == expected


@given(st.integers(0, 10**9), st.integers(400, 400_000), st.integers(0, 200_000), st.integers(-10, 60))
def test_it_never_falls_as_the_deadline_nears(stake_sat: int, weight: int, estimate: int, left: int) -> None:
    now, next_block = (scheduled_per_kw(each, stake_sat, weight, estimate) for each in (left, left - 1))
    assert MIN_FEERATE_PER_KW <= now <= next_block
    assert fee_sat(weight, next_block) <= max(stake_sat // 2 + 1, fee_sat(weight, MIN_FEERATE_PER_KW))


def test_which_estimate_is_asked_for() -> None:
    assert [estimate_blocks(each) for each in (None, 100, RAMP_BLOCKS, 0, -3)] == [12, 6, 2, 2, 2]


paid = st.builds(Paid, st.just(()), st.integers(100, 10**6), st.integers(400, 40_000))


@given(st.lists(paid, max_size=4), st.integers(400, 40_000))
def test_a_replacement_pays_for_all_that_it_replaces_and_for_itself(replaced: list[Paid], weight: int) -> None:
    least = least_per_kw(replaced, weight)
    if not replaced:
        assert least == 0
        return
    fee = fee_sat(weight, least)
    virtual_bytes = -(-weight // 4)
    assert fee >= sum(each.fee_sat for each in replaced) + virtual_bytes  # rules 3 and 4, at 1 sat/vB
    assert all(fee * each.weight > each.fee_sat * weight for each in replaced)  # Bitcoin Core: its feerate is higher
