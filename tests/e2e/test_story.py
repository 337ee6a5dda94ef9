"""Does `make run` show what it promises, end well without a terminal and with one, and leave nothing behind?"""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pexpect
import pytest

from contrib.story import __main__ as program
from contrib.story import chapters
from contrib.story.processes import lives
from contrib.story.telling import StoryFailed, agree, shortened, wait

ROOT = Path(__file__).resolve().parents[2]
WORDS = [sys.executable, "-m", "contrib.story"]
SECONDS = 100.0  # the promise is 120, on two cores that the other tests share
TXID = r"[0-9a-f]{64}"

# What a stranger has to see, in this order.
LINES = (
    r"chain +process \d+, height 101",
    rf"alice +process \d+, node id 0[23]{TXID}",
    r"its plugin lockbox: process \d+",
    rf"the faucet pays 2,000,000 sat to bcrt1q\w+: {TXID}:\d",
    rf"funding output {TXID}:\d",
    r"the channel is active on both sides",
    r"alice paid bob 250,000 sat",
    r"bob paid alice 40,000 sat",
    r"alice 790,000 sat, bob 210,000 sat",
    rf"in alice's commitment transaction: {TXID}:\d",
    r"25,000 sat, provider lockbox, kind box, script 0020[0-9a-f]{64}",
    rf"in bob's commitment transaction: {TXID}:\d",
    r"processes \d+ \(alice's\) and \d+ \(bob's\) agree to the byte",
    r"alice has signed bob's commitment \d+ with the HTLC; the payment is pending",
    r"box +25,000 sat +lockbox \(plugin\)",
    r"received_htlc +30,000 sat +htlc",
    r"kill -9 \d+; bob's plugin process \d+ ended by itself",
    r"alice paid bob 30,000 sat",
    r"alice 760,000 sat, bob 240,000 sat",
    r"refused: .*lockbox: 1 open, with 25000 sat",
    rf"closing transaction {TXID}",
    r"in  faucet +2,000,000 sat",
    r"out bob's wallet +265,000 sat",
    r"sum out +2,000,000 sat",
    r"nothing is missing",
)


def find_in_order(patterns: tuple[str, ...], text: str) -> None:
    """Fails with the first pattern that is not in the text after the one before it."""
    at = 0
    for pattern in patterns:
        found = re.compile(pattern).search(text, at)
        assert found, f"{pattern!r} is not in what is left of the story:\n{text[at:]}"
        at = found.end()


def processes_of(folder: str) -> list[str]:
    """The command lines of the running processes that name a folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if folder in words:
            found.append(words)
    return found


def nothing_left(text: str) -> None:
    """Of the processes and the folder that a story named."""
    found = re.search(r"Everything is in (\S+) ", text)
    assert found, text
    wait("the end of every process", lambda: not processes_of(found[1]), 5)
    plugins = [int(pid) for pid in re.findall(r"plugin lockbox: process (\d+)", text)]
    wait("the end of every plugin", lambda: not any(map(lives, plugins)), 5)
    assert not Path(found[1]).exists()


def test_it_is_told_to_its_end_without_a_terminal() -> None:
    began = time.monotonic()
    told = subprocess.run(WORDS, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SECONDS)
    print(told.stdout)
    assert (told.returncode, told.stderr) == (0, "")
    find_in_order(LINES, told.stdout)
    assert len(re.findall(r"\(took \d+\.\d\d s\)", told.stdout)) == 7
    assert time.monotonic() - began < SECONDS
    nothing_left(told.stdout)


def test_on_a_terminal_the_shell_is_ours_and_then_all_ends() -> None:
    env = os.environ | {"PROMPT_TOOLKIT_NO_CPR": "1", "TERM": "xterm-256color", "LANG": "C.UTF-8", "NO_COLOR": "1"}
    child = pexpect.spawn(WORDS[0], WORDS[1:], cwd=str(ROOT), env=env, dimensions=(40, 200), timeout=SECONDS)
    child.expect_exact("Tab completes, help lists, Ctrl-D ends.")
    told = (child.before or b"").decode()
    child.expect_exact("alice>")
    child.send("funds\r")
    child.expect("confirmed +1,731,[0-9]{3} sat")
    child.expect_exact("alice>")
    child.sendintr()  # the shell's own, and no end of the story
    child.expect_exact("alice>")
    child.send("peers\r")
    child.expect("yes +127.0.0.1:[0-9]+")
    child.expect_exact("alice>")
    child.sendeof()
    child.expect_exact("All processes are stopped; the folder is removed.")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0
    nothing_left(told)


@pytest.mark.parametrize(
    ("number", "moment"),
    [(signal.SIGINT, "$ lnpd --directory"), (signal.SIGTERM, "$ lnp open"), (signal.SIGINT, "is paused")],
)
def test_a_signal_at_any_moment_stops_all_processes(number: signal.Signals, moment: str) -> None:
    told = subprocess.Popen(WORDS, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            text=True)  # fmt: skip
    assert told.stdout is not None
    text = ""
    for line in told.stdout:
        text += line
        if moment in line:
            break
    told.send_signal(number)
    rest, complaint = told.communicate(timeout=60)
    assert (told.returncode, complaint.strip()) == (130, "Interrupted."), text + rest + complaint
    nothing_left(text + rest)


# What the story finds wrong: what is changed, and what it says.
WRONG: dict[str, tuple[str, object, str]] = {
    "a plugin that is not there": (
        "PLUGIN",
        Path("no/such/plugin.py"),
        "alice ended with status 17 before it was ready",
    ),
    "an amount that is not what was opened": ("BOX_SAT", 100, "between both sides' dust limits"),
    "less coins than the channel takes": ("COINS_SAT", 900_000, "was refused"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_failure_is_told_with_the_logs_and_ends_with_1(
    case: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tell: Callable[[], int]
) -> None:
    name, value, says = WRONG[case]
    monkeypatch.setattr(chapters, name, value)
    assert tell() == 1
    told, complaint = capsys.readouterr()
    assert "The story failed: " in complaint and says in complaint
    assert "The last lines of chain.log:\n  The regtest chain answers at" in complaint
    nothing_left(told)


def test_a_satoshi_too_few_is_a_failure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tell: Callable[[], int]
) -> None:
    honest = chapters.Ledger.unspent_sat

    def short(ledger: chapters.Ledger, outpoint: str) -> int:
        amount_sat = honest(ledger, outpoint)
        return amount_sat - (amount_sat != chapters.CAPACITY_SAT)

    monkeypatch.setattr(chapters.Ledger, "unspent_sat", short)
    assert tell() == 1
    told, complaint = capsys.readouterr()
    assert re.search(rf"the coin {TXID}:\d, on chain and in the wallet: \d+ and \d+ differ", complaint)
    nothing_left(told)


@pytest.fixture
def tell(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """The story in this process; signals are as before when it is over."""
    before = {number: signal.getsignal(number) for number in program.ENDING_SIGNALS}
    monkeypatch.setattr(sys, "argv", ["story", "--no-shell"])

    def told() -> int:
        try:
            return program.main()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    return told


def test_a_wait_and_a_difference_name_themselves() -> None:
    with pytest.raises(StoryFailed, match="never: a cow that flies"):
        wait("a cow that flies", lambda: False, 0.05)
    with pytest.raises(StoryFailed, match="weights: 1 and 2 differ"):
        agree("weights", 1, 2)
    agree("weights", 1, 1)
    assert shortened(f"open {'0a' * 33} 5") == "open 0a0a0a0a0a0a… 5"
    assert shortened("bob 1000000") == "bob 1000000"
