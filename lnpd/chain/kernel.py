"""What is lnpd's own regtest chain, and how do blocks and transactions get into it?

Synchronous, for one thread at a time. The parts and who decides what:

    consensus   the kernel: is this block valid?          mempool   is this transaction relayed?
    blocklog    which blocks exist: the truth             reader    what do clients see?
    tree        which of them are the best chain          index     what is where in it

A block takes the same way whoever made it: the kernel accepts it, the log holds it (on the disk), tree, index and
mempool follow, and then listeners hear of it.
"""

from __future__ import annotations

import fcntl
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing, suppress
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO, Final

from lnpd.chain.assemble import MAX_BLOCK_WEIGHT, RESERVED_WEIGHT, assemble
from lnpd.chain.blocklog import BlockLog
from lnpd.chain.consensus import Consensus
from lnpd.chain.index import ChainIndex, Coin
from lnpd.chain.interface import MAX_PACKAGE, MAX_TRANSACTION_BYTES, BlockRef, BroadcastResult, Outcome
from lnpd.chain.mempool import Mempool
from lnpd.chain.policy import Policy
from lnpd.chain.reader import ChainReader
from lnpd.chain.transaction import Block, Point, Transaction, read_transaction
from lnpd.chain.tree import BlockTree, Node
from lnpd.chain.verify import load_kernel
from lnpd.errors import BlockRefused, ChainClosed, ChainLocked, KernelUnusable

ANYONE: Final = b"\x51"
"""The witness script that everyone can satisfy. Regtest coins are worth nothing, so the faucet needs no key."""
ANYONE_SCRIPT: Final = b"\x00\x20" + sha256(ANYONE).digest()

Spent = dict[Point, Coin]


class Listener:
    """Whoever wants to hear of new tips and of transactions that enter the mempool; called on the chain's thread."""

    def new_tip(self, block: BlockRef) -> None:
        """The best chain ends elsewhere than before, and that is on the disk."""

    def entered(self, tx: Transaction, spent: Spent) -> None:
        """A transaction waits; `spent` are its coins."""


class KernelChain:
    """A regtest chain in a directory: best chain, mempool, and mining on command. `read` answers questions."""

    def __init__(
        self, directory: Path, *, policy: Policy | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        """Opens the chain, or begins one. `clock` gives the time of new blocks.

        Raises RegtestNotInstalled, ChainLocked, BlockLogDamaged, KernelUnusable.
        """
        load_kernel()
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._clock = clock
        self._closed = False
        self.listeners: list[Listener] = []
        with ExitStack() as opening:
            opening.enter_context(_lock(directory / "chain.lock"))
            self._log = opening.enter_context(closing(BlockLog(directory / "blocks.log")))
            self._consensus = opening.enter_context(closing(Consensus(directory / "kernel")))
            self._genesis = Block(self._consensus.genesis())
            self._recent = self._genesis  # the block that was read last: a new one is asked for at once
            self.tree, self.index = BlockTree(self._genesis), ChainIndex()
            self._replay()
            self._open = opening.pop_all()  # all went well: they stay open
        self.mempool = Mempool(self.tree, self.index, policy or Policy())
        self.read = ChainReader(self.tree, self.index, self.mempool, self._block)

    @property
    def tip(self) -> BlockRef:
        """The end of the best chain."""
        return self.tree.tip.ref

    @property
    def height(self) -> int:
        """The height of the tip."""
        return self.tree.height

    def close(self) -> None:
        """Closes everything; a second call does nothing."""
        if not self._closed:
            self._closed = True
            self._open.close()

    # Start: the log decides, the kernel's directory follows

    def _replay(self) -> None:
        for offset, raw in self._log.replay():
            self._recent = block = Block(raw)
            node = self.tree.add(block, offset)
            if node.ref.height > self.tree.height:
                self._move_to(node)
        if self._consensus.tip_hash() in self.tree:
            self._teach(self._consensus.tip_hash())
        if self._consensus.tip_hash() != self.tip.hash:
            self._consensus.start_over()
            self._teach(self._genesis.hash)
        if self._consensus.tip_hash() != self.tip.hash:
            raise KernelUnusable(f"The kernel refuses blocks that {self._log.path} holds.")

    def _teach(self, known_tip: bytes) -> None:
        """Gives the kernel the blocks that it lacks: all but those below its own tip."""
        known = {self._genesis.hash}
        while known_tip not in known:
            known.add(known_tip)
            known_tip = self.tree.node(known_tip).previous
        for node in self.tree:
            if node.ref.hash not in known:
                with suppress(BlockRefused):  # on a side branch; if it matters, the tips will differ
                    self._consensus.submit(self._log.read(node.offset))

    # Blocks

    def submit(self, raw: bytes) -> BlockRef:
        """Adds a block, on the best chain or beside it; one that is known already changes nothing.

        Raises BlockRefused, TransactionMalformed, UnknownBlock (its parent), ChainClosed.
        """
        self._require_open()
        block = Block(raw)
        if block.hash in self.tree:
            return self.tree.node(block.hash).ref
        self.tree.node(block.previous)
        self._consensus.submit(raw)
        try:
            offset = self._log.append(raw)
        except OSError:
            self.close()  # the kernel knows a block that the log lacks; the next start mends it
            raise
        node, self._recent = self.tree.add(block, offset), block
        if self._consensus.tip_hash() == node.ref.hash:
            self._become_tip(node)
        return node.ref

    def _become_tip(self, node: Node) -> None:
        joined, lost = self._move_to(node)
        for block in joined:
            self.mempool.confirm(block)
        if lost:
            self.mempool.return_all([tx for block in reversed(lost) for tx in block.transactions[1:]])
        for listener in self.listeners:
            listener.new_tip(node.ref)

    def _move_to(self, node: Node) -> tuple[list[Block], list[Block]]:
        """Makes `node` the tip of tree and index; the blocks that joined (lowest first) and left (highest first)."""
        leaving, joining = self.tree.path_to(node)
        lost = [self._block(old) for old in leaving]
        joined = [self._block(new) for new in joining]
        for block in lost:
            self.index.disconnect(block)
        for block in joined:
            self.index.connect(block)
        self.tree.advance(node)
        return joined, lost

    def _block(self, node: Node) -> Block:
        if node.ref.hash != self._recent.hash:
            self._recent = Block(self._log.read(node.offset)) if node.ref.height else self._genesis
        return self._recent

    def mine(
        self,
        count: int = 1,
        script: bytes = ANYONE_SCRIPT,
        *,
        on: BlockRef | None = None,
        txs: Sequence[bytes] | None = None,
    ) -> list[BlockRef]:
        """Mines blocks whose coinbase pays to `script`, upon the tip or upon `on`.

        Without `txs` a block upon the tip takes what waits in the mempool, fees to the coinbase; one upon `on` takes
        nothing. `txs` go into the first block, as they are, and their fees are not claimed. Raises as `submit`.
        """
        mined: list[BlockRef] = []
        for number in range(count):
            self._require_open()
            parent = mined[-1] if mined else on or self.tip
            chosen = [read_transaction(raw) for raw in txs] if txs and not number else []
            fees_sat = 0
            if txs is None and on is None:
                entries = list(self.mempool.choose(MAX_BLOCK_WEIGHT - RESERVED_WEIGHT))
                chosen, fees_sat = [entry.tx for entry in entries], sum(entry.fee_sat for entry in entries)
            mined.append(self.submit(self.assemble(parent, script, chosen, fees_sat)))
        return mined

    def assemble(self, parent: BlockRef, script: bytes, txs: Sequence[Transaction], fees_sat: int) -> bytes:
        """A block upon `parent` with enough work; whether it is valid is for `submit` to say. Raises UnknownBlock."""
        node = self.tree.node(parent.hash)
        seconds = max(self.tree.median_time(node) + 1, int(self._clock()))
        salt = len(self.tree).to_bytes(4, "little")
        return assemble(parent.hash, node.ref.height + 1, seconds, script, txs, fees_sat, salt)

    def reorganise(self, depth: int, new_length: int, txs: Sequence[bytes] = ()) -> list[BlockRef]:
        """Replaces the last `depth` blocks by `new_length` others, the first of them with `txs`, the rest empty.

        What the lost blocks held waits in the mempool again if it still can. Raises as `submit`, and ValueError
        unless the new branch is longer and begins above genesis.
        """
        fork = self.tree.at(self.height - depth)
        if not 1 <= depth < new_length or fork is None:
            raise ValueError(f"{new_length} blocks cannot replace the last {depth} of {self.height}.")
        return self.mine(new_length, on=fork.ref, txs=txs)

    # Transactions

    def broadcast(self, txs: tuple[bytes, ...]) -> BroadcastResult:
        """Offers one transaction, or a parent and its child, to the mempool. Raises ChainClosed."""
        self._require_open()
        if not 1 <= len(txs) <= MAX_PACKAGE:
            return _refused("package-too-many-transactions" if txs else "package-empty")
        if any(len(raw) > MAX_TRANSACTION_BYTES for raw in txs):
            return _refused("tx-size")
        result, entered = self.mempool.broadcast(txs)
        for tx in entered:
            for listener in self.listeners:
                listener.entered(tx, self.mempool.spent(tx))
        return result

    def _require_open(self) -> None:
        if self._closed:
            raise ChainClosed("The regtest chain is closed.")


def _refused(reason: str) -> BroadcastResult:
    return BroadcastResult(Outcome.REFUSED, reason, ())


def _lock(path: Path) -> BinaryIO:
    """An own lock, because the kernel's is a RuntimeError without words. The system frees it with the process."""
    handle = path.open("ab")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        handle.close()
        raise ChainLocked(f"Another process has the regtest chain in {path.parent} open.") from None
    return handle
