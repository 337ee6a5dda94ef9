"""Which transactions wait for a block, and what becomes of them when the chain moves?

Kept in memory: whoever broadcast a transaction offers it again after a restart. admission.py decides who enters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass

from lnpd.chain.admission import Candidate, examine, verify_scripts, weigh
from lnpd.chain.index import ChainIndex, Coin
from lnpd.chain.interface import BroadcastResult, Outcome, Verdict
from lnpd.chain.policy import Policy, signature_check_cost
from lnpd.chain.transaction import Block, Point, Transaction, read_transaction
from lnpd.chain.tree import BlockTree
from lnpd.errors import TransactionMalformed, TransactionRefused
from lnpd.tx.transaction import hash256

MAX_BLOCK_SIGNATURE_CHECK_COST = 79_000
"""Consensus permits 80,000, of which the coinbase may need some."""
FEE_REASONS = ("min relay fee not met", "mempool min fee not met", "insufficient fee")
"""Refusals that a child may heal."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A waiting transaction with the coins that it spends."""

    tx: Transaction
    coins: tuple[Coin, ...]
    fee_sat: int


class Mempool:
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

    # Who enters

    def broadcast(self, txs: tuple[bytes, ...]) -> tuple[BroadcastResult, list[Transaction]]:
        """Offers one transaction or a parent and its child; answers also with those that entered."""
        parsed: list[Transaction] = []
        for raw in txs:
            try:
                parsed.append(read_transaction(raw))
            except TransactionMalformed as error:
                return _refuse_all(txs, f"TX decode failed: {error}"), []
        if len(parsed) == 1:
            verdicts = [self._offer(parsed[0])]
        elif len(parsed) == 2 and any(i.point[0] == parsed[0].txid for i in parsed[1].inputs):
            verdicts = self._offer_package(parsed[0], parsed[1])
        else:
            return _refuse_all(txs, "package-not-child-with-parents"), []
        entered = [tx for tx, verdict in zip(parsed, verdicts, strict=True) if verdict.outcome is Outcome.ACCEPTED]
        return _summary(verdicts), entered

    def _offer(self, tx: Transaction) -> Verdict:
        return self._offer_all([tx])[0]

    def _offer_package(self, parent: Transaction, child: Transaction) -> list[Verdict]:
        """Each by itself where that is enough; together where only the child's fee carries the parent."""
        first = self._offer(parent)
        if first.outcome is not Outcome.REFUSED:
            return [first, self._offer(child)]
        if first.reason.startswith(FEE_REASONS):
            return self._offer_all([parent, child])
        return [first, Verdict(child.txid, Outcome.REFUSED, "bad-txns-inputs-missingorspent")]

    def _offer_all(self, txs: list[Transaction]) -> list[Verdict]:
        if all(self._is_known(tx) for tx in txs):
            return [Verdict(tx.txid, Outcome.KNOWN) for tx in txs]
        try:
            self._admit(txs)
        except TransactionRefused as refusal:
            return [Verdict(tx.txid, Outcome.REFUSED, refusal.reason) for tx in txs]
        return [Verdict(tx.txid, Outcome.ACCEPTED) for tx in txs]

    def _is_known(self, tx: Transaction) -> bool:
        """Whether it is confirmed, or waits with this or another witness."""
        return tx.txid in self.index.places or tx.txid in self.entries

    def _admit(self, txs: list[Transaction]) -> None:
        """All or none. Raises TransactionRefused."""
        candidates: list[Candidate] = []
        for tx in txs:
            candidates.append(examine(tx, self, candidates[-1].tx if candidates else None))
        replaced = weigh(candidates, self)
        for candidate in candidates:
            verify_scripts(candidate)
        self.remove(replaced)
        for candidate in candidates:
            self._enter(candidate)

    def _enter(self, candidate: Candidate) -> None:
        tx = candidate.tx
        self.entries[tx.txid] = Entry(tx, candidate.coins, candidate.fee_sat)
        self.spenders.update((i.point, tx.txid) for i in tx.inputs)
        self.total_virtual_bytes += tx.virtual_bytes

    # What the chain does to them

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

    def return_all(self, disconnected: Iterable[Transaction]) -> None:
        """After a reorganisation: transactions of lost blocks wait again, and whoever waited is judged anew.

        Fees were judged already (a miner may have taken less than we relay).
        """
        waiting = [*disconnected, *(entry.tx for entry in self.entries.values())]
        self.remove(list(self.entries))
        for tx in waiting:
            with suppress(TransactionRefused):
                if not self._is_known(tx):
                    candidate = examine(tx, self, None, returning=True)
                    if not candidate.conflicts:
                        verify_scripts(candidate)
                        self._enter(candidate)

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


def _summary(verdicts: list[Verdict]) -> BroadcastResult:
    refused = next((verdict for verdict in verdicts if verdict.outcome is Outcome.REFUSED), None)
    if refused:
        return BroadcastResult(Outcome.REFUSED, refused.reason, tuple(verdicts))
    known = all(verdict.outcome is Outcome.KNOWN for verdict in verdicts)
    return BroadcastResult(Outcome.KNOWN if known else Outcome.ACCEPTED, "", tuple(verdicts))


def _refuse_all(txs: tuple[bytes, ...], reason: str) -> BroadcastResult:
    """For what has no txid yet the verdict names the hash of the bytes."""
    return BroadcastResult(Outcome.REFUSED, reason, tuple(Verdict(hash256(t), Outcome.REFUSED, reason) for t in txs))
