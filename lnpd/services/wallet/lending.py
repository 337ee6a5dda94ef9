"""What of the wallet does a plugin spend?

    fund --------> coins are reserved for a time; a PSBT to be completed, by others too. A fee that a channel's close
                   needs takes them back if nothing else pays it
    sign --------> the cost is charged to the plugin's day, stored, and only then signed
    send --------> signed, and the wallet's own from then on: broadcast until it is confirmed, or until the plugin sends
                   another in its place, with a higher fee

The cost is what leaves the wallet: its coins less what comes back to it, whoever gets the rest as an output or as fee.
A day is the last 24 hours of the host's clock. What was charged stays charged, whatever becomes of the transaction: the
signature is out. Of transactions that spend the same coins the dearest counts.
"""

import secrets
from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec.structs import replace

from lnpd.errors import (
    BroadcastRefused,
    CoinHeld,
    CoinNotReserved,
    InsufficientFunds,
    NoSuchReservation,
    PsbtIncomplete,
    PsbtUnfit,
    SignerRefused,
    SpendLimitReached,
    TooManyReservations,
)
from lnpd.services.interfaces import Signer
from lnpd.services.onchain import Funded, Outpoint, WalletCoin
from lnpd.services.wallet.ledger import Entries, Entry, Ledger
from lnpd.services.wallet.psbt import from_psbt, read_psbt, read_witnesses, to_psbt, unsigned
from lnpd.services.wallet.rows import Held
from lnpd.services.wallet.select import modest_fee_sat, require_modest, require_relayable, select
from lnpd.services.wallet.service import MIN_FEERATE_PER_KW, Wallet
from lnpd.store.codec import decode, encode
from lnpd.store.read import Read
from lnpd.store.store import Store
from lnpd.store.write import Write
from lnpd.tx.transaction import Tx, TxOut

DAY_SECONDS: Final = 86_400
MAX_HOLD_SECONDS: Final = 86_400
SIGNED_SECONDS: Final = 14 * DAY_SECONDS
"""Coins that were signed away stay reserved so long: others may have the signature."""
MAX_HELD: Final = 20
MAX_OUTPUTS: Final = 100
CHARGED: Final = "wallet-charged"


Providers = frozenset[str]
"""Of the plugin: what is held for one of them is the plugin's to spend."""


class Charge(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a transaction of a plugin costs at most, or one in whose place it may come to stand, which of the wallet's
    coins it spends, and when it was signed."""

    unix_seconds: int
    cost_sat: int
    points: tuple[Outpoint, ...] = ()

    def gives_way(self, points: set[Outpoint]) -> bool:
        """To a transaction that spends these coins: the two can never both be confirmed, nor anything that this charge
        stands for and the other."""
        return bool(self.points) and points.issuperset(self.points)


class Lent(msgspec.Struct, frozen=True):
    """A PSBT with reserved coins: where in it the outputs are that were asked for, and what comes back."""

    reservation: bytes
    psbt: bytes
    vouts: tuple[int, ...]
    fee_sat: int
    change_sat: int


class Signed(msgspec.Struct, frozen=True):
    """A PSBT with the wallet's signatures; what it costs the wallet."""

    psbt: bytes
    txid: bytes
    cost_sat: int


class Asked(msgspec.Struct, frozen=True):
    """A PSBT that was read: which of its inputs are the wallet's, and what leaves the wallet."""

    psbt: bytes
    tx: Tx
    coins: dict[int, WalletCoin]
    cost_sat: int
    back_sat: int


class Lending:
    """The wallet's coins for plugins, each within its limit."""

    def __init__(self, wallet: Wallet, store: Store, signer: Signer) -> None:
        self._wallet, self._store, self._signer, self._rows = wallet, store, signer, wallet.rows

    async def fund(
        self, plugin: str, limit_sat: int, outputs: Sequence[TxOut], feerate_per_kw: int, hold_seconds: int
    ) -> Lent:
        """Coins for these outputs, kept for the plugin. Raises SpendLimitReached, TooManyReservations,
        InsufficientFunds, OutputTooSmall, FeeTooHigh."""
        for output in outputs:
            require_relayable(output)
        async with self._wallet.spending:
            ledger, held = await self._store.read(lambda read: (self._rows.ledger(read), self._rows.held(read)))
            mine = [each for each in held.values() if each.plugin == plugin]
            if len(mine) >= MAX_HELD:
                raise TooManyReservations(f"{plugin} has {MAX_HELD} reservations already: release some, or wait.")
            rate = max(MIN_FEERATE_PER_KW, feerate_per_kw)
            try:
                chosen = select(ledger.spendable(), outputs, rate, self._wallet.reserve_sat())
            except InsufficientFunds as error:
                raise InsufficientFunds(ledger.explained(str(error))) from None
            paid_sat = sum(output.value_sat for output in outputs)
            require_modest(chosen, paid_sat)
            planned_sat = paid_sat + chosen.fee_sat
            spent_sat = await self._store.read(lambda read: self._spent_sat(read, plugin))
            _require(plugin, spent_sat + sum(each.planned_sat for each in mine), planned_sat, limit_sat)
            all_outputs, vouts = list(outputs), list(range(len(outputs)))
            if chosen.change_sat:
                place = secrets.randbelow(len(outputs) + 1)  # its place tells nobody which output is change
                all_outputs.insert(place, TxOut(chosen.change_sat, await self._wallet.next_script()))
                vouts = [vout + (vout >= place) for vout in vouts]
            psbt = to_psbt(unsigned(chosen.coins, all_outputs), chosen.coins, self._wallet.scripts)
            key, points = secrets.token_bytes(8), tuple((coin.txid, coin.vout) for coin in chosen.coins)
            until = int(self._rows.clock()) + min(max(1, hold_seconds), MAX_HOLD_SECONDS)
            await self._store.write(lambda write: self._hold(write, key, Held(plugin, until, planned_sat, points)))
            return Lent(key, psbt, tuple(vouts), chosen.fee_sat, chosen.change_sat)

    async def own_script(self) -> bytes:
        """Where a plugin may pay without its being a cost."""
        return await self._wallet.next_script()

    async def sign(self, plugin: str, limit_sat: int, psbt: bytes, providers: Providers = frozenset()) -> Signed:
        """The wallet's signatures, of coins that are reserved for the plugin, or held for one of its providers. Raises
        PsbtUnfit, CoinNotReserved, CoinHeld, SpendLimitReached, InsufficientFunds, SignerRefused."""
        async with self._wallet.spending:
            return (await self._sign(plugin, limit_sat, psbt, providers))[0]

    async def send(self, plugin: str, limit_sat: int, psbt: bytes, providers: Providers = frozenset()) -> Funded:
        """Signed and broadcast, in the place of what the plugin sent of the same coins before, if that is unconfirmed.
        Raises what `sign` raises, PsbtIncomplete, BroadcastRefused."""
        async with self._wallet.spending:
            others = _final_witnesses(psbt, await self._asked(plugin, psbt, providers))
            signed, asked = await self._sign(plugin, limit_sat, psbt, providers)
            tx = from_psbt(signed.psbt, asked.tx, list(asked.coins.values()), tuple(asked.coins))
            for index, witness in others.items():
                tx = tx.with_witness(index, witness)
            reference = f"{_reference(plugin)}{tx.txid[::-1].hex()}"
            entry = Entry(tx, is_ours=True, is_sent=True, may_change=True, reference=reference)
            older = await self._store.write(lambda write: self._sent(write, plugin, entry, asked))
        sent = Funded(tx.txid, 0, tx, signed.cost_sat)
        try:
            await self._wallet.publish(sent)
        except BroadcastRefused:
            await self._store.write(lambda write: self._stands_again(write, older))
            raise
        return sent

    async def release(self, plugin: str, key: bytes) -> None:
        """The coins are free again, also if they were signed away: then either transaction may win.
        NoSuchReservation."""

        def free(write: Write) -> None:
            write.point("plugin-coins-free")
            found = self._rows.held(write).get(key)
            if found is None or found.plugin != plugin:
                raise NoSuchReservation(f"{plugin} has no reservation {key.hex()[:16]}, or no more.")
            self._rows.hold(write, key, None)

        await self._store.write(free)

    # --- signing; the lock is held

    async def _sign(self, plugin: str, limit_sat: int, psbt: bytes, providers: Providers) -> tuple[Signed, Asked]:
        asked = await self._asked(plugin, psbt, providers)
        before = await self._store.write(lambda write: self._charge(write, plugin, limit_sat, asked))
        await self._wallet.tell_signer()
        paid_sat = sum(output.value_sat for output in asked.tx.outputs)
        try:
            signed = await self._signer.sign_wallet(psbt, modest_fee_sat(paid_sat), ())
        except SignerRefused:
            await self._store.write(lambda write: self._put_charges(write, plugin, before))
            raise
        await self._store.write(lambda write: self._keep_signed(write, asked))
        return Signed(signed, asked.tx.txid, asked.cost_sat), asked

    async def _asked(self, plugin: str, psbt: bytes, providers: Providers) -> Asked:
        tx, spent = read_psbt(psbt)
        ledger, held = await self._store.read(lambda read: (self._rows.ledger(read), self._rows.held(read)))
        mine = {point for each in held.values() if each.plugin == plugin for point in each.points}
        older = ledger.replaced_by(tx, _reference(plugin))
        mine |= {point for each in older.values() if each.is_ours for point in each.inputs()}
        ledger = ledger.felled(older)
        known = {(coin.txid, coin.vout): coin for coin in ledger.coins()}
        mine |= {point for point, coin in known.items() if coin.held_for in providers and not coin.reserved_for}
        coins: dict[int, WalletCoin] = {}
        for index, (each, shown) in enumerate(zip(tx.inputs, spent, strict=True)):
            point = (each.txid, each.vout)
            if point in mine and point in known:
                coins[index] = known[point]
                if shown != TxOut(known[point].value_sat, known[point].script_pubkey):
                    raise PsbtUnfit(f"Input {index} does not say what the coin is that it spends.")
            elif point in known and known[point].held_for not in ("", *providers):
                raise CoinHeld(f"Input {index} is held for {known[point].held_for}, and not for {plugin}.")
            elif point in known or self._wallet.scripts.path(shown.script_pubkey) is not None:
                raise CoinNotReserved(f"Input {index} is the wallet's, and not reserved for {plugin}: fund_psbt does.")
        if not coins:
            raise CoinNotReserved(f"No input is a coin that is reserved for {plugin}, or held: fund_psbt reserves.")
        is_ours = self._wallet.scripts.path
        back_sat = sum(output.value_sat for output in tx.outputs if is_ours(output.script_pubkey) is not None)
        cost_sat = max(0, sum(coin.value_sat for coin in coins.values()) - back_sat)
        if not all(coin.held_for for coin in coins.values()):
            self._require_reserve(ledger, tx, back_sat)
        return Asked(psbt, tx, coins, cost_sat, back_sat)

    def _require_reserve(self, ledger: Ledger, tx: Tx, back_sat: int) -> None:
        spent = {(each.txid, each.vout) for each in tx.inputs}  # free again if what was sent of them before is replaced
        left = (coin for coin in ledger.spendable() if (coin.txid, coin.vout) not in spent)
        left_sat = sum(coin.value_sat for coin in left) + back_sat
        if left_sat < self._wallet.reserve_sat():
            raise InsufficientFunds(
                f"The wallet would be left with {left_sat:,} sat; {self._wallet.reserve_sat():,} are kept in reserve."
            )

    # --- rows

    async def spent_sat(self, plugin: str) -> int:
        """What a plugin was charged in the last day."""
        return await self._store.read(lambda read: self._spent_sat(read, plugin))

    def _spent_sat(self, read: Read, plugin: str) -> int:
        """What was charged in the last day."""
        return sum(each.cost_sat for each in self._charges(read, plugin).values())

    def _charges(self, read: Read, plugin: str) -> dict[bytes, Charge]:
        """Those of the last day."""
        since = self._rows.clock() - DAY_SECONDS
        rows = read.values(CHARGED, _prefix(plugin))
        charges = {key: decode(value, Charge, table=CHARGED, key=key) for key, value in rows}
        return {key: each for key, each in charges.items() if each.unix_seconds > since}

    def _charge(self, write: Write, plugin: str, limit_sat: int, asked: Asked) -> dict[bytes, Charge]:
        """What was charged before. Of what was charged for the same coins, whose signatures may be out, the dearest
        counts."""
        write.point("plugin-spend-charged")
        before, points = self._charges(write, plugin), _points(asked)
        kept = {key: each for key, each in before.items() if not each.gives_way(points)}
        spent_sat = sum(each.cost_sat for each in kept.values())
        _require(plugin, spent_sat, asked.cost_sat, limit_sat)
        replaced_sat = sum(each.cost_sat for each in before.values()) - spent_sat
        charge = Charge(int(self._rows.clock()), max(asked.cost_sat, replaced_sat), tuple(sorted(points)))
        self._put_charges(write, plugin, {**kept, _prefix(plugin) + asked.tx.txid: charge})
        return before

    def _put_charges(self, write: Write, plugin: str, charges: dict[bytes, Charge]) -> None:
        for key, _ in write.values(CHARGED, _prefix(plugin)):
            if key not in charges:
                write.delete_value(CHARGED, key)
        for key, charge in charges.items():
            write.put_value(CHARGED, key, encode(charge))

    def _keep_signed(self, write: Write, asked: Asked) -> None:
        write.point("plugin-coins-held")
        until, points = int(self._rows.clock()) + SIGNED_SECONDS, _points(asked)
        for key, held in self._rows.held(write).items():
            if points & set(held.points):
                self._rows.hold(write, key, replace(held, until_unix_seconds=until, planned_sat=0))

    def _hold(self, write: Write, key: bytes, held: Held) -> None:
        write.point("plugin-coins-held")
        if not self._rows.ledger(write).are_free(held.points):
            raise InsufficientFunds("A block has just taken one of the coins: ask again.")
        self._rows.hold(write, key, held)

    def _sent(self, write: Write, plugin: str, entry: Entry, asked: Asked) -> Entries:
        """What it stands in the place of. CoinNotReserved if a block was faster."""
        write.point("plugin-psbt-sent")
        before = self._rows.ledger(write)
        older = before.replaced_by(entry.tx, _reference(plugin))
        left = before.felled(older)
        if not _points(asked) <= {(coin.txid, coin.vout) for coin in left.coins()}:
            raise CoinNotReserved("A block has just taken one of the coins: what was sent before is confirmed.")
        self._rows.let_go(write, set(entry.inputs()))
        self._rows.change_entries(write, before.entries, {**left.entries, entry.tx.txid: entry})
        return older

    def _stands_again(self, write: Write, older: Entries) -> None:
        """What a refused transaction was to replace, unless a block has decided meanwhile."""
        write.point("wallet-version-back")
        entries = self._rows.entries(write)
        spent = {point for entry in entries.values() if entry.height is not None for point in entry.inputs()}
        back = {txid: entry for txid, entry in older.items() if spent.isdisjoint(entry.inputs())}
        self._rows.change_entries(write, entries, {**entries, **back})


def _reference(plugin: str) -> str:
    """How the references of a plugin's transactions begin."""
    return f"plugin {plugin} "


def _prefix(plugin: str) -> bytes:
    return plugin.encode() + b"/"


def _points(asked: Asked) -> set[Outpoint]:
    return {(coin.txid, coin.vout) for coin in asked.coins.values()}


def _require(plugin: str, spent_sat: int, more_sat: int, limit_sat: int) -> None:
    if spent_sat + more_sat > limit_sat:
        raise SpendLimitReached(
            f"{plugin} would spend {more_sat:,} sat; of {limit_sat:,} a day {spent_sat:,} are spent or reserved. Start"
            f" lnpd with --grant {plugin}=spend:SAT to allow more."
        )


def _final_witnesses(psbt: bytes, asked: Asked) -> dict[int, tuple[bytes, ...]]:
    """The witness of each input that is not the wallet's. PsbtIncomplete."""
    found = read_witnesses(psbt)
    for index in range(len(asked.tx.inputs)):
        if index not in asked.coins and not found.get(index):
            raise PsbtIncomplete(f"Input {index} is not the wallet's and has no final witness.")
    return {index: witness for index, witness in found.items() if index not in asked.coins}
