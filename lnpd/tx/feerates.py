"""What feerate does a transaction with a deadline pay now, and what must it pay to replace an older one? (BIP 125)

    its first attempt, and without a deadline     the estimate
    in the last RAMP_BLOCKS, while unconfirmed    more at each block, in equal ratios
    in the last LAST_BLOCKS                       all that what is at risk allows

A ratio, for an estimate is seldom wrong by a factor: a block that was missed by chance costs little, and all the same
the end is reached in time. Whoever begins late (a node that was away) rises in as many steps as blocks are left.
What is worth less than the estimate pays what it allows, as long as nodes relay that. And whatever is at stake:

    mined together, a child with its parent       at most MAX_FEERATE_PER_KW, as much as an estimate may be
    a child by itself                             at most MAX_CHILD_PER_KW: its parent weighs many times as much
    any transaction by itself                     at most REFUSED_ABOVE_PER_KW, or a bitcoind refuses it

The signer has the same limits (lnpd.services.signer.wallet), and so have the chains (lnpd.chain.admission and
lnpd.chain.bitcoind.broadcasts).
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from lnpd.tx.fees import fee_sat

MIN_FEERATE_PER_KW: Final = 253  # 1 sat/vB, rounded as nodes round
MAX_FEERATE_PER_KW: Final = 250_000  # 1,000 sat/vB
MAX_CHILD_PER_KW: Final = 2_000_000  # less than the next: a signature may be shorter than it was counted
REFUSED_ABOVE_PER_KW: Final = 2_500_000  # the default `maxfeerate` of a bitcoind, and so of each Electrum server's
RAMP_BLOCKS: Final = 18
LAST_BLOCKS: Final = 2  # a block that follows at once leaves one more
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


class Stake(msgspec.Struct, frozen=True):
    """What a transaction brings, `worth_sat` in all, and what of it may be lost.

    `risk_sat` may be lost in `blocks_left` blocks (None: never), for which `paid_sat` were paid elsewhere already. It
    was first tried `waited_blocks` ago.
    """

    worth_sat: int
    risk_sat: int = 0
    blocks_left: int | None = None
    waited_blocks: int = 0
    paid_sat: int = 0


class Bid(msgspec.Struct, frozen=True):
    """What is offered for a confirmation: a feerate, and the most that the whole fee may be."""

    feerate_per_kw: int
    most_sat: int


def estimate_blocks(blocks_left: int | None) -> int:
    """Which estimate to ask for: of a confirmation within so many blocks. None: there is no deadline."""
    if blocks_left is None:
        return 12
    return 2 if blocks_left <= RAMP_BLOCKS else 6


def most_sat(stake_sat: int) -> int:
    """All that is ever paid for what is at stake."""
    return STAKE_PERCENT * stake_sat // 100


def scheduled(stake: Stake, weight: int, estimate_per_kw: int) -> Bid:
    """What a transaction of this weight offers now."""
    calm = _between(estimate_per_kw, 1000 * most_sat(stake.worth_sat) // weight)
    risk_sat = most_sat(stake.risk_sat) - stake.paid_sat
    highest = _between(MAX_FEERATE_PER_KW, 1000 * risk_sat // weight)
    left = stake.blocks_left
    if left is None or highest <= calm or not (left <= LAST_BLOCKS or _waited(stake, left)):
        return Bid(calm, most_sat(stake.worth_sat))
    rest = max(0, left - LAST_BLOCKS)
    share = _waited(stake, left) / (_waited(stake, left) + rest) if rest else 1.0
    risen = int(calm * (highest / calm) ** share)
    return Bid(max(calm, min(risen, highest)), max(risk_sat, fee_sat(weight, calm)))


def _between(wanted_per_kw: int, allowed_per_kw: int) -> int:
    return max(MIN_FEERATE_PER_KW, min(wanted_per_kw, allowed_per_kw, MAX_FEERATE_PER_KW))


def _waited(stake: Stake, blocks_left: int) -> int:
    """How many blocks of the last ones a transaction has waited for already."""
    return max(0, min(stake.waited_blocks, RAMP_BLOCKS - blocks_left))


def least_per_kw(replaced: Sequence[Paid], weight: int) -> int:
    """The lowest feerate at which a transaction of this weight may replace these (BIP 125, rules 3 and 4, and the rule
    of Bitcoin Core that its feerate is above each of theirs); 0 if there are none."""
    if not replaced:
        return 0
    total_sat = sum(each.fee_sat for each in replaced) + fee_sat(weight, MIN_FEERATE_PER_KW) + 1
    least_sat = max(total_sat, *(each.fee_sat * weight // each.weight + 1 for each in replaced))
    return -(-1000 * least_sat // weight)
