"""Are rows read as they are meant, and refused by owner and row where they cannot be read?"""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lnpd.errors import BadRow
from lnpd.wire.rows import FieldRow, MessageRow, RecordRow, StreamRow, SubtypeRow, camel, kept, parse

ROWS = """
# a comment
message,40001,storm_deposit,option_storm
data,channel_id,channel_id
data,u16,n
data,n*slot,slots

subtype,slot
data,4*byte,label
tlv_stream,storm_deposit_tlvs
type,1,memo
data,...*byte,text
type,3,flag
"""


def test_rows_of_each_kind() -> None:
    rows = parse("storm", ROWS)
    slots = (FieldRow("channel_id", "channel_id"), FieldRow("n", "u16"), FieldRow("slots", "slot", "n"))
    assert rows.messages == (
        MessageRow(40001, "storm_deposit", "storm", slots, "storm_deposit_tlvs", option="option_storm"),
    )
    assert rows.subtypes == (SubtypeRow("slot", "storm", (FieldRow("label", "byte", "4"),)),)
    memo = RecordRow(1, "memo", "storm", (FieldRow("text", "byte", "..."),))
    assert rows.streams == (StreamRow("storm_deposit_tlvs", "storm", (memo, RecordRow(3, "flag", "storm", ()))),)
    assert kept(slots) == (slots[0], slots[2])


def test_rows_may_come_one_string_each() -> None:
    assert parse("storm", ROWS.splitlines()) == parse("storm", ROWS)


def test_the_last_field_may_name_the_stream() -> None:
    (message,) = parse("x", "message,40001,m\ndata,u8,a\ndata,other_tlvs,tlvs").messages
    assert (message.stream, [field.name for field in message.fields]) == ("other_tlvs", ["a"])


def test_a_stream_may_be_named_twice() -> None:
    (stream,) = parse("x", "tlv_stream,s\ntype,1,a\nmessage,40001,m\ntlv_stream,s\ntype,3,b").streams
    assert [record.name for record in stream.records] == ["a", "b"]


@pytest.mark.parametrize(
    "rows",
    [
        "data,u8,x",  # under no heading
        "type,1,x",  # in no stream
        "tlv_stream,s\ndata,u8,x",  # a stream has records, not fields
        "message,40001,m\ntype,1,x",
        "message,65536,m",
        "tlv_stream,s\ntype,18446744073709551616,x",
        "message,-1,m",
        "message,40001",
        "message,40001,Camel",
        "message,40001,class",
        "message,40001,m\ndata,u8,1x",
        "message,40001,m\ndata,1+1*u8,x",
        "message,40001,m\ndata,u8",
        "msg,40001,m",
        "message,40001,m" + " " * 300 + "x",
        "message,４０００１,m\ndata,u8,x\x00",
    ],
)
def test_what_cannot_be_read_is_refused_with_its_owner(rows: str) -> None:
    with pytest.raises(BadRow, match=r"^storm: "):
        parse("storm", rows)


def test_rows_without_end_are_refused() -> None:
    with pytest.raises(BadRow, match="10001 rows"):
        parse("storm", ["# nothing"] * 10_001)


@given(st.text(max_size=100))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(BadRow):
        parse("storm", text)


def test_class_names() -> None:
    assert [camel(name) for name in ("update_add_htlc", "open_channel2")] == ["UpdateAddHtlc", "OpenChannel2"]
