"""Does a peer's transaction, as large as relay allows, keep any watch from seeing the next block?"""

import logging
from pathlib import Path

import pytest
from lnpd_sdk import envelope
from msgspec.structs import replace

from lnpd.chain.interface import BlockRef, ChainDelta, ConnectedBlock, Match, Outpoint, WatchOutpoint
from lnpd.channel.events import OutputSpent, SpendSeen
from lnpd.services.chain import rows as chain_rows
from lnpd.services.chain.parcel import MAX_PARCEL_BYTES, pack, unpack
from lnpd.services.chain.rows import Found, new_row, read_row, write_row
from lnpd.services.chain.watch import NAMESPACE
from lnpd.services.onchain import StoredBroadcast
from lnpd.store import write as store_write
from lnpd.store.read import Read
from lnpd.tx.transaction import Tx, TxIn, TxOut, parse
from tests.chain.purse import P2WPKH, output_of, p2wsh, pay
from tests.services.chain.chains import Chain, a_chain, a_spend, offer, told
from tests.services.chain.watchers import OTHER, OWNER, Driver, add, of_output, watching

INPUTS = 200  # as many as a claim has
FILLER = b"\x4d\x78\x01" + bytes(376) + b"\x75"  # a push that is dropped
FAT = 4 * FILLER + 3 * (b"\x4c\x62" + bytes(98) + b"\x75") + b"\x51"  # anyone may spend it
STANDARD_WEIGHT = 400_000


async def fat_coins(chain: Chain) -> Tx:
    """A confirmed transaction that stands for a commitment: its outputs are 200 HTLCs."""
    coin = await chain.output(await chain.fund(P2WPKH, 10_000_000))
    assert coin is not None
    made = pay(coin, outputs=(TxOut(45_000, p2wsh(FAT)),) * INPUTS)
    await offer(chain, made)
    await chain.mine()
    return made


def fat_spend(coins: Tx, count: int = INPUTS) -> Tx:
    """One transaction of the peer that takes all of them."""
    inputs = tuple(TxIn(coins.txid, vout, 0xFFFFFFFD, (FAT,)) for vout in range(count))
    return Tx(inputs, (TxOut(count * 45_000 - 600_000 * count // INPUTS, P2WPKH),))


@pytest.mark.parametrize("kind", ["embedded", "remote"])
def test_a_claim_of_200_inputs_may_be_spent_by_one_transaction_of_400_kwu(tmp_path: Path, kind: str) -> None:
    async def story() -> None:
        async with a_chain(kind, tmp_path) as chain:
            coins = await fat_coins(chain)
            spend = fat_spend(coins)
            assert 0.97 * STANDARD_WEIGHT < spend.weight <= STANDARD_WEIGHT
            claim = StoredBroadcast("claim/x", tuple((coins.txid, vout) for vout in range(INPUTS)))
            async with watching(tmp_path, chain) as (watch, driver):
                driver.transactions["claim/x"] = None
                await add(watch, driver, claim)
                await offer(chain, spend)
                (block,) = await chain.mine()
                await watch.sync()
                assert driver.heights[-1] == watch.height == block.height
                assert watch.status(OWNER)[0].spent == INPUTS
                assert len(stored(driver)[0]) < 40_000, "no transaction is kept in it"
            async with watching(tmp_path, chain) as (watch, driver):
                assert watch.status(OWNER)[0].spent == INPUTS
                await chain.mine()
                await watch.sync()
                assert driver.heights[-1] == block.height + 1

    told(story)


def stored(driver: Driver) -> list[bytes]:
    """The watcher's rows."""

    def rows(read: Read) -> list[bytes]:
        return [value for _, value in read.values(NAMESPACE)]

    return driver.store.read_sync(rows)


def test_a_row_that_cannot_be_stored_costs_its_own_watch_and_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def story() -> None:
        async with a_chain("embedded", tmp_path) as chain, watching(tmp_path, chain) as (watch, driver):
            coins, funding = await fat_coins(chain), await a_spend(chain)
            fat, small = fat_spend(coins, 20), pay(output_of(funding))
            await add(watch, driver, of_output(coins, depth=1))
            await add(watch, driver, of_output(funding, depth=1), owner=OTHER)
            for tx in (fat, funding, small):
                await offer(chain, tx)
            monkeypatch.setattr(store_write, "VALUE_MAX_BYTES", 20_000)
            for _ in range(2):
                (block,) = await chain.mine()
                await watch.sync()
                assert driver.heights[-1] == watch.height == block.height, "the next block is seen too"
            assert [type(each) for each in driver.take(OTHER)] == [OutputSpent]
            assert driver.take(OWNER) == []
            alarms = [each.getMessage() for each in caplog.records if each.levelno == logging.CRITICAL]
            assert len(alarms) == 2 and all(OWNER.decode() in each for each in alarms), "its row, and its event"

    told(story)


def test_an_older_row_that_keeps_the_transaction_is_read_without_it() -> None:
    tx = Tx((TxIn(bytes(32), 0),), (TxOut(1, b""),))
    found = (Found(7, b"\x07" * 32, 1, tx), None)
    row = replace(new_row(OWNER, StoredBroadcast("claim", ((bytes(32), 0), (bytes(32), 1))), 3), found=found)
    assert read_row(b"", write_row(row)) == replace(row, found=(Found(7, b"\x07" * 32, 1), None))
    of_one = replace(new_row(OWNER, of_output(tx), 3), found=found[:1])
    assert read_row(b"", write_row(of_one)) == of_one


def a_match(number: int, transaction: bytes, position: int | None = 1) -> Match:
    txid = transaction[:32]
    return Match(WatchOutpoint(Outpoint(txid, number)), txid, transaction, position, number)


def test_a_parcel_holds_each_transaction_once_and_comes_out_whole() -> None:
    large, other = b"\x01" * 400_000, b"\x02" * 1_000
    one, two = BlockRef(1, b"\x0a" * 32), BlockRef(2, b"\x0b" * 32)
    block = ConnectedBlock(one, tuple(a_match(n, large) for n in range(200)))
    delta = ChainDelta((two,), (block, ConnectedBlock(two, ())), (a_match(0, other, None),), two, False)
    parcel = pack(delta)
    assert unpack(parcel) == delta and unpack(envelope.decode(envelope.encode(parcel), type(parcel))) == delta
    assert len(envelope.encode(parcel)) < 500_000 < MAX_PARCEL_BYTES < len(envelope.encode(delta))


def test_a_delta_is_cut_to_fit_a_frame() -> None:
    def block(height: int) -> ConnectedBlock:
        number = height.to_bytes(32, "big")
        return ConnectedBlock(BlockRef(height, number), (a_match(0, number + bytes(1_000)),))

    waiting = tuple(a_match(0, bytes([n]) * 1_000, None) for n in range(1, 101))
    end = BlockRef(100, (100).to_bytes(32, "big"))
    delta = ChainDelta((), tuple(block(height) for height in range(1, 101)), waiting, end, False)
    assert unpack(pack(delta, 1 << 20)) == delta
    cut = unpack(pack(delta, 50_000))
    assert len(envelope.encode(pack(delta, 50_000))) <= 50_000 < len(envelope.encode(pack(delta)))
    assert cut.more and cut.end == cut.connected[-1].block and cut.connected == delta.connected[: len(cut.connected)]
    assert len(unpack(pack(delta, 1)).connected) == 1, "one block is always told"
    last = replace(delta, connected=delta.connected[-1:])
    cut = unpack(pack(last, 50_000))
    assert cut == replace(last, mempool=(), more=True), "the mempool waits for the next question"
    cut = unpack(pack(replace(last, connected=()), 50_000))
    assert cut.mempool == waiting[: len(cut.mempool)] and 20 < len(cut.mempool) < 50 and not cut.more


def test_what_waits_and_takes_all_of_a_commitment_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of its inputs is shown; to read it for each took the store's thread seconds."""
    coins = Tx((TxIn(bytes(32), 0),), (TxOut(45_000, p2wsh(FAT)),) * INPUTS)
    reads: list[bytes] = []
    monkeypatch.setattr(chain_rows, "parse", lambda data: (reads.append(data), parse(data))[1])
    spends = [fat_spend(coins), replace(fat_spend(coins), locktime=1)]
    watched = [new_row(OWNER, replace(of_output(coins), vout=vout), 0) for vout in range(INPUTS)]
    seen = []
    for spend in spends:
        data = spend.serialise()
        matches = [Match(WatchOutpoint(Outpoint(coins.txid, vout)), spend.txid, data) for vout in range(INPUTS)]
        seen.append(chain_rows.seen_in(tuple(matches), watched))
        assert list(seen[-1].values()) == [SpendSeen(coins.txid, vout, spend) for vout in range(INPUTS)]
    assert len(reads) == 2
    assert not seen[0].keys() & seen[1].keys()
