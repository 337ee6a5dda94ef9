"""For which calls of a hook did a plugin ask, and can its filter be evaluated at all?

The host evaluates filters, so that a plugin is not woken for what it does not want.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final, get_args

from lnpd_sdk.manifest import Filter
from lnpd_sdk.nearest import nearest

MAX_VALUES: Final = 1_000
MAX_TEXT: Final = 1_000


def passes(filters: Iterable[Filter], params: Mapping[str, object]) -> bool:
    """Whether every filter holds."""
    return all(_holds(each, params[each.field]) for each in filters)


def _holds(condition: Filter, value: object) -> bool:
    if condition.equals is not None and value != condition.equals:
        return False
    if condition.one_of and value not in condition.one_of:
        return False
    if condition.prefix and not (isinstance(value, str) and value.startswith(condition.prefix)):
        return False
    if condition.at_least is not None and not (isinstance(value, int) and value >= condition.at_least):
        return False
    return condition.at_most is None or (isinstance(value, int) and value <= condition.at_most)


def unknown_field(name: str, fields: Mapping[str, Any]) -> str:  # Any: type expressions
    """Why a hook with these fields has none of this name; empty if it has."""
    known = f"; it has {', '.join(fields)}" if fields else "; it has none"
    return "" if name in fields else f"has no field {name[:40]!r}{nearest(name, fields) or known}"


def wrong_with(condition: Filter, fields: Mapping[str, Any]) -> str:  # Any: type expressions
    """Why this filter can never be evaluated for a hook with these fields; empty if it can."""
    if why := unknown_field(condition.field, fields):
        return why
    kinds = _plain(fields[condition.field])
    values = [value for value in (condition.equals, *condition.one_of) if value is not None]
    bounds = condition.at_least is not None or condition.at_most is not None
    if not (values or bounds or condition.prefix):
        return f"is filtered by {condition.field}, without a condition"
    if len(values) > MAX_VALUES or any(len(str(value)) > MAX_TEXT for value in (*values, condition.prefix)):
        return f"is filtered by {condition.field} with over {MAX_VALUES} values, or a text of over {MAX_TEXT}"
    if any(type(value) not in kinds for value in values) or (bounds and int not in kinds):
        return f"has a field {condition.field} of another kind than its filter's"
    return f"has a field {condition.field}, which is no text" if condition.prefix and str not in kinds else ""


def _plain(kind: Any) -> tuple[Any, ...]:  # Any: type expressions
    """What a field may be: the parts of a union, or itself."""
    return get_args(kind) if type(None) in get_args(kind) else (kind,)


def in_words(condition: Filter) -> str:
    """A filter, for a person."""
    said = (
        ("is", condition.equals),
        ("is one of", ", ".join(map(str, condition.one_of)) or None),
        ("is at least", condition.at_least),
        ("is at most", condition.at_most),
        ("begins with", condition.prefix or None),
    )
    return " and ".join(f"{condition.field} {words} {value}" for words, value in said if value is not None)
