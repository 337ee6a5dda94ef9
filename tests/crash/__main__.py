"""make crash: do real daemons, killed with kill -9 at every persistence point with 50 payments in flight, come back?

python -m tests.crash                                         all of it
python -m tests.crash --real alice:commitment-signed:before:1     one real death alone
python -m tests.crash --seed 7 --sample 20 --payments 6           some of them
"""

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path

from tests.crash.real import run
from tests.crash.trials import Trial, all_trials, read, sample, shards

PAIRS = 2


async def together(trials: list[Trial], payments: int) -> list[BaseException]:
    """Pairs side by side; what failed. A pair's folder stays if it failed; its name is short, for a socket's is."""
    parts = [part for part in shards(trials, PAIRS) if part]
    folders = [Path(tempfile.mkdtemp(prefix="crash-")) for _ in parts]
    work = (run(folder, part, payments) for folder, part in zip(folders, parts, strict=True))
    return [error for error in await asyncio.gather(*work, return_exceptions=True) if error is not None]


def main() -> int:
    """The program; 1 if anything that must hold did not."""
    parser = argparse.ArgumentParser(prog="python -m tests.crash", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--real", action="append", metavar="WHO:POINT:MOMENT:N", help="this death only (repeatable)")
    parser.add_argument("--sample", type=int, metavar="NUMBER", help="so many of them, drawn with --seed")
    parser.add_argument("--seed", default="0")
    parser.add_argument("--payments", type=int, default=50, help="how many are made at once, both ways (default: 50)")
    given = parser.parse_args()
    trials = [read(name) for name in given.real or ()] or all_trials()
    if given.sample:
        trials = sample(given.seed, given.sample)
    began = time.monotonic()
    failures = asyncio.run(together(trials, given.payments))
    for failure in failures:
        print(f"{type(failure).__name__}: {failure}", file=sys.stderr)
    verdict = f"{len(failures)} of {PAIRS} pairs failed" if failures else "all came back"
    print(f"{len(trials)} deaths in {time.monotonic() - began:.0f} s: {verdict}", flush=True)
    return bool(failures)


if __name__ == "__main__":
    sys.exit(main())
