"""How does an event read in one line, and which of many are shown at once?"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

from lnpd.cli.render import shorten, text, title, unit

Payload = Mapping[str, Any]  # Any: JSON values

AT_ONCE: Final = 5
"""So many lines are shown of what happened together; of more, all but one and how many there were."""
TOGETHER_SECONDS: Final = 0.2
GOOD, TROUBLE, PLAIN = "good", "trouble", "plain"
_ID_DIGITS: Final = 12


class Line(msgspec.Struct, frozen=True):
    """A line of the feed, and how it is coloured."""

    text: str
    mood: str = PLAIN


def _sat(payload: Payload, name: str = "amount_msat") -> str:
    return f"{text(name, payload.get(name, 0))} sat"


# What is said of the topics that people care for; others are named with their fields.
_SAID: Final[dict[str, tuple[str, Callable[[Payload], str]]]] = {
    "payment_received": (GOOD, lambda p: f"received {_sat(p)}"),
    "payment_sent": (GOOD, lambda p: f"paid {_sat(p)}"),
    "payment_failed": (TROUBLE, lambda p: f"a payment of {_sat(p)} failed: {p.get('why', '')}"),
    "forward_settled": (GOOD, lambda p: f"forwarded {_sat(p)}, earned {_sat(p, 'fee_msat')}"),
    "forward_failed": (PLAIN, lambda p: f"a forward of {_sat(p)} failed: {p.get('why', '')}"),
}
_MOODS: Final = {
    **dict.fromkeys(("channel_ready", "channel_active", "channel_closed", "funding_confirmed_again"), GOOD),
    **dict.fromkeys(
        ("channel_frozen", "channel_warning", "channel_failed", "peer_warning", "funding_unconfirmed", "close_blocked",
         "channel_spend_undone"), TROUBLE),
}  # fmt: skip
_HIDDEN: Final = frozenset({"chain_event"})


def line_of(topic: str, unix_seconds: int, payload: object, width: int) -> Line | None:
    """What an event is to a person; None if it is none of their business."""
    if topic in _HIDDEN:
        return None
    fields = payload if isinstance(payload, Mapping) else {}
    mood, said = _SAID.get(topic, (_MOODS.get(topic, PLAIN), None))
    words = said(fields) if said else f"{topic.replace('_', ' ')}{_fields(fields)}"
    clock = time.strftime("%H:%M:%S", time.localtime(unix_seconds))
    return Line(shorten(text("", f"{clock}  {words}"), width), mood)


def _fields(payload: Payload) -> str:
    known = {name: value for name, value in payload.items() if name != "channel"}  # a key that no command takes
    parts = [f"{title(name)} {_value(name, value)}" for name, value in known.items() if value not in ("", None)]
    return f": {', '.join(parts)}" if parts else ""


def _value(name: str, value: object) -> str:
    shown = text(name, value)
    if len(shown) >= 64 and all(c in "0123456789abcdef" for c in shown):
        shown = shown[:_ID_DIGITS]
    return f"{shown} {unit(name)}".strip()


def chosen(lines: Sequence[Line]) -> Sequence[Line]:
    """The lines that are shown of those that came together."""
    if len(lines) <= AT_ONCE:
        return lines
    left = len(lines) - AT_ONCE + 1
    return [*lines[: AT_ONCE - 1], Line(f"          ... and {left} more: `events --since` lists all")]
