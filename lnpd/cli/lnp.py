"""What does `lnp` do? It asks the node of a data directory for one thing and prints the answer; alone, it is a shell.

The daemon's code is never loaded here, and the shell's only when it is opened: a command takes no longer than its
answer.
"""

import gc
import os
import sys
from collections.abc import Sequence

from lnpd.cli import arguments
from lnpd.cli.ask import do_found, explain, find, group_of, refusal
from lnpd.cli.exits import INTERRUPTED, OK, exit_of
from lnpd.cli.tools import AROUND, HERE, PRINTED
from lnpd.errors import LnpdError


def main(words: Sequence[str] | None = None) -> int:
    """The program `lnp`; returns its exit code."""
    words = list(sys.argv[1:] if words is None else words)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]  # the streams of a program are text files
    try:
        try:
            return run(words)
        finally:
            sys.stdout.flush()  # else a pipe that nobody reads is found when the interpreter ends
            gc.freeze()  # there it need not look for garbage: a fifth of a command's time
    except LnpdError as error:
        print(refusal(error, "--json" in words), file=sys.stderr)
        return exit_of(error)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # whoever read it has enough
        return OK


def run(words: Sequence[str]) -> int:
    """Does what the words ask for. Raises LnpdError."""
    before, rest = arguments.split(words)
    leading = arguments.Parser("lnp", add_help=False, allow_abbrev=False)
    arguments.add_common(leading)
    leading.add_argument("-h", "--help", action="store_true", dest="help")
    leading.add_argument("--version", action="store_true", dest="version")
    first = leading.parse_args(before)
    if rest[:1] and rest[0] in AROUND and not (first.help or first.version):
        from lnpd.cli.doctor.here import perform as look

        return look(rest, first)
    common = arguments.common(first)
    if first.version:
        from importlib.metadata import version  # slow to load, and rarely needed

        print(f"lnp {version('lnpd')}")
    elif first.help:
        print(explain((), common))
    elif rest[:1] == ["help"] and not any(word.startswith("-") for word in rest):
        print(explain(rest[1:], common))
    elif len(rest) == 2 and rest[1] in ("-h", "--help") and (group := group_of(rest[0], common)):
        print(group)
    elif rest:
        return _done(rest, common)
    else:
        from lnpd.cli.shell.entry import shell  # prompt-toolkit takes longer to load than a command to run

        return shell(common)
    return OK


def _done(words: Sequence[str], common: arguments.Common) -> int:
    command, rest = find(words, common)
    if command not in HERE:
        do_found(command, rest, common)
        return OK
    params, parsed = arguments.params(command, rest)
    if command in PRINTED:
        from lnpd.cli.printed.here import print_it  # with all programs' tables, which other commands need not load

        return print_it(command, params, arguments.common(parsed, common))
    from lnpd.cli.plugin.here import perform  # what an author needs, other commands need not load

    return perform(command, params, parsed, arguments.common(parsed, common).json)


if __name__ == "__main__":
    sys.exit(main())
