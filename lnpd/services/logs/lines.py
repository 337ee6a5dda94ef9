"""What is one line of the log, and how is it written for a person and for a program?

Whatever is in a record, a plugin's or a peer's words too, is one line, bounded, and without secrets; only a traceback
has more lines, and none of them begins as a record does.
"""

import logging
import time
import traceback
from typing import Final

import msgspec

from lnpd.errors.words import one_line
from lnpd.hooks.trace import trace_id
from lnpd.services.logs.secrets import SECRETS

MAX_CHARACTERS: Final = 12_000  # a plugin's line, which may have 10,000, and what the node says of it
MAX_EXCEPTION_LINES: Final = 200
_KEPT: Final = "_lnpd_line"


class Line(msgspec.Struct, frozen=True, omit_defaults=True):
    """A line. `trace` is the id of the chain of calls in which it was said; `exception` a traceback."""

    time: float  # unix seconds
    level: str
    subsystem: str
    message: str
    trace: str = ""
    exception: str = ""

    @property
    def size(self) -> int:
        """Its characters."""
        return len(self.message) + len(self.exception)


def line_of(record: logging.LogRecord) -> Line:
    """The line of a record; made once, however many write it."""
    made: Line | None = record.__dict__.get(_KEPT)
    if made is None:
        made = record.__dict__[_KEPT] = Line(
            time=record.created,
            level=record.levelname.lower(),
            subsystem=subsystem_of(record.name),
            message=one_line(SECRETS.masked(_message(record)), MAX_CHARACTERS),
            trace=trace_id(),
            exception=_exception(record),
        )
    return made


def subsystem_of(logger: str) -> str:
    """`peers` of the logger lnpd.peers.words; a library's logger as it is."""
    first, _, rest = logger.partition(".")
    return rest.partition(".")[0] if first == "lnpd" and rest else logger


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception as error:  # a wrong format costs the words, not the line
        return f"{record.msg!s} (its arguments do not fit: {type(error).__name__})"


def _exception(record: logging.LogRecord) -> str:
    if not record.exc_info or record.exc_info[0] is None:
        return ""
    text = "".join(traceback.format_exception(*record.exc_info))
    lines = SECRETS.masked(text).splitlines()
    if len(lines) > MAX_EXCEPTION_LINES:
        lines = [*lines[: MAX_EXCEPTION_LINES // 2], "...", *lines[-MAX_EXCEPTION_LINES // 2 :]]
    return "\n".join(one_line(line, MAX_CHARACTERS) for line in lines)


def as_text(line: Line) -> str:
    """For a person."""
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(line.time))
    told = f"{when} {line.level.upper():<7} {line.subsystem}: {line.message}"
    return "\n".join([told, *(f"    {each}" for each in line.exception.splitlines())])


class _Json(msgspec.Struct, frozen=True, omit_defaults=True):
    time: str
    level: str
    subsystem: str
    message: str
    trace: str = ""
    exception: str = ""


def as_json(line: Line) -> str:
    """For a program: one JSON object; `time` is in UTC (RFC 3339)."""
    whole, part = divmod(line.time, 1)
    when = f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(whole))}.{int(part * 1000):03}Z"
    row = _Json(when, line.level, line.subsystem, line.message, line.trace, line.exception)
    return msgspec.json.encode(row).decode()


class LineFormatter(logging.Formatter):
    """Formats a record as its line."""

    def __init__(self, json: bool = False) -> None:
        super().__init__()
        self._write = as_json if json else as_text

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record."""
        return self._write(line_of(record))
