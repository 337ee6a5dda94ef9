"""What may meet a set of watches? Keys that tell at a glance which transactions and blocks deserve a closer look.

A key is a hash of a txid, an outpoint or a script. Equal keys are a reason to look, never a match: `find_matches`
decides. An input does not say which script it spends; most kinds show it by what they reveal (`shown_scripts`).
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from hashlib import sha256

from lnpd.chain.interface import Watch, WatchOutpoint, WatchScript, WatchTxid
from lnpd.chain.transaction import Block, Input, Transaction
from lnpd.tx.script import hash160


def shown_scripts(spent: Input) -> tuple[bytes, ...]:
    """The scriptPubKeys that an input can be spending, by what it reveals; none for a key path of taproot."""
    if spent.script_sig:
        revealed = hash160(_last_push(spent.script_sig))
        return b"\xa9\x14" + revealed + b"\x87", b"\x76\xa9\x14" + revealed + b"\x88\xac"
    if not spent.witness:
        return ()
    last = spent.witness[-1]
    by_script = b"\x00\x20" + sha256(last).digest()
    if len(spent.witness) == 2 and len(last) == 33:
        return by_script, b"\x00\x14" + hash160(last)
    return (by_script,)


def shows_itself(script: bytes) -> bool:
    """Whether `shown_scripts` of every input that spends this script holds it (BIP 141 and 16, and P2PKH)."""
    length = len(script)
    return (
        (length, script[:2]) in ((22, b"\x00\x14"), (34, b"\x00\x20"))
        or (length == 23 and script[:2] == b"\xa9\x14" and script[-1:] == b"\x87")
        or (length == 25 and script[:3] == b"\x76\xa9\x14" and script[-2:] == b"\x88\xac")
    )


def _last_push(script_sig: bytes) -> bytes:
    """The last item that a scriptSig of pushes leaves; nothing if it is not made of pushes."""
    item, at = b"", 0
    while at < len(script_sig):
        opcode = script_sig[at]
        at += 1
        if opcode <= 75:
            length, size = opcode, 0
        elif opcode <= 78:
            size = 1 << (opcode - 76)
            length = int.from_bytes(script_sig[at : at + size], "little")
        else:
            length, size = 0, 0
        item = script_sig[at + size : at + size + length]
        at += size + length
    return item


def keys_of(tx: Transaction) -> Iterator[int]:
    """The keys of everything in a transaction that a watch can meet, hidden scripts of inputs excepted."""
    yield hash(tx.txid)
    for spent in tx.inputs:
        yield hash(spent.point)
        yield from map(hash, shown_scripts(spent))
    for output in tx.outputs:
        yield hash(output.script)


def key_of(watch: Watch) -> int:
    """The key that a transaction must have to meet a watch."""
    match watch:
        case WatchTxid(txid):
            return hash(txid)
        case WatchOutpoint(outpoint):
            return hash((outpoint.txid, outpoint.index))
        case WatchScript(script):
            return hash(script)


class Digest:
    """The keys of a block, sorted, 8 bytes each: a recent block is not read again for watches that it cannot meet."""

    __slots__ = ("_keys", "previous", "time_seconds")

    def __init__(self, block: Block) -> None:
        self.previous, self.time_seconds = block.previous, block.time_seconds
        self._keys = array("q", sorted({key for tx in block.transactions for key in keys_of(tx)}))

    def may_meet(self, keys: Iterable[int]) -> bool:
        """Whether one of these keys is in the block."""
        mine, end = self._keys, len(self._keys)
        for key in keys:
            at = bisect_left(mine, key)
            if at < end and mine[at] == key:
                return True
        return False


class Watched:
    """A set of watches. `hidden` counts the scripts whose spending does not show them."""

    def __init__(self, watches: Iterable[Watch] = ()) -> None:
        self.all: set[Watch] = set()
        self.keys: set[int] = set()
        self.scripts: set[bytes] = set()
        self.hidden: set[bytes] = set()
        self.add(watches)

    def add(self, watches: Iterable[Watch]) -> None:
        """More of them."""
        for watch in watches:
            self.all.add(watch)
            self.keys.add(key_of(watch))
            if isinstance(watch, WatchScript):
                self.scripts.add(watch.script)
                if not shows_itself(watch.script):
                    self.hidden.add(watch.script)

    def remove(self, watches: Iterable[Watch]) -> None:
        """Fewer of them."""
        for watch in watches:
            if watch in self.all:
                self.all.remove(watch)
                self.keys.discard(key_of(watch))
                if isinstance(watch, WatchScript):
                    self.scripts.discard(watch.script)
                    self.hidden.discard(watch.script)

    def may_meet(self, digest: Digest) -> bool:
        """Whether a block must be looked at."""
        return bool(self.hidden) or digest.may_meet(self.keys)

    def may_be_spent_by(self, tx: Transaction) -> bool:
        """Whether a transaction seems to spend one of the scripts."""
        return any(not self.scripts.isdisjoint(shown_scripts(spent)) for spent in tx.inputs) if self.scripts else False
