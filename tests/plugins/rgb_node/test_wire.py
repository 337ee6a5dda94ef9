"""Does a consignment arrive whole, or is it refused by name, whatever a peer sends?"""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from rgb_node.errors import ConsignmentRefused, TermsUnreadable
from rgb_node.wire import (
    MAX_CONSIGNMENT,
    MAX_PIECE,
    Incoming,
    Piece,
    Terms,
    asked_in,
    metadata,
    pieces_of,
    terms_of,
)

LONG = bytes(range(256)) * 600  # three pieces
PIECES = tuple(pieces_of(LONG, 1))


def arrived(pieces: list[Piece]) -> bytes | None:
    incoming, whole = Incoming(), None
    for piece in pieces:
        whole = incoming.add(piece)
    return whole


@pytest.mark.parametrize("length", [1, MAX_PIECE - 1, MAX_PIECE, MAX_PIECE + 1, 3 * MAX_PIECE, MAX_CONSIGNMENT])
def test_it_arrives_whole(length: int) -> None:
    data = bytes(length)
    pieces = list(pieces_of(data, 7))
    assert len(pieces) == -(-length // MAX_PIECE)
    assert all(len(piece.bytes) <= MAX_PIECE for piece in pieces)
    incoming = Incoming()
    assert [incoming.add(piece) for piece in pieces[:-1]] == [None] * (len(pieces) - 1)
    assert incoming.add(pieces[-1]) == data


@pytest.mark.parametrize("length", [0, MAX_CONSIGNMENT + 1])
def test_what_nobody_would_take_is_not_sent(length: int) -> None:
    with pytest.raises(ConsignmentRefused, match="1 to 2,000,000 bytes"):
        list(pieces_of(bytes(length), 0))


HOSTILE = {
    "one is left out": ([PIECES[0], PIECES[2]], "Piece 2 came where piece 1 was due"),
    "one comes twice": ([PIECES[0], PIECES[1], PIECES[1]], "Piece 1 came where piece 2 was due"),
    "the second comes first": ([PIECES[1]], "another transfer than the one that began"),
    "another transfer's": ([PIECES[0], replace(PIECES[1], transfer=bytes(32))], "another transfer"),
    "another output's": ([PIECES[0], replace(PIECES[1], vout=2)], "another transfer"),
    "more of them than there were": ([PIECES[0], replace(PIECES[1], pieces=4)], "another transfer"),
    "none of none": ([replace(PIECES[0], pieces=0)], "1 to 34 pieces, not 0"),
    "without end": ([replace(PIECES[0], pieces=65_535)], "1 to 34 pieces, not 65535"),
    "a short one": ([replace(PIECES[0], bytes=b"short")], "Piece 0 has 5 bytes"),
    "an empty one": ([*PIECES[:2], replace(PIECES[2], bytes=b"")], "Piece 2 has 0 bytes"),
    "a changed one": ([*PIECES[:2], replace(PIECES[2], bytes=b"x")], "do not make the consignment"),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_what_is_wrong_is_refused_by_name(what: str) -> None:
    pieces, text = HOSTILE[what]
    with pytest.raises(ConsignmentRefused, match=text):
        arrived(pieces)


def test_after_a_refusal_it_may_come_anew() -> None:
    incoming = Incoming()
    with pytest.raises(ConsignmentRefused):
        incoming.add(PIECES[2])
    assert [incoming.add(piece) for piece in PIECES] == [None, None, LONG]
    assert [incoming.add(piece) for piece in PIECES] == [None, None, LONG]


@given(st.binary(min_size=32, max_size=32), st.integers(1, 2**64 - 1))
def test_terms_are_read_as_they_were_written(contract_id: bytes, amount: int) -> None:
    terms = Terms(contract_id, amount)
    assert terms_of(terms.encode()) == terms == asked_in(metadata(terms))
    assert asked_in(terms.encode()) in (None, terms)


@given(st.binary(max_size=80))
def test_nothing_else_is_terms(data: bytes) -> None:
    try:
        terms_of(data)
    except TermsUnreadable:
        return
    assert len(data) == 40 and any(data[32:])
