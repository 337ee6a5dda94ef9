"""Does a new version of a transaction reckon with what the mempool has, and with what it is being asked to take?"""

import asyncio
from pathlib import Path

import pytest

from lnpd.services.channels.versions import Version, Versions
from lnpd.testing import Network
from lnpd.tx.feerates import Bid, Paid

pytest.importorskip("pbk")  # the embedded chain

POINT, TXID = (bytes(32), 0), b"\x01" * 32
FIRST = Paid((POINT,), 600, 600)  # 1,000 per kw
VERSION = Version("00" * 16, "claim/0", (POINT,), 600)
# What is offered, and what is then paid: as much as is there, for too little would not replace it, or all of it.
BIDS = {1_003: 1_000, 2_000: 2_000}


@pytest.mark.parametrize("bid_per_kw", BIDS)
def test_a_block_before_the_mempool_answers_makes_no_version_that_it_refuses(tmp_path: Path, bid_per_kw: int) -> None:
    async def main() -> None:
        async with Network(tmp_path) as network:
            node = await network.node("alice")
            versions, bid = Versions(node.store, node.watcher, node.wallet), Bid(bid_per_kw, 100_000)
            assert await versions.replacing(VERSION, bid) == bid_per_kw, "nothing is there yet"
            versions.offer(VERSION, TXID, FIRST)
            assert await versions.replacing(VERSION, bid) == BIDS[bid_per_kw], "it is on its way"
            await versions.answered([TXID], [TXID])
            assert await versions.replacing(VERSION, bid) == BIDS[bid_per_kw], "it was taken"

    asyncio.run(main())


def test_what_was_refused_is_not_reckoned_with(tmp_path: Path) -> None:
    async def main() -> None:
        async with Network(tmp_path) as network:
            node = await network.node("alice")
            versions = Versions(node.store, node.watcher, node.wallet)
            versions.offer(VERSION, TXID, FIRST)
            await versions.answered([TXID], [])
            assert await versions.replacing(VERSION, Bid(1_003, 100_000)) == 1_003

    asyncio.run(main())
