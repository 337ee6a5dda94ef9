"""How was the node of a directory started last? One line in the directory says it, as a shell would read it."""

import os
import re
import shlex
from pathlib import Path
from typing import Final

from lnpd.cli import options
from lnpd.config import Config
from lnpd.config.again import PROGRAM, command_line
from lnpd.config.build import built
from lnpd.config.sources import settle
from lnpd.errors import ConfigRefused

NAME: Final = "started"
MAX_BYTES: Final = 64 * 1024
ASSIGNED: Final = re.compile(r"(LNPD_[A-Z_]+)=(.*)", re.DOTALL)
HIDDEN: Final = re.compile(r"\$\{(LNPD_[A-Z_]+):-(.*)\}", re.DOTALL)


def write(config: Config) -> None:
    """Keeps it, for whoever asks why the node does not run. A directory that takes no more loses nothing by it."""
    path = config.directory / NAME
    try:
        path.write_text(command_line(config) + "\n")
    except OSError:
        path.unlink(missing_ok=True)


def read(directory: Path) -> Config | None:
    """The configuration that the line means now; None if there is none. Raises ConfigRefused, as lnpd would."""
    try:
        with (directory / NAME).open("rb") as file:
            line = file.read(MAX_BYTES + 1).decode()
        words = shlex.split(line) if len(line) <= MAX_BYTES else []
    except (OSError, ValueError):
        return None
    return config_of(words) if PROGRAM in words else None


def config_of(words: list[str]) -> Config:
    """The configuration of `NAME=VALUE ... lnpd --option ...`, over this process's variables. Raises ConfigRefused."""
    at = words.index(PROGRAM)
    assigned = [ASSIGNED.fullmatch(word) for word in words[:at]]
    if not all(assigned):
        raise ConfigRefused(f"{' '.join(words[:at])[:60]!r} assigns no variables of lnpd's.")
    environment = {**os.environ, **{match[1]: match[2] for match in assigned if match}}
    given = vars(options.parser(PROGRAM, "").parse_args([_whole(word) for word in words[at + 1 :]]))
    settled, contents = settle(given, environment, given[options.CONFIG])
    return built(settled, files=contents.files)


def _whole(word: str) -> str:
    """What holds a password is in its variable; in the line it stands without."""
    match = HIDDEN.fullmatch(word)
    return os.environ.get(match[1]) or match[2] if match else word
