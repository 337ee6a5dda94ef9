"""What is stored of invoices and payments, and how may a row change?

    invoice   open -> paid
    payment   (none | failed) -> pending -> paid | failed        failed -> paid: its own HTLC's preimage wins

Every change is a function of one transaction that looks at the row before it moves it: whatever is told twice, or by
two channels at once, happens once. A payment has a row only once its HTLC is in a channel's log, in one transaction
with it, so that a crash can neither forget a payment nor make it twice.
"""

from collections.abc import Callable
from typing import Final, Generic, TypeVar

import msgspec
from msgspec.structs import replace

from lnpd.errors import PaymentInFlight
from lnpd.services.payments import spending
from lnpd.store.codec import decode, encode
from lnpd.store.rows import PaymentRow
from lnpd.store.write import Write

T = TypeVar("T")

OPEN: Final = "open"
PENDING: Final = "pending"
PAID: Final = "paid"
FAILED: Final = "failed"


class HtlcKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One HTLC of one channel: ids count for each channel and direction."""

    channel: str
    id: int


class InvoiceRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An invoice of ours. amount_msat: None lets the payer choose. What paid it is empty until it is paid."""

    text: str
    preimage: bytes
    payment_secret: bytes
    amount_msat: int | None
    min_final_cltv_expiry_delta: int
    expires_unix_seconds: int
    description: str
    label: str = ""
    received_msat: int = 0
    paid_unix_seconds: float = 0
    paid_by: HtlcKey | None = None
    judge: str = ""
    metadata: bytes = b""

    def __repr__(self) -> str:
        return f"InvoiceRecord({self.description!r}, ...)"


class PaymentRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A payment of ours. htlc: where it is, or was last; None while it waits to be offered again.

    session_key and node_ids (the payee last; empty: the payee alone): of the onion, so that a failure can still be read
    after a restart. amount_msat: what the payee gets; fee_msat: what the nodes between get. why: what made it fail.
    payer: the plugin that pays, by whose limit (spending.py); "" is a person.
    """

    text: str
    payee: bytes
    amount_msat: int
    session_key: bytes
    started_unix_seconds: float
    htlc: HtlcKey | None = None
    ended_unix_seconds: float = 0
    preimage: bytes = b""
    why: str = ""
    node_ids: tuple[bytes, ...] = ()
    fee_msat: int = 0
    payer: str = ""

    def __repr__(self) -> str:
        return f"PaymentRecord({self.amount_msat} msat to {self.payee.hex()}, ...)"


class Applied(Generic[T]):
    """A change that keeps its result, to be looked at once the transaction is committed."""

    def __init__(self, change: Callable[[Write], T]) -> None:
        self._change = change
        self.result: T | None = None

    def __call__(self, write: Write) -> None:
        self.result = self._change(write)


def invoice_of(row: PaymentRow) -> InvoiceRecord:
    """What is stored of an invoice; raises ValueUnreadable."""
    return decode(row.value, InvoiceRecord, table="invoice", key=row.payment_hash)


def payment_of(row: PaymentRow) -> PaymentRecord:
    """What is stored of a payment; raises ValueUnreadable."""
    return decode(row.value, PaymentRecord, table="payment", key=row.payment_hash)


# Invoices


def created(write: Write, payment_hash: bytes, record: InvoiceRecord, now_seconds: float) -> None:
    """A new invoice."""
    write.point("invoice-created")
    write.add_invoice(payment_hash, OPEN, encode(record), int(now_seconds))


def received(write: Write, payment_hash: bytes, htlc: HtlcKey, amount_msat: int, now_seconds: float) -> bool:
    """An HTLC pays this invoice; whether it is the first that does."""
    row = write.invoice(payment_hash)
    if row is None or row.state != OPEN:
        return False
    write.point("invoice-paid")
    record = replace(invoice_of(row), received_msat=amount_msat, paid_unix_seconds=now_seconds, paid_by=htlc)
    write.set_invoice(payment_hash, PAID, encode(record))
    return True


# Payments


def offered(write: Write, payment_hash: bytes, record: PaymentRecord) -> None:
    """`record.htlc` is in its channel's log. Raises PaymentInFlight: the batch that offers it must not be stored."""
    write.point("payment-offered")
    row = write.payment(payment_hash)
    if row is None:
        write.add_payment(payment_hash, PENDING, encode(record), int(record.started_unix_seconds))
        return
    if row.state == PAID or (row.state == PENDING and payment_of(row).htlc is not None):
        raise PaymentInFlight(f"The payment {payment_hash.hex()} is {row.state} already: it is not made twice.")
    write.set_payment(payment_hash, PENDING, encode(record))


def forgotten(write: Write, payment_hash: bytes, htlc: HtlcKey) -> bool:
    """The HTLC never reached a commitment and the payment waits to be offered again; whether it was this one's."""
    row = write.payment(payment_hash)
    if row is None or row.state != PENDING or payment_of(row).htlc != htlc:
        return False
    write.point("payment-forgotten")
    write.set_payment(payment_hash, PENDING, encode(replace(payment_of(row), htlc=None)))
    return True


def paid(write: Write, payment_hash: bytes, htlc: HtlcKey, preimage: bytes, now_seconds: float) -> PaymentRecord | None:
    """The peer showed the preimage for the payment's HTLC: the record, if nobody knew that before.

    One who shows it for another HTLC of that hash was paid by somebody else, whose HTLC passed through this node.
    """
    row = write.payment(payment_hash)
    if row is None or row.state == PAID or payment_of(row).htlc != htlc:
        return None
    write.point("payment-paid")
    record = replace(payment_of(row), preimage=preimage, ended_unix_seconds=now_seconds, why="")
    write.set_payment(payment_hash, PAID, encode(record))
    if record.payer:
        spending.settle(write, record.payer, payment_hash, record.amount_msat + record.fee_msat)
    return record


def failed(
    write: Write, payment_hash: bytes, htlc: HtlcKey | None, why: str, now_seconds: float
) -> PaymentRecord | None:
    """The HTLC is gone without a preimage (None: there was none): the record, if the payment hung on it."""
    row = write.payment(payment_hash)
    if row is None or row.state != PENDING or payment_of(row).htlc != htlc:
        return None
    write.point("payment-failed")
    record = replace(payment_of(row), why=why, ended_unix_seconds=now_seconds)
    write.set_payment(payment_hash, FAILED, encode(record))
    if record.payer:
        spending.release(write, record.payer, payment_hash)
    return record
