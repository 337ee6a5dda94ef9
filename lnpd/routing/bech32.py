"""How does an invoice's text become its readable part and 5-bit words, and back?

As BIP 173 says, without its limit of 90 characters, which BOLT 11 lifts. Words are `bytes` with values 0 to 31. A
payment reads an invoice of some hundred words: whole strings are translated, and words in a row are one long number.
"""

import re
from functools import reduce
from operator import xor
from typing import Final

from embit.bech32 import CHARSET

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

_UNPRINTED: Final = re.compile("[^!-~]")
_CHECKSUM_WORDS: Final = 6
_ALPHABET: Final = CHARSET.encode()
_WORDS: Final = bytes(range(32))
_TO_WORDS: Final = bytes.maketrans(_ALPHABET, _WORDS)
_TO_ALPHABET: Final = bytes.maketrans(_WORDS, _ALPHABET)
_TO_DIGITS: Final = bytes.maketrans(_WORDS, b"0123456789abcdefghijklmnopqrstuv")  # as `int` reads base 32

_VALID: Final = 1  # what a text with its checksum comes to
_GENERATORS: Final = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
# What the five bits that leave the checksum put back into it.
_FEEDBACK: Final = tuple(
    reduce(xor, (generator for bit, generator in enumerate(_GENERATORS) if word >> bit & 1), 0) for word in _WORDS
)


def decode(text: str) -> tuple[str, bytes]:
    """The readable part in lower case, and the words before the checksum (BIP 173, without its limit of length).

    Raises InvoiceTooLong, InvoiceCharacter, InvoiceMixedCase, InvoiceNoSeparator, InvoiceTooShort,
    InvoiceChecksumMismatch.
    """
    if len(text) > MAX_CHARACTERS:
        raise InvoiceTooLong(f"This text has {len(text)} characters; an invoice has at most {MAX_CHARACTERS}.")
    # Before any change of case: some letters outside ASCII become ASCII in lower case.
    if stranger := _UNPRINTED.search(text):
        raise InvoiceCharacter(f"Character {stranger.start() + 1}, {stranger[0]!r}, cannot be part of an invoice.")
    if text not in (text.lower(), text.upper()):
        raise InvoiceMixedCase("The text mixes upper and lower case: was the invoice altered?")
    readable, separator, data = text.lower().rpartition("1")
    if not separator or not readable:
        raise InvoiceNoSeparator("There is no `1` between a prefix and the data: this is no invoice.")
    return readable, _checked_words(readable, data)


def _checked_words(readable: str, data: str) -> bytes:
    characters = data.encode()
    if strangers := characters.translate(None, _ALPHABET):
        raise InvoiceCharacter(f"The data of an invoice cannot hold {chr(strangers[0])!r}: was the invoice altered?")
    if len(data) < _CHECKSUM_WORDS:
        raise InvoiceTooShort("The text ends before the checksum: part of the invoice is missing.")
    words = characters.translate(_TO_WORDS)
    if _checksum(readable, words) != _VALID:
        raise InvoiceChecksumMismatch("The checksum does not match: was the invoice altered, or cut?")
    return words[:-_CHECKSUM_WORDS]


def _checksum(readable: str, words: bytes) -> int:
    """BIP 173's polynomial of 30 bits over the readable part, spread out, and the words."""
    prefix = readable.encode()
    checksum = 1
    for word in (*(byte >> 5 for byte in prefix), 0, *(byte & 31 for byte in prefix), *words):
        checksum = (checksum & 0x1FFFFFF) << 5 ^ word ^ _FEEDBACK[checksum >> 25]
    return checksum


def encode(readable: str, words: bytes) -> str:
    """The text, in lower case, with its checksum; raises InvoiceTooLong."""
    checksum = _checksum(readable, words + bytes(_CHECKSUM_WORDS)) ^ _VALID
    data = (words + words_of(checksum, _CHECKSUM_WORDS)).translate(_TO_ALPHABET)
    text = f"{readable}1{data.decode()}"
    if len(text) > MAX_CHARACTERS:
        raise InvoiceTooLong(f"This invoice would have {len(text)} characters, more than {MAX_CHARACTERS}.")
    return text


def to_words(data: bytes) -> bytes:
    """These bytes as words, filled up with zero bits."""
    bits = 8 * len(data)
    return words_of(int.from_bytes(data, "big") << -bits % 5, -(-bits // 5))


def to_bytes(words: bytes) -> bytes:
    """The bytes that words hold; raises InvoiceFieldPadding unless what is left is fewer than five zero bits."""
    count, left = divmod(5 * len(words), 8)
    number = number_of(words)
    if left >= 5 or number & (1 << left) - 1:
        raise InvoiceFieldPadding("A field ends in bits that should not be there.")
    return (number >> left).to_bytes(count, "big")


def number_of(words: bytes) -> int:
    """The number that words write, the most significant first."""
    return int(words.translate(_TO_DIGITS), 32) if words else 0


def words_of(number: int, length: int | None = None) -> bytes:
    """That many words of a number, or the fewest that hold it (none for 0); `number_of` is its inverse."""
    count = -(-number.bit_length() // 5) if length is None else length
    return bytes(number >> 5 * (count - 1 - position) & 31 for position in range(count))
