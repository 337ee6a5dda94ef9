"""Does a data directory belong to one process, and to its user alone?"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lnpd.errors import DirectoryInUse, DirectoryUnusable
from lnpd.store.directory import LOCK_NAME, DirectoryLock
from lnpd.store.store import Store
from lnpd.store.witness import PLACE_NAME, WITNESS_NAME

HOLD = """
import sys
from pathlib import Path
from lnpd.store.directory import DirectoryLock
lock = DirectoryLock(Path(sys.argv[1]))
print("locked", flush=True)
sys.stdin.read()
"""


def test_a_new_directory_and_its_files_are_for_their_user_alone(tmp_path: Path) -> None:
    directory = tmp_path / "deep" / "data"
    store = Store.open(directory, "regtest")
    try:
        assert directory.stat().st_mode & 0o777 == 0o700
        names = {path.name: path.stat().st_mode & 0o777 for path in directory.iterdir()}
        assert set(names) == {
            LOCK_NAME,
            "lnpd.sqlite3",
            "lnpd.sqlite3-wal",
            "lnpd.sqlite3-shm",
            WITNESS_NAME,
            PLACE_NAME,
        }
        assert set(names.values()) == {0o600}
    finally:
        store.close_sync()


def test_a_second_store_is_refused_before_it_touches_anything(tmp_path: Path) -> None:
    store = Store.open(tmp_path, "regtest")
    with pytest.raises(DirectoryInUse, match=f"process id {os.getpid()}"):
        Store.open(tmp_path, "bitcoin")
    store.close_sync()
    Store.open(tmp_path, "regtest").close_sync()


def test_another_process_is_named_and_its_death_frees_the_directory(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"locked\n"
        with pytest.raises(DirectoryInUse, match=f"process id {holder.pid}"):
            DirectoryLock(tmp_path)
        holder.kill()
        holder.wait(10)
    DirectoryLock(tmp_path).release()


def test_a_store_that_was_refused_lets_go_of_the_directory(tmp_path: Path) -> None:
    (tmp_path / "lnpd.sqlite3").write_bytes(b"not a database, and longer than a header of SQLite" * 20)
    with pytest.raises(Exception, match="damaged"):
        Store.open(tmp_path, "regtest")
    DirectoryLock(tmp_path).release()


def test_a_path_that_cannot_be_a_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    for directory in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(DirectoryUnusable):
            DirectoryLock(directory)
