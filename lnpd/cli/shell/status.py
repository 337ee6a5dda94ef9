"""What does the bar below the prompt say? Where the node is, what it has, and what needs care, as far as it fits."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from lnpd.cli.render import cells, shorten, text

Row = Mapping[str, Any]  # Any: JSON values

ALERT, TROUBLE, PLAIN = "alert", "trouble", "plain"
GAP: Final = "  "


class State(msgspec.Struct, frozen=True):
    """What is known of a node now. `info` is None while it does not answer, and `why` says why."""

    info: Row | None = None
    funds: Row | None = None
    works: tuple[str, ...] = ()
    why: str = ""


class Part(msgspec.Struct, frozen=True):
    """A part of the bar; the higher its rank, the sooner it gives way: to its short form first."""

    text: str
    rank: int
    mood: str = PLAIN
    short: str = ""


def parts(state: State) -> list[Part]:
    """The parts of the bar, from the left."""
    if state.info is None:
        return [Part(state.why or "the node does not answer", 0, TROUBLE)]
    info = state.info
    found = [Part(info["network"], 7), _height(info)]
    found.append(Part(_count(info["peers"], "peer"), 5))
    found.append(Part(_count(info["channels"], "channel"), 4))
    if state.funds is not None:
        found.append(_balance(state.funds))
    if info["plugins"]:
        found.append(Part(_count(len(info["plugins"]), "plugin"), 6))
    found += [Part(work, 3, short=work.removesuffix(" left")) for work in state.works[:2]]
    if info["warnings"]:
        found.append(Part(f"! {_count(len(info['warnings']), 'alert')}", 1, ALERT))
    return found


def _height(info: Row) -> Part:
    height, known = info["height"], info.get("synced_height", info["height"])
    if info.get("chain_silent_since_unix_seconds"):
        return Part(f"block {height:,}, the chain is silent", 0, TROUBLE)
    if known < height:
        return Part(f"block {known:,} of {height:,}, {100 * known // max(height, 1)} %", 0, ALERT)
    return Part(f"block {height:,}", 0)


def _count(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _balance(funds: Row) -> Part:
    on_chain, channels = funds["confirmed_sat"] + funds["unconfirmed_sat"], text("_msat", funds["channels_msat"])
    return Part(f"{channels} sat in channels, {on_chain:,} on chain", 2, short=f"{channels} + {on_chain:,} sat")


def fitted(found: Sequence[Part], width: int) -> list[Part]:
    """The parts that fit a bar of this width; those of the highest rank give way first."""
    left = list(found)
    for part in sorted(found, key=lambda part: -part.rank):
        if part.short and _width(left) > width:
            left[left.index(part)] = msgspec.structs.replace(part, text=part.short)
    while len(left) > 1 and _width(left) > width:
        left.remove(max(left, key=lambda part: part.rank))
    if _width(left) > width:
        left = [msgspec.structs.replace(left[0], text=shorten(left[0].text, max(width - 2, 1)))]
    return left


def _width(found: Sequence[Part]) -> int:
    return sum(cells(part.text) for part in found) + len(GAP) * (len(found) - 1) + 2


def works(channels: Sequence[Row]) -> tuple[str, ...]:
    """The openings and closes that wait for blocks, the nearest to its end first."""
    waiting = sorted((row for row in channels if row.get("blocks_left")), key=lambda row: row["blocks_left"])
    return tuple(work(row) for row in waiting)


def work(row: Row) -> str:
    """What a channel waits for, in a few words."""
    what = "closing" if row.get("closing_txid") else "opening"
    return f"{what} {row['channel_id'][:6]}, {_count(row['blocks_left'], 'block')} left"


def sentences(state: State) -> list[str]:
    """All of it in words, each alert in full: for who cannot see the bar."""
    lines = [part.text for part in parts(state) if part.mood != ALERT or state.info is None]
    alerts = state.info["warnings"] if state.info is not None else ()
    return [*lines, *(f"! {text('', alert)}" for alert in alerts)]
