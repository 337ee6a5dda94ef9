"""Which real deaths are tried, and in which order?"""

import random
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from lnpd.store.points import PERSISTENCE_POINTS
from tests.crash.cases import NEVER

T = TypeVar("T")

OTHER: Final = {"alice": "bob", "bob": "alice"}


@dataclass(frozen=True)
class Trial:
    """Who dies. Without a point: `count` milliseconds after the payments began."""

    who: str
    point: str = ""
    moment: str = "before"
    count: int = 1

    def __str__(self) -> str:
        return f"{self.who}:{self.point}:{self.moment}:{self.count}"


def all_trials() -> list[Trial]:
    """Every point, before and after its commit, on each side that passes it, and as many random moments as points."""
    chance = random.Random("every moment")
    found = [
        Trial(who, point, moment)
        for who in OTHER
        for point in PERSISTENCE_POINTS
        for moment in ("before", "after")
        if (who, point) not in NEVER
    ]
    return found + [Trial(chance.choice(tuple(OTHER)), count=chance.randint(1, 400)) for _ in PERSISTENCE_POINTS]


def read(name: str) -> Trial:
    """The trial of a name, as str() writes it."""
    who, point, moment, count = name.split(":")
    return Trial(who, point, moment, int(count))


def sample(seed: str, number: int) -> list[Trial]:
    """Some of them, as many deaths of one as of the other."""
    chance, every = random.Random(seed), all_trials()
    return [trial for who in OTHER for trial in chance.sample([t for t in every if t.who == who], number // 2)]


def shards(trials: list[Trial], number: int) -> list[list[Trial]]:
    """Spread over so many pairs. Each alternates between its two: whoever dies often is dialled after longer pauses."""
    queues = [[trial for trial in trials if trial.who == who] for who in OTHER]
    found: list[list[Trial]] = []
    for shard in range(number):
        rows = [queue[shard::number] for queue in queues]
        found.append([row[n] for n in range(max(map(len, rows))) for row in rows if n < len(row)])
    return found


async def in_turn(
    trials: Sequence[T], undergo: Callable[[T], Awaitable[object]], alone: str, say: Callable[[str], None]
) -> None:
    """Trials one after the other, until one fails; `alone` says how to run that one, {} is its name."""
    for number, trial in enumerate(trials, 1):
        began = time.monotonic()
        try:
            await undergo(trial)
        except BaseException:
            say(f"FAILED at {trial}; alone: python -m tests.crash {alone.format(trial)}")
            raise
        say(f"{number}/{len(trials)} {trial} {time.monotonic() - began:.1f} s")
