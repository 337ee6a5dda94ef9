"""Which transactions wait for a block, and who spends whom among them?

Nobody is judged here: admission.py decides who enters, and mempool.py asks it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from lnpd.chain.index import ChainIndex, Coin
from lnpd.chain.policy import Policy, signature_check_cost
from lnpd.chain.transaction import Block, Point, Transaction
from lnpd.chain.tree import BlockTree

MAX_BLOCK_SIGNATURE_CHECK_COST = 79_000
"""Consensus permits 80,000, of which the coinbase may need some."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A waiting transaction with the coins that it spends."""

    tx: Transaction
    coins: tuple[Coin, ...]
    fee_sat: int


class Waiting:
    """The waiting transactions, parents before children."""

    def __init__(self, tree: BlockTree, index: ChainIndex, policy: Policy) -> None:
        self.tree, self.index, self.policy = tree, index, policy
        self.floor_sat_per_kvb = policy.min_relay_sat_per_kvb
        """Below this rate nothing enters without a child that pays for it; where the world is busy it is higher."""
        self.entries: dict[bytes, Entry] = {}
        self.spenders: dict[Point, bytes] = {}
        self.total_virtual_bytes = 0

    # What is there

    def coin(self, point: Point) -> Coin | None:
        """An unspent output of the best chain, or any output of a waiting transaction."""
        if coin := self.index.coins.get(point):
            return coin
        entry = self.entries.get(point[0])
        if entry and point[1] < len(entry.tx.outputs):
            output = entry.tx.outputs[point[1]]
            return Coin(output.value_sat, output.script, None)
        return None

    def parents(self, tx: Transaction) -> set[bytes]:
        """The waiting transactions whose outputs `tx` spends."""
        return {i.point[0] for i in tx.inputs if i.point[0] in self.entries}

    def children(self, txid: bytes) -> set[bytes]:
        """The waiting transactions that spend outputs of a waiting one."""
        outputs = range(len(self.entries[txid].tx.outputs))
        return {child for i in outputs if (child := self.spenders.get((txid, i)))}

    def ancestors(self, tx: Transaction) -> set[bytes]:
        """The parents of `tx` and theirs."""
        return _closure(self.parents(tx), lambda txid: self.parents(self.entries[txid].tx))

    def descendants(self, txids: Iterable[bytes]) -> set[bytes]:
        """Some waiting transactions, their children and theirs."""
        return _closure(txids, self.children)

    def virtual_bytes(self, txids: Iterable[bytes]) -> int:
        """The size of some waiting transactions."""
        return sum(self.entries[txid].tx.virtual_bytes for txid in txids)

    def spent(self, tx: Transaction) -> dict[Point, Coin]:
        """The coins that a waiting transaction spends."""
        entry = self.entries[tx.txid]
        return {i.point: coin for i, coin in zip(tx.inputs, entry.coins, strict=True)}

    # Who comes and goes

    def enter(self, tx: Transaction, coins: tuple[Coin, ...], fee_sat: int) -> None:
        """Takes in one that was judged."""
        self.entries[tx.txid] = Entry(tx, coins, fee_sat)
        self.spenders.update((i.point, tx.txid) for i in tx.inputs)
        self.total_virtual_bytes += tx.virtual_bytes

    def remove(self, txids: Iterable[bytes]) -> None:
        """Takes out exactly these."""
        for txid in txids:
            tx = self.entries.pop(txid).tx
            self.total_virtual_bytes -= tx.virtual_bytes
            for used in tx.inputs:
                self.spenders.pop(used.point, None)

    def confirm(self, block: Block) -> None:
        """A block joined the best chain: its transactions leave, and what contradicts them with its descendants."""
        for tx in block.transactions[1:]:
            if tx.txid in self.entries:
                self.remove([tx.txid])
            rivals = {rival for i in tx.inputs if (rival := self.spenders.get(i.point))}
            self.remove(self.descendants(rivals))

    def choose(self, max_weight: int) -> Iterator[Entry]:
        """What the next block takes, parents first: in the order of coming, as far as there is room."""
        left_out: set[bytes] = set()
        checks = MAX_BLOCK_SIGNATURE_CHECK_COST
        for txid, entry in self.entries.items():
            cost = signature_check_cost(entry.tx, entry.coins)
            if entry.tx.weight > max_weight or cost > checks or left_out & self.parents(entry.tx):
                left_out.add(txid)
                continue
            max_weight -= entry.tx.weight
            checks -= cost
            yield entry


def _closure(start: Iterable[bytes], step: Callable[[bytes], set[bytes]]) -> set[bytes]:
    found, new = set[bytes](), set(start)
    while new:
        found |= new
        new = {txid for known in new for txid in step(known)} - found
    return found
