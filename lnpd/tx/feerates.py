"""What feerate does a transaction with a deadline pay now, and what must it pay to replace an older one? (BIP 125)

    far from the deadline    the estimate
    the last RAMP_BLOCKS     from the estimate up to what the stake allows, in equal steps
    at the deadline          half of what is at stake

A stake that does not even allow the estimate pays what it allows, as long as nodes relay that.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from lnpd.tx.fees import fee_sat

MIN_FEERATE_PER_KW: Final = 253  # 1 sat/vB, rounded as nodes round
RAMP_BLOCKS: Final = 18  # BOLT 5 recommends as many for `security_delay`, and BOLT 2 for a fulfillment deadline
STAKE_PERCENT: Final = 50  # of what is at stake, and no more, is ever paid as fee


class Paid(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A transaction of ours that was broadcast and is not confirmed: what it spends, pays, and weighs at most."""

    inputs: tuple[tuple[bytes, int], ...]
    fee_sat: int
    weight: int

    @property
    def feerate_per_kw(self) -> int:
        """Rounded up."""
        return -(-1000 * self.fee_sat // self.weight)


def estimate_blocks(blocks_left: int | None) -> int:
    """Which estimate to ask for: of a confirmation within so many blocks. None: there is no deadline."""
    if blocks_left is None:
        return 12
    return 2 if blocks_left <= RAMP_BLOCKS else 6


def most_sat(stake_sat: int) -> int:
    """All that is ever paid for what is at stake."""
    return STAKE_PERCENT * stake_sat // 100


def most_per_kw(stake_sat: int, weight: int) -> int:
    """The feerate at which a transaction of this weight pays all that its stake allows."""
    return 1000 * most_sat(stake_sat) // weight


def scheduled_per_kw(blocks_left: int | None, stake_sat: int, weight: int, estimate_per_kw: int) -> int:
    """The feerate of a transaction of this weight that has to confirm within so many blocks (None: at any time)."""
    most = most_per_kw(stake_sat, weight)
    estimate = max(MIN_FEERATE_PER_KW, estimate_per_kw)
    if blocks_left is None or blocks_left >= RAMP_BLOCKS or most <= estimate:
        return max(MIN_FEERATE_PER_KW, min(estimate, most))
    passed = RAMP_BLOCKS - max(0, blocks_left)
    return estimate + (most - estimate) * passed // RAMP_BLOCKS


def least_per_kw(replaced: Sequence[Paid], weight: int) -> int:
    """The lowest feerate at which a transaction of this weight may replace these (BIP 125, rules 3 and 4, and the rule
    of Bitcoin Core that its feerate is above each of theirs); 0 if there are none."""
    if not replaced:
        return 0
    total_sat = sum(each.fee_sat for each in replaced) + fee_sat(weight, MIN_FEERATE_PER_KW) + 1
    return max(-(-1000 * total_sat // weight), *(each.feerate_per_kw + 1 for each in replaced))
