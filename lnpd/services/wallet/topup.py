"""Which coins pay the fee of a transaction that somebody else began?

An HTLC transaction of an anchors channel pays no fee, and an anchor's child has to pay for its parent too. The coins of
its last version come first, so that a replacement costs no further coin, and no further address for the change; then
confirmed ones, for a parent may be replaced or come too late; last what is held for a plugin, which loses it. Each coin
has to be paid for too: what all of it may cost in the end is the asker's to say. A poor wallet pays less than it is
asked, and not nothing.
"""

from collections.abc import Collection, Sequence

import msgspec
from msgspec.structs import replace

from lnpd.errors import FeeTooHigh, InsufficientFunds
from lnpd.services.onchain import FeeWanted, Outpoint, WalletCoin
from lnpd.services.wallet.select import CHANGE_WEIGHT, DUST_SAT, INPUT_WEIGHT, MAX_INPUTS, fee_sat
from lnpd.tx.feerates import MAX_CHILD_PER_KW, MIN_FEERATE_PER_KW


class TopUp(msgspec.Struct, frozen=True):
    """The coins that pay, what comes back (0: no change output), the whole fee, and the most that it all weighs."""

    coins: tuple[WalletCoin, ...]
    change_sat: int
    fee_sat: int
    weight: int


def top_up(coins: Sequence[WalletCoin], wanted: FeeWanted, preferred: Collection[Outpoint] = ()) -> TopUp:
    """The fewest coins, in the order that is said above, at the feerate or the highest that `max_fee_sat` and the coins
    allow.

    Raises InsufficientFunds, and FeeTooHigh, where the lowest feerate that is relayed costs more than that.
    """
    ranked = sorted(
        coins, key=lambda c: ((c.txid, c.vout) not in preferred, bool(c.reserved_for), c.height is None, -c.value_sat)
    )
    chosen = _affordable(ranked, wanted) or _affordable(ranked, replace(wanted, later_weight=0))
    if chosen is None:
        raise InsufficientFunds(
            f"A fee of {_fee(wanted, wanted.weight + INPUT_WEIGHT, MIN_FEERATE_PER_KW):,} sat at least is needed to"
            f" close a channel safely; {sum(coin.value_sat for coin in coins):,} sat of coins are there for it."
        )
    if wanted.max_fee_sat is not None and chosen.fee_sat > wanted.max_fee_sat:
        raise FeeTooHigh(
            f"A fee of {chosen.fee_sat:,} sat, the least that is relayed, is more than the {wanted.max_fee_sat:,} sat"
            " that what is at stake allows."
        )
    return chosen


def _affordable(ranked: Sequence[WalletCoin], wanted: FeeWanted) -> TopUp | None:
    """At the feerate that is wanted, or else at the highest at which the coins suffice."""
    rate = max(MIN_FEERATE_PER_KW, wanted.feerate_per_kw)
    if found := _chosen(ranked, wanted, rate):
        return found
    best = _chosen(ranked, wanted, MIN_FEERATE_PER_KW)
    low, high = MIN_FEERATE_PER_KW, rate
    while best is not None and high - low > 1:
        between = (low + high) // 2
        if found := _chosen(ranked, wanted, between):
            best, low = found, between
        else:
            high = between
    return best


def _chosen(ranked: Sequence[WalletCoin], wanted: FeeWanted, feerate_per_kw: int) -> TopUp | None:
    """The first of these coins that pay this feerate, if they do."""
    picked: list[WalletCoin] = []
    total_sat = sum(o.value_sat for o in wanted.spent) - sum(o.value_sat for o in wanted.tx.outputs)
    most_sat = total_sat + sum(coin.value_sat for coin in ranked) - fee_sat(wanted.later_weight, feerate_per_kw)
    weight, least_sat = wanted.weight, _fee(wanted, wanted.weight, feerate_per_kw)
    for coin in ranked[:MAX_INPUTS]:
        with_it_sat = _fee(wanted, weight + INPUT_WEIGHT, feerate_per_kw)
        if coin.value_sat <= with_it_sat - least_sat:
            continue  # it does not pay for itself
        picked.append(coin)
        total_sat, weight, least_sat = total_sat + coin.value_sat, weight + INPUT_WEIGHT, with_it_sat
        full_sat = _fee(wanted, weight + CHANGE_WEIGHT, feerate_per_kw)
        if total_sat - full_sat >= DUST_SAT and full_sat <= most_sat:
            return TopUp(tuple(picked), total_sat - full_sat, full_sat, weight + CHANGE_WEIGHT)
        allowed_sat = total_sat if wanted.max_fee_sat is None else max(least_sat, wanted.max_fee_sat)
        if wanted.tx.outputs and least_sat <= total_sat <= min(allowed_sat, most_sat):
            return TopUp(tuple(picked), 0, total_sat, weight)
    return None


def _fee(wanted: FeeWanted, weight: int, feerate_per_kw: int) -> int:
    """At the feerate, or all that it may be; never less than nodes relay."""
    least_sat = _fee_at(wanted, weight, MIN_FEERATE_PER_KW)
    most_sat = fee_sat(weight, MAX_CHILD_PER_KW)
    if wanted.max_fee_sat is not None:
        most_sat = min(most_sat, wanted.max_fee_sat)
    return max(least_sat, min(most_sat, _fee_at(wanted, weight, feerate_per_kw)))


def _fee_at(wanted: FeeWanted, weight: int, feerate_per_kw: int) -> int:
    """What the package pays at a feerate, less what the parent pays already; the child never less than is relayed."""
    package_sat = fee_sat(weight + wanted.parent_weight, feerate_per_kw) - wanted.parent_fee_sat
    return max(package_sat, fee_sat(weight, MIN_FEERATE_PER_KW))
