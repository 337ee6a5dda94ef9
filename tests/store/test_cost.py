"""What does a durable write cost beside one fdatasync? Printed, never judged: machines differ (run with -s)."""

import asyncio
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path

from lnpd.store.store import Store
from lnpd.store.write import Write

ROUNDS, TOGETHER, BLOB = 300, 100, 2000
CHANNEL, PEER = b"\x01" * 32, b"\x02" * 33


def median_of_fdatasync(path: Path) -> float:
    handle = os.open(path, os.O_RDWR | os.O_CREAT)
    os.write(handle, bytes(4096 * 1024))
    os.fsync(handle)
    times = []
    for number in range(ROUNDS):
        start = time.perf_counter()
        os.pwrite(handle, os.urandom(BLOB), 4096 * number)
        os.fdatasync(handle)
        times.append(time.perf_counter() - start)
    os.close(handle)
    return statistics.median(times)


def save(snapshot: bytes) -> Callable[[Write], None]:
    return lambda write: write.save_channel(CHANNEL, PEER, snapshot)


async def measure(store: Store) -> dict[str, float]:
    sync, awaited, together = [], [], []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        store.write_sync(save(os.urandom(BLOB)))
        sync.append(time.perf_counter() - start)
    for _ in range(ROUNDS):
        start = time.perf_counter()
        await store.write(save(os.urandom(BLOB)))
        awaited.append(time.perf_counter() - start)
    for _ in range(10):
        start = time.perf_counter()
        await asyncio.gather(*(store.write(save(os.urandom(BLOB))) for _ in range(TOGETHER)))
        together.append((time.perf_counter() - start) / TOGETHER)
    return {
        "write_sync": statistics.median(sync),
        "await write": statistics.median(awaited),
        f"each of {TOGETHER} at once": statistics.median(together),
    }


def test_the_cost_of_a_write_is_printed(tmp_path: Path) -> None:
    base = median_of_fdatasync(tmp_path / "raw")
    store = Store.open(tmp_path / "data", "regtest")
    before = store.commits
    figures = asyncio.run(measure(store))
    commits = store.commits - before
    store.close_sync()
    print(
        f"\nfdatasync of {BLOB} bytes: {base * 1e6:.0f} us; {commits} commits for {2 * ROUNDS + 10 * TOGETHER} writes"
    )
    for name, seconds in figures.items():
        print(f"{name}: {seconds * 1e6:.0f} us, {seconds / base:.2f} x fdatasync")
    assert 2 * ROUNDS < commits < 2 * ROUNDS + 10 * TOGETHER, "writes at once share commits"
