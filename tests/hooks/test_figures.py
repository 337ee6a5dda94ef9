"""Is every question counted, with its time, and those that wait?"""

import pytest

from lnpd.hooks import figures as module
from lnpd.hooks.figures import BUCKETS_SECONDS, HookFigures


def test_calls_errors_times_and_those_that_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([0.0, 0.0, 0.002, 9.0, 10.0, 10.0])
    monkeypatch.setattr(module, "perf_counter", lambda: next(times))
    row = HookFigures().of("htlc_accepted", "storm")
    with row.call():
        assert (row.calls, row.waiting) == (1, 1)
        with row.call():
            assert (row.calls, row.waiting) == (2, 2)
    with pytest.raises(ValueError, match="late"), row.call():
        raise ValueError("late")
    assert (row.calls, row.errors, row.waiting, row.most_waiting) == (3, 1, 0, 2)
    counted = {bound: count for bound, count in zip((*BUCKETS_SECONDS, None), row.buckets, strict=True) if count}
    assert counted == {0.0005: 1, 0.0025: 1, None: 1}
    assert row.seconds == pytest.approx(9.002)


def test_a_row_for_each_question_and_plugin() -> None:
    figures = HookFigures()
    assert figures.of("a", "storm") is figures.of("a", "storm")
    assert figures.of("a", "storm") is not figures.of("b", "storm")
    assert set(figures.rows) == {("a", "storm"), ("b", "storm")}
