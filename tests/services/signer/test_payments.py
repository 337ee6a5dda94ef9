"""Are to_remote outputs swept with the seed alone, to the wallet alone, with signatures that the chain accepts?"""

import asyncio

import pytest
from msgspec.structs import replace

from lnpd.chain.verify import first_failure
from lnpd.crypto.hd import PAYMENT_TURNS, ChannelIndex
from lnpd.errors import SignerRefused
from lnpd.services.interfaces import PaymentCoin
from lnpd.services.signer.payments import to_remote
from lnpd.services.signer.refusals import Rule
from lnpd.services.signer.service import KeySigner
from lnpd.tx.transaction import Tx, TxIn, TxOut
from tests.services.signer.signers import keys_from
from tests.services.signer.world import ADDRESS, STRANGER

COINS = (PaymentCoin(0, 50_000, False), PaymentCoin(999, 70_000, True), PaymentCoin(7, 20_000, True))
SWEEP = Tx(tuple(TxIn(bytes([n]) * 32, n, 1) for n in range(3)), (TxOut(139_000, ADDRESS),))


def signer() -> KeySigner:
    return KeySigner(keys_from(1))


def test_every_channels_payment_basepoint_is_among_them() -> None:
    points = asyncio.run(signer().payment_points())
    assert len(set(points)) == PAYMENT_TURNS == 1000
    for turn in (0, 1, 500, 999):
        assert keys_from(1).channel(ChannelIndex(5, 6, turn)).publics.payment_basepoint == points[turn]


def test_a_sweep_satisfies_both_scripts_by_bitcoin_cores_interpreter() -> None:
    points = asyncio.run(signer().payment_points())
    signed = asyncio.run(signer().sign_payments(SWEEP, COINS))
    spent = [(coin.value_sat, to_remote(points[coin.turn], coin.anchors).script_pubkey) for coin in COINS]
    assert first_failure(signed.serialise(), spent) is None
    spent[1] = (spent[1][0] + 1, spent[1][1])
    assert first_failure(signed.serialise(), spent) == 1


REFUSED: tuple[tuple[str, Rule, Tx, tuple[PaymentCoin, ...]], ...] = (
    ("elsewhere", Rule.PAYS_ELSEWHERE, replace(SWEEP, outputs=(TxOut(139_000, STRANGER),)), COINS),
    ("to nobody", Rule.PAYS_ELSEWHERE, replace(SWEEP, outputs=()), COINS),
    ("more than there is", Rule.FEE_TOO_HIGH, replace(SWEEP, outputs=(TxOut(140_001, ADDRESS),)), COINS),
    ("a fee of millions", Rule.FEE_TOO_HIGH, SWEEP, (*COINS[:2], replace(COINS[2], value_sat=90_000_000))),
    ("a coin too few", Rule.OTHER_COMMITMENT, SWEEP, COINS[:2]),
    ("no coin", Rule.OTHER_COMMITMENT, replace(SWEEP, inputs=()), ()),
    ("a key that there is not", Rule.OTHER_COMMITMENT, SWEEP, (*COINS[:2], replace(COINS[2], turn=1000))),
)


@pytest.mark.parametrize(("what", "rule", "tx", "coins"), REFUSED, ids=[row[0] for row in REFUSED])
def test_another_sweep_is_refused(what: str, rule: Rule, tx: Tx, coins: tuple[PaymentCoin, ...]) -> None:
    with pytest.raises(SignerRefused) as refused:
        asyncio.run(signer().sign_payments(tx, coins))
    assert refused.value.rule == rule
