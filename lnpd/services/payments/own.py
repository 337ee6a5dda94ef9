"""Which payments and invoices are a plugin's own, a page at a time?

Every row of the node's is looked at until a page is full: what is a plugin's has no table of its own, for it has no
other truth than the node's.
"""

from collections.abc import Callable
from typing import Final

from lnpd.errors import InvoiceError
from lnpd.routing import invoice
from lnpd.services.payments.ledger import PAID, invoice_of, payment_of
from lnpd.store.read import Read
from lnpd.store.rows import PaymentRow
from lnpd.wire.features import FeatureTable

AT_ONCE: Final = 1_000
"""So many rows are read together, and are a page at most."""

Page = Callable[[int | None, int], list[PaymentRow]]


def own_payments(read: Read, payer: str, before: int = 0, limit: int = AT_ONCE) -> list[PaymentRow]:
    """The payments of a payer, newest first; `before` is the sequence of the last one of the page before, else 0."""
    return _own(lambda last, count: read.payments(before=last, limit=count), _payer_is(payer), before, limit)


def own_invoices(read: Read, judge: str, before: int = 0, limit: int = AT_ONCE, paid: bool = False) -> list[PaymentRow]:
    """The invoices that this plugin judges, or the paid ones of them, likewise."""
    state = PAID if paid else None

    def page(last: int | None, count: int) -> list[PaymentRow]:
        return read.invoices(state, last, count)

    return _own(page, lambda row: invoice_of(row).judge == judge, before, limit)


def metadata_of(row: PaymentRow, table: FeatureTable) -> bytes:
    """The payment_metadata of the invoice that a payment of ours pays; empty if it pays none that can be read with
    these features."""
    try:
        return invoice.decode(payment_of(row).text, table).payment_metadata or b""
    except InvoiceError:
        return b""


def _payer_is(payer: str) -> Callable[[PaymentRow], bool]:
    return lambda row: payment_of(row).payer == payer


def _own(page: Page, mine: Callable[[PaymentRow], bool], before: int, limit: int) -> list[PaymentRow]:
    found: list[PaymentRow] = []
    last, limit = before or None, min(max(limit, 1), AT_ONCE)
    while rows := page(last, AT_ONCE):
        found += [row for row in rows if mine(row)]
        if len(found) >= limit or len(rows) < AT_ONCE:
            break
        last = rows[-1].sequence
    return found[:limit]
