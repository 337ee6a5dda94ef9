"""Can several tasks and clients share the chain from an event loop, without waiting for each other's blocks?"""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import pytest

from lnpd.chain import embedded
from lnpd.chain.embedded import EmbeddedChain
from lnpd.chain.interface import (
    BlockSummary,
    BroadcastResult,
    ChainBackend,
    ChainDelta,
    ChainEvent,
    FoundTransaction,
    NewTip,
    Outcome,
    Output,
    SeenUnconfirmed,
    Watch,
    WatchOutpoint,
    WatchScript,
    WatchTxid,
)
from lnpd.chain.observer import MAX_EVENTS
from lnpd.errors import ChainClosed, ChainLocked, FaucetDry, UnknownBlock, WatchesTooMany
from tests.chain.purse import P2WPKH, output_of, p2wsh, pay

TARGET = p2wsh(b"\x52")


def run(directory: Path, story: Callable[[EmbeddedChain], Awaitable[None]]) -> None:
    async def told() -> None:
        chain = await EmbeddedChain.open(directory)
        try:
            await story(chain)
        finally:
            await chain.close()

    asyncio.run(asyncio.wait_for(told(), 60))


async def ours(chain: EmbeddedChain) -> Output:
    found = await chain.output(await chain.fund(P2WPKH, 1_000_000))
    assert found
    return found


def test_a_new_chain_can_pay_at_once(tmp_path: Path) -> None:
    async def story(chain: EmbeddedChain) -> None:
        assert (await chain.best_block()).height == 101
        assert (await ours(chain)).value_sat == 1_000_000
        with pytest.raises(FaucetDry):
            await chain.fund(b"\x61", 1_000_000)
        with pytest.raises(FaucetDry, match="hardly pay"):
            await chain.fund(P2WPKH, 21_000_000 * 10**8)

    run(tmp_path, story)

    async def again(chain: EmbeddedChain) -> None:
        assert (await chain.best_block()).height == 102, "nothing is mined at a second start"

    run(tmp_path, again)


def test_the_faucet_mines_for_what_it_can_reach_and_not_in_vain(tmp_path: Path) -> None:
    """Others share the chain: their locks run by height."""

    async def story(chain: EmbeddedChain) -> None:
        coin_sat, fee_sat = 50 * 10**8, 100_000  # of each of the first 149 blocks
        with pytest.raises(FaucetDry, match=r"cannot pay 99,999,999,999,999 sat: it has 505,000,000,000 sat"):
            await chain.fund(P2WPKH, 99_999_999_999_999)
        with pytest.raises(FaucetDry):  # block 102's as well, and not one more
            await chain.fund(P2WPKH, 102 * coin_sat)
        assert (await chain.best_block()).height == 101
        found = await chain.output(await chain.fund(P2WPKH, 102 * coin_sat - fee_sat))
        assert found and (found.value_sat, found.height) == (102 * coin_sat - fee_sat, 101 + 110 - 10 + 1)

    run(tmp_path, story)


def test_views_have_their_own_watches_and_events(tmp_path: Path) -> None:
    async def story(chain: EmbeddedChain) -> None:
        one, two = chain.view(), chain.view()
        coin = await ours(chain)
        tx = pay(coin, to=TARGET)
        start = await chain.best_block()
        await one.watch([WatchOutpoint(coin.outpoint)])
        await one.watch([WatchOutpoint(coin.outpoint)])
        heard, heard_too = one.events(), two.events()
        assert (await two.broadcast((tx.serialise(),))).outcome is Outcome.ACCEPTED
        (block,) = await chain.mine()
        first, second = await anext(heard), await anext(heard)
        assert isinstance(first, SeenUnconfirmed) and first.match.txid == tx.txid
        assert second == NewTip(block) == await anext(heard_too)
        assert len((await one.blocks_since(start)).connected[0].matches) == 1
        assert (await two.blocks_since(start)).connected[0].matches == ()
        await one.unwatch([WatchOutpoint(coin.outpoint), WatchTxid(tx.txid)])
        assert (await one.blocks_since(start)).connected[0].matches == ()
        assert len((await one.scan([WatchTxid(tx.txid)], 0)).connected) == 1
        await one.detach()
        with pytest.raises(StopAsyncIteration):
            await anext(heard)
        await chain.reorganise(1, 2)
        assert (await anext(heard_too)) == NewTip(await chain.best_block())
        await chain.close()
        with pytest.raises(StopAsyncIteration):
            await anext(heard_too)

    run(tmp_path, story)


def test_a_slow_reader_loses_old_events_and_counts_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(chain: EmbeddedChain) -> None:
        heard = chain.events()
        start = await chain.best_block()
        blocks = await chain.mine(MAX_EVENTS + 7)
        event = await anext(heard)
        assert event == NewTip(blocks[7])
        assert heard.dropped == 7
        seen, position = list[object](), start
        while (delta := await chain.blocks_since(position)).connected:
            seen += [block.block for block in delta.connected]
            position = delta.end
        assert seen == blocks, "what events lose, blocks_since tells"

    run(tmp_path, story)


def test_a_reader_may_wait_before_the_event(tmp_path: Path) -> None:
    async def story(chain: EmbeddedChain) -> None:
        reader = asyncio.create_task(anext(chain.events()))
        (block,) = await chain.mine()
        assert await reader == NewTip(block)

    run(tmp_path, story)


def test_mining_does_not_hold_up_the_loop(tmp_path: Path) -> None:
    async def story(chain: EmbeddedChain) -> None:
        mining = asyncio.create_task(chain.mine(400))
        turns = 0
        while not mining.done():
            await asyncio.sleep(0)
            turns += 1
        assert len(await mining) == 400
        assert turns > 50

    run(tmp_path, story)


def test_invalidating_a_height_replaces_it_and_all_above(tmp_path: Path) -> None:
    async def story(chain: EmbeddedChain) -> None:
        coin = await ours(chain)
        tx = pay(coin)
        await chain.broadcast((tx.serialise(),))
        blocks = await chain.mine(3)
        new = await chain.invalidate(blocks[0].height)
        assert len(new) == 4 and await chain.best_block() == new[-1]
        assert await chain.unspent(P2WPKH) == (output_of(tx),)
        assert (await chain.blocks_since(blocks[2])).disconnected == tuple(reversed(blocks))

    run(tmp_path, story)


def test_a_package_under_a_busy_mempool(tmp_path: Path) -> None:
    async def story(chain: EmbeddedChain) -> None:
        await chain.set_mempool_floor(5_000)
        parent = pay(await ours(chain), fee_sat=200)
        child = pay(output_of(parent), fee_sat=5_000)
        assert (await chain.broadcast((parent.serialise(),))).reason.startswith("mempool min fee not met")
        assert (await chain.broadcast((parent.serialise(), child.serialise()))).outcome is Outcome.ACCEPTED

    run(tmp_path, story)


def test_errors_reach_the_task_that_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "MAX_WATCHES", 2)

    async def story(chain: EmbeddedChain) -> None:
        with pytest.raises(WatchesTooMany):
            await chain.watch([WatchTxid(bytes([n]) * 32) for n in range(3)])
        with pytest.raises(UnknownBlock):
            await chain.blocks_since((await chain.best_block()).__class__(1, bytes(32)))
        with pytest.raises(ChainLocked):
            await EmbeddedChain.open(tmp_path)
        await chain.close()
        await chain.close()
        with pytest.raises(ChainClosed):
            await chain.best_block()

    run(tmp_path, story)


def test_the_feerate_is_what_was_set(tmp_path: Path) -> None:
    async def story(chain: EmbeddedChain) -> None:
        assert await chain.feerate(6) == embedded.DEFAULT_FEERATE_PER_KW
        await chain.set_feerate(300)
        assert await chain.feerate(6) == 300

    run(tmp_path, story)


def test_every_answer_crosses_a_bus(tmp_path: Path) -> None:
    def crosses(value: object, form: object) -> None:
        assert msgspec.msgpack.decode(msgspec.msgpack.encode(value), type=form) == value

    async def story(chain: EmbeddedChain) -> None:
        backend: ChainBackend = chain
        coin = await ours(chain)
        tx = pay(coin, to=TARGET)
        watches: list[Watch] = [WatchOutpoint(coin.outpoint), WatchTxid(tx.txid), WatchScript(TARGET)]
        crosses(watches, list[Watch])
        start = await backend.best_block()
        await backend.watch(watches)
        heard = backend.events()
        crosses(await backend.broadcast((tx.serialise(), b"")), BroadcastResult)
        crosses(await backend.broadcast((tx.serialise(),)), BroadcastResult)
        crosses(await anext(heard), ChainEvent)
        crosses(await backend.blocks_since(start), ChainDelta)
        await chain.mine()
        crosses(await backend.blocks_since(start), ChainDelta)
        crosses(await backend.block_at(5), BlockSummary)
        crosses(await backend.unspent(TARGET), tuple[Output, ...])
        crosses(await backend.transaction(tx.txid), FoundTransaction)

    run(tmp_path, story)
