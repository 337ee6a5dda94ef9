"""How is a value written for a person? Amounts with thin groups, times, yes and no; how wide it is, and what is cut.

What a field is follows from its name (`_sat`, `_msat`, `_seconds`, ...).
"""

import re
import unicodedata
from collections.abc import Mapping
from typing import Any, Final

from lnpd.cli.safe import clean

Row = Mapping[str, Any]  # Any: JSON values

UNITS: Final[tuple[tuple[str, str], ...]] = (
    ("_unix_seconds", ""), ("_msat", "sat"), ("_sat", "sat"), ("_per_kw", "sat/kw"), ("_seconds", "s"),
)  # fmt: skip
OVER: Final = ("Mn", "Me")  # marks that stand over the character before them
PICTURE: Final = "\N{VARIATION SELECTOR-16}"  # makes a picture of it, which is a cell wider
PAINT_START: Final = "\x1b["
UNPAINTED: Final = "\x1b[0m"
PAINT: Final = re.compile(r"\x1b\[[0-9;]*m")
PAINT_OR_CHARACTER: Final = re.compile(r"\x1b\[[0-9;]*m|.", re.DOTALL)


def text(name: str, value: object) -> str:
    """A value without its unit, as a person writes it."""
    if value is None or value == [] or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return str(len(value)) if isinstance(value[0], Mapping) else ", ".join(text(name, item) for item in value)
    if isinstance(value, int | float):
        return _number(name, value)
    return clean(str(value))


def _number(name: str, value: float) -> str:
    if name.endswith("_unix_seconds"):
        from datetime import datetime  # slow to load, and rarely needed

        return datetime.fromtimestamp(value).strftime("%Y-%m-%d %H:%M")
    if name.endswith("_msat"):
        whole, rest = divmod(int(value), 1000)
        return f"{whole:,}.{rest:03}".rstrip("0") if rest else f"{whole:,}"
    if isinstance(value, float):
        return f"{value:,.3f}".rstrip("0").rstrip(".")
    return f"{value:,}" if name.endswith("_sat") else str(value)


def unit(name: str) -> str:
    """The unit of a field, "" if it has none."""
    return next((unit for ending, unit in UNITS if name.endswith(ending)), "")


def title(name: str) -> str:
    """A field's name for a person: `ours_msat` is "ours"."""
    for ending in ("_unix_seconds", "_msat", "_sat", "_per_kw", "_seconds"):
        name = name.removesuffix(ending)
    return clean(name.replace("_", " "))


def cells(line: str) -> int:
    """How many columns of a terminal a text takes; its colours take none."""
    if PAINT_START in line:
        line = PAINT.sub("", line)
    if line.isascii():
        return len(line)
    return sum(0 if _is_over(c) else 1 + (unicodedata.east_asian_width(c) in "WF") for c in line)


def _is_over(character: str) -> bool:
    return character != PICTURE and unicodedata.category(character) in OVER


def shorten(line: str, width: int, mark: str = "…") -> str:
    """A text within `width` columns, its end replaced by a mark if it is cut."""
    if cells(line) <= width:
        return line
    kept, painted = "", False
    for part in PAINT_OR_CHARACTER.findall(line):
        if part.startswith(PAINT_START):
            painted = part != UNPAINTED
        elif cells(kept + part) > width - 1:
            break
        kept += part
    return kept + mark + UNPAINTED * painted


def folded(line: str, width: int) -> list[str]:
    """A text in lines of at most `width` columns, broken between its words, or within one that is longer."""
    if cells(line) <= width:
        return [line]
    lines = [""]
    for word in line.split():
        if lines[-1] and cells(f"{lines[-1]} {word}") <= width:
            lines[-1] += f" {word}"
            continue
        lines += [""] if lines[-1] else []
        for character in word:
            if lines[-1] and cells(lines[-1] + character) > width:
                lines.append("")
            lines[-1] += character
    return lines
