"""How does the rest of lnpd use its database?

    store = Store.open(directory, "regtest")
    await store.write(lambda w: w.save_channel(channel_id, peer_id, snapshot))
    rows = await store.read(lambda r: r.channels())
    await store.close()

The store decides nothing: it keeps opaque blobs under their keys, durably, and in the transactions that it is given.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import TypeVar

from peewee import SqliteDatabase

from lnpd.store import database as files
from lnpd.store.directory import DirectoryLock
from lnpd.store.read import Read
from lnpd.store.reader import Reader
from lnpd.store.transactions import Fault, Transactions, no_fault
from lnpd.store.write import Write
from lnpd.store.writer import Writer

T = TypeVar("T")


class Store:
    """The database of one node. Its methods may be called from any thread."""

    def __init__(self, directory: Path, network: str, fault: Fault = no_fault) -> None:
        """See `open`."""
        self._path = directory / files.DATABASE_NAME
        self._lock = DirectoryLock(directory)
        opened: list[SqliteDatabase] = []
        try:
            opened.append(files.open_database(self._path, network))
            self._witness = files.witness(opened[0], self._path)
            self._transactions = Transactions(opened[0], fault, self._witness.saw)
            opened.append(files.open_reader(self._path))
        except BaseException:
            _close(opened, self._lock)
            raise
        self._opened = opened
        self._writer = Writer(self._transactions)
        self._reader = Reader(opened[1])

    @classmethod
    def open(cls, directory: Path, network: str, fault: Fault = no_fault) -> Store:
        """Lock the data directory, made if it is new, then open, check and migrate its database and become its owner.

        Raises DirectoryInUse, DirectoryUnusable, WrongNetwork, NewerDatabase, CorruptDatabase, DatabaseFailed.
        """
        return cls(directory, network, fault)

    @property
    def displaced(self) -> str:
        """Why this database is taken for a copy that was put in the place of the one that was used last; or nothing."""
        return self._witness.disagrees

    @property
    def commits(self) -> int:
        """How many commits, each one sync of the disk, since the store was opened."""
        return self._transactions.commits

    async def write(self, work: Callable[[Write], T]) -> T:
        """Run a synchronous function in a transaction; returns its result once that is durable.

        The function runs on the store's thread and is given all that it writes. What it raises is raised here, and
        nothing of it is stored. Who is cancelled while waiting does not know whether it was stored.
        Raises StoreHalted, OwnerSuperseded, StoreClosed.
        """
        return await _answered(self._writer.submit(work))

    def write_sync(self, work: Callable[[Write], T]) -> T:
        """`write` for code without an event loop (start-up, tools); it blocks."""
        result: T = self._writer.submit(work).result()
        return result

    async def read(self, query: Callable[[Read], T]) -> T:
        """Run a synchronous function on one view of the database, beside the writes. Raises StoreClosed."""
        return await _answered(self._reader.submit(query))

    def read_sync(self, query: Callable[[Read], T]) -> T:
        """`read` for code without an event loop; it blocks."""
        return self._reader.submit(query).result()

    async def backup(self, target: Path) -> None:
        """Copy the database as it is at one moment, while it is in use. Raises DatabaseFailed.

        Never run a copy that is older than the channels' last states: it would publish what is revoked.
        """
        await asyncio.to_thread(files.backup, self._path, target)

    async def close(self) -> None:
        """Commit what waits, then let go of the directory."""
        await asyncio.to_thread(self.close_sync)

    def close_sync(self) -> None:
        """`close` for code without an event loop. To call it twice is harmless."""
        self._writer.close()
        self._reader.close()
        self._witness.close()
        _close(self._opened, self._lock)


async def _answered(future: Future[T]) -> T:
    """What a thread of the store answers: `asyncio.wrap_future` for one who waits at once, at a third of its cost."""
    loop = asyncio.get_running_loop()
    waiter: asyncio.Future[None] = loop.create_future()

    def wake() -> None:
        if not waiter.done():
            waiter.set_result(None)

    def answered(_: Future[T]) -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(wake)

    future.add_done_callback(answered)
    try:
        await waiter
    except asyncio.CancelledError:
        future.cancel()
        raise
    return future.result()


def _close(opened: list[SqliteDatabase], lock: DirectoryLock) -> None:
    for database in reversed(opened):  # the writer's last: it folds the log into the file
        database.close()
    lock.release()
