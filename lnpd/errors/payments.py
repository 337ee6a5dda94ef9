"""Why was a payment or an invoice refused?"""

from lnpd.errors.base import LnpdError
from lnpd.errors.rpc import CommandRefused, PaymentFailed


class InvoiceTermsRefused(CommandRefused):
    """An invoice of ours would have an expiry, a time lock or a label out of range."""


class LabelTaken(CommandRefused):
    """Another invoice of ours has this label."""


class InvoiceOfOtherNetwork(CommandRefused):
    """An invoice is for another network than this node's."""


class InvoiceOfOurs(CommandRefused):
    """An invoice is our own: a node cannot pay itself."""


class InvoiceUnpayable(CommandRefused):
    """An invoice requires of the payer what this node does not do, or longer locks than it allows."""


class AmountUnfit(CommandRefused):
    """An amount was given beside the invoice's own, or neither names one."""


class NoDirectChannel(PaymentFailed):
    """No usable channel leads to the payee; the text names the peers that could be paid."""


class PaymentInFlight(CommandRefused):
    """A payment is on its way, or arrived: it is not made twice."""


class PaymentRefused(CommandRefused):
    """A plugin refuses a payment, or is silent about an invoice of its own kind: nothing was sent."""


class PreimageUnfit(CommandRefused):
    """A payment without an invoice needs a preimage of 32 bytes."""


class PreimageUsed(CommandRefused):
    """A preimage was used for another payment: whoever learned it there could take this one."""


class RecordsUnfit(CommandRefused):
    """Records for the payee have a type that nobody may add, or do not fit into the onion."""


class PayLimitReached(CommandRefused):
    """A plugin's payment could cost more than what is left of what it may pay in all (--grant PLUGIN=pay:SAT)."""


class TooManyInvoices(CommandRefused):
    """A plugin makes invoices faster than it may: each is kept for good."""


class UnknownPayment(LnpdError):
    """A channel offered an HTLC for a payment that nobody is making: it must not be stored."""


class RouteFeeTooHigh(CommandRefused):
    """A route would cost more than the payer allows: --max-fee-msat allows more."""


class CircuitTaken(LnpdError):
    """An HTLC was offered for one that waits for none: it must not be stored."""


class RelayTermsRefused(CommandRefused):
    """Terms of forwarding are out of range, or contradict each other."""


class PluginRefused(CommandRefused):
    """A plugin's command refused what it was asked for; the text is the plugin's."""


class HtlcNotHeld(CommandRefused):
    """A plugin decided about an HTLC that it does not hold."""


class HtlcVerdictRefused(CommandRefused):
    """A plugin decided about an HTLC what cannot be: another preimage, another failure, or too late."""
