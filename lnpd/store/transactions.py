"""What is one commit, and who may make it?

Functions that wait at the same time share one commit, for the disk's sync is nearly all of its cost: each runs under a
savepoint of its own, so that one that fails takes back its own changes only. Every commit checks first that this
process still owns the database.

    BEGIN -> owner? -> (SAVEPOINT -> function -> RELEASE | ROLLBACK TO)* -> count -> COMMIT -> witness -> answers
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

from peewee import SqliteDatabase

from lnpd.errors import NotATransaction, OwnerSuperseded, StoreHalted
from lnpd.store.connection import raw
from lnpd.store.write import Write

Work = Callable[[Write], Any]  # Any: the functions of one commit have different results; Store.write is generic

Moment = Literal["before_commit", "after_commit"]
Fault = Callable[[Moment, frozenset[str]], None]
"""Called around each commit with the persistence points in it; cuts the power by raising, or by ending the process."""


class Outcome(NamedTuple):
    """What a function returned, or what it raised."""

    result: Any
    error: BaseException | None


def no_fault(moment: Moment, points: frozenset[str]) -> None:
    """The power stays on."""


class Transactions:
    """Makes commits on one connection; used by one thread at a time."""

    def __init__(
        self, database: SqliteDatabase, fault: Fault = no_fault, saw: Callable[[int], None] = lambda count: None
    ) -> None:
        """Become the owner of the database: from this commit on every older owner is refused. `saw` is told after each
        commit how many there have been in the database's life."""
        self._database = database
        self._connection = raw(database)
        self._fault, self._saw = fault, saw
        self._epoch: int | None = None
        self.commits = 0
        (outcome,) = self.commit([_take_ownership])
        if outcome.error is not None:
            raise outcome.error
        self._epoch = outcome.result

    def commit(self, works: Sequence[Work]) -> list[Outcome]:
        """Run functions in order, and make the changes of those that succeeded durable, together.

        Raises OwnerSuperseded, or StoreHalted if it is not certain that all of this is stored: the only way on is to
        open the store again and look.
        """
        try:
            return self._commit(works)
        except BaseException as error:
            self._abandon()
            if isinstance(error, StoreHalted):
                raise
            raise StoreHalted(
                f"The store has stopped, for a commit failed: {error or type(error).__name__}."
            ) from error

    def _commit(self, works: Sequence[Work]) -> list[Outcome]:
        self._connection.execute("BEGIN IMMEDIATE")
        self._check_owner()
        changes = self._connection.total_changes
        points: set[str] = set()
        outcomes = [self._run(work, points) for work in works]
        count = self._counted() if self._connection.total_changes > changes else 0
        self._fault("before_commit", frozenset(points))
        self._connection.execute("COMMIT")
        if count:
            self.commits += 1
            self._saw(count)
        self._fault("after_commit", frozenset(points))
        return outcomes

    def _counted(self) -> int:
        sql = "UPDATE header SET commit_count = commit_count + 1 RETURNING commit_count"
        ((count,),) = self._connection.execute(sql).fetchall()
        return int(count)

    def _run(self, work: Work, points: set[str]) -> Outcome:
        write = Write(self._database)
        self._connection.execute("SAVEPOINT work")
        try:
            result = work(write)
            if asyncio.iscoroutine(result):
                result.close()
                raise NotATransaction(f"{work!r} is asynchronous; a transaction runs at once.")
        except BaseException as error:
            if not self._connection.in_transaction:  # SQLite gave up the whole transaction: a full disk, an I/O error
                raise
            self._connection.execute("ROLLBACK TO work")
            self._connection.execute("RELEASE work")
            return Outcome(None, _deliverable(error))
        finally:
            write.end()
        self._connection.execute("RELEASE work")
        points |= write.points
        return Outcome(result, None)

    def _check_owner(self) -> None:
        if self._epoch is None:
            return
        ((epoch,),) = self._connection.execute("SELECT owner_epoch FROM header").fetchall()
        if epoch != self._epoch:
            raise OwnerSuperseded(
                f"Another lnpd owns the database (epoch {epoch}, ours is {self._epoch}): this one has stopped."
            )

    def _abandon(self) -> None:
        if self._connection.in_transaction:
            self._connection.rollback()


def _take_ownership(write: Write) -> int:
    write.point("store-owner")
    return write.next_owner_epoch()


def _deliverable(error: BaseException) -> BaseException:
    """A future cannot carry a StopIteration; as in a generator (PEP 479) it becomes a RuntimeError."""
    if not isinstance(error, StopIteration):
        return error
    substitute = RuntimeError("A transaction raised StopIteration.")
    substitute.__cause__ = error
    return substitute
