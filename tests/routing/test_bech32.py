"""Does an invoice's text become words, and is every altered text refused?"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lnpd.errors import (
    InvoiceCharacter,
    InvoiceChecksumMismatch,
    InvoiceFieldPadding,
    InvoiceMixedCase,
    InvoiceNoSeparator,
    InvoiceTooLong,
    InvoiceTooShort,
)
from lnpd.routing import bech32

# BIP 173's own valid string with the largest readable part, one with data, and both cases.
VALID = [
    ("A12UEL5L", "a", ""),
    ("a12uel5l", "a", ""),
    (
        "an83characterlonghumanreadablepartthatcontainsthenumber1andtheexcludedcharactersbio1tt5tgs",
        "an83characterlonghumanreadablepartthatcontainsthenumber1andtheexcludedcharactersbio",
        "",
    ),
    ("abcdef1qpzry9x8gf2tvdw0s3jn54khce6mua7lmqqqxw", "abcdef", bytes(range(32)).hex()),
]

REFUSED = [
    ("", InvoiceNoSeparator),
    ("pzry9x0s0muk", InvoiceNoSeparator),
    ("1pzry9x0s0muk", InvoiceNoSeparator),
    ("x1b4n0q5v", InvoiceCharacter),
    ("li1dgmt3", InvoiceTooShort),
    ("A1G7SGD8", InvoiceChecksumMismatch),
    ("A12uEL5L", InvoiceMixedCase),
    ("\x7f1axkwrx", InvoiceCharacter),
    ("a 12uel5l", InvoiceCharacter),
    ("\N{KELVIN SIGN}12uel5l", InvoiceCharacter),  # in lower case it is an ordinary k
    ("a1lqfn3a", InvoiceChecksumMismatch),  # right, but for bech32m (BIP 350)
    ("a1" + "q" * 7088, InvoiceTooLong),
]


@pytest.mark.parametrize(("text", "readable", "words"), VALID)
def test_valid_strings_of_bip_173(text: str, readable: str, words: str) -> None:
    assert bech32.decode(text) == (readable, bytes.fromhex(words))
    assert bech32.encode(readable, bytes.fromhex(words)) == text.lower()


@pytest.mark.parametrize(("text", "error"), REFUSED)
def test_each_broken_rule_has_its_error(text: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        bech32.decode(text)


def test_what_is_too_long_is_not_written() -> None:
    with pytest.raises(InvoiceTooLong):
        bech32.encode("lnbc", bytes(bech32.MAX_CHARACTERS))


@given(st.binary(max_size=100))
def test_bytes_survive_as_words(data: bytes) -> None:
    assert bech32.to_bytes(bech32.to_words(data)) == data


@pytest.mark.parametrize("words", [b"\x00", b"\x1f\x1f", b"\x00\x01", b"\x00\x00\x00"])
def test_padding_must_be_short_and_zero(words: bytes) -> None:
    with pytest.raises(InvoiceFieldPadding):
        bech32.to_bytes(words)


@given(st.integers(min_value=0, max_value=2**70))
def test_numbers_take_the_fewest_words(number: int) -> None:
    words = bech32.words_of(number)
    assert bech32.number_of(words) == number
    assert words[:1] != b"\0"
    assert bech32.words_of(number, 20)[20 - len(words) :] == words


@given(st.binary(min_size=1, max_size=60).map(bech32.to_words), st.data())
def test_up_to_three_altered_words_are_seen(words: bytes, data: st.DataObject) -> None:
    text = bech32.encode("lnbcrt", words)
    places = data.draw(st.sets(st.integers(7, len(text) - 1), min_size=1, max_size=3))
    altered = list(text)
    for place in places:
        altered[place] = data.draw(st.sampled_from([c for c in "qpzry9x8gf2tvdw0s3jn54khce6mua7l" if c != text[place]]))
    with pytest.raises(InvoiceChecksumMismatch):
        bech32.decode("".join(altered))
