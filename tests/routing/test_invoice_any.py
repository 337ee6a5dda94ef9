"""Does any invoice survive being written and read, and does any altered one raise nothing but our errors?"""

import contextlib

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lnpd.errors import InvoiceError
from lnpd.routing import bech32, invoice
from lnpd.routing.invoice import Invoice
from lnpd.routing.invoice_fields import Fallback, HintedHop, RawField
from lnpd.wire.features import Features
from tests.routing.test_invoice import COFFEE, NODE_ID, sign

replace = msgspec.structs.replace

HOPS = st.builds(
    HintedHop,
    node_id=st.just(NODE_ID),
    short_channel_id=st.binary(min_size=8, max_size=8),
    fee_base_msat=st.integers(0, 2**32 - 1),
    fee_proportional_millionths=st.integers(0, 2**32 - 1),
    cltv_expiry_delta=st.integers(0, 2**16 - 1),
)
FALLBACKS = st.binary(min_size=20, max_size=20).flatmap(
    lambda h: st.sampled_from([Fallback(v, h) for v in (0, 17, 18)])
) | st.builds(Fallback, st.integers(1, 16), st.binary(min_size=2, max_size=40))
INVOICES = st.builds(
    lambda described, **fields: Invoice(payee=NODE_ID, **described, **fields),
    described=st.text(st.characters(codec="utf-8"), max_size=100).map(lambda text: {"description": text})
    | st.binary(min_size=32, max_size=32).map(lambda digest: {"description_hash": digest}),
    network=st.sampled_from(["bc", "tb", "tbs", "bcrt"]),
    timestamp_seconds=st.integers(0, 2**35 - 1),
    payment_hash=st.binary(min_size=32, max_size=32),
    payment_secret=st.binary(min_size=32, max_size=32),
    amount_msat=st.none() | st.integers(1, 21 * 10**17),
    payment_metadata=st.none() | st.binary(max_size=50),
    expiry_seconds=st.integers(0, 2**64 - 1),
    min_final_cltv_expiry_delta=st.integers(0, 2**32 - 1),
    fallbacks=st.lists(FALLBACKS, max_size=3).map(tuple),
    routes=st.lists(st.lists(HOPS, min_size=1, max_size=3).map(tuple), max_size=2).map(tuple),
    features=st.sets(st.sampled_from([8, 9, 14, 17, 49, 99, 151])).map(lambda bits: Features.of(8, 14, *bits)),
    raw=st.lists(
        st.builds(RawField, st.sampled_from("ylt"), st.binary(max_size=9).map(bech32.to_words)), max_size=2
    ).map(tuple),
    layout=st.permutations("psdhmnxcffrr9??").map("".join) | st.just("psdhmxcfr9"),
)


@given(INVOICES)
def test_round_trip(made: Invoice) -> None:
    text = invoice.encode(made, sign)
    decoded = invoice.decode(text)
    assert replace(decoded, layout=made.layout) == made
    assert invoice.encode(decoded, sign) == text


def test_every_single_altered_character_is_refused() -> None:
    for place, there in enumerate(COFFEE):
        for character in "qpzry9x8gf2tvdw0s3jn54khce6mua7l1bioQ~é":
            if character != there:
                with pytest.raises(InvoiceError):
                    invoice.decode(COFFEE[:place] + character + COFFEE[place + 1 :])


@given(st.text(max_size=300) | st.text("qpzry9x8gf2tvdw0s3jn54khce6mua7l1", max_size=300).map("lnbc1".__add__))
def test_arbitrary_text_raises_nothing_else(text: str) -> None:
    with pytest.raises(InvoiceError):
        invoice.decode(text)


def signed(words: bytes) -> tuple[bytes, bytes]:
    """What is signed, and the signature without its recovery id."""
    return words[:-104], bech32.to_bytes(words[-104:])[:64]


@settings(max_examples=400)
@given(INVOICES, st.data())
def test_arbitrary_words_with_a_right_checksum_raise_nothing_else(made: Invoice, data: st.DataObject) -> None:
    readable, words = bech32.decode(invoice.encode(made, sign))
    altered = bytearray(words)
    for _ in range(data.draw(st.integers(1, 4))):
        altered[data.draw(st.integers(0, len(altered) - 1))] = data.draw(st.integers(0, 31))
    cut = data.draw(st.integers(0, len(altered)))
    for some in (altered, altered[:cut], altered[cut:]):
        with contextlib.suppress(InvoiceError):
            decoded = invoice.decode(bech32.encode(readable, bytes(some)))
            # What was altered is signed by somebody else; only the recovery id means nothing beside an `n` field.
            assert decoded.payee != NODE_ID or signed(bytes(some)) == signed(words)
