"""Does the doctor find, from the outside, what is made wrong with a node's files and with its start?"""

import asyncio
import json
import os
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lnpd.cli.doctor.outside import Outside, Room, seen
from lnpd.cli.doctor.run import LOCAL_CHECKS, diagnosis, lines
from lnpd.cli.exits import OK, WRONG
from lnpd.config import Address, Config
from lnpd.config.listing import settings
from lnpd.rpc.answers import SEVERITIES, Finding
from lnpd.services.doctor.check import found_by
from lnpd.store.database import DATABASE_NAME
from lnpd.store.directory import DirectoryLock
from lnpd.store.store import Store
from tests.cli.doctor.commands import is_of, is_real
from tests.services.rpc.small_node import in_thread


def outside(directory: Path, room: Room | None = None, **options: Any) -> Outside:  # Any: whatever Config takes
    """A node that does not run, with this configuration."""
    config = Config(directory=directory, listen=(), **options)
    return Outside(directory, {row.key: row for row in settings(config)}, config, room=room or Room())


def finds(of: Outside, check: str, severity: str, words: str) -> None:
    """One check finds this, and names one of its commands."""
    (row,) = (each for each in LOCAL_CHECKS if each.name == check)
    found = asyncio.run(found_by([row], of))
    hits = [each for each in found if each.severity == severity and words.lower() in each.text.lower()]
    assert hits, f"{check} does not say {words!r}, but {found}"
    for each in hits:
        assert severity == "ok" or any(is_of(each.command, command) for command in row.mends), each
        assert severity == "ok" or is_real(each.command) is None


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """A directory as a node leaves it."""
    directory = tmp_path / "node"
    old = os.umask(0o077)
    try:
        directory.mkdir()
        Store.open(directory, "regtest").close_sync()
        (directory / "seed").write_text("{}")
        yield directory
    finally:
        os.umask(old)


def test_a_directory_that_is_as_it_should_be(place: Path) -> None:
    found = diagnosis(outside(place))
    wrong = [each for each in found if each.severity != "ok"]
    assert [(each.check, each.severity) for each in wrong] == [("process", "warning")], found
    assert wrong[0].command == f"lnpd --directory {place}"


def test_files_that_others_can_read(place: Path, tmp_path: Path) -> None:
    finds(outside(tmp_path / "none"), "directory", "danger", "there is no data directory")
    place.chmod(0o755)
    finds(outside(place), "directory", "warning", "others can look into")
    (place / "seed").chmod(0o644)
    finds(outside(place), "seed", "danger", "others can read the seed file")
    (place / "seed").unlink()
    finds(outside(place), "seed", "danger", "has a database and no seed")
    (place / DATABASE_NAME).chmod(0o640)
    finds(outside(place), "private", "warning", f"others can read {place / DATABASE_NAME}")
    for name in ("passphrase", "backup"):
        (tmp_path / name).write_text("correct horse\n")
        (tmp_path / name).chmod(0o644)
    finds(outside(place, passphrase_file=tmp_path / "passphrase"), "private", "danger", "the file of the passphrase")
    finds(outside(place, backup_file=tmp_path / "backup"), "private", "hint", "which is sealed")


def test_a_socket_that_others_can_use(place: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(place / "rpc.sock"))
        (place / "rpc.sock").chmod(0o666)
        finds(outside(place), "private", "danger", "others can ask the node anything")
    finds(outside(place), "process", "warning", "a socket of its last life is left")


def test_a_configuration_that_is_refused(place: Path, tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text('bitcoind = "http://user:hunter2@127.0.0.1:18443"\n')
    file.chmod(0o644)
    given = {"--config": str(file), "--directory": str(place)}
    finds(seen(given, None), "configuration", "danger", "others may read the file")
    assert any(each.command == f"chmod 600 {file}" for each in diagnosis(seen(given, None)))
    file.chmod(0o600)
    finds(seen(given, None), "configuration", "ok", "accepted")
    finds(seen(given, None), "reachable", "danger", "bitcoind")
    file.write_text("alais = 'a'\n")
    finds(seen(given, None), "configuration", "danger", "alias")
    finds(outside(place, plugins=(tmp_path / "gone.py",)), "configuration", "danger", "there is no plugin at")


def test_a_full_disk(place: Path, tmp_path: Path) -> None:
    state = os.statvfs(place)
    free = state.f_bavail * state.f_frsize
    finds(outside(place, Room(warning_bytes=2 * free)), "disk", "warning", "MiB left")
    finds(outside(place, Room(2 * free, 2 * free)), "disk", "danger", "MiB left")
    if state.f_files:
        finds(outside(place, Room(least_files=2 * state.f_favail)), "disk", "danger", "files")
    gone = outside(place, backup_file=tmp_path / "usb" / "channels.backup")
    finds(gone, "disk", "danger", "is not there")


def test_a_lock_that_is_held(place: Path) -> None:
    lock = DirectoryLock(place)
    finds(outside(place), "process", "warning", f"process {os.getpid()} has the directory")
    lock.release()
    finds(outside(place), "process", "warning", "no lnpd runs")


def test_a_database_that_cannot_be_used(place: Path) -> None:
    path = place / DATABASE_NAME
    finds(outside(place, network="testnet"), "stored", "danger", "is of the network regtest")
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE header SET schema_version = 99")
    connection.close()
    finds(outside(place), "stored", "danger", "a newer lnpd wrote the database")
    os.utime(path, (4e9, 4e9))
    finds(outside(place), "stored", "warning", "the clock went back")
    path.write_bytes(b"no database " * 1000)
    finds(outside(place), "stored", "danger", "is damaged")


def test_a_port_that_is_taken(place: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        config = Config(directory=place, listen=(Address("127.0.0.1", port),))
        finds(Outside(place, {}, config), "listening", "danger", f"by process {os.getpid()}")


def test_a_chain_that_does_not_answer(place: Path) -> None:
    finds(outside(place, chain=f"ipc://{place}/chain.sock"), "reachable", "danger", "no chain answers")
    finds(outside(place, electrum=("tcp://127.0.0.1:1",)), "reachable", "danger", "nobody answers at the Electrum")


def test_the_last_words_of_a_node(place: Path) -> None:
    (place / "lnpd.log").write_text("12:00:00 ERROR   lnpd.node: the node stops: the disk is full\n12:00:01 INFO bye\n")
    finds(outside(place, log_file="lnpd.log"), "last words", "hint", "the disk is full")
    (place / "lnpd.log").write_text("12:00:01 INFO bye\n")
    finds(outside(place, log_file="lnpd.log"), "last words", "ok", "INFO bye")


def test_a_node_that_runs_is_asked_too(tmp_path: Path) -> None:
    with in_thread(tmp_path):
        tmp_path.chmod(0o700)
        done = doctor(tmp_path, "--json")
        found = json.loads(done.stdout)
        assert {each["check"] for each in found} >= {"process", "disk", "peers", "clock"}
        assert done.returncode == WRONG  # nobody listens where the small node says that it does
        assert [each["severity"] for each in found] == sorted((e["severity"] for e in found), key=SEVERITIES.index)
        told = doctor(tmp_path).stdout
        assert "lnp connect 03b2" in told and f"--directory {tmp_path}" in told
        assert "Nobody answers at 127.0.0.1:9735" in told


def doctor(directory: Path, *words: str) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "lnpd.cli.lnp", "doctor", "--directory", str(directory), *words]
    return subprocess.run(line, capture_output=True, text=True, timeout=60)


def test_a_finding_fits_the_width() -> None:
    found = (Finding("peers", "warning", "words " * 40 + "end.", "lnp channels"), Finding("clock", "ok", "It is well."))
    told = lines(found, 80)
    assert max(map(len, told)) <= 80 and told[-1] == "1 warning; 1 of 2 are well."
    assert lines(found[1:])[-1] == "All is well; 1 of 1 are well." and OK == 0
