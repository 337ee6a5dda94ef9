"""How does a test drive the real shell? In a terminal of a fixed size, whose screen it reads."""

import copy
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pexpect
import pyte

from lnpd.cli.plugin.daemons import Program

SECONDS = 60.0
MOST_EVENTS = 5


class Screen(pyte.Screen):
    """With a second screen, as terminals have it (mode 1049), which pyte lacks."""

    SECOND = 1049

    def set_mode(self, *modes: int, **how: Any) -> None:
        super().set_mode(*modes, **how)
        if self.SECOND in modes:
            self._first = copy.deepcopy((dict(self.buffer), self.cursor))
            self.erase_in_display(2)

    def reset_mode(self, *modes: int, **how: Any) -> None:
        super().reset_mode(*modes, **how)
        if self.SECOND in modes:
            self.erase_in_display(2)
            lines, self.cursor = self._first
            self.buffer.update(lines)


class Terminal:
    """A program in a terminal, and what its screen shows."""

    def __init__(self, child: "pexpect.spawn[bytes]", rows: int, columns: int) -> None:
        self.child, self.rows, self.columns = child, rows, columns
        self.screen = Screen(columns, rows)
        self.screen.write_process_input = child.send  # it says where its cursor is, as terminals do
        self.stream = pyte.ByteStream(self.screen)
        self.raw = b""

    @property
    def lines(self) -> list[str]:
        """The screen's lines, without what is empty at their ends."""
        return [line.rstrip() for line in self.screen.display]

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    @property
    def prompt_line(self) -> str:
        """Where the cursor is."""
        return self.lines[self.screen.cursor.y]

    @property
    def bar(self) -> str:
        """The line below all others."""
        return next((line for line in reversed(self.lines) if line), "")

    def until(self, holds: Callable[[], object], what: str = "") -> None:
        """Reads the terminal until a condition holds."""
        end = time.monotonic() + SECONDS
        while not holds():
            assert time.monotonic() < end, f"the screen never came to it ({what}):\n{self.text}"
            try:
                data = self.child.read_nonblocking(1 << 16, 0.05)
            except pexpect.TIMEOUT:
                continue
            except pexpect.EOF:
                assert holds(), f"the shell ended ({what}):\n{self.text}"
                return
            self.raw += data
            self.stream.feed(data)

    def shows(self, *words: str) -> None:
        """Waits for words anywhere on the screen."""
        self.until(lambda: all(word in self.text for word in words), str(words))

    def prompt(self, prompt: str = "alice>") -> None:
        """Waits for an empty prompt."""
        self.until(lambda: self.prompt_line == prompt, "an empty prompt")

    def types(self, keys: str) -> None:
        """Presses keys."""
        self.child.send(keys)

    def does(self, line: str, *shown: str) -> str:
        """Types a line on a cleared screen, waits for words and for the next prompt; what the screen shows then."""
        prompt = self.prompt_line.partition(">")[0] + ">"
        self.types("\x0c")
        # An event may come above the prompt at any moment.
        self.until(lambda: self.prompt_line == prompt and self.screen.cursor.y <= MOST_EVENTS, "a cleared screen")
        self.types(f"{line}\r")
        self.shows(*shown)
        self.prompt(prompt)
        return self.text

    def end(self) -> int:
        """Waits for the end of the program; its exit code."""
        self.until(lambda: not self.child.isalive(), "the end")
        self.child.close()
        return int(self.child.exitstatus if self.child.exitstatus is not None else -1)


@contextmanager
def terminal(directory: Path, *words: str, rows: int = 40, columns: int = 110, **more: str) -> Iterator[Terminal]:
    """`lnp` for a data directory; `more` are variables of its environment."""
    own = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES", "NO_COLOR")}
    env = own | {"TERM": "xterm-256color", "LANG": "C.UTF-8"} | more
    line = ["-m", "lnpd.cli.lnp", "--directory", str(directory), *words]
    child = pexpect.spawn(sys.executable, line, env=env, dimensions=(rows, columns))
    made = Terminal(child, rows, columns)
    try:
        yield made
    finally:
        child.close(force=True)


@contextmanager
def one_daemon(directory: Path) -> Iterator[None]:
    """A node that runs in a data directory, on its own chain."""
    line = ["--directory", str(directory), "--plain-seed", "--listen", "127.0.0.1:0", "--alias", "alice"]
    program = Program("alice", line, directory.with_name(f"{directory.name}.log"), "lnpd is ready:")
    try:
        program.wait()
        yield
    finally:
        program.end()
        program.ended()
