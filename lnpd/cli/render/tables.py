"""How does a list of rows become a table that fits the width? Each row stays a line.

A table's columns are rows of TABLES, each with its rank: who has the highest gives way first. As many columns stay as
have room for the least that they need; what is left is given to them in the order of their ranks. On a terminal ids are
as long as it takes to tell them apart, and can be given back so; without one every value is whole.
"""

import re
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Final

import msgspec

from lnpd.cli.render.style import PLAIN, Look
from lnpd.cli.render.values import Row, cells, shorten, text, title, unit

GAP: Final = "  "
LEAST_ID: Final = 8  # the RPC takes 6 digits; a few more stay the only ones for longer
LEAST_TEXT: Final = 12
_ID: Final = re.compile("([0-9a-f]{64}|[0-9a-f]{66})(:[0-9]+)?")
Draw = Callable[[Row, int, Look], str]


class Column(msgspec.Struct, frozen=True):
    """A column: its field, its rank (0 stays longest), and the least width that a text has in it; `id`: it holds ids;
    `style` is the colour of a row's value.

    A drawn one has `draw`, which fills a width from a row, a head for its width, and the widest that it is of use.
    """

    name: str
    rank: int
    least: int = LEAST_TEXT
    id: bool = False
    draw: Draw | None = None
    head: Callable[[int], str] = lambda width: ""
    widest: int = 0
    style: Callable[[Row], str] | None = None


def columns(words: str) -> tuple[Column, ...]:
    """Columns from "name:rank", "name:rank:least" or "name:rank:id", the leftmost first."""
    found = []
    for word in words.split():
        name, rank, *more = word.split(":")
        is_id = more == ["id"]
        found.append(Column(name, int(rank), LEAST_TEXT if is_id or not more else int(more[0]), is_id))
    return tuple(found)


# Of each command's answer, or of a list within one.
TABLES: Final[dict[str, tuple[Column, ...]]] = {
    "peers": columns("node_id:0:id connected:1 address:2:21 inbound:4 channels:3"),
    "invoices": columns("payment_hash:2:id amount_msat:0 state:1:6 description:3 expires_unix_seconds:4"),
    "payments": columns("payment_hash:1:id amount_msat:0 fee_msat:3 state:2:7 created_unix_seconds:4 why:5"),
    "forwards": columns(
        "payment_hash:2:id state:0:9 outgoing_msat:1 fee_msat:3 incoming:4:id outgoing:5:id created_unix_seconds:6"
        " why:7"
    ),
    "plugin.list": columns(
        "name:0 status:1:8 providers:2:8 rpc:3 in_effect:4 notes:5 why:6:16 process:7 starts:8 faults:9"
    ),
    "plugin.options": columns("plugin:3 option:0 value:1 default:4:8 source:5:8 dynamic:6 help:2:20"),
    "config": columns("key:0:24 value:1 source:2:8 place:3 dynamic:4"),
    "help": columns("name:0:20 help:1:20 plugin:2"),
    "features": columns("name:0:20 bit:1 kind:2:4 said_in:3"),
    "limits": columns("name:0:22 value:1 unit:2:4 preset:3:8 meaning:4:20"),
    "coins": columns("outpoint:2:id amount_sat:0 state:1:9 confirmations:3 reserved_for:4 address:5:20"),
}


def table(rows: Sequence[Row], wanted: Sequence[Column] | None, width: int | None, look: Look = PLAIN) -> list[str]:
    """A head, and a line for each row. `width` None is no terminal: all is there, and whole."""
    there = [c for c in wanted or _any(rows[0]) if (c.draw and width) or any(c.name in row for row in rows)]
    terminal = width is not None
    cut = _cut_ids(rows, there) if terminal else {}
    made = [_Filled(column, rows, cut.get(column.name), look) for column in there]
    made = _fitted(made, width) if width is not None else made
    lines = [look.paint(GAP.join(each.padded(each.head) for each in made).rstrip(), "head")]
    return [*lines, *(GAP.join(each.line(number) for each in made).rstrip() for number in range(len(rows)))]


def _any(row: Row) -> tuple[Column, ...]:
    return tuple(Column(name, rank) for rank, name in enumerate(row) if not isinstance(row[name], dict))


class _Filled:
    """A column with its values, and how wide it is."""

    def __init__(self, column: Column, rows: Sequence[Row], digits: int | None, look: Look) -> None:
        self.column, self._rows, self._look = column, rows, look
        name = column.name
        self.drawn = column.draw is not None
        self._values = [] if self.drawn else [_value(name, row.get(name), digits) for row in rows]
        self.right = not self.drawn and any(_is_number(row.get(name)) for row in rows)
        head = title(name) if digits is None else title(name).removesuffix(" id")
        self._head = f"{head}, {unit(name)}" if unit(name) else head
        widest = column.widest if self.drawn else max(map(cells, [self._head, *self._values]))
        whole = self.right or digits is not None
        self.least = column.least if self.drawn else widest if whole else min(widest, column.least)
        self.natural = self.width = widest

    @property
    def head(self) -> str:
        return self.column.head(self.width) if self.drawn else self._head

    def line(self, number: int) -> str:
        """What it shows of a row."""
        if self.column.draw is not None:
            return self.column.draw(self._rows[number], self.width, self._look)
        row, column = self._rows[number], self.column
        shown = self.padded(self._values[number])
        return self._look.paint(shown, column.style(row)) if column.style is not None else shown

    def padded(self, value: str) -> str:
        """A value on all of the column's width."""
        shown = shorten(value, self.width, self._look.mark)
        space = " " * (self.width - cells(shown))
        return space + shown if self.right else shown + space


def _value(name: str, value: object, digits: int | None) -> str:
    shown = text(name, value)
    if digits is None or not _ID.fullmatch(shown):
        return shown
    whole, colon, index = shown.partition(":")  # of an outpoint the index stays
    return whole[:digits] + colon + index


def _is_number(value: object) -> bool:
    """Whether its figures stand below each other: an amount, or how many there are of something."""
    many = isinstance(value, list) and bool(value) and isinstance(value[0], dict)
    return many or (isinstance(value, int | float) and not isinstance(value, bool))


def _cut_ids(rows: Sequence[Row], there: Sequence[Column]) -> dict[str, int]:
    """By column of ids, how many digits tell them apart."""
    found = {}
    for column in there:
        if column.id:
            values = (str(row.get(column.name)) for row in rows)
            ids = sorted({value.partition(":")[0] for value in values if _ID.fullmatch(value)})
            shared = (_shared(one, other) for one, other in pairwise(ids))
            found[column.name] = max(LEAST_ID, 1 + max(shared, default=0))
    return found


def _shared(one: str, other: str) -> int:
    """How many digits two ids begin with alike."""
    return next((place for place, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), len(one))


def _fitted(made: list[_Filled], width: int) -> list[_Filled]:
    """Those that stay, with their widths."""
    made = list(made)
    while len(made) > 1 and sum(each.least for each in made) + len(GAP) * (len(made) - 1) > width:
        made.remove(max(made, key=lambda each: each.column.rank))
    left = width - sum(each.least for each in made) - len(GAP) * (len(made) - 1)
    for each in sorted(made, key=lambda each: each.column.rank + 100 * each.drawn):  # drawings take what is left
        more = min(left, each.natural - each.least)
        each.width = each.least + more
        left -= more
    return made
