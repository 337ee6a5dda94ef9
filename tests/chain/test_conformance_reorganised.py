"""Does every backend tell the same of blocks that left the chain, and of many that came?"""

from pathlib import Path

import pytest

from lnpd.chain.interface import WatchOutpoint, WatchScript, WatchTxid
from tests.chain.purse import p2wsh
from tests.chain.worlds import KINDS, World, everything_since, spend_of, told

TARGET = p2wsh(b"\x52")
each_kind = pytest.mark.parametrize("kind", KINDS)


@each_kind
@pytest.mark.parametrize("depth", [1, 2, 3, 4, 5, 6, 20])
def test_a_reorganisation_is_told(tmp_path: Path, kind: str, depth: int) -> None:
    async def story(world: World) -> None:
        coin, view = await world.coin(), await world.view()
        tx = spend_of(coin, to=TARGET)
        await view.watch([WatchTxid(tx.txid), WatchScript(TARGET)])
        start = await view.best_block()
        await world.offer(tx)
        old = await world.hand.mine(depth)
        assert len((await view.blocks_since(start)).connected[0].matches) == 2
        new = await world.hand.reorganise(depth, depth + 1)
        if depth > 10:  # bitcoind gives up on what invalidateblock took out of so many blocks
            await world.offer(tx)
        delta = await view.blocks_since(old[-1])
        assert delta.disconnected == tuple(reversed(old))
        assert [(each.block, each.matches) for each in delta.connected] == [(block, ()) for block in new]
        assert (delta.end, delta.more) == (new[-1], False)
        assert {match.txid for match in delta.mempool} == {tx.txid}, "it waits again"
        half_way = await view.blocks_since(old[0])
        assert half_way.disconnected == (old[0],) and half_way.end == new[-1]
        (again,) = await world.hand.mine()
        delta = await view.blocks_since(new[-1])
        assert [(b.block, len(b.matches)) for b in delta.connected] == [(again, 2)] and not delta.mempool
        found = await view.transaction(tx.txid)
        assert found and found.height == again.height

    told(kind, tmp_path, story)


@each_kind
def test_a_transaction_can_move_to_another_block_or_be_undone_for_good(tmp_path: Path, kind: str) -> None:
    async def story(world: World) -> None:
        coin, view = await world.coin(), await world.view()
        tx, rival = spend_of(coin, to=TARGET), spend_of(coin, fee_sat=3_000)
        await view.watch([WatchOutpoint(coin.outpoint)])
        await world.offer(tx)
        (old,) = await world.hand.mine()
        first, _ = await world.hand.reorganise(1, 2, (rival.serialise(),))
        delta = await view.blocks_since(old)
        assert delta.disconnected == (old,) and delta.mempool == ()
        assert [(b.block, [m.txid for m in b.matches]) for b in delta.connected[:1]] == [(first, [rival.txid])]
        assert await view.transaction(tx.txid) is None
        assert (await world.reason(tx)).startswith("bad-txns-inputs-missingorspent")

    told(kind, tmp_path, story)


@each_kind
def test_a_long_absence_is_told_in_parts(tmp_path: Path, kind: str) -> None:
    async def story(world: World) -> None:
        coin, view = await world.coin(), await world.view()
        tx = spend_of(coin)
        await view.watch([WatchTxid(tx.txid)])
        start = await view.best_block()
        blocks = await world.hand.mine(150)
        await world.offer(tx)
        blocks += await world.hand.mine(1)
        first = await view.blocks_since(start)
        assert (first.more, len(first.connected), first.mempool) == (True, 144, ())
        whole = await everything_since(view, start)
        assert [each.block for each in whole.connected] == blocks
        assert [each.block for each in whole.connected if each.matches] == blocks[-1:]
        past = await view.scan([WatchTxid(tx.txid)], 0)
        met, end = list(past.connected), past
        while end.more:
            end = await view.scan([WatchTxid(tx.txid)], end.end.height + 1)
            met += end.connected
        assert [each.block for each in met] == blocks[-1:] and end.end == blocks[-1]

    told(kind, tmp_path, story)
