"""Where are the twelve words from which all keys of the RGB wallet follow?

In a file of the plugin's folder that only the node's user can read. They are made at the first start, with rgb-lib's
entropy, and never change; they are shown and logged nowhere.
"""

import os
from collections.abc import Callable
from pathlib import Path

from rgb_engine.errors import WalletDamaged

FILE = "words"


def kept(folder: Path, data: Path, make: Callable[[], str]) -> str:
    """The words, made if there are none yet. They are on the disk before anybody gets them. WalletDamaged where they
    are unreadable, or missing while there is `data` of their wallet."""
    path = folder / FILE
    try:
        return _read(path)
    except FileNotFoundError:
        pass
    if data.exists():
        raise WalletDamaged(f"the RGB wallet is here, and its words are not: put {path} back from your copy")
    fresh = folder / f"{FILE}.new"
    words = make()
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(words + "\n")
        file.flush()
        os.fsync(file.fileno())
    fresh.rename(path)
    directory = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
    return words


def _read(path: Path) -> str:
    words = path.read_text(encoding="ascii", errors="replace").split()
    if len(words) != 12:
        raise WalletDamaged(f"{path} has to hold twelve words, not {len(words)}")
    return " ".join(words)
