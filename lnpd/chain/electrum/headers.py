"""Which headers make the best chain, and which have left it?

Every header was held against the rules of work.py, down to the genesis block. A file keeps them in the order in which
they were taken in: what follows none of the last is a branch that took the place of another. It is a cache that nobody
must trust: it is checked as it is read, and cut where it does not hold.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, Final

from lnpd.chain.electrum import work
from lnpd.chain.electrum.work import HEADER_BYTES
from lnpd.chain.interface import BlockRef
from lnpd.errors import ElectrumMisbehaves, UnknownBlock
from lnpd.peer.chains import CHAIN_HASHES
from lnpd.tx.transaction import hash256

MAX_STALE: Final = 20_000
MAX_DEPTH: Final = 10_000
"""So deep a reorganisation is another chain."""


class Headers:
    """The best chain from genesis on, and the blocks that left it."""

    def __init__(self, network: str, path: Path | None = None) -> None:
        self._network = network
        self._raw = bytearray()
        self._hashes = bytearray()
        self._stale: dict[bytes, tuple[int, bytes]] = {}
        self._path = path
        self._file: BinaryIO | None = None

    def load(self) -> None:
        """Reads the file, if there is to be one; seconds, on a long chain."""
        if self._path is not None:
            self._path.touch(0o600)
            self._file = self._path.open("r+b")
            self._load(self._file)

    def close(self) -> None:
        """Closes the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    @property
    def height(self) -> int:
        """The height of the tip; -1 before genesis is known."""
        return len(self._raw) // HEADER_BYTES - 1

    @property
    def tip(self) -> BlockRef:
        """The last block."""
        return self.ref(self.height)

    def at(self, height: int) -> bytes:
        """The header at a height of the best chain."""
        return bytes(self._raw[height * HEADER_BYTES : (height + 1) * HEADER_BYTES])

    def ref(self, height: int) -> BlockRef:
        """The block at a height of the best chain."""
        return BlockRef(height, bytes(self._hashes[height * 32 : (height + 1) * 32]))

    def is_best(self, block: BlockRef) -> bool:
        """Whether a block is of the best chain."""
        return 0 <= block.height <= self.height and self.ref(block.height) == block

    def fork(self, block: BlockRef) -> tuple[tuple[BlockRef, ...], BlockRef]:
        """What from `block` on left the best chain (highest first), and the block where both part.

        Raises UnknownBlock.
        """
        left: list[BlockRef] = []
        while not self.is_best(block):
            height, before = self._stale.get(block.hash, (-1, b""))
            if height != block.height:
                raise UnknownBlock(f"Block {block.hash[::-1].hex()} is not known from any Electrum server.")
            left.append(block)
            block = BlockRef(height - 1, before)
        return tuple(left), block

    def join(self, start: int, headers: Sequence[bytes]) -> bool:
        """Takes in headers from a height on in place of those that are there, if they have more work.

        Returns whether they have. Raises ElectrumMisbehaves if they break a rule.
        """
        if not headers or not self._outweigh(start, headers):
            return False
        if self._file is not None:
            self._file.write(b"".join(headers))
            self._file.flush()
        self._replace(start, headers)
        return True

    def _outweigh(self, start: int, headers: Sequence[bytes]) -> bool:
        def at(height: int) -> bytes:
            return headers[height - start] if height >= start else self.at(height)

        if start > self.height + 1 or self.height - start > MAX_DEPTH:
            raise ElectrumMisbehaves(f"The Electrum server's headers from {start} on follow none that are known.")
        for height, header in enumerate(headers, start):
            if height == 0:
                if hash256(header) != CHAIN_HASHES[self._network]:
                    raise ElectrumMisbehaves(f"The Electrum server's first block is not that of {self._network}.")
            else:
                work.check(self._network, height, header, at)
        replaced = sum(work.work(self.at(height)) for height in range(start, self.height + 1))
        return sum(map(work.work, headers)) > replaced

    def _replace(self, start: int, headers: Sequence[bytes]) -> None:
        for height in range(start, self.height + 1):
            self._stale[self.ref(height).hash] = (height, work.previous(self.at(height)))
        while len(self._stale) > MAX_STALE:
            del self._stale[next(iter(self._stale))]
        del self._raw[start * HEADER_BYTES :], self._hashes[start * 32 :]
        for header in headers:
            self._raw += header
            self._hashes += hash256(header)

    # --- the file

    def _load(self, file: BinaryIO) -> None:
        kept = 0
        while batch := self._next_batch(file, kept):
            start, headers = batch
            try:
                if not self._outweigh(start, headers):
                    break
            except ElectrumMisbehaves:
                break
            self._replace(start, headers)
            kept += len(headers) * HEADER_BYTES
        file.seek(kept)
        file.truncate()

    def _next_batch(self, file: BinaryIO, offset: int) -> tuple[int, list[bytes]] | None:
        """The headers at an offset that follow one another, and their height; None at the end."""
        file.seek(offset)
        raw = file.read(work.PERIOD_BLOCKS * HEADER_BYTES)
        headers = [
            raw[at : at + HEADER_BYTES] for at in range(0, len(raw) // HEADER_BYTES * HEADER_BYTES, HEADER_BYTES)
        ]
        if not headers:
            return None
        length = 1
        while length < len(headers) and work.previous(headers[length]) == hash256(headers[length - 1]):
            length += 1
        return (self._height_after(work.previous(headers[0])) if offset else 0), headers[:length]

    def _height_after(self, block_hash: bytes) -> int:
        """The height of what follows a block of the best chain; one too high if there is none such."""
        for height in range(self.height, max(-1, self.height - MAX_DEPTH), -1):
            if self.ref(height).hash == block_hash:
                return height + 1
        return self.height + 2
