"""Is what met a plugin's script told once, undone with its block, told again when it is deep, and bounded?"""

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from lnpd.chain.interface import BlockRef, ConnectedBlock, Match, WatchOutpoint, WatchScript
from lnpd.chain.interface import Outpoint as ChainOutpoint
from lnpd.services.chain.follow import HIDDEN_BLOCKS
from lnpd.services.events import Events
from lnpd.services.plugins.scripts import MAX_MET, MAX_SHOWN_BYTES, Found, Row, ScriptWatch, follow, found_in
from lnpd.store.store import Store
from tests.chain.purse import P2WPKH
from tests.chain.worlds import KINDS, World, everything_since, spend_of
from tests.chain.worlds import told as told_in

ROW = Row("tower", "jar", b"script", 3, 0)
NOBODY: frozenset[bytes] = frozenset()


def block(height: int, branch: int = 0) -> BlockRef:
    return BlockRef(height, bytes((branch,)) * 28 + height.to_bytes(4, "big"))


def found(number: int, height: int, branch: int = 0, size: int = 4) -> Found:
    return Found(height, number, block(height, branch), b"\1" * size, number.to_bytes(32, "big"), (), (0,))


def after(row: Row, gone: frozenset[bytes], met: list[Found], height: int) -> tuple[Row, list[tuple[Any, ...]]]:
    kept, news = follow(row, gone, met, block(height))
    assert kept is not None
    return kept, [(each["what"], str(each["txid"])[:2], each.get("height"), each.get("depth")) for each in news]


def test_each_is_told_at_both_depths_once() -> None:
    first, second = found(1, 10), found(2, 10)
    row, news = after(ROW, NOBODY, [second, first], 10)
    assert row.scanned and news == [("confirmed", "01", 10, 1), ("confirmed", "02", 10, 1)]
    assert after(row, NOBODY, [first, second], 11)[1] == [], "a scan may show it again"
    row, news = after(row, NOBODY, [found(3, 12)], 12)
    assert news == [("confirmed", "03", 12, 1), ("confirmed", "01", 10, 3), ("confirmed", "02", 10, 3)]
    assert after(row, NOBODY, [first, second], 13)[1] == []


def test_what_lies_above_the_end_is_for_the_next_time() -> None:
    row, news = after(ROW, NOBODY, [found(1, 11)], 10)
    assert news == [] and after(row, NOBODY, [found(1, 11)], 11)[1] == [("confirmed", "01", 11, 1)]


def test_a_block_that_is_undone_takes_it_back() -> None:
    row, _ = after(ROW, NOBODY, [found(1, 10), found(2, 11)], 11)
    row, news = after(row, frozenset({block(11).hash}), [found(2, 12, branch=1)], 12)
    assert news == [("unconfirmed", "02", None, None), ("confirmed", "02", 12, 1), ("confirmed", "01", 10, 3)]
    assert [(each.height, each.told) for each in row.met] == [(10, 2), (12, 1)]


def test_it_is_forgotten_when_nothing_shows_it_again() -> None:
    row, _ = after(ROW, NOBODY, [found(1, 10)], 10 + HIDDEN_BLOCKS - 1)
    assert len(row.met) == 1 and after(row, NOBODY, [], 10 + HIDDEN_BLOCKS)[0].met == ()


def test_too_much_ends_it_with_one_word() -> None:
    many = [found(number, 10) for number in range(MAX_MET + 1)]
    assert len(after(ROW, NOBODY, many[1:], 10)[1]) == MAX_MET
    assert follow(ROW, NOBODY, many, block(10)) == (None, [{"what": "busy", "height": 10}])


def test_a_large_transaction_is_not_shown() -> None:
    for size, shown in ((MAX_SHOWN_BYTES, True), (MAX_SHOWN_BYTES + 1, False)):
        _, (news,) = follow(replace(ROW, depth=1), NOBODY, [found(1, 10, size=size)], block(10))
        assert bool(news["transaction"]) == shown


def test_matches_of_one_transaction_are_one() -> None:
    watch, at, txid = WatchScript(b"script"), block(10), bytes(32)
    matches = (
        Match(watch, txid, b"tx", 3, input_index=1),
        Match(WatchOutpoint(ChainOutpoint(txid, 0)), txid, b"tx", 3, input_index=1),
        Match(watch, txid, b"tx", 3, output_index=0),
        Match(watch, txid, b"tx", 3, output_index=2),
        Match(WatchScript(b"other"), txid, b"tx", 3, output_index=1),
    )
    assert found_in([ConnectedBlock(at, matches)]) == {
        b"script": [Found(10, 3, at, b"tx", txid, (1,), (0, 2))],
        b"other": [Found(10, 3, at, b"tx", txid, (), (1,))],
    }


@pytest.mark.parametrize("kind", KINDS)
def test_every_chain_tells_of_them_and_of_forks(tmp_path: Path, kind: str) -> None:
    """A watch that ends takes nothing from whoever shares the view."""

    async def story(world: World) -> None:
        store, view = Store.open(tmp_path / "node", "regtest"), await world.view()
        events = Events(store)
        scripts, heard = ScriptWatch(store, view, events), list[dict[str, Any]]()
        await view.watch([WatchScript(P2WPKH)])

        async def told(count: int) -> list[Any]:
            scripts.wake()
            while len(heard) < count:
                heard[:] = [msgspec.json.decode(e.payload) for e in await events.since(0, 100)]
                await asyncio.sleep(0.01)
            return [each["what"] for each in heard]

        coin = await world.coin()
        row = Row("tower", "jar", P2WPKH, 2, (coin.height or 0) - 1)
        await store.write(lambda write: scripts.add(write, row))
        assert await told(1) == ["confirmed"]
        await world.offer(tx := spend_of(coin))
        await world.hand.mine()
        assert await told(3) == ["confirmed"] * 3
        assert [(each["depth"], each.get("inputs")) for each in heard] == [(1, []), (1, [0]), (2, None)]
        await world.hand.reorganise(1, 2)
        assert (await told(4))[3] == "unconfirmed" and heard[3]["txid"] == tx.txid[::-1].hex()
        assert await store.write(lambda write: scripts.remove(write, "tower", "jar"))
        before = await view.best_block()
        await world.coin()
        assert (await everything_since(view, before)).connected[-1].matches, "the view's own watch"
        await scripts.stop()
        await store.close()

    told_in(kind, tmp_path, story)
