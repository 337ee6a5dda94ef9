"""Whose is a command that was given a parameter which a plugin added to it?"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from lnpd_sdk.manifest import RpcMethod

from lnpd.errors import ParameterRefused
from lnpd.rpc.commands import Command

Methods = Sequence[tuple[str, RpcMethod]]  # plugins' with their owners


def in_place_of(command: Command, methods: Methods, given: Collection[str]) -> RpcMethod | None:
    """The plugin's method that is called in the command's place, where these parameters were given; None: nobody's.

    Raises ParameterRefused where they are two methods', or the method takes not all of them, or needs others: what
    somebody said about money is left out by nobody.
    """
    added = [parameter for parameter in command.parameters if parameter.plugin and parameter.name in given]
    if not added:
        return None
    first = added[0]
    rows = [(owner, row) for owner, row in methods if row.extends == command.method]
    owner, method = next(each for each in rows if first.name in _names(each[1]))
    shown = f"{command.name} with {first.name} (of {owner})"
    for name in given:
        if name not in _names(method):
            raise ParameterRefused(f"{shown} takes no {name}: it has {', '.join(_names(method))}.")
    for parameter in method.parameters:
        if parameter.required and parameter.name not in given:
            raise ParameterRefused(f"{shown} needs {parameter.name}: {parameter.help or 'it has no default'}.")
    return method


def of_the_nodes(command: Command, given: Mapping[str, Any]) -> dict[str, Any]:  # Any: each value has its kind
    """What the node's own command is called with."""
    theirs = {parameter.name for parameter in command.parameters if parameter.plugin}
    return {name: value for name, value in given.items() if name not in theirs}


def _names(method: RpcMethod) -> list[str]:
    return [parameter.name for parameter in method.parameters]
