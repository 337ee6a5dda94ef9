"""Does a follower lose or repeat anything when the power fails, the chain's process dies, or the store does?"""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from lnpd.chain import reader
from lnpd.chain.embedded import EmbeddedChain
from lnpd.chain.interface import BlockRef, ChainDelta, Watch
from lnpd.channel.events import OutputSpent, TransactionConfirmed
from lnpd.errors import FollowerEnded, InsufficientFunds, SignerRefused, StoreClosed, StoreHalted, ValueUnfit
from lnpd.services.chain.service import RemoteChain, serve_chain
from lnpd.services.chain.watch import ChainWatch
from lnpd.services.wallet.service import Wallet
from lnpd.store.store import Store
from lnpd.store.transactions import Moment
from tests.chain.purse import output_of, pay
from tests.services.chain.chains import a_chain, a_spend, offer, told, until
from tests.services.chain.watchers import ELSEWHERE, OWNER, Driver, add, of_output, of_transaction, watching
from tests.services.wallet.wallets import RATE, a_funding, a_signer, a_wallet, paid, spent


class Power:
    """Fails once, at the `count`th commit that has this point, just before or after it."""

    def __init__(self, moment: str, point: str, count: int = 1) -> None:
        self.moment, self.point, self.left = moment, point, count

    def __call__(self, moment: Moment, points: frozenset[str]) -> None:
        if moment == self.moment and self.point in points:
            self.left -= 1
            if not self.left:
                raise OSError("the power failed")


@pytest.mark.parametrize("moment", ["before_commit", "after_commit"])
@pytest.mark.parametrize(("point", "count"), [("chain-followed", 1), ("chain-followed", 2), ("chain-past-read", 1)])
def test_a_cut_of_the_power_loses_and_repeats_no_event(tmp_path: Path, moment: str, point: str, count: int) -> None:
    async def story() -> None:
        async with a_chain("embedded", tmp_path) as chain:
            funding = await a_spend(chain)
            spend = pay(output_of(funding), to=ELSEWHERE)
            async with watching(tmp_path, chain) as (watch, driver):
                await add(watch, driver, of_transaction(funding))
            # Added when nobody follows any more (a watcher that was woken once may be at it still): its past is read
            # after the restart.
            store = Store.open(tmp_path / "node", "regtest")
            store.write_sync(lambda write: watch.add_watch(write, OWNER, of_output(funding, 200)))
            store.close_sync()
            await offer(chain, funding)
            await offer(chain, spend)
            await chain.mine(250)
            store = Store.open(tmp_path / "node", "regtest", Power(moment, point, count))
            failing = ChainWatch(store, chain, Driver(store))
            with pytest.raises(StoreHalted):
                await failing.start()
            store.close_sync()
            async with watching(tmp_path, chain) as (_, driver):
                events = driver.take()
                kinds = [(type(each), getattr(each, "depth", 0)) for each in events]
                assert kinds == [(OutputSpent, 1), (TransactionConfirmed, 3), (OutputSpent, 200)]

    told(story)


@pytest.mark.parametrize("moment", ["before_commit", "after_commit"])
def test_a_cut_of_the_power_leaves_a_funding_wholly_or_not_at_all(tmp_path: Path, moment: str) -> None:
    async def story() -> None:
        async with a_chain("embedded", tmp_path) as chain:
            async with a_wallet(tmp_path, chain) as wallet:
                await paid(wallet, chain, 200_000)
            store = Store.open(tmp_path / "node", "regtest", Power(moment, "wallet-funded"))
            failing = await Wallet.open(store, chain, a_signer(), "regtest")
            with pytest.raises(StoreHalted):
                await failing.fund("one", a_funding(), RATE)
            await failing.close()
            store.close_sync()
            async with a_wallet(tmp_path, chain) as wallet:
                reserved = (await wallet.balance()).reserved_sat
                assert reserved == (200_000 if moment == "after_commit" else 0)
                if reserved:
                    with pytest.raises(InsufficientFunds):
                        await wallet.fund("two", a_funding(), RATE)
                made = await wallet.fund("one", a_funding(), RATE)
                assert len(spent(made)) == 1
                await offer(chain, made.transaction)

    told(story)


@pytest.mark.parametrize("moment", ["before_commit", "after_commit"])
@pytest.mark.parametrize("point", ["wallet-followed", "wallet-past-read"])
def test_a_cut_of_the_power_does_not_change_what_the_wallet_owns(tmp_path: Path, moment: str, point: str) -> None:
    async def story() -> None:
        async with a_chain("embedded", tmp_path) as chain:
            async with a_wallet(tmp_path, chain, "other") as wallet:
                await paid(wallet, chain, 200_000, 100_000)
                balance = await wallet.balance()
            store = Store.open(tmp_path / "node", "regtest", Power(moment, point))
            with pytest.raises(StoreHalted):
                await Wallet.open(store, chain, a_signer(), "regtest")
            store.close_sync()
            async with a_wallet(tmp_path, chain) as wallet:
                assert await wallet.balance() == balance

    told(story)


class Restless:
    """A chain that a block joins while it answers, and that is reorganised while it answers the `undone`th scan."""

    def __init__(self, chain: EmbeddedChain, undone: int = 0) -> None:
        self._chain, self._undone = chain, undone
        self.scans = self.undone_from = 0

    def __getattr__(self, name: str) -> object:
        return getattr(self._chain, name)

    async def blocks_since(self, block: BlockRef) -> ChainDelta:
        delta = await self._chain.blocks_since(block)
        await self._chain.mine_only()
        return delta

    async def scan(self, watches: Iterable[Watch], from_height: int) -> ChainDelta:
        delta = await self._chain.scan(watches, from_height)
        self.scans += 1
        if self.scans == self._undone:
            depth = (await self._chain.best_block()).height - self.undone_from + 1
            await self._chain.reorganise(depth, depth + 1)
        await self._chain.mine_only()
        return delta


@pytest.mark.parametrize("undone", [0, 1, 2, 3])
def test_a_past_is_learned_once_while_the_chain_goes_on(
    tmp_path: Path, undone: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Six blocks of it, two an answer; meanwhile three of them are undone, and mined again when all is read."""
    monkeypatch.setattr(reader, "MAX_BLOCKS_A_DELTA", 2)

    async def story() -> None:
        async with a_chain("embedded", tmp_path) as chain:
            assert isinstance(chain, EmbeddedChain)
            txs = [await a_spend(chain) for _ in range(6)]
            restless = Restless(chain, undone)
            for number, tx in enumerate(txs):
                await offer(chain, tx)
                (block,) = await chain.mine()
                if number == 3:
                    restless.undone_from = block.height
            learned: list[int] = []

            def counted(_: Moment, points: frozenset[str]) -> None:
                if "chain-past-read" in points:
                    learned.append(len(driver.heights))

            store = Store.open(tmp_path / "node", "regtest", counted)
            driver = Driver(store)
            watch = ChainWatch(store, restless, driver, poll_seconds=3600)  # type: ignore[arg-type]  # by delegation
            watches = [replace(of_transaction(tx, 1), key=str(number)) for number, tx in enumerate(txs)]
            await store.write(lambda write: [watch.add_watch(write, OWNER, each) for each in watches])
            await watch.start()
            assert set(learned) == {restless.scans - 1}, "each answer but the last was followed by acting on the tip"
            assert len(learned) == 2, "once, before and after its commit"
            await chain.mine()
            await watch.sync()
            events = driver.take()
            assert len(events) == len(txs)
            for event in events:
                assert isinstance(event, TransactionConfirmed)
                found = await chain.transaction(event.transaction.txid)
                assert found is not None and found.height == event.height
            assert {getattr(each, "transaction", None) for each in events} == set(txs)
            await watch.stop()
            store.close_sync()

    told(story)


def test_the_chains_process_may_end_and_come_back(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def story() -> None:
        endpoint = f"ipc://{tmp_path}/c"
        chain = await EmbeddedChain.open(tmp_path / "chain")
        server = serve_chain(chain, endpoint)
        remote = RemoteChain(endpoint, deadline_seconds=0.5)
        store = Store.open(tmp_path / "node", "regtest")
        driver = Driver(store)
        watch = ChainWatch(store, remote, driver, poll_seconds=0.05)
        await watch.start()
        funding = await a_spend(chain)
        await add(watch, driver, of_transaction(funding, 1))
        await server.close()
        await until(lambda: "cannot be followed" in caplog.text)
        await offer(chain, funding)
        await chain.mine()
        server = serve_chain(chain, endpoint)
        await until(lambda: OWNER in driver.woken)
        assert [type(each) for each in driver.take()] == [TransactionConfirmed]
        said = [record for record in caplog.records if "cannot be followed" in record.getMessage()]
        assert len(said) <= 3, "a silence is complained of once, not at each try"
        await watch.stop()
        await remote.close()
        await server.close()
        await chain.close()
        store.close_sync()

    told(story)


class Hiding:
    """A view of a chain that keeps a transaction back while it is told to."""

    may_hide = True

    def __init__(self, chain: Any) -> None:
        self._chain, self.hidden = chain, b""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._chain, name)

    async def blocks_since(self, block: BlockRef) -> ChainDelta:
        return self._without(await self._chain.blocks_since(block))

    async def scan(self, watches: Iterable[Watch], from_height: int) -> ChainDelta:
        return self._without(await self._chain.scan(watches, from_height))

    def _without(self, delta: ChainDelta) -> ChainDelta:
        blocks = [(each, [m for m in each.matches if m.txid != self.hidden]) for each in delta.connected]
        return replace(delta, connected=tuple(replace(each, matches=tuple(matches)) for each, matches in blocks))


@pytest.mark.parametrize("shown", ["while it follows", "after a restart"])
def test_what_was_kept_back_is_told_to_every_follower_once_it_is_shown(tmp_path: Path, shown: str) -> None:
    async def story() -> None:
        async with a_chain("embedded", tmp_path) as chain:
            funding = await a_spend(chain)
            await offer(chain, funding)
            await chain.mine()
            spend, hiding = pay(output_of(funding), to=ELSEWHERE), Hiding(chain)
            hiding.hidden = spend.txid
            async with watching(tmp_path / "one", hiding) as (one, first):
                await add(one, first, of_output(funding, 3))
                async with watching(tmp_path / "two", hiding) as (two, second):
                    await add(two, second, of_output(funding, 3))
                    await offer(chain, spend)
                    await chain.mine(2)
                    await one.sync()
                    await two.sync()
                    assert not first.take() and not second.take()
                    hiding.hidden = bytes(32) if shown == "while it follows" else hiding.hidden
                    await chain.mine(2)
                    for _ in range(3):
                        await one.sync()
                    await two.sync()
                    if shown == "while it follows":
                        for driver in (first, second):
                            events = driver.take()
                            assert [(type(e), e.depth) for e in events] == [(OutputSpent, 1), (OutputSpent, 3)]  # type: ignore[union-attr]
                    await chain.mine()
                    await one.sync()
                    assert not first.take(), "told once"
            hiding.hidden = bytes(32)
            async with watching(tmp_path / "two", hiding) as (_, second):
                assert len(second.take()) == (0 if shown == "while it follows" else 2)

    told(story)


@pytest.mark.parametrize("error", [KeyError("defect"), ValueUnfit("too large"), SignerRefused("RULE", "no")])
def test_whatever_ends_a_follower_is_reported_by_its_name(tmp_path: Path, error: Exception) -> None:
    class Ill(Driver):
        def deliver_block(self, height: int) -> None:
            if self.heights:
                raise error
            super().deliver_block(height)

    async def story() -> None:
        async with a_chain("embedded", tmp_path) as chain:
            store = Store.open(tmp_path / "node", "regtest")
            failed: asyncio.Future[Exception] = asyncio.get_running_loop().create_future()
            watch = ChainWatch(store, chain, Ill(store), failed.set_result)
            await watch.start()
            await chain.mine()
            ended = await failed
            assert isinstance(ended, FollowerEnded)
            assert str(ended).startswith("the watch over the channels") and str(error) in str(ended)
            await watch.stop()
            store.close_sync()

    told(story)


def test_a_store_that_stops_is_reported(tmp_path: Path) -> None:
    async def story() -> None:
        async with a_chain("embedded", tmp_path) as chain:
            store = Store.open(tmp_path / "node", "regtest")
            failed: asyncio.Future[Exception] = asyncio.get_running_loop().create_future()
            watch = ChainWatch(store, chain, Driver(store), failed.set_result)
            await watch.start()
            store.close_sync()
            watch.applied()
            assert isinstance(await failed, StoreClosed)
            with suppress(StoreClosed):
                await watch.stop()

    told(story)
