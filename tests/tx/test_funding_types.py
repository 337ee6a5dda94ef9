"""Is what a channel type pays its funding to held to both parties' consent, and does its weight follow from it?"""

import pytest
from lnpd_sdk.manifest import FundingSpec
from lnpd_sdk.script import InternalKey, Miniscript, Taproot

from lnpd.crypto.secp import public_key, sign
from lnpd.errors import FundingRefused, ScriptRefused
from lnpd.providers.types import ANCHORS_ZERO_FEE_HTLC_TX
from lnpd.tx import fees
from lnpd.tx.funding import compiled_of, funding_output, joint_path, make_funding, spending_weight
from lnpd.tx.funding_types import MIN_LOCK_BLOCKS, check_funding, check_type, filled, lock_blocks, with_funding
from lnpd.tx.signatures import funding_digest, funding_witness
from lnpd.tx.transaction import Tx, TxIn, TxOut
from tests.tx.bolt3 import FUNDING, POINTS, SECRETS
from tests.tx.kernel import accepts

BOTH = "multi(2,opener_funding,acceptor_funding)"
KEYS = (POINTS["opener_funding"], POINTS["acceptor_funding"])
THIRD = public_key(b"\x77" * 32)


def spec(expression: str, *keys: str) -> FundingSpec:
    return FundingSpec(Miniscript(expression), keys)


GOOD = {
    "a third key, later": spec(f"or_d({BOTH},and_v(v:pk(recovery_key),older({MIN_LOCK_BLOCKS})))", "recovery_key"),
    "one party alone, later": spec(f"or_d({BOTH},and_v(v:pk(opener_funding),older(65535)))"),
    "two of two": spec(BOTH),
    "both and a third, at once": spec(
        f"or_i({BOTH},and_v(v:pk(opener_funding),and_v(v:pk(acceptor_funding),pk(third_key))))", "third_key"
    ),
}


@pytest.mark.parametrize("declared", GOOD.values(), ids=GOOD)
def test_both_parties_take_it_and_the_weight_is_theirs(declared: FundingSpec) -> None:
    check_type(declared)
    script = filled(declared, dict.fromkeys(declared.keys, THIRD))
    check_funding(script, KEYS)
    funding = make_funding(FUNDING.txid, 0, FUNDING.capacity_sat, KEYS, script)
    output = funding_output(funding)
    tx = Tx((TxIn(funding.txid, 0),), (TxOut(funding.capacity_sat - 1000, b"\0\x14" + bytes(20)),))
    digest = funding_digest(funding, tx)
    secrets = (SECRETS["opener_funding"], SECRETS["acceptor_funding"])
    signatures = {key: sign(secret, digest) for key, secret in zip(KEYS, secrets, strict=True)}
    whole = tx.with_witness(0, funding_witness(funding, signatures))
    assert accepts(whole, output.script_pubkey, output.value_sat)
    weight = whole.weight - tx.weight - 2
    assert 0 <= spending_weight(funding) - weight <= 4
    made = with_funding(ANCHORS_ZERO_FEE_HTLC_TX, script)
    more = made.commitment_weight - ANCHORS_ZERO_FEE_HTLC_TX.commitment_weight
    assert more == spending_weight(funding) - fees.FUNDING_WITNESS_WEIGHT
    assert made.funding == script == funding.script


REFUSED = {
    "too early": (spec(f"or_d({BOTH},and_v(v:pk(recovery_key),older(4031)))", "recovery_key"), "after 4031 blocks"),
    "at once": (spec(f"or_i({BOTH},pk(recovery_key))", "recovery_key"), "after 0 blocks"),
    "by a height alone": (
        spec(f"or_d({BOTH},and_v(v:pk(recovery_key),after(900000)))", "recovery_key"),
        "after 0 blocks",
    ),
    "by one party at once": (spec(f"or_i({BOTH},pk(opener_funding))"), "after 0 blocks"),
    "by anyone": (spec(f"or_d({BOTH},older(5000))"), "by the path older"),
    "by a stranger's point": (spec(f"or_i({BOTH},pk({THIRD.hex()}))"), "after 0 blocks"),
    "a word of miniscript": (spec(BOTH, "older"), "'older' cannot be the name"),
    "a commitment's key": (spec(BOTH, "revocation"), "'revocation' cannot be the name"),
    "one name twice": (spec(BOTH, "third_key", "third_key"), "each named once"),
    "many keys": (spec(BOTH, *(f"key_{n}" for n in range(9))), "at most 8 keys"),
}


@pytest.mark.parametrize(("declared", "words"), REFUSED.values(), ids=REFUSED)
def test_what_a_type_may_not_declare(declared: FundingSpec, words: str) -> None:
    with pytest.raises(FundingRefused, match=words):
        check_type(declared)


@pytest.mark.parametrize("expression", ["pk(opener_funding)", "nonsense", f"and_v(v:{BOTH},older(1))", ""])
def test_both_parties_need_a_way_at_once(expression: str) -> None:
    with pytest.raises((ScriptRefused, FundingRefused)):
        check_type(spec(expression))


def test_taproot_is_refused_by_name() -> None:
    with pytest.raises(FundingRefused, match="no message carries Schnorr"):
        check_funding(Taproot(InternalKey.MUSIG2_FUNDING), KEYS)


def test_keys() -> None:
    declared = GOOD["a third key, later"]
    assert THIRD.hex() in filled(declared, {"recovery_key": THIRD}).expression
    for wrong in ({}, {"other": THIRD}, {"recovery_key": THIRD, "other": THIRD}, {"recovery_key": bytes(33)}):
        with pytest.raises(FundingRefused):
            filled(declared, wrong)


def test_a_third_key_that_is_a_partys_takes_nothing_early() -> None:
    """The opener could name its own funding key: both are still needed, and its own way has the lock."""
    script = filled(GOOD["a third key, later"], {"recovery_key": KEYS[0]})
    check_funding(script, KEYS)
    assert lock_blocks(script, KEYS) == MIN_LOCK_BLOCKS
    assert joint_path(compiled_of(make_funding(FUNDING.txid, 0, 1, KEYS, script))).older == 0


def test_locks() -> None:
    assert lock_blocks(None, KEYS) == lock_blocks(Miniscript(BOTH), KEYS) == 0
    assert lock_blocks(Miniscript(GOOD["one party alone, later"].script.expression), KEYS) == 65535
