"""Is a state the same however it was come to, and is one that cannot be refused?"""

from typing import Any

import msgspec
import pytest

from rgb_channel import records
from rgb_channel.state import MAX_BYTES, Pending, State, StateUnreadable, begin, read
from tests.plugins.rgb_channel.made import CONTRACT, OPERATION, held, state

SOUND: dict[str, Any] = {
    "contract_id": CONTRACT,
    "op_id": OPERATION,
    "index": 3,
    "settled": (5_000, 700),
    "highest_per_kw": 10_000,
    "slots": 16,
    "pending": ((0, 1, 1_000, 5), (1, 0, 1_000, 0)),
}
BROKEN: dict[str, dict[str, Any]] = {
    "contract's id": {"contract_id": bytes(31)},
    "operation's id": {"op_id": b""},
    "index": {"index": 65_536},
    "fewer than no": {"settled": (-1, 2)},
    "are 1 to 2": {"settled": (0, 0)},
    "the tokens are": {"settled": (2**64 - 1, 1)},
    "feerate": {"highest_per_kw": 0},
    "slots": {"slots": 484},
    "ascend": {"pending": ((1, 0, 1_000, 0), (0, 1, 1_000, 5))},
    "each once": {"pending": ((0, 1, 1_000, 5), (0, 1, 1_000, 0))},
    "amounts": {"pending": ((0, 1, 1_000, -5),)},
    "in flight than it has": {"pending": ((1, 1, 1_000, 701),)},
    "Expected `array`": {"pending": 7},
    "unknown field": {"more": 1},
    "enum|Invalid": {"pending": ((2, 1, 1_000, 5),)},
}


def test_a_state_is_read_as_it_was_written() -> None:
    written = msgspec.msgpack.encode(SOUND)
    found = held(written)
    assert found.encode() == written and found.total == 5_700
    assert [found.left(0), found.left(1)] == [4_995, 700]
    assert found.find(0, 1) == Pending(0, 1, 1_000, 5) and found.find(1, 1) is None


@pytest.mark.parametrize("why", BROKEN)
def test_what_no_channel_can_have_is_refused(why: str) -> None:
    with pytest.raises(StateUnreadable, match=why):
        read(msgspec.msgpack.encode(SOUND | BROKEN[why]))


@pytest.mark.parametrize("data", [b"\xc1", b"\x91" * 3_000 + b"\x01", b"x" * (MAX_BYTES + 1), b"\xa1\xff"])
def test_what_is_no_state_is_refused(data: bytes) -> None:
    with pytest.raises(StateUnreadable):
        read(data)


def test_the_largest_state_has_room() -> None:
    top = 2**63 - 1
    pending = tuple(Pending(party, top - 483 + n, top, 9) for party in (0, 1) for n in range(483))  # type: ignore[arg-type]
    largest = State(CONTRACT, OPERATION, 65_535, (2**63 - 1, 2**63 - 1), 250_000, 483, pending).encode()
    assert held(largest).pending == pending and len(largest) < MAX_BYTES / 2


def test_a_channel_without_an_asset_has_none() -> None:
    assert read(b"") is None
    with pytest.raises(StateUnreadable, match="1 to 2"):
        begin(CONTRACT, OPERATION, 0, (0, 0))


def test_tokens_move_when_paid_and_return_when_not() -> None:
    before = held(state())
    flying = before.added(Pending(1, 0, 9, 300))
    assert [flying.left(0), flying.left(1)] == [5_000, 400]
    htlc = flying.find(1, 0)
    assert htlc is not None
    assert flying.removed(htlc, paid=False) == before
    paid = flying.removed(htlc, paid=True)
    assert paid.settled == (5_300, 400) and paid.total == before.total


def test_records_say_one_amount_or_none() -> None:
    number = records.TOKENS_HTLC
    assert records.tokens_of(()) == records.tokens_of(((number + 2, b"x"),)) == 0
    for tokens in (1, 1_200, 2**64 - 1):
        assert records.tokens_of(((number, records.encode_tokens(tokens)),)) == tokens
    for value in (b"", bytes(8), bytes(7), bytes(9)):
        with pytest.raises(records.TokensUnreadable):
            records.tokens_of(((number, value),))
    with pytest.raises(records.TokensUnreadable, match="twice"):
        records.tokens_of(((number, bytes(7) + b"\1"), (number, bytes(7) + b"\1")))
    for tokens in (0, -1, 2**64):
        with pytest.raises(records.TokensUnreadable):
            records.encode_tokens(tokens)
