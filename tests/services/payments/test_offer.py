"""What is offered for an invoice, and is every failure told in a sentence?"""

from hypothesis import given
from hypothesis import strategies as st

from lnpd.channel import actions
from lnpd.crypto import sphinx
from lnpd.routing import failures, invoice, payload
from lnpd.routing.failures import FAILURES, Failure
from lnpd.routing.route import Hop
from lnpd.services.payments.offer import offer_for, why_failed
from tests.services.payments.pair import NodeKey


@given(st.sampled_from(FAILURES), st.integers(0, 2**16 - 1), st.binary(max_size=30))
def test_every_failure_becomes_a_sentence(row: failures.Row, number: int, extra: bytes) -> None:
    kinds = {"sha256": bytes(32), "update": b""}
    fields = tuple((name, kinds.get(kind, number)) for name, kind in row.fields)
    payee = NodeKey("payee")
    secrets = sphinx.shared_secrets(b"\x05" * 32, [payee.node_id])
    reason = sphinx.build_error(secrets[0], failures.encode(Failure(row.code, fields, extra)))
    why = why_failed(actions.HtlcFailed(0, bytes(32), reason), b"\x05" * 32, [payee.node_id])
    assert why.startswith(row.sentence)
    assert f"({row.name}, {row.code:#06x}" in why
    assert "\n" not in why
    malformed = why_failed(actions.HtlcFailed(0, bytes(32), failure_code=row.code), b"\x05" * 32, [payee.node_id])
    assert malformed.startswith(row.sentence)


@given(st.binary(max_size=400))
def test_any_reason_becomes_a_sentence(reason: bytes) -> None:
    why = why_failed(actions.HtlcFailed(0, bytes(32), reason), b"\x05" * 32, [NodeKey("payee").node_id])
    assert "\n" not in why


def test_an_offer_is_for_the_payee_alone_and_never_the_same_twice() -> None:
    payee = NodeKey("payee")
    request = invoice.Invoice(
        network="bcrt",
        timestamp_seconds=1,
        payment_hash=b"\x01" * 32,
        payment_secret=b"\x02" * 32,
        payee=payee.node_id,
        description="tea",
        payment_metadata=b"meta",
        min_final_cltv_expiry_delta=40,
    )
    offers = [offer_for(request, 1234, 500, (Hop(payee.node_id),)) for _ in range(60)]
    assert len({offer.onion for offer in offers}) == len({offer.session_key for offer in offers}) == 60
    extra = {offer.cltv_expiry - 540 for offer in offers}
    assert extra <= set(range(1, 7))
    assert len(extra) > 1
    for offer in offers[:3]:
        peeled = sphinx.peel(payee.secret, offer.onion, request.payment_hash)
        assert peeled.next_onion is None
        part = payload.decode(peeled.payload)
        assert (part.amt_to_forward, part.outgoing_cltv_value) == (1234, offer.cltv_expiry)
        assert part.payment_data is not None
        assert (part.payment_data.payment_secret, part.payment_data.total_msat) == (b"\x02" * 32, 1234)
        assert part.payment_metadata == b"meta"
        assert repr(offer) == f"Offer(1234 msat, cltv_expiry={offer.cltv_expiry}, ...)"
