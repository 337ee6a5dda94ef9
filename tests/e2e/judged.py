"""Would a real bitcoind take each transaction that nodes broadcast, alone or with its child?"""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from lnpd.chain.bitcoind.regtest import RegtestBitcoind
from lnpd.chain.interface import BroadcastResult, Outpoint
from lnpd.tx.transaction import parse
from tests.e2e.kinds import kinds_of

MISSING = "missing-inputs"
KNOWN = ("txn-already-in-mempool", "txn-already-known")  # of a transaction that is right: the peer was first with it


class Judged:
    """What testmempoolaccept says of each transaction or package before it is broadcast."""

    def __init__(self) -> None:
        self.accepted: set[str] = set()
        self.packages: list[set[str]] = []
        self.refused: list[str] = []

    def note(self, raw: bytes, why: str) -> None:
        """One transaction, and why it is refused; empty if it is not."""
        kinds = kinds_of(parse(raw))
        if not why:
            self.accepted |= kinds
        elif why not in KNOWN:
            self.refused.append(f"{sorted(kinds)}: {why}")


async def overtaken(bitcoind: RegtestBitcoind, raw: bytes) -> bool:
    """Whether a block that the node has not handled yet has spent what the transaction spends."""
    points = [Outpoint(each.txid, each.vout) for each in parse(raw).inputs]
    return None in [await bitcoind.output(point) for point in points]


@contextmanager
def judging() -> Iterator[Judged]:
    """Has every broadcast of every node on a bitcoind judged first."""
    found, broadcast = Judged(), RegtestBitcoind.broadcast

    async def judge(self: RegtestBitcoind, txs: tuple[bytes, ...]) -> BroadcastResult:
        if len(txs) > 1:
            found.packages.append(set().union(*(kinds_of(parse(raw)) for raw in txs)))
        verdicts = await self.test_accept(txs)
        if verdicts[0] in KNOWN:  # then it looks at no child
            verdicts = (verdicts[0], *(await self.test_accept(txs[1:]) if txs[1:] else ()))
        for raw, why in zip(txs, verdicts, strict=True):
            if why != MISSING or not await overtaken(self, raw):
                found.note(raw, why)
        return await broadcast(self, txs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RegtestBitcoind, "broadcast", judge)
        yield found
