"""Which coins pay for a transaction, and what comes back?

Two steps, both on effective values (a coin's value less the fee of its input), so that the feerate is part of the
choice:

1. Branch and bound (Erhardt 2016): depth first over the coins, largest first, for a set that overshoots by no more
   than a change output would cost, now and when it is spent. It makes no change: nothing to watch, nothing to link.
2. Else the largest coins until they suffice, with change. Few inputs keep a funding cheap and small.

Change below dust goes to the fee. Confirmed coins come first; our own unconfirmed change is touched if they do not
suffice.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from lnpd.chain.policy import Policy, dust_limit_sat
from lnpd.errors import FeeTooHigh, InsufficientFunds, OutputTooSmall
from lnpd.services.onchain import WalletCoin
from lnpd.tx.transaction import Tx, TxIn, TxOut

MAX_INPUTS: Final = 200
MAX_TRIES: Final = 20_000
LONG_TERM_FEERATE_PER_KW: Final = 2_500
"""What spending change is taken to cost one day."""

FREE_FEE_SAT: Final = 25_000
"""A fee up to this is never too high; above it, a tenth of what is paid is."""

SIGNATURE_BYTES, KEY_BYTES = 72, 33  # the longest DER signature with low S, and its sighash byte
CHANGE_SCRIPT: Final = b"\0\x14" + bytes(20)
DUST_SAT: Final = dust_limit_sat(CHANGE_SCRIPT, Policy())


class Selection(msgspec.Struct, frozen=True):
    """The coins to spend, what comes back (0: no change output), and the fee."""

    coins: tuple[WalletCoin, ...]
    change_sat: int
    fee_sat: int


def fee_sat(weight: int, feerate_per_kw: int) -> int:
    """The fee of a weight, rounded up."""
    return -(-weight * feerate_per_kw // 1000)


def weight(inputs: int, outputs: Sequence[TxOut]) -> int:
    """The weight of a signed transaction of the wallet; a signature may be a byte shorter."""
    one = TxIn(bytes(32), 0, witness=(bytes(SIGNATURE_BYTES), bytes(KEY_BYTES)))
    return Tx((one,) * inputs, tuple(outputs)).weight


INPUT_WEIGHT: Final = weight(2, ()) - weight(1, ())
CHANGE_WEIGHT: Final = weight(1, (TxOut(0, CHANGE_SCRIPT),)) - weight(1, ())


def select(coins: Sequence[WalletCoin], outputs: Sequence[TxOut], feerate_per_kw: int, keep_sat: int = 0) -> Selection:
    """Coins for these outputs; afterwards the wallet still has `keep_sat` of them. Raises InsufficientFunds."""
    confirmed = [coin for coin in coins if coin.height is not None]
    total_sat = sum(coin.value_sat for coin in coins)
    wanted_sat = sum(output.value_sat for output in outputs)
    needed_sat = 0
    for choice in (confirmed, list(coins)):
        found = _without_change(choice, outputs, feerate_per_kw) or _with_change(choice, outputs, feerate_per_kw)
        if isinstance(found, Selection):
            needed_sat = found.fee_sat
            if total_sat - wanted_sat - found.fee_sat >= keep_sat:
                return found
        else:
            needed_sat = found
    kept = f" and {keep_sat:,} sat that are kept in reserve" if keep_sat else ""
    raise InsufficientFunds(
        f"{wanted_sat:,} sat, {needed_sat:,} sat of fee{kept} are needed; {total_sat:,} sat can be spent now."
    )


def select_all(coins: Sequence[WalletCoin], script: bytes, feerate_per_kw: int, keep_sat: int = 0) -> Selection:
    """Every coin that is worth its input, for one output of what is left; `keep_sat` is the change."""
    worthy = sorted(coins, key=lambda coin: -coin.value_sat)[:MAX_INPUTS]
    worthy = [coin for coin in worthy if coin.value_sat > fee_sat(INPUT_WEIGHT, feerate_per_kw)]
    outputs = [TxOut(0, script)] + ([TxOut(keep_sat, CHANGE_SCRIPT)] if keep_sat else [])
    return Selection(tuple(worthy), keep_sat, fee_sat(weight(max(1, len(worthy)), outputs), feerate_per_kw))


def _without_change(coins: list[WalletCoin], outputs: Sequence[TxOut], feerate_per_kw: int) -> Selection | None:
    input_sat = fee_sat(INPUT_WEIGHT, feerate_per_kw)
    base_sat = fee_sat(weight(1, outputs) - INPUT_WEIGHT, feerate_per_kw)
    target_sat = sum(output.value_sat for output in outputs) + base_sat
    slack_sat = fee_sat(CHANGE_WEIGHT, feerate_per_kw) + fee_sat(INPUT_WEIGHT, LONG_TERM_FEERATE_PER_KW)
    ranked = sorted((c for c in coins if c.value_sat > input_sat), key=lambda coin: -coin.value_sat)
    chosen = _branch_and_bound([coin.value_sat - input_sat for coin in ranked], target_sat, slack_sat)
    if not chosen or len(chosen) > MAX_INPUTS:
        return None
    picked = tuple(ranked[index] for index in chosen)
    spent_sat = sum(coin.value_sat for coin in picked)
    return Selection(picked, 0, spent_sat - sum(output.value_sat for output in outputs))


def _branch_and_bound(values: list[int], target: int, slack: int) -> tuple[int, ...] | None:
    """Indices of values whose sum is from `target` to `target` + `slack`, of the least excess found; None if none is.

    `values` fall. A branch is left when it overshoots, or when all that follows does not reach the target.
    """
    best: tuple[int, tuple[int, ...]] | None = None
    rest = [0] * (len(values) + 1)
    for index in reversed(range(len(values))):
        rest[index] = rest[index + 1] + values[index]
    stack: list[tuple[int, int, tuple[int, ...]]] = [(0, 0, ())]
    for _ in range(MAX_TRIES):
        if not stack or (best is not None and best[0] == 0):
            break
        index, total, chosen = stack.pop()
        if target <= total <= target + slack and (best is None or total - target < best[0]):
            best = (total - target, chosen)
        if total < target and index < len(values) and total + rest[index] >= target:
            stack.append((index + 1, total, chosen))
            stack.append((index + 1, total + values[index], (*chosen, index)))
    return best[1] if best else None


def _with_change(coins: list[WalletCoin], outputs: Sequence[TxOut], feerate_per_kw: int) -> Selection | int:
    """The largest coins and what comes back; if they do not suffice, the fee that they would have to pay."""
    wanted_sat = sum(output.value_sat for output in outputs)
    picked: list[WalletCoin] = []
    total_sat = 0
    bare_sat = fee_sat(weight(1, outputs), feerate_per_kw)
    for coin in sorted(coins, key=lambda coin: -coin.value_sat)[:MAX_INPUTS]:
        if coin.value_sat <= fee_sat(INPUT_WEIGHT, feerate_per_kw):
            break
        picked.append(coin)
        total_sat += coin.value_sat
        bare_sat = fee_sat(weight(len(picked), outputs), feerate_per_kw)
        if total_sat < wanted_sat + bare_sat:
            continue
        full_sat = fee_sat(weight(len(picked), (*outputs, TxOut(0, CHANGE_SCRIPT))), feerate_per_kw)
        change_sat = total_sat - wanted_sat - full_sat
        if change_sat >= DUST_SAT:
            return Selection(tuple(picked), change_sat, full_sat)
        return Selection(tuple(picked), 0, total_sat - wanted_sat)
    return bare_sat


def require_relayable(output: TxOut) -> None:
    """Whether nodes relay an output of this size. Raises OutputTooSmall."""
    limit_sat = dust_limit_sat(output.script_pubkey, Policy())
    if output.value_sat < limit_sat:
        raise OutputTooSmall(f"{output.value_sat:,} sat are too few: nodes relay {limit_sat:,} and more.")


def modest_fee_sat(paid_sat: int) -> int:
    """The highest fee of a payment of this amount for which nobody has to be asked."""
    return max(FREE_FEE_SAT, paid_sat // 10)


def require_modest(chosen: Selection, paid_sat: int, max_fee_sat: int | None = None) -> None:
    """Whether the fee is not over `max_fee_sat`, or what is modest for this amount. Raises FeeTooHigh."""
    cap_sat = modest_fee_sat(paid_sat) if max_fee_sat is None else max_fee_sat
    if chosen.fee_sat > cap_sat:
        coins = "one coin" if len(chosen.coins) == 1 else f"{len(chosen.coins)} coins"
        raise FeeTooHigh(f"The fee would be {chosen.fee_sat:,} sat, for {coins}; {cap_sat:,} are allowed.")
