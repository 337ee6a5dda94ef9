"""How is a time measured, so that two of them may be divided by each other?

Machines are shared and their speed drifts: contestants take turns within each round, each round gives a ratio of its
own, and what is reported is the median of all rounds, with the bounds of the middle half of them beside it. Turns are
short, so that both sides of a ratio meet the same weather. What only computes is measured in this thread's processor
time, of which a neighbour takes nothing; what waits for a disk or another process, by the clock on the wall.
"""

import gc
import statistics
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Size:
    """How much is measured: rounds, which part of each count that a benchmark asks for, and how many payments at once.

    The last is no matter of exactness: fewer payments in a commitment are another benchmark.
    """

    rounds: int
    share: float
    together: int = 100

    def of(self, count: int, least: int = 1) -> int:
        """A count of operations at this size."""
        return max(least, round(count * self.share))


FULL = Size(rounds=9, share=1.0)
QUICK = Size(rounds=3, share=0.3)


@dataclass(frozen=True)
class Series:
    """One figure from each round."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def spread(self) -> tuple[float, float]:
        """The first and the third quartile; of fewer than four rounds the lowest and the highest."""
        if len(self.values) < 4:
            return min(self.values), max(self.values)
        first, _, third = statistics.quantiles(self.values, n=4)
        return first, third

    def over(self, other: "Series") -> "Series":
        """The quotient of each round."""
        return Series(tuple(ours / theirs for ours, theirs in zip(self.values, other.values, strict=True)))

    def plus(self, other: "Series") -> "Series":
        """The sum of each round."""
        return Series(tuple(one + another for one, another in zip(self.values, other.values, strict=True)))


Timed = Callable[[], float]
Clock = Callable[[], float]
AsyncTimed = Callable[[], Awaitable[float]]


def seconds_each(count: int, operation: Callable[[], object], clock: Clock = time.perf_counter) -> float:
    """Seconds on the wall that one operation takes, of `count` in a row."""
    turns = range(count)
    start = clock()
    for _ in turns:
        operation()
    return (clock() - start) / count


def processor_seconds_each(count: int, operation: Callable[[], object]) -> float:
    """Seconds of this thread's processor time that one operation takes, of `count` in a row."""
    return seconds_each(count, operation, time.thread_time)


def processor_seconds_each_of(operation: Callable[[T], object], inputs: Sequence[T]) -> float:
    """The same, each on an input of its own."""
    start = time.thread_time()
    for one in inputs:
        operation(one)
    return (time.thread_time() - start) / len(inputs)


def contest(contestants: Mapping[str, Timed], rounds: int) -> dict[str, Series]:
    """Seconds of one operation of each contestant, in each round. A first round warms up and does not count."""
    found: dict[str, list[float]] = {name: [] for name in contestants}
    for number in range(rounds + 1):
        for name, timed in contestants.items():
            gc.collect()  # nobody pays for what the one before left behind
            seconds = timed()
            if number:
                found[name].append(seconds)
    return {name: Series(tuple(values)) for name, values in found.items()}


async def contest_async(contestants: Mapping[str, AsyncTimed], rounds: int) -> dict[str, Series]:
    """`contest` for contestants that need an event loop."""
    found: dict[str, list[float]] = {name: [] for name in contestants}
    for number in range(rounds + 1):
        for name, timed in contestants.items():
            gc.collect()
            seconds = await timed()
            if number:
                found[name].append(seconds)
    return {name: Series(tuple(values)) for name, values in found.items()}
