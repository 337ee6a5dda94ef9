"""Are TLV streams read as strictly as BOLT 1 demands, and written in the one order there is?"""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lnpd.errors import (
    BadPoint,
    NotMinimal,
    TlvLengthWrong,
    TlvOutOfOrder,
    Truncated,
    Unencodable,
    UnknownEvenTlv,
    WireError,
)
from lnpd.wire.catalogue import Catalogue
from lnpd.wire.codec import Codec
from lnpd.wire.fields import scid_parts
from lnpd.wire.tlv import join, split
from tests.vectors import load

NAMESPACES = """\
tlv_stream,n1
type,1,tlv1
data,tu64,amount_msat
type,2,tlv2
data,short_channel_id,scid
type,3,tlv3
data,point,node_id
data,u64,amount_msat_1
data,u64,amount_msat_2
type,254,tlv4
data,u16,cltv_delta
tlv_stream,n2
type,0,tlv1
data,tu64,amount_msat
type,11,tlv2
data,tu32,cltv_expiry
"""
CODEC = Codec(Catalogue().with_rows("appendix", NAMESPACES))
POINT = "023da092f6980e58d2c037173180e9a465476026ee50f96695963e8efe436f54eb"
ERRORS: dict[str, tuple[type[WireError], ...]] = {
    "type_truncated": (Truncated,),
    "type_not_minimal": (NotMinimal,),
    "length_missing": (Truncated,),
    "length_truncated": (Truncated,),
    "length_not_minimal": (NotMinimal,),
    "value_missing": (Truncated,),
    "value_truncated": (Truncated,),
    "value_too_long": (TlvLengthWrong,),
    "value_too_short": (Truncated,),
    "tu_not_minimal": (NotMinimal,),
    "unknown_even_type": (UnknownEvenTlv,),
    "bad_point": (BadPoint,),
    "bad_order": (TlvOutOfOrder,),
    "duplicate_type": (TlvOutOfOrder,),
}


def decode(namespace: str, hex_: str) -> Any:
    return CODEC.decode_tlvs(CODEC.tlvs_type(namespace), bytes.fromhex(hex_))


def test_a_known_record_is_an_attribute() -> None:
    tlvs = decode("n1", f"0331{POINT}00000000000000010000000000000002")
    assert (tlvs.tlv3.node_id.hex(), tlvs.tlv3.amount_msat_1, tlvs.tlv3.amount_msat_2) == (POINT, 1, 2)
    assert (tlvs.tlv1, tlvs.tlv2, tlvs.tlv4, tlvs.unknown) == (None, None, None, ())


def test_zero_is_a_value_and_not_an_absence() -> None:
    tlvs = decode("n1", "0100")
    assert tlvs.tlv1 == 0
    assert CODEC.encode_tlvs(tlvs).hex() == "0100"


@pytest.mark.parametrize(
    ("hex_", "error"),
    [
        ("1200", UnknownEvenTlv),
        ("0208000000000000022601012a", TlvOutOfOrder),
        ("1f001f012a", TlvOutOfOrder),
        ("0ffd000100", NotMinimal),
        ("fd000100", NotMinimal),
        ("010100", NotMinimal),
        ("0f05", Truncated),
        ("fd00fe0101", Truncated),
        ("fd00fe03010101", TlvLengthWrong),
    ],
)
def test_a_wrong_stream_is_refused(hex_: str, error: type[WireError]) -> None:
    with pytest.raises(error):
        decode("n1", hex_)


def test_odd_records_that_nobody_knows_are_kept() -> None:
    tlvs = decode("n1", "010101210299aafd020100")
    assert tlvs.unknown == ((0x21, b"\x99\xaa"), (0x201, b""))
    assert CODEC.encode_tlvs(tlvs).hex() == "010101210299aafd020100"


def test_namespaces_are_those_of_the_vectors() -> None:
    for name, records in load("bolt1-tlv.json")["namespaces"].items():
        rows = CODEC.catalogue.streams[name].records
        described = [[row.number, row.name, [[field.name, field.type] for field in row.fields]] for row in rows]
        assert described == [[record["type"], record["name"], record["fields"]] for record in records]


def test_failures_of_the_vectors() -> None:
    cases = load("bolt1-tlv.json")["decode_failures"]
    assert len(cases) == 38
    checked = 0
    for case in cases:
        for namespace in case["namespaces"]:
            with pytest.raises(ERRORS[case["reason"]]):
                decode(namespace, case["stream"])
            checked += 1
    print(f"bolt1-tlv.json: 38 failures, {checked} with their namespaces")


def test_successes_of_the_vectors() -> None:
    cases = load("bolt1-tlv.json")["decode_successes"]
    assert len(cases) == 19
    print("bolt1-tlv.json: 19 successes")
    for case in cases:
        for namespace in case["namespaces"]:
            tlvs = decode(namespace, case["stream"])
            assert CODEC.encode_tlvs(tlvs).hex() == case["stream"]
            if "tlv" in case:
                assert shown(namespace, case["tlv"], getattr(tlvs, case["tlv"])) == case["values"]


def shown(namespace: str, name: str, value: Any) -> dict[str, str]:
    row = CODEC.catalogue.record(namespace, name)
    assert row is not None
    texts = {}
    for field in row.fields:
        one = getattr(value, field.name) if len(row.fields) > 1 else value
        if field.type == "short_channel_id":
            texts[field.name] = "x".join(map(str, scid_parts(one)))
        else:
            texts[field.name] = one.hex() if isinstance(one, bytes) else str(one)
    return texts


def test_streams_joined_from_those_of_the_vectors() -> None:
    """A valid stream before an invalid one is invalid; two valid ones are valid if the types ascend."""
    vectors = load("bolt1-tlv.json")
    failed = joined = 0
    for before in vectors["decode_successes"]:
        for namespace in before["namespaces"]:
            for after in vectors["decode_failures"]:
                if namespace in after["namespaces"]:
                    with pytest.raises(WireError):
                        decode(namespace, before["stream"] + after["stream"])
                    failed += 1
            for after in vectors["decode_successes"]:
                if namespace not in after["namespaces"]:
                    continue
                last = [number for number, _ in split(bytes.fromhex(before["stream"]))][-1:]
                first = [number for number, _ in split(bytes.fromhex(after["stream"]))][:1]
                if last and first and last >= first:
                    with pytest.raises(TlvOutOfOrder):
                        decode(namespace, before["stream"] + after["stream"])
                else:
                    decode(namespace, before["stream"] + after["stream"])
                    joined += 1
    assert failed > 500 and joined > 150
    print(f"bolt1-tlv.json: {failed} joined streams refused, {joined} accepted")


def test_types_may_not_repeat_when_written() -> None:
    with pytest.raises(Unencodable):
        join([(1, b""), (1, b"")])


@given(st.dictionaries(st.integers(0, 2**64 - 1), st.binary(max_size=300)))
def test_split_undoes_join(records: dict[int, bytes]) -> None:
    assert split(join(records.items())) == tuple(sorted(records.items()))


@given(st.binary(max_size=200))
def test_any_bytes_split_or_are_refused(data: bytes) -> None:
    try:
        records = split(data)
    except WireError:
        return
    assert join(records) == data
