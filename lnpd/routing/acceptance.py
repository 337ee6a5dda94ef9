"""May a final node accept this HTLC as payment of its invoice (BOLT 4, Requirements of Failure Messages and payload)?

First the HTLC is compared with its onion, which says whether the node before us kept to its orders and nothing about
our invoices. All that depends on an invoice has one answer, incorrect_or_unknown_payment_details, whatever was wrong:
otherwise anyone could find out by trying whose a payment hash is.
"""

from hmac import compare_digest

import msgspec

from lnpd.errors import InvalidOnionPayload
from lnpd.routing.failures import Failure, failure, incorrect_or_unknown_payment_details
from lnpd.routing.invoice import Invoice
from lnpd.routing.payload import record_type, require
from lnpd.wire.messages import Payload


class Terms(msgspec.Struct, frozen=True):
    """What an invoice of ours promises to accept. amount_msat: None lets the payer choose."""

    payment_secret: bytes
    amount_msat: int | None
    min_final_cltv_expiry_delta: int
    expires_at_seconds: int
    payment_metadata: bytes | None = None
    basic_mpp: bool = False


class Htlc(msgspec.Struct, frozen=True):
    """What update_add_htlc says of an HTLC that ends here."""

    amount_msat: int
    cltv_expiry: int


class Accepted(msgspec.Struct, frozen=True):
    """The HTLC is a payment or, if it is less than total_msat, a part: all parts are to reach total_msat together."""

    amount_msat: int
    total_msat: int


def terms_of(invoice: Invoice) -> Terms:
    """The terms of an invoice of ours."""
    return Terms(
        payment_secret=invoice.payment_secret,
        amount_msat=invoice.amount_msat,
        min_final_cltv_expiry_delta=invoice.min_final_cltv_expiry_delta,
        expires_at_seconds=invoice.timestamp_seconds + invoice.expiry_seconds,
        payment_metadata=invoice.payment_metadata,
        basic_mpp=invoice.features.offers("basic_mpp"),
    )


def accept(terms: Terms | None, payload: Payload, htlc: Htlc, height: int, now_seconds: int) -> Accepted | Failure:
    """Accepted, or the Failure to send back.

    terms: None if the payment hash is unknown, or its invoice paid or withdrawn. height: of the best block.
    """
    try:
        amt_to_forward, outgoing_cltv_value = _orders(payload)
    except InvalidOnionPayload as error:
        return failure("invalid_onion_payload", type=error.tlv_type, offset=error.offset)
    if htlc.cltv_expiry < outgoing_cltv_value:
        return failure("final_incorrect_cltv_expiry", cltv_expiry=htlc.cltv_expiry)
    if htlc.amount_msat < amt_to_forward:
        return failure("final_incorrect_htlc_amount", incoming_htlc_amt=htlc.amount_msat)
    total_msat = payload.payment_data.total_msat if payload.payment_data else amt_to_forward
    if terms is not None and all(
        (
            _is_known(terms, payload),
            _is_enough(terms, total_msat, amt_to_forward),
            htlc.cltv_expiry >= height + terms.min_final_cltv_expiry_delta,
            now_seconds <= terms.expires_at_seconds,
        )
    ):
        return Accepted(htlc.amount_msat, total_msat)
    return incorrect_or_unknown_payment_details(htlc.amount_msat, height)


def _orders(payload: Payload) -> tuple[int, int]:
    """Amount and expiry that the payer meant for us; raises InvalidOnionPayload."""
    # No invoice of ours offers a blinded path, whose payloads have rules of their own.
    for name in ("encrypted_recipient_data", "current_path_key"):
        if getattr(payload, name) is not None:
            raise InvalidOnionPayload("A payment through a blinded path, which we never offered.", record_type(name))
    return require(payload, "amt_to_forward"), require(payload, "outgoing_cltv_value")


def _is_known(terms: Terms, payload: Payload) -> bool:
    secret = payload.payment_data.payment_secret if payload.payment_data else b""
    # In constant time: how long a refusal takes must not tell how near a guess was.
    same_secret = compare_digest(secret, terms.payment_secret)
    same_metadata = terms.payment_metadata is None or compare_digest(
        payload.payment_metadata or b"", terms.payment_metadata
    )
    return same_secret and same_metadata


def _is_enough(terms: Terms, total_msat: int, amt_to_forward: int) -> bool:
    if not terms.basic_mpp and total_msat != amt_to_forward:
        return False
    # A payer may round up to hide the amount, but hardly means to pay more than double.
    return terms.amount_msat is None or terms.amount_msat <= total_msat <= 2 * terms.amount_msat
