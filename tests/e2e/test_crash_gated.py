"""Whatever the moment of its death around signatures that are given ahead, does a node keep its payout and its secret?

Each case cuts the power of one node once (or kills its plugin). Here are a few; `make crash` tries all. One alone:

    python -m tests.crash --gated anchors:offer:bob:auxiliary-stored:after:1:daemon
"""

import random

import pytest

from tests.crash.gated import POINTS, SEED, Case, cases, read, run
from tests.crash.looks import defects

pytest.importorskip("pbk")  # the embedded chain


@pytest.mark.parametrize("case", [str(case) for case in random.Random(SEED).sample(cases(), 2)])
def test_a_death(caplog: pytest.LogCaptureFixture, case: str) -> None:
    world = run(read(case))
    assert world.deaths + min(world.plugin_deaths, 1) == 1
    assert not defects(caplog)


def test_without_a_death_every_point_is_passed(caplog: pytest.LogCaptureFixture) -> None:
    world = run(Case("static"))
    passed = {stage: {point for _, point in hits} for stage, hits in world.chapters.items()}
    print(f"{len(cases())} deaths; {passed}")
    for stage, points in POINTS.items():
        assert set(points) - {"broadcast"} <= passed[stage], stage
    assert not defects(caplog)
