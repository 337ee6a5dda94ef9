"""How is a tree of amounts drawn with lines, or with ASCII, on so many columns?

name                amount  tail          in a narrow one the details stand below
|  detail
|- name             amount  tail          detail      in a wide one beside
|                                         detail
"""

from collections.abc import Iterator
from itertools import zip_longest
from typing import Final

import msgspec

from lnpd.cli.render.style import Look
from lnpd.cli.render.values import cells, shorten
from lnpd.cli.safe import clean

WIDE: Final = 140
NARROW: Final = 70
NAME_CELLS, NARROW_NAME_CELLS = 36, 22
AMOUNT_CELLS: Final = 12
SHARE_CELLS: Final = 12
TAIL_CELLS: Final = 22
LEAST_DETAIL: Final = 16
EIGHTHS: Final = " ▏▎▍▌▋▊▉"
UNIT: Final = " sat"


class Detail(msgspec.Struct, frozen=True):
    """A line about a branch. `cut`: it is cut where there is no room, others go on below. `down`: an arrow to what is
    below, and its name."""

    text: str
    style: str = ""
    cut: bool = False
    down: str | None = None


class Branch(msgspec.Struct, frozen=True):
    """A line of the tree, with an amount in satoshi; `share` is how much of the whole it is, negative if that is not
    drawn. A `transaction` has another joint."""

    name: str
    amount: str = ""
    tail: str = ""
    style: str = ""
    details: tuple[Detail, ...] = ()
    below: "tuple[Branch, ...]" = ()
    share: float = -1.0
    transaction: bool = False


def drawn(root: Branch, width: int | None, look: Look) -> list[str]:
    """The lines of a tree; `width` None: as wide as it takes, details below."""
    return list(_Tree(width, look).lines(root, "", ""))


def wrapped(line: str, width: int | None, margin: str = "") -> list[str]:
    """A line that goes on below, behind a margin, where it is too long; no word of it is broken that has room."""
    if width is None or cells(line) <= width:
        return [line]
    from textwrap import wrap  # rarely needed

    return wrap(line, width, subsequent_indent=margin, break_on_hyphens=False)


class _Tree:
    def __init__(self, width: int | None, look: Look) -> None:
        self._width, self._look = width, look
        self._wide = width is not None and width >= WIDE
        self._name_cells = NARROW_NAME_CELLS if width is not None and width < NARROW else NAME_CELLS
        self._beside = NAME_CELLS + AMOUNT_CELLS + len(UNIT) + SHARE_CELLS + TAIL_CELLS + 6

    def lines(self, branch: Branch, lead: str, inner: str) -> Iterator[str]:
        """A branch and all below it: `lead` is left of it, `inner` of what is below."""
        look = self._look
        rail = inner + (look.either("│", "|") if branch.below else " ") + "  "
        yield from (line.rstrip() for line in self._whole(branch, self._head(branch, lead), rail))
        if branch.below and not lead:
            yield rail.rstrip()
        for number, each in enumerate(branch.below):
            last = number == len(branch.below) - 1
            arm = look.either("╰─" if last else "├─", "`-" if last else "|-")
            stem = "    " if last else look.either("│   ", "|   ")
            yield from self.lines(each, inner + arm + self._knot(each), inner + stem)

    def _knot(self, branch: Branch) -> str:
        drawn, ascii = ("▷ ", "> ") if branch.transaction else ("● ", "* ") if branch.style else ("─ ", "- ")
        return self._look.paint(self._look.either(drawn, ascii), branch.style)

    def _head(self, branch: Branch, lead: str) -> str:
        look, room = self._look, self._name_cells - cells(lead)
        name = shorten(clean(branch.name), max(room, 4), look.mark)
        line = f"{lead}{look.paint(name, 'head')}{' ' * (room - cells(name))}"
        if branch.amount:
            line += f"{branch.amount:>{AMOUNT_CELLS}}{UNIT}"
        elif branch.tail:
            line += " " * (AMOUNT_CELLS + len(UNIT))
        if self._wide:
            line += "  " + self._share(branch)
        return f"{line}  {look.paint(clean(branch.tail), branch.style)}" if self._fits(branch.tail) else line

    def _fits(self, tail: str) -> bool:
        """Whether there is room for it behind the amount; else it stands below."""
        before = self._name_cells + AMOUNT_CELLS + len(UNIT) + 2
        return self._width is None or cells(tail) <= (TAIL_CELLS if self._wide else self._width - before)

    def _share(self, branch: Branch) -> str:
        if branch.share < 0:
            return " " * SHARE_CELLS
        eighths = min(8 * SHARE_CELLS, max(round(8 * SHARE_CELLS * branch.share), 1 if branch.share else 0))
        full, part = divmod(eighths, 8)
        if not self._look.lines:
            full, part = full + (part > 0), 0
        drawn = self._look.either("█", "#") * full + (EIGHTHS[part] if part else "")
        rest = self._look.either("·", ".") * (SHARE_CELLS - len(drawn))
        return self._look.paint(drawn, branch.style) + self._look.paint(rest, "mark")

    def _whole(self, branch: Branch, head: str, rail: str) -> Iterator[str]:
        """The head with what is told about it, beside it or below."""
        details = branch.details
        if not self._fits(branch.tail):
            details = (Detail(branch.tail, branch.style), *details)
        if not self._wide:
            yield head
            room = None if self._width is None else self._width - cells(rail)
            yield from (rail + part for each in details for part in self._told(each, room))
            return
        assert self._width is not None, "what is wide has a width"
        parts = [part for each in details for part in self._told(each, self._width - self._beside)]
        for left, right in zip_longest([head], parts, fillvalue=""):
            left = left or rail
            yield left + " " * (self._beside - cells(left)) + right

    def _told(self, detail: Detail, room: int | None) -> list[str]:
        """A detail on as many lines as it takes."""
        line = clean(detail.text)
        if detail.down is not None:
            line += f" {self._look.either('↓', 'v')}{clean(detail.down)}"
        if room is None:
            parts = [line]
        elif detail.cut:
            parts = [shorten(line, max(room, LEAST_DETAIL), self._look.mark)]
        else:
            parts = wrapped(line, max(room, LEAST_DETAIL), "  ")
        return [self._look.paint(part, detail.style) for part in parts]
