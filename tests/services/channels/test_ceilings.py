"""Does the signer sign, and every chain take, whatever fee is scheduled, however much is at stake and however late?

the schedule            MAX_FEERATE_PER_KW of what is mined together     lnpd.tx.feerates
the wallet's top-up     MAX_CHILD_PER_KW of a child by itself            lnpd.services.wallet.topup
the signer              REFUSED_ABOVE_PER_KW of what has other inputs    lnpd.services.signer.wallet, .spends
bitcoind, Electrum      the same: 0.1 BTC per kvB                        lnpd.chain.bitcoind.broadcasts
the embedded chain      the same                                         lnpd.chain.admission
"""

from itertools import product
from typing import NamedTuple

import pytest

from lnpd.chain.bitcoind.broadcasts import MAX_FEERATE
from lnpd.chain.policy import Policy
from lnpd.services.onchain import FeeWanted, WalletCoin
from lnpd.services.signer.service import KeySigner
from lnpd.services.signer.spends import fee_cap_sat
from lnpd.services.wallet.select import CHANGE_WEIGHT, INPUT_WEIGHT
from lnpd.services.wallet.topup import top_up
from lnpd.tx import fees
from lnpd.tx.feerates import MAX_CHILD_PER_KW, MAX_FEERATE_PER_KW, REFUSED_ABOVE_PER_KW, Bid, Stake, scheduled
from lnpd.tx.transaction import Tx, TxIn, TxOut
from tests.chain.purse import p2wsh
from tests.services.signer.signers import run_now
from tests.services.signer.test_wallet import KEYS, finished, psbt_of, script

STAKES_SAT = (1_000, 20_000, 200_003, 12_000_000, 16_000_000, 10**9)
BLOCKS_LEFT = (None, 40, 18, 17, 9, 3, 2, 0, -100)
WAITED = (0, 1, 9, 100)
ESTIMATES_PER_KW = (253, 2_500, MAX_FEERATE_PER_KW)
RICH = WalletCoin(b"\x02" * 32, 7, 10**9, script(0, 0), 0, 0, height=1)
HTLC, ANCHOR = p2wsh(b"\x51"), TxOut(330, p2wsh(b"\x52"))


class Shape(NamedTuple):
    """What the wallet is asked to pay for: how many inputs and outputs, their weight, and a parent's."""

    count: int
    weight: int
    parent_weight: int = 0


SHAPES = {
    "HTLC transaction": Shape(1, 1_100),
    "20 of them": Shape(20, 14_000),
    "child of a small commitment": Shape(1, 680, 1_124),
    "child of the largest": Shape(1, 680, 1_124 + 2 * 483 * 172),
}


def asked(shape: Shape, bid: Bid, stake_sat: int) -> FeeWanted:
    """As a child asks, and as HTLC transactions do."""
    is_child = bool(shape.parent_weight)
    spent = ANCHOR if is_child else TxOut(stake_sat, HTLC)
    inputs = tuple(TxIn(bytes([n + 1]) * 32, 7) for n in range(shape.count))
    base = Tx(inputs, () if is_child else (spent,) * shape.count)
    own = shape.weight - INPUT_WEIGHT - CHANGE_WEIGHT
    return FeeWanted("one", base, (spent,) * shape.count, own, bid.feerate_per_kw, shape.parent_weight)


def virtual_bytes(psbt: bytes, fee_sat: int, change: TxOut, witnesses: int, signatures: int) -> int:
    """What a real signer makes of it, with the channel's witnesses as light as they may be."""
    tx = finished(run_now(KeySigner(KEYS).sign_wallet(psbt, fee_sat, (change,))))
    for index in range(witnesses):
        tx = tx.with_witness(index, (bytes(71),) * signatures)
    return -(-tx.weight // 4)


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_the_signer_and_a_bitcoind_take_what_the_wallet_pays(shape: Shape) -> None:
    signed = set()
    for stake_sat, left, waited, estimate_per_kw in product(STAKES_SAT, BLOCKS_LEFT, WAITED, ESTIMATES_PER_KW):
        stake = Stake(shape.count * stake_sat, shape.count * stake_sat, left, waited)
        bid = scheduled(stake, shape.weight + shape.parent_weight, estimate_per_kw)
        assert bid.feerate_per_kw <= MAX_FEERATE_PER_KW
        wanted = asked(shape, bid, stake_sat)
        chosen = top_up([RICH], wanted)
        if chosen.fee_sat in signed:
            continue
        signed.add(chosen.fee_sat)
        change = TxOut(chosen.change_sat, script(1, 0))
        coins = [*((each.value_sat, each.script_pubkey) for each in wanted.spent), (RICH.value_sat, RICH.script_pubkey)]
        psbt = psbt_of((*wanted.tx.outputs, change), coins)
        size = virtual_bytes(psbt, chosen.fee_sat, change, shape.count, 1 if shape.parent_weight else 2)
        assert 1000 * chosen.fee_sat <= Policy().max_sat_per_kvb * size
    assert len(signed) > 10


def test_the_signer_and_a_bitcoind_take_what_a_sweep_pays() -> None:
    weight = 4 * (10 + 41 + 43) + 160
    tx = Tx((TxIn(b"\x01" * 32, 7),), (TxOut(0, HTLC),))
    for stake_sat, left, waited, estimate_per_kw in product(STAKES_SAT, BLOCKS_LEFT, WAITED, ESTIMATES_PER_KW):
        bid = scheduled(Stake(stake_sat, stake_sat, left, waited), weight, estimate_per_kw)
        fee_sat = fees.fee_sat(weight, bid.feerate_per_kw)
        assert fee_sat <= fee_cap_sat(tx, 1) and fee_sat * 4 <= Policy().max_sat_per_kvb * weight // 1000


def test_no_limit_is_above_that_of_the_next() -> None:
    assert MAX_FEERATE_PER_KW < MAX_CHILD_PER_KW < REFUSED_ABOVE_PER_KW
    assert 4 * REFUSED_ABOVE_PER_KW == Policy().max_sat_per_kvb == 10_000 * 1_000
    assert MAX_FEERATE == "0.10000000"
