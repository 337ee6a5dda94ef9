"""Whatever the moment of its death, does a node in the middle of a route lose or make nobody a millisatoshi?

Each case cuts the power of one node of three once, just before or just after one commit, while HTLCs pass through the
middle one. One alone:

    pytest "tests/e2e/test_crash_line.py::test_a_death[bob:circuit-opened:after:1]"
"""

import pytest

from tests.crash.cases import FORWARDING
from tests.crash.line import cuts, name_of, read, run
from tests.crash.looks import defects


@pytest.mark.parametrize("case", [name_of(cut) for cut in cuts()])
def test_a_death(caplog: pytest.LogCaptureFixture, case: str) -> None:
    world = run(read(case))
    assert world.deaths == 1
    assert not defects(caplog)


def test_without_a_death_every_point_is_passed(caplog: pytest.LogCaptureFixture) -> None:
    world = run(None)
    passed = {point for who, point in world.hits if who == "bob"}
    print(f"{len(cuts())} deaths; {len(passed & set(FORWARDING))} of {len(FORWARDING)} points of forwarding passed")
    assert set(FORWARDING) <= passed
    assert not defects(caplog)
