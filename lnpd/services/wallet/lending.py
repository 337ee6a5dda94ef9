"""What of the wallet does a plugin spend?

    fund --------> coins are reserved for a time; a PSBT to be completed, by others too. A fee that a channel's close
                   needs takes them back if nothing else pays it
    sign --------> the cost is charged to the plugin's day, stored, and only then signed
    send --------> signed, and the wallet's own from then on: broadcast until it is confirmed

The cost is what leaves the wallet: its coins less what comes back to it, whoever gets the rest as an output or as fee.
A day is the last 24 hours of the host's clock. What was charged stays charged, whatever becomes of the transaction: the
signature is out.
"""

import secrets
from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec.structs import replace

from lnpd.errors import (
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
from lnpd.services.wallet.ledger import Entry, Ledger
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
    """What a transaction of a plugin cost, and when it was signed."""

    unix_seconds: int
    cost_sat: int


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

    async def sign(self, plugin: str, limit_sat: int, psbt: bytes, providers: Providers = frozenset()) -> Signed:
        """The wallet's signatures, of coins that are reserved for the plugin, or held for one of its providers. Raises
        PsbtUnfit, CoinNotReserved, CoinHeld, SpendLimitReached, InsufficientFunds, SignerRefused."""
        async with self._wallet.spending:
            return (await self._sign(plugin, limit_sat, psbt, providers))[0]

    async def send(self, plugin: str, limit_sat: int, psbt: bytes, providers: Providers = frozenset()) -> Funded:
        """Signed and broadcast. Raises what `sign` raises, PsbtIncomplete, BroadcastRefused."""
        async with self._wallet.spending:
            others = _final_witnesses(psbt, await self._asked(plugin, psbt, providers))
            signed, asked = await self._sign(plugin, limit_sat, psbt, providers)
            tx = from_psbt(signed.psbt, asked.tx, list(asked.coins.values()), tuple(asked.coins))
            for index, witness in others.items():
                tx = tx.with_witness(index, witness)
            entry = Entry(tx, is_ours=True, is_sent=True, reference=f"plugin {plugin} {tx.txid[::-1].hex()}")
            await self._store.write(lambda write: self._sent(write, entry))
        sent = Funded(tx.txid, 0, tx, signed.cost_sat)
        await self._wallet.publish(sent)
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
            await self._store.write(lambda write: self._uncharge(write, plugin, asked, before))
            raise
        await self._store.write(lambda write: self._keep_signed(write, asked))
        return Signed(signed, asked.tx.txid, asked.cost_sat), asked

    async def _asked(self, plugin: str, psbt: bytes, providers: Providers) -> Asked:
        tx, spent = read_psbt(psbt)
        ledger, held = await self._store.read(lambda read: (self._rows.ledger(read), self._rows.held(read)))
        mine = {point for each in held.values() if each.plugin == plugin for point in each.points}
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
        self._require_reserve(ledger, back_sat)
        return Asked(psbt, tx, coins, cost_sat, back_sat)

    def _require_reserve(self, ledger: Ledger, back_sat: int) -> None:
        left_sat = sum(coin.value_sat for coin in ledger.spendable()) + back_sat
        if left_sat < self._wallet.reserve_sat():
            raise InsufficientFunds(
                f"The wallet would be left with {left_sat:,} sat; {self._wallet.reserve_sat():,} are kept in reserve."
            )

    # --- rows

    async def spent_sat(self, plugin: str) -> int:
        """What a plugin was charged in the last day."""
        return await self._store.read(lambda read: self._spent_sat(read, plugin))

    def _spent_sat(self, read: Read, plugin: str, but: bytes = b"") -> int:
        """What was charged in the last day, but for one transaction."""
        since = self._rows.clock() - DAY_SECONDS
        rows = read.values(CHARGED, _prefix(plugin))
        charges = {key: decode(value, Charge, table=CHARGED, key=key) for key, value in rows}
        return sum(
            each.cost_sat for key, each in charges.items() if each.unix_seconds > since and key != _prefix(plugin) + but
        )

    def _charge(self, write: Write, plugin: str, limit_sat: int, asked: Asked) -> bytes | None:
        """What was charged for the same transaction before: its signature may be out."""
        write.point("plugin-spend-charged")
        key = _prefix(plugin) + asked.tx.txid
        before = write.value(CHARGED, key)
        _require(plugin, self._spent_sat(write, plugin, asked.tx.txid), asked.cost_sat, limit_sat)
        since = self._rows.clock() - DAY_SECONDS
        for old, value in write.values(CHARGED, _prefix(plugin)):
            if decode(value, Charge, table=CHARGED, key=old).unix_seconds <= since:
                write.delete_value(CHARGED, old)
        write.put_value(CHARGED, key, encode(Charge(int(self._rows.clock()), asked.cost_sat)))
        return before

    def _keep_signed(self, write: Write, asked: Asked) -> None:
        write.point("plugin-coins-held")
        until, points = int(self._rows.clock()) + SIGNED_SECONDS, _points(asked)
        for key, held in self._rows.held(write).items():
            if points & set(held.points):
                self._rows.hold(write, key, replace(held, until_unix_seconds=until, planned_sat=0))

    def _uncharge(self, write: Write, plugin: str, asked: Asked, before: bytes | None) -> None:
        key = _prefix(plugin) + asked.tx.txid
        if before is None:
            write.delete_value(CHARGED, key)
        else:
            write.put_value(CHARGED, key, before)

    def _hold(self, write: Write, key: bytes, held: Held) -> None:
        write.point("plugin-coins-held")
        if not self._rows.ledger(write).are_free(held.points):
            raise InsufficientFunds("A block has just taken one of the coins: ask again.")
        self._rows.hold(write, key, held)

    def _sent(self, write: Write, entry: Entry) -> None:
        write.point("plugin-psbt-sent")
        before = self._rows.entries(write)
        self._rows.let_go(write, set(entry.inputs()))
        self._rows.change_entries(write, before, {**before, entry.tx.txid: entry})


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
