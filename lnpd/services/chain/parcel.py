"""How does a delta of the chain travel in one frame?

A transaction that meets two hundred watches is in two hundred matches; here it is once, beside them. What still does
not fit is left for the next question: blocks first, then what waits in the mempool, which is told again and again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

import msgspec
from lnpd_sdk import envelope
from msgspec.structs import replace

from lnpd.chain.interface import ChainDelta, ConnectedBlock, Match

log = logging.getLogger("lnpd.chain")

MAX_PARCEL_BYTES: Final = envelope.MAX_FRAME_BYTES - 1024
"""Room is left for the frame around it."""


class Parcel(msgspec.Struct, frozen=True):
    """A delta whose matches lack their transactions, and the transactions by txid: one chain holds each once."""

    delta: ChainDelta
    transactions: dict[bytes, bytes]


def pack(delta: ChainDelta, max_bytes: int = MAX_PARCEL_BYTES) -> Parcel:
    """A delta, cut so that its parcel fits. One block is always sent."""
    parcel = _packed(delta)
    while len(envelope.encode(parcel)) > max_bytes and (shorter := _shorter(delta)) is not None:
        delta, parcel = shorter, _packed(shorter)
    return parcel


def unpack(parcel: Parcel) -> ChainDelta:
    """The delta as its backend told it."""
    return _with(parcel.delta, lambda match: parcel.transactions[match.txid])


def _packed(delta: ChainDelta) -> Parcel:
    blocks = (match for block in delta.connected for match in block.matches)
    transactions = {match.txid: match.transaction for match in (*blocks, *delta.mempool)}
    return Parcel(_with(delta, lambda _: b""), transactions)


def _with(delta: ChainDelta, transaction: Callable[[Match], bytes]) -> ChainDelta:
    def matches(some: tuple[Match, ...]) -> tuple[Match, ...]:
        return tuple(replace(match, transaction=transaction(match)) for match in some)

    connected = tuple(ConnectedBlock(block.block, matches(block.matches)) for block in delta.connected)
    return replace(delta, connected=connected, mempool=matches(delta.mempool))


def _shorter(delta: ChainDelta) -> ChainDelta | None:
    """The delta with half of what can wait; None if nothing can."""
    if len(delta.connected) > 1:
        kept = delta.connected[: len(delta.connected) // 2]
        return replace(delta, connected=kept, mempool=(), end=kept[-1].block, more=True)
    if delta.connected and delta.mempool:
        return replace(delta, mempool=(), more=True)
    if delta.mempool:
        log.warning("more waits in the mempool than a frame holds: some of it is told when it is in a block")
        return replace(delta, mempool=delta.mempool[: len(delta.mempool) // 2])
    return None
