"""Does a final node accept exactly what pays its invoice, and tell a stranger nothing else?"""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lnpd.routing.acceptance import Accepted, Htlc, Terms, accept, terms_of
from lnpd.routing.failures import Failure, failure
from lnpd.routing.invoice import Invoice, is_expired
from lnpd.routing.payload import for_final_node
from lnpd.wire.features import Features
from lnpd.wire.messages import Payload, PaymentData

HEIGHT, NOW_SECONDS = 800_000, 1_700_000_000
SECRET, AMOUNT_MSAT, CLTV = b"\x11" * 32, 1_000_000, HEIGHT + 18
TERMS = Terms(
    payment_secret=SECRET, amount_msat=AMOUNT_MSAT, min_final_cltv_expiry_delta=18, expires_at_seconds=NOW_SECONDS
)
PAYLOAD = for_final_node(AMOUNT_MSAT, CLTV, SECRET)
HTLC = Htlc(amount_msat=AMOUNT_MSAT, cltv_expiry=CLTV)
UNKNOWN_DETAILS = failure("incorrect_or_unknown_payment_details", htlc_msat=AMOUNT_MSAT, height=HEIGHT)

replace = msgspec.structs.replace


def answer(
    terms: Terms | None = TERMS,
    payload: Payload = PAYLOAD,
    htlc: Htlc = HTLC,
    height: int = HEIGHT,
    now_seconds: int = NOW_SECONDS,
) -> Accepted | Failure:
    return accept(terms, payload, htlc, height, now_seconds)


def paying(amount_msat: int, total_msat: int | None = None) -> dict[str, Any]:
    return {
        "payload": for_final_node(amount_msat, CLTV, SECRET, total_msat),
        "htlc": Htlc(amount_msat=amount_msat, cltv_expiry=CLTV),
    }


def test_the_exact_payment_is_accepted() -> None:
    assert answer() == Accepted(AMOUNT_MSAT, AMOUNT_MSAT)


@pytest.mark.parametrize("paid_msat", [AMOUNT_MSAT, AMOUNT_MSAT + 1, 2 * AMOUNT_MSAT])
def test_up_to_twice_the_amount_is_accepted(paid_msat: int) -> None:
    assert answer(**paying(paid_msat)) == Accepted(paid_msat, paid_msat)


@pytest.mark.parametrize("paid_msat", [0, 1, AMOUNT_MSAT - 1, 2 * AMOUNT_MSAT + 1])
def test_less_and_more_than_twice_is_not(paid_msat: int) -> None:
    assert answer(**paying(paid_msat)) == failure(
        "incorrect_or_unknown_payment_details", htlc_msat=paid_msat, height=HEIGHT
    )


@pytest.mark.parametrize("paid_msat", [1, AMOUNT_MSAT, 10**12])
def test_any_amount_if_the_payer_chooses(paid_msat: int) -> None:
    assert answer(replace(TERMS, amount_msat=None), **paying(paid_msat)) == Accepted(paid_msat, paid_msat)


def test_a_node_before_us_may_give_more_than_it_should() -> None:
    assert answer(htlc=Htlc(AMOUNT_MSAT + 5, CLTV + 5)) == Accepted(AMOUNT_MSAT + 5, AMOUNT_MSAT)


@pytest.mark.parametrize(
    "case",
    [
        {"terms": None},
        {"payload": for_final_node(AMOUNT_MSAT, CLTV, b"\x12" * 32)},
        {"payload": for_final_node(AMOUNT_MSAT, CLTV, b"")},
        {"payload": replace(PAYLOAD, payment_data=None)},
        {"payload": for_final_node(AMOUNT_MSAT, CLTV, SECRET, 2 * AMOUNT_MSAT)},
        {"payload": for_final_node(AMOUNT_MSAT, CLTV, SECRET, 0)},
        {"terms": replace(TERMS, min_final_cltv_expiry_delta=19)},
        {"now_seconds": NOW_SECONDS + 1},
        {"terms": replace(TERMS, payment_metadata=b"m")},
        {"terms": replace(TERMS, payment_metadata=b"m"), "payload": replace(PAYLOAD, payment_metadata=b"n")},
    ],
)
def test_all_that_depends_on_the_invoice_has_one_answer(case: dict[str, Any]) -> None:
    assert answer(**case) == UNKNOWN_DETAILS


def test_the_same_htlc_is_too_late_one_block_on() -> None:
    assert answer(height=HEIGHT + 1) == failure(
        "incorrect_or_unknown_payment_details", htlc_msat=AMOUNT_MSAT, height=HEIGHT + 1
    )


def test_the_metadata_of_the_invoice_comes_back() -> None:
    assert isinstance(answer(replace(TERMS, payment_metadata=b"m"), replace(PAYLOAD, payment_metadata=b"m")), Accepted)


@pytest.mark.parametrize("terms", [TERMS, None])
def test_what_depends_on_the_onion_is_answered_alike_for_known_and_unknown_hashes(terms: Terms | None) -> None:
    assert answer(terms, htlc=Htlc(AMOUNT_MSAT - 1, CLTV)) == failure(
        "final_incorrect_htlc_amount", incoming_htlc_amt=AMOUNT_MSAT - 1
    )
    assert answer(terms, htlc=Htlc(AMOUNT_MSAT, CLTV - 1)) == failure(
        "final_incorrect_cltv_expiry", cltv_expiry=CLTV - 1
    )
    for name, tlv_type in (("amt_to_forward", 2), ("outgoing_cltv_value", 4)):
        assert answer(terms, replace(PAYLOAD, **{name: None})) == failure(
            "invalid_onion_payload", type=tlv_type, offset=0
        )
    for name, tlv_type in (("encrypted_recipient_data", 10), ("current_path_key", 12)):
        assert answer(terms, replace(PAYLOAD, **{name: b"\x02" * 33})) == failure(
            "invalid_onion_payload", type=tlv_type, offset=0
        )


def test_parts_only_where_the_invoice_offers_them() -> None:
    part = paying(AMOUNT_MSAT // 2, AMOUNT_MSAT)
    assert answer(replace(TERMS, basic_mpp=True), **part) == Accepted(AMOUNT_MSAT // 2, AMOUNT_MSAT)
    assert isinstance(answer(TERMS, **part), Failure)
    assert isinstance(answer(replace(TERMS, basic_mpp=True), **paying(5, AMOUNT_MSAT - 1)), Failure)


def test_terms_are_those_of_the_invoice() -> None:
    invoice = Invoice(
        network="bcrt",
        timestamp_seconds=100,
        payment_hash=bytes(32),
        payment_secret=SECRET,
        payee=b"\x02" * 33,
        amount_msat=7,
        description="",
        expiry_seconds=60,
        min_final_cltv_expiry_delta=33,
        payment_metadata=b"m",
        features=Features.of(8, 14, 17),
    )
    terms = terms_of(invoice)
    assert terms == Terms(SECRET, 7, 33, 160, b"m", True)
    assert not terms_of(replace(invoice, features=Features.of(8, 14))).basic_mpp
    for now_seconds in (159, 160, 161):
        paid = accept(
            terms, replace(for_final_node(7, 50, SECRET), payment_metadata=b"m"), Htlc(7, 50), 10, now_seconds
        )
        assert isinstance(paid, Failure) == is_expired(invoice, now_seconds) == (now_seconds > 160)


SMALL = st.integers(0, 40)


@given(
    amount_msat=SMALL,
    cltv_expiry=SMALL,
    amt_to_forward=SMALL,
    outgoing_cltv_value=SMALL,
    total_msat=SMALL,
    wanted_msat=st.none() | SMALL,
    height=SMALL,
    basic_mpp=st.booleans(),
)
def test_what_is_accepted_pays(
    amount_msat: int,
    cltv_expiry: int,
    amt_to_forward: int,
    outgoing_cltv_value: int,
    total_msat: int,
    wanted_msat: int | None,
    height: int,
    basic_mpp: bool,
) -> None:
    terms = Terms(SECRET, wanted_msat, 5, NOW_SECONDS, None, basic_mpp)
    payload = Payload(
        amt_to_forward=amt_to_forward,
        outgoing_cltv_value=outgoing_cltv_value,
        payment_data=PaymentData(payment_secret=SECRET, total_msat=total_msat),
    )
    got = accept(terms, payload, Htlc(amount_msat, cltv_expiry), height, NOW_SECONDS)
    if isinstance(got, Accepted):
        assert cltv_expiry >= height + 5
        assert cltv_expiry >= outgoing_cltv_value
        assert got.amount_msat == amount_msat >= amt_to_forward
        assert wanted_msat is None or wanted_msat <= got.total_msat <= 2 * wanted_msat
        assert basic_mpp or got.amount_msat >= got.total_msat
