"""Is messages.py what the rows make it, and can it be packed, stored and compared?"""

import ast
import keyword

import msgspec
import pytest

from lnpd.errors import BadRow
from lnpd.wire import messages
from lnpd.wire.generate import TARGET, generate, sources
from lnpd.wire.rows import camel, parse


def test_messages_py_is_up_to_date() -> None:
    assert TARGET.read_text(encoding="utf-8") == generate(), "run `make generate`"


def test_every_row_has_its_class() -> None:
    parts = [parse(owner, text) for owner, text in sources().items()]
    assert {row.name for part in parts for row in part.messages} == messages.MESSAGES.keys()
    assert {row.name for part in parts for row in part.streams} == messages.STREAMS.keys()
    assert {row.name for part in parts for row in part.subtypes} == messages.COMPOSITES.keys()
    counts = [len(table) for table in (messages.MESSAGES, messages.STREAMS, messages.COMPOSITES, messages.RECORDS)]
    assert counts == [52, 31, 10, 14]
    for name, class_ in messages.MESSAGES.items():
        assert (class_.__name__, class_.NAME) == (camel(name), name)
        assert class_.__struct_fields__[-1] == "tlvs"


def test_generated_names_are_attributes() -> None:
    for class_ in (*messages.MESSAGES.values(), *messages.STREAMS.values(), *messages.COMPOSITES.values()):
        assert all(name.isidentifier() and not keyword.iskeyword(name) for name in class_.__struct_fields__)
    ast.parse(generate())


def test_messages_are_frozen_and_compared_by_value() -> None:
    stfu = messages.Stfu(channel_id=bytes(32), initiator=1)
    assert stfu == messages.Stfu(channel_id=bytes(32), initiator=1) != messages.Stfu(channel_id=bytes(32), initiator=0)
    assert len({stfu, messages.Stfu(channel_id=bytes(32), initiator=1)}) == 1
    with pytest.raises(AttributeError):
        stfu.initiator = 0  # type: ignore[misc]  # that it is refused is what is tested


def test_stored_messages_carry_their_bolt_name() -> None:
    """A snapshot outlives the name of a class: what tells messages apart in it is the BOLT's name."""
    stored = msgspec.msgpack.encode(messages.UpdateFee(channel_id=bytes(32), feerate_per_kw=253))
    assert msgspec.msgpack.decode(stored)["message_name"] == "update_fee"
    either = messages.UpdateFee | messages.Stfu
    assert msgspec.msgpack.decode(stored, type=either) == messages.UpdateFee(channel_id=bytes(32), feerate_per_kw=253)


def test_two_things_of_one_class_name_are_refused() -> None:
    from lnpd.wire.generate import _Writer

    with pytest.raises(BadRow, match="already made from something else"):
        _Writer([parse("x", "message,1,a_b\nmessage,3,a__b")]).run()
