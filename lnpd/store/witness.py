"""Is this database the one that was used last in its directory, or a copy that was put in its place?

A file beside it counts its commits. It is written after each of them without waiting for the disk, so that whatever
ends the process or the machine, it is never ahead of a database that nobody replaced: a database that is behind it is
an older copy. A copy counts on from far above, so that the original is noticed too if it is put back. For a folder that
was copied whole the witness says when a file beside it was made, which no copy of that file has. What turns back a
whole disk is not noticed.
"""

import logging
import os
import zlib
from pathlib import Path
from typing import Final, NamedTuple, Self

from lnpd.store.directory import sync_directory
from lnpd.store.filebirth import made_unix_nanoseconds

log = logging.getLogger("lnpd.store")

WITNESS_NAME: Final = "lnpd.witness"
PLACE_NAME: Final = "lnpd.place"
WITNESS_BYTES: Final = 24
COPY_COMMITS: Final = 1 << 32
"""So many more a copy counts than anything before it: more than a database ever has."""

PLACE = b"lnpd knows by this file that its folder is no copy. It is never changed.\n"


class Seen(NamedTuple):
    """What was seen of a database last: how many commits it had had, and when the file beside it was made."""

    commits: int
    place_made_ns: int

    def encode(self) -> bytes:
        """24 bytes, of which the last four are a checksum."""
        text = b"lnpd" + b"".join(number.to_bytes(8, "big") for number in self)
        return text + zlib.crc32(text).to_bytes(4, "big")

    @classmethod
    def decode(cls, text: bytes) -> Self | None:
        """None if it is damaged."""
        seen = cls(*(int.from_bytes(text[start : start + 8], "big") for start in (4, 12)))
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
        self._place_made_ns = made_unix_nanoseconds(place)
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._fails = False
        seen = Seen.decode(os.pread(self._file, WITNESS_BYTES, 0))
        self.disagrees = self._compare(seen, commits) if commits or self._is_kept else ""
        self.commits = max(commits, seen.commits if seen else 0) + COPY_COMMITS if self.disagrees else commits

    def saw(self, commits: int) -> None:
        """So many commits are durable. What cannot be written is said: the database does not wait for its witness."""
        try:
            self._write(commits)
            self._fails = False
        except OSError as error:
            if not self._fails:
                self._fails = True
                log.warning("%s cannot be written, and an older copy may go unnoticed: %s", WITNESS_NAME, error)

    def keep(self) -> None:
        """From now on this database is the one that is used here, with so many `commits`: what it is, is stored in it.
        Raises OSError."""
        self._write(self.commits)
        os.fsync(self._file)
        if not self._is_kept:
            sync_directory(self._directory)

    def close(self) -> None:
        """To call it twice is harmless."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _write(self, commits: int) -> None:
        os.pwrite(self._file, Seen(commits, self._place_made_ns).encode(), 0)

    def _compare(self, seen: Seen | None, commits: int) -> str:
        if not self._is_kept:
            return f"there is no {WITNESS_NAME} and {PLACE_NAME} beside it"
        if seen is None:
            return f"{WITNESS_NAME} is damaged"
        if commits < seen.commits:
            return f"the one that was used last had {seen.commits - commits} commits more"
        return "" if seen.place_made_ns == self._place_made_ns else "its folder is another one than was used last"


def _write_place(place: Path) -> None:
    handle = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.write(handle, PLACE)
        os.fsync(handle)
    finally:
        os.close(handle)
