"""What does a benchmark say, and how is it printed?

A section has times, ratios and counts. A ratio or a count may have a goal; one that misses it says so, and says what
costs the time.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from contrib.bench.measure import Series

WIDE = 66
UNSTEADY = 1.5


@dataclass(frozen=True)
class Goal:
    """A bound that a figure should keep."""

    bound: Literal[">=", "<="]
    figure: float

    def met(self, value: float) -> bool:
        """Whether a figure keeps it."""
        return value >= self.figure if self.bound == ">=" else value <= self.figure

    def __str__(self) -> str:
        return f"{self.bound} {self.figure:.3g}"


def at_least(figure: float) -> Goal:
    """The figure or more."""
    return Goal(">=", figure)


def at_most(figure: float) -> Goal:
    """The figure or less."""
    return Goal("<=", figure)


@dataclass(frozen=True)
class Figure:
    """A line of the table. `unit` is x, us, ms, s, MB, /s, % or empty; a ratio is in x."""

    name: str
    series: Series
    unit: str
    goal: Goal | None = None
    why: Callable[[], Sequence[str]] | None = None  # called if the goal is missed: what costs the time

    @property
    def missed(self) -> bool:
        """Whether there is a goal that the median does not keep."""
        return self.goal is not None and not self.goal.met(self.series.median)


@dataclass
class Section:
    """What one benchmark found. `not_run` is why it did not run."""

    title: str
    figures: list[Figure] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    not_run: str = ""

    def time(self, name: str, seconds: Series) -> None:
        """A time, in the unit that suits it."""
        unit, scale = ("us", 1e6) if seconds.median < 1e-3 else ("ms", 1e3)
        self.figures.append(Figure(name, Series(tuple(v * scale for v in seconds.values)), unit))

    def ratio(
        self, name: str, series: Series, goal: Goal | None = None, why: Callable[[], Sequence[str]] | None = None
    ) -> None:
        """A quotient of two figures of one run."""
        self.figures.append(Figure(name, series, "x", goal, why))

    def count(self, name: str, values: Sequence[float], unit: str = "", goal: Goal | None = None) -> None:
        """A figure that is no quotient."""
        self.figures.append(Figure(name, Series(tuple(values)), unit, goal))

    def share(self, name: str, series: Series) -> None:
        """A part of a whole, as percents."""
        self.figures.append(Figure(name, Series(tuple(100 * value for value in series.values)), "%"))

    def note(self, text: str) -> None:
        """A line for a person."""
        self.notes.append(text)

    def doubt(self, name: str, series: Series) -> None:
        """Says so if what the ratios lean on was not steady: then neither `met` nor `MISSED` of them means much."""
        low, high = series.spread
        if high > UNSTEADY * low:
            self.note(
                f"UNSTEADY: {name} took {low * 1e6:,.0f} to {high * 1e6:,.0f} us; repeat this on a quieter machine"
            )

    @property
    def missed(self) -> list[Figure]:
        """The figures that miss their goal."""
        return [figure for figure in self.figures if figure.missed]


def printed(section: Section) -> str:
    """A section as text."""
    lines = [section.title, "=" * len(section.title)]
    if section.not_run:
        lines.append(f"NOT RUN: {section.not_run}")
    if section.figures:
        head = (f"{'':{WIDE}}", f"{'median':>12}", f"{'middle half':>22}", f"{'rounds':>7}", f"{'goal':>11}")
        lines.append("".join(head).rstrip())
    explained: list[object] = []
    for figure in section.figures:
        lines.append(_line_of(figure))
        if figure.missed and figure.why is not None and figure.why not in explained:
            explained.append(figure.why)
            lines += [f"      {line}" for line in figure.why()]
    lines += [f"  {note}" for note in section.notes]
    return "\n".join(lines)


def summary(sections: Sequence[Section]) -> str:
    """Every goal in one line: how many are met, and each that is missed by name."""
    goals = [figure for section in sections for figure in section.figures if figure.goal]
    missed = [(section, figure) for section in sections for figure in section.missed]
    lines = [f"{len(goals) - len(missed)} of {len(goals)} goals met"]
    for section, figure in missed:
        value = _value(figure.series.median, figure.unit)
        lines.append(f"  MISSED  {section.title.partition(':')[0]}: {figure.name}: {value}, goal {figure.goal}")
    lines += [f"  NOT RUN {section.title}: {section.not_run}" for section in sections if section.not_run]
    return "\n".join(lines)


def _line_of(figure: Figure) -> str:
    series, unit = figure.series, figure.unit
    low, high = series.spread
    spread = "" if low == high else f"{_number(low)} to {_number(high)}"
    verdict = "" if figure.goal is None else f"{figure.goal!s:>11}  {'MISSED' if figure.missed else 'met'}"
    return f"  {figure.name:{WIDE - 2}}{_value(series.median, unit):>12}{spread:>22}{len(series.values):>7}{verdict}"


def _value(value: float, unit: str) -> str:
    return f"{_number(value)}{'' if unit == 'x' or not unit else ' '}{unit}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 or value == int(value) else f"{value:.{2 if value < 100 else 1}f}"
