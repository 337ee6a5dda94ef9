"""Which kinds of hook are there, and how is each called?

`gather`: everyone is asked at once and every answer counts. `chain`: asked in order, the first answer that is not
None ends it, and those behind are never asked. What is merely published (`notify`) is an event, not a hook.

pluggy finds and validates implementations; it does not call them, for its own calls are synchronous, and a coroutine
is never None to `firstresult`.
"""

import inspect
from collections.abc import Awaitable, Callable
from typing import Any, Literal, TypeVar

import pluggy

PROJECT = "lnpd"
F = TypeVar("F", bound=Callable[..., Any])  # Any: each hook has its own parameters
Kind = Literal["gather", "chain"]

_spec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)
KINDS: dict[str, Kind] = {}


def gather(function: F) -> F:
    """Declares a hook that everybody answers, at once."""
    KINDS[function.__name__] = "gather"
    return _spec(function)


def chain(function: F) -> F:
    """Declares a hook whose first answer other than None counts."""
    KINDS[function.__name__] = "chain"
    return _spec(function)


async def awaited(value: object) -> object:
    """The value, or what it resolves to: an implementation may be a plain function."""
    return await value if isinstance(value, Awaitable) else value


def drop(values: list[object]) -> None:
    """Closes coroutines that will never be awaited."""
    for value in values:
        if inspect.iscoroutine(value):
            value.close()
