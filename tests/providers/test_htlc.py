"""Does the htlc provider fold updates the same in any order, and reject those that BOLT 2 forbids?"""

from hashlib import sha256
from itertools import permutations
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lnpd_sdk.types import (
    AddHtlc,
    Blocked,
    Closable,
    FailHtlc,
    Folded,
    FulfillHtlc,
    Reject,
    Update,
    View,
)

from lnpd.errors import UpdateUnreadable
from lnpd.providers.htlc import Htlcs
from lnpd.tx.pipeline import view_of
from lnpd.tx.states import HtlcState, decode_htlcs
from tests.tx.bolt3 import commitment_spec

HTLCS = Htlcs()
VIEW: View = view_of(commitment_spec(7_000_000_000, 3_000_000_000, 1000))
PREIMAGE = b"\x07" * 32
HASH = sha256(PREIMAGE).digest()


def add(proposer: int, number: int, amount_msat: int = 1000, **changes: Any) -> Update:
    body = msgspec.structs.replace(AddHtlc(amount_msat, HASH, 500), **changes)
    return Update(proposer, "htlc", "add", number, msgspec.msgpack.encode(body))  # type: ignore[arg-type]


def remove(proposer: int, number: int, kind: str = "fail", body: Any = None) -> Update:
    encoded = msgspec.msgpack.encode(FailHtlc() if body is None else body)
    return Update(proposer, "htlc", kind, number, encoded)  # type: ignore[arg-type]


def fulfill(proposer: int, number: int, preimage: bytes = PREIMAGE) -> Update:
    return remove(proposer, number, "fulfill", FulfillHtlc(preimage))


def fold_all(*updates: Update, state: bytes = b"") -> Folded:
    moves = [0, 0]
    for update in updates:
        folded = HTLCS.fold(VIEW, state, update)
        state = folded.state
        moves = [moves[0] + folded.moves_msat[0], moves[1] + folded.moves_msat[1]]
    return Folded(state, (moves[0], moves[1]))


STATE = fold_all(add(0, 0), add(0, 1, 5000), add(1, 0, 7000)).state

VALID = {
    "the next id": add(0, 2),
    "an id further on": add(1, 9),
    "fulfilled by its recipient": fulfill(1, 1),
    "failed by its recipient": remove(0, 0),
    "malformed": remove(0, 0, "fail_malformed"),
    "another provider's": Update(0, "box", "nonsense", 0),
}
REJECTED = {
    "used id": (add(0, 1), "used before"),
    "amount of zero": (add(0, 2, 0), "above 0"),
    "negative amount": (add(0, 2, -1), "above 0"),
    "short hash": (add(0, 2, payment_hash=HASH[1:]), "32 bytes"),
    "no expiry": (add(0, 2, cltv_expiry=0), "no block height"),
    "a time": (add(0, 2, cltv_expiry=500_000_000), "no block height"),
    "too many records": (add(0, 2, tlvs=((1, b""),) * 33), "32 records"),
    "removing one's own": (remove(0, 1), "no HTLC 1"),
    "removing none": (remove(1, 5), "no HTLC 5"),
    "fulfilling one's own": (fulfill(0, 1), "no HTLC 1"),
    "wrong preimage": (fulfill(1, 0, b"\x08" * 32), "does not match"),
    "short preimage": (fulfill(1, 0, b""), "does not match"),
    "unknown kind": (Update(0, "htlc", "steal", 0), "no update 'steal'"),
    "no body": (Update(0, "htlc", "add", 2), "cannot be read"),
    "another body": (Update(0, "htlc", "fulfill", 0, b"\xff"), "cannot be read"),
}


@pytest.mark.parametrize("update", VALID.values(), ids=VALID)
def test_valid(update: Update) -> None:
    assert HTLCS.validate(VIEW, STATE, update) is None


@pytest.mark.parametrize(("update", "reason"), REJECTED.values(), ids=REJECTED)
def test_rejected(update: Update, reason: str) -> None:
    verdict = HTLCS.validate(VIEW, STATE, update)
    assert isinstance(verdict, Reject)
    assert reason in verdict.reason


def test_moves() -> None:
    assert fold_all(fulfill(1, 1), state=STATE).moves_msat == (-5000, 5000)
    assert fold_all(fulfill(0, 0), state=STATE).moves_msat == (7000, -7000)
    assert fold_all(remove(1, 1), state=STATE).moves_msat == (0, 0)


def test_the_state_does_not_depend_on_the_order() -> None:
    """One proposer's updates keep their order; those of the two commute."""
    updates = (add(0, 2), add(0, 3, 9), remove(0, 0), add(1, 1), fulfill(1, 1))
    results = {
        (fold_all(*order, state=STATE).state, fold_all(*order, state=STATE).moves_msat)
        for order in permutations(updates)
        if order.index(updates[0]) < order.index(updates[1])
    }
    assert len(results) == 1
    state = decode_htlcs(results.pop()[0])
    assert [(htlc.offerer, htlc.id) for htlc in state.htlcs] == [(0, 0), (0, 2), (0, 3), (1, 1)]
    assert state.next_ids == (4, 2)


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(1, 10**9), st.booleans()), max_size=30), st.randoms())
def test_adding_and_removing_leaves_nothing(rows: list[tuple[int, int, bool]], random: Any) -> None:
    ids = [0, 0]
    adds, removals, expected = [], [], 0
    for offerer, amount, paid in rows:
        adds.append(add(offerer, ids[offerer], amount))
        removals.append((fulfill if paid else remove)(1 - offerer, ids[offerer]))
        ids[offerer] += 1
        expected += (amount if offerer == 1 else -amount) if paid else 0
    random.shuffle(removals)
    for update in removals:
        assert HTLCS.validate(VIEW, fold_all(*adds).state, update) is None
    folded = fold_all(*adds, *removals)
    assert folded.moves_msat == (expected, -expected)
    assert decode_htlcs(folded.state) == HtlcState((ids[0], ids[1]))


def test_others_updates_change_nothing() -> None:
    assert HTLCS.fold(VIEW, STATE, Update(0, "box", "add", 0)) == Folded(STATE)
    assert HTLCS.fold(VIEW, STATE, remove(1, 77)) == Folded(STATE)


def test_close() -> None:
    assert HTLCS.close(VIEW, b"") == Closable()
    assert HTLCS.close(VIEW, STATE) == Blocked("3 HTLCs are in flight.")


def test_outputs() -> None:
    outputs = HTLCS.contribute(VIEW, STATE)
    assert [(o.id, o.kind, o.value_sat, o.debits_msat, o.second_stage_weight) for o in outputs] == [
        ("0/0", "offered_htlc", 1, (1000, 0), 663),
        ("0/1", "offered_htlc", 5, (5000, 0), 663),
        ("1/0", "received_htlc", 7, (0, 7000), 703),
    ]
    mirrored = HTLCS.contribute(msgspec.structs.replace(VIEW, holder=1), STATE)
    assert [o.kind for o in mirrored] == ["received_htlc", "received_htlc", "offered_htlc"]
    anchors = HTLCS.contribute(msgspec.structs.replace(VIEW, features=("option_anchors",)), STATE)
    assert {o.second_stage_weight for o in anchors} == {0}


def test_next_ids_never_fall() -> None:
    for party, expected in ((0, (6, 0)), (1, (0, 6))):
        assert decode_htlcs(fold_all(add(party, 5), add(party, 3)).state).next_ids == expected


@pytest.mark.parametrize("body", [b"", b"\xff", b"\x81\xa1x\x01", b"\x91" * 2000])
def test_an_unreadable_body_has_a_name(body: bytes) -> None:
    update = Update(0, "htlc", "add", 2, body)
    assert isinstance(HTLCS.validate(VIEW, STATE, update), Reject)
    with pytest.raises(UpdateUnreadable):
        HTLCS.fold(VIEW, STATE, update)
