"""Which pages has the manual, and what does each say? One for each program and each command, from their tables."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from importlib.metadata import version
from typing import Any, Final, get_args, get_origin

import msgspec
from lnpd_sdk.nearest import nearest
from msgspec.structs import fields

from lnpd.cli.ask import TABLE
from lnpd.cli.daemon import DESCRIPTION, PROGRAMS
from lnpd.cli.exits import LNP_EXITS, LNPD_EXITS
from lnpd.cli.options import WITHOUT_FILE
from lnpd.cli.printed import programs, roff
from lnpd.cli.printed.programs import Flag, Line, Program, Slot
from lnpd.cli.printed.roff import Section
from lnpd.config.places import WHERE_DATA, WHERE_FILE
from lnpd.errors import ParameterRefused
from lnpd.rpc.codes import code_of
from lnpd.rpc.commands import Command
from lnpd.rpc.kinds import KINDS
from lnpd.rpc.typenames import type_name

LNP: Final = "ask a running lnpd, or open a shell"
ABOUT_LNP: Final = (
    "`lnp` asks the node of a data directory for one thing and prints the answer; without a command it opens a shell, "
    "or does the lines of its standard input where that is no terminal.",
    "Amounts may be typed with a unit (`21sat`, `0.001btc`, `5000msat`); ids may be shortened to their first digits, "
    "at least 6 of them, as long as they are the only ones that begin so.",
    "An answer is printed on standard output, as JSON with `--json`. A refusal is one line on standard error; with "
    '`--json` it is one JSON object there, {"error": {"code": ..., "name": ..., "message": ...}}, and standard output '
    "stays empty. `code` is that of the RPC, null where the node was not asked.",
)
VARIABLES: Final = (
    "Each option but those of `--developer` is a variable as well: `LNPD_`, and its name in capitals with _ for -. "
    "What is typed goes before it, and it goes before the configuration file."
)


@cache
def pages() -> Mapping[str, str]:
    """All pages, by name."""
    lnp, lnpd = programs.lnp(), programs.lnpd()
    rows = {command.name: command for command in TABLE}
    made = {"lnp": _of_lnp(lnp)}
    made |= {f"lnp {line.name}": _of_command(lnp, line, rows[line.name]) for line in lnp.lines if line.name}
    made |= {f"lnpd {line.name}".strip(): _of_lnpd(lnpd, line) for line in lnpd.lines}
    return {_hyphened(name): roff.page(_hyphened(name), version("lnpd"), found) for name, found in made.items()}


def page_of(words: Sequence[str]) -> tuple[str, str]:
    """The page that words name, a command's without `lnp`, and its name. Raises ParameterRefused."""
    asked = _hyphened(" ".join(words))
    for name in (asked or "lnp", f"lnp-{asked}"):
        if name in pages():
            return name, pages()[name]
    shorter = [name.removeprefix("lnp-") for name in pages()]
    raise ParameterRefused(f"There is no page {asked[:60]!r} in the manual{nearest(asked, shorter)}")


def _hyphened(name: str) -> str:
    return name.replace(" ", "-")


# --- the pages


def _of_lnp(program: Program) -> Iterator[Section]:
    yield Section("NAME", (rf"lnp \- {roff.escaped(LNP)}",))
    yield Section("SYNOPSIS", (rf"{roff.bold('lnp')} [options] [\fICOMMAND\fP ...]",))
    yield Section("DESCRIPTION", tuple(line for text in ABOUT_LNP for line in roff.paragraph(text)))
    groups = dict.fromkeys(command.group for command in TABLE)
    yield Section("COMMANDS", tuple(line for group in groups for line in (
        f".SS {roff.escaped(group)}",
        *(part for each in TABLE if each.group == group for part in roff.term(each.name, "", each.help)),
    )))  # fmt: skip
    yield Section("OPTIONS", _flags((*program.common, programs.VERSION)))
    yield Section("EXIT STATUS", _codes(LNP_EXITS))
    yield Section("FILES", (*roff.term("data directory", "", WHERE_DATA), *roff.term("configuration", "", WHERE_FILE)))
    yield _see(["lnpd", *(f"lnp {each.name}" for each in TABLE)])


def _of_command(program: Program, line: Line, command: Command) -> Iterator[Section]:
    yield Section("NAME", (rf"{roff.escaped(_hyphened(f'lnp {line.name}'))} \- {_first(line.help)}",))
    yield Section("SYNOPSIS", (f"{roff.bold(f'lnp {line.name}')} {' '.join(_synopsis(line))}".rstrip(),))
    yield Section("DESCRIPTION", roff.paragraph(line.help))
    given = [*line.slots, *(flag.value for flag in line.flags if flag.value is not None)]
    yield Section("WORDS", tuple(part for slot in line.slots for part in roff.term(slot.name, "", slot.help)))
    yield Section("OPTIONS", _flags(line.flags))
    kinds = dict.fromkeys(each.kind for each in command.parameters if each.kind not in ("text", "boolean"))
    assert given or not kinds
    yield Section("VALUES", tuple(part for kind in kinds for part in roff.term(kind, "", KINDS[kind].what)))
    yield Section("ANSWER", tuple(_answer(command)))
    refusals = ((kind.__name__, f"{_doc(kind)} (code {code_of(kind())})") for kind in command.refused)
    yield Section("REFUSALS", tuple(part for name, help in refusals for part in roff.term(name, "", help)))
    yield Section("EXIT STATUS", _codes(LNP_EXITS))
    yield Section("EXAMPLES", roff.example(line.examples))
    yield Section("COMMON OPTIONS", _flags(program.common))
    kin = [f"lnp {each.name}" for each in TABLE if each.group == command.group and each is not command]
    yield _see(["lnp", *kin])


def _of_lnpd(program: Program, line: Line) -> Iterator[Section]:
    name = f"lnpd {line.name}".strip()
    what = line.help if line.name else DESCRIPTION
    yield Section("NAME", (rf"{roff.escaped(_hyphened(name))} \- {_first(what)}",))
    yield Section("SYNOPSIS", (f"{roff.bold(name)} [options] {' '.join(map(_word, line.slots))}".rstrip(),))
    yield Section("DESCRIPTION", roff.paragraph(what))
    yield Section("WORDS", tuple(part for slot in line.slots for part in roff.term(slot.name, "", slot.help)))
    yield Section("OPTIONS", _flags((*line.flags, *program.common)))
    yield Section("ENVIRONMENT", () if f"lnpd {line.name}" in WITHOUT_FILE else roff.paragraph(VARIABLES))
    yield Section("EXIT STATUS", _codes({code: meaning for code, (meaning, _) in LNPD_EXITS.items()}))
    yield Section("FILES", (*roff.term("data directory", "", WHERE_DATA), *roff.term("configuration", "", WHERE_FILE)))
    yield _see(["lnp", *(f"lnpd {each}" for each in PROGRAMS if each != line.name), *(["lnpd"] if line.name else [])])


# --- their parts


def _first(help: str) -> str:
    """What a page says of itself in lists: the first sentence."""
    return roff.escaped(help.split(". ")[0].split("; ")[0].rstrip("."))


def _doc(kind: type) -> str:
    return (kind.__doc__ or "").split("\n")[0]


def _word(slot: Slot) -> str:
    shown = rf"\fI{roff.escaped(slot.name)}\fP" + (" ..." if slot.many else "")
    return shown if slot.required else f"[{shown}]"


def _synopsis(line: Line) -> Iterator[str]:
    yield from map(_word, line.slots)
    for flag in line.flags:
        value = rf" \fI{roff.escaped(flag.value.name)}\fP" if flag.value else ""
        yield f"[{roff.bold(flag.flag)}{value}]"


def _flags(flags: Iterable[Flag]) -> tuple[str, ...]:
    rows = ((each.flag, each.value.name if each.value else "", each.help) for each in flags)
    return tuple(part for flag, value, help in rows for part in roff.term(flag, value, help))


def _codes(rows: Mapping[int, str]) -> tuple[str, ...]:
    return tuple(part for code, meaning in rows.items() for part in roff.term(str(code), "", meaning))


def _see(names: Iterable[str]) -> Section:
    return Section("SEE ALSO", (", ".join(f"{roff.bold(_hyphened(name))}(1)" for name in names),))


def _answer(command: Command) -> Iterator[str]:
    kind: Any = command.result  # a type
    many = get_origin(kind) is tuple
    kind = get_args(kind)[0] if many else kind
    if not (isinstance(kind, type) and issubclass(kind, msgspec.Struct)):
        return
    yield from roff.paragraph(f"{'A list, each: ' if many else ''}{' '.join((kind.__doc__ or '').split())}")
    for field in fields(kind):
        yield from roff.term(field.name, "", type_name(field.type))
