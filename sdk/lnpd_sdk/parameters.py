"""Which parameters does a plugin's RPC method have, by its function's signature, and does a request fit them?"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Literal, get_args, get_origin

import msgspec

from lnpd_sdk.envelope import BusError
from lnpd_sdk.functions import after_node, hints_of
from lnpd_sdk.manifest import HookField, Parameter, ParameterKind, RpcMethod, wrong_moves
from lnpd_sdk.nearest import nearest

KINDS: dict[object, ParameterKind] = {str: "text", int: "integer", bool: "boolean", bytes: "hex"}
# A parameter of this name is more than a text: the command line completes it, and accepts a unique beginning of an id;
# a file's path arrives whole.
NAMED: dict[str, ParameterKind] = {"channel_id": "channel", "node_id": "peer", "file": "path"}
FIELD_KINDS: dict[object, Literal["text", "integer", "boolean", "bytes"]] = {
    str: "text",
    int: "integer",
    bool: "boolean",
    bytes: "bytes",
}
TYPES: dict[ParameterKind, type] = {"integer": int, "boolean": bool}


class BadParameters(BusError):
    """An RPC method was called with parameters that it does not take; the text names the first."""


def parameters_of(function: Callable[..., object]) -> tuple[Parameter, ...]:
    """The rows of all parameters but the first, which is the `Node`; TypeError for a signature that cannot be called.

    `int`, `str`, `bool` and `bytes` (hex outside) are possible; `Annotated[int, "what it is"]` adds the help text.
    """
    hints = hints_of(function)
    return tuple(_parameter(function.__name__, row, hints.get(row.name, str)) for row in after_node(function))


def methods_of(plugin: str, rows: Sequence[RpcMethod]) -> tuple[RpcMethod, ...]:
    """A plugin's methods; TypeError where one `moves` what is not there."""
    if wrong := wrong_moves(rows):
        raise TypeError(f"{plugin}: {wrong}")
    return tuple(rows)


def fields_of(function: Callable[..., object]) -> tuple[HookField, ...]:
    """The fields of a hook that a function declares; TypeError for one that is not `str`, `int`, `bool` or `bytes`."""
    hints = hints_of(function)
    rows = [(name, FIELD_KINDS.get(hints.get(name, str))) for name in inspect.signature(function).parameters]
    for name, kind in rows:
        if kind is None:
            raise TypeError(f"{function.__name__}: the field {name} must be str, int, bool or bytes")
    return tuple(HookField(name, kind) for name, kind in rows if kind is not None)


def _parameter(function: str, row: inspect.Parameter, hint: object) -> Parameter:
    words = ""
    if get_origin(hint) is Annotated:
        hint, *more = get_args(hint)
        words = next((word for word in more if isinstance(word, str)), "")
    kind = KINDS.get(hint)
    if kind is None or row.kind not in (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY):
        raise TypeError(f"{function}: parameter {row.name} must be str, int, bool or bytes")
    if kind == "text":
        kind = NAMED.get(row.name, kind)
    return Parameter(row.name, kind, words, row.default is inspect.Parameter.empty)


def typed(method: str, rows: tuple[Parameter, ...], given: Mapping[str, object]) -> dict[str, object]:
    """A request's values as the function takes them; BadParameters names what does not fit."""
    kinds = {row.name: row.kind for row in rows}
    for name in given:
        if name not in kinds:
            raise BadParameters(f"{method} has no parameter {name!r}{nearest(name, kinds)}")
    for row in rows:
        if row.required and row.name not in given:
            raise BadParameters(f"{method} needs {row.name}")
    return {name: _converted(method, name, kinds[name], value) for name, value in given.items()}


def _converted(method: str, name: str, kind: ParameterKind, value: object) -> object:
    try:
        if kind == "hex":
            return bytes.fromhex(msgspec.convert(value, str))
        return msgspec.convert(value, TYPES.get(kind, str))
    except ValueError as error:  # msgspec's errors are of this kind
        raise BadParameters(f"{method}: {name}: {error}") from None
