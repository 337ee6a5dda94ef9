"""What does a whole node do with whatever a peer with a channel, a stranger, or somebody who cannot greet may send?

Each shard is a network of its own and a seed of its own, two of them in a process; all the while an honest peer pays,
and in the end the node is unharmed (tests/fuzz/witness.py says what that is). By hand: `make fuzz`, or FUZZ_SEED=7
FUZZ_TIMES=10 before pytest.
"""

import asyncio
import os
from pathlib import Path

import pytest

from tests.fuzz.runs import RUNS, run

pytest.importorskip("pbk")  # the embedded chain

SEED = os.environ.get("FUZZ_SEED", "2026")
TIMES = int(os.environ.get("FUZZ_TIMES", "1"))
SHARDS = {"mallory": 4, "messages": 2, "handshakes": 2}
BESIDE = 2  # in one process


@pytest.mark.parametrize(
    ("kind", "first"), [(kind, first) for kind, number in SHARDS.items() for first in range(0, number, BESIDE)]
)
def test_a_node_outlives_whatever_is_sent(tmp_path: Path, kind: str, first: int) -> None:
    seeds = [f"{SEED} {shard}" for shard in range(first, first + BESIDE)]
    asyncio.run(run(tmp_path, kind, seeds, TIMES * RUNS[kind].rounds))
