"""Are transactions broadcast until the chain has them, and are refusals seen?"""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from lnpd.chain.interface import BroadcastResult
from lnpd.errors import BitcoindFault, FeerateUnknown, SignerRefused
from lnpd.services.chain.rows import DEEP
from lnpd.services.chain.watch import MIN_FEERATE_PER_KW, UNKNOWN_PER_KW
from lnpd.services.onchain import StoredBroadcast
from tests.services.chain.chains import KINDS, a_chain, a_spend, offer, told
from tests.services.chain.watchers import OTHER, OWNER, add, of_output, watching


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


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
            assert driver.answers == [({tx.txid}, {tx.txid})]
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
            assert driver.answers == 2 * [({tx.txid}, set())]
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


class Refusing:
    """A chain that raises what it is told to, of one transaction or of feerates; else it is the one that it has."""

    def __init__(self, chain: Any) -> None:
        self._chain, self.broken, self.unknown = chain, b"", FeerateUnknown("no estimate", 700)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._chain, name)

    async def broadcast(self, txs: tuple[bytes, ...]) -> BroadcastResult:
        if txs[0] == self.broken:
            raise BitcoindFault("sendrawtransaction", -1, "out of its mind")
        result: BroadcastResult = await self._chain.broadcast(txs)
        return result

    async def feerate(self, target_blocks: int) -> int:
        raise self.unknown


def test_a_broadcast_at_which_the_chain_errs_keeps_no_other_one_back(tmp_path: Path) -> None:
    async def story() -> None:
        async with a_chain("embedded", tmp_path) as chain:
            refusing = Refusing(chain)
            async with watching(tmp_path, refusing) as (watch, driver):
                txs = {name: await a_spend(chain) for name in ("a", "b", "c")}
                refusing.broken = txs["a"].serialise()
                driver.transactions.update(txs)
                await add(watch, driver, *(StoredBroadcast.of(name, tx) for name, tx in txs.items()))
                found = {each.key: each for each in watch.status(OWNER)}
                assert "out of its mind" in found["a"].refused and not found["a"].txids
                for name in ("b", "c"):
                    assert await chain.transaction(txs[name].txid) is not None
                refusing.broken = b""
                await watch.sync()
                assert await chain.transaction(txs["a"].txid) is not None, "tried again at the next occasion"

    told(story)


def test_without_an_estimate_what_is_paid_confirms_all_the_same(tmp_path: Path) -> None:
    async def story() -> None:
        async with a_chain("embedded", tmp_path) as chain:
            refusing = Refusing(chain)
            async with watching(tmp_path, refusing) as (watch, _):
                assert await watch.feerate(6) == UNKNOWN_PER_KW
                refusing.unknown = FeerateUnknown("no estimate", 9_000)
                assert await watch.feerate(6) == watch.known_feerate(6) == 9_000, "what the mempool takes at least"

    told(story)


def test_why_there_is_no_estimate_is_said_once_until_it_changes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def story() -> None:
        async with a_chain("embedded", tmp_path) as chain:
            refusing = Refusing(chain)
            async with watching(tmp_path, refusing) as (watch, _):
                for why, count in (("no estimate", 1), ("no estimate", 1), ("other", 1), ("no estimate", 2)):
                    refusing.unknown = FeerateUnknown(why)
                    for target in (6, 1008):
                        await watch.estimate(target)
                    said = [each.getMessage() for each in caplog.records if "no estimate of" in each.getMessage()]
                    assert sum(each.endswith(f": {why}") for each in said) == count

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
