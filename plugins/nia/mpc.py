"""How does one transaction commit to the bundles of many contracts, so that each can be proved without the others?

A tree has 2^depth leaves. A contract's leaf stands at its id, as a little-endian number, modulo 2^depth - cofactor; the
first depth and cofactor that give every contract a leaf of its own are taken. Leaves of nobody are made from entropy,
which hides how many contracts there are. The commitment is the only data of the transaction's first OP_RETURN.
"""

from collections.abc import Iterator, Mapping

import msgspec

from nia.errors import NoPlace, NothingToEncode, OutOfRange, WrongPosition
from nia.hashes import COMMITMENT, TWO, leaf, node, tagged
from nia.strict import HASH_BYTES, Reader, a_hash, collection, u8, u16, u32, u64

MIN_DEPTH = 3
MAX_DEPTH = 16  # of ours: one of 65,536 leaves; a proof may be of 31
MAX_PROOF_DEPTH = 31
MAX_COFACTOR = 500

SOMEBODY, ENTROPY = 0x10, 0x11

OP_RETURN, PUSH_32, OP_1 = 0x6A, 0x20, 0x51
OPRET_PREFIX = bytes([OP_RETURN, PUSH_32])
P2TR_PREFIX = bytes([OP_1, PUSH_32])


def position(contract_id: bytes, depth: int, cofactor: int) -> int:
    """The number of a contract's leaf."""
    return int.from_bytes(contract_id, "little") % max((1 << depth) - cofactor, 1)


def contract_leaf(contract_id: bytes, bundle_id: bytes) -> bytes:
    """The hash of a contract's leaf."""
    return leaf(u8(SOMEBODY) + a_hash(contract_id) + a_hash(bundle_id))


def commitment_of(depth: int, cofactor: int, root: bytes) -> bytes:
    """The 32 bytes that a transaction carries."""
    return tagged(COMMITMENT, u8(depth) + u16(cofactor) + root)


def opret_script(commitment: bytes) -> bytes:
    """The output script that carries a commitment."""
    return OPRET_PREFIX + a_hash(commitment)


class Proof(msgspec.Struct, frozen=True):
    """What leads from a contract's leaf to the commitment: siblings, from the root's child down. Raises OutOfRange."""

    position: int
    cofactor: int
    path: tuple[bytes, ...]

    def __post_init__(self) -> None:
        self.encode()
        if len(self.path) > MAX_PROOF_DEPTH:
            raise OutOfRange(f"a proof has {MAX_PROOF_DEPTH} hashes at most")

    def encode(self) -> bytes:
        """Its bytes."""
        return u32(self.position) + u16(self.cofactor) + collection([a_hash(each) for each in self.path], 1)

    def commitment(self, contract_id: bytes, bundle_id: bytes) -> bytes:
        """The commitment that it proves this bundle to be in. Raises WrongPosition."""
        depth = len(self.path)
        if (expected := position(contract_id, depth, self.cofactor)) != self.position:
            raise WrongPosition(f"the proof is of leaf {self.position}, and the contract's is {expected}")
        found, width = contract_leaf(contract_id, bundle_id), 1 << depth
        for level in range(depth - 1, -1, -1):
            is_right = self.position >> (depth - 1 - level) & 1
            left, right = (self.path[level], found) if is_right else (found, self.path[level])
            found = node(TWO, level, width, left, right)
        return commitment_of(depth, self.cofactor, found)


class Tree(msgspec.Struct, frozen=True):
    """All of one transaction's bundles, by contract, each with a leaf of its own; `commit` finds depth and cofactor."""

    depth: int
    cofactor: int
    entropy: int
    bundles: tuple[tuple[bytes, bytes], ...]

    def commitment(self) -> bytes:
        """The 32 bytes that the transaction carries."""
        return commitment_of(self.depth, self.cofactor, self._levels()[0][0])

    def script(self) -> bytes:
        """The output script that carries them."""
        return opret_script(self.commitment())

    def proof(self, contract_id: bytes) -> Proof:
        """The proof of a contract's bundle. Raises NothingToEncode for a contract that has none."""
        if contract_id not in dict(self.bundles):
            raise NothingToEncode(f"contract {contract_id.hex()} has no bundle in this tree")
        at, levels = position(contract_id, self.depth, self.cofactor), self._levels()
        path = (levels[level][(at >> (self.depth - level)) ^ 1] for level in range(1, self.depth + 1))
        return Proof(at, self.cofactor, tuple(path))

    def _levels(self) -> list[list[bytes]]:
        """All nodes by their depth, the root first."""
        taken = {position(each, self.depth, self.cofactor): contract_leaf(each, of) for each, of in self.bundles}
        width = 1 << self.depth
        free = u8(ENTROPY) + u64(self.entropy)
        level = [taken.get(at) or leaf(free + u32(at)) for at in range(width)]
        levels = [level]
        for depth in range(self.depth - 1, -1, -1):
            level = [node(TWO, depth, width, *level[at : at + 2]) for at in range(0, len(level), 2)]
            levels.insert(0, level)
        return levels


def commit(bundles: Mapping[bytes, bytes], entropy: int) -> Tree:
    """The tree over each contract's bundle id. Raises NothingToEncode, NoPlace and OutOfRange."""
    if not bundles:
        raise NothingToEncode("a commitment needs a contract")
    u64(entropy)
    for contract_id, bundle_id in bundles.items():
        contract_leaf(contract_id, bundle_id)
    for depth, cofactor in _sizes(len(bundles)):
        if len({position(each, depth, cofactor) for each in bundles}) == len(bundles):
            return Tree(depth, cofactor, entropy, tuple(sorted(bundles.items())))
    raise NoPlace(f"{len(bundles)} contracts find no leaves of their own in a tree of depth {MAX_DEPTH}")


def _sizes(count: int) -> Iterator[tuple[int, int]]:
    """Depths and cofactors in the order in which they are tried."""
    previous = 1
    for depth in range(MIN_DEPTH, MAX_DEPTH + 1):
        if 1 << depth >= count:
            yield from ((depth, cofactor) for cofactor in range(min(previous, MAX_COFACTOR) + 1))
        previous = 1 << depth


def read_proof(reader: Reader) -> Proof:
    """A proof. Raises classes of Malformed."""
    at, cofactor = reader.number(4), reader.number(2)
    count = reader.tag(*range(MAX_PROOF_DEPTH + 1))
    return Proof(at, cofactor, tuple(reader.take(HASH_BYTES) for _ in range(count)))
