"""How does a person hand over a passphrase or a seed? On the terminal or in a file, never in an argument."""

import getpass
import stat
import sys
from pathlib import Path
from typing import Final

from lnpd.config import Config
from lnpd.errors import ConfigRefused, PassphraseMissing, PassphraseRefused, SeedFileUnsafe

MAX_FILE_BYTES: Final = 4096


def passphrase_from_file(path: Path) -> str:
    """The first line of a file that only its user may read. Raises ConfigRefused, SeedFileUnsafe, PassphraseRefused."""
    try:
        mode = path.stat().st_mode
        if stat.S_ISREG(mode) and mode & 0o077:
            raise SeedFileUnsafe(f"Others than its user may read {path}: make it private (chmod 600).")
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES)
    except OSError as error:
        raise ConfigRefused(f"--passphrase-file {path} cannot be read: {error.strerror}.") from None
    try:
        line = data.decode().partition("\n")[0].removesuffix("\r")
    except UnicodeDecodeError:
        line = ""
    if not line:
        raise PassphraseRefused(f"{path} does not begin with a line of text.")
    return line


def known_passphrase(config: Config) -> str | None:
    """The passphrase of an encrypted seed, None for a plain one. Raises PassphraseMissing without a terminal."""
    if config.plain_seed or (config.developer is not None and config.developer.seed):
        return None
    if config.passphrase_file is not None:
        return passphrase_from_file(config.passphrase_file)
    _need_terminal()
    return getpass.getpass("Passphrase of the seed: ")


def new_passphrase(config: Config) -> str | None:
    """A passphrase for a new seed, typed twice; None for a plain seed. Raises PassphraseMissing, PassphraseRefused."""
    if config.plain_seed:
        return None
    if config.passphrase_file is not None:
        return passphrase_from_file(config.passphrase_file)
    _need_terminal()
    passphrase = getpass.getpass("New passphrase: ")
    if not passphrase:
        raise PassphraseRefused("A passphrase is not empty. Nothing was written.")
    if getpass.getpass("The same again: ") != passphrase:
        raise PassphraseRefused("The two passphrases are not the same. Nothing was written.")
    return passphrase


def typed(prompt: str, hidden: bool) -> str:
    """A line from the terminal, without echo if it is hidden; without a terminal, the next line of standard input."""
    if not sys.stdin.isatty():
        return sys.stdin.readline(MAX_FILE_BYTES).strip()
    return (getpass.getpass(prompt) if hidden else input(prompt)).strip()


def _need_terminal() -> None:
    if not sys.stdin.isatty():
        raise PassphraseMissing(
            "The passphrase is typed on a terminal: without one, name a --passphrase-file (or --plain-seed)."
        )
