"""How does an invoice's text become its readable part and 5-bit words, and back?

The arithmetic is embit's; its own `bech32_decode` keeps BIP 173's limit of 90 characters, which BOLT 11 lifts. Words
are `bytes` with values 0 to 31.
"""

from typing import Final

from embit import bech32 as _embit

from lnpd.errors import (
    InvoiceCharacter,
    InvoiceChecksumMismatch,
    InvoiceFieldPadding,
    InvoiceMixedCase,
    InvoiceNoSeparator,
    InvoiceTooLong,
    InvoiceTooShort,
)

# The most characters that any QR code holds.
MAX_CHARACTERS: Final = 7089

_CHECKSUM_WORDS: Final = 6
_WORD_OF: Final = {character: word for word, character in enumerate(_embit.CHARSET)}


def decode(text: str) -> tuple[str, bytes]:
    """The readable part in lower case, and the words before the checksum (BIP 173, without its limit of length).

    Raises InvoiceTooLong, InvoiceCharacter, InvoiceMixedCase, InvoiceNoSeparator, InvoiceTooShort,
    InvoiceChecksumMismatch.
    """
    if len(text) > MAX_CHARACTERS:
        raise InvoiceTooLong(f"This text has {len(text)} characters; an invoice has at most {MAX_CHARACTERS}.")
    # Before any change of case: some letters outside ASCII become ASCII in lower case.
    for position, character in enumerate(text):
        if not "!" <= character <= "~":
            raise InvoiceCharacter(f"Character {position + 1}, {character!r}, cannot be part of an invoice.")
    if text not in (text.lower(), text.upper()):
        raise InvoiceMixedCase("The text mixes upper and lower case: was the invoice altered?")
    readable, separator, data = text.lower().rpartition("1")
    if not separator or not readable:
        raise InvoiceNoSeparator("There is no `1` between a prefix and the data: this is no invoice.")
    return readable, _checked_words(readable, data)


def _checked_words(readable: str, data: str) -> bytes:
    stranger = next((character for character in data if character not in _WORD_OF), None)
    if stranger is not None:
        raise InvoiceCharacter(f"The data of an invoice cannot hold {stranger!r}: was the invoice altered?")
    if len(data) < _CHECKSUM_WORDS:
        raise InvoiceTooShort("The text ends before the checksum: part of the invoice is missing.")
    words = [_WORD_OF[character] for character in data]
    if _embit.bech32_verify_checksum(readable, words) != _embit.Encoding.BECH32:
        raise InvoiceChecksumMismatch("The checksum does not match: was the invoice altered, or cut?")
    return bytes(words[:-_CHECKSUM_WORDS])


def encode(readable: str, words: bytes) -> str:
    """The text, in lower case, with its checksum; raises InvoiceTooLong."""
    text: str = _embit.bech32_encode(_embit.Encoding.BECH32, readable, list(words))
    if len(text) > MAX_CHARACTERS:
        raise InvoiceTooLong(f"This invoice would have {len(text)} characters, more than {MAX_CHARACTERS}.")
    return text


def to_words(data: bytes) -> bytes:
    """These bytes as words, filled up with zero bits."""
    return bytes(_embit.convertbits(data, 8, 5))


def to_bytes(words: bytes) -> bytes:
    """The bytes that words hold; raises InvoiceFieldPadding unless what is left is fewer than five zero bits."""
    data = _embit.convertbits(words, 5, 8, False)
    if data is None:
        raise InvoiceFieldPadding("A field ends in bits that should not be there.")
    return bytes(data)


def number_of(words: bytes) -> int:
    """The number that words write, the most significant first."""
    number = 0
    for word in words:
        number = number << 5 | word
    return number


def words_of(number: int, length: int | None = None) -> bytes:
    """That many words of a number, or the fewest that hold it (none for 0); `number_of` is its inverse."""
    count = -(-number.bit_length() // 5) if length is None else length
    return bytes(number >> 5 * (count - 1 - position) & 31 for position in range(count))
