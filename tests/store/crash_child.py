"""Writes pairs of rows from several tasks and says which are acknowledged, until it is killed (see test_crash.py).

python crash_child.py DIRECTORY [MOMENT COUNT]   MOMENT: end the process at the COUNTth commit, at that moment
"""

import asyncio
import os
import sys
from pathlib import Path

from lnpd.store.store import Store
from lnpd.store.transactions import Moment
from lnpd.store.write import Write

TASKS = 8
BLOB = 3000


class Exit:
    """A fault hook that ends the process, as a cut of the power does."""

    def __init__(self, moment: str, count: int) -> None:
        self.moment, self.left = moment, count

    def __call__(self, moment: Moment, points: frozenset[str]) -> None:
        if moment == self.moment:
            self.left -= 1
            if not self.left:
                os._exit(9)


def pair(task: int, number: int) -> bytes:
    return bytes([task]) + number.to_bytes(4, "big")


async def main(directory: Path, fault: Exit) -> None:
    store = Store.open(directory, "regtest", fault)

    async def run(task: int) -> None:
        number = sum(row.key[0] == task for row in store.read_sync(lambda r: r.records(b"channel", "left")))
        while True:
            key = pair(task, number)

            def work(write: Write, key: bytes = key) -> None:
                write.put_record(b"channel", "left", key, key * (BLOB // 5))
                write.put_record(b"channel", "right", key, key)

            await store.write(work)
            os.write(1, key)
            number += 1

    await asyncio.gather(*map(run, range(TASKS)))


if __name__ == "__main__":
    moment, count = (sys.argv[2], int(sys.argv[3])) if len(sys.argv) > 2 else ("", 0)
    asyncio.run(main(Path(sys.argv[1]), Exit(moment, count)))
