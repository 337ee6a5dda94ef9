"""What would a payment cost? Everything is looked at as when it is paid, up to the HTLC, which is not offered."""

from collections.abc import Sequence
from typing import Final

from lnpd.channel.state import Channel
from lnpd.errors import NoDirectChannel, PaymentFailed
from lnpd.routing.invoice import Invoice
from lnpd.rpc.answers import PAID_BEFORE, Estimate, Payment
from lnpd.services.payments.ledger import PAID, PENDING
from lnpd.services.payments.offer import offer_for, refuse_expired, usual_max_fee_msat, way_to
from lnpd.services.payments.view import channels_to, no_way, too_much

ON_ITS_WAY: Final = "It is on its way already: to pay it again only waits for it."


def estimated(
    request: Invoice,
    amount_msat: int,
    usable: Sequence[Channel],
    now_seconds: float,
    height: int,
    route: tuple[str, ...] = (),
    max_fee_msat: int | None = None,
) -> Estimate:
    """Of an invoice, over the channels that are usable. Raises what its payment would before anything is sent."""
    refuse_expired(request, now_seconds)
    way = way_to(request, route, usable)
    first = channels_to(way[0], usable) if way else []
    if way is None or not first:
        raise NoDirectChannel(no_way(way[0].node_id if way else request.payee, usable))
    offer = offer_for(request, amount_msat, height, way, max_fee_msat)
    if lacking := too_much(first, offer.amount_msat, "the payee" if len(way) == 1 else "the first node"):
        raise PaymentFailed(lacking)
    # The way is known, and so is its fee; the limit is told because a person may have set it.
    limit_msat = usual_max_fee_msat(amount_msat) if max_fee_msat is None else max_fee_msat
    fee_msat, to, what = offer.fee_msat, request.payee.hex(), request.description or ""
    return Estimate(amount_msat, fee_msat, limit_msat, amount_msat + fee_msat, to, what)


def begun(request: Invoice, payment: Payment | None) -> Estimate | None:
    """Of an invoice that was paid, or is being paid: it is never paid twice. None if it is neither."""
    notes = {PAID: PAID_BEFORE, PENDING: ON_ITS_WAY}
    if payment is None or payment.state not in notes:
        return None
    return Estimate(payment.amount_msat, 0, 0, 0, request.payee.hex(), request.description or "", notes[payment.state])
