"""What does the reference of commands and options say? It is printed from the tables that the programs run on.

`python -m lnpd.cli.reference` prints it as Markdown; `lnp man` and `lnp completion` print the same tables for others.
"""

import sys
from collections.abc import Iterable, Sequence
from typing import Final, get_args, get_origin

import msgspec
from msgspec.structs import fields

from lnpd.cli import daemon, init, regtest, restore
from lnpd.cli.arguments import COMMON
from lnpd.cli.exits import LNP_EXITS, LNPD_EXITS
from lnpd.cli.keyboard import KEYBOARD as LOOKING_ON
from lnpd.cli.options import CONFIG, CONFIG_HELP, WITHOUT_FILE
from lnpd.cli.qr import FLAG, HELP, QR_OF
from lnpd.cli.told import AS_JSON
from lnpd.cli.tools import HERE
from lnpd.config.table import ALL, OPTIONS
from lnpd.rpc.codes import CODES
from lnpd.rpc.commands import COMMANDS, Command
from lnpd.rpc.kinds import KINDS
from lnpd.rpc.typenames import type_name

INTRODUCTION: Final = """# Commands and options

This file is printed from the tables that `lnp`, `lnpd` and the RPC run on (`make docs`).

The RPC is JSON-RPC 2.0 over `rpc.sock` in the data directory: one object a line, no batches. A command's method is its
name with a dot for a space; its parameters come as an object, or as a list in the order given here. Amounts are
integers with the unit in their name, bytes are lower-case hex, ids of transactions and blocks are written as explorers
write them. On the command line required parameters are words in this order, the others are options.
"""


KEYBOARD: Final = """## At the keyboard

`--json` goes with every command, and is what a program should ask with: names of fields stay, and have their unit. An
answer is on standard output. A refusal is one line on standard error; with `--json` it is one object there,
`{"error": {"code": 17, "name": "InsufficientFunds", "message": "..."}}`, and standard output stays empty. `code` is
that of the RPC, below, and null where the node was not asked. The exit code says what kind of refusal it is.

Completions, of commands, options and their values, files, and the ids of peers, channels, invoices and plugins that
the node has now:

    lnp completion bash > ~/.local/share/bash-completion/completions/lnp
    ln -s lnp ~/.local/share/bash-completion/completions/lnpd
    lnp completion zsh > ~/.zfunc/_lnp               # with `fpath+=~/.zfunc` before compinit in ~/.zshrc
    lnp completion fish > ~/.config/fish/completions/lnp.fish
    ln -s lnp.fish ~/.config/fish/completions/lnpd.fish

The manual has a page for each command: `lnp man`, `lnp man open`, `lnp man lnpd`. For `man lnp-open` they are written
once with `lnp man --write ~/.local/share/man/man1` (in a checkout, `make man` writes them into build/man/man1).
"""


def reference() -> str:
    """The whole reference, in Markdown."""
    parts = [INTRODUCTION, KEYBOARD]
    for group in dict.fromkeys(command.group for command in COMMANDS):
        parts.append(f"## {group}\n")
        parts += [_command(command) for command in COMMANDS if command.group == group]
    parts.append("## Tools which need no node\n")
    parts += [_head(command) for command in HERE]
    parts.append("## Commands for a person who looks on, which ask the node again and again\n")
    parts += [_head(command) for command in LOOKING_ON]
    parts.append("## Kinds of parameter\n")
    parts.append(_table(("kind", "what it is"), ((name, kind.what) for name, kind in KINDS.items())))
    parts.append("## Options of lnp\n")
    parts.append(_table(("option", "meaning"), ((f"`{f} {m}`".replace(" `", "`"), h) for f, m, h in COMMON)))
    parts.append("## Exit codes of lnp\n")
    parts.append(_table(("code", "meaning"), ((str(code), meaning) for code, meaning in LNP_EXITS.items())))
    parts.append("## Options of lnpd\n")
    with_file = ", ".join(each for each in ALL if each not in WITHOUT_FILE)
    options = [(CONFIG, "PATH", with_file, CONFIG_HELP)]
    options += [(row.flag, row.metavar, ", ".join(row.programs), row.help) for row in OPTIONS]
    options += [(*AS_JSON[:2], "all", AS_JSON[2])]
    options += [(flag, metavar, "lnpd", help) for flag, metavar, help in daemon.OWN_OPTIONS]
    options += [(flag, metavar, "lnpd init", help) for flag, metavar, help in init.OWN_OPTIONS]
    options += [(flag, metavar, "lnpd restore", help) for flag, metavar, help in restore.OWN_OPTIONS]
    options += [(flag, metavar, "lnpd regtest", help) for flag, metavar, help in regtest.OWN_OPTIONS]
    rows = ((f"`{flag} {metavar}`".replace(" `", "`"), programs, help) for flag, metavar, programs, help in options)
    parts.append(_table(("option", "of", "meaning"), rows))
    parts.append("## Exit codes of lnpd\n")
    parts.append(_table(("code", "meaning"), ((str(code), meaning) for code, (meaning, _) in LNPD_EXITS.items())))
    parts.append("## Error codes of the RPC\n")
    parts.append("An error has a `code`, a `message` for a person, and in `data.name` the name of its class. A class\n"
                 "without a code of its own has that of the nearest class above it.\n")  # fmt: skip
    codes = ((str(code), f"`{kind.__name__}`", (kind.__doc__ or "").split("\n")[0]) for kind, code in CODES.items())
    parts.append(_table(("code", "class", "meaning"), codes))
    return "\n".join(parts)


def _head(command: Command) -> str:
    words = [p.name.upper() for p in command.parameters if p.required]
    options = [f"[{p.flag}]" for p in command.parameters if not p.required]
    options += [f"[{FLAG}]"] if command.method in QR_OF else []
    lines = [f"### {command.name}\n", f"{command.help}\n", f"    lnp {' '.join([command.name, *words, *options])}\n"]
    if command.parameters:
        rows = ((f"`{p.name}`", p.kind, "yes" if p.required else "no", p.help) for p in command.parameters)
        lines.append(_table(("parameter", "kind", "required", "meaning"), rows))
    if command.method in QR_OF:
        lines.append(f"`{FLAG}`, of `lnp` alone: {HELP}.\n")
    if command in (*HERE, *LOOKING_ON):
        lines += _examples(command)
    return "\n".join(lines)


def _command(command: Command) -> str:
    return "\n".join([_head(command), _result(command), _refusals(command), *_examples(command)])


def _examples(command: Command) -> list[str]:
    return ["Examples:\n", *(f"    {example}" for example in command.examples), ""] if command.examples else []


def _refusals(command: Command) -> str:
    named = ", ".join(f"`{kind.__name__}`" for kind in command.refused)
    return f"Refused by: {named}.\n" if named else ""


def _result(command: Command) -> str:
    kind, many = command.result, False
    if get_origin(kind) is tuple:
        kind, many = get_args(kind)[0], True
    if not (isinstance(kind, type) and issubclass(kind, msgspec.Struct)):
        return "Result: a list of objects, one for each command.\n"
    what = " ".join((kind.__doc__ or "").split())
    head = f"Result: {'a list, ' if many else 'notifications, ' if command.streaming else ''}each: {what}\n"
    return (head if many or command.streaming else f"Result: {what}\n") + "\n" + _struct(kind)


def _struct(kind: type[msgspec.Struct]) -> str:
    """The fields of an answer, and of the answers in it."""
    parts = [_table(("field", "type"), ((f"`{field.name}`", type_name(field.type)) for field in fields(kind)))]
    for field in fields(kind):
        lists = [part for part in (field.type, *get_args(field.type)) if get_origin(part) is tuple]
        inner = get_args(lists[0])[0] if lists else None
        if isinstance(inner, type) and issubclass(inner, msgspec.Struct):
            parts.append(f"{inner.__name__}: {' '.join((inner.__doc__ or '').split())}\n\n{_struct(inner)}")
    return "\n".join(parts)


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines) + "\n"


def main() -> int:
    """Prints the reference."""
    print(reference(), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
