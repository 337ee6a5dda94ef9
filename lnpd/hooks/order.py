"""In which order are the plugins of one hook asked?

That of the command line, but for what they say of each other: `before` and `after` name plugins. A name that is not
there says nothing. What leads round in a circle is refused when the manifest comes that closes it.
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple


class Wish(NamedTuple):
    """A plugin's place in a hook, as it wants it."""

    plugin: str
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()


def arranged(wishes: Sequence[Wish]) -> tuple[str, ...]:
    """The plugins in their order; what is said of none of them keeps the order that they were given in."""
    waits_for = _behind(wishes)
    left, order = [wish.plugin for wish in wishes], list[str]()
    while left:
        free = (name for name in left if not waits_for[name] & set(left))
        order.append(name := next(free, left[0]))
        left.remove(name)
    return tuple(order)


def circle(wishes: Sequence[Wish]) -> str:
    """The circle that there is among them, in words; empty if there is none."""
    waits_for = _behind(wishes)
    for wish in wishes:
        if found := _path(waits_for, wish.plugin):
            return ", ".join(f"{name} before {after}" for name, after in pairwise(found))
    return ""


def _path(waits_for: dict[str, set[str]], name: str) -> list[str]:
    """From a plugin through those that come before it, back to itself, the first of them first; empty if none does."""
    waiting, seen = [[name]], set[str]()
    while waiting:
        path = waiting.pop()
        for other in sorted(waits_for[path[0]]):
            if other == name:
                return [name, *path]
            if other not in seen:
                seen.add(other)
                waiting.append([other, *path])
    return []


def _behind(wishes: Iterable[Wish]) -> dict[str, set[str]]:
    """For each plugin those that are asked before it."""
    rows = tuple(wishes)
    there = {wish.plugin for wish in rows}
    waits_for: dict[str, set[str]] = {name: set() for name in there}
    for wish in rows:
        waits_for[wish.plugin] |= set(wish.after) & there
        for other in set(wish.before) & there:
            waits_for[other].add(wish.plugin)
    return waits_for


def reasons(wishes: Sequence[Wish]) -> dict[str, str]:
    """Why each plugin is where it is, in words."""
    there = {wish.plugin for wish in wishes}
    said: dict[str, list[str]] = {wish.plugin: [] for wish in wishes}
    for wish in wishes:
        own = said[wish.plugin]
        own += [f"after {name}, as it asks" for name in wish.after if name in there]
        own += [f"before {name}, as it asks" for name in wish.before if name in there]
        own += [f"{name} is not here" for name in (*wish.after, *wish.before) if name not in there]
        for name in set(wish.before) & there - {wish.plugin}:
            said[name].append(f"after {wish.plugin}, which asks for it")
        for name in set(wish.after) & there - {wish.plugin}:
            said[name].append(f"before {wish.plugin}, which asks for it")
    return {name: "; ".join(words) or "the order of the command line" for name, words in said.items()}
