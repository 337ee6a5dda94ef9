"""Which coins does this node own on chain, and how are channels funded from them?

One transaction of the store for each step: coins are reserved, and change is known, before a signed transaction is
shown to anybody; blocks move the wallet and its cursor together. What `fund` answered for a reference it answers
again, so that a channel that asks after a crash gets the same transaction.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from lnpd.chain.interface import ChainBackend, Outcome
from lnpd.chain.policy import Policy, dust_limit_sat
from lnpd.errors import (
    BroadcastRefused,
    ChainError,
    InsufficientFunds,
    ReferenceTaken,
)
from lnpd.services.chain.follow import POLL_SECONDS, ChainFollower
from lnpd.services.interfaces import Signer
from lnpd.services.onchain import Balance, FeePaid, FeeWanted, Funded, FundingWallet, WalletCoin, WalletPayment
from lnpd.services.wallet.chain import WalletChain
from lnpd.services.wallet.ledger import Entries, Entry, Ledger
from lnpd.services.wallet.psbt import from_psbt, to_psbt, unsigned
from lnpd.services.wallet.rows import WalletRows
from lnpd.services.wallet.scripts import BRANCHES, CHANGE, RECEIVE, WalletScripts
from lnpd.services.wallet.select import Selection, require_modest, require_relayable, select, select_all
from lnpd.services.wallet.topup import top_up
from lnpd.store.read import Read
from lnpd.store.store import Store
from lnpd.store.write import Write
from lnpd.tx.transaction import Tx, TxOut

log = logging.getLogger("lnpd.wallet")

MIN_FEERATE_PER_KW: Final = 253
FEE_ROUNDS: Final = 5  # more blocks than can come while one fee is being paid

NOTHING: Final = Tx((), ())
Plan = Callable[[Ledger], tuple[Selection, TxOut]]
"""How to pay, given what there is: the coins, and the output that is asked for. May raise InsufficientFunds."""


class Wallet:
    """The wallet of a BIP 84 account. `open` makes one."""

    def __init__(
        self,
        store: Store,
        backend: ChainBackend,
        signer: Signer,
        rows: WalletRows,
        chain: WalletChain,
        follower: ChainFollower,
        reserve_sat: int = 0,
    ) -> None:
        self._chain = chain
        self.scripts = rows.scripts
        self._store, self._backend, self._signer, self.rows = store, backend, signer, rows
        self._follower = follower
        self.reserve_sat: Callable[[], int] = lambda: reserve_sat  # what funding and paying leave in the wallet
        self.spending = asyncio.Lock()
        self._replaced: dict[bytes, Entries] = {}  # by txid, until the mempool has answered

    @classmethod
    async def open(
        cls,
        store: Store,
        backend: ChainBackend,
        signer: Signer,
        network: str,
        *,
        reserve_sat: int = 0,
        birth_height: int | None = 0,
        broken: Callable[[Exception], None] | None = None,
        poll_seconds: float = POLL_SECONDS,
        wait: bool = True,
    ) -> Wallet:
        """The wallet of the signer's account, caught up with the chain and following it.

        `reserve_sat` stays in the wallet whatever is asked (for the fees of anchor channels). `birth_height` is where
        the past of a new database is read from: 0 finds all of a restored seed's coins, None means the block of its
        first start. `broken` hears of an error after which the node must stop. Without `wait` the past is read beside
        the caller. Raises ChainError.
        """
        rows = WalletRows(WalletScripts(await signer.wallet_account(), network))
        chain = WalletChain(store, backend, rows, birth_height)
        follower = ChainFollower(store, backend, chain, broken, poll_seconds)
        wallet = cls(store, backend, signer, rows, chain, follower, reserve_sat)
        await follower.start(wait)
        await wallet.tell_signer()
        return wallet

    async def close(self) -> None:
        """Ends between two transactions."""
        await self._follower.stop()

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a person should know: there may be more coins than are shown."""
        return () if self._follower.acted else ("the wallet's coins are still being looked for in the chain",)

    @property
    def known_height(self) -> int:
        """Up to which block all of the wallet's coins are known."""
        return self._follower.known_height

    async def sync(self) -> None:
        """Returns when the wallet knows the present tip and mempool. Raises ChainError."""
        await self._follower.sync()

    async def rescan(self, from_height: int) -> None:
        """Reads the past of every address again, from a height on. A crash on the way goes on after the next start.
        Raises ChainError."""
        await self._store.write(lambda write: self._chain.forget_past(write, from_height))
        await self.sync()
        await self.tell_signer()

    # --- what there is

    async def balance(self) -> Balance:
        """What the wallet owns."""
        return (await self.ledger()).balance()

    async def coins(self) -> tuple[WalletCoin, ...]:
        """Every unspent output, reserved ones too."""
        return tuple((await self.ledger()).coins())

    async def listing(self) -> tuple[WalletPayment, ...]:
        """Every transaction: unconfirmed ones first, then the newest block's."""
        return tuple((await self.ledger()).payments())

    async def ledger(self) -> Ledger:
        """Everything that is known."""
        return await self._store.read(self.rows.ledger)

    # --- addresses

    async def new_address(self) -> str:
        """A receive address that was never paid; after 20 unpaid ones in a row the oldest of them again."""
        return self.scripts.address(await self._give(RECEIVE))

    async def next_script(self) -> bytes:
        """A scriptPubKey of ours for sweeps and closings, stored as given before it returns."""
        return await self._give(CHANGE)

    async def _give(self, branch: int) -> bytes:
        def give(write: Write) -> bytes:
            write.point("wallet-given")
            number = self.rows.next_number(write, self.rows.ledger(write), branch)
            given = self.rows.numbers(write, b"given").at_least(branch, number + 1)
            self.rows.set_numbers(write, b"given", given)
            return self.scripts.script(branch, number)

        script = await self._store.write(give)
        await self.tell_signer()
        self._follower.wake()
        return script

    async def tell_signer(self) -> None:
        """The signer knows our scripts as far as it was told that they are in use."""

        def in_use(read: Read) -> tuple[int, ...]:
            ledger, given = self.rows.ledger(read), self.rows.numbers(read, b"given")
            return tuple(max(given.of(branch), ledger.used(branch)) for branch in BRANCHES)

        receive, change = await self._store.read(in_use)
        await self._signer.wallet_used(receive, change)

    # --- spending

    async def require(self, output: TxOut, feerate_per_kw: int) -> Selection:
        """The coins that would pay this now, and the fee. InsufficientFunds names what there is and is needed."""
        ledger, rate = await self.ledger(), max(MIN_FEERATE_PER_KW, feerate_per_kw)
        try:
            return select(ledger.spendable(), (output,), rate, self.reserve_sat())
        except InsufficientFunds as error:
            raise InsufficientFunds(ledger.explained(str(error))) from None

    async def fund(self, reference: str, output: TxOut, feerate_per_kw: int, max_fee_sat: int | None = None) -> Funded:
        """A signed transaction that pays `output`, its coins reserved before this returns; see FundingWallet."""
        require_relayable(output)
        rate = max(MIN_FEERATE_PER_KW, feerate_per_kw)

        def plan(ledger: Ledger) -> tuple[Selection, TxOut]:
            return select(ledger.spendable(), (output,), rate, self.reserve_sat()), output

        async with self.spending:
            known = (await self.ledger()).by_reference(reference)
            if known is None:
                return await self._spend(Entry(NOTHING, is_ours=True, reference=reference), plan, max_fee_sat)
            if known.tx.outputs[known.vout] != output:
                raise ReferenceTaken(f"Something else was funded for {reference!r} already.")
            return _funded(known)

    async def send(
        self, address: str, amount_sat: int | None, feerate_per_kw: int, max_fee_sat: int | None = None
    ) -> Funded:
        """Pays an address and broadcasts; None is all there is beyond the reserve. See FundingWallet."""
        script, rate = self.scripts.script_of(address), max(MIN_FEERATE_PER_KW, feerate_per_kw)
        if amount_sat is not None:
            require_relayable(TxOut(amount_sat, script))

        def plan(ledger: Ledger) -> tuple[Selection, TxOut]:
            if amount_sat is None:
                return _everything(ledger, script, rate, self.reserve_sat())
            output = TxOut(amount_sat, script)
            return select(ledger.spendable(), (output,), rate, self.reserve_sat()), output

        async with self.spending:
            entry = Entry(NOTHING, is_ours=True, is_sent=True, reference=f"send {secrets.token_hex(8)}")
            sent = await self._spend(entry, plan, max_fee_sat)
        await self.publish(sent)
        return sent

    async def _spend(self, entry: Entry, plan: Plan, max_fee_sat: int | None) -> Funded:
        """Chooses, signs and stores; the lock is held. Once more if a block took a coin in between."""
        while True:
            made = await self._signed(entry, plan, max_fee_sat)
            if await self._store.write(lambda write, made=made: self._reserve(write, made)):  # type: ignore[misc]  # mypy: a default argument
                self._follower.wake()
                return _funded(made)

    async def _signed(self, entry: Entry, plan: Plan, max_fee_sat: int | None) -> Entry:
        """The entry with a transaction as planned. Nothing is stored yet: who dies here has shown it to nobody."""
        ledger = await self.ledger()
        try:
            chosen, output = plan(ledger)
        except InsufficientFunds as error:
            raise InsufficientFunds(ledger.explained(str(error))) from None
        require_modest(chosen, output.value_sat, max_fee_sat)
        outputs = [output]
        ours: tuple[TxOut, ...] = ()
        if chosen.change_sat:
            ours = (TxOut(chosen.change_sat, await self.next_script()),)
            outputs.insert(secrets.randbelow(2), *ours)  # its place tells nobody which output is change
        tx = unsigned(chosen.coins, outputs)
        await self.tell_signer()
        psbt = await self._signer.sign_wallet(to_psbt(tx, chosen.coins, self.scripts), chosen.fee_sat, ours)
        signed = from_psbt(psbt, tx, chosen.coins)
        return replace(entry, tx=signed, vout=outputs.index(output), fee_sat=chosen.fee_sat)

    def _reserve(self, write: Write, entry: Entry) -> bool:
        """False if the coins are not free any more."""
        ledger = self.rows.ledger(write)
        if not ledger.are_free(entry.inputs()):
            return False
        write.point("wallet-funded")
        self.rows.change_entries(write, ledger.entries, {**ledger.entries, entry.tx.txid: entry})
        return True

    async def publish(self, sent: Funded) -> None:
        """Broadcasts; a refused payment is as if it had never been made. If nobody answers it goes out later."""
        try:
            result = await self._backend.broadcast((sent.transaction.serialise(),))
        except ChainError as error:
            log.warning("%s will be broadcast later: %s", sent.txid[::-1].hex(), error)
            return
        if result.outcome is Outcome.REFUSED:
            await self._store.write(lambda write: self.released(write, sent.txid))
            raise BroadcastRefused(f"The payment was refused: {result.reason}.")
        await self._follower.sync()

    # --- fees of transactions that channels make

    async def pay_fee(self, wanted: FeeWanted) -> FeePaid:
        """The transaction with coins that pay its fee; see FundingWallet. The reserve is there for it."""
        async with self.spending:
            for _ in range(FEE_ROUNDS):
                made = await self._topped_up(wanted)
                older = await self._store.write(lambda write, made=made: self._supersede(write, wanted, made))  # type: ignore[misc]  # mypy: a default argument
                if older is not None:
                    self._replaced[made.tx.txid] = older
                    return made
        raise InsufficientFunds("Each time, the coins for a fee were gone before its transaction was stored.")

    async def _topped_up(self, wanted: FeeWanted) -> FeePaid:
        ledger = await self.ledger()
        older = ledger.versions(wanted.reference, wanted.tx)
        points = {point for entry in older.values() for point in entry.inputs()}
        chosen = top_up(ledger.fee_coins(older), wanted, points)
        change = (TxOut(chosen.change_sat, await self._change_script(older, wanted)),) if chosen.change_sat else ()
        inputs = (*wanted.tx.inputs, *unsigned(chosen.coins, ()).inputs)
        tx = replace(wanted.tx, inputs=inputs, outputs=(*wanted.tx.outputs, *change))
        await self.tell_signer()
        psbt = to_psbt(tx, chosen.coins, self.scripts, wanted.spent)
        signed = await self._signer.sign_wallet(psbt, chosen.fee_sat, change)
        made = from_psbt(signed, tx, chosen.coins, range(len(wanted.spent), len(inputs)))
        coins = tuple(TxOut(coin.value_sat, coin.script_pubkey) for coin in chosen.coins)
        return FeePaid(made, chosen.fee_sat, chosen.weight, coins)

    async def _change_script(self, older: Entries, wanted: FeeWanted) -> bytes:
        """The last version's, or a new one; never one to which the transaction itself pays: it may be held."""
        paid = {output.script_pubkey for output in wanted.tx.outputs}
        scripts = (output.script_pubkey for entry in older.values() for output in entry.tx.outputs)
        known = next((each for each in scripts if each not in paid and self.scripts.path(each) is not None), None)
        return known or await self.next_script()

    def _supersede(self, write: Write, wanted: FeeWanted, made: FeePaid) -> Entries | None:
        """In the place of all its other versions, which it returns. None if its coins are not free any more."""
        before = self.rows.ledger(write)
        older = before.versions(wanted.reference, wanted.tx)
        coins = made.tx.inputs[len(wanted.spent) :]
        if not before.are_fee_coins(((each.txid, each.vout) for each in coins), older):
            return None
        write.point("wallet-funded")
        entry = Entry(made.tx, is_ours=True, may_change=True, reference=wanted.reference, fee_sat=made.fee_sat)
        entry = replace(entry, is_seen=made.tx.txid in older and older[made.tx.txid].is_seen)
        self.rows.change_entries(write, before.entries, {**before.without(older).entries, made.tx.txid: entry})
        self.rows.let_go(write, {(each.txid, each.vout) for each in coins})
        return {txid: entry for txid, entry in older.items() if txid != made.tx.txid}

    async def fee_answered(self, txid: bytes, is_taken: bool) -> None:
        """Whether the mempool took a version that `pay_fee` made: its change can pay for others; what a refused one was
        to replace stands again.

        Not remembered over a restart, after which the mempool is read anew.
        """
        older = self._replaced.pop(txid, None)
        if older is None or not (is_taken or older):
            return

        def answered(write: Write) -> None:
            entries = self.rows.entries(write)
            if txid not in entries or not entries[txid].is_pending:
                return  # a block has decided between them
            left, now = {each: entry for each, entry in entries.items() if each != txid}, older
            if is_taken:
                now = {txid: replace(entries[txid], is_seen=True)}
            else:
                write.point("wallet-version-back")
            self.rows.change_entries(write, entries, {**left, **now})

        await self._store.write(answered)

    async def give_back(self, reference: str) -> None:
        """Frees the coins of a `pay_fee` that cannot confirm any more."""

        def give_back(write: Write) -> None:
            ledger = self.rows.ledger(write)
            if older := ledger.versions(reference, NOTHING):
                write.point("wallet-released")
                self.rows.change_entries(write, ledger.entries, ledger.without(older).entries)

        await self._store.write(give_back)

    # --- releasing

    async def release(self, txid: bytes) -> bool:
        """Frees the coins of a funding that will not be broadcast. False if it is unknown, or on the network."""
        return await self._store.write(lambda write: self.released(write, txid))

    def released(self, write: Write, txid: bytes) -> bool:
        """`release` within the transaction of the channel that gives its funding up."""
        write.point("wallet-released")
        entries = self.rows.entries(write)
        if txid not in entries or not entries[txid].is_pending:
            return False
        self.rows.change_entries(write, entries, {each: entry for each, entry in entries.items() if each != txid})
        return True

    async def release_orphans(self, references: Collection[str]) -> tuple[bytes, ...]:
        """After a start: frees fundings that were made for nobody whom we still know. Returns their txids."""

        def release(write: Write) -> tuple[bytes, ...]:
            entries = self.rows.entries(write)
            orphans = [
                txid
                for txid, entry in entries.items()
                if entry.is_pending and not entry.is_sent and entry.reference not in references
            ]
            return tuple(txid for txid in orphans if self.released(write, txid))

        return await self._store.write(release)


def _everything(ledger: Ledger, script: bytes, feerate_per_kw: int, keep_sat: int) -> tuple[Selection, TxOut]:
    chosen = select_all(ledger.spendable(), script, feerate_per_kw, keep_sat)
    left_sat = sum(coin.value_sat for coin in chosen.coins) - chosen.fee_sat - keep_sat
    if left_sat < dust_limit_sat(script, Policy()):
        raise InsufficientFunds("There is nothing to send.")
    return chosen, TxOut(left_sat, script)


def _funded(entry: Entry) -> Funded:
    return Funded(entry.tx.txid, entry.vout, entry.tx, entry.fee_sat or 0)


if TYPE_CHECKING:
    _A_WALLET_FUNDS: type[FundingWallet] = Wallet
