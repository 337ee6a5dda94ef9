"""Is a node that is fuzzed unharmed?

It answers its API, an honest peer goes on paying through it, it logs no failure of its own and no task's that nobody
looked at, what it stored agrees with itself, and it does not grow.
"""

import asyncio
import gc
import logging
import os
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from lnpd.errors import LnpdError
from lnpd.services.node.node import Node

PATIENCE_SECONDS = 60.0
PAUSE_SECONDS = 0.1
MOST_GROWTH_BYTES = 32 << 20
AMOUNT_MSAT = 2_000_000


def resident_bytes() -> int:
    """How large this process is."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class Failures(logging.Handler):
    """Takes note of what a node logs of failures that are not named ones of lnpd.errors."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """One record."""
        error = record.exc_info[1] if record.exc_info else None
        unnamed = error is not None and not isinstance(error, LnpdError)
        if unnamed or record.levelno >= logging.ERROR:
            self.found.append(self.format(record))


@contextmanager
def no_failures() -> Iterator[None]:
    """AssertionError with what was logged, if a failure was; also of tasks that nobody waited for."""
    failures = Failures()
    logging.getLogger().addHandler(failures)
    try:
        yield
        gc.collect()
    finally:
        logging.getLogger().removeHandler(failures)
    assert not failures.found, "\n".join(failures.found)


async def pays(payer: Node, payee: Node) -> None:
    """A payment over the channel that they have."""
    invoice = await payee.api.invoice(AMOUNT_MSAT, "still here", 3600)
    paid = await payer.api.pay(invoice.invoice, None, PATIENCE_SECONDS)
    assert paid.amount_msat == AMOUNT_MSAT


class Tally:
    """What went on beside the fuzzing."""

    def __init__(self) -> None:
        self.payments = 0
        self.slowest_seconds = 0.0


@asynccontextmanager
async def served(node: Node, honest: Node) -> AsyncIterator[Tally]:
    """An honest peer pays to and fro all the while, and once more at the end; what is stored agrees with itself."""
    tally, stop = Tally(), asyncio.Event()

    async def pay() -> None:
        while not stop.is_set():
            began = time.monotonic()
            await pays(*((node, honest) if tally.payments % 2 else (honest, node)))
            tally.payments += 1
            tally.slowest_seconds = max(tally.slowest_seconds, time.monotonic() - began)
            await asyncio.sleep(PAUSE_SECONDS)

    paying = asyncio.create_task(pay())
    try:
        yield tally
        stop.set()
        await paying
    finally:
        paying.cancel()
    assert tally.payments
    await pays(honest, node)
    await pays(node, honest)
    assert (await node.api.info()).node_id == node.node_id.hex()
    checked = await node.api.check()
    assert not checked.problems, checked.problems


class Growth:
    """How much larger the process is than after the first third of the rounds."""

    def __init__(self, rounds: int) -> None:
        self._first, self._round, self._before = max(1, rounds // 3), 0, 0

    def count(self) -> None:
        """A round is over."""
        self._round += 1
        if self._round == self._first:
            gc.collect()
            self._before = resident_bytes()

    def check(self) -> int:
        """The bytes. AssertionError if it is too much."""
        gc.collect()
        grown = resident_bytes() - self._before
        assert grown < MOST_GROWTH_BYTES, f"{grown} bytes more than after the first third"
        return grown
