"""Which of the providers' states does the host read itself?

Two: the feerate (every provider is shown it) and the HTLCs (every provider may follow them). Their encoding is fixed
here, below both the channel, which reads them, and the providers, which own them. All other states are opaque.
"""

from bisect import bisect_left
from collections.abc import Callable
from operator import attrgetter
from typing import Final, Generic, TypeVar

import msgspec
from lnpd_sdk.types import Htlc, Party, PerParty

from lnpd.errors import StateUnreadable

BASE: Final = "base"
HTLC: Final = "htlc"
ANCHORS: Final = "anchors"
CORE: Final = frozenset({BASE, HTLC, ANCHORS})  # compiled in, hence trusted with balances

MAX_STATE_BYTES: Final = 64 * 1024  # a state is part of the channel's snapshot, which is written at every step
States = tuple[tuple[str, bytes], ...]


class BaseState(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The base provider's state."""

    feerate_per_kw: int


class HtlcState(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The htlc provider's state, the same however its updates were ordered: HTLCs sorted by offerer and id.

    `next_ids[p]` is above every id that p has used.
    """

    next_ids: PerParty = (0, 0)
    htlcs: tuple[Htlc, ...] = ()

    def place(self, offerer: Party, identity: int) -> int:
        """Where an HTLC is, or would be."""
        return bisect_left(self.htlcs, (offerer, identity), key=_order)

    def find(self, offerer: Party, identity: int) -> Htlc | None:
        """The HTLC of this offerer and id."""
        found = self.htlcs[(place := self.place(offerer, identity)) : place + 1]
        return found[0] if found and _order(found[0]) == (offerer, identity) else None


_order: Final[Callable[[Htlc], tuple[Party, int]]] = attrgetter("offerer", "id")
S = TypeVar("S", BaseState, HtlcState)
_encoder: Final = msgspec.msgpack.Encoder()


class Reader(Generic[S]):
    """States of one kind by their bytes: one that was written or read lately is not decoded again.

    Thus a state that follows from another one holds the same HTLCs, not equal ones.
    """

    def __init__(self, kind: type[S], size: int = 64) -> None:
        self._decoder: msgspec.msgpack.Decoder[S] = msgspec.msgpack.Decoder(kind)
        self._size = size
        self._known: dict[bytes, S] = {}

    def read(self, data: bytes) -> S:
        """Raises StateUnreadable."""
        state = self._known.get(data)
        if state is None:
            try:
                state = self._decoder.decode(data)
            except (msgspec.MsgspecError, RecursionError) as error:
                raise StateUnreadable(f"A provider's state cannot be read: {error}") from None
            self.known(data, state)
        return state

    def known(self, data: bytes, state: S) -> None:
        """These bytes are this state; what was learnt first is forgotten first."""
        self._known[data] = state
        if len(self._known) > self._size:
            del self._known[next(iter(self._known))]


_base_reader: Final = Reader(BaseState)
_htlc_reader: Final = Reader(HtlcState)
_NO_HTLCS: Final = HtlcState()


def encode_state(state: BaseState | HtlcState) -> bytes:
    """The state's bytes, equal for equal states."""
    data = _encoder.encode(state)
    if isinstance(state, HtlcState):
        _htlc_reader.known(data, state)
    return data


def decode_base(state: bytes) -> BaseState:
    """Raises StateUnreadable."""
    return _base_reader.read(state)


def decode_htlcs(state: bytes) -> HtlcState:
    """No bytes are the state without HTLCs. Raises StateUnreadable."""
    return _htlc_reader.read(state) if state else _NO_HTLCS


def feerate_of(states: States) -> int:
    """The feerate that the base provider's state holds; raises StateUnreadable."""
    return decode_base(_state_of(states, BASE)).feerate_per_kw


def htlc_state_of(states: States) -> HtlcState:
    """The htlc provider's state among these; one without HTLCs if there is no such provider. Raises StateUnreadable."""
    return decode_htlcs(_state_of(states, HTLC))


def htlcs_of(states: States) -> tuple[Htlc, ...]:
    """The HTLCs of a commitment with these states. Raises StateUnreadable."""
    return htlc_state_of(states).htlcs


def _state_of(states: States, provider: str) -> bytes:
    for name, state in states:
        if name == provider:
            return state
    return b""
