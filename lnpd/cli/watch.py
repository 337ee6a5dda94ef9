"""How is an answer watched? On a screen of its own, drawn again at each event and every 2 s; a key ends it.

The screen from before is there again afterwards. Where the cursor cannot move, the answer is printed again when it is
another one, until Ctrl-C.
"""

import os
import select
import shutil
import sys
import termios
import time
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from lnpd.cli.arguments import Common
from lnpd.cli.ears import Ears
from lnpd.cli.render import shorten
from lnpd.cli.safe import clean
from lnpd.errors import LnpdError

EVERY_SECONDS: Final = 2.0
KEY_BYTES: Final = 8  # an arrow has three, a function key up to six
SOON_SECONDS: Final = 0.1
ENTER: Final = "\x1b[?1049h\x1b[?25l"
LEAVE: Final = "\x1b[?25h\x1b[?1049l"
HOME, CLEAR_LINE, CLEAR_BELOW = "\x1b[H", "\x1b[K", "\x1b[J"

Shown = Callable[[int | None], str]
"""The answer for a terminal of so many columns; None is as wide as it takes."""


def watch(title: str, shown: Shown, common: Common) -> None:
    """Shows an answer until a key is pressed. Raises what the first question is refused with."""
    shown(None)  # what is wrong with the command is said where it was typed
    ears = Ears(common.place)
    try:
        if common.plain or not (sys.stdin.isatty() and sys.stdout.isatty()) or os.environ.get("TERM") == "dumb":
            _print(shown, ears)
        else:
            with _screen():
                _draw(title, shown, ears)
    finally:
        ears.close()


def _print(shown: Shown, ears: Ears) -> None:
    before = ""
    while True:
        now = _asked(shown, None)
        if now != before:
            print(f"{now}\n" if not before else f"\n{now}\n", end="", flush=True)
        before = now
        select.select([ears], [], [], EVERY_SECONDS)
        ears.clear()


def _draw(title: str, shown: Shown, ears: Ears) -> None:
    while True:
        size = shutil.get_terminal_size()
        lines = _asked(shown, size.columns).splitlines()
        sys.stdout.write(HOME + page(title, lines, size.columns, size.lines) + CLEAR_BELOW)
        sys.stdout.flush()
        ready, _, _ = select.select([sys.stdin, ears], [], [], EVERY_SECONDS)
        if sys.stdin in ready:
            os.read(sys.stdin.fileno(), KEY_BYTES)  # what is typed after it is for the prompt
            return
        if ready:
            time.sleep(SOON_SECONDS)  # what happens together is drawn together
            ears.clear()


def page(title: str, lines: list[str], columns: int, rows: int) -> str:
    """A screen: a head, as many lines as fit, and how many do not."""
    clock = time.strftime("%H:%M:%S")
    head = shorten(f"{title}   {clock}   any key ends", columns)
    room = rows - 2
    if len(lines) > room:
        lines = [*lines[: room - 1], f"... and {len(lines) - room + 1} more lines"]
    return "\r\n".join(f"{shorten(line, columns)}{CLEAR_LINE}" for line in (head, "", *lines))


def _asked(shown: Shown, columns: int | None) -> str:
    try:
        return shown(columns)
    except LnpdError as error:  # the node may come back
        return f"lnp: {clean(' '.join(str(error).split()))}"


@contextmanager
def _screen() -> Iterator[None]:
    """A screen of its own, and keys as they are pressed."""
    before = termios.tcgetattr(sys.stdin)
    sys.stdout.write(ENTER)
    try:
        tty.setcbreak(sys.stdin)
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)
        sys.stdout.write(LEAVE)
        sys.stdout.flush()
