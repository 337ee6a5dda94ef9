"""What does a durable write cost beside the one sync that it cannot do without?

Beside each: an fdatasync of as many bytes, in place, in a file of its own on the same file system.
"""

import asyncio
import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from contrib.bench.measure import Series, Size, contest_async, seconds_each
from contrib.bench.places import scratch
from contrib.bench.profiling import profile_async
from contrib.bench.report import Section, at_most
from lnpd.store.connection import raw
from lnpd.store.database import open_database
from lnpd.store.store import Store
from lnpd.store.write import UPSERT_CHANNEL, Write

BLOB_BYTES, TOGETHER, COUNT, COUNT_MANY, TURNS = 2000, 100, 25, 2, 3
CHANNEL, PEER = b"\x01" * 32, b"\x02" * 33
GOAL = 1.5
BLOCK, BLOCKS = 4096, 1024
MANY, BARE = f"{TOGETHER} rows", "commit of SQLite alone"
IN_ONE, AT_ONCE = f"one write of {MANY}", f"{TOGETHER} writes at once"


@contextmanager
def syncing(path: Path, length: int) -> Iterator[Callable[[], object]]:
    """One write of `length` bytes and its fdatasync, in a file that has its size already."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT)
    try:
        os.write(handle, bytes(BLOCK * BLOCKS))
        os.fsync(handle)
        place = 0

        def operation() -> None:
            nonlocal place
            place = (place + 1) % (BLOCKS - length // BLOCK - 1)
            os.pwrite(handle, os.urandom(length), BLOCK * place)
            os.fdatasync(handle)

        yield operation
    finally:
        os.close(handle)


def save(number: int = 0) -> Callable[[Write], None]:
    """A channel's snapshot, as each step of a channel stores one."""
    key, snapshot = CHANNEL + bytes([number]), os.urandom(BLOB_BYTES)
    return lambda write: write.save_channel(key, PEER, snapshot)


@contextmanager
def sqlite_alone(folder: Path) -> Iterator[Callable[[], object]]:
    """The same row in a commit of such a database, without the store around it."""
    folder.mkdir()
    database = open_database(folder / "lnpd.sqlite3", "regtest")
    connection = raw(database)

    def operation() -> None:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(UPSERT_CHANNEL, (CHANNEL, PEER, 0, os.urandom(BLOB_BYTES)))
        connection.commit()

    yield operation
    database.close()


async def one_at_a_time(store: Store, count: int) -> float:
    """Seconds of one awaited write."""
    start = time.perf_counter()
    for _ in range(count):
        await store.write(save())
    return (time.perf_counter() - start) / count


async def nothing(store: Store, count: int) -> float:
    """Seconds of an awaited write that changes nothing and syncs nothing: the way to the store's thread and back."""
    start = time.perf_counter()
    for _ in range(count):
        await store.write(lambda _write: None)
    return (time.perf_counter() - start) / count


async def at_once(store: Store, count: int) -> float:
    """Seconds until TOGETHER writes that were asked for at once are durable."""
    start = time.perf_counter()
    for _ in range(count):
        await asyncio.gather(*(store.write(save(number)) for number in range(TOGETHER)))
    return (time.perf_counter() - start) / count


async def in_one(store: Store, count: int) -> float:
    """Seconds of one write of TOGETHER rows."""

    def rows(write: Write) -> None:
        for number in range(TOGETHER):
            save(number)(write)

    start = time.perf_counter()
    for _ in range(count):
        await store.write(rows)
    return (time.perf_counter() - start) / count


async def measured(section: Section, folder: Path, size: Size) -> None:
    """Fills the section."""
    count, rounds = size.of(COUNT), size.of(COUNT_MANY)
    store = Store.open(folder / "data", "regtest")
    with ExitStack() as stack:
        one = stack.enter_context(syncing(folder / "one", BLOB_BYTES))
        several = stack.enter_context(syncing(folder / "many", TOGETHER * BLOB_BYTES))
        alone = stack.enter_context(sqlite_alone(folder / "alone"))

        async def write_sync() -> float:
            return seconds_each(count, lambda: store.write_sync(save()))

        async def bare() -> float:
            return seconds_each(count, alone)

        async def sync() -> float:
            return seconds_each(count, one)

        async def sync_many() -> float:
            return seconds_each(rounds, several)

        contestants = {
            "fdatasync": sync,
            BARE: bare,
            "await a write of nothing": lambda: nothing(store, count),
            "write_sync": write_sync,
            "await write": lambda: one_at_a_time(store, count),
            f"fdatasync of {MANY}": sync_many,
            IN_ONE: lambda: in_one(store, rounds),
            AT_ONCE: lambda: at_once(store, rounds),
        }
        found = await contest_async(contestants, TURNS * size.rounds)
        for name, series in found.items():
            section.time(name, series)
        why = await profile_async(lambda: one_at_a_time(store, count))
        section.ratio(f"{BARE}: time / fdatasync", found[BARE].over(found["fdatasync"]))
        for name in ("write_sync", "await write"):
            section.ratio(f"{name}: time / fdatasync", found[name].over(found["fdatasync"]), at_most(GOAL), lambda: why)
        each = Series(tuple(seconds / TOGETHER for seconds in found[AT_ONCE].values))
        section.ratio(f"each of {AT_ONCE}: time / fdatasync", each.over(found["fdatasync"]), at_most(GOAL))
        for name in (IN_ONE, AT_ONCE):
            section.ratio(f"{name}: time / fdatasync of {MANY}", found[name].over(found[f"fdatasync of {MANY}"]))
        section.doubt("fdatasync", found["fdatasync"])
        before = store.commits
        await at_once(store, 1)
        section.count(f"commits of {TOGETHER} writes at once", (store.commits - before,))
    await store.close()


def run(size: Size) -> Section:
    """See the file's question."""
    section = Section(f"writes: durable rows of {BLOB_BYTES} bytes")
    with scratch() as folder:
        asyncio.run(measured(section, folder, size))
    return section
