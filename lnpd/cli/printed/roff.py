"""How does text become a page that `man` shows? By the macros of man(7); what means something to roff is escaped."""

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

MANUAL: Final = "lnpd"


class Section(msgspec.Struct, frozen=True):
    """A section of a page: its heading, and lines of roff."""

    heading: str
    lines: tuple[str, ...]


def page(name: str, version: str, sections: Iterable[Section]) -> str:
    """A whole page. It has no date, so that the same tables make the same page."""
    lines = [f'.TH {escaped(name.upper())} 1 "" "{MANUAL} {version}" "{MANUAL}"', ".nh", ".ad l"]
    for section in sections:
        if section.lines:
            lines += [f".SH {section.heading}", *section.lines]
    return "\n".join(lines) + "\n"


def escaped(text: str) -> str:
    """A text of one line, whatever is in it; hyphens are those that a person types."""
    line = " ".join(text.split()).replace("\\", "\\e").replace("-", "\\-")
    line = line.replace("'", "\\(aq").replace("`", "\\(ga").replace("^", "\\(ha").replace("~", "\\(ti")
    line = "".join(c if c.isascii() else f"\\[u{ord(c):04X}]" for c in line)
    return f"\\&{line}" if line.startswith(".") else line


def paragraph(text: str) -> tuple[str, ...]:
    """A paragraph, in which what stands between backquotes is bold."""
    return (".PP", marked(text))


def marked(text: str) -> str:
    """A line, in which what stands between backquotes is bold."""
    parts = text.split("`")
    if len(parts) % 2 == 0:
        return escaped(text)
    shown = [f"\\fB{escaped(part)}\\fP" if n % 2 else _inside(part) for n, part in enumerate(parts)]
    line = "".join(shown)
    return f"\\&{line}" if line.startswith(".") else line


def _inside(part: str) -> str:
    """A part of a line; the spaces at its ends are kept."""
    if not part.strip():
        return " " if part else ""
    return (" " if part[0].isspace() else "") + escaped(part).removeprefix("\\&") + (" " if part[-1].isspace() else "")


def bold(text: str) -> str:
    """A text in bold."""
    return f"\\fB{escaped(text)}\\fP"


def term(word: str, value: str, help: str) -> tuple[str, ...]:
    """A word, the name of its value perhaps, and what it means."""
    shown = f"{bold(word)} \\fI{escaped(value)}\\fP" if value else bold(word)
    return (".TP", shown, marked(help) or "\\&")


def example(lines: Sequence[str]) -> tuple[str, ...]:
    """Lines as they are typed."""
    return (".PP", ".nf", ".RS", *map(escaped, lines), ".RE", ".fi") if lines else ()
