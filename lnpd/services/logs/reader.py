"""Which lines of the log does a person or a program get who asks over the RPC? (`lnp log`)

since: nothing -> the last lines        a number -> those later than it        follow -> as soon as there is one
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from lnpd_sdk.nearest import nearest

from lnpd.config import LOG_SUBSYSTEMS
from lnpd.errors import ParameterRefused
from lnpd.rpc.answers import Log, LogLine
from lnpd.services.logs.lines import Line
from lnpd.services.logs.ring import Ring

MOST_LINES: Final = 500
"""In one answer: a line may have 12,000 characters."""
WAIT_SECONDS: Final = 10.0
SCALE: Final = logging.getLevelNamesMapping()


async def read(ring: Ring, lines: int, level: str | None, of: tuple[str, ...], since: int | None, follow: bool) -> Log:
    """Lines, the number of the last that was looked at, and how many were gone. Raises ParameterRefused."""
    wanted, most = _wanted(level, of), min(lines, MOST_LINES)
    if since is None:
        newest, last = ring.newest(most, wanted)
        return Log(tuple(map(_shown, newest)), last, 0)
    # A number of an earlier life of the node, whatever its clock said then, is before all of this one's lines.
    place, lost = since if ring.began <= since <= ring.last else ring.began, 0
    try:
        async with asyncio.timeout(WAIT_SECONDS):
            while True:
                found, place, gone = ring.since(place, most, wanted)
                lost += gone
                if found or gone or not follow:
                    return Log(tuple(map(_shown, found)), place, lost)
                await ring.newer(place)
                if ring.last <= place:
                    return Log((), place, lost)
    except TimeoutError:
        return Log((), place, lost)


def _wanted(level: str | None, of: tuple[str, ...]) -> Callable[[Line], bool]:
    for name in of:
        if name not in LOG_SUBSYSTEMS:
            hint = nearest(name, LOG_SUBSYSTEMS) or f"; there are {', '.join(LOG_SUBSYSTEMS)}."
            raise ParameterRefused(f"There is no subsystem {name[:60]!r}{hint}")
    least = SCALE[(level or "debug").upper()]

    def wanted(line: Line) -> bool:
        return SCALE.get(line.level.upper(), logging.INFO) >= least and (not of or line.subsystem in of)

    return wanted


def _shown(line: Line) -> LogLine:
    return LogLine(line.time, line.level, line.subsystem, line.message, line.trace, line.exception)
