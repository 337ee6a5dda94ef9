"""How does an answer look to a person? Tables, fields and pictures that fit the terminal, amounts with their units.

values.py      how one value is written, and how wide it is
style.py       what the output takes: colours, lines, or ASCII
tables.py      which columns a table has, and which give way
fields.py      an answer that is no list
channels.py    the list of channels, with bars
commitment.py  the picture of a commitment transaction
events.py      the list of past events
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from lnpd.cli.render.channels import channels
from lnpd.cli.render.commitment import commitment
from lnpd.cli.render.events import event, events
from lnpd.cli.render.fields import fields
from lnpd.cli.render.style import BRIGHT, LINES, PLAIN, Look, look_of
from lnpd.cli.render.tables import TABLES, table
from lnpd.cli.render.values import Row, cells, shorten, text, title, unit
from lnpd.cli.safe import clean

__all__ = [
    "BRIGHT", "LINES", "PLAIN", "TABLES", "Look", "cells", "event", "look_of", "render", "shorten", "text",
    "title", "unit",
]  # fmt: skip

LISTS: Final[dict[str, Callable[[Sequence[Row], int | None, Look], list[str]]]] = {
    "channels": channels,
    "history": events,
}
PICTURES: Final[dict[str, Callable[[Row, int | None, Look], list[str]]]] = {"commitment": commitment}


def render(method: str, answer: object, width: int | None = None, look: Look = PLAIN) -> str:
    """An answer as lines for a terminal of `width` columns; None is no terminal: every value is whole."""
    match answer:
        case [Mapping(), *_]:
            rows = [row for row in answer if isinstance(row, Mapping)]
            listed = LISTS.get(method)
            lines = listed(rows, width, look) if listed else table(rows, TABLES.get(method), width, look)
            return "\n".join(lines)
        case []:
            known = f"No {method.partition('.')[0]}{'s' if '.' in method else ''}."
            return known if method in TABLES or method in LISTS else "There are none."
        case Mapping():
            return "\n".join(PICTURES.get(method, fields)(answer, width, look))
    return clean(text("", answer))
