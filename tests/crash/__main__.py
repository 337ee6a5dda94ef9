"""make crash: do real daemons come back, killed with kill -9 at every persistence point with 50 payments in flight?

And on a real bitcoind, which is killed as well, from the opening of a channel to its end on chain? And, in one process,
around what is signed ahead?

python -m tests.crash                                             all of it
python -m tests.crash --real alice:commitment-signed:before:1     one real death alone
python -m tests.crash --bitcoind bob:forced:anchors:alice:resolve:at:300      one on a bitcoind
python -m tests.crash --gated anchors:offer:bob:auxiliary-stored:after:1:daemon
python -m tests.crash --seed 7 --sample 20 --payments 6           some of them
"""

import argparse
import asyncio
import logging
import random
import sys
import tempfile
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from tests.crash import endings, gated, lives, real
from tests.crash.endings import Ending
from tests.crash.trials import Trial, all_trials, read, sample, shards
from tests.interop.bitcoind import program

PAIRS = 2
LIVES = 300

Work = Coroutine[Any, Any, object]  # Any: what a coroutine takes and sends


async def together(works: list[Work]) -> list[BaseException]:
    """Side by side; what failed."""
    return [each for each in await asyncio.gather(*works, return_exceptions=True) if isinstance(each, BaseException)]


def folder() -> Path:
    """A pair's; it stays. Its name is short, for a socket's is."""
    return Path(tempfile.mkdtemp(prefix="crash-"))


def on_the_embedded_chain(trials: list[Trial], payments: int) -> list[Work]:
    """Pairs of daemons for these."""
    return [real.run(folder(), part, payments) for part in shards(trials, PAIRS) if part]


def on_bitcoind(found: list[Ending]) -> list[Work]:
    """Pairs of daemons, each on a bitcoind of its own, for these. Without one that is said; in CI it fails."""
    try:
        program()
    except pytest.skip.Exception as why:
        print(f"{len(found)} deaths on a bitcoind: {why.msg}", flush=True)
        return []
    return [lives.run(folder(), part) for part in (found[each::PAIRS] for each in range(PAIRS)) if part]


async def around_gates(found: list[gated.Case]) -> None:
    """One after the other; which failed is said."""
    logging.getLogger("lnpd").setLevel(logging.ERROR)  # warnings belong to a death
    failed = []
    for case in found:
        try:
            await asyncio.to_thread(gated.run, case)
        except Exception as error:
            print(f"--gated {case}: {type(error).__name__}: {error}", flush=True)
            failed.append(case)
    assert not failed, f"{len(failed)} of {len(found)} deaths around gates"


def judge(what: str, number: int, works: list[Work]) -> bool:
    """Whether all came back; says so."""
    began = time.monotonic()
    failures = asyncio.run(together(works)) if works else []
    for failure in failures:
        print(f"{type(failure).__name__}: {failure}", file=sys.stderr)
    verdict = f"{len(failures)} of {len(works)} pairs failed" if failures else "all came back"
    print(f"{number} deaths {what} in {time.monotonic() - began:.0f} s: {verdict}", flush=True)
    return not failures


def main() -> int:
    """The program; 1 if anything that must hold did not."""
    parser = argparse.ArgumentParser(prog="python -m tests.crash", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--real", action="append", metavar="WHO:POINT:MOMENT:N", help="this death only (repeatable)")
    parser.add_argument("--bitcoind", action="append", metavar="NAME", help="this life only (repeatable)")
    parser.add_argument("--gated", action="append", metavar="NAME", help="this death around a gate only (repeatable)")
    parser.add_argument("--sample", type=int, metavar="NUMBER", help="so many of them, drawn with --seed")
    parser.add_argument("--seed", default="0")
    parser.add_argument("--payments", type=int, default=50, help="how many are made at once, both ways (default: 50)")
    given = parser.parse_args()
    alone = bool(given.real or given.bitcoind or given.gated)
    trials = [read(name) for name in given.real or ()] if alone else all_trials()
    found = [endings.read(name) for name in given.bitcoind or ()] if alone else endings.endings(given.seed, LIVES)
    gates = [gated.read(name) for name in given.gated or ()] if alone else gated.cases()
    if given.sample:
        trials, found = sample(given.seed, given.sample), found[: given.sample]
        gates = random.Random(given.seed).sample(gates, min(given.sample, len(gates)))
    good = True
    if trials:
        good = judge("on the embedded chain", len(trials), on_the_embedded_chain(trials, given.payments))
    if gates:
        good &= judge("around gates", len(gates), [around_gates(gates)])
    if found and (works := on_bitcoind(found)):
        good &= judge("on a bitcoind", len(found), works)
    return not good


if __name__ == "__main__":
    sys.exit(main())
