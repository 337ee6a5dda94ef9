"""Which commands of `lnp` need no node? Those that help an author of a plugin; their rows are as the node's."""

from typing import Final

from lnpd.rpc.commands import PLUGINS, Command, Parameter

_PATH: Final = Parameter("path", "path", "the plugin's file")

HERE: Final[tuple[Command, ...]] = (
    Command(
        "plugin new",
        PLUGINS,
        "Write a new plugin: a command, a hook, a commitment output, and its test. Into ./NAME, or --directory.",
        None,
        (Parameter("name", "text", "small letters, digits and hyphens"),),
        examples=("lnp plugin new memo",),
    ),
    Command(
        "plugin check",
        PLUGINS,
        "Check a plugin without a node: its manifest, and all that its providers answer, by the node's own rules.",
        None,
        (_PATH,),
        examples=("lnp plugin check memo.py", "lnp plugin check memo.py --json"),
    ),
    Command(
        "plugin run",
        PLUGINS,
        "Try a plugin in two nodes with a channel of its type, and a shell; it is loaded again whenever it is saved.",
        None,
        (_PATH,),
        examples=("lnp plugin run memo.py",),
    ),
    Command(
        "plugin replay",
        PLUGINS,
        "Ask a plugin again what a golden file recorded, and show what it answers differently now.",
        None,
        (_PATH, Parameter("golden", "path", "the file that `pair.record` wrote")),
        examples=("lnp plugin replay memo.py memo.jsonl",),
    ),
)
