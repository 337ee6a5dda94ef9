"""Which kinds of hook are there, and what does each hook declare?

`gather`: everyone is asked at once and every answer counts. `chain`: asked in order, the first answer that is not
None ends it, and those behind are never asked. What is merely published (`notify`) is an event, not a hook.

pluggy finds and validates implementations; it does not call them, for its own calls are synchronous, and a coroutine
is never None to `firstresult`.
"""

import inspect
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, TypeVar, get_type_hints

import msgspec
import pluggy

PROJECT: Final = "lnpd"
DEADLINE_SECONDS: Final = 5.0
TOLD: Final = "Nobody waits for an answer."
F = TypeVar("F", bound=Callable[..., Any])  # Any: each hook has its own parameters
Kind = Literal["gather", "chain"]


class HookKind(msgspec.Struct, frozen=True):
    """A hook. `default` says what happens without an answer: nobody takes part, or all are late, or answer None.

    A guarded one moves money, or changes terms: only a plugin to which `hook:NAME` was granted is asked. One that is
    `also_asks_waiters` is asked even of the plugin that waits for what causes it.
    """

    name: str
    kind: Kind
    text: str
    fields: Mapping[str, Any]  # Any, here and below: type expressions, which msgspec converts into
    answer: Any
    default: str
    example: str = ""
    deadline_seconds: float = DEADLINE_SECONDS
    guarded: bool = False
    owner: str = PROJECT
    filtered_by: str = ""  # the field by which every subscription has to filter
    also_asks_waiters: bool = False


_spec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)
KINDS: dict[str, HookKind] = {}


def gather(
    default: str, example: str, guarded: bool = False, filtered_by: str = "", also_asks_waiters: bool = False
) -> Callable[[F], F]:
    """Declares a hook that everybody answers, at once."""
    return lambda function: _declared(function, "gather", default, example, guarded, filtered_by, also_asks_waiters)


def chain(default: str, example: str, guarded: bool = False) -> Callable[[F], F]:
    """Declares a hook whose first answer other than None counts."""
    return lambda function: _declared(function, "chain", default, example, guarded)


def _declared(
    function: F,
    kind: Kind,
    default: str,
    example: str,
    guarded: bool,
    filtered_by: str = "",
    also_asks_waiters: bool = False,
) -> F:
    hints = get_type_hints(function)
    answer = hints.pop("return")
    KINDS[function.__name__] = HookKind(
        name=function.__name__,
        kind=kind,
        text=inspect.getdoc(function) or "",
        fields=hints,
        answer=answer,
        default=default,
        example=inspect.cleandoc(example),
        guarded=guarded,
        filtered_by=filtered_by,
        also_asks_waiters=also_asks_waiters,
    )
    return _spec(function)
