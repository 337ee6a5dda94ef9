"""What does bitcoind know of single outputs and transactions, with and without its indexes?"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import Any, Final

from lnpd.chain.bitcoind.answers import (
    COIN_OR_NONE,
    Coin,
    Header,
    RawTransaction,
    ScannedCoins,
    Spender,
    internal,
    sat,
    shown,
)
from lnpd.chain.bitcoind.blocks import Blocks
from lnpd.chain.bitcoind.pool import Pool, read_as
from lnpd.chain.bitcoind.rpc import INVALID_PARAMETER, MEMPOOL_BYTES, NOT_FOUND, SCAN_SECONDS, Ask, Rpc, value_or_none
from lnpd.chain.interface import ChainDelta, FoundTransaction, Outpoint, Output
from lnpd.errors import BitcoindFault, BlockPruned, UnknownBlock

FIRST_OUTPUTS: Final = 16
"""So many outputs of a transaction are asked for, to learn from an unspent one in which block it is."""

LAST_BLOCKS: Final = 6
MAX_PLACES: Final = 10_000
RETRY_SECONDS: Final = 1.0


class Coins:
    """Answers about outputs and transactions. It remembers in which blocks watched transactions were met."""

    def __init__(self, rpc: Rpc, blocks: Blocks, pool: Pool) -> None:
        self._rpc, self._blocks, self._pool = rpc, blocks, pool
        self._places: OrderedDict[bytes, bytes] = OrderedDict()
        self._scanning = asyncio.Lock()

    def remember(self, delta: ChainDelta) -> None:
        """Keeps in mind in which blocks the transactions of a delta are."""
        for block in delta.connected:
            for match in block.matches:
                self._places[match.txid] = block.block.hash
        while len(self._places) > MAX_PLACES:
            self._places.popitem(last=False)

    # --- outputs

    async def output(self, outpoint: Outpoint) -> Output | None:
        """An output that no block of the best chain spends."""
        place = {"txid": shown(outpoint.txid), "vout": outpoint.index}
        confirmed, spending, waiting = await self._rpc.ask(
            (
                Ask("gettxout", (place["txid"], outpoint.index, False)),
                Ask("gettxspendingprevout", ([place],)),
                Ask("getrawtransaction", (place["txid"], 1)),
            )
        )
        spenders = value_or_none(spending, tuple[Spender, ...], "gettxspendingprevout", INVALID_PARAMETER) or ()
        spent_by = internal(spenders[0].spendingtxid) if spenders and spenders[0].spendingtxid else None
        coin = value_or_none(confirmed, COIN_OR_NONE, "gettxout")
        if coin is not None:
            height = await self._height_of(coin)
            script = bytes.fromhex(coin.script.hex)
            return Output(outpoint, sat(coin.value), script, height, coin.coinbase, spent_by)
        found = value_or_none(waiting, RawTransaction, "getrawtransaction", NOT_FOUND)
        if found is None or found.blockhash is not None:
            return None
        outputs = read_as(outpoint.txid, found.hex).outputs
        if outpoint.index >= len(outputs):
            return None
        output = outputs[outpoint.index]
        return Output(outpoint, output.value_sat, output.script, None, False, spent_by)

    async def _height_of(self, coin: Coin) -> int:
        tip = await self._rpc.call(Header, "getblockheader", coin.bestblock)
        return tip.height - coin.confirmations + 1

    async def is_unspent(self, outpoint: Outpoint) -> bool:
        """Whether a block made this output and none spent it."""
        coin = await self._rpc.call(COIN_OR_NONE, "gettxout", shown(outpoint.txid), outpoint.index, False)
        return coin is not None

    async def unspent(self, script: bytes) -> tuple[Output, ...]:
        """The outputs that pay to a script, less those that are spent. bitcoind reads all its coins for it."""
        found = await self._scan(script)
        points = [Outpoint(internal(coin.txid), coin.vout) for coin in found.unspents]
        for tx in await self._pool.paying(script):
            points += [Outpoint(tx.txid, n) for n, output in enumerate(tx.outputs) if output.script == script]
        outputs = [await self.output(point) for point in dict.fromkeys(points)]
        return tuple(output for output in outputs if output is not None and output.spent_by is None)

    async def _scan(self, script: bytes) -> ScannedCoins:
        async with self._scanning:
            while True:
                try:
                    return await self._rpc.call(
                        ScannedCoins, "scantxoutset", "start", [f"raw({script.hex()})"],
                        max_bytes=MEMPOOL_BYTES, seconds=SCAN_SECONDS,
                    )  # fmt: skip
                except BitcoindFault as fault:
                    if fault.code != INVALID_PARAMETER or "already in progress" not in fault.words:
                        raise
                await asyncio.sleep(RETRY_SECONDS)  # somebody else's scan; bitcoind has one at a time

    # --- transactions

    async def transaction(self, txid: bytes) -> FoundTransaction | None:
        """A transaction of the mempool or of the best chain.

        In the chain it is found by bitcoind's txindex, by an unspent one of its first outputs, because it met a
        watch, or in the last few blocks. Nobody else knows where it is: without txindex None may also mean this.
        """
        found = await self._raw(txid)
        if found is not None and found.blockhash is None:
            return FoundTransaction(read_as(txid, found.hex).raw, None)
        if found is not None and found.blockhash is not None:
            return await self._within(txid, internal(found.blockhash))
        if (place := await self._place_by_output(txid)) and (there := await self._within(txid, place)):
            return there
        if (place := self._places.get(txid)) and (there := await self._within(txid, place)):
            return there
        return await self._among_last(txid)

    async def _raw(self, txid: bytes, *more: Any) -> RawTransaction | None:  # Any: a block's hash, perhaps
        try:
            return await self._rpc.call(RawTransaction, "getrawtransaction", shown(txid), 1, *more)
        except BitcoindFault as fault:
            if fault.code != NOT_FOUND:
                raise
            return None

    async def is_waiting(self, txid: bytes) -> bool:
        """Whether a transaction is in the mempool."""
        found = await self._raw(txid)
        return found is not None and found.blockhash is None

    async def height_by_output(self, txid: bytes) -> int | None:
        """The height of a transaction that has an unspent one among its first outputs."""
        asks = [Ask("gettxout", (shown(txid), index, False)) for index in range(FIRST_OUTPUTS)]
        for reply in await self._rpc.ask(asks):
            if (coin := value_or_none(reply, COIN_OR_NONE, "gettxout")) is not None:
                return await self._height_of(coin)
        return None

    async def _place_by_output(self, txid: bytes) -> bytes | None:
        height = await self.height_by_output(txid)
        hashes = await self._blocks.hashes((height,)) if height is not None else []
        return hashes[0] if hashes else None

    async def _within(self, txid: bytes, block_hash: bytes) -> FoundTransaction | None:
        """A transaction of a block, if that is of the best chain."""
        try:
            left, block = await self._blocks.fork(await self._blocks.ref(block_hash))
            txids = await self._blocks.contents(block_hash)
        except (BlockPruned, UnknownBlock):
            return None
        if left or txid not in txids:
            return None
        found = await self._raw(txid, shown(block_hash))
        return FoundTransaction(read_as(txid, found.hex).raw, block.height, txids.index(txid)) if found else None

    async def _among_last(self, txid: bytes) -> FoundTransaction | None:
        tip = (await self._blocks.best()).height
        for block_hash in reversed(await self._blocks.hashes(range(max(0, tip - LAST_BLOCKS + 1), tip + 1))):
            if found := await self._within(txid, block_hash):
                return found
        return None
