"""What is wrong with the files of a node: who may read them, and whether there is room for more?"""

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from lnpd.cli.doctor.outside import MIB, Outside
from lnpd.cli.doctor.room import CACHES, DELETE, LARGEST, MOST_IN, most_files, most_room
from lnpd.rpc.answers import Finding
from lnpd.rpc.place import SOCKET_NAME
from lnpd.services.doctor.check import Check, danger, hint, warning
from lnpd.store.database import DATABASE_NAME

OTHERS: Final = 0o077
CLOSE_DIRECTORY: Final = "chmod 700 FILE"
CLOSE_FILE: Final = "chmod 600 FILE"
OWN: Final = "chown USER FILE"
MAKE_SEED: Final = "lnpd init"
TYPE_SEED: Final = "lnpd init --words"
START: Final = "LNPD"
MAKE_FOLDER: Final = "mkdir -p FILE"
SEED_NAME: Final = "seed"
MOST_FILES: Final = 2_000


def directory(outside: Outside) -> Iterator[Finding]:
    """Whoever reads the directory has the channels."""
    path = outside.directory
    try:
        state = path.stat()
    except FileNotFoundError:
        yield danger(f"there is no data directory {path}", MAKE_SEED)
        return
    if not stat.S_ISDIR(state.st_mode):
        other = str(path.with_name(f"{path.name}-2"))
        yield danger(f"{path} is no directory", START, lnpd=outside.lnpd_with(directory=(other,)))
        return
    if state.st_uid != os.getuid():
        yield danger(f"the data directory {path} is another user's", OWN, user=os.getuid(), file=path)
    if state.st_mode & OTHERS:
        yield warning(f"others can look into the data directory {path}", CLOSE_DIRECTORY, file=path)


def seed(outside: Outside) -> Iterator[Finding]:
    """The seed is the money."""
    path = outside.directory / SEED_NAME
    developer = outside.config is not None and outside.config.developer is not None
    if not path.exists():
        if not developer and outside.directory.is_dir() and not outside.runs:
            known = (outside.directory / DATABASE_NAME).exists()
            if known:
                yield danger(f"{outside.directory} has a database and no seed: type its words again", TYPE_SEED)
            else:
                yield danger(f"{outside.directory} has no seed yet", MAKE_SEED)
    elif path.stat().st_mode & OTHERS:
        yield danger(f"others can read the seed file {path}", CLOSE_FILE, file=path)


def private(outside: Outside) -> Iterator[Finding]:
    """Everything else that is nobody's business: the socket (whoever may write to it commands the node), the database,
    keys, the passphrase's file."""
    for path in _inside(outside.directory):
        mode = path.lstat().st_mode
        if mode & OTHERS and not stat.S_ISLNK(mode) and path.name != SEED_NAME:
            command = CLOSE_DIRECTORY if stat.S_ISDIR(mode) else CLOSE_FILE
            severe = danger if path.name == SOCKET_NAME else warning
            verb = "others can ask the node anything over" if path.name == SOCKET_NAME else "others can read"
            yield severe(f"{verb} {path}", command, file=path)
    passphrase = outside.path("passphrase_file")
    if passphrase and passphrase.is_file() and passphrase.stat().st_mode & OTHERS:
        yield danger(f"others can read the file of the passphrase, {passphrase}", CLOSE_FILE, file=passphrase)
    backup = outside.path("backup_file")
    if backup and backup.is_file() and backup.stat().st_mode & OTHERS:
        yield hint(f"others can copy the backup {backup}, which is sealed", CLOSE_FILE, file=backup)


def _inside(directory: Path) -> Iterator[Path]:
    """Files, sockets and folders of a node, but for the chain's: there are many, and everybody has them."""
    if not directory.is_dir():
        return
    count = 0
    for folder, folders, names in os.walk(directory):
        folders[:] = [name for name in folders if Path(folder, name) != directory / "chain"]
        for name in (*folders, *names):
            count += 1
            if count > MOST_FILES:
                return
            if Path(folder, name).exists():
                yield Path(folder, name)


def disk(outside: Outside) -> Iterator[Finding]:
    """A database that cannot grow stops the node."""
    places = {"data directory": outside.directory, "second backup": outside.path("backup_file")}
    for what, path in places.items():
        folder = path if path is None or path.is_dir() else path.parent
        if folder is not None and folder.is_dir():
            yield from _full(outside, what, folder)
        elif path is not None and what != "data directory":
            text = f"the folder of the {what}, {path.parent}, is not there: mount its disk, or make it"
            yield danger(text, MAKE_FOLDER, file=path.parent)


def _full(outside: Outside, what: str, folder: Path) -> Iterator[Finding]:
    state, room = outside.statvfs(folder), outside.room
    free_bytes = state.f_bavail * state.f_frsize
    if free_bytes < room.warning_bytes:
        severe = danger if free_bytes < room.danger_bytes else warning
        log = outside.config.log_path if outside.config is not None else None
        best = most_room(folder, log, room.warning_bytes - free_bytes)
        gives = f"; this gives back {best.bytes // MIB:,} MiB" if best.bytes else ": delete or move something large"
        yield severe(f"the disk of the {what} has {free_bytes // MIB:,} MiB left{gives}", best.command, **best.words)
    if state.f_files and state.f_favail < room.least_files:
        best = most_files(folder)
        text = f"the disk of the {what} has room for {state.f_favail:,} files: delete some where there are most"
        yield danger(text, best.command, **best.words)


CHECKS: Final[tuple[Check[Outside], ...]] = (
    Check(
        "directory",
        "the data directory: there, its user's, and closed to others (0700)",
        directory,
        (MAKE_SEED, START, OWN, CLOSE_DIRECTORY),
        "the data directory is its user's alone",
    ),
    Check(
        "seed",
        "the seed's file: there, and closed to others (0600)",
        seed,
        (MAKE_SEED, TYPE_SEED, CLOSE_FILE),
        "nobody else can read a seed",
    ),
    Check(
        "private",
        "the socket, the database, keys, the passphrase's file, the second backup",
        private,
        (CLOSE_DIRECTORY, CLOSE_FILE),
        "others read none of the node's files",
    ),
    Check(
        "disk",
        "free space and free files of the data directory's disk, and of the second backup's",
        disk,
        (DELETE, *(command for _, command, _ in CACHES), LARGEST, MOST_IN, MAKE_FOLDER),
        "there is room on the disk",
    ),
)
