"""What does the wallet own, given the transactions that it knows?

Pure. The truth is the set of transactions, each with its place in the chain; coins, balances and history follow from
it, so that a block that is undone, or a payment that is replaced, changes one row and nothing has to be corrected.

    pending   we signed it, and nobody has seen it: an opening whose peer has not signed yet
    seen      it is in the mempool
    confirmed a block of the best chain has it

A foreign transaction that leaves the mempool unconfirmed is forgotten. Ours becomes pending again: it stays valid, so
its coins stay reserved until a confirmed transaction spends them or it is released.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

import msgspec
from msgspec.structs import replace

from lnpd.chain.interface import ConnectedBlock, Match
from lnpd.services.onchain import Balance, Outpoint, WalletCoin, WalletPayment
from lnpd.services.wallet.marks import Marks
from lnpd.services.wallet.scripts import Path
from lnpd.tx.transaction import Tx, parse

COINBASE_MATURITY: Final = 100
COINBASE_OUTPOINT: Final[Outpoint] = (bytes(32), 0xFFFFFFFF)


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A transaction of the wallet. `reference`, `vout` and `fee_sat` are of one that we made (`is_ours`); the wallet
    itself broadcasts it if `is_sent`. One that `may_change` may be replaced while it is not confirmed: nothing is
    built on it."""

    tx: Tx
    height: int | None = None
    block_hash: bytes = b""
    position: int = 0
    is_seen: bool = False
    is_ours: bool = False
    is_sent: bool = False
    may_change: bool = False
    reference: str = ""
    vout: int = 0
    fee_sat: int | None = None

    @property
    def is_pending(self) -> bool:
        """Whether we made it and nobody has seen it."""
        return self.is_ours and self.height is None and not self.is_seen

    @property
    def is_coinbase(self) -> bool:
        """Whether it makes new coins."""
        return (self.tx.inputs[0].txid, self.tx.inputs[0].vout) == COINBASE_OUTPOINT

    def inputs(self) -> Iterator[Outpoint]:
        """What it spends."""
        return ((each.txid, each.vout) for each in self.tx.inputs)


Entries = dict[bytes, Entry]
"""The transactions of a wallet by txid."""


class Ledger:
    """Answers about some entries. `path_of` says where a script is ours; `height` is the best chain's; `held` are coins
    that are kept for somebody without a transaction, and for whom; `marks` say which are held for a plugin."""

    def __init__(
        self,
        entries: Entries,
        path_of: Callable[[bytes], Path | None],
        height: int,
        held: Mapping[Outpoint, str] | None = None,
        marks: Marks | None = None,
    ) -> None:
        self.entries, self.height, self._held, self._marks = entries, height, held or {}, marks or Marks()
        self._path_of = path_of
        # A released funding may yet be broadcast beside the one that reserved its coins anew: what was seen counts.
        pending_first = sorted(entries.items(), key=lambda each: not each[1].is_pending)
        self._spender = {point: txid for txid, entry in pending_first for point in entry.inputs()}

    def coins(self) -> list[WalletCoin]:
        """Outputs that are ours and not spent, or spent by a pending transaction only; oldest first."""
        coins = []
        for coin in self._outputs():
            spender = self._spender.get((coin.txid, coin.vout))
            if spender is None:
                holder = self._held.get((coin.txid, coin.vout))
                coins.append(replace(coin, reserved_for=holder) if holder else coin)
            elif self.entries[spender].is_pending:
                coins.append(replace(coin, reserved_for=self.entries[spender].reference))
        return sorted(coins, key=lambda coin: (coin.height is None, coin.height or 0, coin.txid, coin.vout))

    def spendable(self) -> list[WalletCoin]:
        """The coins that a new transaction may spend: confirmed and mature ones, then change of ours that was seen."""
        return [coin for coin in self.coins() if _is_at_hand(coin) and self._may_spend(coin)]

    def _may_spend(self, coin: WalletCoin) -> bool:
        entry = self.entries[coin.txid]
        if entry.height is None:
            return entry.is_ours and entry.is_seen and not entry.may_change
        return self._is_mature(entry)

    def _is_mature(self, entry: Entry) -> bool:
        return not entry.is_coinbase or entry.height is None or self.height + 1 - entry.height >= COINBASE_MATURITY

    def balance(self) -> Balance:
        """What is owned, each coin once."""
        sums = dict.fromkeys(msgspec.structs.asdict(Balance()), 0)
        for coin in self.coins():
            sums[self._kind(coin)] += coin.value_sat
        return Balance(**sums)

    def explained(self, what: str) -> str:
        """What is needed, and where the rest of the money is."""
        balance = self.balance()
        elsewhere = (
            (balance.unconfirmed_sat + balance.pending_sat, "unconfirmed"),
            (balance.immature_sat, "of immature coinbases"),
            (balance.reserved_sat, "reserved for openings and plugins"),
            (balance.held_sat, "held for plugins"),
        )
        rest = "".join(f" {amount_sat:,} sat are {kind}." for amount_sat, kind in elsewhere if amount_sat)
        return f"{what} The wallet has {balance.confirmed_sat:,} sat confirmed.{rest}"

    def _kind(self, coin: WalletCoin) -> str:
        entry = self.entries[coin.txid]
        if coin.reserved_for:
            return "reserved_sat"
        if coin.held_for:
            return "held_sat"
        if entry.height is None:
            return "pending_sat" if entry.is_pending else "unconfirmed_sat"
        return "confirmed_sat" if self._is_mature(entry) else "immature_sat"

    def payments(self) -> list[WalletPayment]:
        """Every transaction: unconfirmed ones first, then the newest block's."""
        values = {(coin.txid, coin.vout): coin.value_sat for coin in self._outputs()}
        gained: dict[bytes, int] = dict.fromkeys(self.entries, 0)
        for (txid, _), value_sat in values.items():
            gained[txid] += value_sat
        rows = []
        for txid, entry in self.entries.items():
            spent_sat = [values[point] for point in entry.inputs() if point in values]
            fee_sat = entry.fee_sat
            if fee_sat is None and len(spent_sat) == len(entry.tx.inputs):
                fee_sat = sum(spent_sat) - sum(output.value_sat for output in entry.tx.outputs)
            rows.append(WalletPayment(txid, entry.height, gained[txid] - sum(spent_sat), fee_sat, entry.reference))
        return sorted(rows, key=lambda row: (row.height is not None, -(row.height or 0), row.txid))

    def used(self, branch: int) -> int:
        """How many numbers of a branch there are up to the last one that was ever paid."""
        return max((coin.number + 1 for coin in self._outputs() if coin.branch == branch), default=0)

    def by_reference(self, reference: str) -> Entry | None:
        """The transaction that we made for somebody."""
        return next((entry for entry in self.entries.values() if entry.is_ours and entry.reference == reference), None)

    def versions(self, reference: str, tx: Tx) -> Entries:
        """The unconfirmed transactions in whose place a new one of this reference stands: those that were made under
        it, and what else of them the mempool still shows, which spends the same that `tx` does."""
        points = {(each.txid, each.vout) for each in tx.inputs}
        return {
            txid: entry
            for txid, entry in self.entries.items()
            if entry.height is None
            and (
                entry.reference == reference if entry.may_change else not entry.is_ours and points & set(entry.inputs())
            )
        }

    def replaced_by(self, tx: Tx, reference: str) -> Entries:
        """The other unconfirmed transactions that spend what `tx` does, and may give way to it: those of ours whose
        reference begins so, and what the mempool shows without our knowing whose it is."""
        points = {(each.txid, each.vout) for each in tx.inputs}
        return {
            txid: entry
            for txid, entry in self.entries.items()
            if entry.height is None and txid != tx.txid and not points.isdisjoint(entry.inputs())
            if not entry.is_ours or entry.reference.startswith(reference)
        }

    def felled(self, txids: Iterable[bytes]) -> Ledger:
        """As if these transactions did not exist, nor what is built on them."""
        return self._of(_without(self.entries, self.entries.keys() - set(txids)))

    def without(self, txids: Iterable[bytes]) -> Ledger:
        """As if these transactions did not exist."""
        left = set(txids)
        return self._of({t: e for t, e in self.entries.items() if t not in left})

    def _of(self, entries: Entries) -> Ledger:
        return Ledger(entries, self._path_of, self.height, self._held, self._marks)

    def fee_coins(self, older: Entries) -> list[WalletCoin]:
        """What may pay a fee in the place of these versions: confirmed coins, our change that is in the mempool, and
        what is held for somebody without a transaction: a fee that is needed to close a channel safely comes first.

        Who replaces the transaction of such change drops what is built on it, which then is made anew. A replacement
        adds no such change (BIP 125, rule 2), and nothing is paid with what came of it.
        """
        left = self.felled(older)
        confirmed = [coin for coin in self.without(older).spendable() if coin.height is not None]
        waiting = [coin for coin in left.coins() if coin.height is None and _is_at_hand(coin)]
        waiting = [c for c in waiting if left.entries[c.txid].is_ours and left.entries[c.txid].is_seen]
        spent = {point for entry in older.values() for point in entry.inputs()}
        stays = {(coin.txid, coin.vout) for coin in (*confirmed, *waiting)} & spent  # or else they fell with a parent
        return [*confirmed, *(c for c in waiting if not stays or (c.txid, c.vout) in stays), *self._lent()]

    def _lent(self) -> list[WalletCoin]:
        """Confirmed coins that are held, and not spent by anything."""
        coins = [c for c in self.coins() if (c.txid, c.vout) in self._held and not c.held_for]
        coins = [c for c in coins if (c.txid, c.vout) not in self._spender]
        return [coin for coin in coins if coin.height is not None and self._may_spend(coin)]

    def are_free(self, points: Iterable[Outpoint]) -> bool:
        """Whether these coins may still be spent."""
        return _are_among(points, self.spendable())

    def are_fee_coins(self, points: Iterable[Outpoint], older: Entries) -> bool:
        """Whether these coins may still pay a fee in the place of these versions."""
        return _are_among(points, self.fee_coins(older))

    def _outputs(self) -> Iterator[WalletCoin]:
        for txid, entry in self.entries.items():
            for vout, output in enumerate(entry.tx.outputs):
                if (path := self._path_of(output.script_pubkey)) is not None:
                    script, coinbase = output.script_pubkey, entry.is_coinbase
                    coin = WalletCoin(txid, vout, output.value_sat, script, *path, entry.height, coinbase)
                    holder = self._marks.holder((txid, vout), script)
                    yield replace(coin, held_for=holder) if holder else coin


def _is_at_hand(coin: WalletCoin) -> bool:
    return not coin.reserved_for and not coin.held_for


def _are_among(points: Iterable[Outpoint], coins: Iterable[WalletCoin]) -> bool:
    return {(coin.txid, coin.vout) for coin in coins}.issuperset(points)


# What changes the entries


def disconnect(entries: Entries, gone: frozenset[bytes]) -> Entries:
    """After blocks left the best chain. What was confirmed there may come back; a coinbase cannot."""
    kept = {}
    for txid, entry in entries.items():
        if entry.height is None or entry.block_hash not in gone:
            kept[txid] = entry
        elif not entry.is_coinbase:
            kept[txid] = replace(entry, height=None, block_hash=b"", position=0, is_seen=True)
    return kept if len(kept) == len(entries) else _without(entries, kept.keys(), kept)


def connect(entries: Entries, blocks: Iterable[ConnectedBlock]) -> Entries:
    """After blocks joined the best chain. What spends the same coins otherwise can never confirm, nor what follows."""
    for block in blocks:
        for match in block.matches:
            known = entries.get(match.txid)
            if known is not None and known.block_hash == block.block.hash:
                continue  # another match of the same transaction
            entry = replace(
                known or Entry(parse(match.transaction)),
                height=block.block.height,
                block_hash=block.block.hash,
                position=match.position or 0,
                is_seen=True,
            )
            spent = set(entry.inputs())
            rivals = {
                txid
                for txid, other in entries.items()
                if txid != match.txid and other.height is None and not spent.isdisjoint(other.inputs())
            }
            entries = {**_without(entries, entries.keys() - rivals), match.txid: entry}
    return entries


def see(entries: Entries, matches: Iterable[Match], is_all: bool) -> Entries:
    """With what waits in the mempool; `is_all` says that nothing else of ours does."""
    waiting = {match.txid: match.transaction for match in matches}
    result = {}
    for txid, entry in entries.items():
        if entry.height is not None:
            result[txid] = entry
        elif txid in waiting or not is_all:
            result[txid] = replace(entry, is_seen=entry.is_seen or txid in waiting)
        elif entry.is_ours:
            result[txid] = replace(entry, is_seen=False)
    for txid, raw in waiting.items():
        if txid not in result:
            result[txid] = Entry(parse(raw), is_seen=True)
    return result


def _without(entries: Entries, keep: Iterable[bytes], values: Entries | None = None) -> Entries:
    """Some entries, less those whose coins are thereby gone: children of what is dropped."""
    kept = set(keep)
    dropped = entries.keys() - kept
    while True:
        orphans = {txid for txid in kept if any(point[0] in dropped for point in entries[txid].inputs())}
        if not orphans:
            return {txid: (values or entries)[txid] for txid in entries if txid in kept}
        kept -= orphans
        dropped |= orphans
