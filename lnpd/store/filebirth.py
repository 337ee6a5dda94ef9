"""When was a file made?

No copy of a file has its time, whatever it keeps else; a change of its owner or mode does not touch it. Python tells it
on macOS alone, so Linux is asked by statx(2). Where nobody knows, the last change of the file's own data stands for it.
"""

import ctypes
import os
import struct
from pathlib import Path
from typing import Final

AT_FDCWD: Final = -100
STATX_BTIME: Final = 0x800
STATX_BYTES: Final = 256
BIRTH: Final = struct.Struct("=qI")  # seconds and nanoseconds
BIRTH_OFFSET: Final = 80
SECOND_NS: Final = 1_000_000_000


def made_unix_nanoseconds(path: Path) -> int:
    """When a file was made, in nanoseconds. Raises OSError."""
    found = path.stat()
    known = getattr(found, "st_birthtime", None)
    if known is not None:
        return int(known * SECOND_NS)
    return _statx(path) or found.st_ctime_ns


def _statx(path: Path) -> int:
    """0 if this system, or this file system, does not tell."""
    call = getattr(ctypes.CDLL(None), "statx", None)
    answer = ctypes.create_string_buffer(STATX_BYTES)
    if call is None or call(AT_FDCWD, os.fsencode(path), 0, STATX_BTIME, answer):
        return 0
    (mask,) = struct.unpack_from("=I", answer.raw)
    seconds, nanoseconds = BIRTH.unpack_from(answer.raw, BIRTH_OFFSET)
    return seconds * SECOND_NS + nanoseconds if mask & STATX_BTIME else 0
