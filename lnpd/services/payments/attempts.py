"""What is known of a payment while it is being made, and is its HTLC in a channel?"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import msgspec
from lnpd_sdk.types import AddHtlc

from lnpd.channel.state import Channel
from lnpd.errors import LnpdError
from lnpd.services.payments.extras import Records
from lnpd.services.payments.ledger import PaymentRecord
from lnpd.services.payments.unasked import Payable
from lnpd.tx.states import HTLC, htlcs_of


@dataclass(eq=False)
class Attempt:
    """A payment that is being made. deadline_seconds: of the loop's clock, until when it may be offered again.

    reserve: sets aside what it may cost, where its payer has a limit. extras: records of plugins for the payee. record:
    what is stored, with the HTLC's id, once the latest offer is in a channel's log. ended: the record of a payment that
    is paid or failed, or why it was not made.
    """

    request: Payable
    text: str
    amount_msat: int
    deadline_seconds: float
    ended: "asyncio.Future[PaymentRecord | LnpdError]"
    route: tuple[str, ...] = ()
    max_fee_msat: int | None = None
    payer: str = ""
    reserve: Callable[[], Awaitable[None]] | None = None
    extras: Records = ()
    record: PaymentRecord | None = field(default=None, repr=False)

    def is_for(self, request: Payable, amount_msat: int, payer: str) -> bool:
        """Whether it is this payment. payer: "" joins anybody's."""
        same = isinstance(request, type(self.request)) and request.payee == self.request.payee
        return same and amount_msat == self.amount_msat and payer in ("", self.payer)


def carries(channel: Channel, identity: int, payment_hash: bytes) -> bool:
    """Whether our HTLC of this id is in the channel's base, or on its way there."""
    if any(
        htlc.offerer == channel.us and htlc.id == identity and htlc.payment_hash == payment_hash
        for htlc in htlcs_of(channel.base.states)
    ):
        return True
    updates = (pending.update for pending in channel.log)
    ours = (u for u in updates if (u.provider, u.kind, u.proposer, u.id) == (HTLC, "add", channel.us, identity))
    return any(msgspec.msgpack.decode(u.body, type=AddHtlc).payment_hash == payment_hash for u in ours)
