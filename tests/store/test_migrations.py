"""Can every database that was ever released be opened, and is none of them changed by accident?"""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from lnpd.errors import NewerDatabase
from lnpd.store.connection import CREATOR_PRAGMAS, connect, raw
from lnpd.store.migrations import MIGRATIONS, create_schema, migrate

GOLDEN = Path(__file__).parent / "golden"
PRESENT = len(MIGRATIONS) + 1


def schema(connection: sqlite3.Connection) -> list[str]:
    rows = connection.execute(
        "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' ORDER BY type DESC, name"
    )
    return [sql for (sql,) in rows]


@pytest.mark.parametrize("version", range(1, PRESENT + 1))
def test_every_released_schema_becomes_the_present_one(tmp_path: Path, version: int) -> None:
    fresh = connect(tmp_path / "fresh", CREATOR_PRAGMAS)
    create_schema(fresh, "regtest")
    with closing(sqlite3.connect(tmp_path / "old", isolation_level=None)) as old, closing(raw(fresh)) as new:
        old.executescript((GOLDEN / f"schema-{version}.sql").read_text())
        old.execute(
            "INSERT INTO header (id, schema_version, network, owner_epoch) VALUES (1, ?, 'regtest', 5)", (version,)
        )
        assert migrate(old) == PRESENT - version
        assert schema(old) == schema(new), "the models changed: add a migration and a golden schema"
        assert old.execute("SELECT * FROM header").fetchall() == [(1, PRESENT, "regtest", 5, None, None, None, 0, 0)]


def database_of_version(version: int) -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.execute("CREATE TABLE header (schema_version)")
    connection.execute("INSERT INTO header VALUES (?)", (version,))
    return connection


def add(column: str) -> object:
    return lambda connection: connection.execute(f"ALTER TABLE header ADD COLUMN {column}")


STEPS = (add("second"), add("third"))


@pytest.mark.parametrize(("version", "columns"), [(1, {"second", "third"}), (2, {"third"}), (3, set())])
def test_only_the_missing_steps_run(version: int, columns: set[str]) -> None:
    with closing(database_of_version(version)) as connection:
        assert migrate(connection, STEPS) == 3 - version  # type: ignore[arg-type]  # lambdas
        names = {row[1] for row in connection.execute("PRAGMA table_info(header)")}
        assert names == columns | {"schema_version"}
        assert connection.execute("SELECT schema_version FROM header").fetchall() == [(3,)]


def test_a_failing_step_leaves_the_version_before_it() -> None:
    def failing(connection: sqlite3.Connection) -> None:
        connection.execute("ALTER TABLE header ADD COLUMN half")
        connection.execute("SELECT nothing FROM nowhere")

    with closing(database_of_version(1)) as connection:
        with pytest.raises(sqlite3.OperationalError):
            migrate(connection, (STEPS[0], failing))  # type: ignore[arg-type]  # lambdas
        assert [row[1] for row in connection.execute("PRAGMA table_info(header)")] == ["schema_version", "second"]
        assert connection.execute("SELECT schema_version FROM header").fetchall() == [(2,)]
        assert not connection.in_transaction


def test_a_newer_version_is_refused() -> None:
    with closing(database_of_version(4)) as connection, pytest.raises(NewerDatabase, match=r"version 4 .*knows 3"):
        migrate(connection, STEPS)  # type: ignore[arg-type]  # lambdas
