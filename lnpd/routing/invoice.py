"""What does an invoice ask for, and how is it written and read (BOLT 11)?

    readable part | timestamp | tagged fields | signature | checksum
    prefix+amount | 7 words   | FIELDS        | 104 words | 6 words, bech32

The signature covers everything before it. Keys are the signer's alone: it signs `unsigned`, and `signed` is the text.
"""

from collections.abc import Callable
from hashlib import sha256
from typing import Any, Final

import msgspec

from lnpd.crypto import secp
from lnpd.errors import (
    CryptoError,
    InvoiceFeatureDependency,
    InvoiceFeatureUnknown,
    InvoiceFieldMissing,
    InvoiceNumberTooLarge,
    InvoiceSignatureHighS,
    InvoiceSignatureInvalid,
    InvoiceSignerMismatch,
    InvoiceTooShort,
    InvoiceTwoDescriptions,
    MissingFeatureDependency,
    UnknownEvenFeature,
)
from lnpd.routing import bech32, invoice_prefix
from lnpd.routing.invoice_fields import FIELDS, RAW, SKIPPED, Fallback, HintedHop, RawField, join, read, split, write
from lnpd.wire.features import BOLT9, Features, FeatureTable

DEFAULT_EXPIRY_SECONDS: Final = 3600
DEFAULT_MIN_FINAL_CLTV_EXPIRY_DELTA: Final = 18

# digest (32 bytes) -> signature (64 bytes) and recovery id (0 to 3), by the payee's node key.
Sign = Callable[[bytes], tuple[bytes, int]]

_TIMESTAMP_WORDS: Final = 7
_SIGNATURE_WORDS: Final = 104
_MAX_TIMESTAMP_SECONDS: Final = 2**35 - 1
_DEFAULTS: Final = {"x": DEFAULT_EXPIRY_SECONDS, "c": DEFAULT_MIN_FINAL_CLTV_EXPIRY_DELTA}
_SCHEME: Final = "lightning:"

NO_FEATURES: Final = Features()


class Invoice(msgspec.Struct, frozen=True, kw_only=True):
    """A request for a payment (BOLT 11).

    network: BIP 173's prefix (bc, tb, tbs, bcrt). amount_msat: None lets the payer choose. payment_hash,
    payment_secret, description_hash: 32 bytes. payee: the node id, 33 bytes. One of description and description_hash
    is set; a description is a stranger's text, to be cleaned before it is shown.
    layout: the letters of the fields in the order in which they are written, `n` only if the payee is to be named
    outright, `?` for the next of `raw`: fields that lnpd does not read. What the layout lacks is written after it.
    """

    network: str
    timestamp_seconds: int
    payment_hash: bytes
    payment_secret: bytes
    payee: bytes
    amount_msat: int | None = None
    description: str | None = None
    description_hash: bytes | None = None
    payment_metadata: bytes | None = None
    expiry_seconds: int = DEFAULT_EXPIRY_SECONDS
    min_final_cltv_expiry_delta: int = DEFAULT_MIN_FINAL_CLTV_EXPIRY_DELTA
    fallbacks: tuple[Fallback, ...] = ()
    routes: tuple[tuple[HintedHop, ...], ...] = ()
    features: Features = NO_FEATURES
    raw: tuple[RawField, ...] = ()
    layout: str = "psdhmxcfr9"


def is_expired(invoice: Invoice, now_seconds: int) -> bool:
    """Whether the time in which to pay is over, `now_seconds` being seconds since 1970."""
    return now_seconds > invoice.timestamp_seconds + invoice.expiry_seconds


def decode(text: str, table: FeatureTable = BOLT9) -> Invoice:
    """The invoice in a text, its signature checked; a `lightning:` before it and white space around it are ignored.

    table: the features that may be required of the payer, those of plugins included. Raises a subclass of InvoiceError
    for each broken rule, and nothing else.
    """
    readable, words = bech32.decode(_bare(text))
    network, amount_msat = invoice_prefix.parse(readable)
    if len(words) < _TIMESTAMP_WORDS + _SIGNATURE_WORDS:
        raise InvoiceTooShort("The text is too short for an invoice: part of it is missing.")
    body, signature = words[:-_SIGNATURE_WORDS], words[-_SIGNATURE_WORDS:]
    values, layout, raw = _read_fields(body[_TIMESTAMP_WORDS:])
    _check_presence(values)
    _check_features(values.get("features", NO_FEATURES), table)
    payee = _payee(values.pop("payee", None), _digest(readable, body), bech32.to_bytes(signature))
    timestamp_seconds = bech32.number_of(body[:_TIMESTAMP_WORDS])
    return Invoice(
        network=network,
        amount_msat=amount_msat,
        timestamp_seconds=timestamp_seconds,
        payee=payee,
        raw=raw,
        layout=layout,
        **values,
    )


class Unsigned(msgspec.Struct, frozen=True):
    """An invoice that lacks its signature: the readable part, and the words before the signature."""

    invoice: Invoice
    readable: str
    words: bytes

    @property
    def data(self) -> bytes:
        """The words as bytes, zero bits filling the last one: with the readable part before it, what is signed."""
        return _padded(self.words)


def unsigned(invoice: Invoice, table: FeatureTable = BOLT9) -> Unsigned:
    """What is to be signed; raises InvoiceError for what BOLT 11 does not let a writer write."""
    if not 0 <= invoice.timestamp_seconds <= _MAX_TIMESTAMP_SECONDS:
        raise InvoiceNumberTooLarge(f"The timestamp is not between 0 and {_MAX_TIMESTAMP_SECONDS}.")
    _check_presence({row.name: getattr(invoice, row.name) for row in FIELDS.values()})
    _check_features(invoice.features, table)
    readable = invoice_prefix.render(invoice.network, invoice.amount_msat)
    timestamp = bech32.words_of(invoice.timestamp_seconds, _TIMESTAMP_WORDS)
    return Unsigned(invoice, readable, timestamp + b"".join(join(field) for field in _fields(invoice)))


def signed(draft: Unsigned, signature: bytes, recovery_id: int) -> str:
    """The invoice as text in lower case; raises InvoiceSignerMismatch if another key than the payee's signed."""
    invoice, full = draft.invoice, signature + bytes([recovery_id])
    named = invoice.payee if "n" in invoice.layout else None
    if _payee(named, _digest(draft.readable, draft.words), full) != invoice.payee:
        raise InvoiceSignerMismatch("The key that signed is not the one of the invoice's payee.")
    return bech32.encode(draft.readable, draft.words + bech32.to_words(full))


def encode(invoice: Invoice, sign: Sign, table: FeatureTable = BOLT9) -> str:
    """The invoice as text, where the key is at hand; raises as `unsigned` and `signed` do."""
    draft = unsigned(invoice, table)
    return signed(draft, *sign(_digest(draft.readable, draft.words)))


def _bare(text: str) -> str:
    stripped = text.strip()
    return stripped[len(_SCHEME) :] if stripped[: len(_SCHEME)].lower() == _SCHEME else stripped


def _read_fields(words: bytes) -> tuple[dict[str, Any], str, tuple[RawField, ...]]:
    """Values by name, layout, raw. Any: each field's type is the one that Invoice declares for its name."""
    values: dict[str, Any] = {}
    layout, raw = [], []
    for field in split(words):
        value = read(field)
        row = FIELDS.get(field.letter)
        # A writer puts what it prefers first, so that a second one of a single field is passed over.
        if row is None or value is SKIPPED or (row.name in values and not row.many):
            raw.append(field)
            layout.append(RAW)
            continue
        values[row.name] = (*values.get(row.name, ()), value) if row.many else value
        layout.append(field.letter)
    return values, "".join(layout), tuple(raw)


def _fields(invoice: Invoice) -> list[RawField]:
    waiting = {letter: _values(invoice, letter) for letter in FIELDS}
    raw = list(invoice.raw)
    fields = []
    for letter in invoice.layout:
        if letter == RAW and raw:
            fields.append(raw.pop(0))
        elif waiting.get(letter):
            fields.append(write(letter, waiting[letter].pop(0)))
    for letter, values in waiting.items():
        fields += [write(letter, value) for value in values if value != _DEFAULTS.get(letter)]
    return fields + raw


def _values(invoice: Invoice, letter: str) -> list[Any]:  # Any: as in _read_fields
    row = FIELDS[letter]
    value = getattr(invoice, row.name)
    if row.many:
        return list(value)
    # Without `n` the payee is recovered from the signature; and the absence of bits is written as no field.
    absent = value is None or value == NO_FEATURES or (letter == "n" and letter not in invoice.layout)
    return [] if absent else [value]


def _check_presence(values: dict[str, Any]) -> None:  # Any: as in _read_fields
    for name in ("payment_hash", "payment_secret"):
        if values.get(name) is None:
            raise InvoiceFieldMissing(f"The invoice has no {name.replace('_', ' ')} of 32 bytes, and cannot be paid.")
    described = [name for name in ("description", "description_hash") if values.get(name) is not None]
    if not described:
        raise InvoiceFieldMissing("The invoice does not say what it is for: neither a description nor the hash of one.")
    if len(described) == 2:
        raise InvoiceTwoDescriptions("The invoice has both a description and the hash of one; only one is allowed.")


def _padded(words: bytes) -> bytes:
    """Words as bytes, zero bits filling the last one."""
    bits = 5 * len(words)
    return (bech32.number_of(words) << -bits % 8).to_bytes(-(-bits // 8), "big")


def _digest(readable: str, words: bytes) -> bytes:
    """What is signed: SHA256 of the readable part and the words before the signature."""
    return sha256(readable.encode() + _padded(words)).digest()


def _payee(named: bytes | None, digest: bytes, signature: bytes) -> bytes:
    """Who signed: the payee that an `n` field names, or the key recovered from 64 bytes and a recovery id."""
    compact, recovery_id = signature[:-1], signature[-1]
    if named is None:
        try:
            return secp.recover(digest, compact, recovery_id)
        except CryptoError as error:
            raise InvoiceSignatureInvalid("The signature is by no key: was the invoice altered?") from error
    if int.from_bytes(compact[32:], "big") > secp.ORDER // 2:
        raise InvoiceSignatureHighS("The signature is not in its one allowed form (high s): was the invoice altered?")
    if not secp.verify(named, digest, compact):
        raise InvoiceSignatureInvalid("The signature is not by the payee that the invoice names: was it altered?")
    return named


def _check_features(features: Features, table: FeatureTable) -> None:
    try:
        table.check(features, "9")
    except UnknownEvenFeature as error:
        raise InvoiceFeatureUnknown(f"The payee requires something that this node does not know: {error}.") from error
    except MissingFeatureDependency as error:
        raise InvoiceFeatureDependency(f"The invoice offers a feature without what it needs: {error}.") from error
