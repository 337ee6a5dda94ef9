"""What do blocks and the mempool do to the wallet?

The service behind its ChainFollower: it watches every script that was given out or paid and the gap after them, and
stores what happened to them together with the cursor.
"""

from __future__ import annotations

import logging
from typing import Final

from lnpd.chain.interface import BlockRef, ChainBackend, ChainDelta, Outcome, Watch, WatchScript
from lnpd.services.chain.follow import Past, Wanted
from lnpd.services.wallet.birth import keep_birth_height
from lnpd.services.wallet.ledger import connect, disconnect, see
from lnpd.services.wallet.rows import WalletRows
from lnpd.services.wallet.scripts import BRANCHES
from lnpd.store.read import Read
from lnpd.store.store import Store
from lnpd.store.write import Write

log = logging.getLogger("lnpd.wallet")

NO_PAST_HEIGHT: Final = 1 << 31
REORGANISED_BLOCKS: Final = 12
"""So many blocks may be undone under what was settled."""


class WalletChain:
    """A chainfollow.Service. `birth_height` is where the past of a new database is read from; None: it has none.

    Once that is read, the past of a new address begins where the wallet was settled last: before, nobody could pay to
    it, unless another wallet has the same seed; then this is an older copy, whose last settled block lies behind.
    """

    name = "the wallet"

    def __init__(self, store: Store, backend: ChainBackend, rows: WalletRows, birth_height: int | None) -> None:
        self._store, self._backend, self._rows, self._scripts = store, backend, rows, rows.scripts
        self._birth_height = birth_height
        self._refusals: dict[bytes, str] = {}

    def cursor(self, read: Read) -> BlockRef | None:
        """The last block whose effects are stored."""
        return self._rows.cursor(read)

    def wanted(self, read: Read) -> Wanted:
        """Every script that was given out or paid, and the gap after them."""
        window = self._rows.derive(read, self._rows.ledger(read))
        scanned = self._rows.numbers(read, b"scanned")
        watches: set[Watch] = set()
        fresh: set[Watch] = set()
        for branch in BRANCHES:
            for number in range(window.of(branch)):
                watch = WatchScript(self._scripts.script(branch, number))
                watches.add(watch)
                if number >= scanned.of(branch):
                    fresh.add(watch)
        settled = self._rows.settled(read)
        birth = NO_PAST_HEIGHT if self._birth_height is None else self._birth_height
        start = birth if settled is None else max(0, settled - REORGANISED_BLOCKS)
        return Wanted(frozenset(watches), frozenset(fresh), start)

    def take(self, write: Write, delta: ChainDelta) -> None:
        """Stores what blocks and the mempool did."""
        write.point("wallet-followed")
        before = self._rows.entries(write)
        entries = disconnect(before, frozenset(block.hash for block in delta.disconnected))
        entries = connect(entries, delta.connected)
        if not delta.more:
            entries = see(entries, delta.mempool, True)
        self._rows.change_entries(write, before, entries)
        self._settle(write, delta.end)
        self._rows.set_cursor(write, delta.end)

    def _settle(self, write: Write, end: BlockRef) -> None:
        """Remembers the last block, if all that had a past was known there."""
        cursor = self._rows.cursor(write)
        if cursor is None:
            if self._birth_height is None:
                self._rows.set_settled(write, end)
        elif not self.wanted(write).fresh:
            self._rows.set_settled(write, cursor)

    def learn(self, write: Write, past: Past) -> None:
        """Stores what the past did to new addresses."""
        write.point("wallet-past-read")
        before = self._rows.entries(write)
        self._rows.change_entries(write, before, see(connect(before, past.connected), past.mempool, False))
        scanned = self._rows.numbers(write, b"scanned")
        for branch in BRANCHES:
            while WatchScript(self._scripts.script(branch, scanned.of(branch))) in past.watches:
                scanned = scanned.at_least(branch, scanned.of(branch) + 1)
        self._rows.set_numbers(write, b"scanned", scanned)

    def forget_past(self, write: Write, from_height: int) -> None:
        """As if no address had been looked for yet: the past is read from a height on."""
        write.point("wallet-rescanned")
        self._birth_height = from_height
        keep_birth_height(write, from_height)
        self._rows.unsettle(write)

    async def caught_up(self, tip: BlockRef, moved: bool) -> None:
        """Broadcasts again what the wallet sent and nobody has."""
        for txid, entry in (await self._store.read(self._rows.entries)).items() if moved else ():
            if entry.is_sent and entry.is_pending:
                result = await self._backend.broadcast((entry.tx.serialise(),))
                if result.outcome is Outcome.REFUSED and self._refusals.get(txid) != result.reason:
                    self._refusals[txid] = result.reason
                    log.warning("the payment %s is refused: %s", txid[::-1].hex(), result.reason)
