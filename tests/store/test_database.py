"""Is a file that is not ours, or not whole, refused by name, and does a copy hold everything?"""

import asyncio
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from lnpd.errors import CorruptDatabase, DatabaseFailed, NewerDatabase, StoreError, WrongNetwork
from lnpd.store.connection import CHECKPOINT_PAGES, WRITER_PRAGMAS, connect, raw
from lnpd.store.database import DATABASE_NAME, open_database
from lnpd.store.read import Read
from lnpd.store.store import Store


def fill(directory: Path) -> Path:
    store = Store.open(directory, "regtest")
    for number in range(40):
        store.write_sync(lambda w, n=number: w.put_value("test", bytes([n]), bytes([n]) * 5000))  # type: ignore[misc]  # bound now
        store.write_sync(lambda w, n=number: w.save_channel(bytes([n]) * 32, b"peer", b""))  # type: ignore[misc]  # bound now
    store.close_sync()
    return directory / DATABASE_NAME


def make_newer(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE header SET schema_version = 99")


def make_foreign(path: Path) -> None:
    path.unlink()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE notes (text)")


def make_headless(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DELETE FROM header")


def scribble(start: int, length: int) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        with path.open("r+b") as file:
            file.seek(start)
            file.write(b"\xa5" * length)

    return damage


def damage_the_page_of_channels(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'channel'").fetchone()
    scribble((page - 1) * 4096 + 100, 3000)(path)


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def lose_the_database_but_not_its_log(path: Path) -> None:
    path.rename(path.with_name(path.name + "-wal"))


DAMAGES: tuple[tuple[str, Callable[[Path], None], type[StoreError], str], ...] = (
    ("newer schema", make_newer, NewerDatabase, "version 99 .*knows 3"),
    ("another program's", make_foreign, CorruptDatabase, "not a database of lnpd"),
    ("no header row", make_headless, CorruptDatabase, "not a database of lnpd"),
    ("first page gone", scribble(0, 4096), CorruptDatabase, "damaged"),
    ("schema page damaged", scribble(100, 2000), CorruptDatabase, "damaged"),
    ("inner pages damaged", scribble(4096 * 6, 4096 * 25), CorruptDatabase, "damaged"),
    ("page not read at start", damage_the_page_of_channels, CorruptDatabase, "damaged"),
    ("cut in half", cut, CorruptDatabase, "damaged"),
    ("emptied", lambda path: os.truncate(path, 0), CorruptDatabase, "empty"),
    ("deleted beside its log", lose_the_database_but_not_its_log, CorruptDatabase, "write-ahead log"),
)


@pytest.mark.parametrize(
    ("damage", "expected", "words"), [case[1:] for case in DAMAGES], ids=[case[0] for case in DAMAGES]
)
def test_a_bad_file_is_refused_by_name_and_left_as_it_is(
    tmp_path: Path, damage: Callable[[Path], None], expected: type[StoreError], words: str
) -> None:
    path = fill(tmp_path)
    damage(path)
    before = path.read_bytes() if path.exists() else None
    with pytest.raises(expected, match=words):
        Store.open(tmp_path, "regtest")
    assert (path.read_bytes() if path.exists() else None) == before


def test_damage_that_is_met_later_is_an_error_of_ours(tmp_path: Path) -> None:
    path = fill(tmp_path)
    damage_the_page_of_channels(path)
    database = connect(path, WRITER_PRAGMAS)
    with pytest.raises(DatabaseFailed):
        Read(database).channels()
    database.close()


def test_a_directory_belongs_to_one_network(tmp_path: Path) -> None:
    Store.open(tmp_path, "regtest").close_sync()
    with pytest.raises(WrongNetwork, match=r"regtest.* bitcoin"):
        Store.open(tmp_path, "bitcoin")


def test_a_directory_in_the_place_of_the_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / DATABASE_NAME).mkdir()
    with pytest.raises(DatabaseFailed):
        Store.open(tmp_path, "regtest")


def test_a_half_made_database_is_made_anew(tmp_path: Path) -> None:
    for ending in (".new", ".new-journal"):
        (tmp_path / (DATABASE_NAME + ending)).write_bytes(b"the power failed while this was written")
    Store.open(tmp_path, "regtest").close_sync()
    assert not list(tmp_path.glob("*.new*"))


def test_each_commit_is_synced_and_the_log_does_not_grow(tmp_path: Path) -> None:
    database = open_database(tmp_path / DATABASE_NAME, "regtest")
    connection = raw(database)
    log = tmp_path / (DATABASE_NAME + "-wal")
    try:
        assert connection.execute("PRAGMA journal_mode").fetchall() == [("wal",)]
        assert connection.execute("PRAGMA synchronous").fetchall() == [(2,)]
        size = log.stat().st_size
        assert size > CHECKPOINT_PAGES * 4096
        for number in range(700):  # two rounds of the log
            connection.execute("REPLACE INTO key_value VALUES ('test', x'00', zeroblob(?))", (8000 + number % 2,))
        assert log.stat().st_size == size
        assert (tmp_path / DATABASE_NAME).stat().st_size < 600_000
    finally:
        database.close()


def test_a_backup_of_a_running_database_holds_all_that_was_acknowledged(tmp_path: Path) -> None:
    target = tmp_path / "copy" / DATABASE_NAME
    target.parent.mkdir()

    async def live() -> int:
        store = Store.open(tmp_path / "data", "regtest")
        acknowledged = 0

        async def write() -> None:
            nonlocal acknowledged
            for number in range(200):
                await store.write(lambda w, n=number: w.put_value("test", bytes([n]), bytes(20_000)))  # type: ignore[misc]  # bound now
                acknowledged += 1

        writing = asyncio.ensure_future(write())
        while acknowledged < 50:
            await asyncio.sleep(0)
        before = acknowledged
        await store.backup(target)
        await store.backup(target)  # over the one before
        await writing
        for refused in (tmp_path / "nowhere" / "copy", tmp_path / "data" / ".." / "data" / DATABASE_NAME):
            with pytest.raises(DatabaseFailed):
                await store.backup(refused)
        await store.close()
        return before

    before = asyncio.run(live())
    assert [path.name for path in target.parent.iterdir()] == [DATABASE_NAME]
    assert target.stat().st_mode & 0o777 == 0o600
    copy = Store.open(target.parent, "regtest")
    rows = copy.read_sync(lambda r: r.values("test"))
    assert before <= len(rows) <= 200
    assert [key for key, _ in rows] == [bytes([n]) for n in range(len(rows))], "a prefix of what was written"
    copy.close_sync()
