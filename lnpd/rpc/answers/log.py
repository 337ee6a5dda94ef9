"""What is the answer of the command about the log? As __init__.py says."""

import msgspec


class LogLine(msgspec.Struct, frozen=True):
    """A line. `trace` is the id of the chain of calls in which it was said, `exception` a traceback."""

    unix_seconds: float
    level: str
    subsystem: str
    message: str
    trace: str
    exception: str


class Log(msgspec.Struct, frozen=True):
    """Lines, oldest first. `last` is the number of the last one that was looked at, to be given as `since`; `lost` how
    many later than `since` were gone already."""

    lines: tuple[LogLine, ...]
    last: int
    lost: int
