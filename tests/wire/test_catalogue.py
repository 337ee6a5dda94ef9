"""Does the catalogue hold every message of the BOLTs, and refuse two owners of one thing?"""

from typing import Any

import pytest

from lnpd.errors import CatalogueClash, ReservedNumber
from lnpd.wire.catalogue import BOLT, CORE, Catalogue
from lnpd.wire.rows import FieldRow
from tests.vectors import load

STORM = """\
message,40001,storm_deposit
data,channel_id,channel_id
tlv_stream,init_tlvs
type,70001,storm_rooms
data,...*u16,rooms
subtype,storm_slot
data,u8,x
"""
WITH_STORM = CORE.with_rows("storm", STORM)


def shown(row: tuple[FieldRow, ...]) -> list[tuple[str, str, str]]:
    return [(field.name, field.type, field.count) for field in row]


def published(fields: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    return [(field["name"], field["type"], str(field.get("count", ""))) for field in fields]


def test_some_of_the_bolts() -> None:
    add = BOLT.message(128)
    assert add is not None and add is BOLT.message("update_add_htlc")
    assert [field.name for field in add.fields][:4] == ["channel_id", "id", "amount_msat", "payment_hash"]
    assert add.fields[-1] == FieldRow("onion_routing_packet", "byte", "1366")
    record = BOLT.record("update_add_htlc_tlvs", 0)
    assert record is not None and record is BOLT.record("update_add_htlc_tlvs", "blinded_path")
    assert BOLT.message(33025) is BOLT.message("nothing") is None
    assert BOLT.record("init_tlvs", 5) is BOLT.record("nothing_tlvs", 1) is None


def test_lnpds_own_numbers_are_odd_and_outside_the_specifications() -> None:
    own = [row for row in CORE.messages.values() if row.owner == "lnpd"]
    assert {row.name: row.number for row in own} == {"update_ext": 33025, "auxiliary_signatures": 33041}
    records = {(s.name, r.name): r.number for s in CORE.streams.values() for r in s.records if r.owner == "lnpd"}
    assert records == {
        ("init_tlvs", "offered_extensions"): 98563,
        ("open_channel_tlvs", "extensions"): 98561,
        ("accept_channel_tlvs", "extensions"): 98561,
        ("open_channel_tlvs", "funding_type"): 98569,
        ("accept_channel_tlvs", "funding_type"): 98569,
        ("funding_created_tlvs", "initial_state_digests"): 98571,
        ("commitment_signed_tlvs", "extension_digests"): 98565,
        ("channel_reestablish_tlvs", "extension_states"): 98567,
    }
    assert all(number % 2 and number >= 2**16 for number in records.values())


def test_every_message_of_the_vectors() -> None:
    messages = load("messages.json")["messages"]
    assert len(messages) == len(BOLT.messages) == 50
    fields = 0
    for message in messages:
        row = BOLT.message(message["type"])
        assert row is not None and (row.name, row.option) == (message["name"], message.get("option", ""))
        there = published(message["fields"])
        here = shown(row.fields)
        if "tlv_stream" in message:
            here.append(("tlvs", row.stream, ""))
            assert row.stream == message["tlv_stream"]
        assert here == there
        fields += len(there)
    print(f"messages.json: 50 messages with {fields} fields")


def test_every_stream_and_record_of_the_vectors() -> None:
    streams = load("messages.json")["tlv_streams"]
    described = {name: stream for name, stream in BOLT.streams.items() if stream.records}
    assert described.keys() == streams.keys() and len(streams) == 30
    records = 0
    for name, stream in streams.items():
        here = [(row.number, row.name, shown(row.fields)) for row in described[name].records]
        there = [(row["type"], row["name"], published(row["fields"])) for row in stream["records"]]
        assert here == sorted(there)
        records += len(there)
    assert records == 122
    print("messages.json: 30 TLV streams with 122 records")


def test_every_subtype_of_the_vectors() -> None:
    subtypes = load("messages.json")["subtypes"]
    assert {name: shown(row.fields) for name, row in BOLT.subtypes.items()} == {
        name: published(subtype["fields"]) for name, subtype in subtypes.items()
    }
    assert len(subtypes) == 7
    print("messages.json: 7 subtypes")


def test_a_plugins_rows_are_more_rows() -> None:
    assert CORE.message(40001) is None
    message, record = WITH_STORM.message(40001), WITH_STORM.record("init_tlvs", "storm_rooms")
    assert message is not None and record is not None
    assert (message.owner, record.owner, WITH_STORM.owners) == ("storm", "storm", ("bolt", "lnpd", "storm"))


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ("message,40001,dlc_offer", ["40001", "storm has it as storm_deposit", "dlc claims it as dlc_offer"]),
        ("message,40003,storm_deposit", ["message name storm_deposit", "storm has it", "dlc claims it"]),
        ("message,40003,init", ["message name init", "bolt has it", "dlc claims it"]),
        ("message,33025,offer", ["33025", "lnpd has it as update_ext", "dlc claims it as offer"]),
        (
            "tlv_stream,init_tlvs\ntype,70001,x",
            ["init_tlvs type 70001", "storm has it as storm_rooms", "dlc claims it as x"],
        ),
        (
            "tlv_stream,init_tlvs\ntype,70003,networks",
            ["init_tlvs record name networks", "bolt has it", "dlc claims it"],
        ),
        ("subtype,storm_slot\ndata,u8,x", ["subtype storm_slot", "storm has it", "dlc claims it"]),
        ("subtype,witness\ndata,u8,x", ["subtype witness", "bolt has it", "dlc claims it"]),
        ("subtype,point\ndata,u8,x", ["subtype point", "bolt", "dlc"]),
        ("subtype,tlv_invoice\ndata,u8,x", ["subtype tlv_invoice", "bolt has it as a tlv_stream", "dlc"]),
    ],
)
def test_a_clash_names_both_owners_and_their_claims(rows: str, words: list[str]) -> None:
    with pytest.raises(CatalogueClash) as refused:
        WITH_STORM.with_rows("dlc", rows)
    for word in words:
        assert word in str(refused.value)


@pytest.mark.parametrize("owner", ["bolt", "lnpd", "storm"])
def test_nobody_takes_an_owners_name(owner: str) -> None:
    with pytest.raises(CatalogueClash, match=owner):
        WITH_STORM.with_rows(owner, "message,40009,other")


@pytest.mark.parametrize("rows", ["message,32767,x", "message,20,x", "tlv_stream,init_tlvs\ntype,65535,x"])
def test_the_specifications_numbers_are_reserved(rows: str) -> None:
    with pytest.raises(ReservedNumber, match="dlc claims"):
        CORE.with_rows("dlc", rows)
    CORE.with_rows("dlc", rows, reserved=True)


def test_custom_numbers_begin_where_bolt_1_says() -> None:
    more = CORE.with_rows("dlc", "message,32768,x\ntlv_stream,init_tlvs\ntype,65536,y")
    assert more.message(32768) is not None and more.record("init_tlvs", 65536) is not None


def test_an_owner_numbers_its_own_streams_as_it_likes() -> None:
    more = CORE.with_rows("dlc", "message,40001,offer\ntlv_stream,offer_tlvs\ntype,2,x\ntype,1,y")
    assert [row.number for row in more.streams["offer_tlvs"].records] == [1, 2]


def test_a_refused_owner_leaves_no_trace() -> None:
    before = dict(CORE.streams)
    with pytest.raises(CatalogueClash):
        CORE.with_rows("dlc", "tlv_stream,init_tlvs\ntype,70001,x\nmessage,16,y", reserved=True)
    assert CORE.streams == before and CORE.record("init_tlvs", 70001) is None
    assert Catalogue().messages == {}
