"""Do index, mempool, delta and kernel agree after anything that can happen, in any order?"""

import random
from pathlib import Path

import pytest

from lnpd.chain.interface import BlockRef, Outpoint, WatchScript
from lnpd.chain.kernel import KernelChain
from lnpd.tx.transaction import TxOut
from tests.chain.purse import P2WPKH, coin, opened, pay
from tests.chain.test_kernel import rebuilt, same

WALKS, STEPS = 12, 40


class Follower:
    """A client that applies deltas, and so must come to hold exactly the unspent coins of the best chain."""

    def __init__(self, start: BlockRef) -> None:
        self.position = start
        self.blocks: list[tuple[BlockRef, set[tuple[bytes, int]], set[tuple[bytes, int]]]] = []

    def follow(self, chain: KernelChain) -> None:
        delta = chain.read.blocks_since(self.position, {WatchScript(P2WPKH)})
        assert not delta.more
        for lost in delta.disconnected:
            assert self.blocks.pop()[0] == lost
        for joined in delta.connected:
            made, used = set[tuple[bytes, int]](), set[tuple[bytes, int]]()
            for match in joined.matches:
                if match.output_index is not None:
                    made.add((match.txid, match.output_index))
                else:
                    assert match.input_index is not None
                    at = 6 + 41 * match.input_index + 1  # version, marker, flag, count: all inputs here are segwit
                    point = match.transaction[at : at + 36]
                    used.add((point[:32], int.from_bytes(point[32:], "little")))
            self.blocks.append((joined.block, made, used))
        self.position = delta.end

    def coins(self) -> set[tuple[bytes, int]]:
        held = set[tuple[bytes, int]]()
        for _, made, used in self.blocks:
            held = (held | made) - used  # one made and spent in one block is in both
        return held


def step(chain: KernelChain, dice: random.Random) -> None:
    coins = [o for o in chain.read.unspent(P2WPKH) if o.value_sat > 20_000]
    match dice.choice(["mine", "mine", "pay", "pay", "pay", "replace", "reorganise", "fund", "double spend"]):
        case "mine":
            chain.mine(dice.randint(1, 2))
        case "pay" if coins:
            chosen = dice.sample(coins, min(len(coins), dice.randint(1, 2)))
            half = (sum(c.value_sat for c in chosen) - 2_000) // 2
            chain.broadcast((pay(*chosen, outputs=(TxOut(half, P2WPKH), TxOut(half, P2WPKH))).serialise(),))
        case "replace" if chain.mempool.entries:
            entry = dice.choice(list(chain.mempool.entries.values()))
            found = [chain.read.output(Outpoint(*used.point)) for used in entry.tx.inputs]
            chain.broadcast((pay(*filter(None, found), fee_sat=dice.randint(1_000, 9_000)).serialise(),))
        case "reorganise":
            depth = dice.randint(1, 4)
            chain.reorganise(depth, depth + dice.randint(1, 2))
        case "fund":
            coin(chain)
        case "double spend" if coins:
            confirmed = [c for c in coins if c.height is not None]
            if confirmed:
                rival = pay(dice.choice(confirmed), fee_sat=dice.randint(500, 9_000))
                chain.mine(txs=[rival.serialise()])


def agree(chain: KernelChain, follower: Follower) -> None:
    assert same(chain.index, rebuilt(chain))
    follower.follow(chain)
    assert follower.coins() == chain.index.unspent(P2WPKH)
    pool = chain.mempool
    assert pool.total_virtual_bytes == pool.virtual_bytes(pool.entries)
    assert pool.spenders == {used.point: txid for txid, entry in pool.entries.items() for used in entry.tx.inputs}
    seen = set[bytes]()
    for txid, entry in pool.entries.items():
        assert pool.parents(entry.tx) <= seen, "parents come first"
        assert all(pool.coin(used.point) for used in entry.tx.inputs)
        seen.add(txid)


@pytest.mark.parametrize("seed", range(WALKS))
def test_everything_agrees_after_every_step(tmp_path: Path, seed: int) -> None:
    dice = random.Random(seed)
    with opened(tmp_path) as chain:
        follower = Follower(chain.tip)
        chain.mine(5)  # deep enough for the deepest reorganisation
        for _ in range(STEPS):
            step(chain, dice)
            agree(chain, follower)
        waiting = set(chain.mempool.entries)
        (block,) = chain.mine()  # the kernel judges all that the mempool took
        summary = chain.read.summary(block.height)
        assert summary and set(summary.txids[1:]) == waiting
        agree(chain, follower)
        tip, index = chain.tip, chain.index
    with opened(tmp_path) as reopened:
        assert reopened.tip == tip and same(reopened.index, index)
