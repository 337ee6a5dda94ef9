"""What could come next in a line of the shell? Commands, options, ids that the node knows, paths; each described."""

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Final

import msgspec

from lnpd.cli.arguments import COMMON
from lnpd.cli.qr import FLAG, HELP, QR_OF
from lnpd.cli.shell.words import Word, words_of
from lnpd.rpc.commands import Command, Parameter
from lnpd.rpc.kinds import LISTS

LEAST_DIGITS: Final = 8
"""An id is completed to so many digits at least, and to more until it is the only one."""
MOST_PATHS: Final = 200


class Suggestion(msgspec.Struct, frozen=True):
    """A text that may replace the last `length` characters of the line, how it is shown, and what it means."""

    text: str
    length: int
    help: str
    shown: str = ""


class Known(msgspec.Struct, frozen=True):
    """A value that the node knows, and what it is. An id may be shortened."""

    value: str
    help: str
    is_id: bool = False


Knows = Callable[[str], Sequence[Known]]
"""The values that the node knows of a kind of parameter."""


def suggestions(line: str, commands: Sequence[Command], known: Knows) -> list[Suggestion]:
    """What may come next. `commands` are the node's, the program's and the shell's."""
    found, comment = words_of(line)
    if comment < len(line):
        return []
    last = found.pop() if found and found[-1].end == len(line) else Word("", len(line), len(line))
    words, length = [word.text for word in found], len(line) - last.start
    if words[:1] == ["lnp"]:
        words, found = words[1:], found[1:]
    if words[:1] in (["help"], ["watch"]):
        words, found = words[1:], found[1:]
    command = command_of(words, commands)
    if command is None:
        begun = " ".join([*words, last.text])
        start = found[0].start if found else last.start
        names = [(c.name, c.help) for c in commands if c.name.startswith(begun)]
        return [Suggestion(name, len(line) - start, help) for name, help in names]
    given = words[len(command.name.split()) :]
    fitting = _of_command(command, given, last.text, known)
    short = shortened([each.value for each in fitting if each.is_id])
    return [_suggested(each, short, last.text, length) for each in fitting if each.value.startswith(last.text)]


def command_of(words: Sequence[str], commands: Sequence[Command]) -> Command | None:
    """The command that words begin with; names of two words go first."""
    for length in (2, 1):
        name = " ".join(words[:length])
        if len(words) >= length and (found := next((c for c in commands if c.name == name), None)):
            return found
    return None


def _suggested(known: Known, short: Mapping[str, str], typed: str, length: int) -> Suggestion:
    if not known.is_id:
        text = known.value if " " not in known.value else f'"{known.value}"'
        return Suggestion(text, length, known.help)
    text = short[known.value]
    return Suggestion(text if text.startswith(typed) else known.value, length, known.help, text)


def shortened(ids: Collection[str]) -> dict[str, str]:
    """The fewest digits of each id that are no other's, LEAST_DIGITS or more."""
    ordered = sorted(set(ids))
    shared = [0, *(_alike(*pair) for pair in pairwise(ordered)), 0]
    return {
        value: value[: max(LEAST_DIGITS, shared[number] + 1, shared[number + 1] + 1)]
        for number, value in enumerate(ordered)
    }


def _alike(one: str, other: str) -> int:
    """How many digits two ids begin with alike."""
    return next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def _of_command(command: Command, given: Sequence[str], typed: str, known: Knows) -> list[Known]:
    options = {p.flag: p for p in command.parameters if not p.required}
    wanted = options.get(given[-1]) if given else None
    if wanted is not None and wanted.kind != "boolean":
        return _values(wanted, typed, known)
    fresh = [Known(flag, p.help) for flag, p in options.items() if flag not in given or p.kind in LISTS]
    fresh += [Known(FLAG, HELP)] if command.method in QR_OF and FLAG not in given else []
    if typed.startswith("-"):
        return fresh + [Known(flag, help) for flag, _, help in COMMON if flag not in given]
    place = len(positionals(given, options))
    words = [p for p in command.parameters if p.required or p.bare]
    if place < len(words):
        return _values(words[place], typed, known)
    return fresh


def positionals(given: Sequence[str], options: dict[str, Parameter]) -> list[int]:
    """Which of the words after a command are neither options nor their values, by number."""
    takes_value = {flag for flag, p in options.items() if p.kind != "boolean"} | {flag for flag, m, _ in COMMON if m}
    found, skip = [], False
    for number, word in enumerate(given):
        if skip or word.startswith("--"):
            skip = not skip and word in takes_value
        else:
            found.append(number)
    return found


def _values(parameter: Parameter, typed: str, known: Knows) -> list[Known]:
    if parameter.kind == "path" or (parameter.kind == "plugin" and typed[:1] in ("/", ".", "~")):
        return paths(typed)
    if parameter.name == "how":
        return [Known("on", ""), Known("off", "")]
    return list(known(parameter.kind))


def paths(typed: str) -> list[Known]:
    """The files and folders that a path may go on with; hidden ones where a dot was typed."""
    begun = typed.rpartition("/")[2]
    prefix = typed[: len(typed) - len(begun)]
    folder = Path(os.path.expanduser(prefix or "."))
    found = []
    try:
        with os.scandir(folder) as entries:
            for entry in sorted(entries, key=lambda each: each.name):
                if entry.name.startswith(begun) and (begun.startswith(".") or not entry.name.startswith(".")):
                    is_folder = entry.is_dir()
                    help = "folder" if is_folder else f"{entry.stat().st_size:,} bytes"
                    found.append(Known(f"{prefix}{entry.name}{'/' if is_folder else ''}", help))
    except OSError:
        return []
    return found[:MOST_PATHS]
