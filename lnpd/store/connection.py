"""What is one connection to the database?

One object holds one connection. It is opened by one thread and then used by another, never by two at once.
"""

import sqlite3
from pathlib import Path

from peewee import SqliteDatabase

BUSY_SECONDS = 5
CHECKPOINT_PAGES = 1000  # SQLite's own default; said here because the log is grown beyond it at the start

Pragmas = tuple[tuple[str, str | int], ...]

CREATOR_PRAGMAS: Pragmas = (("journal_mode", "delete"), ("synchronous", "full"))  # one file, no log beside it
WRITER_PRAGMAS: Pragmas = (  # no journal_mode: that would write into a file which may not be ours
    ("synchronous", "full"),  # NORMAL loses the last commits in a power cut: a revoked state could come back
    ("fullfsync", 1),  # on macOS fsync does not reach the platters without it; elsewhere it does nothing
    ("wal_autocheckpoint", CHECKPOINT_PAGES),
)
READER_PRAGMAS: Pragmas = (("query_only", 1),)


def connect(path: Path, pragmas: Pragmas) -> SqliteDatabase:
    """Open a connection. Raises the errors of peewee and sqlite3."""
    database = SqliteDatabase(
        str(path), pragmas=pragmas, timeout=BUSY_SECONDS, thread_safe=False, check_same_thread=False
    )
    database.connect()
    return database


def raw(database: SqliteDatabase) -> sqlite3.Connection:
    """The connection below peewee's query builder, with its own cache of prepared statements."""
    connection: sqlite3.Connection = database.connection()  # type: ignore[no-untyped-call]  # untyped in peewee's stubs
    return connection
