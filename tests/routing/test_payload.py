"""Is every hop payload of BOLT 4 read and written, and does a bad one name the record at fault?"""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lnpd.errors import InvalidOnionPayload, Unencodable
from lnpd.routing import payload
from lnpd.wire.catalogue import CORE
from lnpd.wire.codec import Codec
from lnpd.wire.fields import read_bigsize
from lnpd.wire.messages import Payload, PaymentData
from tests.vectors import load

AMT = "02020001"[:4] + "03e8"  # amt_to_forward 1000
CLTV = "0402" + "0190"  # outgoing_cltv_value 400
NUMBERS = st.integers(0, 2**64 - 1)

CASES = [
    ("", Payload()),
    (AMT + CLTV, Payload(amt_to_forward=1000, outgoing_cltv_value=400)),
    ("0200" + "0400", Payload(amt_to_forward=0, outgoing_cltv_value=0)),
    (
        AMT + CLTV + "0608" + "0000010000020003",
        Payload(amt_to_forward=1000, outgoing_cltv_value=400, short_channel_id=bytes.fromhex("0000010000020003")),
    ),
    (
        AMT + CLTV + "0822" + "11" * 32 + "03e8" + "1002abcd",
        payload.for_final_node(1000, 400, b"\x11" * 32, payment_metadata=b"\xab\xcd"),
    ),
    (
        "0a01aa" + "0c21" + "02" * 33 + "120105",
        Payload(encrypted_recipient_data=b"\xaa", current_path_key=b"\x02" * 33, total_amount_msat=5),
    ),
    (AMT + "fe0001000103aabbcc", Payload(amt_to_forward=1000, unknown=((65537, b"\xaa\xbb\xcc"),))),
]

REFUSED = [
    ("an unknown even type", AMT + CLTV + "1401ff", 20, 8),
    ("an unknown even type of four bytes", AMT + "fe0001000003aabbcc", 65536, 4),
    ("an amount with leading zeros", "02020001" + CLTV, 2, 0),
    ("an amount of nine bytes", "0209" + "01" * 9, 2, 0),
    ("an expiry of five bytes", AMT + "0405" + "01" * 5, 4, 4),
    ("a short channel id of seven bytes", AMT + CLTV + "0607" + "01" * 7, 6, 8),
    ("a payment secret of 31 bytes", AMT + CLTV + "081f" + "01" * 31, 8, 8),
    ("a path key that is no point", "0c21" + "05" * 33, 12, 0),
    ("a type twice", AMT + AMT, 0, 4),
    ("descending types", CLTV + AMT, 0, 4),
    ("a record that ends early", AMT + "0404aa", 0, 4),
    ("a type without a length", AMT + "04", 0, 4),
    ("a type in too many bytes", AMT + "fd000401", 0, 4),
    ("more bytes than an onion holds", "01fd0600" + "00" * 1536, 0, 0),
]


@pytest.mark.parametrize(("data", "value"), CASES)
def test_read_and_written(data: str, value: Payload) -> None:
    assert payload.decode(bytes.fromhex(data)) == value
    assert payload.encode(value).hex() == data


@pytest.mark.parametrize(("data", "tlv_type", "offset"), [case[1:] for case in REFUSED], ids=[c[0] for c in REFUSED])
def test_the_record_at_fault_is_named(data: str, tlv_type: int, offset: int) -> None:
    with pytest.raises(InvalidOnionPayload) as caught:
        payload.decode(bytes.fromhex(data))
    assert (caught.value.tlv_type, caught.value.offset) == (tlv_type, offset)


def test_a_plugins_even_record_is_understood_with_its_codec() -> None:
    rows = ["tlv_stream,payload", "type,65536,tip", "data,u16,amount_sat"]
    codec = Codec(CORE.with_rows("tips", rows))
    data = bytes.fromhex(AMT + "fe00010000020007")
    with pytest.raises(InvalidOnionPayload):
        payload.decode(data)
    value = payload.decode(data, codec)
    assert value.unknown == ((65536, b"\x00\x07"),)
    assert payload.encode(value, codec) == data
    with pytest.raises(InvalidOnionPayload) as caught:
        payload.decode(bytes.fromhex(AMT + "fe000100000107"), codec)
    assert (caught.value.tlv_type, caught.value.offset) == (65536, 4)


def test_what_is_too_long_or_does_not_fit_is_not_written() -> None:
    with pytest.raises(InvalidOnionPayload):
        payload.encode(Payload(payment_metadata=bytes(1300)))
    with pytest.raises(Unencodable):
        payload.encode(Payload(amt_to_forward=2**64))


def test_require_names_the_missing_record() -> None:
    assert payload.require(Payload(amt_to_forward=0), "amt_to_forward") == 0
    with pytest.raises(InvalidOnionPayload) as caught:
        payload.require(Payload(amt_to_forward=0), "outgoing_cltv_value")
    assert (caught.value.tlv_type, caught.value.offset) == (4, 0)


def test_the_payloads_of_the_published_onions() -> None:
    count = 0
    for name in ("bolt4-onion-test.json", "bolt4-blinded-payment-onion-test.json"):
        for data in _payloads(load(name)):
            length, start = read_bigsize(data, 0, len(data))
            assert length == len(data) - start
            assert payload.encode(payload.decode(data[start:])) == data[start:]
            count += 1
    print(f"bolt4-onion-test.json, bolt4-blinded-payment-onion-test.json: {count} payloads")
    assert count == 10


def _payloads(vector: dict[str, Any]) -> list[bytes]:
    hops = vector["generate"]["full_route" if "full_route" in vector["generate"] else "hops"]
    hops = hops["hops"] if isinstance(hops, dict) else hops
    return [bytes.fromhex(hop["payload"]) for hop in hops]


@given(
    st.builds(
        Payload,
        amt_to_forward=st.none() | NUMBERS,
        outgoing_cltv_value=st.none() | st.integers(0, 2**32 - 1),
        short_channel_id=st.none() | st.binary(min_size=8, max_size=8),
        payment_data=st.none()
        | st.builds(PaymentData, payment_secret=st.binary(min_size=32, max_size=32), total_msat=NUMBERS),
        encrypted_recipient_data=st.none() | st.binary(max_size=100),
        current_path_key=st.none() | st.binary(min_size=32, max_size=32).map(lambda x: b"\x03" + x),
        payment_metadata=st.none() | st.binary(max_size=100),
        total_amount_msat=st.none() | NUMBERS,
        unknown=st.dictionaries(
            st.integers(10, 2**63 - 1).map(lambda n: 2 * n + 1), st.binary(max_size=40), max_size=3
        ).map(lambda records: tuple(sorted(records.items()))),
    )
)
def test_round_trip(value: Payload) -> None:
    assert payload.decode(payload.encode(value)) == value


@given(st.binary(max_size=200) | st.lists(st.sampled_from([bytes.fromhex(c[0]) for c in CASES])).map(b"".join))
def test_arbitrary_bytes_raise_nothing_else(data: bytes) -> None:
    try:
        value = payload.decode(data)
    except InvalidOnionPayload as error:
        assert 0 <= error.offset <= len(data)
    else:
        assert payload.encode(value) == data
