"""Is every failure of BOLT 4 written as it says, and is every damaged one refused by name?"""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lnpd.errors import FailureMalformed
from lnpd.routing import failures
from lnpd.routing.failures import FAILURES, Failure, Row, decode, encode, failure
from tests.vectors import load

FLAGS = {"BADONION": failures.BADONION, "PERM": failures.PERM, "NODE": failures.NODE, "UPDATE": failures.UPDATE}
VALUES = {
    "u16": st.integers(0, 2**16 - 1),
    "u32": st.integers(0, 2**32 - 1),
    "u64": st.integers(0, 2**64 - 1),
    "bigsize": st.integers(0, 2**64 - 1),
    "sha256": st.binary(min_size=32, max_size=32),
    "update": st.binary(max_size=300),
}


@st.composite
def any_failure(draw: st.DrawFn) -> Failure:
    row = draw(st.sampled_from(FAILURES))
    fields = tuple((name, draw(VALUES[kind])) for name, kind in row.fields)
    return Failure(row.code, fields, draw(st.binary(max_size=20)))


def test_the_table_is_bolt_4s() -> None:
    published = load("messages.json")["failure_codes"]
    print(f"messages.json: {len(published)} failure codes")
    assert len(published) == len(FAILURES) == 22
    for row, code in zip(FAILURES, published, strict=True):
        assert (row.code, row.name) == (code["code"], code["name"])
        assert {name for name, flag in FLAGS.items() if row.code & flag} == set(code["flags"])
        # A counted channel_update is one field here: its length follows from it.
        names = [(field["name"], "update" if "count" in field else field["type"]) for field in code["fields"]]
        assert list(row.fields) == [name for name in names if name[0] != "len"]


def test_names_and_codes_occur_once() -> None:
    assert len({row.name for row in FAILURES}) == len({row.code for row in FAILURES}) == len(FAILURES)


@pytest.mark.parametrize("row", FAILURES, ids=lambda row: row.name)
def test_flags_and_sentence(row: Row) -> None:
    reported = Failure(row.code)
    assert reported.name == row.name
    assert str(reported) == row.sentence
    assert row.sentence.endswith(".")
    assert reported.is_bad_onion == (("sha256_of_onion", "sha256") in row.fields)
    assert reported.has_channel_update == (("channel_update", "update") in row.fields)
    assert reported.is_permanent == bool(row.code & 0x4000)
    assert reported.is_of_node == bool(row.code & 0x2000)


@pytest.mark.parametrize(
    ("reported", "message"),
    [
        (failure("temporary_node_failure"), "2002"),
        (failures.incorrect_or_unknown_payment_details(100, 800_000), "400f0000000000000064000c3500"),
        (failure("fee_insufficient", htlc_msat=1, channel_update=b""), "100c00000000000000010000"),
        (failure("channel_disabled", disabled_flags=0, channel_update=b"\x01\x02"), "1014000000020102"),
        (failure("invalid_onion_payload", type=0xFDFF, offset=3), "4016fdfdff0003"),
        (failure("invalid_onion_hmac", sha256_of_onion=b"\xab" * 32), "c005" + "ab" * 32),
        (failure("final_incorrect_cltv_expiry", cltv_expiry=7), "001200000007"),
        (Failure(0x1234, (), b"\x01"), "123401"),
    ],
)
def test_messages_byte_for_byte(reported: Failure, message: str) -> None:
    assert encode(reported).hex() == message
    assert decode(bytes.fromhex(message)) == reported


@given(any_failure())
def test_round_trip(reported: Failure) -> None:
    assert decode(encode(reported)) == reported


@given(any_failure(), st.data())
def test_a_cut_message_is_refused_or_has_lost_only_its_extra_bytes(reported: Failure, data: st.DataObject) -> None:
    message = encode(reported)
    kept = data.draw(st.integers(0, len(message) - 1))
    if kept >= len(message) - len(reported.extra):
        assert decode(message[:kept]).fields == reported.fields
    else:
        with pytest.raises(FailureMalformed):
            decode(message[:kept])


@given(st.binary(max_size=400))
def test_arbitrary_bytes_raise_nothing_else(data: bytes) -> None:
    with contextlib.suppress(FailureMalformed):
        assert decode(data).name


@pytest.mark.parametrize(
    "make",
    [
        lambda: failure("no_such_failure"),
        lambda: failure("mpp_timeout", height=1),
        lambda: failure("incorrect_or_unknown_payment_details", height=1),
        lambda: encode(failures.incorrect_or_unknown_payment_details(-1, 1)),
        lambda: encode(failures.incorrect_or_unknown_payment_details(1, 2**32)),
        lambda: encode(failure("invalid_onion_payload", type=2**64, offset=0)),
        lambda: encode(failure("invalid_onion_hmac", sha256_of_onion=b"\0" * 31)),
        lambda: encode(failure("invalid_onion_hmac", sha256_of_onion=5)),
        lambda: encode(failure("temporary_channel_failure", channel_update=5)),
        lambda: encode(failure("temporary_channel_failure", channel_update=bytes(65536))),
        lambda: encode(failure("expiry_too_soon", channel_update=b"")).hex() and encode(Failure(0x4000 | 15)),
        lambda: encode(failure("final_incorrect_htlc_amount", incoming_htlc_amt=b"\0" * 8)),
        lambda: decode(b"\x20"),
    ],
)
def test_what_cannot_be_written_or_read(make) -> None:  # type: ignore[no-untyped-def]  # lambdas of many types
    with pytest.raises(FailureMalformed):
        make()
