"""Does the store keep what it acknowledged, in shared commits, and nothing of what failed?"""

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

import pytest

from lnpd.errors import NotATransaction, RowMissing, StoreClosed, TransactionOver
from lnpd.store.read import Read
from lnpd.store.store import Store
from lnpd.store.write import Write

CHANNEL, PEER = b"\x01" * 32, b"\x02" * 33


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(tmp_path / "data", "regtest")
    yield opened
    opened.close_sync()


class Gate:
    """Holds the writing thread inside a transaction, so that others have to wait together."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.opened = threading.Event()

    def __call__(self, write: Write) -> None:
        self.entered.set()
        assert self.opened.wait(10)


async def queue_behind_gate(store: Store, works: list[Callable[[Write], object]]) -> list[object]:
    gate = Gate()
    first = asyncio.ensure_future(store.write(gate))
    await asyncio.to_thread(gate.entered.wait, 10)
    waiting = [asyncio.ensure_future(store.write(work)) for work in works]
    await asyncio.sleep(0)  # each task has put its function into the queue
    gate.opened.set()
    await first
    return await asyncio.gather(*waiting, return_exceptions=True)


def put(number: int) -> Callable[[Write], int]:
    def work(write: Write) -> int:
        write.put_value("test", bytes([number]), b"value")
        return number

    return work


def keys(store: Store) -> list[int]:
    return [key[0] for key, _ in store.read_sync(lambda r: r.values("test"))]


def test_what_was_written_is_read_back_after_reopening(tmp_path: Path) -> None:
    async def live() -> None:
        store = Store.open(tmp_path, "regtest")
        assert await store.write(put(7)) == 7
        assert await store.read(lambda r: r.value("test", b"\x07")) == b"value"
        await store.close()

    asyncio.run(live())
    again = Store.open(tmp_path, "regtest")
    assert keys(again) == [7]
    again.close_sync()


def test_writes_that_wait_together_share_one_commit(store: Store) -> None:
    before = store.commits
    answers = asyncio.run(queue_behind_gate(store, [put(n) for n in range(100)]))
    assert answers == list(range(100))
    assert store.commits == before + 1, "the gate itself changes nothing"
    assert keys(store) == list(range(100))


def test_a_write_alone_is_one_commit_and_one_without_changes_is_none(store: Store) -> None:
    before = store.commits
    store.write_sync(put(1))
    store.write_sync(put(2))
    store.write_sync(lambda w: w.value("test", b"\x01"))
    assert store.commits == before + 2


def test_a_failing_write_takes_back_only_itself(store: Store) -> None:
    def failing(write: Write) -> None:
        write.put_value("test", b"\x01", b"must not stay")
        write.put_value("test", b"\x63", b"must not stay")
        write.delete_channel(CHANNEL)  # there is no such channel

    answers = asyncio.run(queue_behind_gate(store, [put(1), failing, put(2)]))
    assert answers[0] == 1
    assert isinstance(answers[1], RowMissing)
    assert answers[2] == 2
    assert store.read_sync(lambda r: r.values("test")) == [(b"\x01", b"value"), (b"\x02", b"value")]


def test_a_transaction_reads_its_own_changes_and_others_do_not_before_its_commit(store: Store) -> None:
    seen: list[bytes | None] = []

    def work(write: Write) -> None:
        write.put_value("test", b"\x01", b"new")
        seen.append(write.value("test", b"\x01"))
        seen.append(store.read_sync(lambda r: r.value("test", b"\x01")))

    store.write_sync(work)
    assert seen == [b"new", None]


def test_a_read_sees_one_moment(store: Store) -> None:
    def query(read: Read) -> tuple[bytes | None, bytes | None]:
        first = read.value("test", b"\x01")
        store.write_sync(put(1))
        return first, read.value("test", b"\x01")

    assert store.read_sync(query) == (None, None)
    assert keys(store) == [1]


@pytest.mark.parametrize(
    ("raised", "expected"), [(KeyError("x"), KeyError), (StopIteration(), RuntimeError), (SystemExit(3), SystemExit)]
)
def test_whatever_a_function_raises_reaches_its_caller_and_the_store_lives(
    store: Store, raised: BaseException, expected: type[BaseException]
) -> None:
    def work(_: Read) -> None:
        raise raised

    with pytest.raises(expected):
        store.write_sync(work)
    with pytest.raises(expected):
        store.read_sync(work)
    assert store.write_sync(put(1)) == 1


def test_stop_iteration_does_not_hang_an_awaiter(store: Store) -> None:
    async def live() -> None:
        with pytest.raises(RuntimeError):
            await asyncio.wait_for(store.write(lambda w: next(iter(()))), 10)
        with pytest.raises(RuntimeError):
            await asyncio.wait_for(store.read(lambda r: next(iter(()))), 10)

    asyncio.run(live())


def test_an_asynchronous_function_is_refused(store: Store) -> None:
    async def work(write: Write) -> None:
        write.put_value("test", b"\x01", b"value")

    with pytest.raises(NotATransaction):
        store.write_sync(cast("Callable[[Write], None]", work))  # mypy would warn; a plugin's author may not ask it
    assert keys(store) == []


def test_a_transaction_is_of_no_use_after_its_function(store: Store) -> None:
    kept_write: Write = store.write_sync(lambda w: w)
    kept_read: Read = store.read_sync(lambda r: r)
    with pytest.raises(TransactionOver):
        kept_write.put_value("test", b"\x01", b"value")
    with pytest.raises(TransactionOver):
        kept_read.channels()


def test_closing_commits_what_waits_and_refuses_what_comes_later(tmp_path: Path) -> None:
    async def live() -> None:
        store = Store.open(tmp_path, "regtest")
        gate = Gate()
        works: list[Callable[[Write], object]] = [gate, *map(put, range(200))]
        waiting = [asyncio.ensure_future(store.write(work)) for work in works]
        await asyncio.to_thread(gate.entered.wait, 10)
        closing = asyncio.ensure_future(store.close())
        gate.opened.set()
        await closing
        assert (await asyncio.gather(*waiting))[1:] == list(range(200))
        with pytest.raises(StoreClosed):
            await store.write(put(1))
        with pytest.raises(StoreClosed):
            await store.read(lambda r: r.channels())
        await store.close()

    asyncio.run(live())
    again = Store.open(tmp_path, "regtest")
    assert keys(again) == list(range(200))
    again.close_sync()


def test_a_write_cancelled_in_the_queue_never_runs(store: Store) -> None:
    async def live() -> None:
        gate = Gate()
        first = asyncio.ensure_future(store.write(gate))
        await asyncio.to_thread(gate.entered.wait, 10)
        second = asyncio.ensure_future(store.write(put(1)))
        third = asyncio.ensure_future(store.write(put(2)))
        await asyncio.sleep(0)
        second.cancel()
        with pytest.raises(asyncio.CancelledError):
            await second
        gate.opened.set()
        await asyncio.gather(first, third)

    asyncio.run(live())
    assert keys(store) == [2]


def test_several_stores_live_in_one_process(tmp_path: Path) -> None:
    stores = [Store.open(tmp_path / name, "regtest") for name in ("alice", "bob")]
    for number, store in enumerate(stores):
        store.write_sync(put(number))
    assert [keys(store) for store in stores] == [[0], [1]]
    for store in stores:
        store.close_sync()
