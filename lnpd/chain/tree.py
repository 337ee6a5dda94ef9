"""Which blocks are known, how do they hang together, and which of them are the best chain?

Regtest gives each block the same work: the longest branch is best, of equals the one that was longest first.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from lnpd.chain.interface import BlockRef
from lnpd.chain.transaction import Block
from lnpd.errors import UnknownBlock

MEDIAN_SPAN: Final = 11


@dataclass(frozen=True, slots=True)
class Node:
    """A known block. `offset` is its place in the block log (genesis has none)."""

    ref: BlockRef
    previous: bytes
    time_seconds: int
    offset: int


class BlockTree:
    """All known blocks, and the best chain by height."""

    def __init__(self, genesis: Block) -> None:
        root = Node(BlockRef(0, genesis.hash), genesis.previous, genesis.time_seconds, -1)
        self._nodes = {genesis.hash: root}
        self._best = [root]

    @property
    def tip(self) -> Node:
        """The end of the best chain."""
        return self._best[-1]

    @property
    def height(self) -> int:
        """The height of the tip."""
        return len(self._best) - 1

    def at(self, height: int) -> Node | None:
        """The block of the best chain at a height."""
        return self._best[height] if 0 <= height < len(self._best) else None

    def node(self, block_hash: bytes) -> Node:
        """A known block, on the best chain or off it. Raises UnknownBlock."""
        try:
            return self._nodes[block_hash]
        except KeyError:
            raise UnknownBlock(f"Block {block_hash[::-1].hex()} is not known to this chain.") from None

    def __iter__(self) -> Iterator[Node]:
        """All known blocks in the order of their coming, genesis first."""
        return iter(self._nodes.values())

    def __len__(self) -> int:
        return len(self._nodes)

    def __contains__(self, block_hash: bytes) -> bool:
        return block_hash in self._nodes

    def is_best(self, node: Node) -> bool:
        """Whether a block is on the best chain."""
        return self.at(node.ref.height) is node

    def add(self, block: Block, offset: int) -> Node:
        """A block joins; the best chain stays until `advance`. Raises UnknownBlock if its parent is not known."""
        parent = self.node(block.previous)
        node = Node(BlockRef(parent.ref.height + 1, block.hash), block.previous, block.time_seconds, offset)
        return self._nodes.setdefault(block.hash, node)

    def path_to(self, node: Node) -> tuple[list[Node], list[Node]]:
        """What leaves the best chain (highest first) and what joins it (lowest first) when `node` becomes the tip."""
        joining = []
        while not self.is_best(node):
            joining.append(node)
            node = self.node(node.previous)
        return self._best[: node.ref.height : -1], joining[::-1]

    def advance(self, node: Node) -> None:
        """Makes `node` the tip of the best chain."""
        _, joining = self.path_to(node)
        if joining:
            del self._best[joining[0].ref.height :]
            self._best += joining
        else:
            del self._best[node.ref.height + 1 :]

    def since(self, block: BlockRef) -> tuple[list[BlockRef], int]:
        """Which blocks after and including `block` left the best chain (highest first), and the height where both part.

        Raises UnknownBlock.
        """
        node, left = self.node(block.hash), []
        while not self.is_best(node):
            left.append(node.ref)
            node = self.node(node.previous)
        return left, node.ref.height

    def median_time(self, node: Node) -> int:
        """The median of the times of a block and the ten before it (BIP 113)."""
        times = []
        for _ in range(MEDIAN_SPAN):
            times.append(node.time_seconds)
            if node.ref.height == 0:
                break
            node = self._nodes[node.previous]
        return sorted(times)[len(times) // 2]
