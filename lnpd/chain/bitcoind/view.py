"""What happened to watches on bitcoind's chain since a block, or from a height on?

The chain may move while it is read: each block is held against the one before it, the mempool against the tip, and
what does not fit is read again, or left for the next question.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Sequence
from typing import Final

from lnpd.chain.bitcoind.answers import Index, ScannedBlocks, internal
from lnpd.chain.bitcoind.blocks import Blocks
from lnpd.chain.bitcoind.coins import Coins
from lnpd.chain.bitcoind.pool import Pool
from lnpd.chain.bitcoind.rpc import INVALID_PARAMETER, MEMPOOL_BYTES, NO_SUCH_METHOD, SCAN_SECONDS, Rpc
from lnpd.chain.bitcoind.watched import Watched
from lnpd.chain.interface import (
    MAX_BLOCKS_A_DELTA,
    BlockRef,
    ChainDelta,
    ConnectedBlock,
    Match,
    Watch,
    WatchOutpoint,
    WatchScript,
    WatchTxid,
)
from lnpd.errors import BitcoindBusy, BitcoindFault, UnknownBlock

log = logging.getLogger("lnpd.chain")

ATTEMPTS: Final = 20
FILTER_INDEX: Final = "basic block filter index"
FILTERED_BLOCKS: Final = 20_000
"""So many blocks bitcoind sifts at a time by its filters: some ten seconds."""


class View:
    """The chain as a set of watches, which it shares with its owner, sees it."""

    def __init__(self, rpc: Rpc, blocks: Blocks, pool: Pool, coins: Coins, watched: Watched) -> None:
        self._rpc, self._blocks, self._pool, self._coins, self._watched = rpc, blocks, pool, coins, watched
        self._sifting = asyncio.Lock()

    # --- since a block

    async def since(self, block: BlockRef) -> ChainDelta:
        """What happened to the watches since a block. Raises UnknownBlock, BlockPruned, BitcoindBusy."""
        for _ in range(ATTEMPTS):
            left, fork = await self._blocks.fork(block)
            best = await self._blocks.best()
            chain = await self._chain(fork, min(best.height, fork.height + MAX_BLOCKS_A_DELTA))
            if chain is None:
                continue
            connected = tuple([await self._connected(each, self._watched) for each in chain])
            return await self._delta(left, connected, chain[-1] if chain else fork, best, self._watched)
        raise BitcoindBusy("bitcoind's chain does not stand still.")

    async def _chain(self, fork: BlockRef, last: int) -> list[BlockRef] | None:
        """The blocks upon `fork`, each the child of the one before it; None if the chain moved meanwhile."""
        hashes = await self._blocks.hashes(range(fork.height + 1, last + 1))
        try:
            previous = await self._blocks.previous(hashes)
        except UnknownBlock:
            return None
        if previous != [fork.hash, *hashes][: len(hashes)]:
            return None
        return [BlockRef(height, each) for height, each in enumerate(hashes, fork.height + 1)]

    async def _connected(self, block: BlockRef, watched: Watched) -> ConnectedBlock:
        return await self._blocks.connected(block, watched) if watched.all else ConnectedBlock(block, ())

    async def _delta(
        self,
        left: tuple[BlockRef, ...],
        connected: tuple[ConnectedBlock, ...],
        end: BlockRef,
        best: BlockRef,
        watched: Watched,
    ) -> ChainDelta:
        """With what of the mempool meets the watches, unless the chain goes on behind `end`."""
        waiting: tuple[Match, ...] = ()
        more = end.height < best.height or (await self._tip(watched)) != end.hash
        if not more and watched.all:
            own = watched is self._watched
            waiting = await self._pool.matches() if own else await self._pool.matches_of(watched)
        delta = ChainDelta(left, connected, waiting, end, more)
        self._coins.remember(delta)
        return delta

    async def _tip(self, watched: Watched) -> bytes:
        """The tip, for which the mempool is true, too, if somebody watches it."""
        return await self._pool.settle() if watched.all else (await self._blocks.best()).hash

    # --- from a height on

    async def scan(self, watches: Iterable[Watch], from_height: int) -> ChainDelta:
        """What happened to some watches from a height on. Raises BlockPruned, BitcoindBusy."""
        watched, start = Watched(watches), max(from_height, 1)
        for _ in range(ATTEMPTS):
            best = await self._blocks.best()
            todo, last = await self._to_read(watched, start, best) if start <= best.height else ([], best.height)
            met = [block for each in todo if (block := await self._connected(each, watched)).matches]
            ends = await self._blocks.hashes((last,))
            if ends and await self._are_best([*todo[-1:], best]):
                return await self._delta((), tuple(met), BlockRef(last, ends[0]), best, watched)
        raise BitcoindBusy("bitcoind's chain does not stand still.")

    async def _are_best(self, blocks: list[BlockRef]) -> bool:
        """Whether these blocks are still of the best chain, and so are those below them."""
        return not any([(await self._blocks.fork(block))[0] for block in blocks])

    async def _to_read(self, watched: Watched, start: int, best: BlockRef) -> tuple[list[BlockRef], int]:
        """The blocks that may hold a match, and the height up to which that is the whole truth."""
        places = [await self._place(watch) for watch in watched.all]
        known = [height for place in places if place is not None for height in place if start <= height <= best.height]
        if None not in places and len(known) <= MAX_BLOCKS_A_DELTA:
            return await self._refs(sorted(set(known))), best.height
        last = min(best.height, start + MAX_BLOCKS_A_DELTA - 1)
        scripts = [watch.script for watch in watched.all if isinstance(watch, WatchScript)]
        if last < best.height and len(scripts) == len(watched.all):
            sifted = await self._sift(scripts, start, best)
            if sifted is not None:
                return sifted
        return await self._refs(range(start, last + 1)), last

    async def _refs(self, heights: Sequence[int]) -> list[BlockRef]:
        return [BlockRef(*each) for each in zip(heights, await self._blocks.hashes(heights), strict=False)]

    async def _place(self, watch: Watch) -> list[int] | None:
        """The heights of all blocks in which a watch was met, if bitcoind's coins and mempool tell it; else None."""
        match watch:
            case WatchOutpoint(outpoint):
                return [] if await self._coins.is_unspent(outpoint) else None
            case WatchTxid(txid):
                if await self._coins.is_waiting(txid):
                    return []
                height = await self._coins.height_by_output(txid)
                return None if height is None else [height]
            case WatchScript():
                return None

    async def _sift(self, scripts: list[bytes], start: int, best: BlockRef) -> tuple[list[BlockRef], int] | None:
        """By bitcoind's block filters (blockfilterindex=1); None if it has none, or others use them."""
        indexes = await self._rpc.call(dict[str, Index], "getindexinfo")
        index = indexes.get(FILTER_INDEX)
        if index is None or not index.synced:
            return None
        last = min(best.height, start + FILTERED_BLOCKS - 1)
        objects = [f"raw({script.hex()})" for script in scripts]
        async with self._sifting:
            try:
                told = await self._rpc.call(
                    ScannedBlocks, "scanblocks", "start", objects, start, last,
                    max_bytes=MEMPOOL_BYTES, seconds=SCAN_SECONDS,
                )  # fmt: skip
            except BitcoindFault as fault:
                if fault.code in (INVALID_PARAMETER, NO_SUCH_METHOD):
                    return None
                raise
        refs = sorted([await self._blocks.ref(internal(each)) for each in told.relevant_blocks], key=_height)
        if len(refs) > MAX_BLOCKS_A_DELTA:
            refs = refs[:MAX_BLOCKS_A_DELTA]
            last = refs[-1].height
        return refs, last


def _height(block: BlockRef) -> int:
    return block.height
