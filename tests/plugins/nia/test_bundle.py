"""Does a bundle's id commit to its inputs and operations, and is a bundle that belies them refused?"""

import pytest

from nia import errors
from nia.bundle import Bundle, read_bundle
from nia.seals import Assignment, Seal
from nia.strict import collection, whole
from nia.transition import Opout, Transition
from tests.plugins.nia.figures import BUNDLE_ID, CONTRACT, OP_ID, PARENT, SECRET, TRANSFER

OTHER = Transition.spending(CONTRACT, [Opout(SECRET, 0), Opout(PARENT, 1)], [Assignment(5, Seal(0, 0))])
BOTH = Bundle((TRANSFER, OTHER))
PARTLY = Bundle((TRANSFER,), tuple((spent, OTHER.op_id()) for spent in OTHER.inputs))
LINE = TRANSFER.inputs[0].encode() + bytes.fromhex(OP_ID)
KNOWN = collection([bytes.fromhex(OP_ID) + TRANSFER.encode()], 2)


def test_the_bytes_and_the_id_of_a_bundle() -> None:
    bundle = Bundle((TRANSFER,))
    assert bundle.bundle_id().hex() == BUNDLE_ID
    assert bundle.encode() == collection([LINE], 2) + KNOWN
    assert whole(bundle.encode(), read_bundle) == bundle


def test_what_is_not_shown_is_committed_to_all_the_same() -> None:
    assert BOTH.bundle_id() == PARTLY.bundle_id() == Bundle((OTHER, TRANSFER)).bundle_id()
    assert [spent for spent, _ in BOTH.lines()] == sorted([*TRANSFER.inputs, *OTHER.inputs])
    for each in (BOTH, PARTLY):
        assert whole(each.encode(), read_bundle) == each


def lines(*op_ids: bytes) -> bytes:
    """A map that gives the transfer's input, and others after it, to these operations."""
    inputs = [*TRANSFER.inputs, Opout(SECRET, 7)]
    return collection([each.encode() + op_id for each, op_id in zip(inputs, op_ids, strict=False)], 2)


REFUSED: dict[str, tuple[type[errors.NiaError], bytes]] = {
    "another id before a transition": (
        errors.WrongOperation,
        collection([LINE], 2) + collection([SECRET + TRANSFER.encode()], 2),
    ),
    "an input that is another's": (errors.UnmappedInput, lines(SECRET) + KNOWN),
    "an input that is nowhere": (
        errors.UnmappedInput,
        collection([Opout(SECRET, 7).encode() + bytes.fromhex(OP_ID)], 2) + KNOWN,
    ),
    "a transition twice": (
        errors.UnmappedInput,
        collection([LINE], 2) + collection([bytes.fromhex(OP_ID) + TRANSFER.encode()] * 2, 2),
    ),
    "no map": (errors.EmptyCollection, collection([], 2) + KNOWN),
    "no transitions": (errors.EmptyCollection, collection([LINE], 2) + collection([], 2)),
    "an input twice": (errors.BrokenOrder, collection([LINE, LINE], 2) + KNOWN),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_bundle_that_belies_itself_is_refused_by_name(what: str) -> None:
    kind, data = REFUSED[what]
    with pytest.raises(kind) as caught:
        whole(data, read_bundle)
    assert type(caught.value) is kind


def test_no_bundle_is_made_of_nothing_or_spends_twice() -> None:
    with pytest.raises(errors.NothingToEncode):
        Bundle(())
    rival = Transition.spending(CONTRACT, TRANSFER.inputs, [Assignment(5, Seal(0, 0))])
    with pytest.raises(errors.Unordered):
        Bundle((TRANSFER, rival))
    with pytest.raises(errors.OutOfRange):
        Bundle((TRANSFER,), ((Opout(SECRET, 0), b""),))
