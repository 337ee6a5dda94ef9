"""How does zsh complete `lnp` and `lnpd`? As bash does, with what each word means beside it."""

from collections.abc import Iterable
from typing import Final

from lnpd.cli.printed.cases import Described, function
from lnpd.cli.printed.programs import Program

FUNCTION: Final = """_@NAME@_place() {
    case "$1:$2" in
@PLACES@
    esac
}
_@NAME@_options() {
    case "$1" in
@OPTIONS@
    esac
    offered+=(@COMMON@)
}
_@NAME@() {
    local command="" flag="" word="" ids="" files="" current="${words[CURRENT]}"
    integer at=0 i
    local -a asked offered live
    asked=("${words[1]}")
    for ((i = 2; i < CURRENT; i++)); do
        word="${words[i]}"
        if [[ -n "$flag" ]]; then
            [[ " @NODE_FLAGS@ " == *" $flag "* ]] && asked+=("$flag" "${(Q)word}")
            flag=""
        elif [[ " @VALUED@ " == *" $word "* ]]; then
            flag="$word"
        elif [[ "$word" == -* ]]; then
            [[ " @NODE_FLAGS@ " == *" ${word%%=*} "* ]] && asked+=("${(Q)word}")
        elif [[ -z "$command" ]] && @FIRST@; then
            command="$word"
        elif ((at == 0)) && [[ "@COMMANDS@" == *"|$command $word|"* ]]; then
            command="$command $word"
        else
            ((at += 1))
        fi
    done
    if [[ -z "$flag" && "$current" == --*=* ]]; then
        flag="${current%%=*}"
        compset -P '*='
    fi
    if [[ -z "$flag" && "$current" == -* ]]; then
        _@NAME@_options "$command"
    else
        _@NAME@_place "$command" "${flag:-$at}"
        [[ -z "$flag$ids$files" ]] && ((! $#offered)) && _@NAME@_options "$command"
    fi
    [[ "@LIVE@" == yes && -z "$command$flag" && -n "$current" && "$current" != -* ]] && ids=command
    if [[ -n "$ids" ]]; then
        for word in "${(@f)$("${asked[@]}" complete-ids "$ids" 2>/dev/null </dev/null)}"; do
            [[ -n "$word" ]] && live+=("${word/$'\\t'/:}")
        done
        ((! $#live)) || _describe -t ids "$ids" live
    fi
    [[ "$files" == files ]] && _files
    [[ "$files" == folders ]] && _files -/
    ((! $#offered)) || _describe -o -t words word offered
}
compdef _@NAME@ @NAME@
"""


def zsh(programs: Iterable[Program]) -> str:
    """The script."""
    programs = tuple(programs)
    head = f"#compdef {' '.join(each.name for each in programs)}\n"
    head += "# Completes lnp and lnpd in zsh; `lnp completion zsh` prints it.\n"
    # a function of $fpath is read when it is first wanted, and has to answer at once
    calls = "\n".join(f'[[ "$service" == {each.name} ]] && _{each.name} "$@"' for each in programs)
    return "\n".join([head, *map(_function, programs), calls, "true", ""])


def _function(program: Program) -> str:
    return function(
        program,
        FUNCTION,
        _words,
        COMMON=" ".join(_word(each.flag, each.help) for each in program.common),
        FIRST="true" if program.leading else "((i == 2))",
        LIVE="yes" if program.leading else "no",
    )


def _words(words: Iterable[Described]) -> str:
    return f"offered+=({' '.join(_word(word, help) for word, help in words)})"


def _word(word: str, help: str) -> str:
    text = word.replace(":", "\\:") + (f":{help}" if help else "")
    return "'" + text.replace("'", "'\\''") + "'"
