"""Which words has a line, and where does each stand? As a POSIX shell splits them, half a line too.

pay lnbc... --max-fee-msat 21sat   # a comment begins with the first word that begins so
"""

import re
from collections.abc import Sequence
from typing import Final

import msgspec

from lnpd.errors import ParameterRefused

_WORD: Final = re.compile(r"""(?:[^\s"'\\]|\\.|"(?:[^"\\]|\\.)*"|'[^']*')+""", re.DOTALL)
_PART: Final = re.compile(r"""\\(.)|"((?:[^"\\]|\\.)*)"|'([^']*)'|([^\s"'\\]+)""", re.DOTALL)
_ESCAPED: Final = re.compile(r'\\(["\\$`])')


class Word(msgspec.Struct, frozen=True):
    """A word of a line: what it means, and from where to where it stands. An open one lacks its second quote."""

    text: str
    start: int
    end: int
    is_open: bool = False


def words_of(line: str) -> tuple[list[Word], int]:
    """The words of a line, and where its comment begins (its length if it has none)."""
    found: list[Word] = []
    at = 0
    while at < len(line):
        if line[at].isspace():
            at += 1
        elif line[at] == "#":
            return found, at
        elif match := _WORD.match(line, at):
            end = match.end()
            if end < len(line) and not line[end].isspace():  # a quote that does not end belongs to the word
                return [*found, Word(_meant(match[0]) + line[end + 1 :], at, len(line), True)], len(line)
            found.append(Word(_meant(match[0]), at, end))
            at = end
        else:
            return [*found, Word(line[at + 1 :], at, len(line), True)], len(line)
    return found, len(line)


def split(line: str) -> list[str]:
    """The words of a whole line, without its comment. Raises ParameterRefused."""
    found, _ = words_of(line)
    if found and found[-1].is_open:
        raise ParameterRefused("The line cannot be read: a quote, or what follows a backslash, is missing.")
    return [word.text for word in found]


def _meant(raw: str) -> str:
    def part(match: re.Match[str]) -> str:
        escaped, double, single, plain = match.groups()
        if double is not None:
            return _ESCAPED.sub(r"\1", double)
        return next(text for text in (escaped, single, plain) if text is not None)

    return _PART.sub(part, raw)


def without_name(words: Sequence[str]) -> list[str]:
    """The words without `lnp` before them, as texts and manuals write a command."""
    return list(words[1:] if words[:1] == ["lnp"] else words)
