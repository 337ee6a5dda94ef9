"""What stands in a report? Sections, each with a title, of what the node says and of what is seen from the outside."""

import os
import platform
import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from importlib.metadata import distributions
from typing import Any, Final
from urllib.request import urlopen

import msgspec

from lnpd.cli.doctor.outside import Outside
from lnpd.cli.doctor.run import diagnosis, lines
from lnpd.cli.log import as_text
from lnpd.config.listing import HIDDEN
from lnpd.errors import LnpdError, StoreError
from lnpd.rpc.client import Client
from lnpd.store.database import DATABASE_NAME, schema_of

LOG_LINES: Final = 1_000
PAGE_LINES: Final = 500
TAIL_BYTES: Final = 1 << 20
PAGE_BYTES: Final = 1 << 20
ANSWER_SECONDS: Final = 30.0
LIBRARIES: Final = ("lnpd", "lnpd-sdk", "msgspec", "peewee", "pyzmq", "embit", "prompt_toolkit", "pluggy")
ASKED: Final = ("info", "channels", "peers", "plugin.list", "backup")
"""Methods whose answers are sections. No invoices, payments or coins: they say whom somebody pays."""

Section = tuple[str, object]
"""A title, and a text or a JSON value."""


def sections(outside: Outside) -> Iterator[Section]:
    """All of them, in the order in which somebody reads them."""
    yield "versions", versions()
    yield "doctor", "\n".join(lines(diagnosis(outside)))
    yield "configuration", outside.refusal or "\n".join(map(_setting, outside.settings.values()))
    if outside.runs:
        try:
            with Client(outside.directory, ANSWER_SECONDS) as node:
                yield from _of_node(node)
        except LnpdError as error:
            yield "the node", f"It did not say more: {error}"
    else:
        yield "log", _tail(outside)
    yield "metrics", _metrics(outside)
    yield "schema", _schema(outside)


def versions() -> str:
    """What is installed, and on what it runs."""
    found = {each.name: each.version for each in distributions() if each.name in LIBRARIES}
    rows = [f"{name} {found[name]}" for name in LIBRARIES if name in found]
    machine = f"{platform.system()} {platform.release()} {platform.machine()}, {os.cpu_count()} processors"
    return "\n".join([*rows, f"Python {platform.python_version()}", f"SQLite {sqlite3.sqlite_version}", machine])


def _setting(row: Any) -> str:  # Any: of a node or of a configuration
    secret = row.key.startswith("plugin.") and isinstance(row.value, str | list)
    value = HIDDEN if secret else msgspec.json.encode(row.value).decode()
    return f"{row.key} = {value}  ({row.source}{f', {row.place}' if row.place else ''})"


def _of_node(node: Client) -> Iterator[Section]:
    for method in ASKED:
        try:
            yield method, node.call(method)
        except LnpdError as error:
            yield method, f"Refused: {error}"
    yield "log", "\n".join(_log(node))


def _log(node: Client) -> Iterable[str]:
    """The last lines, in pages: an answer has at most PAGE_LINES."""
    since = max(0, node.log(lines=1).last - LOG_LINES)
    for _ in range(LOG_LINES // PAGE_LINES):
        page = node.log(lines=PAGE_LINES, since=since)
        yield from map(as_text, page.lines)
        since = page.last


def _tail(outside: Outside) -> str:
    """The end of the log's file, if a node that does not run wrote one."""
    path = outside.config.log_path if outside.config is not None else None
    if path is None or not path.is_file():
        return "No node runs, and no log was kept in a file (--log-file)."
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - TAIL_BYTES))
        return "\n".join(file.read().decode("utf-8", "replace").splitlines()[-LOG_LINES:])


def _metrics(outside: Outside) -> str:
    """The metrics page, if the node has one."""
    address = outside.value("metrics")
    if not outside.runs or not isinstance(address, str) or not address:
        return "There is no page of metrics (--metrics)."
    with suppress(OSError, ValueError), urlopen(f"http://{address}/metrics", timeout=3) as page:
        return str(page.read(PAGE_BYTES).decode("utf-8", "replace"))
    return "The page of metrics does not answer."


def _schema(outside: Outside) -> str:
    """The tables as they were made, and how many rows each has."""
    try:
        rows = schema_of(outside.directory / DATABASE_NAME)
    except StoreError as error:
        return str(error)
    return "\n".join(f"{count:>8} rows  {' '.join(sql.split())}" for sql, count in rows)


def now_words(unix_seconds: float) -> str:
    """A time, as a report's name and head have it (UTC)."""
    return time.strftime("%Y%m%d-%H%M%S", time.gmtime(unix_seconds))
