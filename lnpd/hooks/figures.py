"""How often is each hook asked of each plugin, how long do answers take, and how many are waited for?

Only counting: who shows it, reads it.
"""

from bisect import bisect_left
from collections.abc import Iterable
from time import perf_counter
from typing import Final

BUCKETS_SECONDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class Figures:
    """Of one kind of question to one plugin.

    `buckets` counts answers by their time, each up to the figure of BUCKETS_SECONDS at its place, the last one beyond
    all of them; errors are in it too. `waiting` calls have no answer yet; `most_waiting` is the largest that it was.
    """

    __slots__ = ("buckets", "calls", "errors", "most_waiting", "seconds", "skipped", "waiting")

    def __init__(self) -> None:
        self.calls = self.errors = self.waiting = self.most_waiting = self.skipped = 0
        self.seconds = 0.0
        self.buckets = [0] * (len(BUCKETS_SECONDS) + 1)

    def call(self) -> "Counting":
        """Counts one call while it runs; what it raises is an error."""
        return Counting(self)


class Counting:
    """One call that runs. (A class: as a generator it would take three times as long, at every question.)"""

    __slots__ = ("_began", "_figures")

    def __init__(self, figures: Figures) -> None:
        self._figures, self._began = figures, 0.0

    def __enter__(self) -> None:
        figures = self._figures
        figures.calls += 1
        figures.waiting += 1
        if figures.waiting > figures.most_waiting:
            figures.most_waiting = figures.waiting
        self._began = perf_counter()

    def __exit__(self, kind: type[BaseException] | None, _error: object, _where: object) -> None:
        took, figures = perf_counter() - self._began, self._figures
        if kind is not None and issubclass(kind, Exception):
            figures.errors += 1
        figures.waiting -= 1
        figures.seconds += took
        figures.buckets[bisect_left(BUCKETS_SECONDS, took)] += 1


class CountingEach:
    """Several calls that run together; what is raised is an error of each. (No ExitStack: see above.)"""

    __slots__ = ("_counting",)

    def __init__(self, figures: Iterable[Figures]) -> None:
        self._counting = [Counting(each) for each in figures]

    def __enter__(self) -> None:
        for each in self._counting:
            each.__enter__()

    def __exit__(self, kind: type[BaseException] | None, error: object, where: object) -> None:
        for each in self._counting:
            each.__exit__(kind, error, where)


class HookFigures:
    """By question (a hook, or PROVIDER.METHOD) and plugin. They stay when a plugin leaves, not when the node ends."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str], Figures] = {}

    def of(self, question: str, plugin: str) -> Figures:
        """The figures of one question to one plugin, from zero at the first time."""
        key = question, plugin
        if (found := self.rows.get(key)) is None:
            found = self.rows[key] = Figures()
        return found
