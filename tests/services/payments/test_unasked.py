"""What may be paid to a node that asked for nothing, and what is the payee told?"""

from hashlib import sha256

import pytest

from lnpd import errors
from lnpd.crypto import sphinx
from lnpd.routing import payload
from lnpd.routing.route import Hop
from lnpd.services.payments.ledger import FAILED, PaymentRecord
from lnpd.services.payments.offer import offer_for
from lnpd.services.payments.unasked import CODEC, KEYSEND, Unasked, refuse_reuse, unasked
from lnpd.store.codec import encode
from lnpd.store.rows import PaymentRow
from tests.services.payments.pair import NodeKey

US, PAYEE = NodeKey("us"), NodeKey("payee")
PREIMAGE = sha256(b"a secret of the payer's").digest()
FULL = {str(65537 + 2 * n): "00" * 134 for n in range(4)}  # 600 bytes with 16 for each


def asked(records: dict[str, str] | None = None, nodes_between: int = 0, **more: object) -> Unasked:
    given = {"node_id": PAYEE.node_id.hex(), "amount_msat": 1234, "preimage": PREIMAGE.hex(), **more}
    return unasked(records=records or {}, nodes_between=nodes_between, ours=US.node_id, **given)  # type: ignore[arg-type]


def test_the_payee_is_told_the_preimage_and_what_else_is_given() -> None:
    request = asked({"70001": "00ff", "6000000001": "", "65537": "01"})
    assert request.payment_hash == sha256(PREIMAGE).digest()
    offer = offer_for(request, 1234, 500, (Hop(PAYEE.node_id),))
    part = payload.decode(sphinx.peel(PAYEE.secret, offer.onion, request.payment_hash).payload, CODEC)
    assert (part.amt_to_forward, part.outgoing_cltv_value) == (1234, offer.cltv_expiry)
    assert 541 <= offer.cltv_expiry <= 546
    assert part.payment_data is None
    assert part.unknown == ((65537, b"\x01"), (70001, b"\x00\xff"), (KEYSEND, PREIMAGE), (6000000001, b""))


REFUSED: dict[str, tuple[type[errors.LnpdError], str, dict[str, object]]] = {
    "no node": (errors.RouteMalformed, "A hop is", {"node_id": "02ab"}),
    "a hop": (errors.RouteMalformed, "id alone", {"node_id": PAYEE.node_id.hex() + "@1x1x1"}),
    "ourselves": (errors.InvoiceOfOurs, "itself", {"node_id": US.node_id.hex()}),
    "nothing": (errors.InvoiceError, "0 msat", {"amount_msat": 0}),
    "a short preimage": (errors.PreimageUnfit, "32 bytes", {"preimage": "00" * 31}),
    "a preimage that is no hex": (errors.PreimageUnfit, "32 bytes", {"preimage": "x" * 64}),
    "a record of BOLT 4": (errors.RecordsUnfit, "no type from 65536", {"records": {"8": "00"}}),
    "an even record": (errors.RecordsUnfit, "even", {"records": {"65538": "00"}}),
    "the preimage again": (errors.RecordsUnfit, "even", {"records": {str(KEYSEND): PREIMAGE.hex()}}),
    "no hex": (errors.RecordsUnfit, "no hex", {"records": {"65537": "xy"}}),
    "too much": (errors.RecordsUnfit, "too long", {"records": {**FULL, "70001": ""}}),
    "too much for the route": (errors.RecordsUnfit, "11 nodes", {"records": FULL, "nodes_between": 11}),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_paid_is_refused_by_name(what: str) -> None:
    rule, words, change = REFUSED[what]
    with pytest.raises(rule, match=words):
        asked(**change)  # type: ignore[arg-type]


@pytest.mark.parametrize("nodes_between", [0, 10])
def test_what_is_taken_fits_into_an_onion(nodes_between: int) -> None:
    """The longest of everything, on the longest route with it."""
    part = payload.encode(payload.for_hop(2**64 - 1, 2**32 - 1, bytes(8)))
    request = asked(FULL, nodes_between)
    told = payload.Payload(amt_to_forward=2**64 - 1, outgoing_cltv_value=2**32 - 1, unknown=request.records)
    hops = [(PAYEE.node_id, part)] * nodes_between + [(PAYEE.node_id, payload.encode(told, CODEC))]
    assert len(sphinx.build(b"\x05" * 32, hops, request.payment_hash).packet) == 1366


def row(**change: object) -> PaymentRow:
    given = {"text": "", "payee": PAYEE.node_id, "amount_msat": 1234, **change}
    record = PaymentRecord(session_key=bytes(32), started_unix_seconds=1.0, **given)  # type: ignore[arg-type]
    return PaymentRow(1, sha256(PREIMAGE).digest(), FAILED, 1, encode(record))


def test_a_preimage_is_for_one_payment() -> None:
    refuse_reuse(None, asked(), 1234)
    refuse_reuse(row(), asked(), 1234)
    for change in ({"text": "lnbcrt1"}, {"payee": US.node_id}, {"amount_msat": 1235}):
        with pytest.raises(errors.PreimageUsed, match="draw a new preimage"):
            refuse_reuse(row(**change), asked(), 1234)
