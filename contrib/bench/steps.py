"""Where does each microsecond of a question to a plugin go?

Each way has in it all that the one before it has, and one thing more, so the difference of two rows is what that thing
costs. What is shown is the round in which the way took the least processor time: a neighbour that takes the caches
makes every step dearer, and none of them differently. The plugin's share is that of all processes that came with the
way. Linux alone tells how long the threads of another process ran.
"""

import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from contrib.bench.measure import AsyncTimed

PROC = Path("/proc")
WIDE = 58


class Spent(NamedTuple):
    """Seconds of processor time: this process's thread and its others, and the same of other processes."""

    node: float
    node_others: float
    plugin: float
    plugin_others: float

    def per(self, before: "Spent", count: int) -> "Spent":
        """What one of `count` questions took since then."""
        return Spent(*((now - then) / count for now, then in zip(self, before, strict=True)))


class Round(NamedTuple):
    """One question, in one round."""

    wall: float
    spent: Spent


class Metered:
    """A contestant of whom is noted, too, where it spends its processor time."""

    def __init__(self, timed: AsyncTimed, count: int, processes: Sequence[int]) -> None:
        self._timed, self._count, self._processes = timed, count, processes
        self.rounds: list[Round] = []

    async def __call__(self) -> float:
        before = spent(self._processes)
        wall = await self._timed()
        self.rounds.append(Round(wall, spent(self._processes).per(before, self._count)))
        return wall

    @property
    def least(self) -> Round:
        """The round with the least processor time. The first one warmed up."""
        return min(self.rounds[1:] or self.rounds, key=lambda found: sum(found.spent))


def spent(processes: Sequence[int]) -> Spent:
    """What this process and others have spent up to now."""
    own, whole = time.thread_time(), time.process_time()
    main, others = 0.0, 0.0
    for process in processes:
        for thread, seconds in _threads(process):
            main, others = (main + seconds, others) if thread == process else (main, others + seconds)
    return Spent(own, whole - own, main, others)


def descendants(process: int) -> Iterator[int]:
    """The processes that a process started, and theirs; nothing where the system does not tell."""
    try:
        words = [(thread / "children").read_text() for thread in (PROC / str(process) / "task").iterdir()]
    except OSError:
        return
    for child in (int(word) for text in words for word in text.split()):
        yield child
        yield from descendants(child)


class Newcomers:
    """Which processes has this one started since it was asked last?"""

    def __init__(self) -> None:
        self._known = set(descendants(os.getpid()))

    def __call__(self) -> tuple[int, ...]:
        new = tuple(each for each in descendants(os.getpid()) if each not in self._known)
        self._known.update(new)
        return new


def _threads(process: int) -> Iterator[tuple[int, float]]:
    try:
        for thread in (PROC / str(process) / "task").iterdir():
            yield int(thread.name), int((thread / "schedstat").read_text().split()[0]) / 1e9
    except OSError:  # it ended, or this system does not tell
        return


def table(steps: Sequence[tuple[str, Metered]], unit: Metered) -> list[str]:
    """A row for each step; `unit` is what their times are multiples of."""
    if not any(step.least.spent.plugin for _, step in steps):
        return ["where the time goes is not shown: this system does not tell how long another process's threads ran"]
    names = ("node", "its zmq", "plugin", "its zmq", "sum", "added", "/ echo", "wall")
    head = f"{'processor time of one question in us, by thread':{WIDE}}" + "".join(f"{name:>9}" for name in names)
    lines, before, echo = [head], 0.0, sum(unit.least.spent)
    for name, step in steps:
        least = step.least
        total = sum(least.spent)
        times = (*least.spent, total, total - before)
        cells = [f"{1e6 * each:9.1f}" for each in times]
        lines.append(f"{name:{WIDE}}{''.join(cells)}{total / echo:8.1f}x{1e6 * least.wall:9.1f}")
        before = total
    return lines
