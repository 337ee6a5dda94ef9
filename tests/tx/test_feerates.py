"""Does a feerate rise to its deadline and no further, and does each replacement pay what BIP 125 wants?"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lnpd.tx.feerates import (
    LAST_BLOCKS,
    MAX_FEERATE_PER_KW,
    MIN_FEERATE_PER_KW,
    RAMP_BLOCKS,
    Bid,
    Paid,
    Stake,
    estimate_blocks,
    least_per_kw,
    scheduled,
)
from lnpd.tx.fees import fee_sat

W, EST = 1_000, 2_500
FAR, WORTH = RAMP_BLOCKS, 100_000
# stake, estimate: what a transaction of 1,000 weight units offers
SCHEDULE: dict[str, tuple[Stake, int, Bid]] = {
    "no deadline": (Stake(WORTH), EST, Bid(EST, 50_000)),
    "a far deadline, waiting for long": (Stake(WORTH, WORTH, FAR, 100), EST, Bid(EST, 50_000)),
    "near, the first attempt": (Stake(WORTH, WORTH, 10), EST, Bid(EST, 50_000)),
    "half of the way": (Stake(WORTH, WORTH, 10, 8), EST, Bid(11_180, 50_000)),  # 2,500 * 20 ** 0.5
    "half of the way, however long it waited before": (Stake(WORTH, WORTH, 10, 500), EST, Bid(11_180, 50_000)),
    "half of the way, begun late": (Stake(WORTH, WORTH, 4, 2), EST, Bid(11_180, 50_000)),
    "the last blocks": (Stake(WORTH, WORTH, LAST_BLOCKS, 16), EST, Bid(50_000, 50_000)),
    "the last blocks, the first attempt": (Stake(WORTH, WORTH, LAST_BLOCKS), EST, Bid(50_000, 50_000)),
    "after the deadline": (Stake(WORTH, WORTH, -5, 100), EST, Bid(50_000, 50_000)),
    "only a part is at risk": (Stake(WORTH, 20_000, 0, 100), EST, Bid(10_000, 10_000)),
    "a part that does not allow the estimate": (Stake(WORTH, 2_000, 0, 100), EST, Bid(EST, 50_000)),
    "something was paid before": (Stake(WORTH, WORTH, 0, 100, paid_sat=15_000), EST, Bid(35_000, 35_000)),
    "all was paid before": (Stake(WORTH, WORTH, 0, 100, paid_sat=90_000), EST, Bid(EST, 50_000)),
    "a stake that does not allow the estimate": (Stake(2_000), EST, Bid(1_000, 1_000)),
    "the same, close to its deadline": (Stake(2_000, 2_000, 3, 9), EST, Bid(1_000, 1_000)),
    "a stake that allows nothing": (Stake(100), EST, Bid(MIN_FEERATE_PER_KW, 50)),
    "an estimate below what nodes relay": (Stake(WORTH), 1, Bid(MIN_FEERATE_PER_KW, 50_000)),
    "a fortune": (Stake(10**9, 10**9, 0, 100), EST, Bid(MAX_FEERATE_PER_KW, 5 * 10**8)),
    "an estimate beyond all bounds": (Stake(10**9), 10**7, Bid(MAX_FEERATE_PER_KW, 5 * 10**8)),
}


@pytest.mark.parametrize(("stake", "estimate", "expected"), SCHEDULE.values(), ids=SCHEDULE)
def test_the_schedule(stake: Stake, estimate: int, expected: Bid) -> None:
    assert scheduled(stake, W, estimate) == expected


def test_a_missed_block_costs_little() -> None:
    """1,000,000 sat of an HTLC: the first blocks of the ramp, in sat of fee."""
    fees_sat = [scheduled(Stake(10**6, 10**6, 17 - n, n), W, EST).feerate_per_kw for n in range(18)]
    assert fees_sat[:4] == [2_500, 3_398, 4_619, 6_279] and fees_sat[-3:] == [MAX_FEERATE_PER_KW] * 3


@given(st.integers(0, 10**9), st.integers(0, 10**9), st.integers(400, 400_000), st.integers(0, 300_000))
def test_it_rises_from_the_estimate_to_what_is_allowed(
    risk_sat: int, more_sat: int, weight: int, estimate: int
) -> None:
    """From an attempt on, whenever that is, to the deadline; and never above all bounds."""
    worth_sat = risk_sat + more_sat
    for begun in (RAMP_BLOCKS, 7, 3):
        bids = [
            scheduled(Stake(worth_sat, risk_sat, begun - waited, waited), weight, estimate)
            for waited in range(begun + 3)
        ]
        rates = [bid.feerate_per_kw for bid in bids]
        assert rates == sorted(rates) and MIN_FEERATE_PER_KW <= rates[0] <= rates[-1] <= MAX_FEERATE_PER_KW
        assert rates[0] == scheduled(Stake(worth_sat), weight, estimate).feerate_per_kw
        for bid in bids:
            assert fee_sat(weight, bid.feerate_per_kw) <= max(bid.most_sat, fee_sat(weight, MIN_FEERATE_PER_KW))
            assert bid.most_sat <= worth_sat // 2
        assert rates[-1] <= max(rates[0], 500 * risk_sat // weight)


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
