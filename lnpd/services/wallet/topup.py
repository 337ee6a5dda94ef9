"""Which coins pay the fee of a transaction that somebody else began?

An HTLC transaction of an anchors channel pays no fee, and an anchor's child has to pay for its parent too. Confirmed
coins only: who replaces such a transaction later may not be stopped by a parent of it. The coins of its last version
come first, so that a replacement costs no further coin, and no further address for the change. Each coin has to be
paid for too: what all of it may cost in the end is the asker's to say.
"""

from collections.abc import Collection, Sequence

import msgspec

from lnpd.errors import FeeTooHigh, InsufficientFunds
from lnpd.services.onchain import FeeWanted, Outpoint, WalletCoin
from lnpd.services.wallet.select import CHANGE_WEIGHT, DUST_SAT, INPUT_WEIGHT, MAX_INPUTS, fee_sat
from lnpd.tx.feerates import MIN_FEERATE_PER_KW


class TopUp(msgspec.Struct, frozen=True):
    """The coins that pay, what comes back (0: no change output), the whole fee, and the most that it all weighs."""

    coins: tuple[WalletCoin, ...]
    change_sat: int
    fee_sat: int
    weight: int


def top_up(coins: Sequence[WalletCoin], wanted: FeeWanted, preferred: Collection[Outpoint] = ()) -> TopUp:
    """The fewest coins, those of the last version first, at the feerate or the highest that `max_fee_sat` allows.

    Raises InsufficientFunds, and FeeTooHigh where the lowest feerate that is relayed costs more than that.
    """
    chosen = _chosen(coins, wanted, preferred)
    if wanted.max_fee_sat is not None and chosen.fee_sat > wanted.max_fee_sat:
        raise FeeTooHigh(
            f"A fee of {chosen.fee_sat:,} sat, the least that is relayed, is more than the {wanted.max_fee_sat:,} sat"
            " that what is at stake allows."
        )
    return chosen


def _chosen(coins: Sequence[WalletCoin], wanted: FeeWanted, preferred: Collection[Outpoint]) -> TopUp:
    given_sat = sum(o.value_sat for o in wanted.spent) - sum(o.value_sat for o in wanted.tx.outputs)
    ranked = sorted(coins, key=lambda c: ((c.txid, c.vout) not in preferred, -c.value_sat))
    picked: list[WalletCoin] = []
    total_sat, weight, least_sat = given_sat, wanted.weight, _fee(wanted, wanted.weight)
    for coin in ranked[:MAX_INPUTS]:
        with_it_sat = _fee(wanted, weight + INPUT_WEIGHT)
        if coin.value_sat <= with_it_sat - least_sat:
            continue  # it does not pay for itself
        picked.append(coin)
        total_sat, weight, least_sat = total_sat + coin.value_sat, weight + INPUT_WEIGHT, with_it_sat
        full_sat = _fee(wanted, weight + CHANGE_WEIGHT)
        if total_sat - full_sat >= DUST_SAT:
            return TopUp(tuple(picked), total_sat - full_sat, full_sat, weight + CHANGE_WEIGHT)
        most_sat = total_sat if wanted.max_fee_sat is None else max(least_sat, wanted.max_fee_sat)
        if wanted.tx.outputs and least_sat <= total_sat <= most_sat:
            return TopUp(tuple(picked), 0, total_sat, weight)
    raise InsufficientFunds(
        f"A fee of {least_sat:,} sat is needed to close a channel safely;"
        f" {sum(coin.value_sat for coin in coins):,} sat of confirmed coins are there for it."
    )


def _fee(wanted: FeeWanted, weight: int) -> int:
    """At the feerate, or all that it may be; never less than nodes relay."""
    fee_sat, least_sat = (_fee_at(wanted, weight, each) for each in (wanted.feerate_per_kw, MIN_FEERATE_PER_KW))
    return max(least_sat, fee_sat if wanted.max_fee_sat is None else min(fee_sat, wanted.max_fee_sat))


def _fee_at(wanted: FeeWanted, weight: int, feerate_per_kw: int) -> int:
    """What the package pays at a feerate, less what the parent pays already; the child never less than is relayed."""
    package_sat = fee_sat(weight + wanted.parent_weight, feerate_per_kw) - wanted.parent_fee_sat
    return max(package_sat, fee_sat(weight, MIN_FEERATE_PER_KW))
