"""Are the fundamental types of BOLT 1 read strictly and written in their shortest form?"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lnpd.errors import BadPoint, NotMinimal, TlvLengthWrong, Truncated, Unencodable
from lnpd.wire import fields
from lnpd.wire.layout import compile_layout
from lnpd.wire.rows import FieldRow
from tests.vectors import load

BIGSIZE = [
    (0, "00"),
    (0xFC, "fc"),
    (0xFD, "fd00fd"),
    (0xFFFF, "fdffff"),
    (0x1_0000, "fe00010000"),
    (0xFFFF_FFFF, "feffffffff"),
    (0x1_0000_0000, "ff0000000100000000"),
    (2**64 - 1, "ffffffffffffffffff"),
]
SIGNED = [(0, "s8", "00"), (-42, "s8", "d6"), (-129, "s16", "ff7f"), (-32769, "s32", "ffff7fff")]


@pytest.mark.parametrize(("value", "hex_"), BIGSIZE)
def test_bigsize(value: int, hex_: str) -> None:
    data = bytes.fromhex(hex_)
    assert fields.write_bigsize(value) == data
    assert fields.read_bigsize(data + b"\xff", 0, len(data)) == (value, len(data))


@pytest.mark.parametrize("hex_", ["fd00fc", "fe0000ffff", "ff00000000ffffffff", "fd0000", "fe00000000"])
def test_bigsize_refuses_what_is_not_shortest(hex_: str) -> None:
    with pytest.raises(NotMinimal):
        fields.read_bigsize(bytes.fromhex(hex_), 0, len(hex_) // 2)


@pytest.mark.parametrize("value", [-1, 2**64, "1", None])
def test_bigsize_refuses_to_write(value: int) -> None:
    with pytest.raises(Unencodable):
        fields.write_bigsize(value)


def test_bigsize_vectors() -> None:
    vectors = load("bolt1-bigsize.json")
    assert (len(vectors["decode"]), len(vectors["encode"])) == (18, 8)
    print("bolt1-bigsize.json: 18 decoded, 8 encoded")
    errors = {"decoded bigsize is not canonical": NotMinimal, "unexpected EOF": Truncated, "EOF": Truncated}
    for case in vectors["decode"]:
        data = bytes.fromhex(case["bytes"])
        if "exp_error" in case:
            with pytest.raises(errors[case["exp_error"]]):
                fields.read_bigsize(data, 0, len(data))
        else:
            assert fields.read_bigsize(data, 0, len(data)) == (case["value"], len(data))
    for case in vectors["encode"]:
        assert fields.write_bigsize(case["value"]).hex() == case["bytes"]


def signed(type_: str, value: int) -> bytes:
    """The value through a layout of that one field, there and back."""
    layout = compile_layout("test", [FieldRow("value", type_)], fields.FIXED.__getitem__)
    data = layout.write((value,))
    assert layout.read(data, 0, len(data)) == ([value], len(data))
    return data


@pytest.mark.parametrize(("value", "type_", "hex_"), SIGNED)
def test_signed_integers(value: int, type_: str, hex_: str) -> None:
    assert signed(type_, value).hex() == hex_


def test_signed_integer_vectors() -> None:
    cases = load("bolt1-signed-ints.json")["cases"]
    assert len(cases) == 23
    print("bolt1-signed-ints.json: 23 cases")
    for case in cases:
        type_ = f"s{4 * len(case['bytes'])}"
        assert signed(type_, case["value"]).hex() == case["bytes"]


@given(st.integers(0, 2**64 - 1))
def test_truncated_integers_are_shortest(value: int) -> None:
    tu64 = fields.VARIABLE["tu64"]
    data = tu64.write(value)
    assert not data or data[0] != 0
    assert tu64.read(data, 0, len(data)) == (value, len(data))


@pytest.mark.parametrize(
    ("type_", "hex_", "error"),
    [("tu16", "00", NotMinimal), ("tu16", "0001", NotMinimal), ("tu16", "010203", TlvLengthWrong)],
)
def test_truncated_integers_refuse(type_: str, hex_: str, error: type[Exception]) -> None:
    data = bytes.fromhex(hex_)
    with pytest.raises(error):
        fields.VARIABLE[type_].read(data, 0, len(data))


@pytest.mark.parametrize(("first", "length"), [(0, 9), (1, 9), (2, 33), (3, 33)])
def test_sciddir_or_pubkey(first: int, length: int) -> None:
    type_ = fields.VARIABLE["sciddir_or_pubkey"]
    data = bytes([first]) + bytes(40)
    assert type_.read(data, 0, 41) == (data[:length], length)
    assert type_.write(data[:length]) == data[:length]
    for wrong in (data, data[: length - 1], b""):
        with pytest.raises(Unencodable):
            type_.write(wrong)
    for end, at in ((length - 1, 0), (3, 3)):
        with pytest.raises(Truncated):
            type_.read(data, at, end)


def test_sciddir_or_pubkey_refuses_other_prefixes() -> None:
    with pytest.raises(BadPoint):
        fields.VARIABLE["sciddir_or_pubkey"].read(b"\4" + bytes(40), 0, 41)


def test_cut_types() -> None:
    cut = fields.fixed("sha256[..4]")
    assert cut is not None and (cut.size, cut.python) == (4, "bytes")
    assert fields.fixed("sha256[..33]") is fields.fixed("u64[..4]") is fields.fixed("sha256[..0]") is None


def test_short_channel_ids() -> None:
    scid = fields.scid(539268, 845, 1)
    assert scid.hex() == "083a8400034d0001"  # the example of BOLT 7
    assert fields.scid_parts(scid) == (539268, 845, 1)
    assert fields.scid_text(scid) == "539268x845x1"
    with pytest.raises(Unencodable):
        fields.scid(2**24, 0, 0)
