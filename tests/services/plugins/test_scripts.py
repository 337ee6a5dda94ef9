"""Is what met a plugin's script told once, undone with its block, told again when it is deep, and bounded?"""

from typing import Any

from msgspec.structs import replace

from lnpd.chain.interface import BlockRef, ConnectedBlock, Match, WatchOutpoint, WatchScript
from lnpd.chain.interface import Outpoint as ChainOutpoint
from lnpd.services.chain.follow import HIDDEN_BLOCKS
from lnpd.services.plugins.scripts import MAX_MET, MAX_SHOWN_BYTES, Found, Row, follow, found_in

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
