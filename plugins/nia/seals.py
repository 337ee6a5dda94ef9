"""Where does an amount of an asset stand: on which output of which transaction, and who may know it?

A seal names an output; an assignment puts an amount on it. A blinding factor in the seal lets it be concealed to a
hash: whoever receives shows the hash alone, and the payer learns no output. Ids commit to the hash in either case.
"""

from collections.abc import Sequence
from functools import partial

import msgspec

from nia.errors import ForeignState
from nia.hashes import CONCEALED_SEAL, leaf, merkle_root, tagged
from nia.strict import Reader, a_hash, collection, u8, u16, u32, u64

ASSET_OWNER = 4000  # NIA's only type of assignment
U64 = 8  # the tag of an amount

OPEN, CONCEALED = 0, 1
WITNESS, NAMED = 0, 1
FUNGIBLE = 1  # what kind of list the assignments of a type are

MIN_ASSIGNMENT_BYTES = 1 + 12 + 9


class Seal(msgspec.Struct, frozen=True):
    """An output: of the transaction that commits to the assignment (`txid` None), or of a named one.

    The blinding factor is a number of 64 bits. Raises OutOfRange.
    """

    vout: int
    blinding: int
    txid: bytes | None = None

    def __post_init__(self) -> None:
        self.encode()

    def encode(self) -> bytes:
        """Its bytes in a transition."""
        return (b"\0" if self.txid is None else b"\1" + a_hash(self.txid)) + u32(self.vout) + u64(self.blinding)

    def secret(self) -> bytes:
        """The hash that conceals it, 32 bytes."""
        return tagged(CONCEALED_SEAL, self.encode())


class GenesisSeal(Seal, frozen=True):
    """A seal of a genesis: always of a named transaction, and written without a tag."""

    def encode(self) -> bytes:
        """Its bytes in a genesis."""
        return a_hash(self.txid or b"") + u32(self.vout) + u64(self.blinding)


class Assignment(msgspec.Struct, frozen=True):
    """An amount upon a seal, which may be a secret one (its 32 bytes). Raises OutOfRange."""

    amount: int
    seal: Seal | bytes

    def __post_init__(self) -> None:
        self.encode()

    def secret(self) -> bytes:
        """The seal's hash, whether it is open or not."""
        return self.seal.secret() if isinstance(self.seal, Seal) else self.seal

    def concealed(self) -> "Assignment":
        """The same for the eyes of somebody who need not know the output; every id stays as it is."""
        return Assignment(self.amount, self.secret())

    def encode(self) -> bytes:
        """Its bytes in an operation."""
        if isinstance(self.seal, Seal):
            return u8(OPEN) + self.seal.encode() + self._state()
        return u8(CONCEALED) + a_hash(self.seal) + self._state()

    def leaf(self) -> bytes:
        """Its leaf in the tree that the operation's id commits to."""
        return leaf(u16(ASSET_OWNER) + self._state() + self.secret())

    def _state(self) -> bytes:
        return u8(U64) + u64(self.amount)


def read_seal(reader: Reader) -> Seal:
    """A seal of a transition."""
    txid = reader.a_hash() if reader.tag(WITNESS, NAMED) == NAMED else None
    return Seal(reader.number(4), reader.number(8), txid)


def read_genesis_seal(reader: Reader) -> GenesisSeal:
    """A seal of a genesis."""
    txid = reader.a_hash()
    return GenesisSeal(reader.number(4), reader.number(8), txid)


def read_assignment(reader: Reader, in_genesis: bool = False) -> Assignment:
    """An assignment; in a genesis its seal is written otherwise. Raises ForeignState, and classes of Malformed."""
    if reader.tag(OPEN, CONCEALED) == CONCEALED:
        seal: Seal | bytes = reader.a_hash()
    else:
        seal = read_genesis_seal(reader) if in_genesis else read_seal(reader)
    if (state := reader.number(1)) != U64:
        raise ForeignState(f"state {state} before {reader.at} is no amount")
    return Assignment(reader.number(8), seal)


def encode_assignments(assignments: Sequence[Assignment]) -> bytes:
    """A map from types to lists, of which NIA has one."""
    return u16(1) + u16(ASSET_OWNER) + u8(FUNGIBLE) + collection([each.encode() for each in assignments], 2)


def assignments_root(assignments: Sequence[Assignment]) -> bytes:
    """The root of their tree, in the order in which they stand."""
    return merkle_root([each.leaf() for each in assignments])


def read_assignments(reader: Reader, in_genesis: bool = False) -> tuple[Assignment, ...]:
    """The assignments of an operation, one or more. Raises ForeignState, and classes of Malformed."""
    if (types := reader.number(2)) != 1:
        raise ForeignState(f"{types} types of assignments before {reader.at}, where NIA has one")
    if (found := reader.number(2)) != ASSET_OWNER:
        raise ForeignState(f"assignments of type {found} before {reader.at}, where NIA has {ASSET_OWNER} only")
    if (kind := reader.number(1)) != FUNGIBLE:
        raise ForeignState(f"assignments of kind {kind} before {reader.at} are no amounts")
    read = partial(read_assignment, in_genesis=in_genesis)
    return tuple(reader.items(2, MIN_ASSIGNMENT_BYTES, read, least=1))
