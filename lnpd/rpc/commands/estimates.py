"""Which commands say beforehand what a payment, an opening or a close would cost? Rows of the one table."""

from typing import Final

from lnpd import errors
from lnpd.rpc import answers
from lnpd.rpc.commands.table import (
    CHANNEL,
    CHANNELS,
    CLOSE_FEE,
    FEERATE,
    MAX_FEE,
    PAYMENTS,
    PEER,
    WALLET,
    Command,
    Parameter,
    optional,
)  # fmt: skip

_INVOICE: Final = Parameter("invoice", "invoice", "the invoice, ln...")
_ROUTE: Final = optional("route", "hops", "over this node, as for `pay` (repeatable, in order)", ())

ESTIMATES_COMMANDS: Final[tuple[Command, ...]] = (
    Command(
        "estimate send",
        WALLET,
        "Say what `send` would cost, with the fee; nothing is sent.",
        answers.Estimate,
        (
            Parameter("address", "bitcoin_address", "whom to pay"),
            Parameter("amount_sat", "sat", "how much"),
            FEERATE,
            MAX_FEE,
        ),
        call="estimate_send",
        examples=("lnp estimate send bcrt1q... 50000",),
        refused=(
            errors.InsufficientFunds,
            errors.FeeTooHigh,
            errors.AddressRefused,
        ),
    ),
    Command(
        "estimate open",
        CHANNELS,
        "Say what `open` would cost, with the fee of the funding; the peer hears nothing.",
        answers.Estimate,
        (
            PEER,
            Parameter("amount_sat", "sat", "the channel's capacity"),
            optional("push_msat", "msat", "give this much of it to the peer", 0),
            optional("channel_type", "text", "a type's name (default: the best that both speak)", ""),
            optional("providers", "names", "add this plugin's provider to the channel (repeatable)", ()),
            MAX_FEE,
        ),
        call="estimate_open",
        examples=("lnp estimate open 0279be 1000000",),
        refused=(
            errors.UnknownPeer,
            errors.PeerNotConnected,
            errors.InsufficientFunds,
            errors.FeeTooHigh,
            errors.ChannelRefused,
        ),
    ),
    Command(
        "estimate close",
        CHANNELS,
        "Say what would come back from a close, and at what fee; the channel goes on.",
        answers.Estimate,
        (CHANNEL, optional("force", "boolean", "by our commitment: the peer need not agree", False), CLOSE_FEE),
        call="estimate_close",
        examples=("lnp estimate close 3f2a91", "lnp estimate close 3f2a91 --force"),
        refused=(errors.UnknownChannel, errors.FeeTooHigh),
    ),
    Command(
        "estimate pay",
        PAYMENTS,
        "Say what `pay` would cost, with what nodes on the way ask; nothing is offered.",
        answers.Estimate,
        (
            _INVOICE,
            optional("amount_msat", "msat", "how much, for an invoice that names no amount"),
            _ROUTE,
            optional("max_fee_msat", "msat", "at most this for forwarding (default: 5 per cent, at least 5 sat)"),
        ),
        call="estimate_pay",
        examples=("lnp estimate pay lnbcrt210n1...",),
        refused=(
            errors.PaymentFailed,
            errors.InvoiceExpired,
            errors.InvoiceError,
            errors.RouteFeeTooHigh,
        ),
    ),
)
