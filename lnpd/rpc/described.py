"""How does a command travel that not everybody knows: a plugin's?"""

from collections.abc import Container, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec
from lnpd_sdk.moves import Moves

from lnpd.rpc.commands import COMMANDS, PLUGINS, Command, Parameter

if TYPE_CHECKING:  # `lnp` has none of a plugin's manifest to read
    from lnpd_sdk.manifest import RpcMethod

EXTENDABLE: Final = {
    command.method: frozenset(parameter.name for parameter in command.parameters)
    for command in COMMANDS
    if command.mutating and not command.streaming and command.group != PLUGINS and command.name != "stop"
}
"""The commands to which plugins may add parameters, and those that each has. What only reads stays for readers, and a
user can always stop the node, and do without a plugin."""

Added = Mapping[str, Sequence[Parameter]]  # by command


def of_plugin(owner: str, row: "RpcMethod") -> Command:
    """A plugin's RPC method as a command."""
    parameters = tuple(Parameter(p.name, p.kind, p.help, p.required) for p in row.parameters)
    examples = (row.example,) if row.example else ()
    return Command(
        row.name, PLUGINS, row.help, None, parameters, True, examples=examples, plugin=owner, moves=row.moves
    )


def added(rows: "Iterable[tuple[str, RpcMethod]]") -> dict[str, list[Parameter]]:
    """What plugins' methods add to the node's commands."""
    found: dict[str, list[Parameter]] = {}
    for owner, row in rows:
        own = (each for each in row.parameters if row.extends and each.name not in EXTENDABLE.get(row.extends, ()))
        for each in own:
            help = f"{each.help} ({owner}'s)".lstrip()
            shown = Parameter(each.name, each.kind, help, False, plugin=owner, method=row.name, moves=row.moves)
            found.setdefault(row.extends, []).append(shown)
    return found


def extended(command: Command, more: Added) -> Command:
    """A command of the node's with what plugins add to it."""
    own = more.get(command.method)
    return msgspec.structs.replace(command, parameters=(*command.parameters, *own)) if own else command


def in_place_of(command: Command, given: Container[str]) -> Command:
    """The plugin's method that is called in the command's place, where a parameter of its own is given; else the
    command. It moves money where either of them says so: a plugin that says nothing takes no question away."""
    first = next((each for each in command.parameters if each.plugin and each.name in given), None)
    if first is None:
        return command
    moves = first.moves or (Moves() if command.moves else None)
    return msgspec.structs.replace(command, name=first.method, plugin=first.plugin, moves=moves)


def described(command: Command) -> dict[str, Any]:  # Any: a JSON object
    """A command as `help` tells it: what a client needs to offer a command that it did not know."""
    return {
        "name": command.name,
        "group": command.group,
        "help": command.help,
        "plugin": command.plugin,
        "mutating": command.mutating,
        "streaming": command.streaming,
        "moves": command.moves,
        "examples": list(command.examples),
        "refused": [kind.__name__ for kind in command.refused],
        "parameters": [
            {
                "name": p.name,
                "kind": p.kind,
                "help": p.help,
                "required": p.required,
                "default": p.default,
                "plugin": p.plugin,
                "method": p.method,
                "moves": p.moves,
            }
            for p in command.parameters
        ],
    }


def from_description(row: dict[str, Any]) -> Command:  # Any: a JSON object
    """A command of a plugin, as `described` told it. Raises msgspec.ValidationError."""
    return msgspec.convert({**row, "result": None, "refused": ()}, Command)


def understood(
    rows: Iterable[dict[str, Any]], gone: Iterable[str] = ()
) -> tuple[tuple[Command, ...], Added]:  # Any: JSON
    """What `help` told of plugins' commands, and of what they add to the node's; but for those that are `gone`. Raises
    msgspec.ValidationError, LookupError, TypeError."""
    commands, more, away = list[Command](), dict[str, list[Parameter]](), frozenset(gone)
    for row in rows:
        if row["plugin"]:
            commands += [from_description(row)] if row["plugin"] not in away else []
            continue
        own = [msgspec.convert(each, Parameter) for each in row["parameters"] if each.get("plugin")]
        more[row["name"].replace(" ", ".")] = [each for each in own if each.plugin not in away]
    return tuple(commands), more
