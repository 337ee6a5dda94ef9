"""Which transitions of one contract does one transaction carry, and what id does it commit to?

The id commits to inputs and the operations that spend them, and through those operations' ids to everything else.
A bundle may show some of its transitions only: of the others it gives the map's lines.
"""

from collections.abc import Iterable

import msgspec

from nia.errors import NothingToEncode, OutOfRange, UnmappedInput, Unordered, WrongOperation
from nia.hashes import BUNDLE, tagged
from nia.strict import Reader, a_hash, collection
from nia.transition import OPOUT_BYTES, U16_MAX, Opout, Transition, read_opout, read_transition

Line = tuple[Opout, bytes]

LINE_BYTES = OPOUT_BYTES + 32
MIN_KNOWN_BYTES = 32 + 100


class Bundle(msgspec.Struct, frozen=True):
    """Transitions of one contract, and the lines of the map that belong to transitions not shown, in ascending order.

    Raises NothingToEncode, Unordered where two spend one input, and OutOfRange.
    """

    transitions: tuple[Transition, ...]
    others: tuple[Line, ...] = ()

    def __post_init__(self) -> None:
        if not self.transitions:
            raise NothingToEncode("a bundle needs a transition")
        for _, op_id in self.others:
            a_hash(op_id)
        spent = [*(opout for each in self.transitions for opout in each.inputs), *(opout for opout, _ in self.others)]
        if len(set(spent)) < len(spent):
            raise Unordered("two lines of a bundle's map have one input")
        if len(spent) > U16_MAX:
            raise OutOfRange(f"a bundle has {U16_MAX} inputs at most")

    def lines(self) -> list[Line]:
        """The map: each input and the id of the transition that spends it, ascending."""
        known = [(spent, op_id) for each in self.transitions for op_id in (each.op_id(),) for spent in each.inputs]
        return sorted([*known, *self.others])

    def bundle_id(self) -> bytes:
        """Its id, 32 bytes."""
        return tagged(BUNDLE, self._map())

    def encode(self) -> bytes:
        """Its bytes: the map, then each transition behind its id."""
        return self._map() + collection([each.op_id() + each.encode() for each in self.transitions], 2)

    def _map(self) -> bytes:
        return collection([opout.encode() + op_id for opout, op_id in self.lines()], 2)


def read_bundle(reader: Reader) -> Bundle:
    """A bundle. Raises WrongOperation, UnmappedInput, and classes of Malformed and Foreign."""
    lines = dict(ascending_lines(reader))
    transitions = tuple(reader.items(2, MIN_KNOWN_BYTES, read_known, least=1))
    for each in transitions:
        op_id = each.op_id()
        for spent in each.inputs:
            if lines.pop(spent, None) != op_id:
                raise UnmappedInput(f"input {spent} of {op_id.hex()} is not in its bundle's map, or is another's")
    return Bundle(transitions, tuple(lines.items()))


def ascending_lines(reader: Reader) -> Iterable[Line]:
    """The lines of a map. Raises classes of Malformed and of Foreign."""
    lines = reader.items(2, LINE_BYTES, lambda each: (read_opout(each), each.a_hash()), least=1)
    reader.ascending(opout for opout, _ in lines)
    return lines


def read_known(reader: Reader) -> Transition:
    """A transition behind its id. Raises WrongOperation, and classes of Malformed and of Foreign."""
    stated, transition = reader.a_hash(), read_transition(reader)
    if (op_id := transition.op_id()) != stated:
        raise WrongOperation(f"the transition before {reader.at} is {op_id.hex()}, and not {stated.hex()}")
    return transition
