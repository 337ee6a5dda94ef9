"""How does a command travel that not everybody knows: a plugin's?"""

from typing import TYPE_CHECKING, Any

import msgspec

from lnpd.rpc.commands import PLUGINS, Command, Parameter

if TYPE_CHECKING:  # `lnp` has none of a plugin's manifest to read
    from lnpd_sdk.manifest import RpcMethod


def of_plugin(owner: str, row: "RpcMethod") -> Command:
    """A plugin's RPC method as a command."""
    parameters = tuple(Parameter(p.name, p.kind, p.help, p.required) for p in row.parameters)
    examples = (row.example,) if row.example else ()
    return Command(row.name, PLUGINS, row.help, None, parameters, True, examples=examples, plugin=owner)


def described(command: Command) -> dict[str, Any]:  # Any: a JSON object
    """A command as `help` tells it: what a client needs to offer a command that it did not know."""
    return {
        "name": command.name,
        "group": command.group,
        "help": command.help,
        "plugin": command.plugin,
        "mutating": command.mutating,
        "streaming": command.streaming,
        "examples": list(command.examples),
        "refused": [kind.__name__ for kind in command.refused],
        "parameters": [
            {"name": p.name, "kind": p.kind, "help": p.help, "required": p.required, "default": p.default}
            for p in command.parameters
        ],
    }


def from_description(row: dict[str, Any]) -> Command:  # Any: a JSON object
    """A command of a plugin, as `described` told it. Raises msgspec.ValidationError."""
    return msgspec.convert({**row, "result": None, "refused": ()}, Command)
