"""Which commands of `lnp` need no node? For authors, for keys, for the keyboard; their rows are as the node's."""

from typing import Final

from lnpd.rpc.commands import NODE, PLUGINS, Command, Parameter

AROUND: Final = ("doctor", "report")
"""These look at a node from the outside as well, so that they work where none runs and where its configuration is
refused."""

_PATH: Final = Parameter("path", "path", "the plugin's file")

PRINTED: Final[tuple[Command, ...]] = (
    Command(
        "completion",
        NODE,
        "Print what makes a shell complete `lnp` and `lnpd`: commands, options, values, files, what the node knows.",
        None,
        (Parameter("shell", "shell", "bash, zsh or fish"),),
        examples=("lnp completion bash > ~/.local/share/bash-completion/completions/lnp",),
    ),
    Command(
        "complete-ids",
        NODE,
        "Print what the node knows of a kind, a line each with what it is after a tab: completions of shells ask it. "
        "Nothing, within a second, where no node answers.",
        None,
        (Parameter("kind", "ids", "peer, channel, invoice, names (of providers), plugin, or command (of plugins)"),),
        examples=("lnp complete-ids channel",),
    ),
    Command(
        "man",
        NODE,
        "Show a page of the manual: of `lnp`, of a command, of `lnpd` or one of its programs; its source where the "
        "output is no terminal.",
        None,
        (
            Parameter("page", "names", "a command, or lnpd, lnpd-init, ...; none: of lnp itself", False, None, True),
            Parameter("write", "path", "write all pages into this folder instead", False),
        ),
        examples=("lnp man open", "lnp man plugin list", "lnp man --write ~/.local/share/man/man1"),
    ),
)
REPORT: Final = Command(
    "report",
    NODE,
    "Write a text file for a report of a defect, with no secret in it: versions, what the doctor says, configuration, "
    "channels, plugins, the last 1,000 lines of the log. Look before you send it.",
    None,
    (
        Parameter("file", "path", "where to (default: lnpd-report-TIME.txt, here)", False, None, True),
        Parameter("anonymous", "boolean", "with pseudonyms for ids, addresses and amounts", False, False),
    ),
    examples=("lnp report", "lnp report report.txt --anonymous"),
)
HERE: Final[tuple[Command, ...]] = (
    Command(
        "key",
        NODE,
        "Show the public key of a key file, for programs that ask a node from another machine; make one if there is"
        " none. A node's own is rpc-key in its data directory.",
        None,
        (Parameter("file", "path", "the file, which its user alone can read"),),
        examples=("lnp key ~/.lnpd/phone.key",),
    ),
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
    *PRINTED,
    REPORT,
)
