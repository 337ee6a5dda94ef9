"""May a transaction be in the next block yet (locktime, BIP 113; relative locks, BIP 68)?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from lnpd.chain.transaction import Transaction

LOCKTIME_IS_TIME: Final = 500_000_000
SEQUENCE_FINAL: Final = 0xFFFFFFFF
DISABLE: Final = 1 << 31
IS_TIME: Final = 1 << 22
MASK: Final = 0xFFFF
GRANULARITY_SECONDS: Final = 512


def is_final(tx: Transaction, next_height: int, median_time_seconds: int) -> bool:
    """Whether the absolute lock is over for the block at `next_height` upon a tip with this median time."""
    limit = next_height if tx.locktime < LOCKTIME_IS_TIME else median_time_seconds
    return tx.locktime == 0 or tx.locktime < limit or all(i.sequence == SEQUENCE_FINAL for i in tx.inputs)


def is_mature(
    tx: Transaction,
    coin_heights: Sequence[int | None],
    next_height: int,
    median_time: Callable[[int], int],
) -> bool:
    """Whether every relative lock is over for the block at `next_height`.

    `coin_heights`: of the coin that each input spends, None for the mempool's, which cannot be older than the next
    block. `median_time` gives the median time at a height of the best chain.
    """
    if tx.version in (0, 1):  # negative versions count as large ones, as in the kernel
        return True
    for used, coin_height in zip(tx.inputs, coin_heights, strict=True):
        if used.sequence & DISABLE:
            continue
        height, lock = next_height if coin_height is None else coin_height, used.sequence & MASK
        if used.sequence & IS_TIME:
            start = median_time(min(max(height - 1, 0), next_height - 1))
            if median_time(next_height - 1) < start + lock * GRANULARITY_SECONDS:
                return False
        elif next_height < height + lock:
            return False
    return True
