"""How is one command line asked of the node, and its answer or refusal printed? (`lnp`, and each line of its shell)"""

import shutil
import sys
from collections.abc import Sequence
from typing import Any, Final, NoReturn

import msgspec

from lnpd.cli import arguments
from lnpd.cli.arguments import DEFAULT_TIMEOUT_SECONDS, Common
from lnpd.cli.exits import LNP_EXITS
from lnpd.cli.tools import HERE
from lnpd.errors import LnpdError, NodeUnavailable, NoSuchMethod, ParameterRefused, RefusedByNode
from lnpd.rpc.client import Client
from lnpd.rpc.commands import COMMANDS, Command
from lnpd.rpc.described import from_description

WAIT_BEYOND_SECONDS: Final = 30.0
TABLE: Final = (*COMMANDS, *HERE)


def do(words: Sequence[str], common: Common) -> None:
    """Asks the node for what the words say and prints its answer. Raises LnpdError, and SystemExit after --help."""
    command, rest = find(words, common)
    if command in HERE:
        raise ParameterRefused(f"It needs no node: `lnp {command.name}` is for the command line, outside of the shell.")
    do_found(command, rest, common)


def do_found(command: Command, words: Sequence[str], common: Common) -> None:
    """Asks the node for a command that was found, with the words after it."""
    params, parsed = arguments.params(command, words)
    execute(command, params, arguments.common(parsed, common))


def refusal(error: LnpdError, as_json: bool = False) -> str:
    """The one line that tells a person, or a program, what was refused."""
    if not as_json:
        return f"lnp: {' '.join(str(error).split())}"
    name = error.name if isinstance(error, RefusedByNode) else type(error).__name__
    told = {"code": error.code if isinstance(error, RefusedByNode) else None, "name": name, "message": str(error)}
    return msgspec.json.encode({"error": told}).decode()


def find(words: Sequence[str], common: Common) -> tuple[Command, list[str]]:
    """The command of the words, a plugin's too if the node runs. Raises NoSuchMethod."""
    try:
        return arguments.find(words, TABLE)
    except NoSuchMethod:
        return arguments.find(words, known_commands(common))


def known_commands(common: Common) -> tuple[Command, ...]:
    """The table's commands, and those of the plugins if the node runs."""
    try:
        with Client(common.directory) as node:
            return (*TABLE, *plugin_commands(node))
    except NodeUnavailable:
        return TABLE


def plugin_commands(node: Client) -> list[Command]:
    """The commands that the node's plugins have now."""
    try:
        return [from_description(row) for row in node.call("help", {}, DEFAULT_TIMEOUT_SECONDS) if row.get("plugin")]
    except (LnpdError, msgspec.ValidationError, AttributeError, TypeError):
        return []  # the node's own commands are known without it


def execute(command: Command, params: dict[str, Any], common: Common) -> None:  # Any: JSON values
    """Asks the node and prints its answer."""
    with Client(common.directory) as node:
        if command.streaming:
            follow(node, params, common)
        if command.method == "log":
            from lnpd.cli.log import show_log

            show_log(node, params, common)
            return
        show(command, node.call(command.method, params, patience(params, common)), common)


def patience(params: dict[str, Any], common: Common) -> float:  # Any: JSON values
    """How long to wait for an answer: longer than the node was told to try."""
    if common.timeout_seconds is not None:
        return common.timeout_seconds
    return max(DEFAULT_TIMEOUT_SECONDS, int(params.get("timeout_seconds", 0)) + WAIT_BEYOND_SECONDS)


def follow(node: Client, params: dict[str, Any], common: Common) -> NoReturn:  # Any: JSON values
    """Prints events as they come, a line each, until it is interrupted."""
    for event in node.events(params.get("since"), patience_seconds=0):
        if common.json:
            print(msgspec.json.encode(event).decode(), flush=True)
        else:
            from lnpd.cli.render import text

            when, payload = text("_unix_seconds", event.unix_seconds), msgspec.json.encode(event.payload)
            print(f"{event.sequence}  {when}  {event.topic}  {text('', payload.decode())}", flush=True)
    raise AssertionError("events have no end")


def show(command: Command, answer: object, common: Common) -> None:
    """Prints an answer."""
    if common.json:
        print(msgspec.json.format(msgspec.json.encode(answer), indent=2).decode())
        return
    from lnpd.cli.render import look_of, render

    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    look = look_of(sys.stdout)
    print(render(command.method, answer, width, look))
    if common.qr and isinstance(answer, dict):
        from lnpd.cli.qr import qr_of

        print("\n".join(qr_of(command.method, answer, width, look)))


def explain(words: Sequence[str], common: Common, prog: str = "lnp") -> str:
    """What `help` says: of one command, or of all. `prog` is what a command is typed after. Raises NoSuchMethod."""
    commands = known_commands(common)
    if not words:
        return overview(commands)
    if len(words) == 1 and (group := group_of(words[0], common)):
        return group
    return arguments.parser(arguments.find(words, commands)[0], prog).format_help().rstrip()


def group_of(word: str, common: Common) -> str:
    """The commands of two words that begin with this one, which is none itself (`plugin`); empty if there are none."""
    rows = [command for command in TABLE if command.name.startswith(f"{word} ")]
    if not rows or any(command.name == word for command in known_commands(common)):
        return ""
    margin = max(len(row.name) for row in rows) + 1
    lines = [f"usage: lnp {word} COMMAND ...      (lnp {word} COMMAND --help says more)", ""]
    return "\n".join([*lines, *(f"  {row.name:<{margin}} {row.help}" for row in rows)])


def overview(commands: Sequence[Command]) -> str:
    """What `lnp --help` prints, from the tables."""
    lines = ["usage: lnp [options] COMMAND ...      (lnp alone opens a shell; lnp COMMAND --help says more)"]
    margin = max(len(command.name) for command in commands) + 1
    for group in dict.fromkeys(command.group for command in commands):
        rows = [command for command in commands if command.group == group]
        lines += ["", f"{group}:", *(f"  {row.name:<{margin}} {row.help}" for row in rows)]
    lines += ["", "Options:"]
    lines += [f"  {f'{flag} {metavar}'.strip():<18} {help}" for flag, metavar, help in arguments.COMMON]
    lines += ["  --version          print the version", "", "Exit codes:"]
    lines += [f"  {code:>3}  {meaning}" for code, meaning in LNP_EXITS.items()]
    return "\n".join(lines)
