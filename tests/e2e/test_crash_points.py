"""Whatever the moment of its death, does a node come back to an active channel, with every satoshi and every answer?

Each case cuts the power of one node (or kills its plugin) once, just before or just after one commit, in a story from
the opening of a channel to its last satoshi on the chain. One alone:

    pytest "tests/e2e/test_crash_points.py::test_a_death[alice:commitment-signed:before:1:daemon:agreed]"
"""

import pytest

from lnpd.store.points import PERSISTENCE_POINTS
from tests.crash.cases import NEVER, cuts, name_of, read, run
from tests.crash.looks import defects
from tests.crash.world import NODES


@pytest.mark.parametrize("case", [name_of(*case) for case in cuts()])
def test_a_death(caplog: pytest.LogCaptureFixture, case: str) -> None:
    cut, ending = read(case)
    world = run(cut, ending)
    assert (world.deaths, world.plugin_deaths) == ((1, 0) if cut.victim == "daemon" else (0, 1))
    assert not defects(caplog)


def test_without_a_death_every_point_is_passed(caplog: pytest.LogCaptureFixture) -> None:
    worlds = [run(None, ending) for ending in ("agreed", "forced")]
    passed = {key for world in worlds for key in world.hits}
    expected = {(who, point) for who in NODES for point in PERSISTENCE_POINTS}
    never_passed = expected - passed - NEVER.keys() - {("bob", "force-close")}  # bob's own cases close by force
    print(f"{len(passed)} points passed, {len(PERSISTENCE_POINTS)} in the table, by two nodes")
    assert not never_passed
    assert not passed & NEVER.keys(), "an exception that is none"
    assert not defects(caplog)
