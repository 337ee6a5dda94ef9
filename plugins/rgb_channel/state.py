"""Who has how many tokens of a channel's asset, and which HTLCs are in flight?

The same bytes in whichever order crossing updates came. HTLCs of sats alone are in it, too: what is in flight of a
party decides whether it has an output that could hold its tokens.
"""

from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

import msgspec
from lnpd_sdk.types import PARTIES, Party, PerParty, other
from msgspec.structs import replace

from rgb_channel.records import MOST_TOKENS

MAX_BYTES = 65_536
MAX_INDEX = 0xFFFF  # of an assignment in its operation
MAX_PENDING = 2 * 483  # BOLT 2, max_accepted_htlcs, of both
MOST_MSAT = 2**64 - 1
MOST_SLOTS = 483
MOST_PER_KW = 250_000  # the highest feerate that a node signs

HIGHEST_PER_KW = 10_000  # 40 sat per vbyte: what every channel with an asset may come to
HIGHEST_TIMES = 4  # what it opened with
SLOTS = 16


class StateUnreadable(ValueError):
    """A state of this provider that it has not written, or a beginning that no channel can have."""


class Pending(NamedTuple):
    """An HTLC in flight, and the tokens that it carries."""

    offerer: Party
    id: int
    amount_msat: int
    tokens: int

    @property
    def key(self) -> tuple[Party, int]:
        """What no two HTLCs of a channel share."""
        return self.offerer, self.id


class State(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What both parties agree on.

    `op_id` and `index` name the assignment upon the funding output, `settled` is what each party has of it, with what
    it offered and is in flight yet. `highest_per_kw` is the feerate to which the channel may go: its HTLCs with tokens
    are large enough for that. Each party has at most `slots` of these in flight, and the acceptor as many of all kinds.
    """

    contract_id: bytes
    op_id: bytes
    index: int
    settled: PerParty
    highest_per_kw: int
    slots: int
    pending: tuple[Pending, ...] = ()

    @property
    def total(self) -> int:
        """All tokens of the channel."""
        return sum(self.settled)

    def offered(self, party: Party) -> tuple[Pending, ...]:
        """What is in flight of a party's offering."""
        return tuple(each for each in self.pending if each.offerer == party)

    def left(self, party: Party) -> int:
        """The tokens of a party that are in no HTLC: what its main output holds."""
        return self.settled[party] - sum(each.tokens for each in self.offered(party))

    def find(self, offerer: Party, identity: int) -> Pending | None:
        """The HTLC of this offerer and id."""
        return next((each for each in self.pending if each.key == (offerer, identity)), None)

    def added(self, htlc: Pending) -> "State":
        """With one HTLC more."""
        return replace(self, pending=tuple(sorted((*self.pending, htlc))))

    def removed(self, htlc: Pending, *, paid: bool) -> "State":
        """Without an HTLC; if it was `paid`, its tokens are the other party's."""
        pending = tuple(each for each in self.pending if each is not htlc)
        settled = [*self.settled]
        if paid:
            settled[htlc.offerer] -= htlc.tokens
            settled[other(htlc.offerer)] += htlc.tokens
        return replace(self, pending=pending, settled=(settled[0], settled[1]))

    def encode(self) -> bytes:
        """Its bytes."""
        return msgspec.msgpack.encode(self)


def highest_per_kw(opening_per_kw: int) -> int:
    """The feerate to which a channel may go that opens with this one. The higher, the more sat an HTLC with tokens has
    to hold, and its opener beside them: so it is not simply the highest that a node takes."""
    return min(max(HIGHEST_PER_KW, HIGHEST_TIMES * opening_per_kw), MOST_PER_KW)


def begin(
    contract_id: bytes,
    op_id: bytes,
    index: int,
    settled: PerParty,
    highest_per_kw: int = HIGHEST_PER_KW,
    slots: int = SLOTS,
) -> bytes:
    """The state of a channel whose funding output holds an assignment of this asset. Raises StateUnreadable."""
    state = State(contract_id, op_id, index, settled, highest_per_kw, slots)
    check(state)
    return state.encode()


@lru_cache(maxsize=64)
def read(data: bytes) -> State | None:
    """The state from its bytes; a channel without an asset has none. Raises StateUnreadable."""
    if not data:
        return None
    if len(data) > MAX_BYTES:
        raise StateUnreadable(f"a state of {len(data)} bytes, where {MAX_BYTES} are the most")
    try:
        state = msgspec.msgpack.decode(data, type=State)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as why:
        raise StateUnreadable(f"the state cannot be read: {why}") from None
    check(state)
    return state


def check(state: State) -> None:
    """Raises StateUnreadable unless this can be the state of a channel."""
    sound = {
        "the contract's id has 32 bytes": len(state.contract_id) == 32,
        "the operation's id has 32 bytes": len(state.op_id) == 32,
        "the index is a u16": 0 <= state.index <= MAX_INDEX,
        "nobody has fewer than no tokens": min(state.settled) >= 0,
        "the tokens are 1 to 2^64 - 1": 0 < state.total <= MOST_TOKENS,
        "the highest feerate is one that a node signs": 0 < state.highest_per_kw <= MOST_PER_KW,
        "the slots are 1 to 483": 0 < state.slots <= MOST_SLOTS,
        "the HTLCs in flight are as many as a channel may have": len(state.pending) <= MAX_PENDING,
        "the HTLCs in flight ascend, each once": _ascends([each.key for each in state.pending]),
        "the HTLCs in flight have amounts": all(map(_is_sound, state.pending)),
        "no party has more tokens in flight than it has": all(state.left(party) >= 0 for party in PARTIES),
    }
    broken = [rule for rule, kept in sound.items() if not kept]
    if broken:
        raise StateUnreadable(f"no channel has such a state: {', and '.join(broken)}")


def _is_sound(htlc: Pending) -> bool:
    return min(htlc.id, htlc.amount_msat, htlc.tokens) >= 0 and htlc.amount_msat <= MOST_MSAT and htlc.id <= MOST_MSAT


def _ascends(keys: list[tuple[Party, int]]) -> bool:
    return all(first < second for first, second in pairwise(keys))
