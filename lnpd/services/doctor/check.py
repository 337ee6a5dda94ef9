"""What is a check, and what becomes of all that a table of them finds?

A check looks at one thing and yields what is wrong with it, nothing where all is well. The commands that it may name
are in its row, with their parameters in capitals, so that a test can hold them against the table of commands; LNPD is
the line that starts this very node as it was started before (lnpd/config/again.py).
"""

import logging
import shlex
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from msgspec.structs import replace

from lnpd.errors import LnpdError
from lnpd.errors.words import one_line
from lnpd.rpc.answers import Finding

T = TypeVar("T")
log = logging.getLogger("lnpd.doctor")

MOST_OF_A_CHECK: Final = 20
"""So many findings of one check are told: with 300 channels the first ones say what is wrong."""
MAX_CHARACTERS: Final = 600
REPORT: Final = "lnp report"
NAMES: Final = ("lnpd", "bitcoind", "/")  # which are written so, also where a sentence begins


class Line(str):
    """Words for a shell that are quoted where they have to be."""


@dataclass(frozen=True)
class Check(Generic[T]):
    """A row: its name, what it looks at, who looks, which commands it may name, and what is said where all is well."""

    name: str
    looks_at: str
    find: Callable[[T], Iterable[Finding] | AsyncIterator[Finding]]
    mends: tuple[str, ...]
    well: str


def danger(text: str, command: str, **words: object) -> Finding:
    """Money, or the whole node, is at risk. `words` take the places of the capitals in the command."""
    return Finding("", "danger", text, filled(command, words))


def warning(text: str, command: str, **words: object) -> Finding:
    """Something is wrong."""
    return Finding("", "warning", text, filled(command, words))


def hint(text: str, command: str, **words: object) -> Finding:
    """It could be better."""
    return Finding("", "hint", text, filled(command, words))


def well(text: str) -> Finding:
    """It is as it should be, and this is worth to be told."""
    return Finding("", "ok", text)


def filled(command: str, words: dict[str, object]) -> str:
    """A row's command with what takes the places of its capitals, as a shell reads it."""
    named = {n.upper(): v if isinstance(v, Line) else shlex.quote(str(v)) for n, v in words.items()}
    return " ".join(filter(None, (named.get(word, word) for word in command.split(" "))))


def span(seconds: float) -> str:
    """A time in words, as exact as somebody cares for."""
    for unit, length in (("days", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"


async def found_by(checks: Sequence[Check[T]], subject: T) -> tuple[Finding, ...]:
    """What each check found, in the order of the table; of one that finds nothing that all is well."""
    found: list[Finding] = []
    for check in checks:
        rows = [replace(each, check=check.name, text=_sentence(each.text)) for each in await _asked(check, subject)]
        more = len(rows) - MOST_OF_A_CHECK
        if more > 0:
            last = replace(rows[MOST_OF_A_CHECK], text=f"And {more} more of this kind.")
            rows = [*rows[:MOST_OF_A_CHECK], last]
        found += rows or [Finding(check.name, "ok", _sentence(check.well))]
    return tuple(found)


async def _asked(check: Check[T], subject: T) -> list[Finding]:
    """A check that cannot look says so, and leaves the others theirs."""
    found: list[Finding] = []
    try:
        told = check.find(subject)
        if isinstance(told, AsyncIterator):
            async for each in told:
                found.append(each)
        else:
            found += told
    except (LnpdError, OSError) as error:
        found.append(warning(f"This could not be looked at: {error}", REPORT))
    except Exception as error:
        log.exception("the check %s failed", check.name)
        found.append(warning(f"This could not be looked at: {type(error).__name__}.", REPORT))
    return found


def _sentence(text: str) -> str:
    line = one_line(text, MAX_CHARACTERS)
    if not line.startswith(NAMES):
        line = line[:1].upper() + line[1:]
    return line if line[-1:] in ".!?" else f"{line}."
