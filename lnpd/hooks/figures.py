"""How often is each hook asked of each plugin, how long do answers take, and how many are waited for?

Only counting: who shows it, reads it.
"""

from bisect import bisect_left
from collections.abc import Iterator
from contextlib import contextmanager
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

    @contextmanager
    def call(self) -> Iterator[None]:
        """Counts one call while it runs; what it raises is an error."""
        began = perf_counter()
        self.calls += 1
        self.waiting += 1
        self.most_waiting = max(self.most_waiting, self.waiting)
        try:
            yield
        except Exception:
            self.errors += 1
            raise
        finally:
            took = perf_counter() - began
            self.waiting -= 1
            self.seconds += took
            self.buckets[bisect_left(BUCKETS_SECONDS, took)] += 1


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
