"""What is paid to a node that asked for nothing (bLIP 3), and does all that it is told fit into the onion?

The payer draws the preimage and tells it to the payee in a record of the onion: so it is no receipt, and it is used
once. Whoever learned it, in an attempt that failed too, could take another payment of its hash.
"""

import re
from collections.abc import Mapping
from hashlib import sha256
from typing import Final

import msgspec

from lnpd.errors import InvoiceOfOurs, PreimageUnfit, PreimageUsed, RecordsUnfit, RouteMalformed
from lnpd.routing.invoice import Invoice
from lnpd.routing.invoice_prefix import check_amount
from lnpd.routing.payload import MAX_PAYLOAD_BYTES
from lnpd.routing.route import Hints, parse_hop
from lnpd.services.payments.extras import Records, wrong_with
from lnpd.services.payments.ledger import payment_of
from lnpd.store.rows import PaymentRow
from lnpd.wire.catalogue import CORE
from lnpd.wire.codec import Codec
from lnpd.wire.messages import Payload

KEYSEND: Final = 5482373484
CODEC: Final = Codec(
    CORE.with_rows("blip3", f"tlv_stream,payload\ntype,{KEYSEND},keysend_preimage\ndata,32*byte,preimage")
)
"""Of our own onions: nobody may send an even record whose form is not known."""

FINAL_CLTV_EXPIRY_DELTA: Final = 40  # the payee cannot say how much it wants; nodes ask for 18 to 24
_PREIMAGE: Final = re.compile(r"[0-9a-f]{64}")
# Each hop's payload has its length before and an HMAC behind it (BOLT 4, packet structure).
_HMAC_BYTES: Final = 32
_LENGTH_BYTES: Final = 3
_HOP_BYTES: Final = 1 + 10 + 6 + 10 + _HMAC_BYTES  # amt_to_forward, outgoing_cltv_value, short_channel_id
_MOST_U64: Final = 2**64 - 1
_MOST_U32: Final = 2**32 - 1


class Unasked(msgspec.Struct, frozen=True):
    """A payment without an invoice. records: all that the payee is told beside amount and expiry."""

    payee: bytes
    payment_hash: bytes
    records: Records
    min_final_cltv_expiry_delta: int = FINAL_CLTV_EXPIRY_DELTA
    routes: Hints = ()

    def __repr__(self) -> str:
        return f"Unasked({self.payment_hash.hex()} to {self.payee.hex()}, ...)"


Payable = Invoice | Unasked


def unasked(
    node_id: str, amount_msat: int, preimage: str, records: Mapping[str, str], nodes_between: int, ours: bytes
) -> Unasked:
    """What a plugin wants to pay. records: type to value in hex; nodes_between: us and the payee; ours: our node id.

    Raises RouteMalformed, InvoiceOfOurs, InvoiceError (of the amount), PreimageUnfit, RecordsUnfit.
    """
    payee = parse_hop(node_id).node_id
    if node_id != payee.hex():
        raise RouteMalformed("A node is named by its id alone, 66 digits of lower-case hex.")
    if payee == ours:
        raise InvoiceOfOurs("A node cannot pay itself.")
    check_amount(amount_msat)
    if not _PREIMAGE.fullmatch(preimage):
        raise PreimageUnfit("A preimage is 32 bytes in lower-case hex, drawn afresh for each payment.")
    if why := wrong_with(dict(records)):
        raise RecordsUnfit(f"These records cannot be sent: {why}.")
    secret = bytes.fromhex(preimage)
    more = [(int(number), bytes.fromhex(value)) for number, value in records.items()]
    found = Unasked(payee, sha256(secret).digest(), tuple(sorted([*more, (KEYSEND, secret)])))
    _require_room(found, nodes_between)
    return found


def last_payload(request: Unasked, amount_msat: int, cltv_expiry: int) -> Payload:
    """What the payee is told: without an invoice there is no payment_secret, and no MPP."""
    return Payload(amt_to_forward=amount_msat, outgoing_cltv_value=cltv_expiry, unknown=request.records)


def refuse_reuse(row: PaymentRow | None, request: Unasked, amount_msat: int) -> None:
    """Only the same payment goes on, or is made again once it failed. row: of its hash. PreimageUsed."""
    record = payment_of(row) if row is not None else None
    if record and (record.text, record.payee, record.amount_msat) != ("", request.payee, amount_msat):
        raise PreimageUsed(f"The payment {request.payment_hash.hex()} was another one: draw a new preimage.")


def _require_room(request: Unasked, nodes_between: int) -> None:
    last = len(CODEC.encode_tlvs(last_payload(request, _MOST_U64, _MOST_U32))) + _LENGTH_BYTES + _HMAC_BYTES
    size = last + nodes_between * _HOP_BYTES
    if size > MAX_PAYLOAD_BYTES:
        raise RecordsUnfit(
            f"These records and {nodes_between} nodes on the way could take {size} bytes of the onion, which has"
            f" {MAX_PAYLOAD_BYTES}."
        )
