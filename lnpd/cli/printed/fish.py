"""How does fish complete `lnp` and `lnpd`? By one line for each word or option, and the place where it may stand."""

from collections.abc import Iterable, Iterator
from typing import Final

from lnpd.cli.printed.cases import of_program
from lnpd.cli.printed.programs import Flag, Line, Program, Slot

FUNCTION: Final = """function __@NAME@_place --description 'the command that was typed, and how many words after it'
    set -l command ''
    set -l flag ''
    set -l at 0
    set -l number 0
    for word in (commandline -opc)[2..-1]
        set number (math $number + 1)
        if test -n "$flag"
            set flag ''
        else if contains -- $word @VALUED@
            set flag $word
        else if string match -q -- '-*' $word
            continue
        else if test -z "$command"; and test @FIRST@
            set command $word
        else if test $at -eq 0; and contains -- "$command $word" @COMMANDS@
            set command "$command $word"
        else
            set at (math $at + 1)
        end
    end
    echo "$command:$at"
end
function __@NAME@_at --description 'whether that is the place'
    string match -q -- $argv[1] (__@NAME@_place)
end
function __@NAME@_ids --description 'what the node knows of a kind'
    set -l typed (commandline -opc)
    set -l asked
    set -l flag ''
    for word in $typed[2..-1]
        if test -n "$flag"
            contains -- $flag @NODE_FLAGS@; and set -a asked $flag $word
            set flag ''
        else if contains -- $word @VALUED@
            set flag $word
        else if string match -q -- '--*=*' $word
            contains -- (string split -m 1 = -- $word)[1] @NODE_FLAGS@; and set -a asked $word
        end
    end
    command $typed[1] $asked complete-ids $argv[1] 2>/dev/null </dev/null
end
complete -c @NAME@ -e
complete -c @NAME@ -f
@LINES@
"""


def fish(programs: Iterable[Program]) -> str:
    """The script."""
    head = "# Completes lnp and lnpd in fish; `lnp completion fish` prints it.\n"
    return "\n".join([head, *map(_functions, programs)])


def _functions(program: Program) -> str:
    return of_program(
        program,
        FUNCTION,
        COMMANDS=" ".join(_text(line.name) for line in program.lines if " " in line.name) or "''",
        VALUED=" ".join(program.valued) or "''",
        FIRST="0 -eq 0" if program.leading else "$number -eq 1",
        LINES="\n".join(_lines(program)),
    )


def _lines(program: Program) -> Iterator[str]:
    by_name = {line.name: line for line in program.lines}
    for name in dict.fromkeys((*program.heads(), *by_name)):
        head = _head(program, f"{name}:0")
        yield from (f"{head} -a {_text(word)} -d {_text(help)}" for word, help in program.after(name))
        line = by_name.get(name, Line(name, ""))
        for at, slot in enumerate(line.slots):
            if values := _values(program, slot):
                yield f"{_head(program, f'{name}:*' if slot.many else f'{name}:{at}')} {values}"
        yield from (_flag(program, f"{name}:*", flag) for flag in line.flags)
    if program.leading:
        yield f"{_head(program, ':0')} -a '(__{program.name}_ids command)'"
    yield from (_flag(program, "", flag) for flag in program.common)


def _head(program: Program, place: str) -> str:
    return f"complete -c {program.name} -n {_text(f'__{program.name}_at {_text(place)}')}"


def _flag(program: Program, place: str, flag: Flag) -> str:
    head = _head(program, place) if place else f"complete -c {program.name}"
    values = "" if flag.value is None else f" -r {_values(program, flag.value) or '-f'}"
    return f"{head} -l {flag.flag.removeprefix('--')} -d {_text(flag.help)}{values}"


def _values(program: Program, slot: Slot) -> str:
    found = [" ".join(slot.choices)] if slot.choices else []
    found += [f"(__{program.name}_ids {slot.ids})"] if slot.ids else []
    found += ["(__fish_complete_directories)"] if slot.files == "folders" else []
    values = f"-a {_text(' '.join(found))}" if found else ""
    return f"-F {values}".strip() if slot.files == "files" else f"-f {values}" if values else ""


def _text(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
