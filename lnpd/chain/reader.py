"""How are the questions of interface.py answered from the tree, the index and the mempool?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice

from lnpd.chain.index import ChainIndex, find_matches
from lnpd.chain.interface import (
    MAX_BLOCKS_A_DELTA,
    BlockRef,
    BlockSummary,
    ChainDelta,
    ChainTip,
    ConnectedBlock,
    FoundTransaction,
    Match,
    Outpoint,
    Output,
    Watch,
)
from lnpd.chain.mempool import Mempool
from lnpd.chain.transaction import Block, Point
from lnpd.chain.tree import BlockTree, Node

Watches = frozenset[Watch] | set[Watch]


class ChainReader:
    """Answers; it changes nothing. `read_block` gives a known block other than genesis."""

    def __init__(
        self, tree: BlockTree, index: ChainIndex, mempool: Mempool, read_block: Callable[[Node], Block]
    ) -> None:
        self._tree, self._index, self._mempool, self._read_block = tree, index, mempool, read_block

    def tip(self) -> ChainTip:
        """The tip of the best chain, and its time."""
        node = self._tree.tip
        return ChainTip(node.ref, node.time_seconds, node.ref.height)

    def summary(self, height: int) -> BlockSummary | None:
        """The block of the best chain at a height."""
        node = self._tree.at(height)
        if node is None:
            return None
        txids = tuple(tx.txid for tx in self._read_block(node).transactions)
        return BlockSummary(node.ref, node.previous, node.time_seconds, self._tree.median_time(node), txids)

    def blocks_since(self, block: BlockRef, watches: Watches) -> ChainDelta:
        """What happened to `watches` since a block. Raises UnknownBlock."""
        disconnected, fork = self._tree.since(block)
        last = min(self._tree.height, fork + MAX_BLOCKS_A_DELTA)
        connected = tuple(self._connected(height, watches) for height in range(fork + 1, last + 1))
        return self._delta(tuple(disconnected), connected, last, watches)

    def scan(self, watches: Watches, from_height: int) -> ChainDelta:
        """What happened to `watches` from a height on, found through the index."""
        found = sorted({h for watch in watches for h in self._index.heights(watch) if h >= max(from_height, 1)})
        last = found[MAX_BLOCKS_A_DELTA - 1] if len(found) > MAX_BLOCKS_A_DELTA else self._tree.height
        connected = tuple(self._connected(height, watches) for height in islice(found, MAX_BLOCKS_A_DELTA))
        return self._delta((), connected, last, watches)

    def _delta(
        self, disconnected: tuple[BlockRef, ...], connected: tuple[ConnectedBlock, ...], last: int, watches: Watches
    ) -> ChainDelta:
        more = last < self._tree.height
        mempool = () if more else tuple(self._waiting(watches))
        return ChainDelta(disconnected, connected, mempool, self._best(last).ref, more)

    def _connected(self, height: int, watches: Watches) -> ConnectedBlock:
        node = self._best(height)
        if not watches:  # a block is read from disk only for somebody
            return ConnectedBlock(node.ref, ())
        spent = self._index.spent_by_block(height)
        matches: list[Match] = []
        for position, tx in enumerate(self._read_block(node).transactions):
            matches += find_matches(tx, spent, watches, position)
        return ConnectedBlock(node.ref, tuple(matches))

    def _waiting(self, watches: Watches) -> Iterator[Match]:
        for entry in self._mempool.entries.values() if watches else ():
            yield from find_matches(entry.tx, self._mempool.spent(entry.tx), watches, None)

    def _best(self, height: int) -> Node:
        node = self._tree.at(height)
        assert node is not None, "asked for heights of the best chain only"
        return node

    def unspent(self, script: bytes) -> tuple[Output, ...]:
        """The outputs of the best chain and the mempool that pay to a script and that nobody spends."""
        points: list[Point] = [*self._index.unspent(script)]
        for txid, entry in self._mempool.entries.items():
            points += [(txid, i) for i, output in enumerate(entry.tx.outputs) if output.script == script]
        found = (self.output(Outpoint(*point)) for point in points if point not in self._mempool.spenders)
        return tuple(output for output in found if output)

    def output(self, outpoint: Outpoint) -> Output | None:
        """An output that no block of the best chain spends."""
        point = (outpoint.txid, outpoint.index)
        coin = self._mempool.coin(point)
        if coin is None:
            return None
        spender = self._mempool.spenders.get(point)
        return Output(outpoint, coin.value_sat, coin.script, coin.height, coin.is_coinbase, spender)

    def transaction(self, txid: bytes) -> FoundTransaction | None:
        """A transaction of the best chain or of the mempool."""
        if entry := self._mempool.entries.get(txid):
            return FoundTransaction(entry.tx.raw, None)
        if (place := self._index.places.get(txid)) is None:
            return None
        block = self._read_block(self._best(place.height))
        return FoundTransaction(block.transactions[place.position].raw, place.height, place.position)
