"""What happened to watches since a block, or from a height on, when a server knows scripts alone?

An outpoint is followed by the script of its output, a transaction by the script of its first output that can be spent:
the histories of these scripts hold what spends the one and confirms the other. As long as nobody knows the transaction
there is no script; it is asked for again each time.

An answer counts if the server stands at one tip from before the first question to after the last one. Nothing that a
notification says is believed by itself: every history is compared at every question.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Final, TypeVar

from lnpd.chain.electrum.client import gather
from lnpd.chain.electrum.follower import Follower
from lnpd.chain.electrum.ledger import Item, Ledger, heights_in
from lnpd.chain.index import Coin, find_matches, is_spendable
from lnpd.chain.interface import (
    MAX_BLOCKS_A_DELTA,
    BlockRef,
    ChainDelta,
    ConnectedBlock,
    Match,
    Watch,
    WatchOutpoint,
    WatchScript,
    WatchTxid,
)
from lnpd.chain.transaction import Point, Transaction
from lnpd.errors import ElectrumBusy, ElectrumFault, ElectrumMisbehaves

ATTEMPTS: Final = 12
PAUSE_SECONDS: Final = 0.25

T = TypeVar("T")


class Found:
    """What the histories of some watches tell: every item's height (0: unconfirmed), and the scripts' own items."""

    def __init__(self, watches: frozenset[Watch], histories: dict[bytes, tuple[Item, ...]]) -> None:
        self.watches = watches
        self.heights = heights_in(item for items in histories.values() for item in items)
        watched = {watch.script for watch in watches if isinstance(watch, WatchScript)}
        self.payers = {item.txid for script in watched for item in histories.get(script, ())}
        """What may have made a coin of a watched script."""

    def between(self, first: int, last: int) -> dict[bytes, int]:
        """What is confirmed from one height to another, and where."""
        return {txid: height for txid, height in self.heights.items() if first <= height <= last}

    @property
    def waiting(self) -> list[bytes]:
        """What is unconfirmed."""
        return [txid for txid, height in self.heights.items() if not height]


class View:
    """The chain as watches see it."""

    def __init__(self, follower: Follower, ledger: Ledger) -> None:
        self._follower, self._headers, self._ledger = follower, follower.headers, ledger
        self._scripts: dict[Watch, bytes] = {}

    def forget(self, watches: Iterable[Watch], left: Iterable[Watch]) -> None:
        """Nobody watches these any more; others are left."""
        gone = {self._script_now(watch) for watch in watches} - {self._script_now(watch) for watch in left}
        for watch in watches:
            self._scripts.pop(watch, None)
        self._ledger.forget(script for script in gone if script is not None)

    async def since(self, block: BlockRef, watches: frozenset[Watch]) -> ChainDelta:
        """What happened to the watches since a block. Raises UnknownBlock, ElectrumBusy."""

        async def answer(tip: BlockRef) -> ChainDelta:
            left, fork = self._headers.fork(block)
            last = min(tip.height, fork.height + MAX_BLOCKS_A_DELTA)
            found = await self._find(watches, tip)
            met = await self._connected(found, found.between(fork.height + 1, last))
            refs = [self._headers.ref(height) for height in range(fork.height + 1, last + 1)]
            connected = tuple(ConnectedBlock(ref, met.get(ref.height, ())) for ref in refs)
            return await self._delta(left, connected, last, tip, found)

        return await self.steadily(answer)

    async def scan(self, watches: frozenset[Watch], from_height: int) -> ChainDelta:
        """What happened to some watches from a height on. Raises ElectrumBusy."""

        async def answer(tip: BlockRef) -> ChainDelta:
            found = await self._find(watches, tip)
            places = found.between(max(from_height, 1), tip.height)
            heights = sorted(set(places.values()))
            last = heights[MAX_BLOCKS_A_DELTA - 1] if len(heights) > MAX_BLOCKS_A_DELTA else tip.height
            met = await self._connected(found, {txid: each for txid, each in places.items() if each <= last})
            connected = tuple(ConnectedBlock(self._headers.ref(each), met[each]) for each in sorted(met) if met[each])
            return await self._delta((), connected, last, tip, found)

        return await self.steadily(answer)

    async def waiting(self, watches: frozenset[Watch]) -> tuple[Match, ...]:
        """What is unconfirmed and meets some watches, as a hint."""
        return await self._waiting(await self._found(watches))

    async def steadily(self, answer: Callable[[BlockRef], Awaitable[T]]) -> T:
        """An answer during which the server stood at one tip. Raises ElectrumBusy, or what the answer raises."""
        why: Exception = ElectrumBusy("The Electrum server's chain does not stand still.")
        for attempt in range(ATTEMPTS):
            if attempt:
                await asyncio.sleep(PAUSE_SECONDS)
            try:
                tip = await self._follower.settle()
                found = await answer(tip)
                if await self._follower.stands(tip) and self._headers.tip == tip:
                    return found
            except (ElectrumMisbehaves, ElectrumFault, ElectrumBusy) as error:
                why = error  # in the midst of a reorganisation nothing fits
        raise why

    # --- finding

    async def _find(self, watches: frozenset[Watch], tip: BlockRef) -> Found:
        found = await self._found(watches)
        if any(height > tip.height for height in found.heights.values()):
            raise ElectrumBusy("The Electrum server knows of blocks that it does not announce yet.")
        return found

    async def _found(self, watches: frozenset[Watch]) -> Found:
        scripts = await gather([self._script(watch) for watch in watches])
        return Found(watches, await self._ledger.histories({script for script in scripts if script is not None}))

    def _script_now(self, watch: Watch) -> bytes | None:
        return watch.script if isinstance(watch, WatchScript) else self._scripts.get(watch)

    async def _script(self, watch: Watch) -> bytes | None:
        """The script by which a watch can be followed; None as long as nobody knows."""
        script = self._script_now(watch)
        if script is not None:
            return script
        match watch:
            case WatchOutpoint(outpoint):
                tx = (await self._ledger.get([outpoint.txid])).get(outpoint.txid)
                script = tx.outputs[outpoint.index].script if tx and outpoint.index < len(tx.outputs) else None
            case WatchTxid(txid):
                tx = (await self._ledger.get([txid])).get(txid)
                script = await self.script_of(tx) if tx else None
        if script is not None:
            self._scripts[watch] = script
        return script

    async def script_of(self, tx: Transaction) -> bytes | None:
        """A script in whose history a transaction is: that of an output, or of what it spends."""
        for output in tx.outputs:
            if is_spendable(output.script):
                return output.script
        txid, index = tx.inputs[0].point
        spent = (await self._ledger.get([txid])).get(txid)
        return spent.outputs[index].script if spent and index < len(spent.outputs) else None

    # --- matching

    async def _connected(self, found: Found, places: dict[bytes, int]) -> dict[int, tuple[Match, ...]]:
        """What met the watches, by height, in the order of each block."""
        positions = await gather([self._ledger.place(txid, height) for txid, height in places.items()])
        whole = await self._ledger.get(places)
        if len(whole) < len(places):
            raise ElectrumMisbehaves("The Electrum server has no transaction that is in a history of its own.")
        met: dict[int, tuple[Match, ...]] = {}
        for (txid, height), position in sorted(zip(places.items(), positions, strict=True), key=_position):
            matches = await self._matches(whole[txid], found, position)
            met[height] = (*met.get(height, ()), *matches)
        return met

    async def _matches(self, tx: Transaction, found: Found, position: int | None) -> tuple[Match, ...]:
        spent: dict[Point, Coin] = {}
        payers = await self._ledger.get({used.point[0] for used in tx.inputs} & found.payers)
        for txid, index in (used.point for used in tx.inputs if used.point[0] in payers):
            if index < len(payers[txid].outputs):
                output = payers[txid].outputs[index]
                spent[(txid, index)] = Coin(output.value_sat, output.script, None)
        return tuple(find_matches(tx, spent, found.watches, position))

    async def _waiting(self, found: Found) -> tuple[Match, ...]:
        whole = await self._ledger.get(found.waiting)
        return tuple([match for tx in whole.values() for match in await self._matches(tx, found, None)])

    async def _delta(
        self,
        left: tuple[BlockRef, ...],
        connected: tuple[ConnectedBlock, ...],
        last: int,
        tip: BlockRef,
        found: Found,
    ) -> ChainDelta:
        more = last < tip.height
        waiting = () if more else await self._waiting(found)
        return ChainDelta(left, connected, waiting, self._headers.ref(last), more)


def _position(place: tuple[tuple[bytes, int], int]) -> int:
    return place[1]
