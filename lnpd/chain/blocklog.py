"""Where do the blocks of the embedded chain survive a power cut?

In one file that only grows: a line that says what it is, then records of length, its complement, CRC-32 and block. A
record is on the disk before anybody hears of its block, so at most the last one can be torn, and a torn one was never
announced: it is cut off. Anything else that does not read is damage, and is refused.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from struct import Struct
from typing import Final
from zlib import crc32

from lnpd.errors import BlockLogDamaged

HEADER: Final = b"lnpd regtest blocks 1\n"
MAX_BLOCK_BYTES: Final = 4_000_000

_HEAD = Struct("<III")
_ALL_ONES: Final = 0xFFFF_FFFF


class BlockLog:
    """The log, open for one process (whoever opens it holds the directory's lock)."""

    def __init__(self, path: Path) -> None:
        """Opens or makes the log. Raises BlockLogDamaged if the file is something else."""
        self.path = path
        fresh = not path.exists() or path.stat().st_size < len(HEADER)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | (os.O_TRUNC if fresh else 0), 0o600)
        os.fchmod(handle, 0o600)  # an older lnpd let others read it
        self._file = os.fdopen(handle, "r+b")
        if fresh:  # a header that was cut short was followed by nothing
            self._file.write(HEADER)
            self._sync()
            _sync_directory(path.parent)
        elif self._file.read(len(HEADER)) != HEADER:
            self._file.close()
            raise BlockLogDamaged(f"{path} is not a block log of this version of lnpd.")
        self._end = len(HEADER)

    def replay(self) -> Iterator[tuple[int, bytes]]:
        """Each block with its offset, in the order of writing; at the end a torn record is cut off.

        Read to its end before the first `append`. Raises BlockLogDamaged.
        """
        size = os.fstat(self._file.fileno()).st_size
        while self._end < size:
            block = self._record(self._end)
            if block is None:
                self._cut()
                return
            offset, self._end = self._end, self._end + _HEAD.size + len(block)
            yield offset, block

    def _record(self, offset: int) -> bytes | None:
        """The block at an offset, if what is there is a whole record."""
        length, check = self._head(offset)
        if not 0 < length <= MAX_BLOCK_BYTES:
            return None
        block = self._file.read(length)
        return block if len(block) == length and crc32(block) == check else None

    def _head(self, offset: int) -> tuple[int, int]:
        """Length and check at an offset; a length of 0 if both copies of it do not agree."""
        self._file.seek(offset)
        head = self._file.read(_HEAD.size)
        length, inverse, check = _HEAD.unpack(head) if len(head) == _HEAD.size else (0, 0, 0)
        return (length, check) if length ^ inverse == _ALL_ONES else (0, 0)

    def _cut(self) -> None:
        """Ends the log before what does not read, if that can be one torn record: nothing whole may follow it."""
        length, _ = self._head(self._end)
        self._file.seek(self._end)
        rest = len(self._file.read().rstrip(b"\0"))  # a file system may lengthen a file before its data comes
        if rest >= _HEAD.size and not (length and rest <= _HEAD.size + length):
            raise BlockLogDamaged(f"{self.path} is damaged at byte {self._end}, and more than one record follows.")
        self._file.truncate(self._end)
        self._sync()

    def append(self, block: bytes) -> int:
        """Writes a block and waits for the disk; returns its offset."""
        offset = self._end
        self._file.seek(offset)
        self._file.write(_HEAD.pack(len(block), len(block) ^ _ALL_ONES, crc32(block)) + block)
        self._sync()
        self._end = self._file.tell()
        return offset

    def read(self, offset: int) -> bytes:
        """The block that was written at an offset."""
        length, _ = self._head(offset)
        return self._file.read(length)

    def close(self) -> None:
        """Closes the file; nothing is pending."""
        self._file.close()

    def _sync(self) -> None:
        self._file.flush()
        os.fdatasync(self._file.fileno())


def _sync_directory(directory: Path) -> None:
    """A new file's name is durable only when its directory is."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
