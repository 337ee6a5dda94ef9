"""What stands at each place of a command line, as the lines of a `case` that bash and zsh understand?

A place is COMMAND:N, the N-th word after a command, or COMMAND:--option, the option's value.
"""

import re
from collections.abc import Callable, Iterable, Iterator

from lnpd.cli.printed.programs import NODE_FLAGS, Line, Program, Slot

Described = tuple[str, str]
"""A word, and what it means."""


def places(program: Program, say: Callable[[Iterable[Described]], str]) -> str:
    """The `case` over "$1:$2". `say` writes words that may stand there; free text is `files=none`."""
    bodies: dict[str, list[str]] = {}
    for pattern, body in _rows(program, say):
        bodies.setdefault(body, []).append(pattern)
    return "\n".join(f"        {'|'.join(patterns)}) {body} ;;" for body, patterns in bodies.items())


def _rows(program: Program, say: Callable[[Iterable[Described]], str]) -> Iterator[tuple[str, str]]:
    by_name = {line.name: line for line in program.lines}
    for name in dict.fromkeys((*program.heads(), *by_name)):
        line = by_name.get(name, Line(name, ""))
        first = line.slots[0] if line.slots else None
        words = [*program.after(name), *((word, "") for word in (first.choices if first else ()))]
        if words or first:
            yield _pattern(name, 0, first), _body(first or Slot(""), words, say)
        for at, slot in enumerate(line.slots[1:], 1):
            yield _pattern(name, at, slot), _body(slot, [(word, "") for word in slot.choices], say)
        for flag in line.flags:
            if flag.value is not None:
                yield f'"{name}:{flag.flag}"', _body(flag.value, [(word, "") for word in flag.value.choices], say)
    for flag in program.common:
        if flag.value is not None:
            yield f"*:{flag.flag}", _body(flag.value, [(word, "") for word in flag.value.choices], say)


def _pattern(name: str, at: int, slot: Slot | None) -> str:
    """Of a slot for many words, this place and all after it."""
    return f'"{name}:"[0-9]*' if slot is not None and slot.many else f'"{name}:{at}"'


def _body(slot: Slot, words: list[Described], say: Callable[[Iterable[Described]], str]) -> str:
    parts = [say(words)] if words else []
    parts += [f"ids={slot.ids}"] if slot.ids else []
    parts += [f"files={slot.files}"] if slot.files else []
    return "; ".join(parts) or "files=none"


def options(program: Program, say: Callable[[Iterable[Described]], str]) -> str:
    """The `case` over "$1" with the options of each command."""
    bodies: dict[str, list[str]] = {}
    for line in program.lines:
        if line.flags:
            bodies.setdefault(say((each.flag, each.help) for each in line.flags), []).append(f'"{line.name}"')
    return "\n".join(f"        {'|'.join(names)}) {body} ;;" for body, names in bodies.items())


def commands(program: Program) -> str:
    """The commands of two words, between bars."""
    return f"|{'|'.join(line.name for line in program.lines if ' ' in line.name)}|"


def function(program: Program, template: str, say: Callable[[Iterable[Described]], str], **own: str) -> str:
    """A program's function for bash or zsh; `own` is what this shell says otherwise."""
    of_cases = {
        "PLACES": places(program, say),
        "OPTIONS": options(program, say),
        "COMMANDS": commands(program),
    }
    return of_program(program, template, **of_cases, **own)


def of_program(program: Program, template: str, **own: str) -> str:
    """A template with what every shell asks of a program, and what one says otherwise."""
    every = {"NAME": program.name, "NODE_FLAGS": " ".join(NODE_FLAGS), "VALUED": " ".join(program.valued)}
    return _filled(template, **{**every, **own})


def _filled(template: str, **values: str) -> str:
    """A template with a value in the place of each @NAME@; what is in a value stays as it is."""
    return re.sub("@([A-Z_]+)@", lambda found: values[found[1]], template)
