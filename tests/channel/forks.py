"""A chain for two channel machines that grows, forks, and is full now and then.

It knows blocks of transactions, what they spend, and the locks of what waits. Nodes hear of it as a chain watcher tells
it; what they claim waits until a block has room.
"""

from collections.abc import Iterable, Sequence

from lnpd.channel import actions, events
from lnpd.errors import ClaimUneconomic
from lnpd.tx.claims import Claimable
from lnpd.tx.sweeps import make_claim
from lnpd.tx.transaction import Tx
from tests.channel.harness import Node
from tests.channel.schedules import judge

Point = tuple[bytes, int]
DEEP = 100
DISABLED = 1 << 31


class Watch:
    """What one node was told of one output."""

    def __init__(self) -> None:
        self.height = 0
        self.told = 0


class Forks:
    """`height` is the tip's; the funding was confirmed long before."""

    def __init__(self, nodes: Iterable[Node], height: int) -> None:
        self.nodes, self.first = list(nodes), height + 1
        self.blocks: list[list[Tx]] = []
        self.funding = self.nodes[0].channel.fundings[0]
        self.mempool: dict[bytes, Tx] = {}
        self._made: dict[object, Tx | None] = {}
        self.watches: list[dict[Point, Watch]] = [{(self.funding.txid, self.funding.vout): Watch()} for _ in self.nodes]

    @property
    def height(self) -> int:
        return self.first + len(self.blocks) - 1

    def transactions(self) -> dict[bytes, tuple[Tx, int]]:
        """All confirmed ones, by id, each with its height."""
        return {tx.txid: (tx, self.first + n) for n, block in enumerate(self.blocks) for tx in block}

    def spends(self) -> dict[Point, tuple[Tx, int]]:
        """What spends each output, and at which height."""
        return {(i.txid, i.vout): found for found in self.transactions().values() for i in found[0].inputs}

    # The chain

    def mine(self, count: int = 1, room: bool = True) -> None:
        """Blocks with what waits; without `room` they hold nothing."""
        for _ in range(count):
            self.blocks.append([])
            if room:
                self._collect()
                for tx in list(self.mempool.values()):
                    if self._fits(tx):
                        self.blocks[-1].append(tx)
                        del self.mempool[tx.txid]
            self._tell()

    def reorganise(self, depth: int) -> None:
        """The last blocks are replaced by empty ones, one more; what they held waits again."""
        depth = min(depth, len(self.blocks))
        gone, self.blocks = self.blocks[len(self.blocks) - depth :], self.blocks[: len(self.blocks) - depth]
        self.mempool |= {tx.txid: tx for block in gone for tx in block}
        for node, watches in zip(self.nodes, self.watches, strict=True):
            for (txid, vout), watch in list(watches.items()):
                if watch.height > self.height:
                    watch.height, told, watch.told = 0, watch.told, 0
                    if told:
                        node.run(events.OutputUnspent(txid, vout))
        self.blocks += [[] for _ in range(depth + 1)]
        self._tell()

    def _fits(self, tx: Tx) -> bool:
        confirmed, spends = self.transactions(), self.spends()
        if tx.locktime < 500_000_000 and tx.locktime >= self.height:
            return False
        for spent in tx.inputs:
            point = (spent.txid, spent.vout)
            if point in spends:
                return False
            if spent.txid in confirmed:
                older = 0 if spent.sequence & DISABLED else spent.sequence & 0xFFFF
                if self.height < confirmed[spent.txid][1] + older:
                    return False
            elif point != (self.funding.txid, self.funding.vout) and spent.txid != b"\x66" * 32:
                return False
        return True

    # What the nodes want

    def _collect(self) -> None:
        """The latest version of every claim; who claims what is spent claims what is left."""
        spends = self.spends()
        for node in self.nodes:
            claims = {a.key: a for a in node.did if isinstance(a, actions.Claim)}
            for claim in claims.values():
                left = tuple(c for c in claim.claims if (c.txid, c.vout) not in spends)
                name = (node.us, claim.key, tuple((c.txid, c.vout) for c in left))
                if left and name not in self._made:
                    self._made[name] = made(node, claim, left)
                if left and (tx := self._made[name]) is not None:
                    self.mempool[tx.txid] = tx

    # What the nodes hear

    def _tell(self) -> None:
        for node, watches in zip(self.nodes, self.watches, strict=True):
            before = -1
            while before != len(node.did):  # what it hears lets it watch for more
                before = len(node.did)
                for action in node.did:
                    if isinstance(action, actions.WatchOutput):
                        watches.setdefault((action.txid, action.vout), Watch())
                self._tell_spends(node, watches)
            node.run(events.Block(self.height))

    def _tell_spends(self, node: Node, watches: dict[Point, Watch]) -> None:
        spends = self.spends()
        for point, watch in list(watches.items()):
            if point not in spends:
                continue
            tx, watch.height = spends[point]
            depth = self.height - watch.height + 1
            for number, wanted in enumerate((1, DEEP)):
                if watch.told == number and depth >= wanted:
                    watch.told += 1
                    node.run(events.OutputSpent(*point, tx, watch.height, wanted))


def made(node: Node, action: actions.Claim, left: Sequence[Claimable]) -> Tx | None:
    """The signed transaction of what is left of a claim; None if that is not worth it."""
    kept = node.kept(action.commitment)
    assert kept is not None
    if left[0].stage >= 0:
        return judge.complete_stage(node, kept, left)
    try:
        claim = make_claim(kept.graph, left, action.destination, judge.FEERATE_PER_KW)
    except ClaimUneconomic:
        return None
    return judge.complete_claim(node, kept.graph, claim, action.secret)
