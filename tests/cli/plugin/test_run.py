"""Does `lnp plugin run` bring up two nodes, load the plugin again when it is saved, and leave nothing behind?"""

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest

from lnpd.cli import lnp
from lnpd.cli.plugin.new import write_new

SECONDS = 60.0  # then it is ended, and what it showed is told


class Running:
    """`lnp plugin run` with pipes for its streams."""

    def __init__(self, path: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "lnpd.cli.lnp", "plugin", "run", str(path)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
        )  # fmt: skip
        self.seen: list[str] = []
        self.patience = threading.Timer(SECONDS, self.process.terminate)
        self.patience.start()

    def say(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def shows(self, pattern: str) -> re.Match[str]:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.seen.append(line)
            if found := re.search(pattern, line):
                return found
        raise AssertionError(f"never showed {pattern}: {''.join(self.seen)}")


@pytest.fixture
def running(tmp_path: Path) -> Iterator[tuple[Running, Path]]:
    path, *_ = write_new("memo", tmp_path / "memo")
    started = Running(path)
    yield started, path
    started.patience.cancel()
    if started.process.poll() is None:
        started.process.terminate()
        started.process.wait(60)
    for stream in (started.process.stdin, started.process.stdout):
        assert stream is not None
        stream.close()


def test_a_save_is_loaded_at_once_and_the_end_of_the_lines_ends_all(running: tuple[Running, Path]) -> None:
    shell, path = running
    channel = shell.shows("Their channel: ([0-9a-f]{64})")[1]
    folder = Path(shell.seen[0].partition("data are in ")[2].split()[0])
    shell.shows("Ctrl-D ends")
    shell.say(f"memo-fill {channel} 25000")
    shell.say("bob info --json")
    bob = int(shell.shows(r'"process": (\d+)')[1])
    path.write_text(path.read_text().replace('"0.1.0"', '"0.2.0"'))
    shell.shows("alice: memo 0.2.0 is registered")
    shell.shows("bob: memo 0.2.0 is registered")
    path.write_text(path.read_text() + "\nnever closed(\n")
    shell.shows("alice: memo is not loaded again: .*the old one goes on.*SyntaxError")
    assert shell.process.stdin is not None
    shell.process.stdin.close()
    assert shell.process.wait(60) == 0
    assert not folder.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(bob, 0)


def test_ctrl_c_ends_all(running: tuple[Running, Path]) -> None:
    shell, _ = running
    shell.shows("Ctrl-D ends")
    folder = Path(shell.seen[0].partition("data are in ")[2].split()[0])
    shell.process.send_signal(signal.SIGINT)
    assert shell.process.wait(60) == 0
    assert not folder.exists()


def test_ctrl_d_at_the_prompt_ends_all(tmp_path: Path) -> None:
    path, *_ = write_new("memo", tmp_path / "memo")
    words = ["-m", "lnpd.cli.lnp", "plugin", "run", str(path)]
    environment = os.environ | {"PROMPT_TOOLKIT_NO_CPR": "1", "TERM": "xterm", "NO_COLOR": "1"}
    with pexpect.spawn(
        sys.executable, words, env=environment, timeout=60, dimensions=(40, 200), encoding="utf-8"
    ) as child:
        child.expect("alice>")
        for _ in range(20):  # a key that comes while a line of a log is shown is nobody's
            child.send("\x15bob info\r")
            if child.expect(["alias .*bob", pexpect.TIMEOUT], timeout=3) == 0:
                break
        for _ in range(20):
            child.sendeof()
            if child.expect([pexpect.EOF, pexpect.TIMEOUT], timeout=1) == 0:
                break
        child.wait()
        assert child.exitstatus == 0


def test_what_is_no_plugin_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x.py").write_text("raise SystemExit(5)\n")
    assert lnp.main(["plugin", "run", str(tmp_path / "x.py")]) == 1
    assert "its process ended with code 5 before it was ready" in capsys.readouterr().err
