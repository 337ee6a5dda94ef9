"""Does `lnpd` say in one line why it does not start, and begin and end a node in order?"""

import asyncio
import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable
from pathlib import Path

import pytest

from lnpd import errors
from lnpd.cli import daemon
from lnpd.cli.exits import LNPD_EXITS, daemon_exit_of
from lnpd.config import Config
from lnpd.services.rpc.api import Backend
from tests.services.rpc.small_node import NODE_ID, SmallNode

WORDS = "abandon " * 11 + "about"


def lnpd(*words: object, stdin: str = "") -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "lnpd", *map(str, words)]
    return subprocess.run(line, input=stdin, capture_output=True, text=True, timeout=60)


REFUSED: dict[str, tuple[list[str], int, str]] = {
    "no seed yet": ([], 14, "make one with `lnpd init`"),
    "unknown plugin": (["--plugin", "/nowhere/lockbox.py"], 17, "There is no plugin at /nowhere/lockbox.py"),
    "unknown option": (["--bogus"], 2, "--bogus"),
    "developer's option": (["--dev-seed", "00" * 16], 2, "needs --developer"),
    "other network": (["--network", "testnet", "--chain-process"], 2, "--network regtest"),
    "no bitcoind": (["--bitcoind-directory", "/nowhere"], 19, "There is no bitcoind for regtest in /nowhere"),
    "no URL": (["--bitcoind", "ftp://alice:hunter2@h"], 2, "http://[USER:PASSWORD@]HOST[:PORT] or auto, and this is"),
    "a word that is no program": (["initialise"], 2, "initialise"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_keeps_it_from_starting_is_one_line_and_a_code(tmp_path: Path, case: str) -> None:
    words, code, sentence = REFUSED[case]
    done = lnpd(*words, "--directory", tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (code, 1), done.stderr
    assert done.stderr.startswith("lnpd: ") and sentence in done.stderr and done.stdout == ""


def test_without_a_terminal_an_encrypted_seed_needs_a_passphrase_file(tmp_path: Path) -> None:
    (tmp_path / "seed").touch(0o600)
    done = lnpd("--directory", tmp_path)
    assert done.returncode == 13 and "--passphrase-file" in done.stderr and done.stderr.count("\n") == 1


def test_help_prints_every_option_and_exit_code() -> None:
    done = lnpd("--help")
    assert done.returncode == 0
    assert "--dev-accept-without-channel-type" in done.stdout
    for code, (meaning, _) in LNPD_EXITS.items():
        assert f"{code:>3}  {meaning}" in done.stdout
    for program in ("init", "regtest"):
        assert "--dev-seed" not in lnpd(program, "--help").stdout


EXITS: list[tuple[errors.LnpdError, int]] = [
    (errors.DirectoryInUse("x"), 10),
    (errors.CorruptDatabase("x"), 11),
    (errors.NewerDatabase("x"), 12),
    (errors.WrongPassphrase("x"), 13),
    (errors.SeedFileMissing("x"), 14),
    (errors.ListenRefused("x"), 15),
    (errors.WrongNetwork("x"), 16),
    (errors.ChainIsAnother("x"), 16),
    (errors.LoginRefused("x"), 19),
    (errors.PluginNotFound("x"), 17),
    (errors.SeedFileExists("x"), 18),
    (errors.KernelUnusable("x"), 19),
    (errors.ChainLocked("x"), 10),
    (errors.SignerRefused("rule", "x"), 1),
]


@pytest.mark.parametrize(("error", "code"), EXITS, ids=lambda value: type(value).__name__)
def test_each_reason_has_its_exit_code(error: errors.LnpdError, code: int) -> None:
    assert daemon_exit_of(error) == code


def test_an_error_stands_in_one_row() -> None:
    kinds = [kind for _, kinds in LNPD_EXITS.values() for kind in kinds]
    assert len(kinds) == len(set(kinds))


class Node:
    """A Running node that takes note of what is done with it."""

    def __init__(self, fails: errors.LnpdError | None = None, breaks: errors.LnpdError | None = None) -> None:
        self.small = SmallNode()
        self.fails, self.breaks = fails, breaks
        self.story: list[str] = []
        self.starting = asyncio.Event()
        self.begin = asyncio.Event()
        self.begin.set()

    @property
    def api(self) -> Backend:
        return self.small

    async def start(self) -> None:
        self.story.append("start")
        self.starting.set()
        await self.begin.wait()
        if self.fails:
            raise self.fails
        self.story.append("started")

    @property
    def ended(self) -> Awaitable[None]:
        return self._end()

    async def _end(self) -> None:
        if self.breaks:
            raise self.breaks
        await self.small.stopped.wait()

    async def stop(self) -> None:
        self.story.append("stop")


def live(node: Node, monkeypatch: pytest.MonkeyPatch, during: str = "", as_json: bool = False) -> int:
    """Runs the daemon's life with this node; `during` says what happens once it starts or has started."""
    monkeypatch.setattr(daemon, "make_node", lambda config, passphrase: node)

    async def scenario() -> int:
        life = asyncio.create_task(daemon.live(Config(directory=Path("/tmp/none")), None, as_json))
        await node.starting.wait()
        if during == "lnp stop":
            await node.small.stop()
        elif during:
            os.kill(os.getpid(), signal.Signals[during])
        return await life

    return asyncio.run(scenario())


@pytest.mark.parametrize("how", ["SIGTERM", "SIGINT", "lnp stop"])
def test_it_says_when_it_is_ready_and_ends_as_asked(
    how: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    node = Node()
    assert live(node, monkeypatch, how) == 0
    assert node.story == ["start", "started", "stop"]
    assert capsys.readouterr().out == f"lnpd is ready: {NODE_ID} at 127.0.0.1:9735\n"


def test_a_program_is_told_in_json_when_it_is_ready(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert live(Node(), monkeypatch, "lnp stop", as_json=True) == 0
    assert json.loads(capsys.readouterr().out) == {"node_id": NODE_ID, "addresses": ["127.0.0.1:9735"]}


def test_a_signal_while_it_starts_ends_it(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    node = Node()
    node.begin.clear()
    assert live(node, monkeypatch, "SIGTERM") == 130
    assert node.story == ["start", "stop"] and capsys.readouterr().out == ""


def test_what_a_node_cannot_go_on_with_is_told_after_it_was_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    node = Node(breaks=errors.StoreHalted("The disk is full."))
    with pytest.raises(errors.StoreHalted):
        live(node, monkeypatch)
    assert node.story == ["start", "started", "stop"]


def test_a_node_that_does_not_start_is_not_stopped_and_its_reason_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    node = Node(fails=errors.WrongNetwork("Another chain."))
    with pytest.raises(errors.WrongNetwork):
        live(node, monkeypatch)
    assert node.story == ["start"]


def test_a_defect_is_one_line_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(config: Config, passphrase: str | None) -> None:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr(daemon, "make_node", broken)
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    words = ["--directory", str(tmp_path), "--developer", "--dev-seed", "00" * 16]
    assert daemon.main(words) == 1
    assert capsys.readouterr().err == "lnpd: failed in a way of its own, ZeroDivisionError: division by zero\n"
