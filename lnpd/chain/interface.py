"""What can lnpd ask of a blockchain, whoever answers?

Every backend answers with the values of this file, which msgspec can carry over a bus unchanged. Two rules hold:

- Hashes (txid, block hash) are 32 bytes in internal byte order, the order of the wire; explorers show them reversed.
- Events are hints and may be lost. What may not be lost is read again: `blocks_since(the last processed block)` tells
  everything that happened to the watches since, reorganisations included, as often as it is asked.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from enum import Enum
from typing import Final, Protocol

import msgspec

MAX_PACKAGE = 2
MAX_WATCHES = 1_000_000
MAX_BLOCKS_A_DELTA = 144
MAX_TRANSACTION_BYTES = 400_000
SLACK_BLOCKS: Final = 2
"""So many a node may be behind: a block takes a moment to arrive everywhere, and every deadline has more to spare."""


class BlockRef(msgspec.Struct, frozen=True):
    """A block: its height, and its hash, which alone says whether it is still part of the best chain."""

    height: int
    hash: bytes


class ChainTip(msgspec.Struct, frozen=True):
    """The tip of the best chain, its header's time, and how far the headers go that the backend knows of: what lies
    between is known to be mined and cannot be seen yet."""

    block: BlockRef
    time_seconds: int
    headers_height: int


class BlockSummary(msgspec.Struct, frozen=True):
    """A block of the best chain. `time_seconds` is its header's, `median_time_seconds` is BIP 113's with this block."""

    block: BlockRef
    previous: bytes
    time_seconds: int
    median_time_seconds: int
    txids: tuple[bytes, ...]


class Outpoint(msgspec.Struct, frozen=True):
    """An output of a transaction."""

    txid: bytes
    index: int


class WatchTxid(msgspec.Struct, frozen=True, tag="txid"):
    """Matches the transaction itself."""

    txid: bytes


class WatchOutpoint(msgspec.Struct, frozen=True, tag="outpoint"):
    """Matches the transaction that spends this output."""

    outpoint: Outpoint


class WatchScript(msgspec.Struct, frozen=True, tag="script"):
    """Matches each output that pays to this scriptPubKey and each input that spends one."""

    script: bytes


Watch = WatchTxid | WatchOutpoint | WatchScript


class Match(msgspec.Struct, frozen=True):
    """A transaction met a watch: by its id, by an input, or by an output (one match for each).

    `position` is its place in the block (block height, position and output index make a short_channel_id); None in the
    mempool.
    """

    watch: Watch
    txid: bytes
    transaction: bytes
    position: int | None = None
    input_index: int | None = None
    output_index: int | None = None


class ConnectedBlock(msgspec.Struct, frozen=True):
    """A block that joined the best chain, and what in it met the watches, in the order of the block."""

    block: BlockRef
    matches: tuple[Match, ...]


class ChainDelta(msgspec.Struct, frozen=True):
    """What happened since a block: `disconnected` left the best chain (highest first), then `connected` joined it.

    `end` is where the asker stands after applying it. `more` says that the best chain goes on: ask again from `end`.
    `mempool` is what meets the watches unconfirmed, given once nothing more follows.
    """

    disconnected: tuple[BlockRef, ...]
    connected: tuple[ConnectedBlock, ...]
    mempool: tuple[Match, ...]
    end: BlockRef
    more: bool


class Output(msgspec.Struct, frozen=True):
    """An output that no block of the best chain spends.

    `height` is None while its transaction is unconfirmed. `spent_by` is the txid of the mempool's spender.
    """

    outpoint: Outpoint
    value_sat: int
    script: bytes
    height: int | None
    is_coinbase: bool = False
    spent_by: bytes | None = None


class FoundTransaction(msgspec.Struct, frozen=True):
    """A transaction of the best chain, or, with `height` None, of the mempool."""

    transaction: bytes
    height: int | None
    position: int | None = None


class Outcome(Enum):
    """What became of a broadcast."""

    ACCEPTED = "accepted"
    KNOWN = "known"
    REFUSED = "refused"


class Verdict(msgspec.Struct, frozen=True):
    """What became of one transaction. If it was refused, `reason` begins with Bitcoin Core's name of the rule."""

    txid: bytes
    outcome: Outcome
    reason: str = ""


class BroadcastResult(msgspec.Struct, frozen=True):
    """What became of a package: refused if one is refused, known if all are known. `verdicts` are in the order given.

    A parent may be accepted although its child is refused: it then stays.
    """

    outcome: Outcome
    reason: str
    verdicts: tuple[Verdict, ...]


class NewTip(msgspec.Struct, frozen=True, tag="new_tip"):
    """The best chain ends elsewhere than before."""

    block: BlockRef


class SeenUnconfirmed(msgspec.Struct, frozen=True, tag="seen_unconfirmed"):
    """A transaction that meets a watch entered the mempool."""

    match: Match


ChainEvent = NewTip | SeenUnconfirmed


class ChainBackend(Protocol):
    """A view of a blockchain with its own watches. Errors are classes under ChainError.

    may_hide: whether something in a block may be hidden from it, which a later answer shows: who follows scans again.
    """

    may_hide: bool

    async def best_block(self) -> BlockRef:
        """The tip of the best chain."""
        ...

    async def tip(self) -> ChainTip:
        """The same with its time, and how much of the chain the backend still lacks."""
        ...

    async def feerate(self, target_blocks: int) -> int:
        """An estimate in satoshi per 1000 weight units for a confirmation within `target_blocks`."""
        ...

    async def broadcast(self, txs: tuple[bytes, ...]) -> BroadcastResult:
        """Offer one transaction, or a parent and the child that pays for it, to the mempool."""
        ...

    async def block_at(self, height: int) -> BlockSummary | None:
        """The block of the best chain at a height; None above the tip."""
        ...

    async def blocks_since(self, block: BlockRef) -> ChainDelta:
        """What happened to the watches since `block`, at most MAX_BLOCKS_A_DELTA blocks of it.

        Raises UnknownBlock for a block that this chain has never seen.
        """
        ...

    async def watch(self, watches: Iterable[Watch]) -> None:
        """Watch for more; what is watched already stays. Of the past `scan` tells. Raises WatchesTooMany."""
        ...

    async def unwatch(self, watches: Iterable[Watch]) -> None:
        """Watch for less; what is not watched is passed over."""
        ...

    async def scan(self, watches: Iterable[Watch], from_height: int) -> ChainDelta:
        """What happened to `watches`, registered or not, in the best chain from a height on and in the mempool.

        Only blocks that hold a match are in `connected`.
        """
        ...

    async def unspent(self, script: bytes) -> tuple[Output, ...]:
        """The outputs that pay to a scriptPubKey, mempool included, less those that a block or the mempool spends."""
        ...

    async def output(self, outpoint: Outpoint) -> Output | None:
        """An output that no block of the best chain spends; None if it is unknown or spent there."""
        ...

    async def transaction(self, txid: bytes) -> FoundTransaction | None:
        """A transaction of the best chain or of the mempool."""
        ...

    def events(self) -> AsyncIterator[ChainEvent]:
        """Hints that it is worth asking again. The queue is bounded: the oldest are dropped."""
        ...
