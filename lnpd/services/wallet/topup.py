"""Which coins pay the fee of a transaction that somebody else began?

An HTLC transaction of an anchors channel pays no fee, and an anchor's child has to pay for its parent too. Confirmed
coins only: who replaces such a transaction later may not be stopped by a parent of it. The coins of its last version
come first, so that a replacement costs no further coin, and no further address for the change.
"""

from collections.abc import Collection, Sequence

import msgspec

from lnpd.errors import InsufficientFunds
from lnpd.services.onchain import FeeWanted, Outpoint, WalletCoin
from lnpd.services.wallet.select import CHANGE_WEIGHT, DUST_SAT, INPUT_WEIGHT, MAX_INPUTS, fee_sat


class TopUp(msgspec.Struct, frozen=True):
    """The coins that pay, what comes back (0: no change output), the whole fee, and the most that it all weighs."""

    coins: tuple[WalletCoin, ...]
    change_sat: int
    fee_sat: int
    weight: int


def top_up(coins: Sequence[WalletCoin], wanted: FeeWanted, preferred: Collection[Outpoint] = ()) -> TopUp:
    """The fewest coins, those of the last version first. Raises InsufficientFunds."""
    given_sat = sum(o.value_sat for o in wanted.spent) - sum(o.value_sat for o in wanted.tx.outputs)
    ranked = sorted(coins, key=lambda c: ((c.txid, c.vout) not in preferred, -c.value_sat))
    picked: list[WalletCoin] = []
    total_sat, least_sat = given_sat, 0
    for coin in ranked[:MAX_INPUTS]:
        if coin.value_sat <= fee_sat(INPUT_WEIGHT, wanted.feerate_per_kw):
            continue
        picked.append(coin)
        total_sat += coin.value_sat
        weight = wanted.weight + INPUT_WEIGHT * len(picked)
        full_sat = _fee(wanted, weight + CHANGE_WEIGHT)
        if total_sat - full_sat >= DUST_SAT:
            return TopUp(tuple(picked), total_sat - full_sat, full_sat, weight + CHANGE_WEIGHT)
        least_sat = _fee(wanted, weight)
        if wanted.tx.outputs and total_sat >= least_sat:
            return TopUp(tuple(picked), 0, total_sat, weight)
    raise InsufficientFunds(
        f"A fee of {max(least_sat, _fee(wanted, wanted.weight)):,} sat is needed to close a channel safely;"
        f" {sum(coin.value_sat for coin in coins):,} sat of confirmed coins are there for it."
    )


def _fee(wanted: FeeWanted, weight: int) -> int:
    """What the package pays at the feerate, less what the parent pays already; never less than the lowest rate."""
    package_sat = fee_sat(weight + wanted.parent_weight, wanted.feerate_per_kw) - wanted.parent_fee_sat
    return max(package_sat, fee_sat(weight, wanted.feerate_per_kw if not wanted.parent_weight else 253))
