"""Are numbers, counts and orders read strictly, and is nothing read that no writer writes?"""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nia import errors
from nia.strict import Reader, a_hash, blob, collection, number, u8, u16, u32, u64, whole

HASHES = [bytes([at]) * 32 for at in (1, 2, 3)]


def hashes(reader: Reader) -> list[bytes]:
    """A set of hashes, one or more."""
    found = reader.items(1, 32, Reader.a_hash, least=1)
    reader.ascending(found)
    return found


def text(reader: Reader) -> str:
    """A text of at most four characters."""
    return reader.text(1, 4)


REFUSED: dict[str, tuple[type[errors.NiaError], Callable[[Reader], object], bytes]] = {
    "a short number": (errors.Truncated, lambda each: each.number(8), bytes(7)),
    "a short blob": (errors.Truncated, lambda each: each.blob(2), b"\x02\0\1"),
    "bytes behind it": (errors.TrailingBytes, lambda each: each.number(2), bytes(3)),
    "no items": (errors.EmptyCollection, hashes, b"\0"),
    "fewer items than counted": (errors.Truncated, hashes, b"\2" + HASHES[0]),
    "a count of a bomb": (errors.Truncated, hashes, b"\xff"),
    "falling": (errors.BrokenOrder, hashes, collection(HASHES[::-1], 1)),
    "twice": (errors.BrokenOrder, hashes, collection(HASHES[:1] * 2, 1)),
    "an unknown tag": (errors.UnknownTag, lambda each: each.tag(0, 1), b"\2"),
    "no text": (errors.UnreadableText, text, b"\0"),
    "a long text": (errors.UnreadableText, text, b"\5abcde"),
    "a text of control characters": (errors.UnreadableText, text, b"\2a\n"),
    "a text that is not ASCII": (errors.UnreadableText, text, b"\2\xc3\xa9"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_malformed_bytes_are_refused_by_name(what: str) -> None:
    kind, read, data = REFUSED[what]
    assert issubclass(kind, errors.Malformed)
    with pytest.raises(kind) as caught:
        whole(data, read)
    assert type(caught.value) is kind


@pytest.mark.parametrize(("write", "bits"), [(u8, 8), (u16, 16), (u32, 32), (u64, 64)])
def test_numbers_are_little_endian_and_bounded(write: Callable[[int], bytes], bits: int) -> None:
    assert write(1) == b"\1" + bytes(bits // 8 - 1)
    assert int.from_bytes(write(2**bits - 1), "little") == 2**bits - 1
    for wrong in (-1, 2**bits):
        with pytest.raises(errors.OutOfRange):
            write(wrong)


def test_counts_and_hashes_are_bounded() -> None:
    assert (collection([b"ab", b"c"], 2), blob(b"abc", 4)) == (b"\2\0abc", b"\3\0\0\0abc")
    for wrong in (lambda: collection([b""] * 256, 1), lambda: blob(bytes(256), 1), lambda: a_hash(bytes(31))):
        with pytest.raises(errors.OutOfRange):
            wrong()


@given(st.integers(-(2**63), 2**63 - 1))
def test_signed_numbers(value: int) -> None:
    assert whole(number(value % 2**64, 8), lambda each: each.signed(8)) == value


@given(st.lists(st.binary(max_size=20), max_size=20))
def test_blobs_come_back(items: list[bytes]) -> None:
    data = collection([blob(each, 2) for each in items], 4)
    assert whole(data, lambda each: each.items(4, 2, lambda one: one.blob(2))) == items


def test_every_class_has_one_family() -> None:
    families = set(errors.NiaError.__subclasses__())
    assert families == {errors.Malformed, errors.Foreign, errors.Forged, errors.Unencodable}
    kinds = [each for each in vars(errors).values() if isinstance(each, type) and each not in families]
    assert all(each is errors.NiaError or sum(issubclass(each, one) for one in families) == 1 for each in kinds)
