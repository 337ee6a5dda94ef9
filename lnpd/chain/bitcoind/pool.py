"""Which transactions of bitcoind's mempool meet the watches, and how does this view of it stay true?

It holds the keys of every waiting transaction (watched.py), and whole only those that meet a watch. Notifications
change it one by one; `settle` compares it with the list of all, and says for which tip it is true.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Final

from lnpd.chain.bitcoind.answers import COIN_OR_NONE, Hash, Hex, MempoolIds, internal, sat, shown
from lnpd.chain.bitcoind.rpc import MEMPOOL_BYTES, NOT_FOUND, Ask, Rpc, value_or_none
from lnpd.chain.bitcoind.watched import Watched, key_of, keys_of
from lnpd.chain.index import Coin, find_matches
from lnpd.chain.interface import Match, Watch
from lnpd.chain.transaction import Point, Transaction, read_transaction
from lnpd.errors import BitcoindBusy, BitcoindMisbehaves, TransactionMalformed

log = logging.getLogger("lnpd.chain")

MAX_WAITING: Final = 500_000
"""Of more transactions than this the later ones are not looked at before they confirm."""

BATCH: Final = 100
ATTEMPTS: Final = 10
BATCH_BYTES: Final = 90_000_000  # 100 transactions of 400 kB, in hex, with room


class Pool:
    """The mempool as far as a set of watches is concerned; it shares that set with its owner."""

    def __init__(self, rpc: Rpc, watched: Watched) -> None:
        self._rpc, self._watched = rpc, watched
        self._keys: dict[bytes, tuple[int, ...]] = {}
        self._whole: dict[bytes, Transaction] = {}
        self._busy = asyncio.Lock()
        self._full = False
        self._news: list[bytes] = []
        self.sequence = 0

    # --- what is in it

    async def matches(self) -> tuple[Match, ...]:
        """What meets the watches."""
        return tuple([match async for match in self._matches_of(list(self._whole.values()), self._watched)])

    async def matches_of(self, watched: Watched) -> tuple[Match, ...]:
        """What meets other watches than those that are followed."""
        async with self._busy:
            found = [txid for txid, keys in self._keys.items() if not watched.keys.isdisjoint(keys)]
            whole = [tx async for tx in self._fetch(found)]
        return tuple([match async for match in self._matches_of(whole, watched)])

    @property
    def has_news(self) -> bool:
        """Whether something that meets a watch came."""
        return bool(self._news)

    async def news(self) -> tuple[Match, ...]:
        """What came since the last call, and meets the watches."""
        txids, self._news = self._news, []
        whole = [self._whole[txid] for txid in txids if txid in self._whole]
        return tuple([match async for match in self._matches_of(whole, self._watched)])

    async def paying(self, script: bytes) -> list[Transaction]:
        """What seems to pay to a script or to spend it."""
        key = hash(script)
        return [tx async for tx in self._fetch([txid for txid, keys in self._keys.items() if key in keys])]

    # --- how it changes

    async def settle(self) -> bytes:
        """Makes it what bitcoind's is now; the tip that it stands upon.

        Raises BitcoindBusy if the chain does not stand still meanwhile.
        """
        async with self._busy:
            for _ in range(ATTEMPTS):
                before = await self._rpc.call(Hash, "getbestblockhash")
                await self._compare()
                if before == await self._rpc.call(Hash, "getbestblockhash"):
                    return internal(before)
        raise BitcoindBusy("bitcoind's chain does not stand still.")

    async def _compare(self) -> None:
        told = await self._rpc.call(MempoolIds, "getrawmempool", False, True, max_bytes=MEMPOOL_BYTES)
        self.sequence = told.mempool_sequence
        ids = {internal(txid): None for txid in told.txids}
        for txid in self._keys.keys() - ids.keys():
            self._forget(txid)
        await self._take([txid for txid in ids if txid not in self._keys])

    async def enter(self, txids: Iterable[bytes]) -> None:
        """Takes in what bitcoind tells of."""
        async with self._busy:
            await self._take([txid for txid in txids if txid not in self._keys])

    async def leave(self, txid: bytes) -> None:
        """A transaction left."""
        async with self._busy:
            self._forget(txid)

    async def look_for(self, watches: Iterable[Watch]) -> None:
        """The shared set has grown by these: what of the mempool meets them?"""
        keys = {key_of(watch) for watch in watches}
        async with self._busy:
            found = [txid for txid, mine in self._keys.items() if txid not in self._whole and not keys.isdisjoint(mine)]
            async for tx in self._fetch(found):
                self._whole[tx.txid] = tx

    def trim(self) -> None:
        """The shared set has shrunk."""
        for txid in [txid for txid in self._whole if self._watched.keys.isdisjoint(self._keys[txid])]:
            del self._whole[txid]

    async def _take(self, txids: Sequence[bytes]) -> None:
        room = MAX_WAITING - len(self._keys)
        if len(txids) > room and not self._full:
            self._full = True
            log.warning("bitcoind's mempool holds over %d transactions: the rest is seen once it confirms", MAX_WAITING)
        async for tx in self._fetch(txids[:room]):
            self._keys[tx.txid] = keys = tuple(keys_of(tx))
            if not self._watched.keys.isdisjoint(keys):
                self._whole[tx.txid] = tx
                self._news.append(tx.txid)

    def _forget(self, txid: bytes) -> None:
        self._keys.pop(txid, None)
        self._whole.pop(txid, None)

    async def _fetch(self, txids: Sequence[bytes]) -> AsyncIterator[Transaction]:
        """The transactions that wait by these ids; one that has left meanwhile is passed over."""
        for start in range(0, len(txids), BATCH):
            part = txids[start : start + BATCH]
            asks = [Ask("getrawtransaction", (shown(txid),)) for txid in part]
            for txid, reply in zip(part, await self._rpc.ask(asks, max_bytes=BATCH_BYTES), strict=True):
                text = value_or_none(reply, Hex, "getrawtransaction", NOT_FOUND)
                if text is not None:
                    yield read_as(txid, text)

    # --- exactly

    async def _matches_of(self, whole: Sequence[Transaction], watched: Watched) -> AsyncIterator[Match]:
        for tx in whole:
            spent = await self._spent(tx) if watched.may_be_spent_by(tx) else {}
            for match in find_matches(tx, spent, watched.all, None):
                yield match

    async def _spent(self, tx: Transaction) -> dict[Point, Coin]:
        """The coins that a waiting transaction spends: of the best chain, or of other waiting ones."""
        points = [used.point for used in tx.inputs]
        asks = [Ask("gettxout", (shown(txid), index, False)) for txid, index in points]
        spent: dict[Point, Coin] = {}
        unconfirmed: list[Point] = []
        for point, reply in zip(points, await self._rpc.ask(asks), strict=True):
            coin = value_or_none(reply, COIN_OR_NONE, "gettxout")
            if coin is None:
                unconfirmed.append(point)
            else:
                spent[point] = Coin(sat(coin.value), bytes.fromhex(coin.script.hex), None, coin.coinbase)
        parents = {parent.txid: parent async for parent in self._fetch(sorted({txid for txid, _ in unconfirmed}))}
        for txid, index in unconfirmed:
            if txid in parents and index < len(parents[txid].outputs):
                output = parents[txid].outputs[index]
                spent[(txid, index)] = Coin(output.value_sat, output.script, None)
        return spent


def read_as(txid: bytes, text: str) -> Transaction:
    """The transaction of an id. Raises BitcoindMisbehaves if it is another, or none."""
    try:
        tx = read_transaction(bytes.fromhex(text))
    except TransactionMalformed as error:
        raise BitcoindMisbehaves(f"bitcoind gives transaction {shown(txid)} in a form that is none: {error}") from None
    if tx.txid != txid:
        raise BitcoindMisbehaves(f"bitcoind was asked for transaction {shown(txid)} and gives {shown(tx.txid)}.")
    return tx
