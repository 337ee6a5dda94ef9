"""Is this database the one that was used last in its directory, or a copy that was put in its place?

A file beside it counts its commits. It is written after each of them without waiting for the disk, so that whatever
ends the process or the machine, it is never ahead of a database that nobody replaced: a database that is behind it is
an older copy. For a folder that was copied whole it names a file that is never changed, by its inode and by when that
was made: no copy of a file can have both. What turns back a whole disk is not noticed. Nothing is lost by a false
alarm: it only asks for more proof than is needed.
"""

import os
import zlib
from pathlib import Path
from typing import Final, NamedTuple, Self

from lnpd.store.directory import sync_directory

WITNESS_NAME: Final = "lnpd.witness"
PLACE_NAME: Final = "lnpd.place"
WITNESS_BYTES: Final = 32
PLACE = b"lnpd knows by this file that its folder is no copy. It is never changed.\n"


class Seen(NamedTuple):
    """What was seen of a database last: how many commits it had had, and where it lay."""

    commits: int
    inode: int
    changed_ns: int

    def encode(self) -> bytes:
        """32 bytes, of which the last four are a checksum."""
        text = b"lnpd" + b"".join(number.to_bytes(8, "big") for number in self)
        return text + zlib.crc32(text).to_bytes(4, "big")

    @classmethod
    def decode(cls, text: bytes) -> Self | None:
        """None if it is damaged."""
        seen = cls(*(int.from_bytes(text[start : start + 8], "big") for start in (4, 12, 20)))
        return seen if seen.encode() == text else None


class Witness:
    """The file, open. `disagrees` says why the database is taken for a copy; it is empty if it is not."""

    def __init__(self, database: Path, commits: int) -> None:
        """Compare a database that has had so many commits; 0 is one that was just made. Raises OSError."""
        place, path = database.with_name(PLACE_NAME), database.with_name(WITNESS_NAME)
        self._directory = database.parent
        self._is_kept = place.exists() and path.exists()
        if not place.exists():
            _write_place(place)
        self._inode, self._changed_ns = place.stat().st_ino, place.stat().st_ctime_ns
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self.disagrees = self._compare(os.pread(self._file, WITNESS_BYTES, 0), commits) if commits else ""

    def saw(self, commits: int) -> None:
        """So many commits are durable. Raises OSError."""
        os.pwrite(self._file, Seen(commits, self._inode, self._changed_ns).encode(), 0)

    def keep(self, commits: int) -> None:
        """From now on this database is the one that is used here: that it is a copy is stored in it. Raises OSError."""
        self.saw(commits)
        os.fsync(self._file)
        if not self._is_kept:
            sync_directory(self._directory)

    def close(self) -> None:
        """To call it twice is harmless."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _compare(self, text: bytes, commits: int) -> str:
        if not self._is_kept:
            return f"there is no {WITNESS_NAME} and {PLACE_NAME} beside it"
        seen = Seen.decode(text)
        if seen is None:
            return f"{WITNESS_NAME} is damaged"
        if commits < seen.commits:
            return f"the one that was used last had {seen.commits - commits} commits more"
        here = (seen.inode, seen.changed_ns) == (self._inode, self._changed_ns)
        return "" if here else f"its folder is another one than was used last, or {PLACE_NAME} was touched"


def _write_place(place: Path) -> None:
    handle = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.write(handle, PLACE)
        os.fsync(handle)
    finally:
        os.close(handle)
