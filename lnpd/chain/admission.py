"""May a transaction, or a parent with the child that pays for it, enter the mempool?

    examine  what each is by itself and against the chain     (form, locks, coins, standard inputs, family)
    weigh    what it, or the package, pays                    (fees, replacement)
    verify   its scripts, last because they cost most         (the kernel's interpreter, then the rules of relay)

Names of refusals are Bitcoin Core's. The order is too, as far as several rules can be broken at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from lnpd.chain.assemble import COINBASE_MATURITY
from lnpd.chain.index import Coin
from lnpd.chain.policy import MAX_MONEY_SAT, check_form, check_inputs, program_of
from lnpd.chain.scriptrules import broken_rule
from lnpd.chain.timelocks import is_final, is_mature
from lnpd.chain.transaction import Transaction
from lnpd.chain.verify import first_failure
from lnpd.chain.waiting import Waiting
from lnpd.errors import TransactionRefused

TRUC_VERSION: Final = 3
TRUC_MAX_VBYTES: Final = 10_000
TRUC_CHILD_MAX_VBYTES: Final = 1_000
CARVE_OUT_MAX_VBYTES: Final = 10_000


@dataclass(frozen=True, slots=True)
class Candidate:
    """A transaction that is right but for what it pays. `conflicts`: the waiting ones that it replaces directly."""

    tx: Transaction
    coins: tuple[Coin, ...]
    fee_sat: int
    conflicts: frozenset[bytes]
    parent: Transaction | None = None


def examine(tx: Transaction, pool: Waiting, parent: Transaction | None, *, returning: bool = False) -> Candidate:
    """Everything but fees and scripts. Raises TransactionRefused.

    `parent`: the other transaction of a package, not yet in the pool. `returning`: it was in a block before, so rules
    of relay do not bind it.
    """
    next_height = pool.tree.height + 1
    if not returning:
        check_form(tx, pool.policy)
    if not is_final(tx, next_height, pool.tree.median_time(pool.tree.tip)):
        raise TransactionRefused("non-final")
    coins = _coins(tx, pool, parent)
    if not is_mature(tx, [coin.height for coin in coins], next_height, lambda height: _median_time(pool, height)):
        raise TransactionRefused("non-BIP68-final")
    fee_sat = _fee(tx, coins, next_height)
    conflicts = frozenset(rival for i in tx.inputs if (rival := pool.spenders.get(i.point)))
    candidate = Candidate(tx, coins, fee_sat, conflicts, parent)
    if not returning:
        check_inputs(tx, coins)
        _check_family(candidate, pool)
    return candidate


def _median_time(pool: Waiting, height: int) -> int:
    node = pool.tree.at(height)
    assert node is not None, "asked for heights of the best chain only"
    return pool.tree.median_time(node)


def _coins(tx: Transaction, pool: Waiting, parent: Transaction | None) -> tuple[Coin, ...]:
    coins = []
    for used in tx.inputs:
        coin = pool.coin(used.point)
        if coin is None and parent and used.point[0] == parent.txid and used.point[1] < len(parent.outputs):
            output = parent.outputs[used.point[1]]
            coin = Coin(output.value_sat, output.script, None)
        if coin is None:
            raise TransactionRefused("bad-txns-inputs-missingorspent")
        coins.append(coin)
    return tuple(coins)


def _fee(tx: Transaction, coins: Sequence[Coin], next_height: int) -> int:
    for coin in coins:
        if coin.is_coinbase and coin.height is not None and next_height - coin.height < COINBASE_MATURITY:
            raise TransactionRefused("bad-txns-premature-spend-of-coinbase")
    value_in = sum(coin.value_sat for coin in coins)
    if value_in > MAX_MONEY_SAT:
        raise TransactionRefused("bad-txns-inputvalues-outofrange")
    fee_sat = value_in - sum(output.value_sat for output in tx.outputs)
    if fee_sat < 0:
        raise TransactionRefused("bad-txns-in-belowout")
    return fee_sat


# Families: chains of unconfirmed transactions


def _check_family(candidate: Candidate, pool: Waiting) -> None:
    tx, policy = candidate.tx, pool.policy
    family = pool.ancestors(tx)
    if candidate.parent:
        family |= pool.ancestors(candidate.parent)
    if family & candidate.conflicts:
        raise TransactionRefused("bad-txns-spends-conflicting-tx")
    extra = [tx] if candidate.parent is None else [tx, candidate.parent]
    size = pool.virtual_bytes(family) + sum(member.virtual_bytes for member in extra)
    if len(family) + len(extra) > policy.max_ancestors or size > policy.max_ancestor_vbytes:
        raise TransactionRefused("too-long-mempool-chain, too many unconfirmed ancestors")
    _check_truc(candidate, pool, family)
    # One small child more may join a single ancestor, so that its counterparty cannot fill its place (CPFP carve-out).
    carve_out = len(family) == 1 and tx.virtual_bytes <= CARVE_OUT_MAX_VBYTES
    for ancestor in family:
        below = pool.descendants([ancestor]) - pool.descendants(candidate.conflicts)
        size = pool.virtual_bytes(below) + sum(member.virtual_bytes for member in extra)
        if len(below) + len(extra) > policy.max_descendants + carve_out or size > policy.max_descendant_vbytes:
            raise TransactionRefused("too-long-mempool-chain, too many descendants")


def _check_truc(candidate: Candidate, pool: Waiting, family: set[bytes]) -> None:
    """Version 3 keeps to one parent and one child (BIP 431)."""
    tx, relatives = candidate.tx, [pool.entries[txid].tx for txid in family]
    if candidate.parent:
        relatives.append(candidate.parent)
    is_truc = tx.version == TRUC_VERSION
    if any((member.version == TRUC_VERSION) is not is_truc for member in relatives):
        raise TransactionRefused("TRUC-violation, version 3 and other versions spend each other unconfirmed")
    if not is_truc:
        return
    if tx.virtual_bytes > (TRUC_CHILD_MAX_VBYTES if relatives else TRUC_MAX_VBYTES):
        raise TransactionRefused("TRUC-violation, too big")
    siblings = pool.descendants(family) - family - pool.descendants(candidate.conflicts)
    if len(relatives) > 1 or siblings:
        raise TransactionRefused("TRUC-violation, more than one parent or child")


# What it pays


def fee_at(rate_sat_per_kvb: int, virtual_bytes: int) -> int:
    """The fee of a size at a rate, rounded up."""
    return -(-rate_sat_per_kvb * virtual_bytes // 1000)


def weigh(candidates: Sequence[Candidate], pool: Waiting) -> set[bytes]:
    """The waiting transactions that the candidates together replace; TransactionRefused if they pay too little."""
    policy = pool.policy
    fee_sat = sum(candidate.fee_sat for candidate in candidates)
    size = sum(candidate.tx.virtual_bytes for candidate in candidates)
    for candidate in candidates:  # a child may lift a parent over the floor of the mempool, not over that of relay
        needed = fee_at(policy.min_relay_sat_per_kvb, candidate.tx.virtual_bytes)
        if candidate.tx.version != TRUC_VERSION and candidate.fee_sat < needed:
            raise TransactionRefused(f"min relay fee not met, {candidate.fee_sat} < {needed}")
        if candidate.fee_sat > fee_at(policy.max_sat_per_kvb, candidate.tx.virtual_bytes):
            raise TransactionRefused("Fee exceeds maximum configured by user (e.g. -maxtxfee, maxfeerate)")
    for name, rate in (
        ("mempool min fee not met", pool.floor_sat_per_kvb),
        ("min relay fee not met", policy.min_relay_sat_per_kvb),
    ):
        if fee_sat < fee_at(rate, size):
            raise TransactionRefused(f"{name}, {fee_sat} < {fee_at(rate, size)}")
    replaced = pool.descendants(txid for candidate in candidates for txid in candidate.conflicts)
    if replaced:
        _check_replacement(candidates, pool, replaced, fee_sat, size)
    if pool.total_virtual_bytes - pool.virtual_bytes(replaced) + size > policy.max_mempool_vbytes:
        raise TransactionRefused("mempool full")
    return replaced


def _check_replacement(
    candidates: Sequence[Candidate], pool: Waiting, replaced: set[bytes], fee_sat: int, size: int
) -> None:
    """BIP 125 as nodes apply it today: whatever was signalled, everything can be replaced."""
    policy = pool.policy
    conflicts = {txid for candidate in candidates for txid in candidate.conflicts}
    if len(replaced) > policy.max_replaced:
        raise TransactionRefused(f"too many potential replacements, {len(replaced)} > {policy.max_replaced}")
    old_parents = {parent for txid in conflicts for parent in pool.parents(pool.entries[txid].tx)}
    if any(pool.parents(candidate.tx) - old_parents - replaced for candidate in candidates):
        raise TransactionRefused("replacement-adds-unconfirmed")
    for txid in conflicts:
        old = pool.entries[txid]
        if fee_sat * old.tx.virtual_bytes <= old.fee_sat * size:
            raise TransactionRefused("insufficient fee, rejecting replacement: its feerate is not above the old one's")
    old_fees = sum(pool.entries[txid].fee_sat for txid in replaced)
    if fee_sat < old_fees:
        raise TransactionRefused(
            f"insufficient fee, rejecting replacement: less than the replaced pay, {fee_sat} < {old_fees}"
        )
    if fee_sat - old_fees < fee_at(policy.incremental_sat_per_kvb, size):
        raise TransactionRefused("insufficient fee, rejecting replacement: not enough additional fees to relay")


# Its scripts


def verify_scripts(candidate: Candidate) -> None:
    """Raises TransactionRefused if an input does not satisfy its script, or does so against a rule of relay."""
    tx = candidate.tx
    failed = first_failure(tx.raw, [(coin.value_sat, coin.script) for coin in candidate.coins])
    if failed is not None:
        raise TransactionRefused(f"mandatory-script-verify-flag-failed, input {failed}")
    for index, (used, coin) in enumerate(zip(tx.inputs, candidate.coins, strict=True)):
        words = broken_rule(tx, index, program_of(used, coin.script), coin.value_sat)
        if words:
            raise TransactionRefused(f"non-mandatory-script-verify-flag ({words}), input {index}")
