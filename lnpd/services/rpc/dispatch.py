"""How does a request become a call of the node?

    method -> row of the table (or a plugin's) -> parameters by name, checked by their kinds -> ids completed -> call

Parameters come as an object, or as a list in the order of the table.
"""

from collections.abc import Iterable
from typing import Any, Final

from lnpd.errors import LnpdError, NoSuchMethod, ParameterRefused, UnknownChannel, UnknownPeer
from lnpd.rpc import kinds
from lnpd.rpc.commands import BY_METHOD, COMMANDS, Command, Parameter
from lnpd.rpc.described import EXTENDABLE, added, described, extended, of_plugin
from lnpd.services.rpc import reading
from lnpd.services.rpc.api import Backend
from lnpd.services.rpc.extending import in_place_of, of_the_nodes

_WHOLE_ID_DIGITS = {"peer": 66, "peer_address": 66, "channel": 64}


# A user can always stop the node, and do without a plugin.
NEVER_ASKED: Final = ("stop", "plugin.")


def commands(backend: Backend) -> tuple[Command, ...]:
    """Every command that the node has now, its plugins' last."""
    methods = backend.plugin_methods()
    more = added(methods)
    rows = (of_plugin(owner, row) for owner, row in methods if not row.extends)
    return (*(extended(row, more) for row in COMMANDS), *(row for row in rows if row.method not in BY_METHOD))


def find(backend: Backend, method: str) -> Command:
    """The row of a method. Raises NoSuchMethod."""
    if (own := BY_METHOD.get(method)) is not None:
        return extended(own, added(backend.plugin_methods())) if method in EXTENDABLE else own
    found = next((row for row in commands(backend) if row.method == method), None)
    if found is None:
        raise NoSuchMethod(f"There is no method {method[:60]!r}: `help` lists them all.")
    return found


async def call(backend: Backend, method: str, params: object, only_reads: bool = False) -> object:
    """Does what a request asks for; `only_reads`: for whom may only read. Raises NoSuchMethod, ParameterRefused,
    OnlyReads, and what the node raises."""
    command = find(backend, method)
    if only_reads:
        reading.check(command)
        return reading.shown(command, await _done(backend, command, params))
    return await _done(backend, command, params)


async def _done(backend: Backend, command: Command, params: object) -> object:
    given = named(command, params)
    method = in_place_of(command, backend.plugin_methods(), said(command, params)) if command.mutating else None
    if method is not None:
        given = {name: given[name] for name in said(command, params)}
    for parameter in command.parameters:
        if isinstance(value := given.get(parameter.name), str):
            given[parameter.name] = await _completed(backend, parameter, value)
    if command.mutating and not command.method.startswith(NEVER_ASKED):
        await backend.permit(command.method, given)
    if command.plugin or method is not None:
        return await backend.call_plugin(command.name if method is None else method.name, given)
    if command.name == "help":
        return [described(row) for row in commands(backend)]
    handler = getattr(backend, command.handler)
    answer: object = await handler(**of_the_nodes(command, given))
    return answer


def named(command: Command, params: object) -> dict[str, Any]:  # Any: each value has its parameter's kind
    """The parameters by name, checked, with defaults for those that are absent. Raises ParameterRefused."""
    by_name = _by_name(command, params)
    return {
        parameter.name: value
        for parameter in command.parameters
        if (value := _value(command, parameter, by_name)) is not None or not command.plugin
    }


def said(command: Command, params: object) -> tuple[str, ...]:
    """Which parameters somebody gave. Raises ParameterRefused."""
    return tuple(name for name, value in _by_name(command, params).items() if value is not None)


def _by_name(command: Command, params: object) -> dict[str, Any]:  # Any: JSON values
    known = {parameter.name: parameter for parameter in command.parameters}
    if isinstance(params, list):
        if len(params) > len(known):
            raise ParameterRefused(f"{command.name} takes at most {len(known)} parameters, not {len(params)}.")
        params = dict(zip(known, params, strict=False))
    if not isinstance(params, dict):
        raise ParameterRefused("The parameters are an object or a list.")
    for name in params:
        if name not in known:
            rest = ", ".join(known) or "none"
            raise ParameterRefused(f"{command.name} has no parameter {name[:60]!r}; it has: {rest}.")
    return params


def _value(command: Command, parameter: Parameter, params: dict[str, Any]) -> object:  # Any: JSON values
    value = params.get(parameter.name)
    if value is not None:
        return kinds.check(parameter.name, parameter.kind, value)
    if parameter.required:
        raise ParameterRefused(f"{command.name} needs {parameter.name}: {parameter.help}.")
    default = parameter.default
    return tuple(default) if isinstance(default, list) else default


async def _completed(backend: Backend, parameter: Parameter, text: str) -> str:
    """The whole id that shortened digits mean."""
    whole = _WHOLE_ID_DIGITS.get(parameter.kind)
    if whole is None or len(text) >= whole:
        return text
    if parameter.kind != "channel":
        return _only("peer", text, {row.node_id for row in await backend.peers()}, UnknownPeer)
    return _only("channel", text, {row.channel_id for row in await backend.channels()}, UnknownChannel)


def _only(what: str, digits: str, ids: Iterable[str], refusal: type[LnpdError]) -> str:
    fitting = [one for one in ids if one.startswith(digits)]
    if len(fitting) == 1:
        return fitting[0]
    raise refusal(
        f"{len(fitting)} {what}s begin with {digits}: give more digits."
        if fitting
        else f"No {what} begins with {digits}."
    )
