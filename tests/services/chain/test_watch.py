"""Do channels hear of everything that the chain does to them, once, in order, through restarts and reorganisations?"""

from collections.abc import Iterable
from pathlib import Path

import pytest

from lnpd.chain.interface import ChainDelta, Watch
from lnpd.channel.events import OutputSpent, OutputUnspent, SpendSeen, TransactionConfirmed, TransactionUnconfirmed
from lnpd.store.write import Write
from tests.chain.purse import output_of, pay
from tests.services.chain.chains import KINDS, a_chain, a_spend, offer, told, until
from tests.services.chain.watchers import ELSEWHERE, OTHER, OWNER, add, of_output, of_transaction, watching


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_depths_are_told_once_each_and_in_order(tmp_path: Path, kind: str) -> None:
    async def story() -> None:
        async with a_chain(kind, tmp_path) as chain, watching(tmp_path, chain) as (watch, driver):
            funding = await a_spend(chain)
            spend = pay(output_of(funding), to=ELSEWHERE)
            await add(watch, driver, of_transaction(funding), of_output(funding))
            await offer(chain, funding)
            (first,) = await chain.mine()
            await offer(chain, spend)
            await watch.sync()
            assert driver.take() == [], "one block is not three"
            await chain.mine()
            await watch.sync()
            assert driver.take() == [OutputSpent(funding.txid, 0, spend, first.height + 1, 1)]
            await chain.mine()
            await watch.sync()
            assert driver.take() == [
                OutputSpent(funding.txid, 0, spend, first.height + 1, 2),
                TransactionConfirmed(funding, first.height, 1, 3),
            ]
            await chain.mine(5)
            await watch.sync()
            assert driver.take() == []
            assert set(driver.woken) == {OWNER}
            assert driver.heights[-1] == watch.height == first.height + 7

    told(story)


def test_what_waits_is_shown_once_and_is_no_fact(tmp_path: Path, kind: str) -> None:
    async def story() -> None:
        async with a_chain(kind, tmp_path) as chain:
            funding = await a_spend(chain)
            await offer(chain, funding)
            await chain.mine()
            spends = [pay(output_of(funding), to=ELSEWHERE, fee_sat=fee_sat) for fee_sat in (1_000, 5_000)]
            async with watching(tmp_path, chain) as (watch, driver):
                await add(watch, driver, of_output(funding))
                for number, spend in enumerate(spends, 1):  # the second replaces the first
                    await offer(chain, spend)
                    await until(lambda number=number: len(driver.seen_spends) == number)  # type: ignore[misc]
                    await watch.sync()
                assert driver.seen_spends == [(OWNER, SpendSeen(funding.txid, 0, spend)) for spend in spends]
                assert driver.take() == []
            async with watching(tmp_path, chain) as (watch, driver):
                await until(lambda: driver.seen_spends == [(OWNER, SpendSeen(funding.txid, 0, spends[1]))])
                (tip,) = await chain.mine()
                await watch.sync()
                assert driver.take() == [OutputSpent(funding.txid, 0, spends[1], tip.height, 1)]
                assert len(driver.seen_spends) == 1

    told(story)


def test_hints_alone_wake_it(tmp_path: Path, kind: str) -> None:
    async def story() -> None:
        async with a_chain(kind, tmp_path) as chain, watching(tmp_path, chain) as (watch, driver):
            funding = await a_spend(chain)
            await add(watch, driver, of_transaction(funding, 1))
            await offer(chain, funding)
            await chain.mine()
            await until(lambda: driver.woken == [OWNER])
            assert [type(each) for each in driver.take()] == [TransactionConfirmed]

    told(story)


def test_a_reorganisation_takes_back_what_was_told_and_nothing_else(tmp_path: Path, kind: str) -> None:
    async def story() -> None:
        async with a_chain(kind, tmp_path) as chain, watching(tmp_path, chain) as (watch, driver):
            funding = await a_spend(chain)
            spend = pay(output_of(funding), to=ELSEWHERE)
            other = pay(output_of(funding), to=ELSEWHERE, fee_sat=2_000)
            await add(watch, driver, of_transaction(funding, 2), of_output(funding))
            await offer(chain, funding)
            await chain.mine()
            await offer(chain, spend)
            (tip,) = await chain.mine()
            await watch.sync()
            assert len(driver.take()) == 2
            # Both blocks are replaced; the funding comes back in the first new one, with another spend.
            await chain.reorganise(2, 3, (funding.serialise(), other.serialise()))
            await watch.sync()
            assert driver.take() == [
                OutputUnspent(funding.txid, 0),
                TransactionUnconfirmed(funding.txid),
                OutputSpent(funding.txid, 0, other, tip.height - 1, 1),
                OutputSpent(funding.txid, 0, other, tip.height - 1, 2),
                TransactionConfirmed(funding, tip.height - 1, 1, 2),
            ]
            # Now nothing of it comes back: the new branch is empty.
            await chain.reorganise(3, 4)
            await watch.sync()
            assert driver.take() == [OutputUnspent(funding.txid, 0), TransactionUnconfirmed(funding.txid)]
            # What was never told is not taken back.
            await chain.mine()
            await watch.sync()
            assert [type(each) for each in driver.take()] == [OutputSpent]
            await chain.reorganise(1, 2)
            await watch.sync()
            assert driver.take() == [OutputUnspent(funding.txid, 0)]

    told(story)


def test_a_late_watch_learns_the_past(tmp_path: Path, kind: str) -> None:
    async def story() -> None:
        async with a_chain(kind, tmp_path) as chain, watching(tmp_path, chain) as (watch, driver):
            funding = await a_spend(chain)
            spend = pay(output_of(funding), to=ELSEWHERE)
            await offer(chain, funding)
            await offer(chain, spend)
            (block,) = await chain.mine()
            await chain.mine(3)
            await watch.sync()
            await add(watch, driver, of_transaction(funding), of_output(funding, 100))
            assert driver.take() == [
                OutputSpent(funding.txid, 0, spend, block.height, 1),
                TransactionConfirmed(funding, block.height, 1, 3),
            ]
            await add(watch, driver, of_transaction(funding), of_output(funding, 100))
            assert driver.take() == [], "the same watch again is no news"
            await add(watch, driver, of_output(funding, 4))
            await add(watch, driver, of_output(funding, 3))  # before the events of the last one were taken
            depths = [each.depth for each in driver.take() if isinstance(each, OutputSpent)]
            assert depths == [1, 4, 1, 3], "another one under its key begins anew"

    told(story)


def test_what_happens_while_the_node_is_away_is_told_at_the_start(tmp_path: Path, kind: str) -> None:
    async def story() -> None:
        async with a_chain(kind, tmp_path) as chain:
            async with watching(tmp_path, chain) as (watch, driver):
                funding = await a_spend(chain)
                gone = await a_spend(chain)
                await offer(chain, gone)
                await chain.mine()
                await add(watch, driver, of_transaction(funding), of_output(funding, 200))
                await add(watch, driver, of_transaction(gone, 1), owner=OTHER)
                assert [type(each) for each in driver.take(OTHER)] == [TransactionConfirmed]
            await chain.reorganise(1, 2, (funding.serialise(),))
            await chain.mine(150)  # more than one delta holds; `gone` is mined again in the first of them
            async with watching(tmp_path, chain) as (watch, driver):
                assert [type(each) for each in driver.take(OTHER)] == [TransactionUnconfirmed, TransactionConfirmed]
                assert [type(each) for each in driver.take()] == [TransactionConfirmed]
                assert driver.heights == [watch.height] and set(driver.woken) == {OWNER, OTHER}
            async with watching(tmp_path, chain) as (watch, driver):
                assert driver.take() == driver.take(OTHER) == []

    told(story)


def test_what_is_not_taken_waits_and_removed_owners_hear_nothing(tmp_path: Path) -> None:
    async def story() -> None:
        async with a_chain("embedded", tmp_path) as chain:
            async with watching(tmp_path, chain) as (watch, driver):
                funding = await a_spend(chain)
                await add(watch, driver, of_transaction(funding, 1))
                await add(watch, driver, of_transaction(funding, 1), owner=OTHER)
                await driver.store.write(lambda write: watch.remove_owner(write, OTHER))
                await offer(chain, funding)
                await chain.mine()
                await watch.sync()
            async with watching(tmp_path, chain) as (_, driver):
                assert len(driver.take()) == 1
                assert driver.take(OTHER) == []

    told(story)


def test_an_owner_that_was_removed_may_come_back(tmp_path: Path, kind: str) -> None:
    async def story() -> None:
        async with a_chain(kind, tmp_path) as chain, watching(tmp_path, chain) as (watch, driver):
            funding = await a_spend(chain)
            await add(watch, driver, of_transaction(funding, 1))
            await driver.store.write(lambda write: watch.remove_owner(write, OWNER))
            await watch.sync()
            await add(watch, driver, of_transaction(funding, 1))
            await offer(chain, funding)
            await chain.mine()
            await watch.sync()
            assert [type(each) for each in driver.take()] == [TransactionConfirmed]

    told(story)


def test_a_past_that_is_undone_while_it_is_read_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        async with a_chain("embedded", tmp_path) as chain, watching(tmp_path, chain) as (watch, driver):
            funding = await a_spend(chain)
            await watch.sync()
            scan, races = chain.scan, [True]

            async def racing(watches: Iterable[Watch], from_height: int) -> ChainDelta:
                if not races:
                    return await scan(watches, from_height)
                races.clear()
                await offer(chain, funding)
                await chain.mine()
                delta = await scan(watches, from_height)
                assert len(delta.connected) == 1
                await chain.reorganise(1, 2)
                return delta

            monkeypatch.setattr(chain, "scan", racing)
            await add(watch, driver, of_transaction(funding, 1))
            assert not races and driver.take() == [], "the block that held it was gone before anybody was told"
            await chain.mine()
            await watch.sync()
            assert [type(each) for each in driver.take()] == [TransactionConfirmed]

    told(story)


def test_a_step_that_is_not_committed_watches_nothing(tmp_path: Path) -> None:
    async def story() -> None:
        async with a_chain("embedded", tmp_path) as chain, watching(tmp_path, chain) as (watch, driver):
            funding = await a_spend(chain)

            def step(write: Write) -> None:
                watch.add_watch(write, OWNER, of_transaction(funding, 1))
                raise ZeroDivisionError

            with pytest.raises(ZeroDivisionError):
                await driver.store.write(step)
            await offer(chain, funding)
            await chain.mine()
            await watch.sync()
            assert driver.take() == []

    told(story)
