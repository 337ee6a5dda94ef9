"""Does each task of an evening go as a person expects? The real shell in a terminal, before real daemons.

One chain and two nodes serve all tests of this file; a test makes what it needs, if it is not there yet.
"""

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lnpd.cli.exits import NOT_CONFIRMED, OK, REFUSED
from lnpd.cli.plugin.daemons import DEPTH, Daemons
from lnpd.services.plugins.alone import manifest_of
from tests.cli.shell.terminal import Terminal, terminal

pytest.importorskip("pbk")  # the embedded chain

ROOT = Path(__file__).resolve().parents[3]
HELLO = ROOT / "plugins" / "examples" / "hello.py"
KEYSEND = HELLO.with_name("keysend.py")
SECONDS = 60.0


class World:
    """The daemons, and what a test needs of them."""

    def __init__(self, folder: Path) -> None:
        self.daemons = Daemons(folder, HELLO, asyncio.run(manifest_of(HELLO)))
        self.directory = self.daemons.directory("alice")

    def ask(self, name: str, method: str, **params: Any) -> Any:
        return self.daemons.ask(name, method, **params)

    @property
    def bob(self) -> str:
        info = self.ask("bob", "info")
        return f"{info['node_id']}@{info['addresses'][0]}"

    def until(self, holds: Any, what: str) -> Any:
        end = time.monotonic() + SECONDS
        while not (found := holds()):
            assert time.monotonic() < end, what
            time.sleep(0.05)
        return found

    def usable(self) -> list[str]:
        rows = self.ask("alice", "channels"), self.ask("bob", "channels")
        normal = [{row["channel_id"] for row in each if row["state"] == "normal" and row["connected"]} for each in rows]
        return sorted(normal[0] & normal[1])

    def channel(self) -> str:
        """A channel between alice and bob."""
        if not self.usable():
            self.ask("alice", "connect", address=self.bob)
            self.ask("alice", "fund", amount_sat=3_000_000)
            self.ask("alice", "open", peer=self.bob.partition("@")[0], amount_sat=1_000_000, push_msat=100_000_000)
            self.ask("alice", "mine", blocks=DEPTH)
        return str(self.until(self.usable, "a usable channel")[0])

    def invoice(self, amount_msat: int = 21_000, name: str = "bob") -> str:
        return str(self.ask(name, "invoice", description="a cup of tea", amount_msat=amount_msat)["invoice"])


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = World(tmp_path_factory.mktemp("w"))
    try:
        made.daemons.start()
        yield made
    finally:
        made.daemons.stop()


@pytest.fixture
def shell(world: World) -> Iterator[Terminal]:
    with terminal(world.directory, rows=80) as made:
        made.prompt()
        yield made


def test_the_first_evening(world: World, shell: Terminal) -> None:
    assert "alice on regtest" in shell.text and "help lists" in shell.text
    helped = shell.does("help", "help COMMAND says more")
    assert "At the keyboard:" in helped and "Shell:" in helped and "plugin check" not in helped
    shell.does("help connect", "usage: connect", "lnp connect 0279be")
    shell.does("address", "bcrt1q")
    shell.does("fund 0.03btc", "3,000,000 sat")
    shell.until(lambda: re.search(r"3,\d{3},\d{3} on chain", shell.bar), "the bar shows the coins")
    shell.does(f"connect {world.bob}", "node id")
    shell.until(lambda: "1 peer" in shell.bar, "the bar shows the peer")


def test_a_channel_is_opened_once_it_was_confirmed(world: World, shell: Terminal) -> None:
    world.channel()
    before = len(world.ask("alice", "channels"))
    peer = world.bob[:10]
    shell.types(f"open {peer} 500000\r")
    shell.shows("channel  500,000 sat", "fee ", "total ", "Open the channel? [y/N]")
    shell.types("n\r")
    shell.shows("Not confirmed: nothing was done.")
    shell.prompt()
    assert len(world.ask("alice", "channels")) == before
    shell.types(f"open {peer} 500000\r")
    shell.until(lambda: shell.text.count("Open the channel?") == 2)
    shell.types("y\r")
    shell.shows("awaiting_ready", "channel opening: channel id ")
    shell.until(lambda: "opening " in shell.bar and f"{DEPTH} blocks" in shell.bar, "what is waited for")
    (opened,) = [row["channel_id"] for row in world.ask("alice", "channels") if row["blocks_left"] == DEPTH]
    shell.does("mine", "height")
    shell.types(f"wait {opened[:8]}\r")
    shell.shows(f"1 of {DEPTH} blocks", "██")
    world.ask("bob", "mine", blocks=DEPTH - 1)
    shell.shows(f"The channel {opened[:12]} is ready.")
    shell.until(lambda: "opening" not in shell.bar)


def test_an_invoice_is_paid_once_it_was_confirmed(world: World, shell: Terminal) -> None:
    world.channel()
    invoice = world.invoice()
    shell.does("invoice 'a biscuit' --amount-msat 7sat --qr", "lnbcrt", "7 sat", "▀" * 40)
    shell.types(f"\x0cpay {invoice}\r")
    shell.shows("amount  21 sat  a cup of tea", "fee     0 sat (at most 5 sat)", "Pay it? [y/N]")
    shell.types("\r")
    shell.shows("Not confirmed")
    shell.prompt()
    assert invoice not in [row["invoice"] for row in world.ask("bob", "invoices") if row["state"] != "open"]
    shell.types(f"pay {invoice}\r")
    shell.until(lambda: shell.text.count("Pay it?") == 2)
    shell.types("y\r")
    shell.shows("preimage", "paid 21 sat")
    shell.prompt()
    shell.does("set confirm off", "confirm is off")
    shell.does(f"pay {invoice}", "It was paid before")
    world.ask("bob", "pay", invoice=world.invoice(1_000, "alice"))
    shell.shows("received 1 sat")  # above the prompt, which is as it was
    shell.prompt()


def test_ctrl_c_ends_the_waiting_and_not_the_payment(world: World, shell: Terminal) -> None:
    world.channel()
    invoice, process = world.invoice(3_000), world.ask("bob", "info")["process"]
    os.kill(process, signal.SIGSTOP)  # bob does not answer now
    try:
        shell.types(f"pay {invoice} --yes\r")
        shell.shows("paying: ", "(Ctrl-C: wait no longer)")
        shell.types("\x03")
        shell.shows("No longer waiting. The payment goes on")
        shell.prompt()
        assert "paying" not in shell.prompt_line and "(Ctrl-C" not in shell.text
    finally:
        os.kill(process, signal.SIGCONT)
    shell.shows("paid 3 sat")


def test_ids_complete_with_what_they_are(world: World, shell: Terminal) -> None:
    channel = world.channel()
    shell.until(lambda: re.search(r"[1-9]\d* channels?", shell.bar), "what is known")
    shell.types("relay " + channel[:3] + "\t")
    shell.until(lambda: shell.prompt_line == f"alice> relay {channel[:8]}")
    shell.types("\x15pa\t")
    shell.shows("Pay an invoice; wait until", "List our last payments")
    shell.types("\x03")
    shell.until(lambda: "Pay an invoice" not in shell.text)
    shell.types("zzz")
    shell.until(lambda: shell.screen.buffer[shell.screen.cursor.y][8].fg == "red", "what is wrong is red")
    shell.types("\x15pay")
    shell.until(lambda: shell.screen.buffer[shell.screen.cursor.y][8].fg == "cyan", "what is right is not")


def test_the_screen_is_cleared(world: World, shell: Terminal) -> None:
    shell.does("help keys", "Ctrl-R")
    shell.types("clear\r")
    shell.until(lambda: "Ctrl-R" not in shell.text and shell.prompt_line == "alice>", "nothing but the prompt")


def test_a_command_is_watched(world: World, shell: Terminal) -> None:
    shell.types("watch invoices\r")
    shell.shows("any key ends")
    world.ask("alice", "invoice", description="seen at once", amount_msat=5_000)
    shell.shows("seen at once")
    shell.types("q")
    shell.prompt()
    assert "any key ends" not in shell.text and "watch invoices" in shell.text
    shell.does("watch mine", "changes nothing")


def test_a_plugins_commands_come_and_go_with_it(world: World, shell: Terminal) -> None:
    shell.until(lambda: "1 plugin" in shell.bar)
    shell.types("hel")
    shell.types("\t")
    shell.shows("Greets somebody")
    shell.types("\x15")
    shell.does("hello Ada", "Hello, Ada.")
    shell.does("plugin stop hello", "stopped")
    shell.until(lambda: "plugin" not in shell.bar.replace("1 alert", ""))
    shell.types("hello")
    shell.until(lambda: shell.screen.buffer[shell.screen.cursor.y][8].fg == "red")
    shell.types("\x15")
    shell.does("plugin start hello", "ready")
    shell.types("hello")
    shell.until(lambda: shell.screen.buffer[shell.screen.cursor.y][8].fg == "cyan")


def test_a_plugins_command_that_moves_money_is_asked_about(world: World, shell: Terminal) -> None:
    shell.does(f"plugin start {KEYSEND}", "ready")
    peer = world.bob.partition("@")[0]
    shell.types(f"keysend-send {peer} 21000\r")
    shell.shows("plugin       keysend", "amount_msat  21 sat", "fee          0 sat", "total        21 sat")
    shell.shows("Let keysend do it? [y/N]")
    shell.types("n\r")
    shell.shows("Not confirmed: nothing was done.")
    shell.prompt()
    shell.does(f"keysend-send {peer} 21000 --yes", "pay:")  # what it was not granted: it was asked
    shell.does("plugin stop keysend", "stopped")


def test_a_close_says_how_many_blocks_are_left(world: World, shell: Terminal) -> None:
    channel = world.channel()
    shell.types(f"close {channel[:8]}\r")
    shell.shows("ours ", "comes back", "Close the channel?")
    shell.types("y\r")
    shell.shows("mutual", "close agreed")
    shell.until(lambda: f"closing {channel[:6]}, 100 blocks" in shell.bar, "what is waited for")
    world.ask("bob", "mine", blocks=2)
    shell.until(lambda: f"closing {channel[:6]}, 98 blocks" in shell.bar, "two blocks less")
    shell.types(f"wait {channel[:8]}\r")
    shell.shows("2 blocks deep, 98 left")
    shell.types("\x03")
    shell.shows("No longer waiting")
    shell.prompt()


def lnp(world: World, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "lnpd.cli.lnp", "--directory", str(world.directory), *words]
    return subprocess.run(line, input=stdin, capture_output=True, text=True, timeout=60)


def test_a_script_stops_where_it_fails(world: World) -> None:
    world.channel()
    done = lnp(world, stdin=f"# an evening\n\nlnp info --json\npay {world.invoice()}  # not asked\n")
    assert (done.returncode, done.stderr) == (OK, "") and "preimage" in done.stdout
    done = lnp(world, stdin="peers\nclose ffffff\ninfo\n")
    assert done.returncode == REFUSED and "height" not in done.stdout
    assert done.stderr.splitlines() == ["lnp: No channel begins with ffffff.", "lnp: stopped at line 2: close ffffff"]
    assert "\x1b" not in done.stdout


def test_lnp_itself_asks_on_a_terminal(world: World) -> None:
    world.channel()
    invoice = world.invoice()
    with terminal(world.directory, "pay", invoice) as asked:
        asked.shows("Pay it? [y/N]")
        asked.types("n\r")
        asked.shows("nothing was done")
        assert asked.end() == NOT_CONFIRMED
    assert lnp(world, "pay", invoice).returncode == OK


@pytest.mark.parametrize("how", [{"TERM": "dumb"}, {"words": ("--plain",)}], ids=["dumb", "plain"])
def test_a_plain_shell_has_no_colours_and_moves_no_cursor(world: World, how: dict[str, Any]) -> None:
    words = how.pop("words", ())
    with terminal(world.directory, *words, **how) as plain:
        plain.prompt()
        plain.types("status\r")
        plain.shows("block ")
        plain.prompt()
        plain.types("zzz\r")
        plain.shows("There is no command 'zzz'")
        plain.prompt()
        plain.types("exit\r")
        assert plain.end() == OK
        escapes = set(re.findall(rb"\x1b[^a-zA-Z]*[a-zA-Z]", plain.raw)) - {b"\x1b[?2004h", b"\x1b[?2004l"}
        assert escapes == set(), "but for readline's pasting"


def test_without_colours_all_else_is_there(world: World) -> None:
    with terminal(world.directory, NO_COLOR="1") as grey:
        grey.prompt()
        grey.types("zzz")
        grey.until(lambda: grey.prompt_line == "alice> zzz" and "block " in grey.bar)
        assert re.search(rb"\x1b\[[0-9;]*3[0-7]m|\x1b\[[0-9;]*38;", grey.raw) is None
