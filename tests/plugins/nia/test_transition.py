"""Are a transition's bytes and id RGB's, and is none made that no validator would take?"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nia import errors
from nia.seals import Assignment, GenesisSeal, Seal
from nia.strict import u16, whole
from nia.transition import LAST_NONCE, Opout, Transition, read_transition
from tests.plugins.nia.figures import CONTRACT, OP_ID, PARENT, SECRET, TRANSFER

# The same transfer as rgb-lib wrote it.
ENCODED = (
    "0000bb30fc598b32523db9d0f460883b810423fe6adf62439b53134504e0d2392469ffffffffffffffff102700000100ac6e7e32af1e8b36"
    "b4dfe5d42fec8ed0f8fdf50f440380d7ceb2655b1e30946aa00f04000100a00f010300000001000000393000000000000008070000000000"
    "00000000020000007f3d0c14173365e6087d6c01000000000001cffa61f6f53cd94dd4edc3e7cfd2547455c74fa2044bb26a88c39a7767fe"
    "86ef08320000000000000000"
)
U64 = st.integers(0, 2**64 - 1)
HASH = st.binary(min_size=32, max_size=32)
SEALS = st.one_of(HASH, st.builds(Seal, st.integers(0, 2**32 - 1), U64, st.one_of(st.none(), HASH)))
OPOUTS = st.builds(Opout, HASH, st.integers(0, 2**16 - 1))
TRANSITIONS = st.builds(
    Transition.spending,
    HASH,
    st.lists(OPOUTS, min_size=1, max_size=4, unique=True),
    st.lists(st.builds(Assignment, U64, SEALS), min_size=1, max_size=6),
    U64,
)


def test_the_bytes_of_a_transfer() -> None:
    assert TRANSFER.encode().hex() == ENCODED
    assert whole(bytes.fromhex(ENCODED), read_transition) == TRANSFER
    assert TRANSFER.op_id().hex() == OP_ID


@given(TRANSITIONS)
def test_a_transition_comes_back(transition: Transition) -> None:
    data = transition.encode()
    assert whole(data, read_transition) == transition
    assert whole(data, read_transition).op_id() == transition.op_id()


@given(TRANSITIONS)
def test_concealing_changes_no_id(transition: Transition) -> None:
    concealed = [each.concealed() for each in transition.assignments]
    other = Transition(transition.contract_id, transition.inputs, tuple(concealed), transition.nonce)
    assert other.op_id() == transition.op_id()
    assert all(isinstance(each.seal, bytes) for each in concealed)


@pytest.mark.parametrize(
    "other",
    [
        {"contract_id": SECRET},
        {"nonce": 0},
        {"inputs": (Opout(PARENT, 5),)},
        {"inputs": (Opout(PARENT, 4), Opout(PARENT, 5))},
        {"assignments": TRANSFER.assignments[:2]},
        {"assignments": (*TRANSFER.assignments[:2], Assignment(51, SECRET))},
        {"assignments": (*TRANSFER.assignments[:2], Assignment(50, PARENT))},
        {"assignments": (Assignment(7, Seal(1, 12346)), *TRANSFER.assignments[1:])},
        {"assignments": (Assignment(7, Seal(0, 12345)), *TRANSFER.assignments[1:])},
        {"assignments": (Assignment(7, Seal(1, 12345, PARENT)), *TRANSFER.assignments[1:])},
    ],
)
def test_each_part_is_in_the_id(other: dict[str, object]) -> None:
    assert msgspec.structs.replace(TRANSFER, **other).op_id() != TRANSFER.op_id()


def test_the_order_of_assignments_is_in_the_id_and_that_of_inputs_is_fixed() -> None:
    inputs = [Opout(SECRET, 1), Opout(PARENT, 4), Opout(PARENT, 3)]
    made = Transition.spending(CONTRACT, inputs, TRANSFER.assignments)
    assert made.inputs == (inputs[2], inputs[1], inputs[0])
    assert made == Transition.spending(CONTRACT, inputs[::-1], TRANSFER.assignments)
    assert made.op_id() != Transition.spending(CONTRACT, inputs, TRANSFER.assignments[::-1]).op_id()


SPENT, SHARE = Opout(PARENT, 0), Assignment(1, Seal(0, 0))


@dataclass(frozen=True)
class Field:
    """A transition's bytes, where those from `at` on are others."""

    at: int
    put: bytes

    def data(self) -> bytes:
        """The bytes."""
        right = Transition.spending(CONTRACT, [SPENT], [SHARE]).encode()
        return right[: self.at] + self.put + right[self.at + len(self.put) :]


UNREADABLE: dict[str, tuple[type[errors.NiaError], Field]] = {
    "another version": (errors.UnknownVersion, Field(0, u16(1))),
    "another type": (errors.ForeignState, Field(42, u16(10_001))),
    "metadata": (errors.ForeignState, Field(44, b"\1")),
    "global state": (errors.ForeignState, Field(45, b"\1")),
    "no inputs": (errors.EmptyCollection, Field(46, u16(0))),
    "an input of another type": (errors.ForeignState, Field(80, u16(4_001))),
    "no assignments": (errors.ForeignState, Field(84, u16(0))),
    "assignments of two types": (errors.ForeignState, Field(84, u16(2))),
    "assignments of another type": (errors.ForeignState, Field(86, u16(4_001))),
    "assignments of no amounts": (errors.ForeignState, Field(88, b"\2")),
    "an empty list of assignments": (errors.EmptyCollection, Field(89, u16(0))),
    "a seal of a third kind": (errors.UnknownTag, Field(91, b"\2")),
    "an output of a third kind": (errors.UnknownTag, Field(92, b"\2")),
    "an amount of another type": (errors.ForeignState, Field(105, b"\7")),
    "a signature": (errors.SignedTransition, Field(114, b"\1")),
    "half a signature": (errors.UnknownTag, Field(114, b"\2")),
}


@pytest.mark.parametrize("what", UNREADABLE)
def test_what_is_no_transfer_of_nia_is_refused_by_name(what: str) -> None:
    kind, field = UNREADABLE[what]
    with pytest.raises(kind) as caught:
        whole(field.data(), read_transition)
    assert type(caught.value) is kind


UNMADE: dict[str, tuple[type[errors.NiaError], Callable[[], object]]] = {
    "no inputs": (errors.NothingToEncode, lambda: Transition(CONTRACT, (), (SHARE,))),
    "no assignments": (errors.NothingToEncode, lambda: Transition(CONTRACT, (SPENT,), ())),
    "inputs that fall": (errors.Unordered, lambda: Transition(CONTRACT, (Opout(SECRET, 1), SPENT), (SHARE,))),
    "an input twice": (errors.Unordered, lambda: Transition.spending(CONTRACT, [SPENT, SPENT], [SHARE])),
    "a short contract": (errors.OutOfRange, lambda: Transition(b"", (SPENT,), (SHARE,))),
    "a nonce of 65 bits": (errors.OutOfRange, lambda: Transition(CONTRACT, (SPENT,), (SHARE,), LAST_NONCE + 1)),
    "65,536 assignments": (errors.OutOfRange, lambda: Transition(CONTRACT, (SPENT,), (SHARE,) * 65_536)),
    "an amount of 65 bits": (errors.OutOfRange, partial(Assignment, 2**64, Seal(0, 0))),
    "an amount below nothing": (errors.OutOfRange, partial(Assignment, -1, Seal(0, 0))),
    "a blinding factor of 65 bits": (errors.OutOfRange, partial(Seal, 0, 2**64)),
    "an output of 33 bits": (errors.OutOfRange, partial(Seal, 2**32, 0)),
    "a short txid": (errors.OutOfRange, partial(Seal, 0, 0, b"")),
    "a genesis seal of this transaction": (errors.OutOfRange, partial(GenesisSeal, 0, 0)),
    "a short secret": (errors.OutOfRange, partial(Assignment, 1, b"")),
    "an index of 17 bits": (errors.OutOfRange, partial(Opout, PARENT, 65_536)),
}


@pytest.mark.parametrize("what", UNMADE)
def test_no_value_exists_that_has_no_bytes(what: str) -> None:
    kind, make = UNMADE[what]
    assert issubclass(kind, errors.Unencodable)
    with pytest.raises(kind):
        make()
