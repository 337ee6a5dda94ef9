"""Does the chain mine, refuse, reorganise, survive, and rebuild?"""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lnpd.chain import verify
from lnpd.chain.index import ChainIndex
from lnpd.chain.interface import BlockRef
from lnpd.chain.kernel import ANYONE_SCRIPT, KernelChain, Listener
from lnpd.chain.transaction import Block, read_transaction
from lnpd.errors import (
    BlockLogDamaged,
    BlockRefused,
    ChainClosed,
    ChainLocked,
    RegtestNotInstalled,
    TransactionMalformed,
    UnknownBlock,
)
from tests.chain.purse import COIN_SAT, P2WPKH, all_heights, coin, opened, pay

MINER = """
import sys
from pathlib import Path
from lnpd.chain.kernel import KernelChain
chain = KernelChain(Path(sys.argv[1]))
print(chain.height, flush=True)
while True:
    print(chain.mine()[0].height, flush=True)
"""


def rebuilt(chain: KernelChain) -> ChainIndex:
    """The index of the best chain, made afresh."""
    index = ChainIndex()
    for height in all_heights(chain):
        node = chain.tree.at(height)
        assert node
        if height:
            index.connect(Block(chain._log.read(node.offset)))
    return index


def same(one: ChainIndex, other: ChainIndex) -> bool:
    return vars(one) == vars(other)


def test_mines_with_the_mempool_and_takes_the_fees(tmp_path: Path) -> None:
    with opened(tmp_path) as chain:
        tx = pay(coin(chain), fee_sat=4_321)
        assert chain.broadcast((tx.serialise(),)).outcome.value == "accepted"
        (block,) = chain.mine(1, P2WPKH)
        assert chain.tip == block
        summary = chain.read.summary(block.height)
        assert summary
        assert summary.txids[1:] == (tx.txid,)
        (coinbase,) = (o for o in chain.read.unspent(P2WPKH) if o.is_coinbase)
        assert coinbase.value_sat == 50 * 10**8 + 4_321
        assert not chain.mempool.entries


def test_refused_blocks_say_why_in_the_kernels_words(tmp_path: Path) -> None:
    with opened(tmp_path) as chain:
        spent = coin(chain)
        good = pay(spent)
        forged = good.with_witness(0, (good.inputs[0].witness[0][:-2] + b"\x00\x01", good.inputs[0].witness[1]))
        young = next(o for o in chain.read.unspent(ANYONE_SCRIPT) if o.is_coinbase and o.height == chain.height)
        too_much = pay(spent, fee_sat=-1)
        block = chain.assemble(chain.tip, P2WPKH, [read_transaction(good.serialise())], 0)

        def refusal(txs: list[bytes], fees_sat: int = 0) -> str:
            raw = chain.assemble(chain.tip, P2WPKH, [read_transaction(tx) for tx in txs], fees_sat)
            with pytest.raises(BlockRefused) as caught:
                chain.submit(raw)
            assert chain.height == height
            return caught.value.reason

        height = chain.height
        assert refusal([forged.serialise()]).startswith("block-script-verify-flag-failed (")
        assert refusal([good.serialise(), pay(spent, fee_sat=9).serialise()]).startswith(
            "bad-txns-inputs-missingorspent"
        )
        assert refusal([], 1).startswith("bad-cb-amount")
        assert refusal([pay(young).serialise()]).startswith("bad-txns-premature-spend-of-coinbase")
        assert refusal([too_much.serialise()]).startswith("bad-txns-in-belowout")
        assert refusal([pay(spent, locktime=height + 1).serialise()]).startswith("bad-txns-nonfinal")
        for raw, words in ((block[:40] + bytes([block[40] ^ 1]) + block[41:], ("bad-txnmrklroot", "high-hash")),):
            with pytest.raises(BlockRefused) as caught:
                chain.submit(raw)
            assert caught.value.reason.startswith(words)
        with pytest.raises(UnknownBlock):
            chain.submit(block[:4] + b"\x01" * 32 + block[36:])
        for raw in (block[:-5], block + b"\0", b""):
            with pytest.raises(TransactionMalformed):
                chain.submit(raw)
        assert chain.submit(block).height == height + 1
        assert chain.submit(block) == chain.tip  # known: nothing changes
        assert same(chain.index, rebuilt(chain))


@pytest.mark.parametrize("depth", range(1, 7))
def test_reorganises_to_a_longer_branch(tmp_path: Path, depth: int) -> None:
    with opened(tmp_path) as chain:
        spent = coin(chain)
        tx = pay(spent)
        chain.mine(2)
        chain.broadcast((tx.serialise(),))
        chain.mine(depth)
        old = chain.tip
        confirmed = chain.read.transaction(tx.txid)
        assert confirmed and confirmed.height == old.height - depth + 1
        new = chain.reorganise(depth, depth + 1)
        assert chain.tip == new[-1] and chain.height == old.height + 1
        waiting = chain.read.transaction(tx.txid)
        assert waiting and waiting.height is None, "back in the mempool"
        assert same(chain.index, rebuilt(chain))
        chain.mine()
        again = chain.read.transaction(tx.txid)
        assert again and again.height == chain.height
        chain.close()
        with opened(tmp_path) as reopened:
            assert reopened.height == old.height + 2
            assert same(reopened.index, chain.index)


def test_of_equal_branches_the_first_stays(tmp_path: Path) -> None:
    with opened(tmp_path) as chain:
        tip, fork = chain.tip, chain.tree.at(chain.height - 1)
        assert fork
        (side,) = chain.mine(on=fork.ref)
        assert side.height == tip.height and chain.tip == tip
        chain.close()
        with opened(tmp_path) as reopened:
            assert reopened.tip == tip
            (longer,) = reopened.mine(on=side)
            assert reopened.tip == longer


def test_a_branch_with_a_bad_block_never_wins(tmp_path: Path) -> None:
    with opened(tmp_path) as chain:
        chain.mine(2)
        tip, fork = chain.tip, chain.tree.at(chain.height - 2)
        assert fork
        bad = chain.submit(chain.assemble(fork.ref, P2WPKH, [], 1))  # beside the best chain nobody checks it yet
        (second,) = chain.mine(on=bad)
        with pytest.raises(BlockRefused, match="bad-cb-amount"):
            chain.mine(on=second)
        assert chain.tip == tip
        chain.close()
        for lost in (False, True):
            if lost:
                shutil.rmtree(tmp_path / "kernel")
            with opened(tmp_path) as reopened:
                assert reopened.tip == tip
                with pytest.raises(BlockRefused):
                    reopened.mine(on=second)


@pytest.mark.parametrize("depth, length", [(0, 1), (2, 2), (200, 201)])
def test_refuses_a_reorganisation_that_is_none(tmp_path: Path, depth: int, length: int) -> None:
    with opened(tmp_path) as chain, pytest.raises(ValueError, match="cannot replace"):
        chain.reorganise(depth, length)


def test_a_killed_miner_leaves_every_announced_block(tmp_path: Path) -> None:
    for _ in range(3):
        child = subprocess.Popen([sys.executable, "-c", MINER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        assert child.stdout
        start = int(child.stdout.readline())
        while (announced := int(child.stdout.readline())) < start + 25:
            pass
        child.send_signal(signal.SIGKILL)
        rest = child.stdout.read().split("\n")[:-1]  # what it announced before the signal came; the last may be cut
        child.wait()
        last = max([announced, *map(int, rest)])
        chain = KernelChain(tmp_path)
        assert last <= chain.height <= last + 1, "a block may be on the disk before it is announced, never after"
        assert same(chain.index, rebuilt(chain))
        chain.close()


def test_a_block_is_on_the_disk_before_anybody_hears_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Ear(Listener):
        def new_tip(self, block: BlockRef) -> None:
            heard.append(f"block {block.height}")

    def synced(handle: int) -> None:
        heard.append(f"sync {os.fstat(handle).st_size > size}")
        fdatasync(handle)

    heard: list[str] = []
    fdatasync = os.fdatasync
    with opened(tmp_path) as chain:
        size = (tmp_path / "blocks.log").stat().st_size
        chain.listeners.append(Ear())
        monkeypatch.setattr(os, "fdatasync", synced)
        chain.mine(2)
    assert heard == ["sync True", "block 102", "sync True", "block 103"]


@pytest.mark.parametrize("harm", ["gone", "garbage", "interrupted", "older", "alien"])
def test_the_kernels_directory_is_rebuilt_from_the_log(tmp_path: Path, harm: str) -> None:
    kernel, alien = tmp_path / "kernel", tmp_path / "alien"
    with opened(tmp_path) as chain:
        chain.reorganise(3, 5)
        chain.close()
        if harm == "older":
            shutil.copytree(kernel, alien)
    with opened(tmp_path) as chain:
        chain.mine(7)
        tip, coins = chain.tip, dict(chain.index.coins)
    if harm == "alien":
        with opened(alien) as other:
            other.mine(30)
    if harm == "garbage":
        for file in kernel.rglob("*"):
            if file.is_file():
                file.write_bytes(b"\xa5" * 100)
    elif harm == "interrupted":
        (kernel / "opening").touch()
        (kernel / "what the last process left").touch()
    else:
        shutil.rmtree(kernel)
    if harm == "older":
        shutil.move(alien, kernel)
    elif harm == "alien":
        shutil.move(alien / "kernel", kernel)
    with opened(tmp_path) as chain:
        assert (chain.tip, chain.index.coins) == (tip, coins)
        assert not (kernel / "opening").exists() and not (kernel / "what the last process left").exists()
        chain.mine()
        assert chain.height == tip.height + 1


def test_a_torn_block_was_never_announced(tmp_path: Path) -> None:
    with opened(tmp_path) as chain:
        before = chain.tip
        chain.mine()
    log = tmp_path / "blocks.log"
    log.write_bytes(log.read_bytes()[:-1])
    with opened(tmp_path) as chain:  # the kernel knows a block that the log lost
        assert chain.tip == before
        chain.mine()
        assert chain.height == before.height + 1


def test_a_damaged_log_is_refused_and_left_alone(tmp_path: Path) -> None:
    with opened(tmp_path):
        pass
    log = tmp_path / "blocks.log"
    damaged = bytearray(log.read_bytes())
    damaged[1000] ^= 1
    log.write_bytes(damaged)
    with pytest.raises(BlockLogDamaged):
        KernelChain(tmp_path)
    assert log.read_bytes() == damaged


def test_two_chains_in_one_process(tmp_path: Path) -> None:
    with opened(tmp_path / "one") as one, opened(tmp_path / "two") as two:
        one.mine(3)
        with pytest.raises(BlockRefused, match="bad-cb-amount"):
            two.submit(two.assemble(two.tip, P2WPKH, [], 1))
        assert (one.height, two.height) == (104, 101)


def test_a_second_opener_is_refused_by_name(tmp_path: Path) -> None:
    with opened(tmp_path):
        with pytest.raises(ChainLocked, match="has the regtest chain in"):
            KernelChain(tmp_path)
        child = subprocess.run([sys.executable, "-c", MINER, str(tmp_path)], capture_output=True, text=True)
        assert child.returncode and "ChainLocked" in child.stderr
    KernelChain(tmp_path).close()


def test_a_closed_chain_says_so(tmp_path: Path) -> None:
    with opened(tmp_path) as chain:
        chain.close()
        chain.close()
        for call in (chain.mine, lambda: chain.broadcast((b"",)), lambda: chain.submit(b"")):
            with pytest.raises(ChainClosed):
                call()


def test_without_the_extra_the_error_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    verify.load_kernel.cache_clear()
    monkeypatch.setitem(sys.modules, "pbk", None)
    with pytest.raises(RegtestNotInstalled, match=r"lnpd\[regtest\]"):
        KernelChain(tmp_path)
    assert not list(tmp_path.iterdir())


def test_every_module_imports_without_the_extra() -> None:
    program = (
        "import importlib, pkgutil, sys; sys.modules['pbk'] = None; import lnpd.chain as chain\n"
        "for m in pkgutil.iter_modules(chain.__path__): print(importlib.import_module(chain.__name__ + '.' + m.name))"
    )
    child = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert "lnpd.chain.embedded" in child.stdout and not child.returncode, child.stderr


def test_a_failed_start_leaves_nothing_open(tmp_path: Path) -> None:
    with opened(tmp_path):
        pass
    log = tmp_path / "blocks.log"
    whole = log.read_bytes()
    log.write_bytes(whole[:300] + b"\xff" + whole[301:])
    for _ in range(2):
        with pytest.raises(BlockLogDamaged):
            KernelChain(tmp_path)
    log.write_bytes(whole)
    KernelChain(tmp_path).close()


def test_the_faucet_pays_more_than_one_coinbase(tmp_path: Path) -> None:
    with opened(tmp_path) as chain:
        assert coin(chain).value_sat == COIN_SAT
        assert coin(chain, value_sat=120 * 10**8).value_sat == 120 * 10**8
