"""How many payments a second do two whole nodes make, beside the ceiling of the same run?

Primitives and payments take turns in each round. Then, apart from the timing: how many syncs and how many questions to
plugins a payment takes.
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

from contrib.bench import ceilings
from contrib.bench.measure import AsyncTimed, Series, Size, Timed, contest_async
from contrib.bench.nodes import ASKED, ASKED_HERE, FIVE, IDLE, USED, USED_HERE, WITHOUT, Case, Cost, Pair, pairs
from contrib.bench.places import scratch
from contrib.bench.primitives import SYNC, contestants
from contrib.bench.profiling import profile_async
from contrib.bench.report import Section, at_least, at_most
from contrib.bench.writes import BLOB_BYTES, syncing

COUNT, COUNTED, MOST_ROUNDS = 25, 5, 7
ONE = "one after another"
GOAL_ONE, GOAL_AT_ONCE, GOAL_FASTER = at_least(0.5), at_least(0.35), at_least(5)
GOAL_SYNCS = at_most(7)
GOAL_PROCESS = at_least(2 / 3)  # slower by a third at most

Paying = Callable[[Pair], Awaitable[Cost]]


def primitive(timed: Timed) -> AsyncTimed:
    """A primitive among contestants that need a loop."""

    async def run_timed() -> float:
        return timed()

    return run_timed


class Paid:
    """One way of paying in one case, as a contestant; it keeps the processor's seconds beside."""

    def __init__(self, pair: Pair, how: Paying) -> None:
        self._pair, self._how = pair, how
        self._processor: list[float] = []

    async def timed(self) -> float:
        """Seconds of one payment."""
        cost = await self._how(self._pair)
        self._processor.append(cost.processor_seconds)
        return cost.seconds

    @property
    def processor(self) -> Series:
        """Of each round; the first, which warms up, is left out."""
        return Series(tuple(self._processor[1:]))


async def measured(section: Section, made: dict[Case, Pair], primitives: dict[str, Timed], size: Size) -> None:
    """Fills the section."""
    count = size.of(COUNT)
    hows: dict[str, tuple[int, Paying]] = {
        ONE: (1, lambda pair: pair.one_by_one(count)),
        f"{size.together} at once": (size.together, lambda pair: pair.at_once(size.together)),
    }
    paid = {(how, case): Paid(pair, hows[how][1]) for case, pair in made.items() for how in hows}
    table = {name: primitive(timed) for name, timed in primitives.items()}
    table |= {f"{how}, {case.name}": each.timed for (how, case), each in paid.items()}
    found = await contest_async(table, min(size.rounds, MOST_ROUNDS))
    for how, (together, paying) in hows.items():
        why = await profile_async(partial(paying, made[WITHOUT]))
        compared(section, found, how, together, {case: paid[how, case].processor for case in made}, why)
    section.doubt(SYNC, found[SYNC])
    one, many = (found[f"{how}, {WITHOUT.name}"] for how in hows)
    section.ratio(f"{size.together} at once: speed / {ONE}", one.over(many), GOAL_FASTER)


def compared(
    section: Section, found: dict[str, Series], how: str, together: int, processor: dict[Case, Series], why: list[str]
) -> None:
    """Adds all cases of one way of paying."""
    needed, goal = ceilings.counts(together), GOAL_ONE if together == 1 else GOAL_AT_ONCE
    least = ceilings.seconds(found, needed)
    least_processor = ceilings.seconds(found, {name: times for name, times in needed.items() if name != SYNC})
    built = ceilings.seconds(found, needed | ceilings.commitments(together))
    times = {case: found[f"{how}, {case.name}"] for case in processor}
    section.time(f"{how}: ceiling", least)
    section.time(f"{how}: ceiling, processor only", least_processor)
    for case, series in times.items():
        section.time(f"{how}, {case.name}", series)
        section.time(f"{how}, {case.name}: processor only", processor[case])
    section.ratio(f"{how}: speed / ceiling", least.over(times[WITHOUT]), goal, lambda: why)
    section.ratio(f"{how}: speed / ceiling, processor only", least_processor.over(processor[WITHOUT]))
    section.ratio(f"{how}: speed / ceiling with commitments built", built.over(times[WITHOUT]))
    section.ratio(f"{how}, {IDLE.name}: speed / {WITHOUT.name}", times[WITHOUT].over(times[IDLE]))
    for case in (ASKED, FIVE):
        section.ratio(f"{how}, {case.name}: speed / {WITHOUT.name}", times[WITHOUT].over(times[case]))
    for case, here in ((USED, USED_HERE), (ASKED, ASKED_HERE)):
        section.ratio(f"{how}, {case.name}: speed / in-process", times[here].over(times[case]), GOAL_PROCESS)


async def counted(section: Section, made: dict[Case, Pair], size: Size) -> None:
    """Adds syncs and questions of plugins, of payments that share nothing with others."""
    for case, pair in made.items():
        alone = [await pair.one_by_one(1) for _ in range(size.of(COUNTED, 2))]
        together = await pair.at_once(size.together)
        batch = f"{size.together} payments at once, {case.name}"
        goal = GOAL_SYNCS if case is WITHOUT else None
        section.count(f"syncs of one payment, {case.name}", [cost.syncs for cost in alone], goal=goal)
        section.count(f"syncs of {batch}", [round(together.syncs * size.together)])
        if case.plugin and not case.in_process:
            section.count(f"plugin round trips of one payment, {case.name}", [cost.round_trips for cost in alone])
            section.count(f"plugin round trips of {batch}", [round(together.round_trips * size.together)])


async def main(section: Section, folder: Path, sync: Callable[[], object], size: Size) -> None:
    """Opens the channels, then measures."""
    async with pairs(folder) as made:
        await measured(section, made, contestants(size, sync), size)
        await counted(section, made, size)


def run(size: Size) -> Section:
    """See the file's question."""
    section = Section("payments: two whole nodes on one core, over one channel")
    with scratch() as folder, syncing(folder / "sync", BLOB_BYTES) as sync:
        asyncio.run(main(section, folder / "n", sync, size))
    return section
