"""How does this node pay and get paid?

Invoices (BOLT 11) and payments of one HTLC over one channel. The channels tell what becomes of an HTLC; what follows
is stored in the channel's own transaction: 4 commits a payment for the payer and 3 for the payee, none of them ours.
"""

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from lnpd.channel.actions import HtlcFailed, HtlcForgotten, HtlcFulfilled, HtlcOffered, HtlcReceived, Told
from lnpd.channel.state import Channel
from lnpd.hooks.dispatch import Hooks
from lnpd.routing.invoice_prefix import NETWORKS
from lnpd.services.interfaces import Signer
from lnpd.services.payments.incoming import (
    DEFAULT_EXPIRY_SECONDS,
    DEFAULT_MIN_FINAL_CLTV_EXPIRY_DELTA,
    Incoming,
)
from lnpd.services.payments.news import News, Publisher, Tasks
from lnpd.services.payments.outgoing import Outgoing
from lnpd.services.recipients import Channels, Effects
from lnpd.services.rpc import answers
from lnpd.store.store import Store

_PREFIXES = {name: prefix for prefix, name in NETWORKS.items()}


class Payments:
    """The recipient `payments` of all channels.

    node_id: ours. network: bitcoin, testnet, signet or regtest. clock: seconds since 1970. height: of the best block.
    publisher: of the events payment_sent, payment_received, payment_failed.
    """

    def __init__(
        self,
        store: Store,
        signer: Signer,
        channels: Channels,
        node_id: bytes,
        network: str,
        clock: Callable[[], float],
        height: Callable[[], int],
        hooks: Hooks,
        publisher: Publisher,
    ) -> None:
        self._tasks = Tasks()
        news, prefix = News(hooks, publisher, self._tasks), _PREFIXES[network]
        self._incoming = Incoming(store, signer, node_id, prefix, clock, height, news)
        self._outgoing = Outgoing(store, channels, node_id, prefix, clock, height, news, self._tasks)
        # Any: each row takes the message of its key, which no static type of a table can say.
        self._told: dict[type, Callable[[Channel, Any], Awaitable[Effects]]] = {
            HtlcOffered: self._outgoing.offered,
            HtlcForgotten: self._outgoing.forgotten,
            HtlcFulfilled: self._outgoing.fulfilled,
            HtlcFailed: self._outgoing.failed,
            HtlcReceived: self._incoming.received,
        }

    async def told(self, channel: Channel, message: Told) -> Effects:
        """See Recipient. What a channel tells others is none of our business."""
        handler = self._told.get(type(message))
        return await handler(channel, message) if handler else Effects()

    async def reconcile(self, channels: Iterable[Channel]) -> None:
        """Once at the start, with every stored channel, closed ones too, before any of them gets an event."""
        await self._outgoing.reconcile(channels)

    async def stop(self) -> None:
        """End what runs beside its callers. What is in flight is stored and goes on after the next start."""
        await self._tasks.stop()

    async def create_invoice(
        self,
        amount_msat: int | None,
        description: str,
        expiry_seconds: int = DEFAULT_EXPIRY_SECONDS,
        min_final_cltv_expiry: int = DEFAULT_MIN_FINAL_CLTV_EXPIRY_DELTA,
        label: str = "",
    ) -> answers.Invoice:
        """A new invoice, stored before it is returned; amount_msat None lets the payer choose.

        Raises InvoiceTermsRefused, LabelTaken, InvoiceError.
        """
        return await self._incoming.create(amount_msat, description, expiry_seconds, min_final_cltv_expiry, label)

    async def pay(self, invoice: str, amount_msat: int | None = None, timeout_seconds: float = 60) -> answers.Paid:
        """Pays an invoice once, however often this is called: an earlier call's payment is waited for, and its result
        returned. amount_msat is given exactly when the invoice names none.

        Raises InvoiceError, InvoiceOfOtherNetwork, InvoiceOfOurs, InvoiceUnpayable, AmountUnfit, InvoiceExpired,
        NoDirectChannel, PaymentInFlight (with another amount), PaymentFailed (why), PaymentPending (it goes on).
        """
        return await self._outgoing.pay(invoice, amount_msat, timeout_seconds)

    async def invoices(self, before: int | None = None, limit: int = 100) -> tuple[answers.Invoice, ...]:
        """Our invoices, newest first."""
        return await self._incoming.newest(before, limit)

    async def invoice(self, payment_hash: bytes) -> answers.Invoice | None:
        """Our invoice of this payment hash."""
        return await self._incoming.find(payment_hash)

    async def invoice_of_label(self, label: str) -> answers.Invoice | None:
        """Our invoice of this label."""
        return await self._incoming.find_label(label)

    async def payments(self, before: int | None = None, limit: int = 100) -> tuple[answers.Payment, ...]:
        """Our payments, newest first."""
        return await self._outgoing.newest(before, limit)

    async def payment(self, payment_hash: bytes) -> answers.Payment | None:
        """Our payment of this hash."""
        return await self._outgoing.find(payment_hash)
