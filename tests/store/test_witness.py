"""Is an older copy of the database told from the one that was used last, and is that one never taken for a copy?"""

import asyncio
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from lnpd.store import filebirth
from lnpd.store.connection import raw
from lnpd.store.database import DATABASE_NAME, open_database
from lnpd.store.filebirth import made_unix_nanoseconds
from lnpd.store.store import Store
from lnpd.store.transactions import Moment
from lnpd.store.witness import PLACE_NAME, WITNESS_BYTES, WITNESS_NAME

CHILD = Path(__file__).parent / "crash_child.py"


def used(directory: Path, writes: int = 1) -> tuple[str, bool]:
    """What a start says of the database, after which it is used."""
    with closing_store(directory) as store:
        found = store.displaced, store.read_sync(lambda read: read.is_copy())
        for number in range(writes):
            store.write_sync(lambda write, number=number: write.put_value("test", bytes([number]), os.urandom(8)))  # type: ignore[misc]  # mypy: a default argument
    return found


class closing_store(closing[Store]):
    def __init__(self, directory: Path) -> None:
        self.thing = Store.open(directory, "regtest")

    def __exit__(self, *_: object) -> None:
        self.thing.close_sync()


def an_older_database(directory: Path, copy: Path) -> None:
    shutil.copyfile(copy / DATABASE_NAME, directory / DATABASE_NAME)  # into the same file: the inode stays


def an_older_folder(directory: Path, copy: Path) -> None:
    shutil.rmtree(directory)
    shutil.copytree(copy, directory)


def a_newer_folder(directory: Path, _copy: Path) -> None:
    shutil.copytree(
        directory, directory.with_name("moved")
    )  # to another disk, say; what is lost if it is not the last?
    shutil.rmtree(directory)
    directory.with_name("moved").rename(directory)


def one_of_before_the_count(directory: Path, copy: Path) -> None:
    """Made by a version that did not count."""
    an_older_database(directory, copy)
    with closing(sqlite3.connect(directory / DATABASE_NAME)) as database:
        database.execute("UPDATE header SET commit_count = 0")
        database.commit()


def an_empty_database(directory: Path, _copy: Path) -> None:
    (directory / DATABASE_NAME).unlink()


def no_place(directory: Path, _copy: Path) -> None:
    (directory / PLACE_NAME).unlink()


def no_witness(directory: Path, _copy: Path) -> None:
    (directory / WITNESS_NAME).unlink()


def a_damaged_witness(directory: Path, _copy: Path) -> None:
    text = bytearray((directory / WITNESS_NAME).read_bytes())
    text[9] ^= 1
    (directory / WITNESS_NAME).write_bytes(text)


def an_empty_witness(directory: Path, _copy: Path) -> None:
    (directory / WITNESS_NAME).write_bytes(b"")


def an_unfinished_start(directory: Path, copy: Path) -> None:
    """The copy was noticed, and the machine went down before any channel knew it."""
    an_older_database(directory, copy)
    with closing_store(directory):
        pass


COPIES: tuple[tuple[Callable[[Path, Path], None], str], ...] = (
    (an_older_database, "had 4 commits more"),  # two starts, two writes
    (an_older_folder, "its folder is another one"),
    (one_of_before_the_count, "commits more"),
    (an_empty_database, "commits more"),
    (a_newer_folder, "its folder is another one"),
    (no_witness, "there is no lnpd.witness and"),
    (no_place, "there is no lnpd.witness and"),
    (a_damaged_witness, "lnpd.witness is damaged"),
    (an_empty_witness, "lnpd.witness is damaged"),
    (an_unfinished_start, ""),
)


@pytest.mark.parametrize(("put", "why"), COPIES, ids=[put.__name__ for put, _ in COPIES])
def test_a_copy_is_noticed_once_and_is_one_until_the_channels_know(
    tmp_path: Path, put: Callable[[Path, Path], None], why: str
) -> None:
    directory, copy = tmp_path / "node", tmp_path / "copy"
    used(directory)
    shutil.copytree(directory, copy)
    used(directory)
    used(directory)
    put(directory, copy)
    said, is_copy = used(directory)
    assert why in said
    assert bool(said) == bool(why)
    assert is_copy
    assert used(directory) == ("", True), "said once; not forgotten"
    with closing_store(directory) as store:
        store.write_sync(lambda write: write.set_is_copy(False))
    assert used(directory) == ("", False)


def test_a_database_that_stays_where_it_is_is_no_copy(tmp_path: Path) -> None:
    for writes in (0, 1, 30, 0, 2):
        assert used(tmp_path, writes) == ("", False)


def test_the_original_is_noticed_when_it_is_put_back_after_a_copy_was_used(tmp_path: Path) -> None:
    directory, copy, original = tmp_path / "node", tmp_path / "copy", tmp_path / "original"
    used(directory)
    shutil.copytree(directory, copy)
    used(directory, writes=50)
    shutil.copytree(directory, original)
    an_older_database(directory, copy)
    assert used(directory, writes=2)[1]
    an_older_database(directory, original)
    said, is_copy = used(directory)
    assert "commits more" in said and is_copy


@pytest.mark.parametrize("touch", ["chmod", "chown", "link"])
def test_another_owner_mode_or_link_makes_no_copy(tmp_path: Path, touch: str) -> None:
    used(tmp_path)
    if not hasattr(os.stat_result, "st_birthtime") and not filebirth._statx(tmp_path / PLACE_NAME):
        pytest.skip("this file system does not say when a file was made")
    for path in list(tmp_path.iterdir()):
        if touch == "chmod":
            path.chmod(0o640)
        elif touch == "chown":
            os.chown(path, os.getuid(), os.getgid())
        else:
            path.with_name(path.name + ".link").hardlink_to(path)
    assert used(tmp_path) == ("", False)


def test_a_witness_that_cannot_be_written_stops_nobody(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with closing_store(tmp_path) as store:
        os.close(store._witness._file)
        for number in range(3):
            store.write_sync(lambda write, number=number: write.put_value("test", bytes([number]), b""))  # type: ignore[misc]  # mypy: a default argument
        store._witness._file = -1
    assert caplog.text.count("cannot be written") == 1
    assert used(tmp_path) == ("", False)


def test_a_moved_folder_is_no_copy(tmp_path: Path) -> None:
    used(tmp_path / "here")
    (tmp_path / "here").rename(tmp_path / "there")
    assert used(tmp_path / "there") == ("", False)


@pytest.mark.parametrize("moment", ["before_commit", "after_commit"])
@pytest.mark.parametrize("count", [1, 2, 7])
def test_a_process_that_ends_anywhere_leaves_no_copy(tmp_path: Path, moment: Moment, count: int) -> None:
    for _ in range(2):
        subprocess.run(
            [sys.executable, str(CHILD), str(tmp_path), moment, str(count)], check=False, capture_output=True
        )
        assert used(tmp_path) == ("", False)


def test_a_killed_process_leaves_no_copy(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, str(CHILD), str(tmp_path)], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.read(200)
        child.send_signal(signal.SIGKILL)
    assert used(tmp_path) == ("", False)


def test_what_a_power_cut_takes_from_the_witness_is_no_copy(tmp_path: Path) -> None:
    """It is not synced with each commit: after a cut it may be as old as the last start's."""
    used(tmp_path)
    before = (tmp_path / WITNESS_NAME).read_bytes()
    assert len(before) == WITNESS_BYTES
    used(tmp_path, writes=20)
    (tmp_path / WITNESS_NAME).write_bytes(before)
    assert used(tmp_path) == ("", False)


def test_a_backup_is_a_copy_wherever_it_is_put(tmp_path: Path) -> None:
    used(tmp_path / "node", writes=3)
    with closing_store(tmp_path / "node") as store:
        (tmp_path / "other").mkdir(mode=0o700)
        asyncio.run(store.backup(tmp_path / "other" / DATABASE_NAME))
    said, is_copy = used(tmp_path / "other")
    assert "no lnpd.witness" in said
    assert is_copy


def test_the_count_is_of_commits_that_changed_something(tmp_path: Path) -> None:
    used(tmp_path, writes=3)
    database = open_database(tmp_path / DATABASE_NAME, "regtest")
    ((count,),) = raw(database).execute("SELECT commit_count FROM header").fetchall()
    database.close()
    assert count == 4  # one for the start
    assert 0 < made_unix_nanoseconds(tmp_path / PLACE_NAME) <= time.time_ns()
