"""Which handler answers which event in which phase?

`@on(phases, event)` fills the one table, TRANSITIONS. What it lacks is refused: a peer's message by ProtocolError, a
command by CommandRefused, a fact is ignored. The table is printed in the documentation and compared with it.
"""

from collections.abc import Callable, Generator
from typing import Any, TypeAlias, TypeVar

from lnpd.channel.actions import Action
from lnpd.channel.queries import Query
from lnpd.channel.state import Channel

Step: TypeAlias = Generator[Query[Any], Any, tuple[Channel, list[Action]]]
# Any: the table maps each event's class to a handler of just that class, which no static type can say.
Handler: TypeAlias = Callable[[Channel, Any], Step]
Registered = TypeVar("Registered", bound=Handler)

TRANSITIONS: dict[tuple[type, type], Handler] = {}


def on(phases: type | tuple[type, ...], event: type) -> Callable[[Registered], Registered]:
    """Register a handler for an event in these phases. Two handlers for one pair are a defect of lnpd."""

    def register(handler: Registered) -> Registered:
        for phase in phases if isinstance(phases, tuple) else (phases,):
            previous = TRANSITIONS.setdefault((phase, event), handler)
            assert previous is handler, f"{phase.__name__} x {event.__name__} has two handlers"
        return handler

    return register


def done(channel: Channel, *actions: Action) -> Step:
    """A step that asks nothing."""
    return channel, list(actions)
    yield  # makes this a generator


def described() -> list[tuple[str, str, str]]:
    """The table as (phase, event, handler) names, sorted: what the documentation shows."""
    return sorted(
        (p.__name__, e.__name__, f"{h.__module__.rpartition('.')[2]}.{h.__name__}") for (p, e), h in TRANSITIONS.items()
    )


def printed() -> str:
    """The table as a Markdown document, once `lnpd.channel.step` is imported; TRANSITIONS.md is this text."""
    lines = [
        "# Which handler answers which event in which phase",
        "",
        "Printed by `lnpd.channel.table.printed`; a test compares it with the code. What is not listed is",
        "refused: messages by UnexpectedMessage, commands by CommandRefused. Facts of the chain and the connection are",
        "ignored, and so are messages once the channel has failed or is over.",
    ]
    phase = ""
    for name, event, handler in described():
        if name != phase:
            phase = name
            lines += ["", f"## {phase}", "", "| event | handler |", "|---|---|"]
        lines.append(f"| {event} | {handler} |")
    return "\n".join(lines) + "\n"
