"""Which invoices do we pay, and what is sent for one?

One hop: the payee is the peer of a channel. The final expiry is a few blocks above what the payee asks, so that a
block in the meantime does no harm and the peer learns less (BOLT 4, shadow route).
"""

import os
import secrets
from collections.abc import Sequence
from typing import Final

import msgspec

from lnpd.channel.actions import HtlcFailed
from lnpd.channel.state import Channel
from lnpd.crypto import sphinx
from lnpd.errors import (
    AmountUnfit,
    FailureMalformed,
    FailureTooLong,
    FailureUnreadable,
    InvoiceExpired,
    InvoiceOfOtherNetwork,
    InvoiceOfOurs,
    InvoiceUnpayable,
)
from lnpd.routing import failures, invoice, payload
from lnpd.routing.failures import Failure
from lnpd.routing.invoice import Invoice
from lnpd.routing.invoice_prefix import NETWORKS, check_amount
from lnpd.wire.features import BOLT9

MOST_EXTRA_BLOCKS: Final = 6
MAX_MIN_FINAL_CLTV_EXPIRY_DELTA: Final = 2016
# What a payee may require of us: all that paying by one HTLC of one hop does.
SUPPORTED: Final = frozenset({"var_onion_optin", "payment_secret", "basic_mpp", "option_payment_metadata"})


class Offer(msgspec.Struct, frozen=True):
    """What an HTLC for an invoice carries. session_key reads the failure that may come back."""

    cltv_expiry: int
    onion: bytes
    session_key: bytes

    def __repr__(self) -> str:
        return f"Offer(cltv_expiry={self.cltv_expiry}, ...)"


def readable(text: str, network: str, node_id: bytes) -> Invoice:
    """An invoice that this node could pay, whenever. network: BIP 173's prefix.

    Raises InvoiceError, InvoiceOfOtherNetwork, InvoiceOfOurs, InvoiceUnpayable.
    """
    request = invoice.decode(text)
    if request.network != network:
        theirs, ours = NETWORKS[request.network], NETWORKS[network]
        raise InvoiceOfOtherNetwork(f"The invoice is for the network {theirs}, this node is on {ours}.")
    if request.payee == node_id:
        raise InvoiceOfOurs("The invoice is our own: a node cannot pay itself.")
    unmet = [n for n in BOLT9.features if n not in SUPPORTED and request.features.requires(n)]
    if unmet:
        raise InvoiceUnpayable(f"The payee requires {', '.join(unmet)}, which this node does not do.")
    if request.min_final_cltv_expiry_delta > MAX_MIN_FINAL_CLTV_EXPIRY_DELTA:
        raise InvoiceUnpayable(
            f"The payee wants {request.min_final_cltv_expiry_delta} blocks of time, during which the amount could be"
            f" locked up; this node allows {MAX_MIN_FINAL_CLTV_EXPIRY_DELTA}."
        )
    return request


def amount_of(request: Invoice, amount_msat: int | None) -> int:
    """What is to be paid, in msat; raises AmountUnfit, InvoiceError."""
    if request.amount_msat is None and amount_msat is None:
        raise AmountUnfit("The invoice names no amount: say how much to pay.")
    if request.amount_msat is not None and amount_msat is not None:
        raise AmountUnfit(f"The invoice names its amount, {request.amount_msat} msat: do not give another one.")
    return check_amount(request.amount_msat or amount_msat or 0)


def too_much(channels: Sequence[Channel], amount_msat: int) -> str:
    """Why none of these channels holds enough of ours for an amount; "" if one does."""
    held = [(c.base.balances_msat[c.us], 1000 * c.terms[c.them].channel_reserve_sat) for c in channels]
    balance_msat, reserve_msat = max(held, key=lambda each: each[0] - each[1], default=(0, 0))
    if amount_msat <= balance_msat - reserve_msat:
        return ""
    ours, kept = f"{balance_msat // 1000:,} sat are ours", f"{reserve_msat // 1000:,} of them stay in reserve"
    return f"{amount_msat // 1000:,} sat cannot be sent: {ours} in the channel with the payee, {kept}."


def refuse_expired(request: Invoice, now_seconds: float) -> None:
    """Raises InvoiceExpired."""
    if invoice.is_expired(request, int(now_seconds)):
        ago = int(now_seconds) - request.timestamp_seconds - request.expiry_seconds
        raise InvoiceExpired(f"The invoice expired {ago} seconds ago: ask the payee for a new one.")


def offer_for(request: Invoice, amount_msat: int, height: int) -> Offer:
    """A fresh onion: nobody accepts one twice. Raises CryptoError, InvalidOnionPayload."""
    extra_blocks = 1 + secrets.randbelow(MOST_EXTRA_BLOCKS)
    cltv_expiry = height + request.min_final_cltv_expiry_delta + extra_blocks
    part = payload.for_final_node(
        amount_msat, cltv_expiry, request.payment_secret, payment_metadata=request.payment_metadata
    )
    session_key = os.urandom(32)
    hops = [(request.payee, payload.encode(part))]
    return Offer(cltv_expiry, sphinx.build(session_key, hops, request.payment_hash).packet, session_key)


def why_failed(told: HtlcFailed, session_key: bytes, payee: bytes) -> str:
    """One sentence of why the payee did not take an HTLC, with the failure's name and code."""
    if told.failure_code:
        return _sentence(Failure(told.failure_code))
    try:
        _, message = sphinx.unwrap_error(sphinx.shared_secrets(session_key, [payee]), told.reason)
        return _sentence(failures.decode(message))
    except (FailureUnreadable, FailureTooLong, FailureMalformed) as error:
        return f"The payee failed the payment and did not say why in a way that can be read: {error}"


def _sentence(reported: Failure) -> str:
    details = "".join(f", {name} {value}" for name, value in reported.fields if isinstance(value, int))
    return f"{reported} ({reported.name}, {reported.code:#06x}{details})"
