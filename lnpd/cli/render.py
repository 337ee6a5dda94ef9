"""How does an answer look to a person? Tables and lists of fields that fit the terminal, amounts with their units.

What a field is follows from its name (`_sat`, `_msat`, `_seconds`, ...). A table's columns are rows of TABLES; narrow
terminals shorten texts first (an id stays long enough to be given back), then drop columns from the right.
"""

import unicodedata
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

Row = Mapping[str, Any]  # Any: JSON values

GAP: Final = "  "
LEAST_WIDTH: Final = 12  # of a text that is shortened: 11 digits of an id and the mark
UNLIMITED: Final = 1 << 30

# The columns of each command's table, the most important first.
TABLES: Final[dict[str, tuple[str, ...]]] = {
    "peers": ("node_id", "address", "connected", "inbound", "channels"),
    "channels": (
        "channel_id", "state", "capacity_sat", "ours_msat", "theirs_msat", "htlcs", "providers", "peer", "type",
        "feerate_per_kw",
    ),
    "invoices": ("payment_hash", "amount_msat", "state", "description", "expires_unix_seconds"),
    "payments": ("payment_hash", "amount_msat", "fee_msat", "state", "created_unix_seconds", "why"),
    "forwards": (
        "payment_hash", "state", "outgoing_msat", "fee_msat", "incoming", "outgoing", "created_unix_seconds", "why",
    ),
    "plugin.list": ("name", "status", "process", "providers", "rpc", "in_effect", "notes", "starts", "faults", "why"),
    "plugin.options": ("plugin", "option", "value", "default", "source", "dynamic", "help"),
    "config": ("key", "value", "source", "place", "dynamic"),
    "help": ("name", "help", "plugin"),
    "features": ("name", "bit", "kind", "said_in"),  # within `info`
    "limits": ("name", "value", "unit", "preset", "meaning"),  # within `info`
    "coins": ("outpoint", "amount_sat", "state", "confirmations", "reserved_for", "address"),  # within `funds`
}  # fmt: skip

# Rows that a person wants as one: by table, a field, its value, and what the rows are called together.
SUMMED: Final[dict[str, tuple[str, str, str]]] = {"coins": ("state", "immature", "coinbases")}

UNITS: Final[tuple[tuple[str, str], ...]] = (
    ("_unix_seconds", ""), ("_msat", "sat"), ("_sat", "sat"), ("_per_kw", "sat/kw"), ("_seconds", "s"),
)  # fmt: skip


def render(method: str, answer: object, width: int | None = None) -> str:
    """An answer as lines for a terminal of `width` columns; None is as wide as it takes."""
    columns = width or UNLIMITED
    match answer:
        case [Mapping(), *_]:
            rows = [row for row in answer if isinstance(row, Mapping)]
            return "\n".join(_table(rows, TABLES.get(method), columns))
        case []:
            known = f"No {method.partition('.')[0]}{'s' if '.' in method else ''}."
            return known if method in TABLES else "There are none."
        case Mapping():
            return "\n".join(_fields(answer, columns))
    return _clean(text("", answer))


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
    return _clean(str(value))


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
    return name.replace("_", " ")


def _clean(line: str) -> str:
    """A text without what could steer a terminal: a stranger may have written it."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in line)


def cells(line: str) -> int:
    """How many columns of a terminal a text takes."""
    if line.isascii():
        return len(line)
    return sum(0 if unicodedata.combining(c) else 1 + (unicodedata.east_asian_width(c) in "WF") for c in line)


def shorten(line: str, width: int) -> str:
    """A text within `width` columns, its end replaced by a mark if it is cut."""
    if cells(line) <= width:
        return line
    kept = ""
    for character in line:
        if cells(kept + character) > width - 1:
            break
        kept += character
    return kept + "…"


# A table


def _table(rows: Sequence[Row], names: Sequence[str] | None, width: int) -> list[str]:
    names = [n for n in names or rows[0] if n in rows[0] and (names or not isinstance(rows[0][n], Mapping))]
    heads = [f"{title(n)}, {unit(n)}" if unit(n) else title(n) for n in names]
    body = [[text(n, row.get(n)) for n in names] for row in rows]
    widths = [max(cells(line[i]) for line in [heads, *body]) for i in range(len(names))]
    shrinkable = [all(not isinstance(row.get(n), int | float) for row in rows) for n in names]
    widths = _fitted(widths, shrinkable, width)
    right = [not shrinks for shrinks in shrinkable]
    lines = [_line(heads, widths, right)]
    for row, line in zip(rows, body, strict=True):
        lines.append(_line(line, widths, right))
        lines += [shorten(f"  {note}", width) for note in notes(row)]
    return lines


def _fitted(widths: list[int], shrinkable: list[bool], width: int) -> list[int]:
    """Widths whose sum fits: wide texts give way, the further right the sooner, then whole columns."""
    widths = list(widths)
    while widths and sum(widths) + len(GAP) * (len(widths) - 1) > width:
        givers = [i for i, w in enumerate(widths) if shrinkable[i] and w > LEAST_WIDTH]
        if givers:
            widths[max(givers, key=lambda i: widths[i] * (i + 1))] -= 1
        elif len(widths) > 1:
            widths.pop()
        else:
            widths[0] = width
    return widths


def _line(values: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    parts = []
    for value, width, to_the_right in zip(values, widths, right, strict=False):
        shown = shorten(value, width)
        space = " " * (width - cells(shown))
        parts.append(space + shown if to_the_right else shown + space)
    return GAP.join(parts).rstrip()


# What a channel needs to have said beneath its line: (field, how each of its values reads)
_NOTES: Final[tuple[tuple[str, Callable[[Any], str]], ...]] = (
    ("frozen", lambda why: f"frozen: {why}"),
    ("blocked_by", lambda name: f"close begun, and blocked by {name}"),
    ("htlcs", lambda h: f"htlc {h['direction']} {text('_msat', h['amount_msat'])} sat, expires at height "
                        f"{h['cltv_expiry_height']}, {h['payment_hash'][:16]}"),
    ("extension_outputs", lambda o: f"output of {o['provider']} ({o['kind']}) {text('_sat', o['amount_sat'])} sat in "
                                    f"{ {'ours': 'our', 'theirs': 'their'}[o['commitment']]} commitment, "
                                    f"{o['outpoint']}"),
    ("onchain", lambda o: f"on chain: {o['state']}{_until(o['until_height'])} {text('_sat', o['amount_sat'])} sat "
                          f"({_whose(o)}) {_how(o)}{o['note'] + ' ' if o['note'] else ''}{o['outpoint']}"),
)  # fmt: skip


def _how(output: Row) -> str:
    """How an output is taken: "by penalty abcd..., the peer's too from height 900; "."""
    if not output.get("by"):
        return ""
    claim = f" {output['claim'][:16]}" if output.get("claim") else ""
    rival = f", the peer's too from height {output['rival_height']}" if output.get("rival_height") else ""
    return f"by {output['by']}{claim}{rival}; "


def _whose(output: Row) -> str:
    return f"{output['provider']} {output['kind']}".strip()


def _closed(row: Row) -> str:
    deep = row.get("closing_confirmations") or 0
    blocks = f"{deep} {'block' if deep == 1 else 'blocks'} deep" if deep else "in no block yet"
    return f"{'closing' if row.get('state') == 'closing' else 'closed'} by {row['closing_txid']}, {blocks}"


def _until(height: int) -> str:
    return f" until height {height}" if height else ""


def notes(row: Row) -> list[str]:
    """The lines beneath a table's row."""
    lines = []
    if row.get("connected") is False and row.get("funding") and not row.get("closing_txid"):
        lines.append("the peer is not connected")
    if row.get("closing_txid"):
        lines.append(_clean(_closed(row)))
    for name, reads in _NOTES:
        if name == "blocked_by" and row.get("closing_txid"):
            continue  # it is closed, whoever was against it
        values = row.get(name) or []
        for value in [values] if isinstance(values, str) else values if isinstance(values, list) else []:
            try:
                lines.append(_clean(reads(value)))
            except (KeyError, TypeError, AttributeError):  # a plugin's own field of this name
                continue
    return lines


# Fields


def _fields(row: Row, width: int) -> list[str]:
    listed = {name: value for name, value in row.items() if isinstance(value, list) and value}
    tables = {name: value for name, value in listed.items() if all(isinstance(item, Mapping) for item in value)}
    plain = [name for name in row if name not in tables]
    margin = max((len(title(name)) for name in plain), default=0)
    lines = []
    for name in plain:
        value = row[name]
        shown = text(name, value) if not isinstance(value, Mapping) else ", ".join(
            f"{key} {text(key, inner)}" for key, inner in value.items()
        )  # fmt: skip
        suffix = f" {unit(name)}" if unit(name) and shown != "-" else ""
        lines += _wrapped(f"{title(name):<{margin}}{GAP}", shown + suffix, width)
    for name, rows in tables.items():
        lines += ["", title(name), *_table(_summed(name, rows), TABLES.get(name), width)]
    return lines


def _summed(name: str, rows: Sequence[Row]) -> Sequence[Row]:
    """The rows of a table, those of SUMMED as one, with what they come to; the JSON has each."""
    field, value, called = SUMMED.get(name, ("", None, ""))
    many = [row for row in rows if field and row.get(field) == value]
    if len(many) < 2:
        return rows
    sums = {key: sum(row[key] for row in many) for key in many[0] if key.endswith("_sat")}
    one = {next(iter(many[0])): f"{len(many)} {called}", field: value, **sums}
    return [*(row for row in rows if row.get(field) != value), one]


def _wrapped(head: str, value: str, width: int) -> list[str]:
    """A field's lines: long texts go on below their beginning; an id or an invoice stays whole, so that it can be
    copied."""
    if cells(head + value) <= width or " " not in value:
        return [head + value]
    from textwrap import wrap  # rarely needed

    parts = wrap(value, max(width - len(head), 20), break_long_words=False, break_on_hyphens=False)
    return [(" " * len(head) if n else head) + part for n, part in enumerate(parts)]
