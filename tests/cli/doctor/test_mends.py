"""Is a finding gone once its command was done? For each command that a check from the outside may name.

Each case makes something wrong with a directory as a node leaves it. What can be done here is done: by a shell, by
lnpd's programs in this process; of a line that starts the node it is looked at what it starts. The rest says why not.
"""

import asyncio
import fcntl
import io
import os
import shlex
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

from lnpd.cli import daemon, started
from lnpd.cli.doctor import room
from lnpd.cli.doctor.of_start import CHECKOUT
from lnpd.cli.doctor.outside import Outside, Room, seen
from lnpd.cli.doctor.room import CACHES
from lnpd.cli.doctor.run import LOCAL_CHECKS, _for
from lnpd.rpc.answers import Finding, Info
from lnpd.services.doctor.check import found_by
from lnpd.store.database import DATABASE_NAME
from lnpd.store.directory import LOCK_NAME
from lnpd.store.store import Store
from lnpd.testing import free_port
from tests.cli.doctor.commands import asked, is_of, is_real, meant, starts

WORDS = "abandon " * 11 + "about"
INFO = Info("02" + "a1" * 32, "alice", "regtest", "0.0.1", 1, 1, "", 253, 0, 0, ("127.0.0.1:1",), (), (), 1, "/")
ROOT_ALONE, NETWORK, A_PERSON = "root's", "another machine's", "a person's"


class Place:
    """A node's directory, and the doctor's own options. `more` are fields of what it sees."""

    def __init__(self, folder: Path, stack: ExitStack, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.path, self.stack, self.monkeypatch = folder, folder / "node", stack, monkeypatch
        self.given = {"--directory": str(self.path)}
        self.more: dict[str, Any] = {}
        self.path.mkdir()
        Store.open(self.path, "regtest").close_sync()
        (self.path / "seed").write_text("{}")
        self.was_started()

    def was_started(self, *words: str) -> None:
        """As lnpd itself keeps it."""
        started.write(started.config_of(["lnpd", "--listen", "none", *words, "--directory", str(self.path)]))

    def looked_at(self) -> Outside:
        return replace(seen(self.given, None), **self.more)

    def listens(self, port: int = 0) -> int:
        server = self.stack.enter_context(socket.create_server(("127.0.0.1", port)))
        return int(server.getsockname()[1])


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME", *(each for each in os.environ if each.startswith("LNPD_"))):
        monkeypatch.delenv(name, raising=False)
    old = os.umask(0o077)
    try:
        with ExitStack() as stack:
            yield Place(tmp_path, stack, monkeypatch)
    finally:
        os.umask(old)


# --- what is made wrong


def no_directory(place: Place) -> None:
    place.given["--directory"] = str(place.folder / "new")


def a_file(place: Place) -> None:
    place.given["--directory"] = str(place.folder / "file")
    (place.folder / "file").write_text("")


def anothers(place: Place) -> None:
    place.monkeypatch.setattr(os, "getuid", lambda: 4711)


def open_to(mode: int, name: str = "") -> Callable[[Place], None]:
    return lambda place: (place.path / name).chmod(mode)


def no_seed(place: Place) -> None:
    (place.path / "seed").unlink()


def nothing_in_it(place: Place) -> None:
    no_seed(place)
    (place.path / DATABASE_NAME).unlink()


def full_but_for_logs(place: Place) -> None:
    """A disk of 3 MiB, on which nothing is but the directory: its own statvfs counts the files."""
    place.was_started("--log-file", "lnpd.log")
    for number in (1, 2):
        (place.path / f"lnpd.log.{number}").write_bytes(bytes(1 << 20))

    def statvfs(folder: Path) -> os.statvfs_result:
        used = sum(path.stat().st_size for path in place.path.glob("lnpd.log*"))
        return os.statvfs_result((1, 1, 3 << 20, (3 << 20) - used, (3 << 20) - used, 1, 1 << 20, 1 << 20, 0, 255))

    place.monkeypatch.setattr(room, "CACHES", ())
    place.more = {"statvfs": statvfs, "room": Room(1, 2 << 20, 0)}


def full_of_other_things(place: Place) -> None:
    place.more = {"room": Room(1 << 60, 1 << 60, 0)}


def small_files(place: Place) -> None:
    place.more = {"statvfs": lambda _: os.statvfs_result((1, 1, 1 << 50, 1 << 50, 1 << 50, 9, 9, 9, 0, 255))}


def no_folder_for_the_backup(place: Place) -> None:
    place.was_started("--backup-file", str(place.folder / "usb" / "channels.backup"))


def held_by_somebody(place: Place) -> None:
    lock = os.open(place.path / LOCK_NAME, os.O_RDWR | os.O_CREAT)
    fcntl.flock(lock, fcntl.LOCK_EX)
    holder = subprocess.Popen(["sleep", "600"], pass_fds=(lock,))
    os.pwrite(lock, f"{holder.pid}\n".encode(), 0)
    os.close(lock)
    place.stack.callback(holder.wait)
    place.stack.callback(holder.kill)


def of_an_older_version(place: Place) -> None:
    place.more = {"info": INFO}


def options(*words: str) -> Callable[[Place], None]:
    return lambda place: place.was_started(*(word.format(place.folder) for word in words))


def a_file_of_options(text: str, mode: int = 0o600) -> Callable[[Place], None]:
    def break_it(place: Place) -> None:
        file = place.folder / "config.toml"
        file.write_text(text)
        file.chmod(mode)
        place.given["--config"] = str(file)
        place.monkeypatch.setenv("EDITOR", str(place.folder / "editor"))
        (place.folder / "editor").write_text('#!/bin/sh\ntest "$1" = +2 && sed -i "s/alais/alias/" "$2"\n')
        (place.folder / "editor").chmod(0o700)

    return break_it


def a_misspelt_variable(place: Place) -> None:
    place.monkeypatch.setenv("LNPD_ALAIS", "x")


def two_chains(place: Place) -> None:
    place.monkeypatch.setenv("LNPD_BITCOIND", "auto")
    place.monkeypatch.setenv("LNPD_CHAIN", "ipc:///tmp/none")


def of_another_network(place: Place) -> None:
    place.was_started("--network", "testnet", "--electrum", f"tcp://127.0.0.1:{place.listens()}")


def a_newer_ones(place: Place) -> None:
    with sqlite3.connect(place.path / DATABASE_NAME) as connection:
        connection.execute("UPDATE header SET schema_version = 99")
    connection.close()


def of_tomorrow(place: Place) -> None:
    os.utime(place.path / DATABASE_NAME, (4e9, 4e9))


def damaged(place: Place) -> None:
    (place.path / DATABASE_NAME).write_bytes(b"no database " * 1000)


def a_port_of_anothers(place: Place) -> None:
    place.was_started("--listen", f"127.0.0.1:{place.listens(free_port())}")


def one_silent_server(place: Place) -> None:
    place.was_started("--electrum", f"tcp://127.0.0.1:{place.listens()}", "--electrum", "tcp://127.0.0.1:1")


def complained(place: Place) -> None:
    place.was_started("--log-file", "lnpd.log")
    (place.path / "lnpd.log").write_text("12:00:00 ERROR   lnpd.node: the disk is full\n")


# --- what is done about it


def by_a_shell(place: Place, command: str) -> None:
    subprocess.run(["bash", "-c", command], check=True, timeout=60, capture_output=True)


def by_lnpd(place: Place, command: str) -> None:
    place.monkeypatch.setenv("LNPD_PLAIN_SEED", "true")
    place.monkeypatch.setattr(sys, "stdin", io.StringIO(WORDS + "\n"))
    words = shlex.split(command)
    assert words[0] == "lnpd" and daemon.main(words[1:]) == 0
    place.monkeypatch.delenv("LNPD_PLAIN_SEED")


def by_starting(place: Place, command: str) -> None:
    """The node is started with the line that is named, ends again, and is looked at by nothing but its directory."""
    config = meant(starts(command))
    config.directory.mkdir(exist_ok=True)
    started.write(config)
    place.given, place.more = {"--directory": str(config.directory)}, {}


def by_a_variable(place: Place, command: str) -> None:
    program, name = shlex.split(command)
    assert program == "unset"
    place.monkeypatch.delenv(name)


def by_a_chain(place: Place, command: str) -> None:
    """Somebody listens where `lnpd regtest` would."""
    words = shlex.split(command)
    path = words[words.index("--endpoint") + 1].removeprefix("ipc://")
    place.stack.enter_context(socket.socket(socket.AF_UNIX)).bind(path)
    listener = place.stack.enter_context(socket.socket(socket.AF_UNIX))
    os.unlink(path)
    listener.bind(path)
    listener.listen()


class Case(NamedTuple):
    """What is wrong, and what mends it: somebody who does, or why nobody here can."""

    check: str
    row: str
    severity: str
    words: str
    breaks: Callable[[Place], None]
    mends: Callable[[Place, str], None] | str


CASES: Final[dict[str, Case]] = {
    "no directory": Case("directory", "lnpd init", "danger", "no data directory", no_directory, by_lnpd),
    "a file": Case("directory", "LNPD", "danger", "is no directory", a_file, by_starting),
    "anothers": Case("directory", "chown USER FILE", "danger", "another user's", anothers, ROOT_ALONE),
    "open": Case("directory", "chmod 700 FILE", "warning", "others can look into", open_to(0o755), by_a_shell),
    "no seed": Case("seed", "lnpd init", "danger", "has no seed yet", nothing_in_it, by_lnpd),
    "lost seed": Case("seed", "lnpd init --words", "danger", "a database and no seed", no_seed, by_lnpd),
    "open seed": Case("seed", "chmod 600 FILE", "danger", "can read the seed", open_to(0o644, "seed"), by_a_shell),
    "open database": Case(
        "private", "chmod 600 FILE", "warning", "others can read", open_to(0o640, DATABASE_NAME), by_a_shell
    ),
    "open folder": Case(
        "private", "chmod 700 FILE", "warning", "others can read",
        lambda place: (place.path / "run").mkdir() or (place.path / "run").chmod(0o755), by_a_shell,  # type: ignore[func-returns-value]
    ),
    "full of logs": Case("disk", "rm FILES", "warning", "this gives back 2 MiB", full_but_for_logs, by_a_shell),
    "full": Case(
        "disk", "find FOLDER -xdev -type f -size +50M -exec ls -lhS {} +", "danger", "delete or move",
        full_of_other_things, A_PERSON,
    ),
    "many files": Case(
        "disk", "du --inodes -xS FOLDER | sort -n | tail -20", "danger", "room for 9 files", small_files, A_PERSON
    ),
    "no folder": Case("disk", "mkdir -p FILE", "danger", "is not there", no_folder_for_the_backup, by_a_shell),
    "it does not run": Case("process", "LNPD", "warning", "no lnpd runs", options("--alias", "a b"), "it would run"),
    "it hangs": Case("process", "kill PROCESS", "warning", "is not to be asked", held_by_somebody, by_a_shell),
    "it is old": Case(
        "process", "lnp stop && LNPD", "hint", "lnpd 0.0.1 runs, and", of_an_older_version, by_starting
    ),
    "a wrong key": Case(
        "configuration", '"${EDITOR:-nano}" LINE FILE', "danger", "alias",
        a_file_of_options("# mine\nalais = 'a'\n"), by_a_shell,
    ),
    "an open password": Case(
        "configuration", "chmod 600 FILE", "danger", "others may read the file",
        a_file_of_options("bitcoind = 'http://u:p@127.0.0.1:1'\n", 0o644), by_a_shell,
    ),
    "a wrong variable": Case(
        "configuration", "unset VARIABLE", "danger", "no variable LNPD_ALAIS", a_misspelt_variable, by_a_variable
    ),
    "two chains": Case("configuration", "LNPD --check-config", "danger", "refused", two_chains, A_PERSON),
    "a lost plugin": Case(
        "configuration", "LNPD", "danger", "there is no plugin at",
        options("--plugin", "{}/gone.py", "--plugin", f"{CHECKOUT}/plugins/note.py"), by_starting,
    ),
    "another network": Case("stored", "LNPD", "danger", "is of the network regtest", of_another_network, by_starting),
    "a newer one's": Case(
        "stored", "git -C CHECKOUT pull && make -C CHECKOUT setup", "danger", "a newer lnpd", a_newer_ones, NETWORK
    ),
    "tomorrow's": Case("stored", "timedatectl set-ntp true", "warning", "clock went back", of_tomorrow, ROOT_ALONE),
    "damaged": Case("stored", "lnpd check", "danger", "is damaged", damaged, A_PERSON),
    "nobody answers": Case(
        "listening", "lnp listen ADDRESS", "danger", "nobody answers at", of_an_older_version, "a node's that runs"
    ),
    "a taken port": Case("listening", "LNPD", "danger", "cannot be listened at", a_port_of_anothers, by_starting),
    "no bitcoind": Case(
        "reachable", "bitcoind CHAIN -daemon", "danger", "bitcoind", options("--bitcoind", "http://u:p@127.0.0.1:1"),
        "bitcoind's",
    ),
    "a silent server": Case("reachable", "LNPD", "warning", "nobody answers at", one_silent_server, by_starting),
    "no chain": Case(
        "reachable", "lnpd regtest WHERE", "danger", "no chain answers", options("--chain", "ipc://{}/chain.sock"),
        by_a_chain,
    ),
    "last words": Case("last words", "tail -n 100 FILE", "hint", "the disk is full", complained, A_PERSON),
}  # fmt: skip


def found(place: Place, case: Case) -> tuple[Finding, ...]:
    """What the case's check says of it, with commands as `lnp doctor` shows them."""
    (row,) = (each for each in LOCAL_CHECKS if each.name == case.check)
    outside = place.looked_at()
    rows = asyncio.run(found_by([row], outside))
    hits = [each for each in rows if each.severity == case.severity and case.words.lower() in each.text.lower()]
    for each in hits:
        assert any(is_of(each.command, command) for command in row.mends), each
    return tuple(Finding(each.check, each.severity, each.text, _for(outside, each.command)) for each in hits)


@pytest.mark.parametrize("name", CASES)
def test_what_is_wrong_is_mended_by_the_command_that_is_named(place: Place, name: str) -> None:
    case = CASES[name]
    case.breaks(place)
    hits = found(place, case)
    assert hits, f"{case.check} finds nothing"
    is_real(hits[0].command)
    if callable(case.mends):
        case.mends(place, hits[0].command)
        assert not found(place, case)


def test_each_command_of_each_check_has_a_case() -> None:
    rows = {(check.name, command) for check in LOCAL_CHECKS for command in check.mends}
    assert rows - {(case.check, case.row) for case in CASES.values()} == {("disk", command) for _, command, _ in CACHES}


def test_a_node_is_started_as_it_was(place: Place) -> None:
    place.monkeypatch.chdir(CHECKOUT)
    place.monkeypatch.setenv("LNPD_LOG_LEVELS", "peers=debug chain=error")
    place.monkeypatch.setenv("LNPD_BITCOIND", "http://user:hunter2@127.0.0.1:18443")
    place.was_started(
        "--alias", "it's me", "--plugin", "plugins/note.py", "--grant", "./plugins/note.py=updates:0", "--plain-seed",
        "--bitcoind", "http://user:hunter3@127.0.0.1:18443", "--option", "note.key=hunter4",
    )  # fmt: skip
    before = started.read(place.path)
    line = place.looked_at().lnpd
    assert "hunter" not in line + (place.path / started.NAME).read_text() and before is not None
    place.monkeypatch.delenv("LNPD_LOG_LEVELS")
    place.monkeypatch.chdir("/")
    again = meant(line)
    assert again.plugin_options == (("note", "key", "VALUE"),), "it may be a secret"
    assert again.alias == "it's me" and again.plugins == (CHECKOUT / "plugins" / "note.py",)
    assert again.grants == ((str(CHECKOUT / "plugins" / "note.py"), "updates:0"),)
    assert again.log_levels == before.log_levels != () and again.plain_seed
    assert again.bitcoind is not None and "hunter2" in again.bitcoind.word, "a typed password is in its variable"


def test_a_newer_lnpd_comes_from_the_checkout() -> None:
    assert (CHECKOUT / "contrib" / "setup").is_file() and "\nsetup:" in (CHECKOUT / "Makefile").read_text()


def test_a_listening_address_is_one_of_the_command() -> None:
    command, params = asked("lnp listen 127.0.0.1:9735")
    assert (command.method, params) == ("listen", {"address": "127.0.0.1:9735"})


@pytest.mark.parametrize("text", ["", "lnpd\0", "rm -rf / lnpd", "x" * 70_000, "lnpd 'open", "LNPD_ALIAS=a no program"])
def test_a_line_that_is_none_is_not_believed(place: Place, text: str) -> None:
    (place.path / started.NAME).write_text(text)
    assert place.looked_at().lnpd == f"lnpd --directory {place.path}" or place.looked_at().refusal
