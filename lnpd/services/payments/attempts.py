"""What is known of a payment while it is being made?"""

import asyncio
from dataclasses import dataclass, field

from lnpd.errors import LnpdError
from lnpd.routing.invoice import Invoice
from lnpd.services.payments.extras import Records
from lnpd.services.payments.ledger import PaymentRecord


@dataclass(eq=False)
class Attempt:
    """A payment that is being made. deadline_seconds: of the loop's clock, until when it may be offered again.

    extras: records of plugins for the payee. record: what is stored, with the HTLC's id, once the latest offer is in a
    channel's log. ended: the record of a payment that is paid or failed, or why it was not made.
    """

    request: Invoice
    text: str
    amount_msat: int
    deadline_seconds: float
    ended: "asyncio.Future[PaymentRecord | LnpdError]"
    route: tuple[str, ...] = ()
    max_fee_msat: int | None = None
    payer: str = ""
    extras: Records = ()
    record: PaymentRecord | None = field(default=None, repr=False)
