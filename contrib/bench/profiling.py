"""What costs the time? The first rows of a profile, in a few lines.

A profiler makes Python calls dearer than calls of C: the order of the rows tells more than their shares.
"""

import cProfile
import pstats
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

Place = tuple[str, int, str]
ROWS = 6
PARTS, LEAST, TRIES = 8, 0.015, 3
# What a built-in function's name contains, and what it is called in the report.
BUILT_IN = {
    "libsecp256k1": "libsecp256k1",
    "epoll": "waiting",
    "msgspec": "msgspec",
    "hash": "hashes",
    "AEAD": "AEAD",
    "sqlite": "SQLite",
    "zmq": "ZeroMQ",
}
MEANING = {"method 'poll' of 'select.epoll'": "waiting for others (epoll)"}


def profile(operation: Callable[[], object]) -> list[str]:
    """The functions in which `operation` spends most of its own time, with their share of it."""
    profilers = [cProfile.Profile() for _ in range(TRIES)]
    for profiler in profilers:
        profiler.runcall(operation)
    return _costly(min(profilers, key=_total))  # a neighbour that took the processor meanwhile is nobody's cost


async def profile_async(operation: Callable[[], Awaitable[object]]) -> list[str]:
    """`profile` for what runs on an event loop; all that the loop does meanwhile is part of it, waiting too."""
    profiler = cProfile.Profile()
    profiler.enable()
    try:
        await operation()
    finally:
        profiler.disable()
    return _costly(profiler)


def _stats(profiler: cProfile.Profile) -> dict[Place, tuple[int, int, float, float, object]]:
    found: dict[Place, tuple[int, int, float, float, object]] = pstats.Stats(profiler).stats  # type: ignore[attr-defined]  # not in the stubs
    return found


def _total(profiler: cProfile.Profile) -> float:
    return sum(row[2] for row in _stats(profiler).values()) or 1.0


def _costly(profiler: cProfile.Profile) -> list[str]:
    found, total = _stats(profiler), _total(profiler)
    parts: Counter[str] = Counter()
    for place, row in found.items():
        parts[_part(*place)] += row[2] / total  # type: ignore[assignment]  # a Counter of shares
    functions = sorted(((row[2] / total, row[1], place) for place, row in found.items()), reverse=True)[:ROWS]
    return [
        "what costs the time, under a profiler: by part, then by function",
        ", ".join(f"{name} {share:.0%}" for name, share in parts.most_common(PARTS) if share > LEAST),
        *(f"{share:4.0%}  {calls:9,} x  {_name(*place)}" for share, calls, place in functions),
    ]


def _part(path: str, _line: int, function: str) -> str:
    """The package of lnpd, the library, or the kind of built-in that a function belongs to."""
    if path == "~":
        return next((name for word, name in BUILT_IN.items() if word in function), "built-ins of Python")
    parts = Path(path).parts
    if "site-packages" in parts:
        return parts[parts.index("site-packages") + 1]
    if "lnpd" in parts:
        return "/".join(parts[len(parts) - 1 - parts[::-1].index("lnpd") :][:2]).removesuffix(".py")
    return next((name for name in ("asyncio", "lnpd_sdk", "bench") if name in parts), "standard library")


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
