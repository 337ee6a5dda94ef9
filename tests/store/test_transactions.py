"""What is stored when the power fails around a commit, and who may still write when another has taken over?"""

import asyncio
from pathlib import Path

import pytest

from lnpd.errors import OwnerSuperseded, StoreHalted
from lnpd.store.connection import WRITER_PRAGMAS, connect, raw
from lnpd.store.database import DATABASE_NAME, open_database
from lnpd.store.directory import LOCK_NAME
from lnpd.store.points import PERSISTENCE_POINTS
from lnpd.store.store import Store
from lnpd.store.transactions import Moment, Transactions
from lnpd.store.write import Write


class PowerCut(Exception):
    """The power fails at one moment of the commits that contain a point."""


class Cutter:
    """A fault hook that cuts the power once, at a named point."""

    def __init__(self, moment: Moment, point: str) -> None:
        self.moment, self.point = moment, point
        self.seen: list[tuple[Moment, frozenset[str]]] = []

    def __call__(self, moment: Moment, points: frozenset[str]) -> None:
        self.seen.append((moment, points))
        if moment == self.moment and self.point in points:
            raise PowerCut(self.point)


@pytest.fixture
def story(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setitem(PERSISTENCE_POINTS, "test-story", "A row of this test alone.")
    return "test-story"


def tell(write: Write) -> None:
    write.point("test-story")
    write.put_value("test", b"story", b"told")
    write.add_outbox("story", b"channel", b"effect")


def stored(directory: Path) -> tuple[bytes | None, int]:
    store = Store.open(directory, "regtest")
    try:
        return store.read_sync(lambda r: (r.value("test", b"story"), len(r.outbox())))
    finally:
        store.close_sync()


@pytest.mark.parametrize(("moment", "expected"), [("before_commit", (None, 0)), ("after_commit", (b"told", 1))])
def test_a_power_cut_leaves_all_or_nothing_and_nobody_is_told(
    tmp_path: Path, story: str, moment: Moment, expected: tuple[bytes | None, int]
) -> None:
    async def live() -> None:
        store = Store.open(tmp_path, "regtest", Cutter(moment, story))
        await store.write(lambda w: w.put_value("test", b"before", b""))
        with pytest.raises(StoreHalted) as caught:
            await store.write(tell)
        assert isinstance(caught.value.__cause__, StoreHalted)
        assert isinstance(caught.value.__cause__.__cause__, PowerCut)
        with pytest.raises(StoreHalted):
            await store.write(lambda w: w.put_value("test", b"after", b""))
        await store.close()

    asyncio.run(live())
    assert stored(tmp_path) == expected
    store = Store.open(tmp_path, "regtest")
    assert [key for key, _ in store.read_sync(lambda r: r.values("test", b"a"))] == [], "nothing after the cut"
    assert [key for key, _ in store.read_sync(lambda r: r.values("test", b"b"))] == [b"before"]
    store.close_sync()


@pytest.mark.parametrize(("moment", "epoch"), [("before_commit", 1), ("after_commit", 2)])
def test_a_power_cut_while_opening_leaves_the_old_owner_or_the_new_one(
    tmp_path: Path, moment: Moment, epoch: int
) -> None:
    Store.open(tmp_path, "regtest").close_sync()
    with pytest.raises(StoreHalted):
        Store.open(tmp_path, "regtest", Cutter(moment, "store-owner"))
    database = connect(tmp_path / DATABASE_NAME, WRITER_PRAGMAS)
    assert raw(database).execute("SELECT owner_epoch FROM header").fetchall() == [(epoch,)]
    database.close()
    Store.open(tmp_path, "regtest").close_sync()


def test_the_hook_hears_the_points_of_what_succeeded(tmp_path: Path, story: str) -> None:
    def failing(write: Write) -> None:
        write.point("store-owner")
        raise KeyError

    database = open_database(tmp_path / DATABASE_NAME, "regtest")
    cutter = Cutter("before_commit", "none")
    transactions = Transactions(database, cutter)
    transactions.commit([tell, failing])
    transactions.commit([lambda w: w.put_value("test", b"", b"")])
    names = [(moment, set(points)) for moment, points in cutter.seen]
    assert names == [
        ("before_commit", {"store-owner"}),
        ("after_commit", {"store-owner"}),
        ("before_commit", {story}),
        ("after_commit", {story}),
        ("before_commit", set()),
        ("after_commit", set()),
    ]
    database.close()


def test_an_older_owner_is_refused_from_the_moment_a_newer_one_has_opened(tmp_path: Path) -> None:
    old = Store.open(tmp_path, "regtest")
    old.write_sync(lambda w: w.put_value("test", b"old", b"1"))
    (tmp_path / LOCK_NAME).unlink()  # a person "repairs" the lock of a node that runs
    new = Store.open(tmp_path, "regtest")
    for _ in range(2):
        with pytest.raises(OwnerSuperseded, match=r"epoch 2, ours is 1"):
            old.write_sync(lambda w: w.put_value("test", b"old", b"2"))
    new.write_sync(lambda w: w.put_value("test", b"new", b"1"))
    assert old.read_sync(lambda r: r.values("test")) == [(b"new", b"1"), (b"old", b"1")]
    old.close_sync()
    new.write_sync(lambda w: w.put_value("test", b"new", b"2"))
    new.close_sync()


def test_two_owners_on_two_connections_are_told_apart_by_epoch(tmp_path: Path) -> None:
    path = tmp_path / DATABASE_NAME
    databases = [open_database(path, "regtest"), connect(path, WRITER_PRAGMAS)]
    first, second = (Transactions(database) for database in databases)
    with pytest.raises(OwnerSuperseded):
        first.commit([lambda w: w.put_value("test", b"", b"first")])
    assert not raw(databases[0]).in_transaction
    second.commit([lambda w: w.put_value("test", b"", b"second")])
    with pytest.raises(OwnerSuperseded):
        first.commit([])
    for database in databases:
        database.close()


def test_a_failed_commit_stops_the_store(tmp_path: Path) -> None:
    """The disk is full: SQLite's own limit on pages stands for it."""
    database = open_database(tmp_path / DATABASE_NAME, "regtest")
    transactions = Transactions(database)
    raw(database).execute("PRAGMA cache_size = 5")
    raw(database).execute("PRAGMA max_page_count = 1").fetchall()
    with pytest.raises(StoreHalted, match="full"):
        transactions.commit([lambda w: None, lambda w: w.put_value("test", b"big", bytes(4 << 20))])
    assert not raw(database).in_transaction
    database.close()
