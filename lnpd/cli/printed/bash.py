"""How does bash complete `lnp` and `lnpd`? By a script that knows the tables, and asks the node for ids alone."""

from collections.abc import Iterable
from typing import Final

from lnpd.cli.printed.cases import Described, function
from lnpd.cli.printed.programs import Program

# `asked` is the program as it was typed, with the options that say which node is meant.
FUNCTION: Final = """_@NAME@_place() {
    case "$1:$2" in
@PLACES@
    esac
}
_@NAME@_options() {
    case "$1" in
@OPTIONS@
    esac
    offered="$offered @COMMON@"
}
_@NAME@() {
    local cur="${COMP_WORDS[COMP_CWORD]}" command="" flag="" word="" offered="" ids="" files="" at=0 i
    local -a asked=("${COMP_WORDS[0]}")
    for ((i = 1; i < COMP_CWORD; i++)); do
        word="${COMP_WORDS[i]}"
        if [ "$word" = "=" ]; then
            continue
        elif [ -n "$flag" ]; then
            [[ " @NODE_FLAGS@ " == *" $flag "* ]] && asked+=("$flag" "${word//[\\\\\\"\\']/}")
            flag=""
        elif [[ " @VALUED@ " == *" $word "* ]]; then
            flag="$word"
        elif [[ "$word" == -* ]]; then
            continue
        elif [ -z "$command" ] && @FIRST@; then
            command="$word"
        elif [ "$at" -eq 0 ] && [[ "@COMMANDS@" == *"|$command $word|"* ]]; then
            command="$command $word"
        else
            at=$((at + 1))
        fi
    done
    [ "$cur" = "=" ] && cur=""
    COMPREPLY=()
    if [[ -z "$flag" && "$cur" == -* ]]; then
        _@NAME@_options "$command"
    else
        _@NAME@_place "$command" "${flag:-$at}"
        [ -z "$flag$offered$ids$files" ] && _@NAME@_options "$command"
    fi
    while IFS= read -r word; do COMPREPLY+=("$word"); done < <(compgen -W "$offered" -- "$cur")
    if [ -z "$command" ] && [ "${#COMPREPLY[@]}" -eq 0 ] && @LIVE@; then ids=command; fi
    if [ -n "$ids" ]; then
        while IFS=$'\\t' read -r word _; do
            [[ "$word" == "$cur"* ]] && COMPREPLY+=("$word")
        done < <("${asked[@]}" complete-ids "$ids" 2>/dev/null </dev/null)
    fi
    case "$files" in
        files) at=-f ;;
        folders) at=-d ;;
        *) return ;;
    esac
    compopt -o filenames 2>/dev/null
    while IFS= read -r word; do COMPREPLY+=("$word"); done < <(compgen "$at" -- "$cur" | sort)
}
complete -F _@NAME@ @NAME@
"""


def bash(programs: Iterable[Program]) -> str:
    """The script."""
    head = "# Completes lnp and lnpd in bash; `lnp completion bash` prints it.\n"
    return "\n".join([head, *map(_function, programs)])


def _function(program: Program) -> str:
    return function(
        program,
        FUNCTION,
        _words,
        COMMON=" ".join(each.flag for each in program.common),
        FIRST="true" if program.leading else '[ "$i" -eq 1 ]',
        LIVE='[ -n "$cur" ] && [[ "$cur" != -* ]] && [ -z "$flag" ]' if program.leading else "false",
    )


def _words(words: Iterable[Described]) -> str:
    return f'offered="{" ".join(word for word, _ in words)}"'
