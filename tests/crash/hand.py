"""How does a test mine on a bitcoind that is killed with kill -9, and count what became of money there?

A bitcoind that dies forgets the blocks that it had not flushed. In the world its peers give them back; here the hand
that made them does.
"""

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

from lnpd.tx.transaction import parse
from tests.e2e.kinds import kinds_of
from tests.interop.bitcoind import Bitcoind

COINBASE = "raw(52)"  # no faucet's
ANCHOR_SAT = 330
SAT = 100_000_000


class Hand:
    """A bitcoind, and what its peers would know."""

    def __init__(self, folder: Path) -> None:
        self.bitcoind = Bitcoind(folder / "b", "-txindex=1")
        self.deaths = 0
        self._blocks: list[str] = []  # from the first after genesis on
        self._busy = asyncio.Lock()
        self._counted = 0
        self._fees: Counter[str] = Counter()
        self._anchors: set[tuple[str, int]] = set()

    async def start(self) -> None:
        """It answers."""
        await asyncio.to_thread(self.bitcoind.start)

    async def call(self, method: str, *params: object) -> Any:  # Any: JSON values
        """What it answers; it lives."""
        return await asyncio.to_thread(self.bitcoind.call, method, *params)

    async def mine(self, blocks: int = 1) -> int:
        """New blocks with what waits; the height."""
        async with self._busy:
            await self.call("generatetodescriptor", blocks, COINBASE)
            return await self._remember()

    async def remember(self) -> int:
        """Others have mined; the height."""
        async with self._busy:
            return await self._remember()

    async def _remember(self) -> int:
        height = int(await self.call("getblockcount"))
        for each in range(len(self._blocks) + 1, height + 1):
            self._blocks.append(await self.call("getblock", await self.call("getblockhash", each), 0))
        return height

    async def flush(self) -> None:
        """What is there now is on its disk."""
        async with self._busy:
            await self.call("gettxoutsetinfo", "none")

    async def kill(self) -> None:
        """kill -9, a new start, and the blocks that were lost; of what waited nothing comes back by itself."""
        async with self._busy:
            self.deaths += 1
            await asyncio.to_thread(self.bitcoind.kill)
            await self.start()
            for raw in self._blocks[int(await self.call("getblockcount")) :]:
                assert await self.call("submitblock", raw) is None

    @property
    def height(self) -> int:
        """Of the last block that was made."""
        return len(self._blocks)

    async def there(self) -> None:
        """Returns once it has every block: a node that starts asks for its last one."""
        async with self._busy:
            pass

    async def height_of(self, txid: str) -> int:
        """In which block a transaction is."""
        block = (await self.call("getrawtransaction", txid, True))["blockhash"]
        return int((await self.call("getblockheader", block))["height"])

    async def waiting(self) -> list[str]:
        """What waits in the mempool."""
        async with self._busy:
            return sorted(await self.call("getrawmempool"))

    def count_from_here(self) -> None:
        """What is in blocks from now on belongs to the story."""
        self._counted = len(self._blocks)

    async def spent(self) -> tuple[Counter[str], int]:
        """The fees by what was paid for, and the value of anchors that nobody took."""
        async with self._busy:
            for height in range(self._counted + 1, len(self._blocks) + 1):
                block = await self.call("getblock", await self.call("getblockhash", height), 2)
                for tx in block["tx"][1:]:
                    self._count(tx)
            self._counted = len(self._blocks)
            left = [await self.call("gettxout", *each) for each in sorted(self._anchors)]
        return self._fees, ANCHOR_SAT * sum(output is not None for output in left)

    def _count(self, tx: dict[str, Any]) -> None:  # Any: JSON values
        kinds = kinds_of(parse(bytes.fromhex(tx["hex"])))
        self._fees[" and ".join(sorted(kinds))] += round(SAT * tx["fee"])
        self._anchors |= {(tx["txid"], each["n"]) for each in tx["vout"] if round(SAT * each["value"]) == ANCHOR_SAT}
