"""Which of the providers' states does the host read itself?

Two: the feerate (every provider is shown it) and the HTLCs (every provider may follow them). Their encoding is fixed
here, below both the channel, which reads them, and the providers, which own them. All other states are opaque.
"""

from functools import lru_cache
from typing import Final, TypeVar

import msgspec
from lnpd_sdk.types import Htlc, PerParty

from lnpd.errors import StateUnreadable

BASE: Final = "base"
HTLC: Final = "htlc"
ANCHORS: Final = "anchors"

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


S = TypeVar("S", BaseState, HtlcState)
_encoder: Final = msgspec.msgpack.Encoder()
_base_decoder: Final = msgspec.msgpack.Decoder(BaseState)
_htlc_decoder: Final = msgspec.msgpack.Decoder(HtlcState)
_NO_HTLCS: Final = HtlcState()


def encode_state(state: BaseState | HtlcState) -> bytes:
    """The state's bytes, equal for equal states."""
    return _encoder.encode(state)


@lru_cache(maxsize=64)
def decode_base(state: bytes) -> BaseState:
    """Raises StateUnreadable."""
    return _decode(_base_decoder, state)


@lru_cache(maxsize=64)
def decode_htlcs(state: bytes) -> HtlcState:
    """No bytes are the state without HTLCs. Raises StateUnreadable."""
    return _decode(_htlc_decoder, state) if state else _NO_HTLCS


def feerate_of(states: States) -> int:
    """The feerate that the base provider's state holds; raises StateUnreadable."""
    return decode_base(dict(states).get(BASE, b"")).feerate_per_kw


def htlcs_of(states: States) -> tuple[Htlc, ...]:
    """The HTLCs of a commitment with these states; none if its type has no htlc provider. Raises StateUnreadable."""
    return decode_htlcs(dict(states).get(HTLC, b"")).htlcs


def _decode(decoder: msgspec.msgpack.Decoder[S], state: bytes) -> S:
    try:
        return decoder.decode(state)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise StateUnreadable(f"A provider's state cannot be read: {error}") from None
