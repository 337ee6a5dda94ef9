"""Can a function of the author's be called as the node will call it? Asked where it is declared, so that it is refused
by its name there, and not found out when it is asked about money."""

import inspect
from collections.abc import Callable
from typing import Any, get_type_hints

from lnpd_sdk import envelope
from lnpd_sdk.envelope import BadFrame
from lnpd_sdk.nearest import nearest
from lnpd_sdk.questions import PROVIDER_METHODS
from lnpd_sdk.types import Phase, Provider, ProviderBase, View

BY_NAME = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
PLAIN = (str, int, bool, bytes, float, dict)


def hints_of(function: Callable[..., object]) -> dict[str, Any]:  # Any: type expressions
    """The annotations of a function's parameters; TypeError for one that names what is not there."""
    try:
        return get_type_hints(function, include_extras=True)
    except NameError as error:
        raise TypeError(f"{function.__name__}: an annotation names what is not there: {error}") from None


def check_form(title: str, value: object) -> None:
    """TypeError unless a declaration's fields are of their types; the node would refuse it without the line."""
    try:
        envelope.decode(envelope.encode(value), type(value))
    except BadFrame as error:
        comma = "; a tuple of one thing has a comma in it: (1,)" if "Expected `array`" in str(error) else ""
        raise TypeError(f"{title}: {str(error).partition(': ')[2]}{comma}") from None


def check_call(function: Callable[..., object], *given: str) -> None:
    """TypeError unless a function can be called with these, in their order."""
    parameters = inspect.signature(function).parameters
    try:
        inspect.signature(function).bind(*given)
    except TypeError:
        raise TypeError(
            f"{function.__name__}({', '.join(parameters)}) is called as {function.__name__}({', '.join(given)})"
        ) from None


def after_node(function: Callable[..., object]) -> list[inspect.Parameter]:
    """A function's parameters but the first, which is the node; TypeError if it is something else."""
    rows = list(inspect.signature(function).parameters.values())
    if rows and rows[0].kind is inspect.Parameter.VAR_POSITIONAL:
        return rows[1:]
    if not rows or rows[0].kind not in (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD):
        raise TypeError(f"{function.__name__}: its first parameter is the node")
    first, hint = rows[0], hints_of(function).get(rows[0].name)
    named = first.name == "node" or first.name.startswith("_")
    if first.default is not inspect.Parameter.empty or hint in PLAIN or (hint is None and not named):
        raise TypeError(f"{function.__name__}: its first parameter is the node, and is named so, not {first.name}")
    return rows[1:]


def taken_by(function: Callable[..., object]) -> tuple[str, ...]:
    """The fields of a hook that its function takes by name; `_own=value` is the function's own. TypeError where it
    could not be called by name."""
    rows = [row for row in after_node(function) if row.kind is not inspect.Parameter.VAR_KEYWORD]
    for row in rows:
        if row.kind not in (*BY_NAME, inspect.Parameter.VAR_POSITIONAL):
            raise TypeError(f"{function.__name__}: a hook's fields come by name, and {row.name} takes none")
    own = [row for row in rows if row.name.startswith("_") and row.default is not inspect.Parameter.empty]
    return tuple(row.name for row in rows if row.kind in BY_NAME and row not in own)


def takes_all(function: Callable[..., object]) -> bool:
    """Whether it takes fields that it does not name."""
    return any(row.kind is inspect.Parameter.VAR_KEYWORD for row in inspect.signature(function).parameters.values())


# --- providers
def check_provider(kind: type[Provider]) -> None:
    """TypeError, with the provider and the phase, unless what `spec` declares and what is written are the same."""
    spec = getattr(kind, "spec", None)
    if spec is None:
        raise TypeError(f"the provider class {kind.__name__} has no spec")
    title = f"the provider {spec.name}"
    if isinstance(spec.phases, Phase):
        check_form(title, spec)
    declared = {phase.name for phase in spec.phases}
    for phase in spec.phases:
        if phase.name not in PROVIDER_METHODS:
            raise TypeError(f"{title} declares {phase.name!r}, no phase{nearest(phase.name, PROVIDER_METHODS)}")
        if not _written(kind, phase.name):
            like = nearest(phase.name, (name for name in vars(kind) if callable(getattr(kind, name))))
            raise TypeError(f"{title} declares the phase {phase.name}, and {kind.__name__} has no such method{like}")
        _check_view_fields(title, phase.name, phase.view_fields)
        _check_method(title, getattr(kind, phase.name), phase.name)
    check_form(title, spec)
    for name in PROVIDER_METHODS:
        if name not in declared and _written(kind, name):
            raise TypeError(f"{title} has a method {name}, which is never asked: its spec lacks Phase({name!r})")


def _written(kind: type[Provider], name: str) -> bool:
    return getattr(kind, name, None) not in (None, getattr(ProviderBase, name), getattr(Provider, name))


def _check_view_fields(title: str, phase: str, fields: object) -> None:
    if isinstance(fields, str):
        raise TypeError(f"{title}: the fields of the phase {phase} are a tuple: ({fields!r},)")
    for name in fields if isinstance(fields, tuple) else ():
        if name not in View.__struct_fields__:
            raise TypeError(
                f"{title}: a view has no {name!r}, which {phase} names{nearest(name, View.__struct_fields__)}"
            )


def _check_method(title: str, method: Callable[..., object], phase: str) -> None:
    names = list(inspect.signature(getattr(Provider, phase)).parameters)
    try:
        inspect.signature(method).bind(*names)
    except TypeError:
        given = ", ".join(list(inspect.signature(method).parameters))
        raise TypeError(f"{title}: {phase}({given}) is called as {phase}({', '.join(names)})") from None
