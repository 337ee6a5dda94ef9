"""Does each table keep its rows as write.py and read.py say?"""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lnpd.errors import LnpdError, RecordConflict, RowExists, RowMissing, UnknownPoint, ValueUnfit
from lnpd.store.connection import CREATOR_PRAGMAS, connect
from lnpd.store.migrations import create_schema
from lnpd.store.read import u64_key
from lnpd.store.rows import ChainCursor, ChannelRow, RecordRow
from lnpd.store.write import KEY_MAX_BYTES, VALUE_MAX_BYTES, Write

A, B, PEER = b"\xaa" * 32, b"\xbb" * 32, b"\x02" * 33
U64S = (0, 1, 255, 256, (1 << 63) - 1, 1 << 63, (1 << 63) + 1, (1 << 64) - 1)


@pytest.fixture
def write(tmp_path: Path) -> Iterator[Write]:
    database = connect(tmp_path / "test.sqlite3", CREATOR_PRAGMAS)
    create_schema(database, "regtest")
    yield Write(database)
    database.close()


def test_a_channel_is_saved_over_itself_listed_and_deleted(write: Write) -> None:
    write.save_channel(A, PEER, b"one")
    write.save_channel(B, PEER, b"other", closed=True)
    write.save_channel(A, PEER, b"two")
    assert write.channel(A) == ChannelRow(A, PEER, b"two", False)
    assert sorted(row.channel_id for row in write.channels()) == [A, B]
    assert write.channel(B) == ChannelRow(B, PEER, b"other", True)
    write.delete_channel(B)
    assert write.channel(B) is None
    with pytest.raises(RowMissing):
        write.delete_channel(B)


def test_deleting_a_channel_forgets_its_records_and_keeps_what_it_owes(write: Write) -> None:
    for channel in (A, B):
        write.save_channel(channel, PEER, b"")
        write.put_record(channel, "commitment", b"k", b"v", lookup=channel)
        write.add_outbox(channel.hex(), channel, b"")
    write.delete_channel(A)
    assert write.record(A, "commitment", b"k") is None
    assert write.find_record_by_index("commitment", A) is None
    assert write.find_record_by_index("commitment", B) is not None
    assert len(write.outbox()) == 2


def test_a_record_is_appended_once_and_never_rewritten(write: Write) -> None:
    assert write.put_record(A, "onion", u64_key(1), b"bytes") is True
    assert write.put_record(A, "onion", u64_key(1), b"bytes") is False
    with pytest.raises(RecordConflict):
        write.put_record(A, "onion", u64_key(1), b"other")
    assert write.record(A, "onion", u64_key(1)) == b"bytes"
    assert write.put_record(A, "history", u64_key(1), b"other") is True, "each kind has keys of its own"
    assert write.put_record(B, "onion", u64_key(1), b"other") is True, "each channel has keys of its own"


def test_a_lookup_leads_to_one_record(write: Write) -> None:
    write.put_record(A, "commitment", b"1", b"v", lookup=b"txid")
    assert write.put_record(A, "commitment", b"1", b"v", lookup=b"txid") is False
    assert write.find_record_by_index("commitment", b"txid") == RecordRow(A, "commitment", b"1", b"v")
    assert write.find_record_by_index("onion", b"txid") is None
    assert write.find_record_by_index("commitment", b"none") is None
    for channel, key in ((A, b"2"), (B, b"1")):
        with pytest.raises(RecordConflict):
            write.put_record(channel, "commitment", key, b"v", lookup=b"txid")


def test_u64s_beyond_the_database_s_integers_sort_as_numbers(write: Write) -> None:
    for number in reversed(U64S):
        write.put_record(A, "onion", u64_key(number), str(number).encode())
    assert [int(row.value) for row in write.records(A, "onion")] == list(U64S)
    assert write.record(A, "onion", u64_key((1 << 64) - 1)) == b"18446744073709551615"


@pytest.mark.parametrize("number", [-1, 1 << 64])
def test_what_is_no_u64_is_no_key(number: int) -> None:
    with pytest.raises(ValueUnfit):
        u64_key(number)


def test_the_outbox_keeps_order_and_adds_a_key_once(write: Write) -> None:
    assert [write.add_outbox(key, A, key.encode()) for key in ("c", "a", "b", "a")] == [True, True, True, False]
    assert [(row.key, row.value) for row in write.outbox()] == [("c", b"c"), ("a", b"a"), ("b", b"b")]
    assert [write.remove_outbox("a"), write.remove_outbox("a")] == [True, False]
    write.add_outbox("d", B, b"d")
    assert [row.key for row in write.outbox()] == ["c", "b", "d"]


def test_the_inbox_keeps_order_for_each_recipient(write: Write) -> None:
    for recipient, key in ((A, "2"), (B, "2"), (A, "1"), (A, "2")):
        write.add_inbox(recipient, key, recipient[:1] + key.encode())
    assert [(row.key, row.value) for row in write.inbox(A)] == [("2", b"\xaa2"), ("1", b"\xaa1")]
    assert [write.remove_inbox(A, "2"), write.remove_inbox(A, "2")] == [True, False]
    assert [row.key for row in write.inbox(A)] == ["1"]
    assert [row.key for row in write.inbox(B)] == ["2"]


def test_signer_state_and_values_are_overwritten(write: Write) -> None:
    for value in (b"one", b"two"):
        write.put_signer_state(b"key", value)
        write.put_value("plugin", b"key", value)
    assert write.signer_state(b"key") == write.value("plugin", b"key") == b"two"
    assert write.signer_state(b"none") is None
    assert write.value("other", b"key") is None
    assert [write.delete_value("plugin", b"key"), write.delete_value("plugin", b"key")] == [True, False]


KEYS = st.binary(max_size=4) | st.lists(st.sampled_from([0, 1, 0xFE, 0xFF]), max_size=4).map(bytes)


@settings(max_examples=200, deadline=None)
@given(stored=st.dictionaries(KEYS, st.binary(max_size=3), max_size=12), prefix=KEYS)
def test_a_prefix_finds_what_begins_with_it(
    stored: dict[bytes, bytes], prefix: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    database = connect(tmp_path_factory.mktemp("values") / "test.sqlite3", (("synchronous", "off"),))
    try:
        create_schema(database, "regtest")
        write = Write(database)
        for namespace in ("mine", "mine2", "min"):
            for key, value in stored.items():
                write.put_value(namespace, key, value + namespace.encode())
        expected = [(key, stored[key] + b"mine") for key in sorted(stored) if key.startswith(prefix)]
        assert write.values("mine", prefix) == expected
        assert write.values("mine", prefix, limit=2) == expected[:2]
    finally:
        database.close()


def test_the_chain_cursor_moves(write: Write) -> None:
    assert write.chain_cursor() is None
    write.set_chain_cursor(840_000, b"\x11" * 32)
    write.set_chain_cursor(839_999, b"\x22" * 32)
    assert write.chain_cursor() == ChainCursor(839_999, b"\x22" * 32)


def test_an_event_s_number_is_never_used_twice(write: Write) -> None:
    assert [write.append_event("channel", 1_800_000_000 + n, bytes([n])) for n in range(5)] == [1, 2, 3, 4, 5]
    assert [row.sequence for row in write.events_since(2, limit=2)] == [3, 4]
    last = write.events_since(4)
    assert [(row.topic, row.unix_seconds, row.value) for row in last] == [("channel", 1_800_000_004, b"\x04")]
    assert write.events_since((1 << 64) - 1) == []
    assert write.prune_events(keep=2) == 3
    assert [row.sequence for row in write.events_since(0)] == [4, 5]
    assert [write.prune_events(keep=9), write.prune_events(keep=0)] == [0, 2]
    assert write.append_event("channel", 0, b"") == 6


@pytest.mark.parametrize("table", ["invoice", "payment"])
def test_payments_are_found_by_hash_and_listed_newest_first(write: Write, table: str) -> None:
    add, change = getattr(write, f"add_{table}"), getattr(write, f"set_{table}")
    find, listed = getattr(write, table), getattr(write, f"{table}s")
    for number in range(5):
        add(bytes([number]) * 32, "open", b"blob", 1_800_000_000 - number)
    change(b"\x03" * 32, "settled", b"preimage")
    row = find(b"\x03" * 32)
    assert (row.state, row.value, row.created_unix_seconds) == ("settled", b"preimage", 1_799_999_997)
    assert find(b"\x09" * 32) is None
    assert [row.payment_hash[0] for row in listed()] == [4, 3, 2, 1, 0]
    assert [row.payment_hash[0] for row in listed(state="open", limit=2)] == [4, 2]
    assert [row.payment_hash[0] for row in listed(before=row.sequence)] == [2, 1, 0]
    with pytest.raises(RowExists):
        add(b"\x03" * 32, "open", b"again", 0)
    with pytest.raises(RowMissing):
        change(b"\x09" * 32, "settled", b"")
    assert find(b"\x03" * 32) == row


LONG_KEY, LONG_VALUE = bytes(KEY_MAX_BYTES + 1), bytes(VALUE_MAX_BYTES + 1)
UNFIT: tuple[tuple[str, Callable[[Write], object]], ...] = (
    ("channel id", lambda w: w.save_channel(LONG_KEY, PEER, b"")),
    ("snapshot", lambda w: w.save_channel(A, PEER, LONG_VALUE)),
    ("record key", lambda w: w.put_record(A, "onion", LONG_KEY, b"")),
    ("record", lambda w: w.put_record(A, "onion", b"", LONG_VALUE)),
    ("lookup", lambda w: w.put_record(A, "onion", b"", b"", lookup=LONG_KEY)),
    ("outbox key", lambda w: w.add_outbox("k" * 2000, A, b"")),
    ("inbox recipient", lambda w: w.add_inbox(LONG_KEY, "k", b"")),
    ("value", lambda w: w.put_value("plugin", b"k", LONG_VALUE)),
    ("signer state", lambda w: w.put_signer_state(b"k", LONG_VALUE)),
    ("a text that is no Unicode", lambda w: w.put_value("\ud800", b"k", b"")),
    ("empty namespace", lambda w: w.put_value("", b"k", b"")),
    ("time", lambda w: w.append_event("topic", 1 << 63, b"")),
    ("negative time", lambda w: w.add_invoice(A, "open", b"", -1)),
    ("height", lambda w: w.set_chain_cursor(-1, A)),
)


@pytest.mark.parametrize("work", [work for _, work in UNFIT], ids=[name for name, _ in UNFIT])
def test_what_does_not_fit_is_refused_by_name(write: Write, work: Callable[[Write], object]) -> None:
    with pytest.raises(ValueUnfit):
        work(write)


def test_a_wrong_type_is_an_error_of_ours(write: Write) -> None:
    with pytest.raises(LnpdError):
        write.save_channel(A, PEER, "text")  # type: ignore[arg-type]  # STRICT tables refuse what mypy would


def test_an_unknown_point_is_refused(write: Write) -> None:
    with pytest.raises(UnknownPoint):
        write.point("no such point")
    write.point("store-owner")
    assert write.points == {"store-owner"}
