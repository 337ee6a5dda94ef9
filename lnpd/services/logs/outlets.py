"""Where do the lines go, from which level on: standard error, a file that rotates, the last lines in memory?"""

import logging
import os
import stat
import sys
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Final

from lnpd.config import LOG_SUBSYSTEMS, Config
from lnpd.errors import DirectoryUnusable
from lnpd.services.logs.lines import LineFormatter
from lnpd.services.logs.ring import RING
from lnpd.services.logs.secrets import SECRETS

ROOT: Final = "lnpd"


class LogFile(RotatingFileHandler):
    """A file for its user alone. That it cannot be written is said once, without the words that were lost."""

    def __init__(self, path: Path, max_bytes: int, files: int) -> None:
        super().__init__(path, maxBytes=max_bytes, backupCount=files - 1, encoding="utf-8", errors="backslashreplace")
        self._told = False

    def _open(self) -> TextIOWrapper:
        stream = super()._open()
        if stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
            os.fchmod(stream.fileno(), 0o600)
        return stream

    def handleError(self, record: logging.LogRecord) -> None:  # logging's name
        """What went wrong with a record."""
        if not self._told:
            self._told = True
            print(f"lnpd: the log file {self.baseFilename} cannot be written: {sys.exc_info()[1]}", file=sys.stderr)


def set_up(config: Config, passphrase: str | None = None, files: bool = True) -> None:
    """From now on the log goes where it is to go; without `files` to standard error alone, for the data directory is
    not made yet. Raises DirectoryUnusable if its file cannot be opened."""
    logging.raiseExceptions = False  # logging would show the arguments of what it cannot write
    _know_secrets(config, passphrase)
    handlers: list[logging.Handler] = [RING]
    if not config.log_quiet:
        handlers.append(logging.StreamHandler(sys.stderr))
    if files and config.log_path is not None:
        handlers.append(_file(config, config.log_path))
    for handler in handlers:
        handler.setFormatter(LineFormatter(config.log_format == "json"))
    root = logging.getLogger()
    root.handlers[:] = handlers
    root.setLevel(logging.WARNING)
    set_levels(config)


def _file(config: Config, path: Path) -> LogFile:
    try:
        return LogFile(path, config.log_file_mib << 20, config.log_files)
    except OSError as error:
        raise DirectoryUnusable(f"The log file {path} cannot be written: {error.strerror}.") from None


def _know_secrets(config: Config, passphrase: str | None) -> None:
    """Masks what the configuration knows."""
    developer = config.developer
    if developer is not None:
        SECRETS.add(developer.node_key, developer.seed, *developer.channel_secrets)
    if config.bitcoind is not None and "@" in config.bitcoind.word:
        pair = config.bitcoind.word.partition("://")[2].rpartition("@")[0]
        SECRETS.add(pair, pair.partition(":")[2])
    SECRETS.add(passphrase)


def set_levels(config: Config) -> None:
    """Lines of lnpd at the level and above, of a subsystem at its own; of libraries, warnings only."""
    logging.getLogger(ROOT).setLevel(config.log_level.upper())
    chosen = dict(config.log_levels)
    for name in LOG_SUBSYSTEMS:
        logging.getLogger(f"{ROOT}.{name}").setLevel(chosen.get(name, "notset").upper())


def change_levels(before: Config, after: Config) -> None:
    """Takes what was changed while the node runs."""
    if (before.log_level, before.log_levels) != (after.log_level, after.log_levels):
        set_levels(after)
