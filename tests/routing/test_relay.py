"""What does a policy ask, as BOLT 7 computes it?"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lnpd.config import Config
from lnpd.routing.relay import LOWEST_CLTV_EXPIRY_DELTA, RelayPolicy
from lnpd.services.channels.opening import Demands

# BOLT 7, Routing Example: base, millionths, amount, fee; then edges.
FEES = (
    (200, 2_000, 4_999_999, 10_199),
    (400, 4_000, 4_999_999, 20_399),
    (0, 0, 10**15, 0),
    (1_000, 1, 999_999, 1_000),
    (1_000, 1, 1_000_000, 1_001),
)


@pytest.mark.parametrize(("base", "millionths", "amount_msat", "fee_msat"), FEES)
def test_fees(base: int, millionths: int, amount_msat: int, fee_msat: int) -> None:
    assert RelayPolicy(base, millionths).fee_msat(amount_msat) == fee_msat


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1), st.integers(0, 2**51))
def test_a_fee_is_floored_once(base: int, millionths: int, amount_msat: int) -> None:
    fee_msat = RelayPolicy(base, millionths).fee_msat(amount_msat) - base
    assert 0 <= amount_msat * millionths - 1_000_000 * fee_msat < 1_000_000


def test_the_node_asks_what_the_options_say_and_never_too_few_blocks(tmp_path: object) -> None:
    assert Config(directory=tmp_path).relay == RelayPolicy()  # type: ignore[arg-type]  # it is a path
    # BOLT 2: 3R + 2G + 2S, with R of 2, G of 2 and S of 12 at least; and what our own deadlines take is within it.
    assert LOWEST_CLTV_EXPIRY_DELTA == 3 * 2 + 2 * 2 + 2 * 12
    assert RelayPolicy().cltv_expiry_delta >= LOWEST_CLTV_EXPIRY_DELTA
    assert Demands().htlc_minimum_msat <= RelayPolicy().htlc_minimum_msat
