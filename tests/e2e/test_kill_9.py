"""Do real daemons survive a seeded sample of real kill -9, among them kills at random moments of many payments?

Sixty deaths, by four pairs of daemons: two side by side, for a pair waits more than it works, on each of two workers
of xdist. Another sample: CRASH_SEED=7. All deaths, with
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

DEATHS, WORKERS, BESIDE, PAYMENTS = 60, 2, 2, 6
MOST_SECONDS = 480  # that nothing hangs; a free machine needs a sixth
SEED = os.environ.get("CRASH_SEED", "2026")


@pytest.mark.parametrize("worker", range(WORKERS))
def test_a_sample_of_real_deaths(worker: int) -> None:
    found = shards(sample(SEED, DEATHS), WORKERS * BESIDE)[worker::WORKERS]
    folders = [Path(tempfile.mkdtemp(prefix="crash-")) for _ in range(BESIDE)]  # not pytest's: a socket's path is short
    print(f"seed {SEED}: {sum(map(len, found))} deaths")

    async def limited() -> None:
        async with asyncio.timeout(MOST_SECONDS):
            works = (run(folder, trials, PAYMENTS) for folder, trials in zip(folders, found, strict=True))
            ended = await asyncio.gather(*works, return_exceptions=True)
        failures = [each for each in ended if isinstance(each, Exception)]
        if failures:
            raise ExceptionGroup("not all came back", failures)

    asyncio.run(limited())
    for folder in folders:
        shutil.rmtree(folder)  # a failure's logs stay
