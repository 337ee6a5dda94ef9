"""How soon can a person type, and how soon is a channel completed, at a node with 1,000 channels?

The real shell in a terminal, before a real daemon: from the start of the process to the prompt, and from the Tab key to
the first line of what it offers. Typing on is not waited for, so the second is what a person would notice.
"""

import asyncio
import os
import pty
import re
import select
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from contrib.bench.measure import Size
from contrib.bench.places import ROOT, scratch
from contrib.bench.report import Section, at_most
from lnpd.cli.plugin.daemons import Program
from lnpd.testing.many import many

CHANNELS: Final = 1_000
GOAL_PROMPT_MS, GOAL_COMPLETION_MS = at_most(300), at_most(30)
SECONDS: Final = 60.0
ROWS, COLUMNS = 40, 150
IMPORTS: Final = "import lnpd.cli.lnp, lnpd.cli.shell.entry, lnpd.cli.shell.desk, lnpd.cli.shell.session"
_ESCAPES: Final = re.compile(rb"\x1b\[[0-9;?]*[a-zA-Z]|\x1b[=>]")
WHERE_IS_THE_CURSOR, AT_THE_TOP = b"\x1b[6n", b"\x1b[1;1R"


class Terminal:
    """A shell in a terminal: what it wrote, without what steers the terminal."""

    def __init__(self, directory: Path) -> None:
        self._master, slave = pty.openpty()
        termios.tcsetwinsize(slave, (ROWS, COLUMNS))
        env = dict(os.environ) | {"TERM": "xterm-256color"}
        line = (sys.executable, "-m", "lnpd.cli.lnp", "--directory", str(directory))
        self._process = subprocess.Popen(
            line, stdin=slave, stdout=slave, stderr=slave, cwd=ROOT, env=env, start_new_session=True
        )
        os.close(slave)

    def until(self, words: bytes) -> None:
        """Reads until the words have come."""
        text, end = b"", time.monotonic() + SECONDS
        while words not in text:
            assert time.monotonic() < end, f"{words!r} never came: {text[-300:]!r}"
            if select.select([self._master], [], [], 1.0)[0]:
                data = os.read(self._master, 1 << 16)
                for _ in range(data.count(WHERE_IS_THE_CURSOR)):
                    self.types(AT_THE_TOP)
                text += _ESCAPES.sub(b"", data)

    def types(self, keys: bytes) -> None:
        """Presses keys."""
        os.write(self._master, keys)

    def end(self) -> None:
        """Ends the shell."""
        self._process.kill()
        self._process.wait()
        os.close(self._master)


@contextmanager
def shell(directory: Path) -> Iterator[Terminal]:
    """A shell that is ended afterwards."""
    made = Terminal(directory)
    try:
        yield made
    finally:
        made.end()


@contextmanager
def daemon(directory: Path) -> Iterator[None]:
    """A node with CHANNELS channels."""
    asyncio.run(many(directory, CHANNELS))
    words = ("--directory", str(directory), "--plain-seed", "--listen", "127.0.0.1:0", "--alias", "bench")
    program = Program("lnpd", words, directory.with_name("daemon.log"), "lnpd is ready:")
    try:
        program.wait()
        yield
    finally:
        program.end()
        program.ended()


def to_prompt_ms(directory: Path) -> float:
    """From the start of the process until something can be typed."""
    start = time.perf_counter()
    with shell(directory) as terminal:
        terminal.until(b"bench>")
        return 1000 * (time.perf_counter() - start)


def completions_ms(directory: Path, rounds: int) -> list[float]:
    """From the Tab key until the first channels are offered, once the bar has shown how many there are."""
    found = []
    with shell(directory) as terminal:
        terminal.until(f"{CHANNELS:,} channels".encode())
        time.sleep(SETTLE_SECONDS)
        for _ in range(rounds):
            terminal.types(b"\x15relay ")
            terminal.until(b"relay")
            start = time.perf_counter()
            terminal.types(b"\t")
            terminal.until(b", ours ")
            found.append(1000 * (time.perf_counter() - start))
            terminal.types(b"\x03")
            terminal.until(b"bench>")
    return found


SETTLE_SECONDS: Final = 6.0  # until all channels were asked for once, which the bar does not show


def import_times() -> list[str]:
    """The packages whose import takes longest, each with all that it needs."""
    command = (sys.executable, "-X", "importtime", "-c", IMPORTS)
    lines = subprocess.run(command, check=True, cwd=ROOT, capture_output=True, text=True).stderr.splitlines()
    rows = [line.removeprefix("import time:").split("|") for line in lines if line.startswith("import time:")][1:]
    tops = sorted(((int(whole), name.strip()) for _, whole, name in rows if name.strip() in TOPS), reverse=True)
    return ["imports: " + ", ".join(f"{name} {whole / 1000:.0f} ms" for whole, name in tops)]


TOPS: Final = ("prompt_toolkit", "asyncio", "msgspec", "lnpd.rpc.client", "lnpd.cli.ask", "lnpd.cli.shell.session")


def run(size: Size) -> Section:
    """See the file's question."""
    section = Section(f"shell: at a node with {CHANNELS:,} channels")
    with scratch() as folder, daemon(folder / "node"):
        rounds = min(size.rounds, 7)
        section.count("start of `lnp` to prompt", [to_prompt_ms(folder / "node") for _ in range(rounds + 1)][1:], "ms",
                      GOAL_PROMPT_MS)  # fmt: skip
        section.count("Tab to the channels that fit", completions_ms(folder / "node", rounds), "ms", GOAL_COMPLETION_MS)
    section.notes += import_times()
    return section
