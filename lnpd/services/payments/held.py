"""Which HTLCs wait for a plugin's word, and how does an HTLC leave its channel that a plugin decided about?

A held HTLC is a row before anybody is told so, and its decision is one transaction: the row goes, the order for its
channel comes, and what it pays is booked.
"""

from typing import Final

import msgspec

from lnpd.channel.actions import HtlcReceived
from lnpd.channel.events import Event, Fail, Fulfill
from lnpd.services.chain.rows import StoredFact
from lnpd.services.payments.circuits import circuit_of, key_of
from lnpd.services.payments.ledger import PAID, HtlcKey, InvoiceRecord, invoice_of, received
from lnpd.store.codec import decode, encode
from lnpd.store.read import Read
from lnpd.store.write import Write

HELD: Final = "htlc-held"


class Held(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An HTLC that a plugin holds, as its channel told of it."""

    plugin: str
    htlc: HtlcKey
    told: HtlcReceived
    since_unix_seconds: float


def every_held(read: Read) -> tuple[Held, ...]:
    """All that wait."""
    return tuple(decode(value, Held, table=HELD, key=key) for key, value in read.values(HELD))


def is_decided(read: Read, htlc: HtlcKey, payment_hash: bytes) -> bool:
    """Whether this node has made its decision already: nobody is asked any more."""
    row = read.invoice(payment_hash)
    return circuit_of(read, htlc) is not None or (row is not None and invoice_of(row).paid_by == htlc)


def hold(write: Write, held: Held) -> None:
    """It is held from now on, or by another plugin."""
    write.point("plugin-htlc-held")
    write.put_value(HELD, key_of(held.htlc), encode(held))


def forget(write: Write, htlc: HtlcKey) -> None:
    """It is gone with its channel."""
    write.delete_value(HELD, key_of(htlc))


def decided(write: Write, htlc: HtlcKey, events: tuple[Event, ...]) -> None:
    """What its channel is to do; nobody is asked any more."""
    write.point("plugin-htlc-decided")
    forget(write, htlc)
    for event in events:
        assert isinstance(event, Fulfill | Fail), f"{type(event).__name__} is no order"
        write.add_inbox(htlc.channel.encode(), f"verdict/{htlc.id}", encode(StoredFact(event)))


def resolved(write: Write, htlc: HtlcKey, told: HtlcReceived, record: InvoiceRecord, now_seconds: float) -> bool:
    """Books an HTLC whose preimage a plugin knows, as the payment of an invoice; False if that hash was paid before."""
    row = write.invoice(told.payment_hash)
    if row is not None:
        return received(write, told.payment_hash, htlc, told.amount_msat, now_seconds)
    write.add_invoice(told.payment_hash, PAID, encode(record), int(now_seconds))
    return True
