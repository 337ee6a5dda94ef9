"""Whatever the moment of its death in a forced close or a theft, does a node get every satoshi that is its own?

Each case cuts the power of one node once, before or after a commit or a broadcast of one stage. One alone:

    pytest "tests/e2e/test_crash_fights.py::test_a_death[closed:anchors:alice:sweeps:bob:broadcast:before:1]"
"""

import pytest

from tests.crash.fights import Case, cases, read, run
from tests.crash.forced import STAGES
from tests.crash.looks import defects
from tests.crash.world import NODES

pytest.importorskip("pbk")  # the embedded chain


@pytest.mark.parametrize("case", [str(case) for case in cases()])
def test_a_death(caplog: pytest.LogCaptureFixture, case: str) -> None:
    world = run(read(case))
    assert world.deaths == 1
    assert not defects(caplog)


@pytest.mark.parametrize("story", STAGES)
def test_without_a_death_every_stage_has_something_to_interrupt(caplog: pytest.LogCaptureFixture, story: str) -> None:
    world = run(Case(story, "anchors", "alice"))
    print(f"{len(cases())} deaths; {[(stage, dict(hits)) for stage, hits in world.chapters.items()]}")
    for stage, hits in world.chapters.items():
        names = NODES if story == "closed" else ("alice",)
        assert all(hits[name, "commit"] for name in names), stage
        broadcasts = sum(hits[name, "broadcast"] for name in names)
        assert broadcasts or stage in ("taken", "end"), stage
    assert not defects(caplog)
