"""Are locks over at exactly the block at which the kernel says so?"""

from pathlib import Path

import pytest

from lnpd.chain.timelocks import is_final, is_mature
from lnpd.chain.transaction import read_transaction
from lnpd.errors import BlockRefused
from lnpd.tx.transaction import Tx, TxIn, TxOut
from tests.chain.purse import coin, opened, pay, reason

TIME = 1 << 22
MEDIANS = {height: 1_700_000_000 + 512 * height for height in range(200)}


def tx(sequence: int, locktime: int = 0, version: int = 2) -> Tx:
    return Tx((TxIn(b"\x01" * 32, 0, sequence),), (TxOut(1, b"\x51"),), locktime, version)


@pytest.mark.parametrize(
    "sequence, version, coin_height, next_height, mature",
    [
        (10, 2, 90, 99, False),
        (10, 2, 90, 100, True),
        (10, 1, 90, 91, True),
        (10, -1, 90, 91, False),  # the kernel reads the version as unsigned here
        (10 | 1 << 31, 2, 90, 91, True),
        (10 | 1 << 16, 2, 90, 100, True),  # bits above the 16 of the value mean nothing
        (1, 2, None, 100, False),
        (0, 2, None, 100, True),
        (TIME | 10, 2, 90, 99, False),  # from the median of block 89 to that of block 98
        (TIME | 10, 2, 90, 100, True),
        (TIME | 0, 2, None, 100, True),
        (TIME | 1, 2, None, 100, False),
    ],
)
def test_relative_locks(sequence: int, version: int, coin_height: int | None, next_height: int, mature: bool) -> None:
    read = read_transaction(tx(sequence, version=version).serialise())
    assert is_mature(read, [coin_height], next_height, MEDIANS.__getitem__) is mature


@pytest.mark.parametrize(
    "locktime, sequence, final",
    [
        (0, 0, True),
        (99, 0, True),
        (100, 0, False),
        (100, 0xFFFFFFFF, True),
        (1_700_000_099, 0, True),
        (1_700_000_100, 0, False),
    ],
)
def test_absolute_locks(locktime: int, sequence: int, final: bool) -> None:
    assert is_final(read_transaction(tx(sequence, locktime).serialise()), 100, 1_700_000_100) is final


@pytest.mark.parametrize("lock", [*range(7), *(TIME | units for units in range(6))])
def test_the_kernel_agrees_at_every_height(tmp_path: Path, lock: int) -> None:
    now = [1_700_000_000.0]
    with opened(tmp_path, clock=lambda: now[0]) as chain:
        ours = coin(chain)
        spend = pay(ours, sequence=lock)
        refused = 0
        while True:
            ours_says = not reason(chain, spend)
            try:
                chain.submit(chain.assemble(chain.tip, b"\x51", [read_transaction(spend.serialise())], 0))
                kernel_says = True
            except BlockRefused as refusal:
                assert refusal.reason.startswith("bad-txns-nonfinal")
                kernel_says = False
            assert ours_says is kernel_says, (lock, refused)
            if kernel_says:
                break
            now[0] += 256  # half a unit of time a block
            chain.mine()
            refused += 1
        assert refused > 0 or lock in (0, 1, TIME)
