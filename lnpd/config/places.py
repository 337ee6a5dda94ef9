"""Where are a node's data and its configuration file, unless a person says otherwise? As the platform wants it.

          data of a network                              the file
Linux     $XDG_DATA_HOME/lnpd/NETWORK                    $XDG_CONFIG_HOME/lnpd/config.toml
          ~/.local/share/lnpd/NETWORK                    ~/.config/lnpd/config.toml
macOS     ~/Library/Application Support/lnpd/NETWORK     ~/Library/Application Support/lnpd/config.toml
where it is there already: ~/.lnpd/NETWORK               ~/.lnpd/config.toml
"""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from lnpd.errors import ConfigRefused

FILE_NAME: Final = "config.toml"
VARIABLE: Final = "LNPD_CONFIG"
NO_FILE: Final = "none"
NODE_FILES: Final = ("seed", "lnpd.sqlite3")
"""Where one of these is, there is a node."""
WHERE_DATA: Final = "$XDG_DATA_HOME/lnpd/NETWORK, usually ~/.local/share/lnpd/NETWORK; on macOS ~/Library/Application \
Support/lnpd/NETWORK; where there is a ~/.lnpd/NETWORK, that"
WHERE_FILE: Final = "$XDG_CONFIG_HOME/lnpd/config.toml, usually ~/.config/lnpd/config.toml; on macOS ~/Library/\
Application Support/lnpd/config.toml; or ~/.lnpd/config.toml"


def default_directory(network: str) -> Path:
    """The data directory of a network, unless another is given. Raises ConfigRefused where two hold a node."""
    older, newer = directories(network)
    if all(map(_holds_node, (older, newer))):
        raise ConfigRefused(
            f"There are two nodes of {network}, in {older} and in {newer}: say which one is meant with --directory, or"
            " move the other one away."
        )
    return older if older.is_dir() and any(older.iterdir()) and not _holds_node(newer) else newer


def is_default(directory: Path, network: str) -> bool:
    """Whether it is what a network's node has unless another is given."""
    try:
        return directory == default_directory(network)
    except ConfigRefused:
        return False


def directories(network: str) -> tuple[Path, Path]:
    """Where the data of a network may be: the older place, and the platform's."""
    return _home() / ".lnpd" / network, _base("XDG_DATA_HOME", ".local/share") / network


def _holds_node(directory: Path) -> bool:
    return any((directory / name).exists() for name in NODE_FILES)


def default_file() -> Path | None:
    """The configuration file, if there is one and no other is named. Raises ConfigRefused where there are two."""
    found = [path for folder in (_home() / ".lnpd", _base("XDG_CONFIG_HOME", ".config"))
             if (path := folder / FILE_NAME).is_file()]  # fmt: skip
    if len(found) == 2:
        raise ConfigRefused(f"There are two configuration files, {found[0]} and {found[1]}: name one with --config.")
    return found[0] if found else None


def usual_file() -> Path:
    """Where the file is to be made, if there is none."""
    return default_file() or _base("XDG_CONFIG_HOME", ".config") / FILE_NAME


def file_of(asked: str | None, environment: Mapping[str, str]) -> Path | None:
    """The configuration file that --config or its variable names, else the usual one; None if there is none."""
    word = asked or environment.get(VARIABLE)
    if not word:
        return default_file()
    return None if word == NO_FILE else Path(os.path.abspath(os.path.expanduser(word)))


def _home() -> Path:
    return Path(os.path.expanduser("~"))


def _base(variable: str, usual: str) -> Path:
    if sys.platform == "darwin":
        return _home() / "Library" / "Application Support" / "lnpd"
    named = os.environ.get(variable, "")  # one that is no whole path does not count (XDG Base Directory Specification)
    return (Path(named) if os.path.isabs(named) else _home() / usual) / "lnpd"
