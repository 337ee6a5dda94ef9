"""What is the shell where no colours and no moving cursor are wanted? Lines in, lines out: for screen readers too.

Tab completes, by readline where there is one. Events are told before the next prompt, not while somebody types.
"""

import sys
from collections.abc import Callable

from lnpd.cli.exits import OK
from lnpd.cli.shell import history
from lnpd.cli.shell.completion import Suggestion
from lnpd.cli.shell.perform import Leave, Performer


def plain(
    prompt: str,
    performer: Performer,
    remembered: list[str],
    keep: Callable[[str], None],
    suggest: Callable[[str], list[Suggestion]],
    news: Callable[[], list[str]],
    done: Callable[[], None],
) -> int:
    """Asks for lines and does them. `news` are lines of the feed since it was asked last."""
    _set_up_readline(remembered, suggest)
    while True:
        try:
            for line in news():
                print(line)
            line = input(prompt)
            if history.is_kept(line):
                keep(line)
            performer.perform(line)
            done()
        except KeyboardInterrupt:
            print()  # the line is given up
        except EOFError:
            print()
            return OK
        except Leave:
            return OK


def _set_up_readline(remembered: list[str], suggest: Callable[[str], list[Suggestion]]) -> None:
    try:
        import readline  # it is not everywhere, and its import changes what `input` does
    except ImportError:
        return
    if not sys.stdin.isatty():
        return
    for line in remembered:
        readline.add_history(line)
    readline.set_auto_history(True)
    readline.set_completer_delims(" \t")
    readline.parse_and_bind("tab: complete")
    found: list[str] = []

    def complete(word: str, number: int) -> str | None:
        if number == 0:
            line = readline.get_line_buffer()[: readline.get_endidx()]
            start = readline.get_begidx()
            found[:] = [(line[: len(line) - each.length] + each.text)[start:] for each in suggest(line)]
        return f"{found[number]} " if number < len(found) else None

    readline.set_completer(complete)
