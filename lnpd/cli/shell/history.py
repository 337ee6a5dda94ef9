"""Which lines are remembered for the next shell, and where? In the data directory, for its user alone.

A line that may hold a secret is not kept, and one that begins with a space is not either. Which options of plugins are
secrets is the plugins' to say, and no name tells it: no line that sets one is kept.
"""

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

HISTORY_NAME: Final = "lnp_history"
MOST_LINES: Final = 5_000
_SECRET: Final = re.compile(r"pass(word|phrase|wd)|secret|seed|mnemonic|xprv|tprv|private|\bkey\b|token|macaroon", re.I)
_OF_PLUGIN: Final = re.compile(r"\bplugin\s+set\b|\bconfig\s+set\s.*\bplugin\.")
_SEED_WORDS: Final = re.compile(r"^(?:[a-z]{3,8}\s+){11,}[a-z]{3,8}$")


def is_kept(line: str) -> bool:
    """Whether a line is remembered."""
    secret = _SECRET.search(line) or _OF_PLUGIN.search(line) or _SEED_WORDS.match(line.strip())
    return bool(line.strip()) and line[:1] != " " and not secret


def place(directory: Path) -> Path | None:
    """The file of the history, made for its user alone; None if it cannot be written."""
    path = directory / HISTORY_NAME
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))
        path.chmod(0o600)
    except OSError:
        return None
    return path


def lines(path: Path) -> list[str]:
    """The lines that are kept, the oldest first. A file that grew too long is cut to its newest half."""
    with path.open(encoding="utf-8", errors="replace") as file:
        found = [line.rstrip("\n") for line in file]
    if len(found) > MOST_LINES:
        found = found[-MOST_LINES // 2 :]
        fresh = path.with_name(f"{path.name}.new")
        with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600), "w") as file:
            file.writelines(f"{line}\n" for line in found)
        fresh.replace(path)
    return [line for line in found if line]


def add(path: Path, typed: Iterable[str]) -> None:
    """Keeps lines, each as one line."""
    with path.open("a", encoding="utf-8") as file:
        file.writelines(f"{' '.join(line.split())}\n" for line in typed)
