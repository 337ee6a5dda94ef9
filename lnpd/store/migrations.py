"""How does a database of an older lnpd become one of this version?

Row n of MIGRATIONS (from 0) turns version n + 1 into version n + 2. Each runs in a transaction with the new version
number, so that a crash leaves a database of one version or of the next. A migration is written once and never edited:
it speaks SQL, not the models, which go on changing.
"""

import sqlite3
from collections.abc import Callable

from peewee import SchemaManager, SqliteDatabase

from lnpd.errors import NewerDatabase
from lnpd.store.models import TABLES, Header

Migration = Callable[[sqlite3.Connection], None]


def _name_the_keys(connection: sqlite3.Connection) -> None:
    """Whose the database is: the next start says it."""
    for column in ('"node_id" BLOB', '"account" TEXT', '"chain" TEXT'):
        connection.execute(f"ALTER TABLE header ADD COLUMN {column}")


def _count_the_commits(connection: sqlite3.Connection) -> None:
    """By which an older copy is told from the database that was used last."""
    for column in ("commit_count", "is_copy"):
        connection.execute(f'ALTER TABLE header ADD COLUMN "{column}" INTEGER NOT NULL DEFAULT 0')


MIGRATIONS: tuple[Migration, ...] = (_name_the_keys, _count_the_commits)


def create_schema(database: SqliteDatabase, network: str) -> None:
    """Make all tables of the present version, owned by nobody yet, in one transaction."""
    with database.atomic("IMMEDIATE"):
        for table in TABLES:
            SchemaManager(table, database).create_all(safe=False)
        row = {"id": 1, "schema_version": len(MIGRATIONS) + 1, "network": network, "owner_epoch": 0}
        Header.insert(row).execute(database)


def migrate(connection: sqlite3.Connection, migrations: tuple[Migration, ...] = MIGRATIONS) -> int:
    """Bring the schema to the present version; returns the number of steps taken.

    Raises NewerDatabase if a later lnpd has written this database: what it added would be lost silently.
    """
    ((version,),) = connection.execute("SELECT schema_version FROM header").fetchall()
    present = len(migrations) + 1
    if version > present:
        raise NewerDatabase(
            f"The database has schema version {version} and this lnpd knows {present}: start the newer lnpd again."
        )
    for step in range(version, present):
        connection.execute("BEGIN IMMEDIATE")
        try:
            migrations[step - 1](connection)
            connection.execute("UPDATE header SET schema_version = ?", (step + 1,))
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
    return int(present - version)
