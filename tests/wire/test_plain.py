"""Does every message survive being a plain map, and is each map that is no message refused by name?"""

from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from lnpd.errors import Unencodable
from lnpd.wire.base import Composite, Tlvs
from lnpd.wire.catalogue import CORE
from lnpd.wire.codec import Codec
from lnpd.wire.plain import message_of, plain
from tests.wire.strategies import messages

ROWS = """
    message,40000,talk
    data,u64,number
    data,u16,len
    data,len*byte,text
    data,u8,num_words
    data,num_words*word,words
    data,3*u16,three
    tlv_stream,talk_tlvs
    type,1,loud
    type,3,about
    data,...*utf8,topic
    type,5,place
    data,u32,row
    data,point,key
    subtype,word
    data,u8,len
    data,len*utf8,letters
"""
CODEC = Codec(CORE.with_rows("talker", ROWS))
TALK: dict[str, Any] = {"number": 7, "text": b"hi", "words": [{"letters": "a"}, {"letters": "ö"}], "three": [1, 2, 3]}
POINT = b"\x02" + bytes(32)


def without_unknown(value: Any) -> Any:
    """Records of others are not in a plain map."""
    if isinstance(value, tuple):
        return tuple(without_unknown(each) for each in value)
    if not isinstance(value, msgspec.Struct):
        return value
    changes = {name: without_unknown(getattr(value, name)) for name in value.__struct_fields__}
    return replace(value, **{**changes, **({"unknown": ()} if isinstance(value, Tlvs) else {})})


@settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.sampled_from(sorted(CODEC.catalogue.messages)).flatmap(lambda name: messages(CODEC, name)))
def test_every_message_comes_back(message: Any) -> None:
    travelled = msgspec.msgpack.decode(msgspec.msgpack.encode(plain(message)))
    again = message_of(CODEC, message.NAME, travelled)
    assert again == without_unknown(message)
    assert CODEC.decode(CODEC.encode(again)) == again


def test_a_message_as_a_map() -> None:
    tlvs = {"loud": True, "about": "x", "place": {"row": 4, "key": POINT}}
    message = message_of(CODEC, "talk", {**TALK, "tlvs": tlvs})
    data = CODEC.encode(message)
    assert data.hex().startswith("9c40" + "0000000000000007" + "0002" + b"hi".hex() + "02" + "01" + "61")
    assert plain(CODEC.decode(data)) == {**TALK, "tlvs": tlvs}  # type: ignore[arg-type]  # it is no Unknown
    assert "tlvs" not in plain(message_of(CODEC, "talk", TALK))


def test_a_composite_is_no_message_of_its_own() -> None:
    assert issubclass(CODEC.composite_type("word"), Composite)
    with pytest.raises(Unencodable, match="message word is not in the catalogue"):
        message_of(CODEC, "word", {})


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "an unknown field": ({"colour": 1}, "talk has no field 'colour'"),
    "a name that is no text": ({1: 1}, "talk has no field '1'"),  # type: ignore[dict-item]
    "a count": ({"len": 2}, "talk has no field 'len'"),
    "a missing field": ({"number": ...}, "talk needs the field number"),
    "a text for a number": ({"number": "7"}, "talk: number: str of 1, where an integer from 0 to 18446744073709551615"),
    "too large": ({"number": 2**64}, "talk: number: an integer that is not from 0 to 18446744073709551615"),
    "negative": ({"number": -1}, "talk: number: an integer that is not from 0"),
    "a text for bytes": ({"text": "hi"}, "talk: text"),
    "too many bytes": ({"text": bytes(65_536)}, "talk"),
    "too long in all": ({"text": bytes(65_535)}, "at most 65535 can be sent"),
    "nothing": ({"text": None}, "NoneType"),
    "no list": ({"words": {"letters": "a"}}, "talk: words: dict, where a list belongs"),
    "no map": ({"words": ["a"]}, "talk: words: str of 1, where a map of fields belongs"),
    "a wrong field within": ({"words": [{"letter": "a"}]}, "talk: words has no field 'letter'"),
    "too few": ({"three": [1, 2]}, "talk: three"),
    "another owner's record": ({"tlvs": {"soft": True}}, "talk_tlvs has no record 'soft'"),
    "what it keeps of others": ({"tlvs": {"unknown": []}}, "talk_tlvs has no record 'unknown'"),
    "no map of records": ({"tlvs": [1]}, "talk_tlvs: list, where a map of records belongs"),
    "no flag": ({"tlvs": {"loud": 1}}, "int is not True"),
    "a wrong point": ({"tlvs": {"place": {"row": 1, "key": b"no"}}}, "key"),
    "a record's field missing": ({"tlvs": {"place": {"row": 1}}}, "talk_tlvs place needs the field key"),
}


@pytest.mark.parametrize(("changes", "words"), WRONG.values(), ids=WRONG)
def test_what_is_no_message_is_refused_by_name(changes: dict[str, Any], words: str) -> None:
    given = {name: value for name, value in {**TALK, **changes}.items() if value is not ...}
    with pytest.raises(Unencodable, match=words):
        CODEC.encode(message_of(CODEC, "talk", given))
