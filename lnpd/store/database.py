"""How is the SQLite file made, opened, checked and copied?

A new database is built beside its final name and renamed, so that an empty or half-made file under the final name is
never ours: it is damage, and refused. Nothing here knows what the blobs mean.
"""

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import peewee
from peewee import SqliteDatabase

from lnpd.errors import CorruptDatabase, DatabaseFailed, StoreError, WrongNetwork
from lnpd.store.connection import CHECKPOINT_PAGES, CREATOR_PRAGMAS, READER_PRAGMAS, WRITER_PRAGMAS, connect, raw
from lnpd.store.directory import sync_directory
from lnpd.store.migrations import create_schema, migrate
from lnpd.store.witness import Witness

DATABASE_NAME = "lnpd.sqlite3"
PAGE_BYTES = 4096
COPY = (
    "A copy of it can take its place: lnpd then broadcasts no commitment of a channel before the peer has shown that it"
    " is the newest, and leaves the close to the peer if it is not. Never close with --not-restored there: an older"
    " commitment than the last costs the whole channel."
)


def open_database(path: Path, network: str) -> SqliteDatabase:
    """Open, or make, the database of a network for writing; its schema is the present one afterwards.

    Raises WrongNetwork, NewerDatabase, CorruptDatabase, DatabaseFailed.
    """
    database: SqliteDatabase | None = None
    try:
        if not path.exists():
            _create(path, network)
        if path.stat().st_size == 0:
            raise CorruptDatabase(f"{path} is empty. {COPY}")
        database = connect(path, WRITER_PRAGMAS)
        _check(raw(database), path, network)
        raw(database).execute("PRAGMA journal_mode = wal")
        migrate(raw(database))
        _wrap_wal(raw(database))
    except BaseException as error:
        if database is not None:
            database.close()
        if isinstance(error, (peewee.DatabaseError, sqlite3.DatabaseError, OSError)):
            raise _named(error, path) from error
        raise
    return database


def witness(database: SqliteDatabase, path: Path) -> Witness:
    """What the database's directory saw last of it; from now on it sees this one. Raises DatabaseFailed."""
    try:
        ((commits,),) = raw(database).execute("SELECT commit_count FROM header").fetchall()
        found = Witness(path, commits)
        if found.disagrees:  # durable before the witness agrees: a crash in between must not lose it
            raw(database).execute("UPDATE header SET is_copy = 1, commit_count = ?", (found.commits,))
        found.keep()
    except (peewee.DatabaseError, sqlite3.DatabaseError, OSError) as error:
        raise _named(error, path) from error
    return found


def open_reader(path: Path) -> SqliteDatabase:
    """A second connection to a database that is open, which cannot write. Raises DatabaseFailed."""
    try:
        return connect(path, READER_PRAGMAS)
    except (peewee.DatabaseError, sqlite3.DatabaseError) as error:
        raise _named(error, path) from error


class Looked(NamedTuple):
    """A database as it lies there. `verdict` is "ok", or the first thing that is damaged; `log_bytes` is the size of
    its write-ahead log."""

    network: str
    schema_version: int
    verdict: str
    size_bytes: int
    log_bytes: int


def look(path: Path) -> Looked:
    """What a database is, whether or not a node has it open; nothing is written. Raises CorruptDatabase,
    DatabaseFailed."""
    log = path.with_name(path.name + "-wal")
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            network = _network(connection, path)
            ((version,),) = connection.execute("SELECT schema_version FROM header").fetchall()
            (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        sizes = path.stat().st_size, log.stat().st_size if log.exists() else 0
        return Looked(network, int(version), str(verdict), *sizes)
    except (sqlite3.DatabaseError, OSError) as error:
        raise _named(error, path) from error


def schema_of(path: Path) -> tuple[tuple[str, int], ...]:
    """The SQL of each table, and how many rows it has. Raises CorruptDatabase, DatabaseFailed."""
    named = "SELECT name, sql FROM sqlite_master WHERE type = 'table' ORDER BY name"
    counted = 'SELECT count(*) FROM "{}"'
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            rows = connection.execute(named).fetchall()
            counts = [connection.execute(counted.format(name)).fetchone()[0] for name, _ in rows]
            return tuple((str(sql), int(count)) for (_, sql), count in zip(rows, counts, strict=True))
    except sqlite3.DatabaseError as error:
        raise _named(error, path) from error


def network_of(path: Path) -> str:
    """The network of a database that nobody has open. Raises CorruptDatabase, DatabaseFailed."""
    try:
        with closing(sqlite3.connect(path)) as connection:
            return _network(connection, path)
    except sqlite3.DatabaseError as error:
        raise _named(error, path) from error


def backup(source: Path, target: Path) -> None:
    """Copy a database that is in use, at one moment of it; a file of that name is replaced when the copy is whole.

    Raises DatabaseFailed.
    """
    partial = target.with_name(target.name + ".partial")
    if target.resolve() == source.resolve():
        raise DatabaseFailed(f"{target} is the database itself: a backup needs a name of its own.")
    try:
        _touch(partial)
        with closing(sqlite3.connect(source)) as origin, closing(sqlite3.connect(partial)) as copy:
            origin.backup(copy)
            copy.execute("PRAGMA journal_mode = delete")  # all of it in the one file, nothing in a log beside it
        _sync_file(partial)
        partial.replace(target)
        sync_directory(target.parent)
    except (sqlite3.Error, OSError) as error:
        raise DatabaseFailed(f"The backup to {target} failed: {error}.") from error


def _create(path: Path, network: str) -> None:
    if path.with_name(path.name + "-wal").exists():
        raise CorruptDatabase(f"{path} is gone and its write-ahead log is not. {COPY}")
    fresh = path.with_name(path.name + ".new")
    _touch(fresh)
    database = connect(fresh, CREATOR_PRAGMAS)
    try:
        create_schema(database, network)
    finally:
        database.close()
    _sync_file(fresh)
    fresh.replace(path)
    sync_directory(path.parent)


def _network(connection: sqlite3.Connection, path: Path) -> str:
    named = connection.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'header'").fetchone()
    rows = connection.execute("SELECT network FROM header").fetchall() if named else []
    if len(rows) != 1:
        raise CorruptDatabase(f"{path} is not a database of lnpd.")
    return str(rows[0][0])


def _check(connection: sqlite3.Connection, path: Path, network: str) -> None:
    found = _network(connection, path)
    if found != network:
        raise WrongNetwork(f"{path.parent} belongs to the network {found}, and lnpd was started for {network}.")
    (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if verdict != "ok":
        raise CorruptDatabase(f"{path} is damaged ({verdict}). {COPY}")


def _wrap_wal(connection: sqlite3.Connection) -> None:
    """Grow the log once to its working size, so that commits overwrite it: an append costs 1.7 times as much.

    The same few pages are written again and again, without a sync until the checkpoint; the database hardly grows.
    """
    pages, rounds = 64, CHECKPOINT_PAGES // 64 + 3
    connection.execute("PRAGMA wal_autocheckpoint = 0")
    connection.execute("PRAGMA synchronous = normal")
    for _ in range(rounds):
        connection.execute("REPLACE INTO key_value VALUES ('', x'', zeroblob(?))", (pages * PAGE_BYTES,))
    connection.execute("DELETE FROM key_value WHERE namespace = ''")
    connection.execute("PRAGMA synchronous = full")
    connection.execute("PRAGMA wal_checkpoint(RESTART)").fetchall()
    connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")


def _named(error: Exception, path: Path) -> StoreError:
    # OperationalError: the disk or a lock; the other database errors mean that the bytes are not what was written.
    if isinstance(error, (peewee.OperationalError, sqlite3.OperationalError, OSError)):
        return DatabaseFailed(f"{path} cannot be opened: {error}.")
    return CorruptDatabase(f"{path} is damaged ({error}). {COPY}")


def _touch(path: Path) -> None:
    for leftover in (path, path.with_name(path.name + "-journal")):  # an old journal must not be played into a new file
        leftover.unlink(missing_ok=True)
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))  # for its user alone, as its log will be


def _sync_file(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
