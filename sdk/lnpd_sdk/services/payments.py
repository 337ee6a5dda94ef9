"""How does a plugin pay over Lightning, and get paid?"""

from collections.abc import Mapping, Sequence

import msgspec

from lnpd_sdk.services.base import Asks

MAX_PAY_SECONDS = 25.0  # the node answers before the plugin's own call ends
INVOICES_A_MINUTE = 600
MAX_LISTED = 1_000


class Pay(msgspec.Struct, frozen=True):
    """What `pay` takes."""

    invoice: str
    amount_msat: int | None = None
    max_fee_msat: int | None = None
    route: tuple[str, ...] = ()
    timeout_seconds: float = MAX_PAY_SECONDS


class PayNode(msgspec.Struct, frozen=True):
    """What `pay_node` takes: preimage, and the records' values, in hex."""

    node_id: str
    amount_msat: int
    preimage: str
    records: dict[str, str] = {}
    max_fee_msat: int | None = None
    route: tuple[str, ...] = ()
    timeout_seconds: float = MAX_PAY_SECONDS


class PaidInvoice(msgspec.Struct, frozen=True):
    """A payment that arrived: the preimage is the receipt. Hash and preimage are 32 bytes in hex."""

    payment_hash: str
    preimage: str
    amount_msat: int
    fee_msat: int


class PaymentsWanted(msgspec.Struct, frozen=True):
    """What `payments` takes, and `own_invoices`: `before` is the sequence of the last row of the page before."""

    before: int = 0
    limit: int = MAX_LISTED


class PluginPayment(msgspec.Struct, frozen=True):
    """A payment of the plugin's. `state` is pending, paid or failed; `why` says what made it fail. `metadata` is its
    invoice's, in hex; `sequence` its place among the node's payments."""

    payment_hash: str
    state: str
    amount_msat: int
    fee_msat: int
    preimage: str
    why: str
    metadata: str = ""
    created_unix_seconds: int = 0
    sequence: int = 0


class InvoicesWanted(PaymentsWanted, frozen=True):
    """What `own_invoices` takes. `paid`: those alone."""

    paid: bool = False


class PluginInvoice(msgspec.Struct, frozen=True):
    """An invoice that the plugin judges. `state` is open (also when it has expired) or paid; `received_msat` and
    `paid_unix_seconds` are 0 until it is paid. `metadata` is in hex; `sequence` its place among the node's invoices."""

    payment_hash: str
    state: str
    received_msat: int
    metadata: str
    created_unix_seconds: int
    expires_unix_seconds: int
    paid_unix_seconds: int
    sequence: int


class InvoiceWanted(msgspec.Struct, frozen=True):
    """What `invoice` takes. Without an amount the payer chooses it."""

    description: str
    amount_msat: int | None = None
    expiry_seconds: int = 3600
    judged: bool = False
    metadata: bytes = b""


class NewInvoice(msgspec.Struct, frozen=True):
    """An invoice of the node's (BOLT 11), and its payment hash in hex."""

    invoice: str
    payment_hash: str
    expires_unix_seconds: int


class PaymentAsks(Asks):
    """`Node`'s methods for payments."""

    async def pay(
        self,
        invoice: str,
        amount_msat: int | None = None,
        max_fee_msat: int | None = None,
        route: Sequence[str] = (),
        timeout_seconds: float = MAX_PAY_SECONDS,
    ) -> PaidInvoice:
        """Pays a BOLT 11 invoice, once however often it is asked for.

        `amount_msat` is given exactly when the invoice names none. `max_fee_msat` is what forwarding may cost (5 per
        cent and at least 5,000 msat if it is None). `route` are the nodes on the way, each `NODE_ID` or `NODE_ID@SCID`.
        Needs the capability `pay:<sat>`: what all payments of the plugin may ever cost, with `max_fee_msat` for those
        that have not ended (PayLimitReached); a payment that failed costs nothing. PaymentFailed says why;
        PaymentPending: it goes on after `timeout_seconds` (25 at most), and the same call waits for it again.
        PaymentInFlight: somebody else pays this invoice.
        """
        wanted = Pay(invoice, amount_msat, max_fee_msat, tuple(route), timeout_seconds)
        paid: PaidInvoice = await self._ask("pay", wanted, PaidInvoice)
        return paid

    async def pay_node(
        self,
        node_id: str,
        amount_msat: int,
        preimage: bytes,
        records: Mapping[int, bytes] | None = None,
        max_fee_msat: int | None = None,
        route: Sequence[str] = (),
        timeout_seconds: float = MAX_PAY_SECONDS,
    ) -> PaidInvoice:
        """Pays a node that made no invoice (bLIP 3, keysend), once for each preimage: the same call waits for the
        payment again, and pays again only what failed.

        Draw `preimage` with `secrets.token_bytes(32)` and keep it before the call; the node tells it to the payee, so
        it is no receipt. `records` are more for the payee: odd types from 65536 on, at most 600 bytes with 16 counted
        for each beside its value (RecordsUnfit, also where they and the route do not fit into one onion).
        `route` ends with the payee and says what each hop asks, but the first:
        `NODE_ID@SCID:BASE_MSAT:MILLIONTHS:DELTA`; without one, the payee is a peer. Whether the payee takes such
        payments shows when it is paid. Everything else, capability, limit and errors, is as with `pay`; PreimageUnfit;
        PreimageUsed: another payment had this preimage.
        """
        more = {str(number): value.hex() for number, value in (records or {}).items()}
        wanted = PayNode(node_id, amount_msat, preimage.hex(), more, max_fee_msat, tuple(route), timeout_seconds)
        paid: PaidInvoice = await self._ask("pay_node", wanted, PaidInvoice)
        return paid

    async def payments(self, before: int = 0, limit: int = MAX_LISTED) -> tuple[PluginPayment, ...]:
        """The plugin's own payments, newest first: `limit` of them, 1,000 at most. The next page begins `before` the
        `sequence` of the last row."""
        wanted = PaymentsWanted(before, limit)
        rows: tuple[PluginPayment, ...] = await self._ask("payments", wanted, tuple[PluginPayment, ...])
        return rows

    async def own_invoices(
        self, before: int = 0, limit: int = MAX_LISTED, paid: bool = False
    ) -> tuple[PluginInvoice, ...]:
        """The invoices that the plugin made as `judged`, or those of them that were paid, newest first, in pages as
        `payments`. Needs the capability `invoice`."""
        wanted = InvoicesWanted(before, limit, paid)
        rows: tuple[PluginInvoice, ...] = await self._ask("own_invoices", wanted, tuple[PluginInvoice, ...])
        return rows

    async def invoice(
        self,
        description: str,
        amount_msat: int | None = None,
        expiry_seconds: int = 3600,
        judged: bool = False,
        metadata: bytes = b"",
    ) -> NewInvoice:
        """A new invoice of the node's, stored before it is returned; without `amount_msat` the payer chooses.

        One that is `judged` is paid by no HTLC for which this plugin has not answered `TakeHtlc` in the hook
        htlc_accepted: while the plugin is away its payments fail (temporary_node_failure). So ask for more than sat.
        `metadata`, at most 400 bytes, is signed with the invoice (BOLT 11, payment_metadata): a plugin of the payer's
        reads it by `rpc("decode")`, and its onion brings it back, else it does not pay the invoice.
        Needs the capability `invoice`. At most 600 a minute (TooManyInvoices), for each is kept for good.
        """
        wanted = InvoiceWanted(description, amount_msat, expiry_seconds, judged, metadata)
        made: NewInvoice = await self._ask("invoice", wanted, NewInvoice)
        return made
