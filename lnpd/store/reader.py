"""How is the database read while commits sync?

On a thread and a connection of its own, which see what was committed before the read began: an awaited write is seen
by every read after it. A read neither waits for a sync nor delays one.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from peewee import SqliteDatabase

from lnpd.errors import StoreClosed
from lnpd.store.connection import raw
from lnpd.store.read import Read

T = TypeVar("T")


class Reader:
    """The thread that owns the reading connection."""

    def __init__(self, database: SqliteDatabase) -> None:
        self._database = database
        self._entrance = threading.Lock()
        self._closed = False
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="lnpd-store-reader")

    def submit(self, query: Callable[[Read], T]) -> Future[T]:
        """Run a function on one view of the database. Raises StoreClosed."""
        with self._entrance:
            if self._closed:
                raise StoreClosed("The store is closed.")
            return self._thread.submit(self._run, query)

    def close(self) -> None:
        """Finish what was asked, then end."""
        with self._entrance:
            self._closed = True
        self._thread.shutdown(wait=True)

    def _run(self, query: Callable[[Read], T]) -> T:
        connection = raw(self._database)
        connection.execute("BEGIN")
        read = Read(self._database)
        try:
            return query(read)
        except StopIteration as error:  # a future cannot carry it
            raise RuntimeError("A query raised StopIteration.") from error
        finally:
            read.end()
            connection.execute("ROLLBACK")
