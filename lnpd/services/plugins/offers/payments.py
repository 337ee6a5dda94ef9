"""How does a plugin pay within its limit, and get paid?"""

from typing import Final

from lnpd_sdk.services.payments import (
    INVOICES_A_MINUTE,
    MAX_PAY_SECONDS,
    InvoicesWanted,
    InvoiceWanted,
    NewInvoice,
    PaidInvoice,
    Pay,
    PaymentsWanted,
    PayNode,
    PluginInvoice,
    PluginPayment,
)

from lnpd.errors import AmountUnfit, TooManyInvoices
from lnpd.services.payments.ledger import invoice_of, payment_of
from lnpd.services.payments.own import metadata_of
from lnpd.services.plugins.calls import Plugin
from lnpd.services.plugins.offers.offer import Desk, Offer, there
from lnpd.services.plugins.offers.pace import Pace
from lnpd.store.rows import PaymentRow

MAX_ROUTE: Final = 20
_INVOICES: Final = Pace(INVOICES_A_MINUTE, 60.0, TooManyInvoices)


async def pay(desk: Desk, plugin: Plugin, wanted: Pay) -> PaidInvoice:
    """The limit is the grant's; what was paid and what is on its way is in the store."""
    _require_terms(wanted.max_fee_msat, wanted.route)
    paid = await there(desk.payments).limited.pay(
        plugin.name,
        _limit_sat(desk, plugin),
        wanted.invoice,
        wanted.amount_msat,
        wanted.max_fee_msat,
        wanted.route,
        min(max(wanted.timeout_seconds, 0.0), MAX_PAY_SECONDS),
    )
    return PaidInvoice(paid.payment_hash, paid.preimage, paid.amount_msat, paid.fee_msat)


async def pay_node(desk: Desk, plugin: Plugin, wanted: PayNode) -> PaidInvoice:
    """The limit is that of `pay`."""
    _require_terms(wanted.max_fee_msat, wanted.route)
    paid = await there(desk.payments).limited.pay_node(
        plugin.name,
        _limit_sat(desk, plugin),
        wanted.node_id,
        wanted.amount_msat,
        wanted.preimage,
        wanted.records,
        wanted.max_fee_msat,
        wanted.route,
        min(max(wanted.timeout_seconds, 0.0), MAX_PAY_SECONDS),
    )
    return PaidInvoice(paid.payment_hash, paid.preimage, paid.amount_msat, paid.fee_msat)


def _require_terms(max_fee_msat: int | None, route: tuple[str, ...]) -> None:
    if (max_fee_msat or 0) < 0 or len(route) > MAX_ROUTE:
        raise AmountUnfit(f"A max_fee_msat is not negative, and a route has at most {MAX_ROUTE} nodes.")


def _limit_sat(desk: Desk, plugin: Plugin) -> int:
    return int(desk.registry.granted(plugin.name, "pay") or "0")


async def payments(desk: Desk, plugin: Plugin, wanted: PaymentsWanted) -> tuple[PluginPayment, ...]:
    """Its own only."""
    rows = await there(desk.payments).limited.payments(plugin.name, wanted.before, wanted.limit)
    table = desk.registry.features().table
    return tuple(_payment(row, metadata_of(row, table)) for row in rows)


def _payment(row: PaymentRow, metadata: bytes) -> PluginPayment:
    record = payment_of(row)
    return PluginPayment(
        payment_hash=row.payment_hash.hex(),
        state=row.state,
        amount_msat=record.amount_msat,
        fee_msat=record.fee_msat,
        preimage=record.preimage.hex(),
        why=record.why,
        metadata=metadata.hex(),
        created_unix_seconds=row.created_unix_seconds,
        sequence=row.sequence,
    )


async def own_invoices(desk: Desk, plugin: Plugin, wanted: InvoicesWanted) -> tuple[PluginInvoice, ...]:
    """Those that it judges."""
    rows = await there(desk.payments).limited.invoices(plugin.name, wanted.before, wanted.limit, wanted.paid)
    return tuple(map(_invoice, rows))


def _invoice(row: PaymentRow) -> PluginInvoice:
    record = invoice_of(row)
    return PluginInvoice(
        payment_hash=row.payment_hash.hex(),
        state=row.state,
        received_msat=record.received_msat,
        metadata=record.metadata.hex(),
        created_unix_seconds=row.created_unix_seconds,
        expires_unix_seconds=record.expires_unix_seconds,
        paid_unix_seconds=int(record.paid_unix_seconds),
        sequence=row.sequence,
    )


async def invoice(desk: Desk, plugin: Plugin, wanted: InvoiceWanted) -> NewInvoice:
    """As the node makes its own."""
    _INVOICES.take(plugin)
    made = await there(desk.payments).create_invoice(
        wanted.amount_msat,
        wanted.description,
        wanted.expiry_seconds,
        judge=plugin.name if wanted.judged else "",
        metadata=wanted.metadata,
    )
    return NewInvoice(made.invoice, made.payment_hash, made.expires_unix_seconds)


OFFERS: Final = (
    Offer(
        "pay",
        "pay",
        Pay,
        PaidInvoice,
        "Pays an invoice, within what all payments of the plugin may cost.",
        "paid = await node.pay(invoice, max_fee_msat=1_000)",
        pay,
    ),
    Offer(
        "pay_node",
        "pay",
        PayNode,
        PaidInvoice,
        "Pays a node that asked for nothing (bLIP 3), within the limit of `pay`.",
        "paid = await node.pay_node(node_id, 21_000, secrets.token_bytes(32))",
        pay_node,
    ),
    Offer(
        "payments",
        "pay",
        PaymentsWanted,
        tuple[PluginPayment, ...],
        "The plugin's own payments.",
        "rows = await node.payments()",
        payments,
    ),
    Offer(
        "own_invoices",
        "invoice",
        InvoicesWanted,
        tuple[PluginInvoice, ...],
        "The invoices that the plugin made as `judged`.",
        "rows = await node.own_invoices(limit=100)",
        own_invoices,
    ),
    Offer(
        "invoice",
        "invoice",
        InvoiceWanted,
        NewInvoice,
        "Makes an invoice of the node's.",
        'made = await node.invoice("a coffee", 21_000)',
        invoice,
    ),
)
