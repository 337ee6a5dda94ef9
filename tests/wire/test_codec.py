"""Do a plugin's rows work like the core's, and is a value that does not fit refused by the name of its field?"""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lnpd.errors import TlvLengthWrong, Truncated, Unencodable, UnknownEvenMessage, UnknownEvenTlv, WireError
from lnpd.wire.base import Message
from lnpd.wire.catalogue import CORE, Catalogue
from lnpd.wire.codec import Codec
from lnpd.wire.message import CODEC, encode
from lnpd.wire.messages import (
    AttributionData,
    ClosingSigned,
    ClosingSignedTlvs,
    CommitmentSigned,
    Extension,
    FeeRange,
    Init,
    InitTlvs,
    Stfu,
    TxSignatures,
    UpdateExt,
    UpdateFailHtlcTlvs,
    UpdateFee,
    UpdateFulfillHtlc,
)
from tests.wire.strategies import messages

ID = bytes(range(32))
STORM = """\
message,40001,storm_deposit
data,channel_id,channel_id
data,u8,n
data,n*storm_slot,slots
data,u8,label_len
data,label_len*utf8,label
data,s32,delta
data,bigsize,weight
data,sciddir_or_pubkey,where
data,u16,pairs
data,pairs*u16,left
data,pairs*u32,right
message,40002,storm_strict
subtype,storm_slot
data,u8,len
data,len*byte,content
data,3*u16,three
tlv_stream,storm_deposit_tlvs
type,1,memo
data,...*byte,text
type,2,urgent
type,4,both
data,point,key
data,tu32,amount_sat
tlv_stream,init_tlvs
type,70001,storm_rooms
data,...*u16,rooms
type,70002,storm_pair
data,u16,a
data,u16,b
"""
STORM_CODEC = Codec(CORE.with_rows("storm", STORM))
STORM_TLVS: Any = STORM_CODEC.tlvs_type("storm_deposit_tlvs")  # built from rows: its attributes have no static type


def deposit(**changed: Any) -> Message:
    slot = STORM_CODEC.composite_type("storm_slot")(content=b"xy", three=(1, 2, 3))
    values = {
        "channel_id": ID,
        "slots": (slot,),
        "label": "é",
        "delta": -1,
        "weight": 1000,
        "where": b"\0" + bytes(8),
        "left": (1,),
        "right": (2,),
    }
    return STORM_CODEC.message_type("storm_deposit")(**{**values, **changed})


def test_a_plugins_message_is_built_from_its_rows() -> None:
    both = STORM_CODEC.record_type("storm_deposit_tlvs", "both")(key=b"\3" + bytes(32), amount_sat=0)
    tlvs = STORM_TLVS(memo=b"m", urgent=True, both=both)
    data = STORM_CODEC.encode(deposit(tlvs=tlvs))
    assert data.hex() == (
        f"9c41{ID.hex()}01"
        + "027879000100020003"
        + "02c3a9"
        + "ffffffff"
        + "fd03e8"
        + "00" * 9
        + "0001000100000002"
        + "01016d"
        + "0200"
        + f"042103{'00' * 32}"
    )
    assert STORM_CODEC.decode(data) == deposit(tlvs=tlvs)
    assert (STORM_CODEC.message_type(40001).NAME, STORM_CODEC.message_type(40001).NUMBER) == ("storm_deposit", 40001)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_the_plugins_and_the_extended_message_there_and_back(data: st.DataObject) -> None:
    for name in ("storm_strict", "init"):
        message = data.draw(messages(STORM_CODEC, name))
        assert STORM_CODEC.decode(STORM_CODEC.encode(message)) == message


def test_an_even_message_is_known_where_its_rows_are() -> None:
    data = bytes.fromhex("9c42")
    assert STORM_CODEC.encode(STORM_CODEC.decode(data)) == data
    with pytest.raises(UnknownEvenMessage):
        CODEC.decode(data)


def test_a_plugins_record_on_a_core_message_is_checked_and_kept() -> None:
    rooms = STORM_CODEC.encode_record("init_tlvs", "storm_rooms", (1, 2))
    pair = STORM_CODEC.encode_record(
        "init_tlvs", "storm_pair", STORM_CODEC.record_type("init_tlvs", "storm_pair")(a=1, b=2)
    )
    init = Init(globalfeatures=b"", features=b"", tlvs=InitTlvs(networks=(ID,), unknown=(rooms, pair)))
    data = STORM_CODEC.encode(init)
    assert STORM_CODEC.decode(data) == init
    assert STORM_CODEC.decode_record("init_tlvs", "storm_rooms", rooms[1]) == (1, 2)
    with pytest.raises(UnknownEvenTlv, match="70002"):
        CODEC.decode(data)
    base = CODEC.encode(Init(globalfeatures=b"", features=b""))
    for record, error in (("fe0001117103000102", Truncated), ("fe00011172050001000203", TlvLengthWrong)):
        with pytest.raises(error):
            STORM_CODEC.decode(base + bytes.fromhex(record))


@pytest.mark.parametrize(
    "unknown",
    [
        ((70002, bytes(4)),),  # nobody here knows it, and it is even
        ((1, ID),),  # has an attribute: networks
        ((70001, b""), (70001, b"")),
        ((70001, "text"),),
    ],
)
def test_what_may_not_stand_in_unknown(unknown: Any) -> None:
    with pytest.raises(Unencodable):
        encode(Init(globalfeatures=b"", features=b"", tlvs=InitTlvs(unknown=unknown)))


def test_what_is_sent_again_stays_as_it_was_though_a_plugin_has_other_rows_by_now() -> None:
    """Else a new version of a plugin, or one that means ill, ends every connection over which it is sent again."""
    sent = Init(globalfeatures=b"", features=b"", tlvs=InitTlvs(unknown=((70001, b"odd"),)))
    assert STORM_CODEC.encode(sent) == CODEC.encode(sent)
    with pytest.raises(WireError):
        STORM_CODEC.decode_record("init_tlvs", "storm_rooms", b"odd")


# What the types of a static checker would refuse is given on purpose: a value may come from a plugin.
WRONG: list[tuple[Any, str]] = [
    (UpdateFee(channel_id=ID[:31], feerate_per_kw=1), "update_fee: channel_id"),
    (UpdateFee(channel_id=None, feerate_per_kw=1), "update_fee: channel_id"),  # type: ignore[arg-type]
    (UpdateFee(channel_id=bytearray(32), feerate_per_kw=1), "update_fee: channel_id"),  # type: ignore[arg-type]
    (UpdateFee(channel_id=ID, feerate_per_kw=2**32), "update_fee"),
    (UpdateFee(channel_id=ID, feerate_per_kw=-1), "update_fee"),
    (UpdateFee(channel_id=ID, feerate_per_kw="1"), "update_fee"),  # type: ignore[arg-type]
    (UpdateFee(channel_id=ID, feerate_per_kw=1, tlvs=InitTlvs()), "update_fee_tlvs"),
    (UpdateExt(channel_id=ID, namespace=0, id=0, data="text"), "update_ext: data"),  # type: ignore[arg-type]
    (UpdateExt(channel_id=ID, namespace=0, id=0, data=None), "NoneType has no length"),  # type: ignore[arg-type]
    (UpdateExt(channel_id=ID, namespace=0, id=0, data=bytes(65536)), "update_ext"),
    (CommitmentSigned(channel_id=ID, signature=bytes(64), htlc_signature=(b"",)), "commitment_signed: htlc_signature"),
    (
        CommitmentSigned(channel_id=ID, signature=bytes(64), htlc_signature=[bytes(64)]),  # type: ignore[arg-type]
        "commitment_signed: htlc_signature",
    ),
    (TxSignatures(channel_id=ID, txid=ID, witnesses=(b"ab",)), "Witness"),  # type: ignore[arg-type]
    (
        Init(
            globalfeatures=b"", features=b"", tlvs=InitTlvs(offered_extensions=(Extension(name="x" * 256, format=1),))
        ),
        "extension",
    ),
    (
        Init(globalfeatures=b"", features=b"", tlvs=InitTlvs(offered_extensions=(Extension(name="\ud800", format=1),))),
        "UTF-8",
    ),
    (
        ClosingSigned(
            channel_id=ID,
            fee_satoshis=1,
            signature=bytes(64),
            tlvs=ClosingSignedTlvs(fee_range=FeeRange(min_fee_satoshis=-1, max_fee_satoshis=1)),
        ),
        "closing_signed_tlvs fee_range",
    ),
    (deposit(right=()), "storm_deposit: right"),
    (deposit(where=b"\4"), "sciddir_or_pubkey"),
    (deposit(label=b"bytes"), "is not a string"),
    (deposit(tlvs=STORM_TLVS(urgent=1)), "is not True"),
    (Codec(CORE.with_rows("other", "message,40001,other")).message_type("other")(), "no message of this catalogue"),
    ("not a message", "str is no message"),
]


@pytest.mark.parametrize(("message", "why"), WRONG, ids=[why for _, why in WRONG])
def test_what_does_not_fit_is_named(message: Any, why: str) -> None:
    with pytest.raises(Unencodable) as refused:
        STORM_CODEC.encode(message)
    assert why in str(refused.value)


@pytest.mark.parametrize(
    ("id", "why"),
    [
        (2**64, "an integer that is not from 0 to 18446744073709551615"),
        (-1, "an integer that is not from 0 to 18446744073709551615"),
        ("one", "str of 3, where an integer from 0 to 18446744073709551615 belongs"),
    ],
)
def test_an_integer_that_does_not_fit_is_named_with_its_bounds(id: Any, why: str) -> None:
    with pytest.raises(Unencodable) as refused:
        encode(UpdateFulfillHtlc(channel_id=ID, id=id, payment_preimage=bytes(32)))
    assert str(refused.value) == f"update_fulfill_htlc: id: {why}"


def test_an_error_never_shows_a_value() -> None:
    with pytest.raises(Unencodable) as refused:
        encode(UpdateFulfillHtlc(channel_id=ID, id=0, payment_preimage=b"secret"))
    assert str(refused.value) == "update_fulfill_htlc: payment_preimage: bytes of 6, where 32 bytes belong"


def test_names_that_are_not_there() -> None:
    for call in (
        lambda: CODEC.message_type("storm_deposit"),
        lambda: CODEC.tlvs_type("nothing_tlvs"),
        lambda: CODEC.composite_type("nothing"),
        lambda: CODEC.record_type("init_tlvs", "nothing"),
        lambda: CODEC.record_type("init_tlvs", "networks"),
        lambda: CODEC.decode_record("init_tlvs", "nothing", b""),
    ):
        with pytest.raises(Unencodable):
            call()


def test_a_codec_knows_its_catalogue_only() -> None:
    with pytest.raises(Unencodable):
        Codec(Catalogue()).encode(Stfu(channel_id=ID, initiator=1))
    with pytest.raises(WireError):
        Codec(Catalogue()).decode(bytes.fromhex("0010"))


def test_long_fixed_arrays() -> None:
    """attribution_data: 20 hold times and 210 truncated HMACs, 920 bytes (BOLT 4)."""
    data = bytes(range(80)) + bytes(840)
    value = CODEC.decode_record("update_fail_htlc_tlvs", "attribution_data", data)
    assert (
        isinstance(value, AttributionData) and CODEC.encode_tlvs(UpdateFailHtlcTlvs(attribution_data=value))[4:] == data
    )
    for length in (919, 921):
        with pytest.raises(WireError):
            CODEC.decode_record("update_fail_htlc_tlvs", "attribution_data", bytes(length))
