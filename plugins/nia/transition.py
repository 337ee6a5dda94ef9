"""Which bytes move amounts of an asset from assignments to assignments, and what is the id of that operation?

A transition spends assignments of earlier operations whole, by operation and index, and assigns the same sum anew.
The index of an assignment is its place in the list: the order is part of the id.
"""

from collections.abc import Iterable

import msgspec

from nia.errors import ForeignState, NothingToEncode, OutOfRange, SignedTransition, UnknownVersion, Unordered
from nia.hashes import OPERATION, VALUE, leaf, merkle_root, tagged
from nia.seals import ASSET_OWNER, Assignment, assignments_root, encode_assignments, read_assignments
from nia.strict import Reader, a_hash, ascends, collection, u8, u16, u64

TRANSFER = 10000  # NIA's only type of transition
VERSION = 0
LAST_NONCE = 2**64 - 1
U16_MAX = 0xFFFF

OPOUT_BYTES = 32 + 2 + 2

GENESIS_COMMITMENT, TRANSITION_COMMITMENT = 0, 1
NO_METADATA = tagged(VALUE, u8(0))
NO_GLOBALS = merkle_root(())


class Opout(msgspec.Struct, frozen=True, order=True):
    """An assignment, by the operation that made it and its index there. Raises OutOfRange."""

    op_id: bytes
    index: int

    def __post_init__(self) -> None:
        self.encode()

    def encode(self) -> bytes:
        """Its 36 bytes; they sort as the values do."""
        return a_hash(self.op_id) + u16(ASSET_OWNER) + u16(self.index)

    def __str__(self) -> str:
        return f"{self.op_id.hex()}/{ASSET_OWNER}/{self.index}"


class Transition(msgspec.Struct, frozen=True):
    """A transfer of NIA. Inputs ascend; `spending` sorts them.

    Raises NothingToEncode, Unordered and OutOfRange. That inputs and assignments have one sum is nothing that the
    bytes show; `history` checks it.
    """

    contract_id: bytes
    inputs: tuple[Opout, ...]
    assignments: tuple[Assignment, ...]
    nonce: int = LAST_NONCE

    def __post_init__(self) -> None:
        a_hash(self.contract_id)
        u64(self.nonce)
        if not self.inputs or not self.assignments:
            raise NothingToEncode("a transition needs an input and an assignment")
        if max(len(self.inputs), len(self.assignments)) > U16_MAX:
            raise OutOfRange(f"a transition has {U16_MAX} inputs and assignments at most")
        if not ascends(self.inputs):
            raise Unordered("a transition's inputs ascend, each once")

    @classmethod
    def spending(
        cls, contract_id: bytes, inputs: Iterable[Opout], assignments: Iterable[Assignment], nonce: int = LAST_NONCE
    ) -> "Transition":
        """The transition of these inputs in their order, and these assignments in the one given."""
        return cls(contract_id, tuple(sorted(inputs)), tuple(assignments), nonce)

    def encode(self) -> bytes:
        """Its bytes: version, contract, nonce, type, no metadata, no globals, inputs, assignments, no signature."""
        return (
            u16(VERSION)
            + self.contract_id
            + u64(self.nonce)
            + u16(TRANSFER)
            + u8(0)
            + u8(0)
            + collection([each.encode() for each in self.inputs], 2)
            + encode_assignments(self.assignments)
            + u8(0)
        )

    def op_id(self) -> bytes:
        """Its id, 32 bytes. Open and concealed seals give the same."""
        return tagged(
            OPERATION,
            u16(VERSION)
            + u64(self.nonce)
            + u8(TRANSITION_COMMITMENT)
            + self.contract_id
            + u16(TRANSFER)
            + NO_METADATA
            + NO_GLOBALS
            + merkle_root([leaf(each.encode()) for each in self.inputs])
            + assignments_root(self.assignments),
        )


def read_opout(reader: Reader) -> Opout:
    """An assignment's place. Raises ForeignState, and classes of Malformed."""
    op_id = reader.a_hash()
    if (found := reader.number(2)) != ASSET_OWNER:
        raise ForeignState(f"an assignment of type {found} before {reader.at}, where NIA has {ASSET_OWNER} only")
    return Opout(op_id, reader.number(2))


def read_version(reader: Reader) -> None:
    """An operation's version. Raises UnknownVersion."""
    if (version := reader.number(2)) != VERSION:
        raise UnknownVersion(f"an operation of version {version} before {reader.at}")


def read_transition(reader: Reader) -> Transition:
    """A transition. Raises classes of Malformed and of Foreign."""
    read_version(reader)
    contract_id, nonce = reader.a_hash(), reader.number(8)
    if (found := reader.number(2)) != TRANSFER:
        raise ForeignState(f"a transition of type {found} before {reader.at}, where NIA has {TRANSFER} only")
    if reader.number(1) or reader.number(1):
        raise ForeignState(f"metadata or global state before {reader.at}, which a transfer of NIA has not")
    inputs = tuple(reader.items(2, OPOUT_BYTES, read_opout, least=1))
    reader.ascending(inputs)
    assignments = read_assignments(reader)
    if reader.tag(0, 1):
        raise SignedTransition(f"a signature at {reader.at}")
    return Transition(contract_id, inputs, assignments, nonce)
