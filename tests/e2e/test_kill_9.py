"""Do real daemons survive a seeded sample of real kill -9, among them kills at random moments of many payments?

Sixty deaths, by four pairs of daemons that xdist can run side by side. Another sample: CRASH_SEED=7. All deaths, with
50 payments in flight: make crash.
"""

import asyncio
import os
import shutil
import tempfile
from pathlib import Path

import pytest

from tests.crash.real import run
from tests.crash.trials import sample, shards

pytest.importorskip("pbk")  # the embedded chain

DEATHS, PAIRS, PAYMENTS = 60, 4, 6
MOST_SECONDS = 240
SEED = os.environ.get("CRASH_SEED", "2026")


@pytest.mark.parametrize("pair", range(PAIRS))
def test_a_sample_of_real_deaths(pair: int) -> None:
    trials = shards(sample(SEED, DEATHS), PAIRS)[pair]
    folder = Path(tempfile.mkdtemp(prefix="crash-"))  # not pytest's: a socket's path is short
    print(f"seed {SEED}: {len(trials)} deaths")

    async def limited() -> None:
        async with asyncio.timeout(MOST_SECONDS):
            await run(folder, trials, PAYMENTS)

    asyncio.run(limited())
    shutil.rmtree(folder)  # a failure's logs stay
