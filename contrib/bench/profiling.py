"""What costs the time? The first rows of a profile, in a few lines.

A profiler makes Python calls dearer than calls of C: the order of the rows tells more than their shares.
"""

import cProfile
import pstats
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path

Place = tuple[str, int, str]
ROWS = 6
MEANING = {"method 'poll' of 'select.epoll'": "waiting for others (epoll)"}


def profile(operation: Callable[[], object]) -> list[str]:
    """The functions in which `operation` spends most of its own time, with their share of it."""
    profiler = cProfile.Profile()
    profiler.runcall(operation)
    return _costly(profiler)


async def profile_async(operation: Callable[[], Awaitable[object]]) -> list[str]:
    """`profile` for what runs on an event loop; all that the loop does meanwhile is part of it."""
    profiler = cProfile.Profile()
    profiler.enable()
    try:
        await operation()
    finally:
        profiler.disable()
    return _costly(profiler)


def _costly(profiler: cProfile.Profile) -> list[str]:
    found: dict[Place, tuple[int, int, float, float, object]] = pstats.Stats(profiler).stats  # type: ignore[attr-defined]  # not in the stubs
    total = sum(row[2] for row in found.values()) or 1.0
    ours = {place: row for place, row in found.items() if "/lnpd/" in place[0]}
    lines = ["what costs the time, under a profiler; in functions themselves:"]
    lines += _rows(((row[2] / total, row[1], place) for place, row in found.items()))
    lines.append("and in lnpd's with all that they call:")
    return lines + _rows(((row[3] / total, row[1], place) for place, row in ours.items()))


def _rows(found: Iterable[tuple[float, int, Place]]) -> list[str]:
    most = sorted(found, reverse=True)[:ROWS]
    return [f"{share:4.0%}  {calls:7,} x  {_name(*place)}" for share, calls, place in most]


def _name(path: str, line: int, function: str) -> str:
    if path == "~":
        name = function.strip("<>").removesuffix(" objects")
        return MEANING.get(name, name)
    parts = Path(path).parts
    for root in ("lnpd", "lnpd_sdk", "site-packages"):
        if root in parts:
            last = len(parts) - 1 - parts[::-1].index(root)
            return f"{'/'.join(parts[last + (root == 'site-packages') :])}:{line} {function}"
    return f"{'/'.join(parts[-2:])}:{line} {function}"
