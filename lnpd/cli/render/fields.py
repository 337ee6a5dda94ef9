"""How does one answer look that is no list? A field a line; lists within it are tables below."""

from collections.abc import Mapping, Sequence
from typing import Final

from lnpd.cli.render.style import Look
from lnpd.cli.render.tables import GAP, TABLES, table
from lnpd.cli.render.values import Row, cells, text, title, unit
from lnpd.cli.safe import clean

# Rows that a person wants as one: by table, a field, its value, and what the rows are called together.
SUMMED: Final[dict[str, tuple[str, str, str]]] = {"coins": ("state", "immature", "coinbases")}
LEAST_TEXT: Final = 20


def fields(row: Row, width: int | None, look: Look) -> list[str]:
    """The lines of an answer."""
    listed = {name: value for name, value in row.items() if isinstance(value, list) and value}
    tables = {name: value for name, value in listed.items() if all(isinstance(item, Mapping) for item in value)}
    plain = [name for name in row if name not in tables]
    margin = max((len(title(name)) for name in plain), default=0)
    lines = []
    for name in plain:
        value = row[name]
        if width is not None and _are_sentences(value):
            for number, sentence in enumerate(value):
                head = "" if number else title(name)
                lines += _wrapped(f"{head:<{margin}}{GAP}", clean(sentence), width, look)
            continue
        shown = text(name, value) if not isinstance(value, Mapping) else ", ".join(
            f"{clean(key)} {text(key, inner)}" for key, inner in value.items()
        )  # fmt: skip
        suffix = f" {unit(name)}" if unit(name) and shown != "-" else ""
        lines += _wrapped(f"{title(name):<{margin}}{GAP}", shown + suffix, width, look)
    for name, rows in tables.items():
        lines += ["", look.paint(title(name), "head"), *table(_summed(name, rows), TABLES.get(name), width, look)]
    return lines


def _are_sentences(value: object) -> bool:
    """Whether each of a list is read by itself: names stand beside each other."""
    return isinstance(value, list) and len(value) > 1 and all(isinstance(item, str) and " " in item for item in value)


def _summed(name: str, rows: Sequence[Row]) -> Sequence[Row]:
    """The rows of a table, those of SUMMED as one, with what they come to; the JSON has each."""
    field, value, called = SUMMED.get(name, ("", None, ""))
    many = [row for row in rows if field and row.get(field) == value]
    if len(many) < 2:
        return rows
    sums = {key: sum(row[key] for row in many) for key in many[0] if key.endswith("_sat")}
    one = {next(iter(many[0])): f"{len(many)} {called}", field: value, **sums}
    return [*(row for row in rows if row.get(field) != value), one]


def _wrapped(head: str, value: str, width: int | None, look: Look) -> list[str]:
    """A field's lines: long texts go on below their beginning; an id or an invoice stays whole, so that it can be
    copied."""
    name = look.paint(head, "faint")
    if width is None or cells(head + value) <= width or " " not in value:
        return [name + value]
    from textwrap import wrap  # rarely needed

    parts = wrap(value, max(width - len(head), LEAST_TEXT), break_long_words=False, break_on_hyphens=False)
    return [(" " * len(head) if n else name) + part for n, part in enumerate(parts)]
