"""What can be wrong with an invoice, or inside an onion?"""

from lnpd.errors.base import LnpdError, ProtocolWarning
from lnpd.errors.rpc import CommandRefused


class InvoiceError(LnpdError):
    """A text is no invoice that may be paid (BOLT 11)."""


class InvoiceTooLong(InvoiceError):
    """The text is longer than any invoice that a QR code can carry."""


class InvoiceCharacter(InvoiceError):
    """The text holds a character that bech32 does not use (BIP 173)."""


class InvoiceMixedCase(InvoiceError):
    """The text mixes upper and lower case (BIP 173)."""


class InvoiceNoSeparator(InvoiceError):
    """The text has no `1` between its readable part and its data (BIP 173)."""


class InvoiceChecksumMismatch(InvoiceError):
    """The six last characters do not fit the rest (BIP 173)."""


class InvoiceTooShort(InvoiceError):
    """The data is too short to hold a timestamp and a signature."""


class InvoiceNetworkUnknown(InvoiceError):
    """The prefix names no network that lnpd knows."""


class InvoiceAmountMalformed(InvoiceError):
    """The amount is not a positive decimal number without leading zeros."""


class InvoiceMultiplierUnknown(InvoiceError):
    """The letter after the amount is none of m, u, n, p."""


class InvoiceAmountNotWholeMsat(InvoiceError):
    """The amount is not a whole number of millisatoshis."""


class InvoiceAmountTooLarge(InvoiceError):
    """The amount is more bitcoin than there can be."""


class InvoiceFieldCut(InvoiceError):
    """A tagged field is longer than what is left of the data."""


class InvoiceFieldPadding(InvoiceError):
    """The bits that fill up a tagged field are not zero, or more than needed."""


class InvoiceFieldNotMinimal(InvoiceError):
    """A `c`, `x` or `9` field begins with zeros."""


class InvoiceFieldMissing(InvoiceError):
    """There is no payment hash, payment secret or description of the right length."""


class InvoiceTwoDescriptions(InvoiceError):
    """There are both a description and the hash of one."""


class InvoiceDescriptionNotText(InvoiceError):
    """The description is not UTF-8."""


class InvoiceNumberTooLarge(InvoiceError):
    """An expiry, a CLTV delta, a timestamp or a part of a routing hint is out of its range."""


class InvoiceRouteMalformed(InvoiceError):
    """A routing hint is not a list of 51-byte entries with public keys."""


class InvoiceFallbackMalformed(InvoiceError):
    """An on-chain fallback has the wrong length for its version."""


class InvoiceFeatureUnknown(InvoiceError):
    """The payee requires a feature that lnpd does not know (BOLT 9)."""


class InvoiceFeatureDependency(InvoiceError):
    """The payee offers a feature without another that it needs (BOLT 9)."""


class InvoiceSignatureInvalid(InvoiceError):
    """The signature is by nobody, or not by the payee that the invoice names."""


class InvoiceSignatureHighS(InvoiceError):
    """The invoice names its payee, and its signature has a high s."""


class InvoiceFieldTooLong(InvoiceError):
    """A field to be written holds more than 639 bytes."""


class InvoiceFieldLength(InvoiceError):
    """A field to be written has not the length that BOLT 11 fixes."""


class InvoiceSignerMismatch(InvoiceError):
    """The signer's key is not the invoice's payee."""


class InvalidOnionPayload(LnpdError):
    """A hop's payload in an onion was not understood (BOLT 4, `invalid_onion_payload`).

    `tlv_type` is the record that was wrong and `offset` where it begins; both are 0 if it is no single record.
    """

    def __init__(self, sentence: str, tlv_type: int = 0, offset: int = 0) -> None:
        super().__init__(sentence)
        self.tlv_type = tlv_type
        self.offset = offset


class FailureMalformed(LnpdError):
    """A failure message, or what is to be written into one, does not fit its code (BOLT 4)."""


class RouteMalformed(CommandRefused):
    """A route is too long, or one of its hops is written in no form that this node reads."""


class RouteUnknown(CommandRefused):
    """A route does not lead to the payee, or what one of its hops asks for forwarding is not known."""


class RouteTooLong(CommandRefused):
    """Over this route an amount could be locked up for longer than nodes forward it."""


class ChannelUpdateSignatureWrong(ProtocolWarning):
    """A peer's channel_update of our channel is not signed by it (BOLT 7)."""
