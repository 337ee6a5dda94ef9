"""What takes the room of a full disk, and which command gives most of it back without a loss?

The node's older logs, and what package managers and the system's journal keep for nobody; where none of them has
enough, the largest files of the disk are listed, for a person to choose.
"""

import os
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from lnpd.services.doctor.check import Line

MIB: Final = 1 << 20
MOST_FILES: Final = 20_000
DELETE: Final = "rm FILES"
CACHES: Final[tuple[tuple[str, str, int], ...]] = (  # where, what empties it, and what is left
    ("~/.cache/pip", "pip cache purge", 0),
    ("/var/cache/apt/archives", "sudo apt-get clean", 0),
    ("/var/log/journal", "sudo journalctl --vacuum-size=50M", 50 * MIB),
)
LARGEST: Final = "find FOLDER -xdev -type f -size +50M -exec ls -lhS {} +"
MOST_IN: Final = "du --inodes -xS FOLDER | sort -n | tail -20"


class Room(NamedTuple):
    """A command that makes room, what stands for its capitals, and how much it gives back."""

    command: str
    words: dict[str, Line]
    bytes: int


def most_room(folder: Path, log: Path | None, wanted_bytes: int) -> Room:
    """What gives most back on the disk of a folder, if that is enough to be well again; else what lists the largest."""
    device = os.stat(folder).st_dev
    found = [_older(log)] if log is not None and _is_on(log.parent, device) else []
    for place, command, left_bytes in CACHES:
        path = Path(place).expanduser()
        if _is_on(path, device):
            found.append(Room(command, {}, sum(_sizes(path)) - left_bytes))
    best = max(found, key=lambda each: each.bytes, default=None)
    if best is None or best.bytes < wanted_bytes:
        return Room(LARGEST, {"folder": _mount(folder)}, 0)
    return best


def most_files(folder: Path) -> Room:
    """What lists the folders with most files of a folder's disk."""
    return Room(MOST_IN, {"folder": _mount(folder)}, 0)


def _older(log: Path) -> Room:
    """The log's files of former days, which nobody writes to."""
    files = sorted(log.parent.glob(f"{log.name}.*")) if log.parent.is_dir() else []
    return Room(DELETE, {"files": Line(shlex.join(map(str, files)))}, sum(path.stat().st_size for path in files))


def _is_on(path: Path, device: int) -> bool:
    return path.is_dir() and os.stat(path).st_dev == device


def _sizes(path: Path) -> Iterator[int]:
    count = 0
    for folder, _, names in os.walk(path):
        for name in names:
            count += 1
            if count > MOST_FILES:
                return
            yield os.lstat(os.path.join(folder, name)).st_size


def _mount(folder: Path) -> Line:
    """Where the disk of a folder begins."""
    path = folder.resolve()
    while not path.is_mount():
        path = path.parent
    return Line(shlex.quote(str(path)))
