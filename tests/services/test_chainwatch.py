"""Do channels hear of everything that the chain does to them, once, in order, through restarts and reorganisations?"""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from lnpd.chain.interface import ChainDelta, Watch
from lnpd.channel.actions import WatchOutput, WatchTransaction
from lnpd.channel.events import OutputSpent, OutputUnspent, TransactionConfirmed, TransactionUnconfirmed
from lnpd.errors import LnpdError, SignerRefused
from lnpd.services.chainwatch import MIN_FEERATE_PER_KW, ChainWatch
from lnpd.services.chainwatch_rows import DEEP, Fact, read_fact
from lnpd.services.onchain import Outpoint, StoredBroadcast
from lnpd.store.store import Store
from lnpd.store.write import Write
from lnpd.tx.transaction import Tx
from tests.chain.purse import output_of, p2wsh, pay
from tests.services.chains import KINDS, Chain, a_chain, a_spend, offer, told, until

OWNER, OTHER = b"channel-one", b"channel-two"
ELSEWHERE = p2wsh(b"\x52")


class Driver:
    """The channels: it takes its inbox rows as the real driver does, and completes broadcasts from a table."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.woken: list[bytes] = []
        self.heights: list[int] = []
        self.transactions: dict[str, Tx | LnpdError | None] = {}
        self.asked: list[tuple[str, int]] = []

    def deliver(self, owner: bytes) -> None:
        self.woken.append(owner)

    def deliver_block(self, height: int) -> None:
        self.heights.append(height)

    async def complete(
        self, owner: bytes, broadcast: StoredBroadcast, spent: frozenset[Outpoint]
    ) -> tuple[bytes, ...] | None:
        self.asked.append((broadcast.key, len(spent)))
        found = self.transactions.get(broadcast.key)
        if isinstance(found, LnpdError):
            raise found
        return None if found is None else (found.serialise(),)

    def take(self, owner: bytes = OWNER) -> list[Fact]:
        """The events that wait, and takes them out."""
        rows = self.store.read_sync(lambda read: read.inbox(owner))

        def remove(write: Write) -> None:
            for row in rows:
                write.remove_inbox(owner, row.key)

        self.store.write_sync(remove)
        return [read_fact(row.value) for row in rows]


@asynccontextmanager
async def watching(directory: Path, chain: Chain) -> AsyncIterator[tuple[ChainWatch, Driver]]:
    """A watcher on the store of a directory; hints alone wake it, for its poll is an hour."""
    store = Store.open(directory / "node", "regtest")
    driver = Driver(store)
    watch = ChainWatch(store, chain, driver, poll_seconds=3600)
    try:
        await watch.start()
        yield watch, driver
        await watch.stop()
    finally:
        store.close_sync()


async def add(watch: ChainWatch, driver: Driver, *subjects: object, owner: bytes = OWNER) -> None:
    """What a channel's step does."""

    def rows(write: Write) -> None:
        for subject in subjects:
            if isinstance(subject, StoredBroadcast):
                watch.add_broadcast(write, owner, subject)
            else:
                assert isinstance(subject, WatchTransaction | WatchOutput)
                watch.add_watch(write, owner, subject)

    await driver.store.write(rows)
    watch.applied()
    await watch.sync()


def of_transaction(tx: Tx, depth: int = 3) -> WatchTransaction:
    return WatchTransaction("funding", tx.txid, tx.outputs[0].script_pubkey, depth)


def of_output(tx: Tx, depth: int = 2, key: str = "funding") -> WatchOutput:
    return WatchOutput(key, tx.txid, 0, tx.outputs[0].script_pubkey, depth)


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


# Broadcasts


def test_a_broadcast_goes_on_until_its_inputs_are_spent_deeply(tmp_path: Path, kind: str) -> None:
    async def story() -> None:
        async with a_chain(kind, tmp_path) as chain, watching(tmp_path, chain) as (watch, driver):
            tx = await a_spend(chain)
            broadcast = StoredBroadcast.of("close", tx, b"fill")
            driver.transactions["close"] = tx
            await add(watch, driver, broadcast)
            assert await chain.transaction(tx.txid) is not None
            (status,) = watch.status(OWNER)
            assert (status.refused, status.attempts, status.spent, status.txids) == ("", 1, 0, (tx.txid,))
            await add(watch, driver, broadcast)
            assert len(driver.asked) == 1, "what is there already is not asked for again"
            await chain.mine()
            await watch.sync()
            assert watch.status(OWNER)[0].spent == 1 and len(driver.asked) == 1
            await chain.reorganise(1, 2)
            await watch.sync()
            assert watch.status(OWNER)[0].spent == 0 and len(driver.asked) == 2
            await chain.mine(DEEP - 1)
            await watch.sync()
            assert len(watch.status(OWNER)) == 1
            await chain.mine()
            await watch.sync()
            assert watch.status(OWNER) == ()
            assert len(driver.asked) == 2

    told(story)


def test_a_broadcast_survives_a_restart_and_an_empty_mempool(tmp_path: Path) -> None:
    async def story() -> None:
        async with a_chain("embedded", tmp_path) as chain, watching(tmp_path, chain) as (watch, driver):
            tx = await a_spend(chain)
            driver.transactions["close"] = None
            await add(watch, driver, StoredBroadcast.of("close", tx))
            assert watch.status(OWNER)[0].attempts == 0
        async with a_chain("embedded", tmp_path) as chain, watching(tmp_path, chain) as (watch, driver):
            driver.transactions["close"] = tx
            await chain.mine()
            await watch.sync()
            assert await chain.transaction(tx.txid) is not None

    told(story)


def test_a_refusal_is_logged_once_for_each_reason_and_stays_visible(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def story() -> None:
        async with a_chain("embedded", tmp_path) as chain, watching(tmp_path, chain) as (watch, driver):
            tx = await a_spend(chain, fee_sat=0)
            driver.transactions["close"] = tx
            await add(watch, driver, StoredBroadcast.of("close", tx))
            await chain.mine()
            await watch.sync()
            (status,) = watch.status(OWNER)
            assert status.refused.startswith("min relay fee not met") and status.attempts == 2
            driver.transactions["close"] = SignerRefused("SOME_RULE", "this is not signed")
            await chain.mine()
            await watch.sync()
            assert "this is not signed" in watch.status(OWNER)[0].refused
            logged = [record.getMessage() for record in caplog.records if "is refused" in record.getMessage()]
            assert len(logged) == 2
            # Another transaction of the owner is not held up, and a new one in its place is tried at once.
            better = await a_spend(chain)
            driver.transactions["close"] = better
            await add(watch, driver, StoredBroadcast.of("close", better))
            assert watch.status(OWNER)[0].refused == "" and watch.status(OTHER) == ()

    told(story)


def test_inputs_may_be_spent_one_by_one(tmp_path: Path) -> None:
    async def story() -> None:
        async with a_chain("embedded", tmp_path) as chain, watching(tmp_path, chain) as (watch, driver):
            one, two = await a_spend(chain), await a_spend(chain)
            inputs = StoredBroadcast.of("claim", one).inputs + StoredBroadcast.of("claim", two).inputs
            driver.transactions["claim"] = None
            await add(watch, driver, StoredBroadcast("claim", inputs))
            await offer(chain, one)
            await chain.mine()
            await watch.sync()
            assert driver.asked[-1] == ("claim", 1), "whoever completes it leaves out what is gone"
            assert watch.status(OWNER)[0].spent == 1
            driver.transactions["claim"] = two
            await chain.mine(2)
            await watch.sync()
            asked = len(driver.asked)
            await chain.mine()
            await watch.sync()
            assert watch.status(OWNER)[0].spent == 2 and len(driver.asked) == asked

    told(story)


def test_the_feerate_has_a_floor_and_a_memory(tmp_path: Path) -> None:
    async def story() -> None:
        async with a_chain("embedded", tmp_path) as chain, watching(tmp_path, chain) as (watch, _):
            assert await watch.feerate(6) == 2_500
            await chain.set_feerate(1)
            assert await watch.feerate(6) == MIN_FEERATE_PER_KW

    told(story)


def test_a_thousand_watches_cost_little(tmp_path: Path) -> None:
    async def story() -> None:
        async with a_chain("embedded", tmp_path) as chain, watching(tmp_path, chain) as (watch, driver):
            tx = await a_spend(chain)
            watches = [of_output(tx, key=str(number)) for number in range(200)]
            for number in range(5):
                await add(watch, driver, *watches, owner=bytes([number]))
            await chain.mine()
            start = asyncio.get_running_loop().time()
            await watch.sync()
            seconds = asyncio.get_running_loop().time() - start
            print(f"a block with 1000 watches: {1000 * seconds:.1f} ms")
            assert seconds < 2

    told(story)
