"""What can be typed after `lnp` and `lnpd`? Commands, words and options, from the tables that the programs run on."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final, Literal

import msgspec

from lnpd.cli import check, daemon, init, regtest, restore
from lnpd.cli.arguments import COMMON
from lnpd.cli.ask import TABLE
from lnpd.cli.options import CONFIG, CONFIG_HELP, WITHOUT_FILE
from lnpd.cli.qr import FLAG as QR
from lnpd.cli.qr import HELP as QR_HELP
from lnpd.cli.qr import QR_OF
from lnpd.cli.told import AS_JSON
from lnpd.config import NETWORKS
from lnpd.config.model import LOG_LEVELS
from lnpd.config.table import OPTIONS, Option
from lnpd.hooks.kinds import KINDS as HOOKS
from lnpd.rpc.commands import Command, Parameter
from lnpd.rpc.kinds import KINDS, LISTS

FOLDERS: Final = ("--directory", "--bitcoind-directory")
NODE_FLAGS: Final = tuple(flag for flag, metavar, _ in COMMON if metavar and flag != "--timeout")
"""The options that say which node is asked."""
IDS: Final = ("peer", "channel", "invoice", "names", "plugin")
LIVE: Final = {kind: kind for kind in IDS} | {"peer_address": "peer"}
"""Kinds of parameter whose values the node knows, and as what it is asked for them."""


class Slot(msgspec.Struct, frozen=True):
    """A value that is typed: its name in capitals, and what may stand there. `ids` is what the node is asked for; a
    value that is `many` may be followed by more of its kind."""

    name: str
    help: str = ""
    choices: tuple[str, ...] = ()
    ids: str = ""
    files: Literal["", "files", "folders"] = ""
    many: bool = False
    required: bool = True


class Flag(msgspec.Struct, frozen=True):
    """An option; one without a value is a switch."""

    flag: str
    help: str
    value: Slot | None = None


class Line(msgspec.Struct, frozen=True):
    """What may follow a command; the empty name is the program itself."""

    name: str
    help: str
    slots: tuple[Slot, ...] = ()
    flags: tuple[Flag, ...] = ()
    examples: tuple[str, ...] = ()


class Program(msgspec.Struct, frozen=True):
    """A program, its commands, and the options that stand beside any of them. `leading`: these may also come first."""

    name: str
    lines: tuple[Line, ...]
    common: tuple[Flag, ...]
    leading: bool

    @property
    def valued(self) -> tuple[str, ...]:
        """Options after which a value comes, whatever the command."""
        flags = (*self.common, *(flag for line in self.lines for flag in line.flags))
        return tuple(dict.fromkeys(each.flag for each in flags if each.value is not None))

    def after(self, name: str) -> tuple[tuple[str, str], ...]:
        """The words that make a longer command of a name ("" has all first words), each with its help."""
        head, depth = name.split(), len(name.split())
        lines = [(line.name.split(), line.help) for line in self.lines]
        found: dict[str, str] = {}
        for words, help in lines:
            if words[:depth] == head and len(words) > depth:
                longer = [each[-1] for each, _ in lines if each[:-1] == words[: depth + 1]]
                found.setdefault(words[depth], help if len(words) == depth + 1 else ", ".join(longer))
        return tuple(found.items())

    def heads(self) -> tuple[str, ...]:
        """What a longer command begins with, and is perhaps itself one."""
        return tuple(dict.fromkeys(" ".join(line.name.split()[:-1]) for line in self.lines if line.name))


HELP: Final = Flag("--help", "say what can be typed here")
VERSION: Final = Flag("--version", "print the version")


def lnp() -> Program:
    """The program `lnp`."""
    lines = tuple(map(_line, TABLE))
    common = tuple(Flag(flag, help, _common_slot(flag, metavar)) for flag, metavar, help in COMMON)
    return Program("lnp", (Line("", "", flags=(VERSION,)), *lines), (*common, HELP), True)


def lnpd() -> Program:
    """The program `lnpd`, with those that are called by a word after it."""
    own = {"": daemon, "init": init, "restore": restore, "check": check, "regtest": regtest}
    lines = [
        Line(name, module.DESCRIPTION, tuple(_file_of(module)), tuple(_flags(f"lnpd {name}".strip(), module)))
        for name, module in own.items()
    ]
    return Program("lnpd", tuple(lines), (HELP,), False)


# --- from the rows of the tables


def _line(command: Command) -> Line:
    slots = [_slot(command, each) for each in command.parameters if each.required or each.bare]
    if command.name == "help":
        slots = [Slot("COMMAND", "a command", _pages(), many=True, required=False)]
    flags = tuple(Flag(p.flag, p.help, None if p.kind == "boolean" else _slot(command, p))
                  for p in command.parameters if not p.required)  # fmt: skip
    if command.method in QR_OF:
        flags += (Flag(QR, QR_HELP),)
    return Line(command.name, command.help, tuple(slots), flags, command.examples)


def _slot(command: Command, parameter: Parameter) -> Slot:
    kind = KINDS[parameter.kind]
    known = _WORDS.get((command.name, parameter.name))
    return Slot(
        parameter.name.upper() if parameter.required or parameter.bare else parameter.kind.upper(),
        parameter.help,
        known() if known else kind.choices,
        "" if known else LIVE.get(parameter.kind, ""),
        "files" if parameter.kind in ("path", "plugin") else "",
        parameter.kind in LISTS,
        parameter.required,
    )


def _keys(dynamic: bool) -> tuple[str, ...]:
    return tuple(row.key for row in OPTIONS if row.said and (row.dynamic or not dynamic))


def _pages() -> tuple[str, ...]:
    return tuple(dict.fromkeys(word for command in TABLE for word in command.name.split()))


_WORDS: Final[Mapping[tuple[str, str], Callable[[], tuple[str, ...]]]] = {
    ("config", "key"): lambda: _keys(dynamic=False),
    ("config set", "key"): lambda: _keys(dynamic=True),
    ("config unset", "key"): lambda: _keys(dynamic=True),
    ("log", "level"): lambda: LOG_LEVELS,
    ("plugin explain", "hook"): lambda: tuple(HOOKS),
    ("man", "page"): lambda: ("lnpd", *(f"lnpd-{name}" for name in daemon.PROGRAMS), *_pages()),
}
"""Parameters whose values the tables know, though their kind does not."""


def _common_slot(flag: str, metavar: str) -> Slot | None:
    if not metavar:
        return None
    choices = NETWORKS if flag == "--network" else ("none",) if flag == "--config" else ()
    return Slot(metavar, choices=choices, files=_files(flag, metavar))


def _files(flag: str, metavar: str) -> Literal["", "files", "folders"]:
    return "folders" if flag in FOLDERS else "files" if "PATH" in metavar else ""


def _file_of(module: object) -> Iterator[Slot]:
    if help := getattr(module, "FILE_HELP", ""):
        yield Slot("FILE", help, files="files", required=False)


def _flags(program: str, module: object) -> Iterator[Flag]:
    if program not in WITHOUT_FILE:
        yield Flag(CONFIG, CONFIG_HELP, _common_slot(CONFIG, "PATH"))
    for row in OPTIONS:
        if program in row.programs:
            yield Flag(row.flag, row.help, _option_slot(row) if row.metavar else None)
    own: Iterable[tuple[str, str, str]] = getattr(module, "OWN_OPTIONS", ())
    for flag, metavar, help in (AS_JSON, *own):
        yield Flag(flag, help, Slot(metavar) if metavar else None)


def _option_slot(row: Option) -> Slot:
    words = tuple(word for word in row.metavar.split("|") if word.islower())
    files = "files" if row.flag == "--plugin-network" else _files(row.flag, row.metavar)
    return Slot(row.metavar, "", row.choices or words, "", files)
