"""How are blocks read from bitcoind, and what in them meets some watches?

A block comes as bytes and is held against the hash that was asked for and its own merkle root. The last few parsed
blocks are kept, and the keys of many (see watched.py). Which coins a block spent, bitcoind's undo data tells; it is
asked only when a block seems to spend a watched script.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterable
from typing import Annotated, Final, TypeVar

from msgspec import Meta

from lnpd.chain.bitcoind.answers import (
    BlockchainInfo,
    BlockContents,
    BlockWithPrevouts,
    Hash,
    Header,
    internal,
    sat,
    shown,
)
from lnpd.chain.bitcoind.rpc import (
    BLOCK_BYTES,
    GENERAL,
    INVALID_PARAMETER,
    NOT_FOUND,
    PREVOUT_BYTES,
    USUAL_BYTES,
    Ask,
    Rpc,
    value_or_none,
)
from lnpd.chain.bitcoind.watched import Digest, Watched
from lnpd.chain.index import Coin, find_matches
from lnpd.chain.interface import BlockRef, BlockSummary, ChainTip, ConnectedBlock, Match
from lnpd.chain.transaction import Block, Point
from lnpd.errors import BitcoindFault, BitcoindMisbehaves, BlockPruned, TransactionMalformed, UnknownBlock
from lnpd.tx.transaction import hash256

MAX_KEPT_BLOCKS: Final = 4
MAX_DIGESTS: Final = 300
MAX_WALK: Final = 10_000
"""So deep a reorganisation is another chain."""

MERKLE_ROOT: Final = slice(36, 68)
"""Where in a block's header it is."""

BlockHex = Annotated[str, Meta(max_length=8_000_000)]

T = TypeVar("T")


class Blocks:
    """The blocks that bitcoind has. Raises what Rpc raises, and what is named."""

    def __init__(self, rpc: Rpc) -> None:
        self._rpc = rpc
        self._blocks: OrderedDict[bytes, Block] = OrderedDict()
        self._digests: OrderedDict[bytes, Digest] = OrderedDict()

    async def best(self) -> BlockRef:
        """The tip of the best chain."""
        found = await self._rpc.call(Hash, "getbestblockhash")
        return BlockRef((await self._header(found)).height, internal(found))

    async def tip(self) -> ChainTip:
        """The tip of the best chain, and how far the headers go: blocks are fetched after them."""
        info = await self._rpc.call(BlockchainInfo, "getblockchaininfo")
        return ChainTip(BlockRef(info.blocks, internal(info.bestblockhash)), info.time, info.headers)

    async def ref(self, block_hash: bytes) -> BlockRef:
        """A block's height. Raises UnknownBlock."""
        return BlockRef((await self._header(shown(block_hash))).height, block_hash)

    async def hashes(self, heights: Iterable[int]) -> list[bytes]:
        """The hashes of the best chain at ascending heights, as far as it goes."""
        asks = [Ask("getblockhash", (height,)) for height in heights]
        found: list[bytes] = []
        for reply in await self._rpc.ask(asks):
            one = value_or_none(reply, Hash, "getblockhash", INVALID_PARAMETER)
            if one is None:
                break
            found.append(internal(one))
        return found

    async def fork(self, block: BlockRef) -> tuple[tuple[BlockRef, ...], BlockRef]:
        """What from `block` on left the best chain (highest first), and the block where both part.

        Raises UnknownBlock.
        """
        left: list[BlockRef] = []
        header = await self._header(shown(block.hash))
        while header.confirmations < 0:
            left.append(BlockRef(header.height, internal(header.hash)))
            if len(left) > MAX_WALK:
                raise UnknownBlock(f"Block {shown(block.hash)} is {MAX_WALK} blocks off bitcoind's chain.")
            header = await self._header(header.previousblockhash)
        return tuple(left), BlockRef(header.height, internal(header.hash))

    async def _header(self, hash_shown: str) -> Header:
        try:
            header = await self._rpc.call(Header, "getblockheader", hash_shown)
        except BitcoindFault as fault:
            if fault.code == NOT_FOUND:
                raise UnknownBlock(f"Block {hash_shown} is not known to bitcoind.") from None
            raise
        if header.hash != hash_shown:
            raise BitcoindMisbehaves(f"bitcoind was asked for block {hash_shown} and tells of {header.hash}.")
        return header

    async def summary(self, height: int) -> BlockSummary | None:
        """The block of the best chain at a height; None above the tip. Raises BlockPruned."""
        if height < 0 or not (found := await self.hashes((height,))):
            return None
        block = await self._get(BlockContents, found[0], 1)
        if block.height != height or block.hash != shown(found[0]):
            raise BitcoindMisbehaves(f"bitcoind was asked for block {height} and tells of {block.height}.")
        return BlockSummary(
            BlockRef(block.height, found[0]),
            internal(block.previousblockhash),
            block.time,
            block.mediantime,
            tuple(map(internal, block.tx)),
        )

    async def contents(self, block_hash: bytes) -> tuple[bytes, ...]:
        """The txids of a block. Raises BlockPruned."""
        return tuple(map(internal, (await self._get(BlockContents, block_hash, 1)).tx))

    async def block(self, block_hash: bytes) -> Block:
        """A block. Raises BlockPruned, UnknownBlock, BitcoindMisbehaves."""
        if (known := self._blocks.get(block_hash)) is not None:
            return known
        text = await self._get(BlockHex, block_hash, 0, BLOCK_BYTES)
        # A large one takes a good part of a second, in which the node has other things to do.
        block, self._digests[block_hash] = await asyncio.to_thread(_read, text, block_hash)
        self._blocks[block_hash] = block
        while len(self._blocks) > MAX_KEPT_BLOCKS:
            self._blocks.popitem(last=False)
        while len(self._digests) > MAX_DIGESTS:
            self._digests.popitem(last=False)
        return block

    async def digest(self, block_hash: bytes) -> Digest:
        """The keys of a block. Raises as `block`."""
        if block_hash not in self._digests:
            await self.block(block_hash)
        self._digests.move_to_end(block_hash)
        return self._digests[block_hash]

    async def connected(self, block: BlockRef, watched: Watched) -> ConnectedBlock:
        """What in a block met the watches. Raises as `block`."""
        if not watched.may_meet(await self.digest(block.hash)):
            return ConnectedBlock(block, ())
        found = await self.block(block.hash)
        spends = watched.hidden or any(watched.may_be_spent_by(tx) for tx in found.transactions)
        spent = await self._spent(block.hash) if spends else {}
        matches: list[Match] = []
        for position, tx in enumerate(found.transactions):
            matches += find_matches(tx, spent, watched.all, position)
        return ConnectedBlock(block, tuple(matches))

    async def previous(self, hashes: list[bytes]) -> list[bytes]:
        """The parents of blocks, without reading the blocks. Raises UnknownBlock."""
        asks = [Ask("getblockheader", (shown(each),)) for each in hashes]
        headers = [value_or_none(reply, Header, "getblockheader", NOT_FOUND) for reply in await self._rpc.ask(asks)]
        if None in headers:
            raise UnknownBlock("bitcoind does not know a block any more that it has just named.")
        return [internal(header.previousblockhash) for header in headers if header is not None]

    async def _spent(self, block_hash: bytes) -> dict[Point, Coin]:
        """The coins that a block spent."""
        block = await self._get(BlockWithPrevouts, block_hash, 3, PREVOUT_BYTES)
        spent: dict[Point, Coin] = {}
        for used in (used for tx in block.tx for used in tx.vin):
            if used.prevout is not None:
                out = used.prevout
                coin = Coin(sat(out.value), bytes.fromhex(out.script.hex), out.height, out.generated)
                spent[(internal(used.txid), used.vout)] = coin
        return spent

    async def _get(self, kind: type[T], block_hash: bytes, verbosity: int, max_bytes: int = USUAL_BYTES) -> T:
        try:
            return await self._rpc.call(kind, "getblock", shown(block_hash), verbosity, max_bytes=max_bytes)
        except BitcoindFault as fault:
            if fault.code == NOT_FOUND:
                raise UnknownBlock(f"Block {shown(block_hash)} is not known to bitcoind.") from None
            if fault.code == GENERAL and "pruned" in fault.words.lower():
                raise BlockPruned(
                    f"bitcoind has pruned block {shown(block_hash)}, which lnpd has to read: "
                    "start bitcoind with prune=0 and -reindex, or use another one."
                ) from None
            raise


def _read(text: str, block_hash: bytes) -> tuple[Block, Digest]:
    """A block and its keys. Raises BitcoindMisbehaves if it is another block, or none."""
    try:
        raw = bytes.fromhex(text)
        block = Block(raw)
    except (ValueError, TransactionMalformed) as error:
        raise BitcoindMisbehaves(f"bitcoind gives block {shown(block_hash)} in a form that is none: {error}") from None
    if block.hash != block_hash or merkle_root([tx.txid for tx in block.transactions]) != raw[MERKLE_ROOT]:
        raise BitcoindMisbehaves(f"bitcoind was asked for block {shown(block_hash)} and gives another.")
    return block, Digest(block)


def merkle_root(txids: list[bytes]) -> bytes:
    """The root over a block's txids, at least one."""
    row = txids
    while len(row) > 1:
        row += row[-1:] * (len(row) % 2)
        row = [hash256(row[n] + row[n + 1]) for n in range(0, len(row), 2)]
    return row[0]
