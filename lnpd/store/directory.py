"""Who may use a data directory? One process at a time, and only its user.

The lock is the kernel's (`flock`): it goes with the process, however that ends. The process id in the file is only for
the sentence that a second daemon prints.
"""

import fcntl
import os
from pathlib import Path

from lnpd.errors import DirectoryInUse, DirectoryUnusable

LOCK_NAME = "lnpd.lock"
LONGEST_PID_BYTES = 20


class DirectoryLock:
    """Holds a data directory until `release`."""

    def __init__(self, directory: Path) -> None:
        """Take the lock; the directory is made, for its user alone, if it is new.

        Raises DirectoryInUse (with the holder's process id) and DirectoryUnusable.
        """
        try:
            _make(directory)
            self._file = os.open(directory / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise DirectoryUnusable(f"The data directory {directory} cannot be used: {error.strerror}.") from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(self._file, LONGEST_PID_BYTES, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(self._file)
            raise DirectoryInUse(f"{directory} is in use by another lnpd, process id {holder}.") from None
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Let others in. The file stays: removing it would let two processes hold two locks of one name."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def sync_directory(directory: Path) -> None:
    """Make the names in a directory durable: a new or renamed file is lost in a power cut without it."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _make(directory: Path) -> None:
    if directory.is_dir():
        return
    directory.mkdir(mode=0o700, parents=True)
    sync_directory(directory.parent)
