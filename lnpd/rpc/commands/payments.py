"""Which commands are there about invoices and payments? Rows of the one table."""

from typing import Final

from lnpd_sdk.moves import Moves

from lnpd import errors
from lnpd.rpc import answers
from lnpd.rpc.commands.table import PAYMENTS, Command, Parameter, optional

PAYMENTS_COMMANDS: Final[tuple[Command, ...]] = (
    Command(
        "invoice",
        PAYMENTS,
        "Make an invoice.",
        answers.Invoice,
        (
            Parameter("description", "text", "what it is for"),
            optional("amount_msat", "msat", "how much (default: the payer chooses)"),
            optional("expiry_seconds", "seconds", "how long it can be paid (default 3600)", 3600),
        ),
        mutating=True,
        examples=('lnp invoice "a coffee" --amount-msat 21sat',),
    ),
    Command("invoices", PAYMENTS, "List our last invoices, newest first.", tuple[answers.Invoice, ...]),
    Command(
        "decode",
        PAYMENTS,
        "Show what an invoice says.",
        answers.Decoded,
        (Parameter("invoice", "invoice", "the invoice, ln..."),),
        examples=("lnp decode lnbcrt210n1...",),
        refused=(errors.InvoiceError,),
    ),
    Command(
        "pay",
        PAYMENTS,
        "Pay an invoice; wait until it is paid or has failed.",
        answers.Paid,
        (
            Parameter("invoice", "invoice", "the invoice, ln..."),
            optional("amount_msat", "msat", "how much, for an invoice that names no amount"),
            optional("timeout_seconds", "seconds", "how long to wait (default 60)", 60),
            optional(
                "route",
                "hops",
                "pay over this node: NODE_ID, or NODE_ID@SCID with the channel that leads to it, or"
                " NODE_ID@SCID:BASE_MSAT:MILLIONTHS:CLTV_DELTA with what is asked for it (repeatable, in order)",
                (),
            ),
            optional("max_fee_msat", "msat", "pay at most this for forwarding (default: 5 per cent, at least 5 sat)"),
        ),
        mutating=True,
        moves=Moves(max_fee="max_fee_msat", estimate="estimate.pay"),
        examples=("lnp pay lnbcrt210n1...", "lnp pay lnbcrt210n1... --route 0279be... --route 02c604...@539x1x0"),
        refused=(
            errors.PaymentFailed,
            errors.PaymentPending,
            errors.InvoiceExpired,
            errors.InvoiceError,
            errors.RouteMalformed,
            errors.RouteUnknown,
            errors.RouteTooLong,
            errors.RouteFeeTooHigh,
        ),
    ),
    Command(
        "forwards",
        PAYMENTS,
        "List what passed through this node last, newest first. What ended is kept until 10,000 came after it.",
        tuple[answers.Forward, ...],
    ),
    Command(
        "payments",
        PAYMENTS,
        "List our last payments, newest first.",
        tuple[answers.Payment, ...],
        hidden=("preimage",),
    ),
)
