"""Which secrets revoke the commitments of a channel, and how are the peer's kept in 49 slots? (BOLT 3)

Indices count down: commitment 0 uses index 2^48-1. A secret whose index ends in b zero bits yields those of the
2^b indices from it upwards, so that the latest secret for each b is all that needs keeping.
"""

from hashlib import sha256
from typing import Final

from msgspec import Struct

from lnpd.errors import (
    InvalidSecret,
    ShachainContradiction,
    ShachainIndexOutOfRange,
    ShachainOrderBroken,
    UnknownShachainIndex,
)

INDEX_BITS: Final = 48
FIRST_INDEX: Final = (1 << INDEX_BITS) - 1
SLOTS: Final = INDEX_BITS + 1
_SECRET_BYTES: Final = 32
_NEAR_BITS: Final = 8


def secret_at(seed: bytes, index: int) -> bytes:
    """The secret of an index 0..2^48-1 below a 32-byte seed; raises ShachainIndexOutOfRange, InvalidSecret."""
    _require_index(index)
    _require_secret(seed)
    return _descend(seed, INDEX_BITS, index)


def per_commitment_secret(seed: bytes, commitment_number: int) -> bytes:
    """The secret of commitment 0..2^48-1; raises ShachainIndexOutOfRange, InvalidSecret."""
    return secret_at(seed, index_of(commitment_number))


class Near:
    """The secrets of one seed, for a channel that goes from each index to the next: 256 of them share 40 of 48 steps.

    What is kept yields those 256, so that it is as secret as the seed.
    """

    def __init__(self, seed: bytes) -> None:
        """Raises InvalidSecret."""
        _require_secret(seed)
        self._seed = seed
        self._start, self._shared = 0, seed

    def __repr__(self) -> str:
        return "Near(...)"

    def secret(self, commitment_number: int) -> bytes:
        """See `per_commitment_secret`; raises ShachainIndexOutOfRange."""
        index = index_of(commitment_number)
        start = index >> _NEAR_BITS << _NEAR_BITS
        if start != self._start:
            self._start, self._shared = start, _descend(self._seed, INDEX_BITS, start)
        return _descend(self._shared, _NEAR_BITS, index)


def index_of(commitment_number: int) -> int:
    """The shachain index of a commitment number; raises ShachainIndexOutOfRange."""
    _require_index(commitment_number)
    return FIRST_INDEX - commitment_number


class Known(Struct, frozen=True, forbid_unknown_fields=True):
    """One revealed secret, 32 bytes, and the index that it belongs to."""

    index: int
    secret: bytes

    def __repr__(self) -> str:
        return f"Known(index={self.index}, secret=...)"


class Shachain(Struct, frozen=True, forbid_unknown_fields=True):
    """The peer's revealed secrets; slot b holds the latest one whose index ends in b zero bits.

    Secrets come in the order of their commitments, hence slots fill without gaps.
    """

    slots: tuple[Known, ...] = ()

    @property
    def next_index(self) -> int:
        """The index that has to be inserted next; -1 once all 2^48 are known."""
        return min((known.index for known in self.slots), default=FIRST_INDEX + 1) - 1

    def insert(self, index: int, secret: bytes) -> "Shachain":
        """This chain with one secret more; the same chain when that secret is known already.

        Raises ShachainContradiction when the secret does not fit those received before (BOLT 3: not from one seed),
        ShachainOrderBroken when the index is not the next, as out of order a slot would lose what it holds,
        ShachainIndexOutOfRange, InvalidSecret.
        """
        _require_index(index)
        _require_secret(secret)
        if index > self.next_index:
            if self.get(index) != secret:
                raise ShachainContradiction(f"The secret for index {index} differs from the one received before.")
            return self
        if index < self.next_index:
            raise ShachainOrderBroken(f"The next secret belongs to index {self.next_index}, not {index}.")
        slot = _trailing_zeros(index)
        for below in self.slots[:slot]:
            if _descend(secret, slot, below.index) != below.secret:
                raise ShachainContradiction(f"The secret for index {index} does not yield that for {below.index}.")
        return Shachain((*self.slots[:slot], Known(index, secret), *self.slots[slot + 1 :]))

    def get(self, index: int) -> bytes:
        """The secret of an index; raises UnknownShachainIndex before it is revealed, ShachainIndexOutOfRange."""
        _require_index(index)
        for bits, known in enumerate(self.slots):
            if known.index >> bits == index >> bits:
                return _descend(known.secret, bits, index)
        raise UnknownShachainIndex(f"The secret for index {index} is not revealed yet.")


def _descend(secret: bytes, bits: int, index: int) -> bytes:
    """From a secret that covers 2^bits indices to that of one of them."""
    for bit in range(bits - 1, -1, -1):
        if index >> bit & 1:
            flipped = bytearray(secret)
            flipped[bit // 8] ^= 1 << bit % 8
            secret = sha256(flipped).digest()
    return secret


def _trailing_zeros(index: int) -> int:
    return (index & -index).bit_length() - 1 if index else INDEX_BITS


def _require_index(index: int) -> None:
    if not 0 <= index <= FIRST_INDEX:
        raise ShachainIndexOutOfRange(f"Indices and commitment numbers are 0 to 2^48-1, not {index}.")


def _require_secret(secret: bytes) -> None:
    if len(secret) != _SECRET_BYTES:
        raise InvalidSecret(f"A per-commitment secret has {_SECRET_BYTES} bytes, not {len(secret)}.")
