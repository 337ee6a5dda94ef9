"""Does the shell complete, remember and end as a person expects? (a real terminal, read from its screen)"""

import os
import stat
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pexpect
import pyte
import pytest

from lnpd.rpc.commands import COMMANDS
from tests.services.rpc.small_node import CHANNEL_ID, PEER_ID, SmallNode, in_thread

ROWS, COLUMNS = 40, 110
SECONDS = 20.0


class Terminal:
    """A shell in a terminal of a fixed size, and what its screen shows."""

    def __init__(self, directory: Path) -> None:
        self.screen = pyte.Screen(COLUMNS, ROWS)
        self.stream = pyte.ByteStream(self.screen)
        own = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
        env = own | {"PROMPT_TOOLKIT_NO_CPR": "1", "TERM": "xterm-256color", "LANG": "C.UTF-8"}
        words = ["-m", "lnpd.cli.lnp", "--directory", str(directory)]
        self.child = pexpect.spawn(sys.executable, words, env=env, dimensions=(ROWS, COLUMNS))

    @property
    def text(self) -> str:
        return "\n".join(line.rstrip() for line in self.screen.display)

    @property
    def last_line(self) -> str:
        return next((line for line in reversed(self.text.splitlines()) if line), "")

    def until(self, holds: Callable[[], bool]) -> None:
        """Reads the terminal until a condition holds."""
        end = time.monotonic() + SECONDS
        while not holds():
            assert time.monotonic() < end, f"the screen never came to it:\n{self.text}"
            try:
                self.stream.feed(self.child.read_nonblocking(4096, 0.1))
            except pexpect.TIMEOUT:
                continue
            except pexpect.EOF:
                assert holds(), f"the shell ended:\n{self.text}"
                return

    def shows(self, words: str) -> None:
        self.until(lambda: words in self.text)

    def prompt(self) -> None:
        self.until(lambda: self.last_line == "alice>")

    def end(self) -> int:
        self.child.expect(pexpect.EOF, timeout=SECONDS)
        self.child.close()
        return int(self.child.exitstatus if self.child.exitstatus is not None else -1)


@pytest.fixture
def node(tmp_path: Path) -> Iterator[tuple[SmallNode, Path]]:
    with in_thread(tmp_path) as running:
        yield running, tmp_path


@pytest.fixture
def terminal(node: tuple[SmallNode, Path]) -> Iterator[Terminal]:
    made = Terminal(node[1])
    try:
        made.prompt()
        yield made
    finally:
        made.child.close(force=True)


def test_it_greets_answers_and_leaves(terminal: Terminal) -> None:
    assert "alice on regtest, height 101" in terminal.text
    terminal.child.send("peers\r")
    terminal.shows(PEER_ID[:8])
    terminal.prompt()
    terminal.child.send("\x04")
    assert terminal.end() == 0


def test_what_is_wrong_is_a_line_and_the_shell_goes_on(terminal: Terminal) -> None:
    terminal.child.send("pley\r")
    terminal.shows("did you mean pay")
    terminal.child.send("close c3c3c3\r")
    terminal.shows("lockbox blocks the close")
    terminal.child.send("ping --help\r")
    terminal.shows("usage: lnp ping")
    terminal.child.send("lnp decode --help\r")  # as a manual writes it
    terminal.shows("usage: lnp decode")
    terminal.child.send("exit\r")
    assert terminal.end() == 0
    assert "Traceback" not in terminal.text


def test_tab_offers_commands_and_ids_with_what_they_are(terminal: Terminal) -> None:
    terminal.child.send("pe\t")
    terminal.until(lambda: terminal.last_line.startswith("alice> peers"))
    terminal.child.send("\x15close \t")
    terminal.until(lambda: f"close {CHANNEL_ID}" in terminal.text)
    terminal.child.send("\x15pa\t")
    terminal.shows("Pay an invoice; wait")
    assert "List our last payments" in terminal.text
    terminal.child.send("\x15lockbox\t")
    terminal.until(lambda: "alice> lockbox-put" in terminal.text)


def test_ctrl_c_gives_up_the_line_or_the_waiting_but_not_the_shell(terminal: Terminal) -> None:
    terminal.child.send("half a line\x03")
    terminal.prompt()
    terminal.child.send(f"pay lnbcrt1{'q' * 50} --amount-msat 13\r")
    terminal.shows("--amount-msat 13")
    time_is_up = time.monotonic() + SECONDS
    while "what was begun goes on" not in terminal.text:
        assert time.monotonic() < time_is_up, terminal.text
        terminal.child.sendintr()
        try:
            terminal.stream.feed(terminal.child.read_nonblocking(4096, 0.2))
        except pexpect.TIMEOUT:
            continue
    terminal.child.send("info\r")
    terminal.shows("A channel is frozen.")


def test_lines_are_remembered_by_the_next_shell_for_its_user_alone(node: tuple[SmallNode, Path]) -> None:
    directory = node[1]
    first = Terminal(directory)
    first.prompt()
    first.child.send("info --json\r")
    first.shows('"alias": "alice"')
    first.child.send("exit\r")
    assert first.end() == 0
    path = directory / "lnp_history"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    second = Terminal(directory)
    second.prompt()
    second.child.send("\x1b[A\x1b[A")
    second.until(lambda: second.last_line == "alice> info --json")
    second.child.close(force=True)


def test_help_lists_all(terminal: Terminal) -> None:
    terminal.child.send("help\r")
    terminal.shows("interrupted")
    assert f"  {COMMANDS[-1].name}" in terminal.text


def test_a_node_that_ends_is_a_line_too(tmp_path: Path) -> None:
    with in_thread(tmp_path):
        terminal = Terminal(tmp_path)
        terminal.prompt()
    terminal.child.send("info\r")
    terminal.shows("No lnpd runs")
    terminal.child.send("\x04")
    assert terminal.end() == 0
