"""What does the wallet keep in the database?

wallet        cursor: the last block whose effects are stored; settled: the last one at which no past was to be read
              given, scanned: how far each branch is
wallet-tx     one row for each transaction, by txid
wallet-held   one row for each set of coins that is kept for a plugin until some time
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

import msgspec

from lnpd.chain.interface import BlockRef
from lnpd.services.onchain import Outpoint
from lnpd.services.wallet.ledger import Entries, Entry, Ledger
from lnpd.services.wallet.marks import stored_marks
from lnpd.services.wallet.scripts import BRANCHES, CHANGE, RECEIVE, WalletScripts
from lnpd.store.codec import decode, encode
from lnpd.store.read import Read
from lnpd.store.write import Write

STATE, TRANSACTIONS, HELD = "wallet", "wallet-tx", "wallet-held"

GAPS: Final = {RECEIVE: 20, CHANGE: 200}
"""So many numbers beyond the last one that was given out or paid are watched, and at most so many unpaid ones in a row
are given out. The change branch also has the scripts of closings, of which many are never paid."""


class Cursor(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The last block whose effects are stored."""

    height: int
    block_hash: bytes


class Numbers(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How many numbers of each branch."""

    receive: int = 0
    change: int = 0

    def of(self, branch: int) -> int:
        """Those of one branch."""
        return self.change if branch == CHANGE else self.receive

    def at_least(self, branch: int, count: int) -> Numbers:
        """The same with no fewer of one branch."""
        count = max(count, self.of(branch))
        return Numbers(self.receive, count) if branch == CHANGE else Numbers(count, self.change)


class Held(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Coins that are kept for a plugin until some time: nobody else spends them. `planned_sat` is what it means to
    spend of them."""

    plugin: str
    until_unix_seconds: int
    planned_sat: int
    points: tuple[Outpoint, ...]


class WalletRows:
    """Reads and writes them. `scripts` finds our scripts; `clock` ends what is kept for a time."""

    def __init__(self, scripts: WalletScripts, clock: Callable[[], float] = time.time) -> None:
        self.scripts, self.clock = scripts, clock

    def cursor(self, read: Read) -> BlockRef | None:
        """The last block whose effects are stored."""
        stored = read.value(STATE, b"cursor")
        if stored is None:
            return None
        cursor = decode(stored, Cursor, table=STATE, key="cursor")
        return BlockRef(cursor.height, cursor.block_hash)

    def set_cursor(self, write: Write, block: BlockRef) -> None:
        """Moves the cursor."""
        write.put_value(STATE, b"cursor", encode(Cursor(block.height, block.hash)))

    def settled(self, read: Read) -> int | None:
        """The last height at which no address had a past to be read; None while there is none."""
        stored = read.value(STATE, b"settled")
        return decode(stored, Cursor, table=STATE, key="settled").height if stored is not None else None

    def set_settled(self, write: Write, block: BlockRef) -> None:
        """Up to this block everything is known, of all addresses that were ever given out."""
        write.put_value(STATE, b"settled", encode(Cursor(block.height, block.hash)))

    def unsettle(self, write: Write) -> None:
        """Of no address the past is known."""
        write.delete_value(STATE, b"settled")
        self.set_numbers(write, b"scanned", Numbers())

    def numbers(self, read: Read, name: bytes) -> Numbers:
        """How far each branch was `given` out, or its past `scanned`."""
        stored = read.value(STATE, name)
        return decode(stored, Numbers, table=STATE, key=name) if stored is not None else Numbers()

    def set_numbers(self, write: Write, name: bytes, numbers: Numbers) -> None:
        """Moves them."""
        write.put_value(STATE, name, encode(numbers))

    def entries(self, read: Read) -> Entries:
        """All transactions."""
        return {txid: decode(value, Entry, table=TRANSACTIONS, key=txid) for txid, value in read.values(TRANSACTIONS)}

    def change_entries(self, write: Write, before: Entries, after: Entries) -> None:
        """Writes what differs."""
        for txid in before.keys() - after.keys():
            write.delete_value(TRANSACTIONS, txid)
        for txid, entry in after.items():
            if before.get(txid) != entry:
                write.put_value(TRANSACTIONS, txid, encode(entry))

    def held(self, read: Read) -> dict[bytes, Held]:
        """What is kept for plugins now."""
        rows = {key: decode(value, Held, table=HELD, key=key) for key, value in read.values(HELD)}
        return {key: each for key, each in rows.items() if each.until_unix_seconds > self.clock()}

    def hold(self, write: Write, key: bytes, held: Held | None) -> None:
        """Keeps coins, or keeps them no more; what has ended meanwhile is forgotten."""
        current = self.held(write)
        for old, _ in write.values(HELD):
            if old not in current:
                write.delete_value(HELD, old)
        if held is None:
            write.delete_value(HELD, key)
        else:
            write.put_value(HELD, key, encode(held))

    def let_go(self, write: Write, points: set[Outpoint]) -> None:
        """Nothing that has one of these coins is kept any more: they are spent."""
        for key, held in self.held(write).items():
            if points & set(held.points):
                self.hold(write, key, None)

    def ledger(self, read: Read) -> Ledger:
        """The wallet as it is stored."""
        cursor = self.cursor(read)
        kept = {point: f"plugin {each.plugin}" for each in self.held(read).values() for point in each.points}
        height = cursor.height if cursor else 0
        ledger = Ledger(self.entries(read), self.scripts.path, height, kept, stored_marks(read))
        self.derive(read, ledger)
        return ledger

    def derive(self, read: Read, ledger: Ledger) -> Numbers:
        """Derives every script that may have been paid; returns how many of each branch these are."""
        given, window = self.numbers(read, b"given"), Numbers()
        for branch in BRANCHES:
            derived = 0
            while derived < (count := max(given.of(branch), ledger.used(branch)) + GAPS[branch]):
                for number in range(derived, count):
                    self.scripts.script(branch, number)
                derived = count
            window = window.at_least(branch, derived)
        return window

    def next_number(self, read: Read, ledger: Ledger, branch: int) -> int:
        """The number to give out: a new one, or the oldest unpaid one if GAPS of them are. None of a channel whose
        money is held for a plugin is given to anybody else."""
        given, used = self.numbers(read, b"given").of(branch), ledger.used(branch)
        if given - used < GAPS[branch]:
            return max(given, used)
        held = stored_marks(read).scripts
        return next((n for n in range(used, given) if self.scripts.script(branch, n) not in held), given)
