"""Does every backend keep the promises of interface.py? The same stories on each."""

import asyncio
from pathlib import Path

import pytest

from lnpd.chain import embedded
from lnpd.chain.bitcoind import backend as bitcoind_backend
from lnpd.chain.electrum import backend as electrum_backend
from lnpd.chain.interface import (
    BlockRef,
    ChainTip,
    Match,
    NewTip,
    Outcome,
    Outpoint,
    SeenUnconfirmed,
    WatchOutpoint,
    WatchScript,
    WatchTxid,
)
from lnpd.errors import ChainClosed, UnknownBlock, WatchesTooMany
from lnpd.tx.script import hash160
from lnpd.tx.transaction import Tx, TxIn, TxOut
from tests.chain.purse import NO_LOCK, P2WPKH, output_of, p2wsh, pay, spend_script
from tests.chain.worlds import KINDS, World, spend_of, told

TARGET = p2wsh(b"\x52")
BARE = b"\x51"
each_kind = pytest.mark.parametrize("kind", KINDS)


def places(match: Match) -> tuple[object, ...]:
    """What a match says, without the transaction."""
    return match.watch, match.txid, match.position, match.input_index, match.output_index


@each_kind
def test_blocks_are_summed_up(tmp_path: Path, kind: str) -> None:
    async def story(world: World) -> None:
        tx = spend_of(await world.coin())
        await world.offer(tx)
        (block,) = await world.hand.mine()
        view = await world.view()
        found, below = await view.block_at(block.height), await view.block_at(block.height - 1)
        assert found and below
        assert found.block == block == await view.best_block()
        assert await view.tip() == ChainTip(block, found.time_seconds, block.height)
        assert (found.previous, found.txids[1:]) == (below.block.hash, (tx.txid,))
        assert found.time_seconds > 1_500_000_000 and found.median_time_seconds <= found.time_seconds
        genesis = await view.block_at(0)
        assert genesis and genesis.previous == bytes(32) and genesis.block.height == 0
        assert await view.block_at(block.height + 1) is None and await view.block_at(-1) is None

    told(kind, tmp_path, story)


@each_kind
def test_what_becomes_of_a_broadcast(tmp_path: Path, kind: str) -> None:
    async def story(world: World) -> None:
        coin, hand = await world.coin(), world.hand
        tx = spend_of(coin)
        raw = tx.serialise()
        first = await hand.broadcast((raw,))
        assert (first.outcome, first.reason) == (Outcome.ACCEPTED, "")
        assert [verdict.txid for verdict in first.verdicts] == [tx.txid]
        assert (await hand.broadcast((raw,))).outcome is Outcome.KNOWN
        await hand.mine()
        assert (await hand.broadcast((raw,))).outcome is Outcome.KNOWN
        child = spend_of(output_of(tx))
        await world.offer(child)
        await hand.mine()
        assert (await hand.broadcast((raw,))).outcome is Outcome.KNOWN, "all its outputs are spent meanwhile"

    told(kind, tmp_path, story)


@each_kind
def test_refusals_have_names(tmp_path: Path, kind: str) -> None:
    async def story(world: World) -> None:
        coin, other, hand = await world.coin(), await world.coin(), world.hand
        height = (await hand.best_block()).height
        waiting = spend_of(other, fee_sat=2_000)
        await world.offer(waiting)
        missing = pay(output_of(spend_of(coin)))
        forged = spend_of(coin).with_witness(0, (bytes(71), b"\x02" * 33))
        refused = {
            "bad-txns-inputs-missingorspent": missing,
            "min relay fee not met": spend_of(coin, fee_sat=10),
            "insufficient fee": spend_of(other, fee_sat=2_001),
            "non-final": spend_of(coin, locktime=height + 5),
            "non-BIP68-final": spend_of(coin, sequence=50),
            "dust": spend_of(coin, outputs=(TxOut(100, P2WPKH), TxOut(990_000, P2WPKH))),
            "bad-txns-in-belowout": spend_of(coin, outputs=(TxOut(2_000_000, P2WPKH),)),
        }
        assert {name: (await world.reason(tx))[: len(name)] for name, tx in refused.items()} == {n: n for n in refused}
        assert "script-verify-flag" in await world.reason(forged)
        assert (await hand.broadcast((b"\x02\0",))).reason.startswith("TX decode failed")
        assert (await hand.broadcast((bytes(400_001),))).reason == "tx-size"
        assert (await hand.broadcast(())).reason == "package-empty"
        assert (await hand.broadcast((b"", b"", b""))).reason == "package-too-many-transactions"
        assert await world.reason(spend_of(coin), spend_of(other)) == "package-not-child-with-parents"
        assert (await hand.broadcast((missing.serialise(),))).outcome is Outcome.REFUSED

    told(kind, tmp_path, story)


@each_kind
def test_a_fee_of_more_than_10_000_sat_per_virtual_byte_is_taken_for_a_mistake(tmp_path: Path, kind: str) -> None:
    async def story(world: World) -> None:
        coin = await world.coin(10_000_000)
        size = -(-spend_of(coin).weight // 4)
        assert "maxfeerate" in await world.reason(spend_of(coin, fee_sat=10_010 * size))
        assert not await world.reason(spend_of(coin, fee_sat=9_990 * size)), "all that is ever scheduled, and more"

    told(kind, tmp_path, story)


@each_kind
def test_a_replacement_takes_the_place_of_what_it_replaces(tmp_path: Path, kind: str) -> None:
    async def story(world: World) -> None:
        coin, view = await world.coin(), await world.view()
        cheap, dear = spend_of(coin, fee_sat=1_000), spend_of(coin, fee_sat=5_000)
        await view.watch([WatchOutpoint(coin.outpoint)])
        start = await view.best_block()
        await world.offer(cheap)
        assert [match.txid for match in (await view.blocks_since(start)).mempool] == [cheap.txid]
        await world.offer(dear)
        assert [match.txid for match in (await view.blocks_since(start)).mempool] == [dear.txid]
        found = await view.output(coin.outpoint)
        assert found and found.spent_by == dear.txid
        assert await view.transaction(cheap.txid) is None

    told(kind, tmp_path, story)


@each_kind
def test_a_child_pays_for_its_parent(tmp_path: Path, kind: str) -> None:
    async def story(world: World) -> None:
        parent = spend_of(await world.coin(), fee_sat=0, version=3)
        child = pay(output_of(parent), fee_sat=5_000, version=3)
        poor = pay(output_of(parent), fee_sat=1, version=3)
        assert "fee not met" in await world.reason(parent)
        assert "fee not met" in await world.reason(parent, poor)
        both = await world.hand.broadcast((parent.serialise(), child.serialise()))
        assert (both.outcome, both.reason) == (Outcome.ACCEPTED, "")
        assert [verdict.txid for verdict in both.verdicts] == [parent.txid, child.txid]
        again = await world.hand.broadcast((parent.serialise(), child.serialise()))
        assert again.outcome is Outcome.KNOWN
        await world.hand.mine()
        confirmed = await world.hand.transaction(child.txid)
        assert confirmed and confirmed.height == (await world.hand.best_block()).height

    told(kind, tmp_path, story)


@each_kind
def test_a_package_stands_alone_where_it_can(tmp_path: Path, kind: str) -> None:
    async def story(world: World) -> None:
        parent = spend_of(await world.coin())
        bad = pay(output_of(parent)).with_witness(0, (bytes(71), b"\x02" * 33))
        result = await world.hand.broadcast((parent.serialise(), bad.serialise()))
        assert result.outcome is Outcome.REFUSED
        assert [verdict.outcome for verdict in result.verdicts] == [Outcome.ACCEPTED, Outcome.REFUSED]
        assert await world.hand.transaction(parent.txid) is not None, "it stays"

    told(kind, tmp_path, story)


@each_kind
def test_each_way_to_meet_a_watch(tmp_path: Path, kind: str) -> None:
    """The view was opened after the coins were made: it knows nothing of their scripts by itself."""

    async def story(world: World) -> None:
        coin, nest = await world.coin(), await world.coin(script=TARGET)
        view = await world.view()
        start = await view.best_block()
        tx = spend_of(coin, to=TARGET)
        script_spend = spend_script(nest, lambda _: (b"\x52",))
        watches = (WatchOutpoint(coin.outpoint), WatchTxid(tx.txid), WatchScript(TARGET), WatchScript(P2WPKH))
        await view.watch(watches)
        await world.offer(tx, script_spend)
        by_txid, by_outpoint, target, key = watches[1], watches[0], watches[2], watches[3]
        expected = {
            (by_txid, tx.txid, None, None),
            (by_outpoint, tx.txid, 0, None),
            (key, tx.txid, 0, None),
            (target, tx.txid, None, 0),
            (target, script_spend.txid, 0, None),
            (key, script_spend.txid, None, 0),
        }
        delta = await view.blocks_since(start)
        assert (delta.disconnected, delta.connected, delta.end, delta.more) == ((), (), start, False)
        assert {(m.watch, m.txid, m.input_index, m.output_index) for m in delta.mempool} == expected
        assert all(m.position is None for m in delta.mempool) and len(delta.mempool) == 6
        (block,) = await world.hand.mine()
        delta = await view.blocks_since(start)
        assert ([each.block for each in delta.connected], delta.mempool, delta.end) == ([block], (), block)
        matches = delta.connected[0].matches
        assert {(m.watch, m.txid, m.input_index, m.output_index) for m in matches} == expected and len(matches) == 6
        summary = await view.block_at(block.height)
        assert summary and all(summary.txids[m.position or 0] == m.txid for m in matches)
        assert {m.transaction for m in matches} == {tx.serialise(), script_spend.serialise()}
        assert [m.position for m in matches] == sorted(m.position or 0 for m in matches)
        await view.unwatch([target, key, WatchTxid(bytes(32))])
        (left,) = (await view.blocks_since(start)).connected
        assert {m.watch for m in left.matches} == {by_txid, by_outpoint}
        await view.unwatch([by_txid, by_outpoint])
        assert (await view.blocks_since(start)).connected[0].matches == ()

    told(kind, tmp_path, story)


@each_kind
def test_an_input_that_hides_its_script_is_found(tmp_path: Path, kind: str) -> None:
    async def story(world: World) -> None:
        coin = await world.coin()
        view = await world.view()
        bare = spend_of(coin, to=BARE)
        spend = Tx((TxIn(bare.txid, 0, NO_LOCK),), (TxOut(990_000, P2WPKH),))
        await world.hand.mine(2)
        start = await view.best_block()
        await view.watch([WatchScript(BARE)])
        await world.hand.reorganise(1, 2, (bare.serialise(), spend.serialise()))
        matches = [m for block in (await view.blocks_since(start)).connected for m in block.matches]
        assert [(m.txid, m.input_index, m.output_index) for m in matches] == [
            (bare.txid, None, 0),
            (spend.txid, 0, None),
        ]
        past = await view.scan([WatchScript(BARE)], 0)
        assert [m.txid for block in past.connected for m in block.matches] == [bare.txid, spend.txid]

    told(kind, tmp_path, story)


@each_kind
def test_an_input_that_lies_about_its_script_is_no_match(tmp_path: Path, kind: str) -> None:
    """A witness script that is our public key looks, in the witness, like a payment from our address."""

    async def story(world: World) -> None:
        script = b"\x21" + b"\x02" * 33  # a push of 33 bytes: true
        lookalike = b"\x02" * 33
        victim = b"\x00\x14" + hash160(lookalike)
        coin = await world.coin(script=p2wsh(script))
        view = await world.view()
        await view.watch([WatchScript(victim), WatchScript(p2wsh(script))])
        start = await view.best_block()
        spend = spend_script(coin, lambda _: (script,))
        await world.offer(spend)
        await world.hand.mine()
        matches = (await view.blocks_since(start)).connected[0].matches
        assert {m.watch for m in matches} == {WatchScript(p2wsh(script))}

    told(kind, tmp_path, story)


@each_kind
def test_events_are_told(tmp_path: Path, kind: str) -> None:
    async def story(world: World) -> None:
        coin, view = await world.coin(), await world.view()
        tx = spend_of(coin)
        await view.watch([WatchOutpoint(coin.outpoint)])
        await view.blocks_since(await view.best_block())
        heard = view.events()
        await world.offer(tx)
        seen = await asyncio.wait_for(anext(heard), 20)
        assert isinstance(seen, SeenUnconfirmed) and seen.match.txid == tx.txid
        (block,) = await world.hand.mine()
        assert await asyncio.wait_for(anext(heard), 20) == NewTip(block)

    told(kind, tmp_path, story)


@each_kind
def test_the_past_of_new_watches_is_read(tmp_path: Path, kind: str) -> None:
    async def story(world: World) -> None:
        coin, other = await world.coin(), await world.coin()
        tx = spend_of(coin, to=TARGET)
        await world.offer(tx)
        (block,) = await world.hand.mine()
        tip = (await world.hand.mine(2))[-1]
        waiting = spend_of(other)
        await world.offer(waiting)
        view = await world.view()
        asked: dict[str, tuple[WatchTxid | WatchOutpoint | WatchScript, list[BlockRef]]] = {
            "spent outpoint": (WatchOutpoint(coin.outpoint), [block]),
            "unspent outpoint": (WatchOutpoint(Outpoint(tx.txid, 0)), []),
            "outpoint that nobody knows": (WatchOutpoint(Outpoint(bytes(32), 3)), []),
            "txid": (WatchTxid(tx.txid), [block]),
            "txid that nobody knows": (WatchTxid(b"\x07" * 32), []),
            "txid that waits": (WatchTxid(waiting.txid), []),
            "script": (WatchScript(TARGET), [block]),
        }
        for name, (watch, blocks) in asked.items():
            past = await view.scan([watch], 0)
            assert [each.block for each in past.connected] == blocks, name
            assert (past.end, past.more, past.disconnected) == (tip, False, ()), name
            assert {m.txid for m in past.mempool} == ({waiting.txid} if name == "txid that waits" else set()), name
            later = await view.scan([watch], block.height + 1)
            assert later.connected == () and later.end == tip, name
        assert (await view.scan([WatchTxid(tx.txid)], tip.height + 1)).end == tip
        assert (await view.blocks_since(block)).connected[0].matches == (), "a scan registers nothing"
        every = await view.scan([watch for watch, _ in asked.values()], block.height)
        assert [each.block for each in every.connected] == [block]
        assert len(every.connected[0].matches) == 3

    told(kind, tmp_path, story)


@each_kind
def test_outputs_and_transactions_are_looked_up(tmp_path: Path, kind: str) -> None:
    async def story(world: World) -> None:
        hand, coin = world.hand, await world.coin()
        assert (coin.height, coin.is_coinbase, coin.spent_by) == ((await hand.best_block()).height, False, None)
        assert await hand.unspent(P2WPKH) == (coin,)
        tx = spend_of(coin, to=TARGET)
        await world.offer(tx)
        spent, made = await hand.output(coin.outpoint), await hand.output(Outpoint(tx.txid, 0))
        assert spent and (spent.spent_by, spent.height) == (tx.txid, coin.height)
        assert made and (made.height, made.value_sat, made.script) == (None, tx.outputs[0].value_sat, TARGET)
        assert await hand.unspent(P2WPKH) == () and await hand.unspent(TARGET) == (made,)
        assert await hand.output(Outpoint(tx.txid, 1)) is None
        found = await hand.transaction(tx.txid)
        assert found and (found.transaction, found.height, found.position) == (tx.serialise(), None, None)
        (block,) = await hand.mine()
        found = await hand.transaction(tx.txid)
        assert found and (found.transaction, found.height, found.position) == (tx.serialise(), block.height, 1)
        assert await hand.output(coin.outpoint) is None
        confirmed = await hand.output(Outpoint(tx.txid, 0))
        assert confirmed and confirmed.height == block.height
        summary = await hand.block_at(block.height)
        coinbase = await hand.output(Outpoint(summary.txids[0], 0)) if summary else None
        assert coinbase and coinbase.is_coinbase and coinbase.height == block.height
        assert await hand.transaction(b"\x09" * 32) is None

    told(kind, tmp_path, story)


@each_kind
def test_errors_have_their_classes(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "MAX_WATCHES", 2)
    monkeypatch.setattr(bitcoind_backend, "MAX_WATCHES", 2)
    monkeypatch.setattr(electrum_backend, "MAX_WATCHES", 2)

    async def story(world: World) -> None:
        view = await world.view()
        with pytest.raises(WatchesTooMany):
            await view.watch([WatchTxid(bytes([n]) * 32) for n in range(3)])
        await view.watch([WatchTxid(bytes([n]) * 32) for n in range(2)])
        await view.watch([WatchTxid(bytes(32))])
        with pytest.raises(UnknownBlock):
            await view.blocks_since(BlockRef(1, bytes(32)))
        assert 253 <= await view.feerate(6) <= 250_000
        heard = world.hand.events()
        await world.hand.close()
        await world.hand.close()
        with pytest.raises(ChainClosed):
            await world.hand.best_block()
        with pytest.raises(StopAsyncIteration):
            await anext(heard)

    told(kind, tmp_path, story)
