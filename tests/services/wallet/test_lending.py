"""Does a plugin spend coins that are reserved for it and no others, within its day, whoever restarts in between?"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from embit.psbt import PSBT
from embit.script import Script, Witness
from embit.transaction import Transaction, TransactionOutput

from lnpd.chain.verify import first_failure
from lnpd.errors import (
    BroadcastRefused,
    CoinNotReserved,
    FeeTooHigh,
    InsufficientFunds,
    LnpdError,
    NoSuchReservation,
    OutputTooSmall,
    PsbtIncomplete,
    PsbtUnfit,
    SignerRefused,
    SpendLimitReached,
    TooManyReservations,
)
from lnpd.services.onchain import Balance
from lnpd.services.wallet.lending import DAY_SECONDS, MAX_HELD, SIGNED_SECONDS, Lending, Lent
from lnpd.services.wallet.psbt import from_psbt, read_psbt
from lnpd.services.wallet.service import Wallet
from lnpd.store.store import Store
from lnpd.tx.transaction import Tx, TxIn, TxOut
from tests.services.chain.chains import Chain, a_chain, told
from tests.services.wallet.test_topup import begun, pay_and_offer
from tests.services.wallet.wallets import RATE, a_funding, a_signer, paid

ANYBODY = b"\x00\x20" + bytes.fromhex("4ae81572f06e1b88fd5ced7a1a000945432e83e1551e6f721ee9c00b8cc33260")  # of OP_TRUE
LIMIT_SAT = 300_000


class Clock:
    """Unix seconds that stand still until they are moved."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@asynccontextmanager
async def a_lender(folder: Path, chain: Chain, clock: Clock, **options: int) -> AsyncIterator[tuple[Lending, Wallet]]:
    """The lending of a wallet, both from the folder's store."""
    store, signer = Store.open(folder / "node", "regtest"), a_signer()
    try:
        wallet = await Wallet.open(store, chain, signer, "regtest", poll_seconds=3600, **options)
        wallet.rows.clock = clock
        yield Lending(wallet, store, signer), wallet
        await wallet.close()
    finally:
        store.close_sync()


async def funded(lending: Lending, amount_sat: int = 100_000, plugin: str = "dlc", limit_sat: int = LIMIT_SAT) -> Lent:
    """Coins for one output of the amount."""
    return await lending.fund(plugin, limit_sat, (a_funding(amount_sat),), RATE, 600)


def changed(psbt: bytes, change: Callable[[Any], None]) -> bytes:
    """The PSBT after somebody's change (embit's object)."""
    parsed = PSBT.parse(psbt)
    change(parsed)
    return bytes(parsed.serialize())


def with_tx(psbt: bytes, tx: Tx, others: tuple[TxOut, ...] = ()) -> bytes:
    """A PSBT of another transaction: its first inputs spend what those of the old one do, then `others`."""
    old, new = PSBT.parse(psbt), PSBT(Transaction.parse(tx.serialise()))
    for place, scope in enumerate(new.inputs[: len(tx.inputs) - len(others)]):
        scope.witness_utxo = old.inputs[place].witness_utxo
    for scope, output in zip(new.inputs[len(tx.inputs) - len(others) :], others, strict=True):
        scope.witness_utxo = TransactionOutput(output.value_sat, Script(output.script_pubkey))
    return bytes(new.serialize())


def test_a_plugin_funds_signs_and_sends(tmp_path: Path) -> None:
    async def story() -> None:
        clock = Clock()
        async with a_chain("embedded", tmp_path) as chain, a_lender(tmp_path, chain, clock) as (lending, wallet):
            await paid(wallet, chain, 500_000)
            lent = await lending.fund("dlc", LIMIT_SAT, (a_funding(100_000), a_funding(50_000)), RATE, 600)
            tx, spent = read_psbt(lent.psbt)
            assert [tx.outputs[vout].value_sat for vout in lent.vouts] == [100_000, 50_000]
            assert sum(o.value_sat for o in spent) - sum(o.value_sat for o in tx.outputs) == lent.fee_sat
            assert await wallet.balance() == Balance(reserved_sat=500_000)
            assert {coin.reserved_for for coin in await wallet.coins()} == {"plugin dlc"}
            with pytest.raises(InsufficientFunds):
                await wallet.fund("one", a_funding(), RATE)
            signed = await lending.sign("dlc", LIMIT_SAT, lent.psbt)
            assert signed.cost_sat == 150_000 + lent.fee_sat and signed.txid == tx.txid
            whole = from_psbt(signed.psbt, tx, await wallet.coins())
            shown = tuple((output.value_sat, output.script_pubkey) for output in spent)
            assert first_failure(whole.serialise(), shown) is None
            sent = await lending.send("dlc", LIMIT_SAT, lent.psbt)
            assert sent.txid == tx.txid
            await chain.mine()
            await wallet.sync()
            assert await wallet.balance() == Balance(confirmed_sat=500_000 - signed.cost_sat)

    told(story)


def test_others_pay_too_and_what_they_pay_is_no_cost(tmp_path: Path) -> None:
    async def story() -> None:
        clock = Clock()
        async with a_chain("embedded", tmp_path) as chain, a_lender(tmp_path, chain, clock) as (lending, wallet):
            await paid(wallet, chain, 500_000)
            theirs = await chain.fund(ANYBODY, 200_000)
            lent = await funded(lending)
            tx, _ = read_psbt(lent.psbt)
            both = Tx((*tx.inputs, TxIn(theirs.txid, theirs.index)), (*tx.outputs, TxOut(199_000, ANYBODY)))
            psbt = with_tx(lent.psbt, both, (TxOut(200_000, ANYBODY),))
            with pytest.raises(PsbtIncomplete, match="Input 1"):
                await lending.send("dlc", LIMIT_SAT, psbt)

            def finish(parsed: Any) -> None:
                parsed.inputs[1].final_scriptwitness = Witness([b"\x51"])

            sent = await lending.send("dlc", LIMIT_SAT, changed(psbt, finish))
            assert sent.fee_sat == 100_000 + lent.fee_sat, "the cost; the other's thousand is not ours"
            await chain.mine()
            await wallet.sync()
            assert await wallet.balance() == Balance(confirmed_sat=400_000 - lent.fee_sat)

    told(story)


def test_a_day_is_over_after_a_day_and_not_after_a_restart(tmp_path: Path) -> None:
    async def story() -> None:
        clock = Clock()
        async with a_chain("embedded", tmp_path) as chain:
            async with a_lender(tmp_path, chain, clock) as (lending, wallet):
                await paid(wallet, chain, 500_000, 510_000, 520_000)
                first = await lending.sign("dlc", LIMIT_SAT, (await funded(lending, 200_000)).psbt)
                assert await lending.sign("dlc", LIMIT_SAT, first.psbt) == first, "one transaction is charged once"
                with pytest.raises(SpendLimitReached, match="--grant dlc=spend:SAT"):
                    await funded(lending)
                await funded(lending, plugin="other")
            clock.now += DAY_SECONDS - 1
            async with a_lender(tmp_path, chain, clock) as (lending, _):
                left_sat = LIMIT_SAT - first.cost_sat
                with pytest.raises(SpendLimitReached):
                    await funded(lending, left_sat)
                await lending.release("dlc", (await funded(lending, left_sat - 1_000)).reservation)
                clock.now += 1
                await lending.sign("dlc", LIMIT_SAT, (await funded(lending, 200_000)).psbt)

    told(story)


def test_a_refusal_gives_nothing_back_of_what_was_signed(tmp_path: Path) -> None:
    async def story() -> None:
        clock = Clock()
        async with a_chain("embedded", tmp_path) as chain, a_lender(tmp_path, chain, clock) as (lending, wallet):
            await paid(wallet, chain, 500_000, 510_000)
            signed = await lending.sign("dlc", LIMIT_SAT, (await funded(lending, 200_000)).psbt)

            def ask_for_none(parsed: Any) -> None:
                parsed.inputs[0].sighash_type = 2

            with pytest.raises(SignerRefused, match="wrong_sighash"):
                await lending.sign("dlc", LIMIT_SAT, changed(signed.psbt, ask_for_none))
            assert await lending.spent_sat("dlc") == signed.cost_sat
            with pytest.raises(SpendLimitReached):
                await funded(lending, 200_000)

    told(story)


def test_what_is_reserved_counts_and_a_changed_psbt_costs_what_it_costs(tmp_path: Path) -> None:
    async def story() -> None:
        clock = Clock()
        async with a_chain("embedded", tmp_path) as chain, a_lender(tmp_path, chain, clock) as (lending, wallet):
            await paid(wallet, chain, 500_000, 510_000)
            lent = await funded(lending, 200_000)
            with pytest.raises(SpendLimitReached):
                await funded(lending, 200_000)
            tx, _ = read_psbt(lent.psbt)
            away = tuple(TxOut(each.value_sat, ANYBODY) for each in tx.outputs)
            with pytest.raises(SpendLimitReached, match="0 are spent"):
                await lending.sign("dlc", LIMIT_SAT, with_tx(lent.psbt, Tx(tx.inputs, away)))
            assert (await lending.sign("dlc", LIMIT_SAT, lent.psbt)).cost_sat < LIMIT_SAT

    told(story)


def test_a_reservation_ends_with_its_time_or_by_its_owner(tmp_path: Path) -> None:
    async def story() -> None:
        clock = Clock()
        async with a_chain("embedded", tmp_path) as chain, a_lender(tmp_path, chain, clock) as (lending, wallet):
            await paid(wallet, chain, 500_000)
            lent = await funded(lending)
            with pytest.raises(NoSuchReservation):
                await lending.release("other", lent.reservation)
            await lending.release("dlc", lent.reservation)
            with pytest.raises(CoinNotReserved):
                await lending.sign("dlc", LIMIT_SAT, lent.psbt)
            again = await funded(lending)
            clock.now += 600
            assert await wallet.balance() == Balance(confirmed_sat=500_000)
            with pytest.raises(CoinNotReserved):
                await lending.sign("dlc", LIMIT_SAT, again.psbt)
            with pytest.raises(NoSuchReservation):
                await lending.release("dlc", again.reservation)
            last = await funded(lending)
            await lending.sign("dlc", LIMIT_SAT, last.psbt)
            clock.now += SIGNED_SECONDS - 1
            assert (await wallet.balance()).reserved_sat == 500_000
            clock.now += 1
            assert await wallet.balance() == Balance(confirmed_sat=500_000)

    told(story)


def a_lie(psbt: bytes) -> bytes:
    """The first input says that its coin is worth more."""

    def lie(parsed: Any) -> None:
        parsed.inputs[0].witness_utxo.value += 1

    return changed(psbt, lie)


def silence(psbt: bytes) -> bytes:
    """The first input does not say what it spends."""

    def hush(parsed: Any) -> None:
        parsed.inputs[0].witness_utxo = None

    return changed(psbt, hush)


BAD_PSBTS: dict[str, tuple[Callable[[bytes], bytes], type[LnpdError]]] = {
    "noise": (lambda _: b"psbt\xff" + bytes(40), PsbtUnfit),
    "nothing": (lambda _: b"", PsbtUnfit),
    "too long": (lambda psbt: psbt + bytes(300_000), PsbtUnfit),
    "a lie about an amount": (a_lie, PsbtUnfit),
    "no amount": (silence, PsbtUnfit),
}


@pytest.mark.parametrize("name", BAD_PSBTS)
def test_bad_psbts(tmp_path: Path, name: str) -> None:
    change, error = BAD_PSBTS[name]

    async def story() -> None:
        clock = Clock()
        async with a_chain("embedded", tmp_path) as chain, a_lender(tmp_path, chain, clock) as (lending, wallet):
            await paid(wallet, chain, 500_000)
            lent = await funded(lending)
            for asked in (lending.sign, lending.send):
                with pytest.raises(error):
                    await asked("dlc", LIMIT_SAT, change(lent.psbt))
            await lending.sign("dlc", LIMIT_SAT, lent.psbt)

    told(story)


def test_what_the_wallet_does_not_lend(tmp_path: Path) -> None:
    async def story() -> None:
        clock = Clock()
        async with (
            a_chain("embedded", tmp_path) as chain,
            a_lender(tmp_path, chain, clock, reserve_sat=150_000) as (lending, wallet),
        ):
            await paid(wallet, chain, 500_000)
            with pytest.raises(InsufficientFunds, match="kept in reserve"):
                await funded(lending, 400_000, limit_sat=1_000_000)
            with pytest.raises(OutputTooSmall):
                await funded(lending, 100)
            with pytest.raises(FeeTooHigh):
                await lending.fund("dlc", LIMIT_SAT, (a_funding(),), 100_000, 600)
            lent = await funded(lending)
            (coin,) = await wallet.coins()
            with pytest.raises(CoinNotReserved):
                await lending.sign("other", LIMIT_SAT, lent.psbt)
            # Everything to others: the reserve would be gone.
            tx, _ = read_psbt(lent.psbt)
            away = Tx(tx.inputs, (TxOut(coin.value_sat - 1_000, ANYBODY),))
            with pytest.raises(InsufficientFunds, match="150,000 are kept"):
                await lending.sign("dlc", 1_000_000, with_tx(lent.psbt, away))
            # What the signer refuses is not charged.
            back = next(output for output in tx.outputs if wallet.scripts.path(output.script_pubkey))
            greedy = Tx(tx.inputs, (TxOut(back.value_sat - 30_000, back.script_pubkey),))
            with pytest.raises(SignerRefused, match="fee_too_high"):
                await lending.sign("dlc", LIMIT_SAT, with_tx(lent.psbt, greedy))
            await lending.send("dlc", LIMIT_SAT, lent.psbt)
            with pytest.raises(InsufficientFunds, match="left with 0 sat; 150,000 are kept"):  # nor in its place
                await lending.send("dlc", 1_000_000, with_tx(lent.psbt, away))

    told(story)


def test_a_fee_that_a_close_needs_takes_back_what_is_reserved(tmp_path: Path) -> None:
    """A plugin with a small grant may reserve a large coin, which is the only one."""

    async def story() -> None:
        clock = Clock()
        async with a_chain("embedded", tmp_path) as chain, a_lender(tmp_path, chain, clock) as (lending, wallet):
            await paid(wallet, chain, 500_000)
            lent = await lending.fund("dlc", 1_000, (TxOut(400, ANYBODY),), 253, DAY_SECONDS)
            await lending.sign("dlc", 1_000, lent.psbt)
            made = await pay_and_offer(wallet, chain, await begun(chain))
            (coin,) = await wallet.coins()
            assert coin.txid == made.tx.txid, "what was the plugin's is spent"
            with pytest.raises(CoinNotReserved):
                await lending.sign("dlc", 1_000, lent.psbt)
            await chain.mine()
            await wallet.sync()
            assert await wallet.balance() == Balance(confirmed_sat=coin.value_sat)

    told(story)


def test_a_payment_of_the_users_is_not_replaced_by_a_plugin(tmp_path: Path) -> None:
    async def story() -> None:
        clock = Clock()
        async with a_chain("embedded", tmp_path) as chain, a_lender(tmp_path, chain, clock) as (lending, wallet):
            await paid(wallet, chain, 500_000)
            lent = await funded(lending)
            await lending.release("dlc", lent.reservation)
            await wallet.send(wallet.scripts.address(ANYBODY), 50_000, RATE)
            await paid(wallet, chain, 300_000)
            await funded(lending)
            with pytest.raises(CoinNotReserved, match="Input 0 is the wallet's"):
                await lending.sign("dlc", LIMIT_SAT, lent.psbt)

    told(story)


def test_reservations_are_bounded_and_a_refused_transaction_frees_its_coins(tmp_path: Path) -> None:
    async def story() -> None:
        clock = Clock()
        async with a_chain("embedded", tmp_path) as chain, a_lender(tmp_path, chain, clock) as (lending, wallet):
            await paid(wallet, chain, *[20_000 + number for number in range(MAX_HELD + 1)])
            lent = [await funded(lending, 5_000) for _ in range(MAX_HELD)]
            with pytest.raises(TooManyReservations):
                await funded(lending, 5_000)
            tx, _ = read_psbt(lent[0].psbt)
            late = with_tx(lent[0].psbt, Tx(tx.inputs, tx.outputs, locktime=400_000))
            with pytest.raises(BroadcastRefused):
                await lending.send("dlc", LIMIT_SAT, late)
            assert sum(1 for coin in await wallet.coins() if not coin.reserved_for) == 2
            with pytest.raises(SpendLimitReached):
                await funded(lending, 5_000, limit_sat=10_000)

    told(story)


def test_a_higher_fee_takes_the_place_of_what_was_sent(tmp_path: Path) -> None:
    """Also after a restart, which knows the first version from its store or from the mempool; the network decides."""

    async def story() -> None:
        clock = Clock()
        async with a_chain("embedded", tmp_path) as chain:
            async with a_lender(tmp_path, chain, clock) as (lending, wallet):
                await paid(wallet, chain, 500_000)
                lent = await funded(lending)
                tx, _ = read_psbt(lent.psbt)
                first = await lending.send("dlc", LIMIT_SAT, lent.psbt)
                assert not (await wallet.ledger()).spendable()  # nothing is built on it
                with pytest.raises(BroadcastRefused):  # it pays no more
                    await lending.send("dlc", LIMIT_SAT, with_tx(lent.psbt, with_less(tx, lent, 1)))
                assert [coin.txid for coin in await wallet.coins()] == [first.txid]
                with pytest.raises(CoinNotReserved):
                    await lending.send("other", LIMIT_SAT, with_tx(lent.psbt, with_less(tx, lent, 2_000)))
                second = await lending.send("dlc", LIMIT_SAT, with_tx(lent.psbt, with_less(tx, lent, 2_000)))
                assert await chain.transaction(first.txid) is None
            async with a_lender(tmp_path, chain, clock) as (lending, wallet):
                assert [coin.txid for coin in await wallet.coins()] == [second.txid]
                third = await lending.send("dlc", LIMIT_SAT, with_tx(lent.psbt, with_less(tx, lent, 9_000)))
                await chain.mine()
                await wallet.sync()
                assert (await wallet.listing())[0].txid == third.txid
                assert await lending.spent_sat("dlc") == 100_000 + lent.fee_sat + 9_000
                assert await wallet.balance() == Balance(confirmed_sat=500_000 - 100_000 - lent.fee_sat - 9_000)
                with pytest.raises(CoinNotReserved):  # a block has decided
                    await lending.send("dlc", LIMIT_SAT, with_tx(lent.psbt, with_less(tx, lent, 20_000)))

    told(story)


def with_less(tx: Tx, lent: Lent, less_sat: int) -> Tx:
    """The transaction with a higher fee, that its change pays."""
    outputs = [
        output if vout in lent.vouts else TxOut(output.value_sat - less_sat, output.script_pubkey)
        for vout, output in enumerate(tx.outputs)
    ]
    return Tx(tx.inputs, tuple(outputs))
