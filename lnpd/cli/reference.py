"""What does the reference of commands and options say? It is printed from the tables that the programs run on.

`python -m lnpd.cli.reference` prints it as Markdown; `... bash` prints the completion of `lnp` for bash.
"""

import sys
from collections.abc import Iterable, Sequence
from typing import Any, Final, get_args, get_origin

import msgspec
from msgspec.structs import fields

from lnpd.cli import daemon, init, regtest, restore
from lnpd.cli.arguments import COMMON
from lnpd.cli.exits import LNP_EXITS, LNPD_EXITS
from lnpd.cli.options import CONFIG, CONFIG_HELP, WITHOUT_FILE
from lnpd.cli.qr import FLAG, HELP, QR_OF
from lnpd.cli.tools import HERE
from lnpd.config.table import ALL, OPTIONS
from lnpd.rpc.codes import CODES
from lnpd.rpc.commands import COMMANDS, Command
from lnpd.rpc.kinds import KINDS

INTRODUCTION: Final = """# Commands and options

This file is printed from the tables that `lnp`, `lnpd` and the RPC run on (`make docs`).

The RPC is JSON-RPC 2.0 over `rpc.sock` in the data directory: one object a line, no batches. A command's method is its
name with a dot for a space; its parameters come as an object, or as a list in the order given here. Amounts are
integers with the unit in their name, bytes are lower-case hex, ids of transactions and blocks are written as explorers
write them. On the command line required parameters are words in this order, the others are options.
"""


def reference() -> str:
    """The whole reference, in Markdown."""
    parts = [INTRODUCTION]
    for group in dict.fromkeys(command.group for command in COMMANDS):
        parts.append(f"## {group}\n")
        parts += [_command(command) for command in COMMANDS if command.group == group]
    parts.append("## Tools for authors of plugins, which need no node\n")
    parts += [_head(command) for command in HERE]
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
    if command in HERE:
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
    parts = [_table(("field", "type"), ((f"`{field.name}`", _type_name(field.type)) for field in fields(kind)))]
    for field in fields(kind):
        lists = [part for part in (field.type, *get_args(field.type)) if get_origin(part) is tuple]
        inner = get_args(lists[0])[0] if lists else None
        if isinstance(inner, type) and issubclass(inner, msgspec.Struct):
            parts.append(f"{inner.__name__}: {' '.join((inner.__doc__ or '').split())}\n\n{_struct(inner)}")
    return "\n".join(parts)


def _type_name(kind: Any) -> str:  # Any: a type, a union or an alias
    if get_origin(kind) is tuple:
        return f"list of {_type_name(get_args(kind)[0])}"
    if get_args(kind):
        return " or ".join(
            repr(part) if isinstance(part, str) else "null" if part is type(None) else _type_name(part)
            for part in get_args(kind)
        )
    names = {str: "text", int: "integer", float: "number", bool: "boolean", msgspec.Raw: "any",
             Any: "any", msgspec.UnsetType: "absent"}  # fmt: skip
    return names.get(kind) or str(kind.__name__)


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines) + "\n"


def bash_completion() -> str:
    """A script that completes the commands of `lnp` and their options in bash."""
    cases = "\n".join(
        f'        "{command.name}") words="{" ".join(p.flag for p in command.parameters if not p.required)}" ;;'
        for command in (*COMMANDS, *HERE)
        if any(not p.required for p in command.parameters)
    )
    firsts = " ".join(dict.fromkeys(command.name.split()[0] for command in (*COMMANDS, *HERE)))
    pairs = [command.name.split() for command in (*COMMANDS, *HERE) if " " in command.name]
    groups = "\n".join(
        f'        {first}) words="{" ".join(second for each, second in pairs if each == first)}" ;;'
        for first in dict.fromkeys(first for first, _ in pairs)
    )
    heads = "|".join(dict.fromkeys(first for first, _ in pairs))
    return f"""# Completes lnp in bash; printed by python -m lnpd.cli.reference bash
_lnp() {{
    local word="${{COMP_WORDS[COMP_CWORD]}}" words=""
    if [ "$COMP_CWORD" -eq 1 ]; then
        words="{firsts}"
    elif [ "$COMP_CWORD" -eq 2 ] && [[ "${{COMP_WORDS[1]}}" =~ ^({heads})$ ]]; then
        case "${{COMP_WORDS[1]}}" in
{groups}
        esac
    else
        case "${{COMP_WORDS[1]}}" in
{cases}
        esac
    fi
    [ "${{word#-}}" != "$word" ] && words="$words {" ".join(flag for flag, _, _ in COMMON)}"
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
}}
complete -F _lnp lnp
"""


def main(words: Sequence[str] | None = None) -> int:
    """Prints the reference, or with `bash` the completion."""
    words = sys.argv[1:] if words is None else words
    print(bash_completion() if list(words) == ["bash"] else reference(), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
