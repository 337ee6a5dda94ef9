"""Do real daemons on a real bitcoind survive kill -9, their own and bitcoind's, from a channel's opening to its end?

Thirty seeded deaths. Another sample: CRASH_SEED=7. Three hundred: make crash.
"""

import asyncio
import os
import shutil
import tempfile
from pathlib import Path

import pytest

from tests.crash.endings import endings
from tests.crash.lives import run
from tests.interop.bitcoind import program

DEATHS, WORKERS, BESIDE = 30, 2, 2
MOST_SECONDS = 900  # that nothing hangs; a free machine needs a tenth
SEED = os.environ.get("CRASH_SEED", "2026")


@pytest.mark.parametrize("worker", range(WORKERS))
def test_a_sample_of_deaths_on_a_bitcoind(worker: int) -> None:
    program()  # skipped without one
    found = endings(SEED, DEATHS)[worker::WORKERS]
    folders = [Path(tempfile.mkdtemp(prefix="crash-")) for _ in range(BESIDE)]  # not pytest's: a socket's path is short
    print(f"seed {SEED}: {len(found)} deaths")

    async def limited() -> None:
        async with asyncio.timeout(MOST_SECONDS):
            works = (run(folder, found[each::BESIDE]) for each, folder in enumerate(folders))
            ended = await asyncio.gather(*works, return_exceptions=True)
        failures = [each for each in ended if isinstance(each, Exception)]
        if failures:
            raise ExceptionGroup("not all came back", failures)

    asyncio.run(limited())
    for folder in folders:
        shutil.rmtree(folder)  # a failure's logs stay
