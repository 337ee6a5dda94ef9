"""Which transactions would nodes not relay although they could be mined, judged by their form alone?

Tables of Bitcoin Core's rules, each with its name there; scriptrules.py has those of script execution, mempool.py those
that depend on other transactions. Consensus rules of form come first, because the kernel offers them for blocks only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from lnpd.chain.index import Coin
from lnpd.chain.scripts import Kind, count_signature_checks, is_push_only, is_witness_program, kind_of, last_push
from lnpd.chain.transaction import NULL_POINT, Input, Transaction
from lnpd.errors import TransactionRefused
from lnpd.tx.feerates import REFUSED_ABOVE_PER_KW
from lnpd.tx.transaction import compact_size

MAX_MONEY_SAT: Final = 21_000_000 * 100_000_000
MAX_WEIGHT: Final = 400_000
MIN_STRIPPED_BYTES: Final = 65
MAX_SIGNATURE_CHECK_COST: Final = 16_000
MAX_SCRIPT_SIG_BYTES: Final = 1650
MAX_WITNESS_SCRIPT_BYTES: Final = 3600
MAX_WITNESS_ITEMS: Final = 100
MAX_WITNESS_ITEM_BYTES: Final = 80
TAPSCRIPT_LEAF: Final = 0xC0
ANNEX_TAG: Final = 0x50

_WITNESS_SPEND_BYTES, _LEGACY_SPEND_BYTES = 67, 148  # what Bitcoin Core takes a future input to cost


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """What a node may set; the defaults are Bitcoin Core's long-standing ones."""

    min_relay_sat_per_kvb: int = 1000
    incremental_sat_per_kvb: int = 1000
    max_sat_per_kvb: int = 4 * REFUSED_ABOVE_PER_KW  # of `maxfeerate`, below which its user's transactions stay
    dust_sat_per_kvb: int = 3000
    max_op_return_bytes: int = 83
    max_ancestors: int = 25
    max_descendants: int = 25
    max_ancestor_vbytes: int = 101_000
    max_descendant_vbytes: int = 101_000
    max_replaced: int = 100
    max_mempool_vbytes: int = 50_000_000


def dust_limit_sat(script: bytes, policy: Policy) -> int:
    """Below this value an output costs more to spend than it holds (BOLT 3 lists the figures of the default policy)."""
    if kind_of(script) is Kind.NULL_DATA:
        return 0
    spend = _WITNESS_SPEND_BYTES if is_witness_program(script) else _LEGACY_SPEND_BYTES
    size = 8 + len(compact_size(len(script))) + len(script) + spend
    return size * policy.dust_sat_per_kvb // 1000


Rule = tuple[str, Callable[[Transaction, Policy], bool]]

CONSENSUS_RULES: Final[tuple[Rule, ...]] = (
    ("bad-txns-vout-empty", lambda tx, _: not tx.outputs),
    ("bad-txns-vout-negative", lambda tx, _: any(o.value_sat < 0 for o in tx.outputs)),
    ("bad-txns-vout-toolarge", lambda tx, _: any(o.value_sat > MAX_MONEY_SAT for o in tx.outputs)),
    ("bad-txns-txouttotal-toolarge", lambda tx, _: sum(o.value_sat for o in tx.outputs) > MAX_MONEY_SAT),
    ("bad-txns-inputs-duplicate", lambda tx, _: len({i.point for i in tx.inputs}) < len(tx.inputs)),
    ("coinbase", lambda tx, _: tx.is_coinbase),
    ("bad-txns-prevout-null", lambda tx, _: any(i.point == NULL_POINT for i in tx.inputs)),
)
"""What a transaction breaks by itself, in Bitcoin Core's order."""

STANDARD_RULES: Final[tuple[Rule, ...]] = (
    ("version", lambda tx, _: not 1 <= tx.version <= 3),
    ("tx-size", lambda tx, _: tx.weight > MAX_WEIGHT),
    ("scriptsig-size", lambda tx, _: any(len(i.script_sig) > MAX_SCRIPT_SIG_BYTES for i in tx.inputs)),
    ("scriptsig-not-pushonly", lambda tx, _: not all(is_push_only(i.script_sig) for i in tx.inputs)),
    ("scriptpubkey", lambda tx, policy: not all(is_standard_output(o.script, policy) for o in tx.outputs)),
    ("dust", lambda tx, policy: any(o.value_sat < dust_limit_sat(o.script, policy) for o in tx.outputs)),
    ("multi-op-return", lambda tx, _: sum(kind_of(o.script) is Kind.NULL_DATA for o in tx.outputs) > 1),
    ("tx-size-small", lambda tx, _: len(tx.stripped) < MIN_STRIPPED_BYTES),
)
"""What makes a transaction nonstandard by itself."""


def check_form(tx: Transaction, policy: Policy) -> None:
    """Raises TransactionRefused with the first rule of either table that a transaction breaks."""
    for name, broken in (*CONSENSUS_RULES, *STANDARD_RULES):
        if broken(tx, policy):
            raise TransactionRefused(name)


def is_standard_output(script: bytes, policy: Policy) -> bool:
    """Whether nodes relay an output with this scriptPubKey."""
    kind = kind_of(script)
    if kind is Kind.NULL_DATA:
        return len(script) <= policy.max_op_return_bytes
    return kind is not Kind.NONSTANDARD


def check_inputs(tx: Transaction, coins: Sequence[Coin]) -> None:
    """Raises TransactionRefused if an input spends a script, or with a witness, that nodes do not relay."""
    for index, (used, coin) in enumerate(zip(tx.inputs, coins, strict=True)):
        kind = kind_of(coin.script)
        if kind in (Kind.NONSTANDARD, Kind.WITNESS_UNKNOWN, Kind.NULL_DATA):
            raise TransactionRefused(f"bad-txns-nonstandard-inputs, input {index}")
        if used.witness and not _is_standard_witness(used, coin.script):
            raise TransactionRefused(f"bad-witness-nonstandard, input {index}")
    if signature_check_cost(tx, coins) > MAX_SIGNATURE_CHECK_COST:
        raise TransactionRefused("bad-txns-too-many-sigops")


def program_of(used: Input, script: bytes) -> bytes:
    """The script that an input's witness satisfies: a P2SH input's redeem script, else the scriptPubKey itself."""
    return last_push(used.script_sig) if kind_of(script) is Kind.SCRIPT_HASH else script


def signature_check_cost(tx: Transaction, coins: Sequence[Coin]) -> int:
    """What the signature checks of a transaction count in a block (BIP 141): four outside witnesses, one inside."""
    scripts = [*(i.script_sig for i in tx.inputs), *(o.script for o in tx.outputs)]
    cost = 4 * sum(count_signature_checks(script, accurate=False) for script in scripts)
    for used, coin in zip(tx.inputs, coins, strict=True):
        program = program_of(used, coin.script)
        kind = kind_of(program)
        if kind is Kind.WITNESS_PUBKEY_HASH:
            cost += 1
        elif kind is Kind.WITNESS_SCRIPT_HASH and used.witness:
            cost += count_signature_checks(used.witness[-1], accurate=True)
        elif program is not coin.script:
            cost += 4 * count_signature_checks(program, accurate=True)
    return cost


def _is_standard_witness(used: Input, script: bytes) -> bool:
    kind = kind_of(program_of(used, script))
    if kind is Kind.WITNESS_SCRIPT_HASH:
        *items, witness_script = used.witness
        return len(witness_script) <= MAX_WITNESS_SCRIPT_BYTES and len(items) <= MAX_WITNESS_ITEMS and _all_short(items)
    if kind is Kind.TAPROOT and program_of(used, script) is script:
        return _is_standard_taproot(used.witness)
    return kind in (Kind.WITNESS_PUBKEY_HASH, Kind.WITNESS_UNKNOWN, Kind.TAPROOT)


def _is_standard_taproot(witness: Sequence[bytes]) -> bool:
    if len(witness) >= 2 and witness[-1][:1] == bytes([ANNEX_TAG]):
        return False
    if len(witness) == 1:
        return True
    *items, _, control = witness
    return bool(control) and (control[0] & 0xFE != TAPSCRIPT_LEAF or _all_short(items))


def _all_short(items: Sequence[bytes]) -> bool:
    return all(len(item) <= MAX_WITNESS_ITEM_BYTES for item in items)
