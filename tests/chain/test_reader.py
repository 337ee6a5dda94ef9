"""Do watches learn all that happened, in order, also late and across reorganisations?"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lnpd.chain import reader
from lnpd.chain.interface import (
    BlockRef,
    ChainDelta,
    FoundTransaction,
    Match,
    Outpoint,
    Watch,
    WatchOutpoint,
    WatchScript,
    WatchTxid,
)
from lnpd.chain.kernel import ANYONE_SCRIPT, KernelChain
from lnpd.errors import UnknownBlock
from lnpd.tx.transaction import Tx
from tests.chain.purse import P2WPKH, coin, opened, output_of, p2wsh, pay

TARGET = p2wsh(b"\x52")


@pytest.fixture
def chain(tmp_path: Path) -> Iterator[KernelChain]:
    with opened(tmp_path) as it:
        yield it


def broadcast(chain: KernelChain, tx: Tx) -> Tx:
    assert not chain.broadcast((tx.serialise(),)).reason
    return tx


def matches(delta: ChainDelta) -> list[tuple[int, Match]]:
    return [(block.block.height, match) for block in delta.connected for match in block.matches]


def three(tx: Tx) -> set[Watch]:
    return {WatchTxid(tx.txid), WatchOutpoint(Outpoint(tx.inputs[0].txid, tx.inputs[0].vout)), WatchScript(TARGET)}


def test_each_kind_of_watch_is_told(chain: KernelChain) -> None:
    ours = coin(chain)
    start, tx = chain.tip, pay(ours, to=TARGET)
    watches = three(tx)
    assert chain.read.blocks_since(start, watches).mempool == ()
    broadcast(chain, tx)
    waiting = chain.read.blocks_since(start, watches)
    assert {match.watch for match in waiting.mempool} == watches
    assert all(match.position is None for match in waiting.mempool)
    assert (waiting.end, waiting.more, waiting.connected) == (start, False, ())
    (block,) = chain.mine()
    delta = chain.read.blocks_since(start, watches)
    raw = tx.serialise()
    assert matches(delta) == [
        (block.height, Match(WatchTxid(tx.txid), tx.txid, raw, 1)),
        (block.height, Match(WatchOutpoint(ours.outpoint), tx.txid, raw, 1, input_index=0)),
        (block.height, Match(WatchScript(TARGET), tx.txid, raw, 1, output_index=0)),
    ]
    assert (delta.disconnected, delta.mempool, delta.end) == ((), (), block)
    assert chain.read.blocks_since(start, set()).connected[0].matches == ()


def test_a_script_is_met_when_it_is_paid_and_when_it_is_spent(chain: KernelChain) -> None:
    start, ours = chain.tip, coin(chain)
    tx = broadcast(chain, pay(ours))
    waiting = chain.read.scan({WatchScript(P2WPKH)}, 0).mempool
    assert [(m.input_index, m.output_index) for m in waiting] == [(0, None), (None, 0)]
    chain.mine()
    found = [
        (m.txid, m.input_index, m.output_index)
        for _, m in matches(chain.read.blocks_since(start, {WatchScript(P2WPKH)}))
    ]
    assert found == [(ours.outpoint.txid, None, 0), (tx.txid, 0, None), (tx.txid, None, 0)]


@pytest.mark.parametrize("depth", range(1, 7))
def test_a_reorganisation_is_told_as_left_then_joined(chain: KernelChain, depth: int) -> None:
    tx = pay(coin(chain), to=TARGET)
    watches = three(tx)
    broadcast(chain, tx)
    mined = chain.mine(depth)
    before = chain.tip
    assert len(matches(chain.read.scan(watches, 0))) == 3
    new = chain.reorganise(depth, depth + 2)
    delta = chain.read.blocks_since(before, watches)
    assert delta.disconnected == tuple(reversed(mined))
    assert [block.block for block in delta.connected] == new
    assert matches(delta) == []
    assert {match.watch for match in delta.mempool} == watches
    chain.mine()
    assert [height for height, _ in matches(chain.read.blocks_since(before, watches))] == [chain.height] * 3
    assert chain.read.blocks_since(before, watches) == chain.read.blocks_since(before, watches), "as often as asked"


def test_a_late_watch_scans(chain: KernelChain) -> None:
    ours = coin(chain)
    tx = broadcast(chain, pay(ours, to=TARGET))
    (block,) = chain.mine()
    chain.mine(10)
    for watch in three(tx):
        delta = chain.read.scan({watch}, block.height)
        assert [b.block for b in delta.connected] == [block]
        assert (delta.end, delta.more) == (chain.tip, False)
        assert [match.watch for _, match in matches(delta)] == [watch]
        assert chain.read.scan({watch}, block.height + 1).connected == ()
    assert chain.read.scan({WatchTxid(b"\x01" * 32)}, 0).connected == ()


def test_long_answers_come_in_parts(chain: KernelChain, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "MAX_BLOCKS_A_DELTA", 10)
    watches: set[Watch] = {WatchScript(ANYONE_SCRIPT)}
    genesis = chain.tree.at(0)
    assert genesis
    position, heights = genesis.ref, list[int]()
    while (delta := chain.read.blocks_since(position, watches)).more:
        assert len(delta.connected) == 10 and delta.mempool == ()
        heights += [height for height, _ in matches(delta)]
        position = delta.end
    heights += [height for height, _ in matches(delta)]
    assert heights == list(range(1, 102))
    scanned, start = list[int](), 0
    while True:
        delta = chain.read.scan(watches, start)
        scanned += [height for height, _ in matches(delta)]
        start = delta.end.height + 1
        if not delta.more:
            break
    assert scanned == heights


def test_a_block_of_another_chain_is_refused(chain: KernelChain) -> None:
    with pytest.raises(UnknownBlock):
        chain.read.blocks_since(BlockRef(5, b"\x05" * 32), set())


def test_outputs_and_transactions_with_the_mempool(chain: KernelChain) -> None:
    ours = coin(chain)
    assert chain.read.unspent(P2WPKH) == (ours,)
    assert chain.read.transaction(b"\x01" * 32) is None and chain.read.output(Outpoint(b"\x01" * 32, 0)) is None
    tx = broadcast(chain, pay(ours))
    assert chain.read.unspent(P2WPKH) == (output_of(tx),)
    spent = chain.read.output(ours.outpoint)
    assert spent and spent.spent_by == tx.txid and spent.height == ours.height
    assert chain.read.transaction(tx.txid) == FoundTransaction(tx.serialise(), None)
    (block,) = chain.mine()
    assert chain.read.output(ours.outpoint) is None
    assert chain.read.transaction(tx.txid) == FoundTransaction(tx.serialise(), block.height, 1)
    (confirmed,) = chain.read.unspent(P2WPKH)
    assert confirmed.height == block.height


def test_summaries(chain: KernelChain) -> None:
    genesis, tip = chain.read.summary(0), chain.read.summary(chain.height)
    assert genesis and tip
    assert genesis.block.hash[::-1].hex() == "0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206"
    assert tip.block == chain.tip and tip.median_time_seconds <= tip.time_seconds
    before = chain.read.summary(chain.height - 1)
    assert before and tip.previous == before.block.hash
    assert chain.read.summary(chain.height + 1) is None and chain.read.summary(-1) is None
