"""How does the story speak, and what ends it early?

Every line carries the seconds since the beginning, every chapter how long it took.
"""

import re
import sys
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Final, TypeVar

T = TypeVar("T")

PATIENCE_SECONDS: Final = 30.0
PAUSE_SECONDS: Final = 0.02
SHOWN_DIGITS: Final = 12
LONG_WORD: Final = re.compile(r"\b(?=[0-9a-f]*[0-9])[0-9a-f]{40,}|\bln[a-z0-9]{60,}")


class StoryFailed(Exception):
    """Something that had to happen did not, or something that had to agree did not. The text says which."""


class Teller:
    """Prints the story."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._chapters = 0

    @property
    def seconds(self) -> float:
        """Since the beginning."""
        return time.monotonic() - self._began

    def say(self, text: str = "") -> None:
        """A line."""
        print(f"{self.seconds:7.2f} s    {text}".rstrip(), flush=True)

    def title(self, text: str) -> None:
        """A line of its own."""
        print(text, flush=True)

    def command(self, who: str, words: Sequence[str]) -> None:
        """A command line that is run now, its long words shortened."""
        shown = " ".join(f'"{word}"' if " " in word else shortened(word) for word in words)
        self.say(f"{who}$ {shown}")

    def chapter(self, title: str) -> "Chapter":
        """A step of the story: with teller.chapter("..."): ..."""
        self._chapters += 1
        return Chapter(self, f"{self._chapters}. {title}")


class Chapter:
    """Prints a step's title at its beginning, and how long it took at its end."""

    def __init__(self, teller: Teller, title: str) -> None:
        self._teller, self._title = teller, title

    def __enter__(self) -> None:
        self._began = self._teller.seconds
        self._teller.title(f"\n{self._title}")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        outcome = "took" if kind is None else "ended early after"
        self._teller.say(f"({outcome} {self._teller.seconds - self._began:.2f} s)")


def shortened(word: str) -> str:
    """A word for the eye: of ids and invoices the first digits only."""
    return LONG_WORD.sub(lambda long: f"{long[0][:SHOWN_DIGITS]}…", word)


def sat(amount_sat: int) -> str:
    """An amount as a person writes it."""
    return f"{amount_sat:,} sat"


def wait(what: str, condition: Callable[[], T | None], seconds: float = PATIENCE_SECONDS) -> T:
    """The condition's value as soon as it is true. Raises StoryFailed, which names what never came."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise StoryFailed(f"Within {seconds:g} s there was never: {what}.")
        time.sleep(PAUSE_SECONDS)
    return found


def agree(what: str, *values: object) -> None:
    """Raises StoryFailed unless all values are equal."""
    if any(value != values[0] for value in values[1:]):
        raise StoryFailed(f"{what}: {' and '.join(map(str, values))} differ.")


def complain(text: str) -> None:
    """A line for what went wrong."""
    print(text, file=sys.stderr, flush=True)
