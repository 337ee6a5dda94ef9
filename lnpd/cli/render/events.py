"""How do past events look in a list? A line each, as `lnp events` prints them while they happen."""

from collections.abc import Sequence

import msgspec

from lnpd.cli.render.style import Look
from lnpd.cli.render.values import Row, shorten, text


def event(sequence: int, unix_seconds: int, topic: str, payload: object) -> str:
    """The line of one."""
    fields = text("", msgspec.json.encode(payload).decode())
    return f"{sequence}  {text('_unix_seconds', unix_seconds)}  {text('', topic)}  {fields}"


def events(rows: Sequence[Row], width: int | None, look: Look) -> list[str]:
    """The lines of many."""
    lines = [event(row["sequence"], row["unix_seconds"], row["topic"], row["payload"]) for row in rows]
    return lines if width is None else [shorten(line, width, look.mark) for line in lines]
