"""How do many tasks write through one thread?

Requests wait in a queue while a commit syncs; the thread takes all that wait, up to a limit, into the next commit.
Futures are resolved after the commit, never before. After a failed commit every later request fails too.
"""

from __future__ import annotations

import queue
import threading
from concurrent.futures import Future
from typing import Any

from lnpd.errors import StoreClosed, StoreHalted
from lnpd.store.transactions import Transactions, Work

MAX_WORKS_PER_COMMIT = 256  # nobody waits for more than this many functions of others

Job = tuple[Work, "Future[Any]"]  # Any: see Work


class Writer:
    """The thread that owns the writing connection."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions
        self._queue: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._entrance = threading.Lock()  # nothing enters the queue behind its end
        self._closed = False
        self._halted: StoreHalted | None = None
        # A daemon thread: a process that ends without closing must not hang, and a commit survives its end or never was
        self._thread = threading.Thread(target=self._serve, name="lnpd-store-writer", daemon=True)
        self._thread.start()

    def submit(self, work: Work) -> Future[Any]:
        """Queue a function; the future has its result once that is durable. Cancelled in time, it never runs."""
        future: Future[Any] = Future()
        with self._entrance:
            if self._closed:
                raise StoreClosed("The store is closed.")
            self._queue.put((work, future))
        return future

    def close(self) -> None:
        """Commit what waits, then end. To call it twice is harmless."""
        with self._entrance:
            if not self._closed:
                self._closed = True
                self._queue.put(None)
        self._thread.join()

    def _serve(self) -> None:
        last = False
        while not last:
            jobs, last = self._take()
            if self._halted is None:
                self._commit(jobs)
            else:
                _refuse(jobs, self._halted)

    def _take(self) -> tuple[list[Job], bool]:
        """All jobs that wait, at least one; and whether they are the last."""
        jobs: list[Job] = []
        job = self._queue.get()
        while job is not None:
            if job[1].set_running_or_notify_cancel():
                jobs.append(job)
            if len(jobs) == MAX_WORKS_PER_COMMIT:
                return jobs, False
            try:
                job = self._queue.get_nowait()
            except queue.Empty:
                return jobs, False
        return jobs, True

    def _commit(self, jobs: list[Job]) -> None:
        if not jobs:
            return
        try:
            outcomes = self._transactions.commit([work for work, _ in jobs])
        except StoreHalted as error:
            self._halted = error
            _refuse(jobs, error)
            return
        for (_, future), outcome in zip(jobs, outcomes, strict=True):
            if outcome.error is None:
                future.set_result(outcome.result)
            else:
                future.set_exception(outcome.error)


def _refuse(jobs: list[Job], halted: StoreHalted) -> None:
    for _, future in jobs:
        error = type(halted)(*halted.args)  # one each: a traceback grows on the object that is raised
        error.__cause__ = halted
        future.set_exception(error)
