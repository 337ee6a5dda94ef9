"""Which command, with which parameters, do the words of a command line mean?

    lnp [options] COMMAND PARAMETERS [--optional VALUE] [options]

Only the command that was asked for gets a parser, so that `lnp` starts at once.
"""

import argparse
import difflib
import os
from collections.abc import Iterable, Sequence
from itertools import takewhile
from pathlib import Path
from typing import Any, Final, NoReturn

import msgspec

from lnpd.cli import remote
from lnpd.cli.qr import FLAG, HELP, QR_OF
from lnpd.config import NETWORKS, default_directory, read_path
from lnpd.config.places import file_of
from lnpd.errors import NoSuchMethod, ParameterRefused
from lnpd.rpc.commands import Command, Parameter
from lnpd.rpc.kinds import LISTS, read_word
from lnpd.rpc.place import Remote

DEFAULT_TIMEOUT_SECONDS: Final = 120.0


class Common(msgspec.Struct, frozen=True):
    """What every command line of `lnp` may say: (flag, metavar, help) are the rows of COMMON."""

    directory: Path
    json: bool = False
    timeout_seconds: float | None = None
    qr: bool = False  # of this command, if it is one of QR_OF
    yes: bool = False
    plain: bool = False
    in_shell: bool = False
    remote: Remote | None = None
    remote_origin: str = ""  # who named it, if nobody typed it

    @property
    def place(self) -> Path | Remote:
        """Where the node is that is asked."""
        return self.remote or self.directory


COMMON: Final[tuple[tuple[str, str, str], ...]] = (
    ("--directory", "PATH", "the node's data directory (default: what lnpd would take)"),
    ("--network", "NAME", f"{', '.join(NETWORKS)} (default: regtest)"),
    ("--config", "PATH", "the node's configuration file, which may name another network or directory; or none"),
    ("--remote", "tcp://HOST:PORT", "ask a node on another machine, where it has this --rpc-listen (or LNPD_REMOTE)"),
    ("--server-key", "HEX", "its public key: `lnp key DIRECTORY/rpc-key` shows it there (or LNPD_SERVER_KEY)"),
    ("--key-file", "PATH", "the file with the secret key that it knows: `lnp key PATH` makes one (or LNPD_KEY_FILE)"),
    ("--timeout", "SECONDS", "wait at most so long for the answer (default: 120)"),
    ("--json", "", "print the answer as JSON, as the RPC gives it"),
    ("--yes", "", "do not ask before money moves (a script, whose input is no terminal, is never asked)"),
    ("--plain", "", "no colours and no moving cursor: for screen readers"),
)


class Parser(argparse.ArgumentParser):
    """An argparse parser whose refusals are errors of ours."""

    def error(self, message: str) -> NoReturn:
        """Raises ParameterRefused in place of an exit; it names the options that are like one that there is not."""
        wrong = message.removeprefix("unrecognized arguments: ").split(" ")[0].partition("=")[0]
        options = list(self._option_string_actions)
        near = [flag for flag in options if flag.startswith(wrong)] or difflib.get_close_matches(wrong, options, 2, 0.6)
        hint = f"Did you mean {' or '.join(near)}?" if near and wrong.startswith("--") else f"See {self.prog} --help."
        raise ParameterRefused(f"{message[:1].upper()}{message[1:]}. {hint}")


def split(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """The common options before the command, and the words from the command on."""
    with_value = {flag for flag, metavar, _ in COMMON if metavar}
    at = 0
    while at < len(words) and words[at].startswith("-") and words[at] != "--":
        at += 2 if words[at] in with_value else 1
    return list(words[:at]), list(words[at:])


def find(words: Sequence[str], commands: Iterable[Command]) -> tuple[Command, list[str]]:
    """The command that words begin with, and the words after it. Raises NoSuchMethod, which names the nearest."""
    rows = {tuple(command.name.split()): command for command in commands}
    for length in (2, 1):
        found = rows.get(tuple(words[:length]))
        if found is not None:
            return found, list(words[length:])
    names = [command.name for command in rows.values()]
    words = list(takewhile(lambda word: not word.startswith("-"), words))
    asked = " ".join(words[:2])
    first = words[0] if words else ""
    near = [name for name in names if name.startswith(f"{first} ")]
    if len(words) < 2 and len(near) > 2:
        raise NoSuchMethod(f"There is no command {first!r} alone: lnp {first} --help lists those that begin so.")
    wrong = asked if near else first
    alone = [word for word in words[1:2] if near and word in names]  # `lnp rgb open`: it adds options to `lnp open`
    near = [*alone, *(difflib.get_close_matches(asked, near, 2, 0.6) or near)][:3]
    near = near or difflib.get_close_matches(asked, names, 2, 0.6) or difflib.get_close_matches(first, names, 2, 0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else "see lnp --help."
    raise NoSuchMethod(f"There is no command {wrong!r}: {hint}")


def parser(command: Command, prog: str = "lnp", shows_common: bool = True) -> Parser:
    """The parser of one command. Without shows_common its help leaves out the options of every command."""
    parts = [("examples", command.examples), ("refused as", _lines([kind.__name__ for kind in command.refused]))]
    epilog = "\n\n".join("\n  ".join([f"{head}:", *rows]) for head, rows in parts if rows)
    made = Parser(
        f"{prog} {command.name}".strip(), description=command.help, epilog=epilog, allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        conflict_handler="resolve",  # a plugin may have a parameter of any name
    )  # fmt: skip
    for parameter in command.parameters:
        _add(made, parameter)
    if command.method in QR_OF:
        made.add_argument(FLAG, action="store_true", help=HELP, dest=FLAG)
    add_common(made, shows_common)
    return made


def strange(command: Command, words: Sequence[str]) -> bool:
    """Whether the words ask for a command's help, or give an option that it has not: a plugin may have added it."""
    known = {parameter.flag for parameter in command.parameters} | {flag for flag, _, _ in COMMON} | {FLAG}
    options = {word.partition("=")[0] for word in takewhile(lambda word: word != "--", words) if word[:2] == "--"}
    return "-h" in words or bool(options - known)


def _lines(names: Sequence[str]) -> list[str]:
    """Names, as many in a line as a terminal has room for."""
    lines: list[str] = []
    for name in names:
        if lines and len(lines[-1]) + len(name) < 70:
            lines[-1] += f", {name}"
        else:
            lines.append(name)
    return lines


def add_common(made: argparse.ArgumentParser, shown: bool = True) -> None:
    """Adds the common options to a parser; its help lists them if they are shown."""
    group = made.add_argument_group("options of every command")
    for flag, metavar, help in COMMON:
        help = help if shown else argparse.SUPPRESS
        if metavar:
            group.add_argument(flag, metavar=metavar, help=help, dest=flag)
        else:
            group.add_argument(flag, action="store_true", help=help, dest=flag)


def _add(made: Parser, parameter: Parameter) -> None:
    name, metavar = parameter.name, parameter.kind.upper()
    more: dict[str, Any] = {"help": parameter.help.replace("%", "%%")}  # Any: argparse's keywords
    if parameter.required:
        made.add_argument(name, metavar=name.upper(), nargs="+" if parameter.kind in LISTS else None, **more)
    elif parameter.kind == "boolean":
        made.add_argument(parameter.flag, dest=name, action="store_true", **more)
    else:
        action = "append" if parameter.kind in LISTS else "store"
        made.add_argument(parameter.flag, dest=name, metavar=metavar, action=action, **more)
        if parameter.bare:
            nargs = "*" if parameter.kind in LISTS else "?"
            made.add_argument(name, metavar=name.upper(), nargs=nargs, default=argparse.SUPPRESS, **more)


def params(command: Command, words: Sequence[str]) -> tuple[dict[str, Any], argparse.Namespace]:
    """The parameters that words mean, as JSON values, and the parsed line. Raises ParameterRefused."""
    parsed = parser(command).parse_args(list(words))
    values: dict[str, Any] = {}  # Any: JSON values
    for parameter in command.parameters:
        given = getattr(parsed, parameter.name)
        if given is None or given is False:
            continue
        values[parameter.name] = read_word(parameter.name, parameter.kind, given) if isinstance(given, str) else given
    return values, parsed


def common(parsed: argparse.Namespace, base: Common | None = None) -> Common:
    """The common options of a parsed line, which go before those of `base`. Raises ParameterRefused, ConfigRefused."""
    given = {flag: getattr(parsed, flag) for flag, _, _ in COMMON}
    if given["--network"] not in (None, *NETWORKS):
        raise ParameterRefused(f"--network is one of {', '.join(NETWORKS)}, not {given['--network']!r}.")
    named = any(given[flag] for flag in ("--directory", "--network", "--config"))
    directory = base.directory if base and not named else _directory(given)
    asked = any(given[flag] for flag in remote.VARIABLES) or (base is None and not named)
    elsewhere = remote.named(given, os.environ) if asked else None
    base = base or Common(directory)
    seconds = _timeout(given["--timeout"])
    return msgspec.structs.replace(
        base,
        directory=directory,
        json=base.json or given["--json"],
        timeout_seconds=base.timeout_seconds if seconds is None else seconds,
        qr=getattr(parsed, FLAG, False),
        remote=elsewhere.remote if elsewhere else None if named else base.remote,
        remote_origin=elsewhere.origin if elsewhere else "" if named else base.remote_origin,
        yes=base.yes or given["--yes"],
        plain=base.plain or given["--plain"],
    )


def _directory(given: dict[str, Any]) -> Path:  # Any: what argparse found
    """The directory of the node: what was typed, else what `lnpd` would take."""
    word = given["--directory"]
    if word:
        try:
            return read_path(word)
        except ValueError as error:
            raise ParameterRefused(f"--directory takes {error}, not {word[:60]!r}.") from None
    network, asked = given["--network"], given["--config"]
    if file_of(asked, os.environ) is None and not {"LNPD_NETWORK", "LNPD_DIRECTORY"} & os.environ.keys():
        return default_directory(network or NETWORKS[0])
    from lnpd.config.elsewhere import directory_of  # with the table of options, which a command need not load

    return directory_of(network, asked)


def _timeout(word: str | None) -> float | None:
    if word is None:
        return None
    try:
        seconds = float(word)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < 1e6:
        raise ParameterRefused(f"--timeout takes a number of seconds, not {word[:40]!r}.")
    return seconds
