"""Do the core's messages survive the wire byte for byte, and does anything else end in an error of ours?"""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lnpd.errors import (
    BadPoint,
    BadUtf8,
    MessageTooLong,
    NotMinimal,
    TlvOutOfOrder,
    Truncated,
    Unencodable,
    UnknownEvenMessage,
    UnknownEvenTlv,
    WireError,
)
from lnpd.wire.catalogue import CORE
from lnpd.wire.codec import Codec
from lnpd.wire.message import CODEC, Unknown, decode, decode_tlvs, encode, encode_tlvs
from lnpd.wire.messages import (
    MESSAGES,
    STREAMS,
    ChannelReestablish,
    ChannelReestablishTlvs,
    CommitmentSigned,
    CommitmentSignedTlvs,
    Extension,
    ExtensionState,
    Init,
    InitTlvs,
    Payload,
    PaymentData,
    SignedState,
    Stfu,
    TxSignatures,
    UpdateAddHtlc,
    UpdateExt,
    Witness,
)
from tests.vectors import load
from tests.wire.strategies import messages, tlvs

ID = bytes(range(32))
POINT = b"\2" + bytes(32)

# Even records of other implementations' drafts, which the published bytes carry: to BOLT 1 they are unknown.
DRAFTS = """\
tlv_stream,open_channel_tlvs
type,4,next_local_nonce
data,66*byte,nonce
tlv_stream,accept_channel_tlvs
type,4,next_local_nonce
data,66*byte,nonce
tlv_stream,closing_tlvs
type,6,partial_signature
data,...*byte,signature
tlv_stream,tx_complete_tlvs
type,4,nonces
data,...*byte,nonces
type,6,more_nonces
data,...*byte,nonces
tlv_stream,tx_signatures_tlvs
type,2,partial_signature
data,98*byte,signature
tlv_stream,splice_ack_tlvs
type,41042,fee_credit
data,tu64,amount_msat
"""


def test_a_message_of_fixed_fields() -> None:
    message = UpdateAddHtlc(
        channel_id=ID, id=3, amount_msat=5, payment_hash=ID, cltv_expiry=7, onion_routing_packet=bytes(1366)
    )
    data = encode(message)
    assert data.hex() == f"0080{ID.hex()}{3:016x}{5:016x}{ID.hex()}{7:08x}" + "00" * 1366
    assert decode(data) == message


def test_counts_follow_from_what_they_count() -> None:
    message = TxSignatures(channel_id=ID, txid=ID, witnesses=(Witness(witness_data=b"ab"), Witness(witness_data=b"")))
    data = encode(message)
    assert data.hex() == f"0047{ID.hex() * 2}0002" + "00026162" + "0000"
    assert decode(data) == message


def test_lnpds_own_records() -> None:
    offered = InitTlvs(offered_extensions=(Extension(name="lockbox", format=1),))
    data = encode(Init(globalfeatures=b"", features=b"", tlvs=offered))
    assert data.hex() == "001000000000" + "fe00018103" + "0a" + "07" + b"lockbox".hex() + "0001"
    assert decode(data) == Init(globalfeatures=b"", features=b"", tlvs=offered)
    digests = CommitmentSignedTlvs(funding_txid=ID, extension_digests=(b"12345678", b"abcdefgh"))
    signed = CommitmentSigned(channel_id=ID, signature=bytes(64), htlc_signature=(), tlvs=digests)
    assert encode(signed).hex().endswith("fe00018105" + "10" + (b"12345678abcdefgh").hex())
    assert decode(encode(signed)) == signed
    state = ExtensionState(
        namespace=0,
        format=1,
        base_digest=ID,
        signed=(SignedState(funding_txid=ID, holder=1, commitment_number=2**47, digest=ID),),
    )
    again = ChannelReestablish(
        channel_id=ID,
        next_commitment_number=1,
        next_revocation_number=0,
        your_last_per_commitment_secret=bytes(32),
        my_current_per_commitment_point=POINT,
        tlvs=ChannelReestablishTlvs(extension_states=(state,)),
    )
    assert decode(encode(again)) == again
    update = UpdateExt(channel_id=ID, namespace=1, id=9, data=b"xyz")
    assert encode(update).hex() == f"8101{ID.hex()}0001{9:016x}0003" + b"xyz".hex()


def test_a_stream_that_stands_alone() -> None:
    payload = Payload(amt_to_forward=1000, payment_data=PaymentData(payment_secret=ID, total_msat=1000))
    data = encode_tlvs(payload)
    assert data.hex() == "020203e8" + "0822" + ID.hex() + "03e8"
    assert decode_tlvs(Payload, data) == payload


def test_unknown_messages() -> None:
    unknown = decode(bytes.fromhex("9c41aabb"))
    assert unknown == Unknown(40001, b"\xaa\xbb")
    assert encode(unknown).hex() == "9c41aabb"
    with pytest.raises(UnknownEvenMessage, match="40002"):
        decode(bytes.fromhex("9c42aabb"))


def test_every_message_may_be_extended() -> None:
    """BOLT 1, appendix C, on a message that has no record of its own."""
    data = encode(Stfu(channel_id=ID, initiator=1))
    extended = decode(data + bytes.fromhex("c90101"))
    assert isinstance(extended, Stfu) and extended.tlvs.unknown == ((0xC9, b"\1"),)
    assert encode(extended) == data + bytes.fromhex("c90101")
    for extension, error in (("0000", UnknownEvenTlv), ("ca0101", UnknownEvenTlv), ("01", Truncated)):
        with pytest.raises(error):
            decode(data + bytes.fromhex(extension))


@pytest.mark.parametrize(
    ("hex_", "error"),
    [
        ("", Truncated),
        ("00", Truncated),
        ("0002" + "00" * 32, Truncated),
        ("0024" + "00" * 32 + "04" + "00" * 32, BadPoint),
        ("001000000001", Truncated),
        ("001000000000" + "0120" + "00" * 31, Truncated),
        ("001000000000" + "0121" + "00" * 33, Truncated),
        ("001000000000" + "c90101c90102", TlvOutOfOrder),
        ("001000000000" + "fd00c900", NotMinimal),
        ("001000000000" + "fe00018103" + "04" + "01ff0001", BadUtf8),
        ("0084" + "00" * 96 + "ffff" + "00" * 64, Truncated),
        ("0010" + "00" * 65534, MessageTooLong),
    ],
)
def test_wrong_bytes_have_a_name(hex_: str, error: type[WireError]) -> None:
    with pytest.raises(error):
        decode(bytes.fromhex(hex_))


def test_a_count_is_refused_before_anything_is_read() -> None:
    with pytest.raises(Truncated, match="64 bytes left for 65535 values of 64 or more"):
        decode(bytes.fromhex("0084" + "00" * 96 + "ffff" + "00" * 64))


def test_init_extensions_of_the_vectors() -> None:
    cases = load("bolt1-tlv.json")["init_extension"]
    assert len(cases) == 5
    print("bolt1-tlv.json: 5 extensions of init")
    for case in cases:
        data = bytes.fromhex(case["message"])
        if case["valid"]:
            assert encode(decode(data)) == data
        else:
            with pytest.raises(WireError):
                decode(data)


def test_valid_messages_of_the_vectors() -> None:
    """All 160 come back byte for byte. BOLT 1 has those with an even record of a draft refused, so each of these is
    refused by the core, and read once an owner has added the draft's rows.
    """
    cases = load("wire-messages.json")["cases"]
    codec = Codec(CORE.with_rows("drafts", DRAFTS, reserved=True))
    refused = []
    for case in cases:
        data = bytes.fromhex(case["hex"])
        records = [*case["fields"].get("tlvs", []), *case["fields"].get("_extension", [])]
        if any("unknown" in record and record["type"] % 2 == 0 for record in records):
            with pytest.raises(UnknownEvenTlv):
                decode(data)
            refused.append(case["message"])
        else:
            assert encode(decode(data)) == data
        message = codec.decode(data)
        assert codec.encode(message) == data
        assert not isinstance(message, Unknown) and case["message"] == message.NAME
        compare(case["fields"], message)
    assert (len(cases), len({case["message"] for case in cases}), len(refused)) == (160, 45, 9)
    print("wire-messages.json: 160 valid of 45 messages; 9 of them carry even records of drafts")


def compare(published: dict[str, Any], message: Any) -> None:
    """Every published field that is no count is an attribute with that value; the TLV records are all there."""
    for name, value in published.items():
        if name in message.__struct_fields__ and name != "tlvs":
            assert plain(getattr(message, name)) == without_counts(value), name
    unknown = dict(message.tlvs.unknown)
    for record in published.get("tlvs", []):
        if "unknown" in record:
            assert unknown.pop(record["type"]).hex() == record["unknown"]
            continue
        value, attribute = without_counts(record["value"]), plain(getattr(message.tlvs, record["name"]))
        assert attribute == (value if len(value) > 1 else next(iter(value.values()), True))
    extension = {record["type"]: record["unknown"] for record in published.get("_extension", [])}
    assert all(extension[number] == value.hex() for number, value in unknown.items())


def plain(value: Any) -> Any:
    """A value as the vectors write it."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, tuple):
        return [plain(one) for one in value]
    if hasattr(value, "__struct_fields__"):
        return {name: plain(getattr(value, name)) for name in value.__struct_fields__}
    return value


def without_counts(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: without_counts(one) for name, one in value.items() if name != "len"}
    return [without_counts(one) for one in value] if isinstance(value, list) else value


def test_invalid_messages_of_the_vectors() -> None:
    cases = load("wire-messages.json")["invalid"]
    assert len(cases) == 8
    print("wire-messages.json: 8 refused")
    errors: dict[str, tuple[type[WireError], ...]] = {
        "malformed_tlv": (Truncated, NotMinimal, TlvOutOfOrder),
        "unknown_even_tlv": (UnknownEvenTlv,),
    }
    for case in cases:
        with pytest.raises(errors[case["must_reject_reason"]]):
            decode(bytes.fromhex(case["hex"]))


@pytest.mark.parametrize("name", sorted(MESSAGES))
@settings(max_examples=25, deadline=None)
@given(st.data())
def test_every_message_there_and_back(name: str, data: st.DataObject) -> None:
    message = data.draw(messages(CODEC, name))
    encoded = encode(message)
    assert decode(encoded) == message
    cut = encoded[: data.draw(st.integers(0, len(encoded) - 1))]
    decoded_or_refused(cut)


@pytest.mark.parametrize("name", sorted(STREAMS))
@settings(max_examples=25, deadline=None)
@given(st.data())
def test_every_stream_there_and_back(name: str, data: st.DataObject) -> None:
    value = data.draw(tlvs(CODEC, name))
    assert decode_tlvs(STREAMS[name], encode_tlvs(value)) == value


def decoded_or_refused(data: bytes) -> None:
    """Whatever is accepted has one encoding only, the one that came."""
    try:
        message = decode(data)
    except WireError:
        return
    assert encode(message) == data


NUMBERS = st.one_of(st.sampled_from([class_.NUMBER for class_ in MESSAGES.values()]), st.integers(0, 65535))


@settings(max_examples=500, deadline=None)
@given(NUMBERS, st.binary(max_size=400))
def test_any_bytes_are_decoded_or_refused(number: int, payload: bytes) -> None:
    decoded_or_refused(number.to_bytes(2, "big") + payload)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_altered_messages_are_decoded_or_refused(data: st.DataObject) -> None:
    encoded = bytearray(encode(data.draw(messages(CODEC, data.draw(st.sampled_from(sorted(MESSAGES)))))))
    for _ in range(data.draw(st.integers(1, 4))):
        encoded[data.draw(st.integers(2, len(encoded) - 1))] = data.draw(st.integers(0, 255))
    decoded_or_refused(bytes(encoded))


def test_a_message_that_no_transport_carries_is_not_encoded() -> None:
    with pytest.raises(Unencodable, match="65535"):
        encode(UpdateExt(channel_id=ID, namespace=0, id=0, data=bytes(65535)))
