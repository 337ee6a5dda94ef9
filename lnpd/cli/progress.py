"""What does a person see while a command waits, and what goes on when they no longer want to wait?

One line that changes in place, on a terminal that can; elsewhere a line now and then. It is on standard error: what is
printed is the answer alone.
"""

import os
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import msgspec

from lnpd.cli.arguments import Common
from lnpd.errors import LnpdError

FIRST_SECONDS: Final = 0.7
TICK_SECONDS: Final = 0.25
CLEAR_LINE: Final = "\r\x1b[K"
BAR_CELLS: Final = 20


class Work(msgspec.Struct, frozen=True):
    """What a command waits for, and what is true after Ctrl-C."""

    waits: str
    goes_on: str


WORKS: Final[dict[str, Work]] = {
    "pay": Work("paying", "The payment goes on: `payments` shows what becomes of it."),
    "open": Work("waiting for the peer to open the channel", "The opening goes on, or is given up after a minute: "
                 "`channels` shows it."),
    "close": Work("waiting for the peer to close the channel", "The close goes on: `channels` shows it."),
    "send": Work("sending", "If it was signed it is sent: `funds` shows it."),
    "rescan": Work("reading the chain", "The node goes on reading: `status` shows how far it is."),
    "check": Work("checking", "The node goes on checking; nothing is changed by it."),
    "connect": Work("connecting", "The connection may still come about: `peers` shows it."),
    "mine": Work("mining", "The blocks are mined all the same."),
}  # fmt: skip
USUAL: Final = Work("waiting for the node", "What was begun goes on in the node.")


def can_move(plain: bool = False) -> bool:
    """Whether the cursor of the terminal that shows errors may be moved."""
    return not plain and sys.stderr.isatty() and os.environ.get("TERM", "") not in ("", "dumb")


def bar(part: float) -> str:
    """A bar of BAR_CELLS cells, of which a part from 0 to 1 is full."""
    full = round(max(0.0, min(1.0, part)) * BAR_CELLS)
    return "█" * full + "░" * (BAR_CELLS - full)


class Line:
    """The line that changes in place. Nothing else may be printed while it is there."""

    def __init__(self, moves: bool) -> None:
        self._moves, self._shown = moves, ""

    def show(self, words: str) -> None:
        """Puts the words into the line; where it cannot change, a new line if they are others."""
        if words == self._shown:
            return
        if self._moves:
            from lnpd.cli.render import shorten  # rarely needed

            width = shutil.get_terminal_size().columns
            sys.stderr.write(CLEAR_LINE + shorten(words, width - 1))
        else:
            sys.stderr.write(words + "\n")
        sys.stderr.flush()
        self._shown = words

    def clear(self) -> None:
        """Takes the line away."""
        if self._moves and self._shown:
            sys.stderr.write(CLEAR_LINE)
            sys.stderr.flush()
        self._shown = ""


@contextmanager
def shown(method: str, common: Common, more: Callable[[], str] | None = None) -> Iterator[None]:
    """Shows what is waited for, from FIRST_SECONDS on, until it has come; `more` is asked for what to add.

    Ctrl-C says what goes on, and is raised again.
    """
    work = WORKS.get(method, USUAL)
    ended = threading.Event()
    line = Line(can_move(common.plain))
    ticking = threading.Thread(target=_tick, args=(work, line, ended, more), name="progress", daemon=True)
    if line._moves:  # who is shown nothing in place is told nothing but the answer
        ticking.start()
    try:
        yield
    except KeyboardInterrupt:
        _end(ticking, ended, line)
        if sys.stderr.isatty():
            sys.stderr.write(f"\nNo longer waiting. {work.goes_on}\n")
        raise
    finally:
        _end(ticking, ended, line)


def _end(ticking: threading.Thread, ended: threading.Event, line: Line) -> None:
    ended.set()
    if ticking.is_alive():
        ticking.join()
    line.clear()


def _asked(more: Callable[[], str]) -> str:
    try:
        return more()
    except LnpdError:
        return "the node does not say how far"


def _tick(work: Work, line: Line, ended: threading.Event, more: Callable[[], str] | None) -> None:
    began = time.monotonic()
    if ended.wait(FIRST_SECONDS):
        return
    while not ended.is_set():
        seconds = int(time.monotonic() - began)
        added = f", {_asked(more)}" if more is not None else ""
        line.show(f"{work.waits}{added}: {seconds} s  (Ctrl-C: wait no longer)")
        ended.wait(TICK_SECONDS)
