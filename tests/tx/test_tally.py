"""Does a tally that follows the one before it come to the same as one counted from nothing, and refuse the same?"""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lnpd_sdk.script import DataCarrier, Template
from lnpd_sdk.types import OutputSpec

from lnpd import errors
from lnpd.tx.graph import ProviderPin
from lnpd.tx.tally import Scale, on_scale, tally

PIN = ProviderPin("box", 1, ("contribute",), max_outputs=16, max_weight=16 * 172)
SCALE = Scale(354, 1000, 1000)


def output(name: int, opener_msat: int = 0, acceptor_msat: int = 0, **changes: Any) -> OutputSpec:
    values = {
        "provider": "box",
        "id": str(name),
        "kind": "box",
        "value_sat": (opener_msat + acceptor_msat) // 1000,
        "script": Template("to_local"),
        "debits_msat": (opener_msat, acceptor_msat),
    }
    return OutputSpec(**{**values, **changes})


amounts = st.sampled_from((0, 353_999, 354_000, 999_999, 1_000_000, 2_500_500))
outputs = st.one_of(
    st.builds(
        output,
        st.integers(0, 9),
        amounts,
        amounts,
        trim=st.sampled_from(("dust", "refuse")),
        second_stage_weight=st.sampled_from((0, 663)),
        script=st.sampled_from((Template("to_local"), Template("to_remote"))),
    ),
    st.builds(
        output, st.integers(0, 9), script=st.builds(DataCarrier, st.sampled_from((1, 75, 76))), trim=st.just("never")
    ),
)
pools = st.lists(outputs, min_size=1, max_size=20)


@given(pools, st.data())
def test_each_step_comes_to_what_a_fresh_count_does(pool: list[OutputSpec], data: st.DataObject) -> None:
    known = None
    for _ in range(5):
        chosen = data.draw(st.lists(st.sampled_from(pool), unique_by=lambda spec: spec.id, max_size=10))
        known = tally(PIN, tuple(chosen), SCALE, known)
        assert known == tally(PIN, tuple(chosen), SCALE)
        other = Scale(1000, 1000, 253)
        assert on_scale(known, other) == tally(PIN, tuple(chosen), other)


def test_figures() -> None:
    small, large, carrier = output(1, 999_000), output(2, 0, 1_000_001), output(3, script=DataCarrier(32), trim="never")
    found = tally(PIN, (small, large, carrier), SCALE)
    assert (found.counts, found.weights, found.debits_msat) == ((2, 1), (172 + 172, 172), (999_000, 1_000_001))
    assert (found.surviving_weight, found.refused) == (3 * 172, frozenset({"1"}))
    assert tally(PIN, (large,), SCALE, found).surviving_weight == 172


@pytest.mark.parametrize(
    ("error", "answer"),
    [
        (errors.WrongProvider, [output(1)]),
        (errors.WrongProvider, (output(1), "an output")),
        (errors.WrongProvider, (output(1), output(2, provider="htlc"))),
        (errors.DuplicateOutput, (output(1), output(1, 5000))),
        (errors.WrongDebits, (output(1), output(2, 5000, value_sat=6))),
        (errors.ValueOnDataCarrier, (output(1), output(2, trim="never"))),
        (errors.TooManyOutputs, tuple(output(n) for n in range(17))),
        (errors.WeightExceeded, tuple(output(n, script=DataCarrier(80), trim="never") for n in range(16))),
    ],
)
def test_what_is_new_is_checked_and_limits_hold_for_all(error: type[Exception], answer: Any) -> None:
    known = tally(PIN, tuple(answer[:1]), SCALE)
    with pytest.raises(error):
        tally(PIN, answer, SCALE)
    with pytest.raises(error):
        tally(PIN, answer, SCALE, known)
