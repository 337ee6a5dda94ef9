"""What could come next in a line of the shell? Commands, options, and the ids that the node knows, each described."""

from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from lnpd.cli.arguments import COMMON
from lnpd.cli.qr import FLAG, HELP, QR_OF
from lnpd.rpc.commands import Command, Parameter
from lnpd.rpc.kinds import LISTS


class Suggestion(msgspec.Struct, frozen=True):
    """A text that may replace the last `length` characters of the line, and what it means."""

    text: str
    length: int
    help: str


Known = tuple[str, str]
"""A value that the node knows, and what it is."""

WORDS: Final = (("help", "list the commands, or say more about one"), ("exit", "leave the shell"))


def suggestions(line: str, commands: Sequence[Command], known: Callable[[str], Sequence[Known]]) -> list[Suggestion]:
    """What may come next. `known` answers the values that the node knows of a kind of parameter."""
    words = line.split()
    typed = words.pop() if words and not line[-1:].isspace() else ""
    if words[:1] == ["help"]:
        words = words[1:]
    command = _command(words, commands)
    if command is None:
        begun = " ".join([*words, typed])
        names = [(c.name, c.help) for c in commands] + [w for w in WORDS if not words]
        return [Suggestion(name, len(begun), help) for name, help in names if name.startswith(begun)]
    return [
        Suggestion(text, len(typed), help)
        for text, help in _of_command(command, words[len(command.name.split()) :], typed, known)
        if text.startswith(typed)
    ]


def _command(words: Sequence[str], commands: Sequence[Command]) -> Command | None:
    for length in (2, 1):
        found = next((c for c in commands if c.name.split() == list(words[:length])), None)
        if found is not None:
            return found
    return None


def _of_command(
    command: Command, given: Sequence[str], typed: str, known: Callable[[str], Sequence[Known]]
) -> list[Known]:
    options = {p.flag: p for p in command.parameters if not p.required}
    wanted = options.get(given[-1]) if given else None
    if wanted is not None and wanted.kind != "boolean":
        return _values(wanted, known)
    if typed.startswith("-"):
        fresh = [(flag, p.help) for flag, p in options.items() if flag not in given or p.kind in LISTS]
        fresh += [(FLAG, HELP)] if command.method in QR_OF and FLAG not in given else []
        return fresh + [(flag, help) for flag, _, help in COMMON if flag not in given]
    place = _positionals(given, options)
    required = [p for p in command.parameters if p.required]
    if place < len(required):
        return _values(required[place], known)
    return [(flag, p.help) for flag, p in options.items() if flag not in given]


def _positionals(given: Sequence[str], options: dict[str, Parameter]) -> int:
    """How many words of `given` are neither options nor their values."""
    takes_value = {flag for flag, p in options.items() if p.kind != "boolean"} | {flag for flag, m, _ in COMMON if m}
    count, skip = 0, False
    for word in given:
        if skip or word.startswith("--"):
            skip = not skip and word in takes_value
        else:
            count += 1
    return count


def _values(parameter: Parameter, known: Callable[[str], Sequence[Known]]) -> list[Known]:
    return list(known(parameter.kind))
