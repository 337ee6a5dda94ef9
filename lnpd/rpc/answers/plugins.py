"""What are the answers of the commands about plugins and their options? As __init__.py says."""

import msgspec


class Plugin(msgspec.Struct, frozen=True):
    """A plugin and its process. `why` says what went wrong last. `capabilities` are what it asks for, `grants` what the
    user allows it, `in_effect` what of both counts in this version; `notes` say why the rest does not. `dropped` counts
    messages of peers, and questions, that came faster than it takes them; `waiting` are those that it has to answer.
    """

    name: str
    path: str
    process: int | None
    status: str
    why: str
    version: str
    providers: tuple[str, ...]
    rpc: tuple[str, ...]
    capabilities: tuple[str, ...]
    grants: tuple[str, ...]
    starts: int
    faults: int
    in_effect: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    dropped: int = 0
    waiting: int = 0


class PluginOption(msgspec.Struct, frozen=True):
    """An option of a plugin. `source` says who gave the value; a dynamic one can be set while the plugin runs."""

    plugin: str
    option: str
    kind: str
    value: str | int | float | bool
    default: str | int | float | bool
    source: str
    dynamic: bool
    help: str
