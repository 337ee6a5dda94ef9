"""How is one command line asked of the node, and its answer or refusal printed? (`lnp`, and each line of its shell)"""

import shutil
import sys
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from lnpd.cli import arguments, progress, remote
from lnpd.cli.arguments import DEFAULT_TIMEOUT_SECONDS, Common
from lnpd.cli.exits import LNP_EXITS
from lnpd.cli.keyboard import KEYBOARD, WAIT, WATCH
from lnpd.cli.safe import clean, json_text
from lnpd.cli.tools import AROUND, HERE
from lnpd.errors import LnpdError, NodeUnavailable, NoSuchMethod, ParameterRefused, RefusedByNode
from lnpd.rpc.client import Client
from lnpd.rpc.commands import COMMANDS, Command
from lnpd.rpc.described import EXTENDABLE, extended, in_place_of, understood

READING: Final = ("rescan",)
TABLE: Final = (*COMMANDS, *KEYBOARD, *HERE)


def do(words: Sequence[str], common: Common) -> None:
    """Asks the node for what the words say and prints its answer. Raises LnpdError, and SystemExit after --help."""
    command, rest = find(words, common)
    if command in HERE and command.name not in AROUND:
        raise ParameterRefused(f"It needs no node: `lnp {command.name}` is for the command line, outside of the shell.")
    do_found(command, rest, common)


def do_found(command: Command, words: Sequence[str], common: Common) -> None:
    """Asks the node for a command that was found, with the words after it."""
    if command.method in EXTENDABLE and arguments.strange(command, words):
        command = next(each for each in known_commands(common) if each.name == command.name)
    if command is WATCH and not set(words[:1]) & {"-h", "--help"}:
        _watch(words, common)
        return
    params, parsed = arguments.params(command, words)
    common = arguments.common(parsed, common)
    with remote.told(common.remote_origin):
        if command is WAIT:
            _wait(params, common)
        elif command.name in AROUND:
            from lnpd.cli.doctor.here import done  # with the configuration and the checks, which others need not

            done(command.name, params, vars(parsed), common, common.json)
        else:
            execute(command, params, common)


def _watch(words: Sequence[str], common: Common) -> None:
    command, rest = find(words, common) if words else (WATCH, [])
    if command.mutating or command.streaming or command in (*HERE, *KEYBOARD):
        raise ParameterRefused(f"What watch repeats changes nothing and has one answer; {command.name} is not that.")
    params, parsed = arguments.params(command, rest)
    common = arguments.common(parsed, common)
    from lnpd.cli.watch import watch  # rarely needed

    def shown(columns: int | None) -> str:
        with Client(common.place) as node:
            return rendered(command, node.call(command.method, params, common.timeout_seconds), common, columns)

    watch(f"{common.directory.name}: {' '.join(words)}", shown, common)


def _wait(params: dict[str, Any], common: Common) -> None:  # Any: JSON values
    from lnpd.cli.wait import wait  # rarely needed

    channel = params.get("channel")
    if channel is not None:
        with Client(common.place) as node:
            ids = [row["channel_id"] for row in node.call("channels", {}, DEFAULT_TIMEOUT_SECONDS)]
        fitting = [each for each in ids if each.startswith(channel)]
        if len(fitting) != 1:
            raise ParameterRefused(f"{len(fitting) or 'No'} channels begin with {channel}: `lnp channels` lists them.")
        channel = fitting[0]
    wait(channel, common)


def refusal(error: LnpdError, as_json: bool = False) -> str:
    """The one line that tells a person, or a program, what was refused."""
    if not as_json:
        return f"lnp: {clean(' '.join(str(error).split()))}"
    name = error.name if isinstance(error, RefusedByNode) else type(error).__name__
    told = {"code": error.code if isinstance(error, RefusedByNode) else None, "name": name, "message": str(error)}
    return json_text({"error": told})


def find(words: Sequence[str], common: Common) -> tuple[Command, list[str]]:
    """The command of the words, a plugin's too if the node runs. Raises NoSuchMethod."""
    try:
        return arguments.find(words, TABLE)
    except NoSuchMethod:
        return arguments.find(words, known_commands(common))


def known_commands(common: Common) -> tuple[Command, ...]:
    """The table's commands, with what plugins add to them, and those of the plugins if the node runs."""
    try:
        with Client(common.place) as node:
            return _with_plugins(node)
    except NodeUnavailable:
        return TABLE


def _with_plugins(node: Client) -> tuple[Command, ...]:
    try:
        commands, more = understood(node.call("help", {}, DEFAULT_TIMEOUT_SECONDS))
    except (LnpdError, msgspec.ValidationError, AttributeError, LookupError, TypeError):
        return TABLE  # the node's own commands are known without it
    return (*(extended(command, more) for command in TABLE), *commands)


def execute(command: Command, params: dict[str, Any], common: Common) -> None:  # Any: JSON values
    """Asks the node and prints its answer."""
    with Client(common.place) as node:
        if command.streaming:
            from lnpd.cli.events import follow

            follow(node, params.get("since"), common)
        if command.method == "log":
            from lnpd.cli.log import show_log

            show_log(node, params, common)
            return
        if command.method == "stop" and common.in_shell and not common.json:
            from lnpd.cli.stop import stop

            stop(node, params, common)
            return
        if (done := in_place_of(command, params)).moves is not None:
            params = _confirmed(node, done, params, common)
        how_far = (lambda: _how_far(common)) if command.method in READING else None
        with progress.shown(command.method, common, how_far):
            answer = node.call(command.method, params, common.timeout_seconds)
        show(command, answer, common)


def _confirmed(
    node: Client, command: Command, params: dict[str, Any], common: Common
) -> dict[str, Any]:  # Any: JSON values
    from lnpd.cli import confirm  # most commands move nothing

    if not confirm.is_asked(command, common):
        return params
    shows = sys.stdout.isatty() and (common.in_shell or not common.json)
    return confirm.confirm(node, command, params, sys.stdout if shows else sys.stderr)


def _how_far(common: Common) -> str:
    """How far the node has read the chain, asked beside the command that makes it read."""
    with Client(common.place) as node:
        info = node.info()
    return f"block {info.synced_height:,} of {info.height:,}"


def show(command: Command, answer: object, common: Common) -> None:
    """Prints an answer."""
    print(rendered(command, answer, common, shutil.get_terminal_size().columns if sys.stdout.isatty() else None))


def rendered(command: Command, answer: object, common: Common, columns: int | None) -> str:
    """An answer for a terminal of so many columns, as a person or a program wants it."""
    if common.json:
        return json_text(answer, 2)
    from lnpd.cli.render import look_of, render

    look = look_of(sys.stdout, common.plain)
    lines = render(command.method, answer, columns, look)
    if common.qr and isinstance(answer, dict):
        from lnpd.cli.qr import qr_of

        lines = "\n".join([lines, *qr_of(command.method, answer, columns, look)])
    return lines


def explain(words: Sequence[str], common: Common, prog: str = "lnp", more: Sequence[Command] = ()) -> str:
    """What `help` says: of one command, or of all. `prog` is what a command is typed after, `more` are the commands of
    a shell. Raises NoSuchMethod."""
    commands = (*known_commands(common), *more)
    if not words:
        return (
            overview(commands)
            if prog
            else listing(list({each.name: each for each in commands if each not in HERE}.values()))
        )
    if len(words) == 1 and (group := group_of(words[0], common)):
        return group
    return arguments.parser(arguments.find(words, commands)[0], prog, bool(prog)).format_help().rstrip()


def group_of(word: str, common: Common) -> str:
    """The commands of two words that begin with this one, which is none itself (`plugin`); empty if there are none."""
    known = known_commands(common)
    rows = [command for command in known if command.name.startswith(f"{word} ")]
    if not rows or any(command.name == word for command in known):
        return ""
    margin = max(len(row.name) for row in rows) + 1
    lines = [f"usage: lnp {word} COMMAND ...      (lnp {word} COMMAND --help says more)", ""]
    return "\n".join([*lines, *(f"  {row.name:<{margin}} {row.help}" for row in rows)])


def listing(commands: Sequence[Command]) -> str:
    """The commands by group, a line each that fits the terminal."""
    from lnpd.cli.render import shorten  # rarely needed

    columns = shutil.get_terminal_size().columns if sys.stdout.isatty() else 1 << 30
    margin = max(len(command.name) for command in commands) + 1
    lines = []
    for group in dict.fromkeys(command.group for command in commands):
        rows = [command for command in commands if command.group == group]
        lines += ["", f"{group}:", *(shorten(f"  {row.name:<{margin}} {row.help}", columns) for row in rows)]
    return "\n".join([*lines, "", "help COMMAND says more, with examples; help keys lists the keys."])


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
