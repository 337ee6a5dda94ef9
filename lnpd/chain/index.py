"""Which outputs are unspent, and where in the best chain did a transaction, an outpoint or a script occur?

Follows the best chain block by block, forwards and backwards, from the blocks alone. Kept in memory and built again at
each start.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from lnpd.chain.interface import Match, Outpoint, Watch, WatchOutpoint, WatchScript, WatchTxid
from lnpd.chain.transaction import Block, Point, Transaction

OP_RETURN = 0x6A
MAX_SCRIPT_BYTES = 10_000


@dataclass(frozen=True, slots=True)
class Coin:
    """An output that a block made. `height` is None for an output of the mempool."""

    value_sat: int
    script: bytes
    height: int | None
    is_coinbase: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the best chain a transaction is."""

    height: int
    position: int


@dataclass(frozen=True, slots=True)
class _Undo:
    """What a block changed: the coins that it spent, and the scripts that it touched."""

    spent: tuple[tuple[Point, Coin], ...]
    scripts: frozenset[bytes]


class ChainIndex:
    """The unspent outputs and the places of the best chain, whose blocks are connected and disconnected in order."""

    def __init__(self) -> None:
        self.coins: dict[Point, Coin] = {}
        self.places: dict[bytes, Place] = {}
        self._spent_at: dict[Point, int] = {}
        self._script_coins: defaultdict[bytes, set[Point]] = defaultdict(set)
        self._script_heights: defaultdict[bytes, list[int]] = defaultdict(list)
        self._undo: list[_Undo] = []

    @property
    def height(self) -> int:
        """The height of the last connected block (genesis, whose coin nobody can spend, is not indexed)."""
        return len(self._undo)

    def connect(self, block: Block) -> None:
        """The block after the last one joins."""
        height = self.height + 1
        spent: list[tuple[Point, Coin]] = []
        scripts: set[bytes] = set()
        for position, tx in enumerate(block.transactions):
            for used in tx.inputs if position else ():
                coin = self._take(used.point)
                self._spent_at[used.point] = height
                spent.append((used.point, coin))
                scripts.add(coin.script)
            for number, output in enumerate(tx.outputs):
                scripts.add(output.script)
                if is_spendable(output.script):
                    coin = Coin(output.value_sat, output.script, height, position == 0)
                    self._put((tx.txid, number), coin)
            self.places[tx.txid] = Place(height, position)
        for script in scripts:
            self._script_heights[script].append(height)
        self._undo.append(_Undo(tuple(spent), frozenset(scripts)))

    def disconnect(self, block: Block) -> None:
        """The last connected block leaves."""
        undo = self._undo.pop()
        for point, coin in undo.spent:
            del self._spent_at[point]
            self._put(point, coin)
        for tx in block.transactions:  # after the spent coins: one made and spent inside the block goes too
            del self.places[tx.txid]
            for number, output in enumerate(tx.outputs):
                if is_spendable(output.script):
                    self._take((tx.txid, number))
        for script in undo.scripts:
            heights = self._script_heights[script]
            heights.pop()
            if not heights:
                del self._script_heights[script]

    def _put(self, point: Point, coin: Coin) -> None:
        self.coins[point] = coin
        self._script_coins[coin.script].add(point)

    def _take(self, point: Point) -> Coin:
        coin = self.coins.pop(point)
        points = self._script_coins[coin.script]
        points.discard(point)
        if not points:
            del self._script_coins[coin.script]
        return coin

    def unspent(self, script: bytes) -> set[Point]:
        """The unspent outputs that pay to a script."""
        return self._script_coins.get(script, set())

    def heights(self, watch: Watch) -> list[int]:
        """The heights of the best chain at which something met a watch, each once, ascending."""
        match watch:
            case WatchTxid(txid):
                place = self.places.get(txid)
                return [place.height] if place else []
            case WatchOutpoint(Outpoint(txid, number)):
                height = self._spent_at.get((txid, number))
                return [height] if height else []
            case WatchScript(script):
                return self._script_heights.get(script, [])

    def spent_by_block(self, height: int) -> dict[Point, Coin]:
        """The coins that the block at a height of the best chain spent (none for genesis)."""
        return dict(self._undo[height - 1].spent) if height else {}


def is_spendable(script: bytes) -> bool:
    """Whether an output can ever be spent, as Bitcoin Core decides what to keep."""
    return script[:1] != bytes([OP_RETURN]) and len(script) <= MAX_SCRIPT_BYTES


def find_matches(
    tx: Transaction, spent: dict[Point, Coin], watches: frozenset[Watch] | set[Watch], position: int | None
) -> Iterator[Match]:
    """How a transaction meets a set of watches. `spent` holds at least the coins that it spends (a coinbase: none)."""
    if WatchTxid(tx.txid) in watches:
        yield Match(WatchTxid(tx.txid), tx.txid, tx.raw, position)
    for number, used in enumerate(tx.inputs):
        outpoint = WatchOutpoint(Outpoint(*used.point))
        if outpoint in watches:
            yield Match(outpoint, tx.txid, tx.raw, position, input_index=number)
        if (coin := spent.get(used.point)) and WatchScript(coin.script) in watches:
            yield Match(WatchScript(coin.script), tx.txid, tx.raw, position, input_index=number)
    for number, output in enumerate(tx.outputs):
        if WatchScript(output.script) in watches:
            yield Match(WatchScript(output.script), tx.txid, tx.raw, position, output_index=number)
