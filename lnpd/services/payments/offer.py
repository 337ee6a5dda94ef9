"""Which invoices do we pay, and what is sent for one?

The route is a person's own, or one channel to the payee, or one to where a hint of its invoice begins. The final expiry
is a few blocks above what the payee asks, so that a block in the meantime does no harm and nodes on the way learn less
(BOLT 4, shadow route).
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
    RouteFeeTooHigh,
    RouteTooLong,
    WireError,
)
from lnpd.routing import failures, invoice, payload
from lnpd.routing.channel_update import policy_of
from lnpd.routing.failures import Failure
from lnpd.routing.forwarding import MAX_HTLC_CLTV
from lnpd.routing.invoice import Invoice
from lnpd.routing.invoice_prefix import NETWORKS, check_amount
from lnpd.routing.route import Hop, completed, over_peers, parse_hop, plan
from lnpd.services.payments.extras import Records
from lnpd.services.payments.unasked import CODEC, Payable, Unasked, last_payload
from lnpd.wire import message as wire
from lnpd.wire.features import BOLT9, FeatureTable
from lnpd.wire.fields import scid_text
from lnpd.wire.messages import ChannelUpdate, Payload

MOST_EXTRA_BLOCKS: Final = 6
MAX_MIN_FINAL_CLTV_EXPIRY_DELTA: Final = 2016
MAX_FEE_PERCENT: Final = 5
LEAST_MAX_FEE_MSAT: Final = 5_000  # a small payment may cost more than its share: every node has a base fee
# What a payee may require of us: all that paying by one HTLC does.
SUPPORTED: Final = frozenset({"var_onion_optin", "payment_secret", "basic_mpp", "option_payment_metadata"})


class Offer(msgspec.Struct, frozen=True):
    """What an HTLC for an invoice carries. session_key and node_ids read the failure that may come back."""

    amount_msat: int
    cltv_expiry: int
    onion: bytes
    session_key: bytes
    fee_msat: int
    node_ids: tuple[bytes, ...]

    def __repr__(self) -> str:
        return f"Offer({self.amount_msat} msat, cltv_expiry={self.cltv_expiry}, ...)"


def readable(text: str, network: str, node_id: bytes, table: FeatureTable) -> Invoice:
    """An invoice that this node could pay, whenever. network: BIP 173's prefix. table: the features that are known.

    Raises InvoiceError, InvoiceOfOtherNetwork, InvoiceOfOurs, InvoiceUnpayable.
    """
    request = invoice.decode(text, table)
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


def refuse_expired(request: Invoice, now_seconds: float) -> None:
    """Raises InvoiceExpired."""
    if invoice.is_expired(request, int(now_seconds)):
        ago = int(now_seconds) - request.timestamp_seconds - request.expiry_seconds
        raise InvoiceExpired(
            f"The invoice expired {ago} {'second' if ago == 1 else 'seconds'} ago: ask the payee for a new one."
        )


def way_to(request: Payable, route: Sequence[str], usable: Sequence[Channel]) -> tuple[Hop, ...] | None:
    """The hops to the payee: a person's, or one channel, or one to where a hint begins; None if there is no such way.

    Raises RouteMalformed, RouteUnknown.
    """
    if route:
        return completed([parse_hop(text) for text in route], request.payee, request.routes)
    peers = {channel.peer for channel in usable}
    if request.payee in peers:
        return (Hop(request.payee),)
    return over_peers(peers, request.payee, request.routes)


def usual_max_fee_msat(amount_msat: int) -> int:
    """What a payment may cost if nobody says otherwise."""
    return max(LEAST_MAX_FEE_MSAT, amount_msat * MAX_FEE_PERCENT // 100)


def offer_for(
    request: Payable,
    amount_msat: int,
    height: int,
    way: Sequence[Hop],
    max_fee_msat: int | None = None,
    extras: Records = (),
) -> Offer:
    """A fresh onion: nobody accepts one twice. Raises CryptoError, InvalidOnionPayload, RouteFeeTooHigh,
    RouteTooLong."""
    extra_blocks = 1 + secrets.randbelow(MOST_EXTRA_BLOCKS)
    cltv_expiry = height + request.min_final_cltv_expiry_delta + extra_blocks
    route = plan(way, amount_msat, cltv_expiry, _told(request, amount_msat, cltv_expiry, extras), CODEC)
    limit_msat = usual_max_fee_msat(amount_msat) if max_fee_msat is None else max_fee_msat
    if route.fee_msat > limit_msat:
        raise RouteFeeTooHigh(f"The route costs {route.fee_msat} msat, and --max-fee-msat is {limit_msat}.")
    if route.cltv_expiry > height + MAX_HTLC_CLTV:
        raise RouteTooLong(
            f"Over this route the amount could be locked up for {route.cltv_expiry - height} blocks; nodes take"
            f" {MAX_HTLC_CLTV}."
        )
    session_key = os.urandom(32)
    onion = sphinx.build(session_key, route.hops, request.payment_hash).packet
    return Offer(route.amount_msat, route.cltv_expiry, onion, session_key, route.fee_msat, route.node_ids)


def _told(request: Payable, amount_msat: int, cltv_expiry: int, extras: Records) -> Payload:
    """What the payee is told."""
    if isinstance(request, Unasked):
        return last_payload(request, amount_msat, cltv_expiry)
    part = payload.for_final_node(
        amount_msat, cltv_expiry, request.payment_secret, payment_metadata=request.payment_metadata
    )
    return msgspec.structs.replace(part, unknown=extras)


def why_failed(told: HtlcFailed, session_key: bytes, node_ids: Sequence[bytes]) -> str:
    """One sentence of why an HTLC failed, with the failure's name and code, and which hop reports it.

    node_ids: of the nodes on the way, the payee last.
    """
    if told.failure_code:
        return _at(0, node_ids) + _sentence(Failure(told.failure_code))
    if not told.reason:
        return "The channel closed, and the HTLC timed out on chain."
    try:
        hop, message = sphinx.unwrap_error(sphinx.shared_secrets(session_key, node_ids), told.reason)
        return _at(hop, node_ids) + _sentence(failures.decode(message))
    except (FailureUnreadable, FailureTooLong, FailureMalformed) as error:
        who = "The payee" if len(node_ids) == 1 else "A node on the route"
        return f"{who} failed the payment and did not say why in a way that can be read: {error}"


def _at(hop: int, node_ids: Sequence[bytes]) -> str:
    """Who reports it, where it could be more than one."""
    return f"Hop {hop + 1} of {len(node_ids)}, {node_ids[hop].hex()}: " if len(node_ids) > 1 else ""


def _sentence(reported: Failure) -> str:
    details = "".join(f", {name} {value}" for name, value in reported.fields if isinstance(value, int))
    return f"{reported} ({reported.name}, {reported.code:#06x}{details}){_asked(reported)}"


def _asked(reported: Failure) -> str:
    """What a channel_update in a failure says, for a person: it is used for nothing (BOLT 4)."""
    data = dict(reported.fields).get("channel_update")
    try:
        update = wire.decode(data) if isinstance(data, bytes) and data else None
    except WireError:
        return ""
    if not isinstance(update, ChannelUpdate):
        return ""
    asked = policy_of(update)
    return (
        f" It asks for {scid_text(update.short_channel_id)}: {asked.fee_base_msat} msat and"
        f" {asked.fee_proportional_millionths} millionths, a CLTV delta of {asked.cltv_expiry_delta},"
        f" {asked.htlc_minimum_msat} to {asked.htlc_maximum_msat} msat."
    )
