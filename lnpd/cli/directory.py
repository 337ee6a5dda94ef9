"""Who may read a data directory? Its user alone, from its making on, and whatever is written in it as well."""

import os
from pathlib import Path

from lnpd.errors import DirectoryUnusable


def prepare_directory(directory: Path) -> None:
    """Makes a directory, or makes one private that is not; so is what this process and its children write from now on.

    Raises DirectoryUnusable.
    """
    os.umask(0o077)
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if directory.stat().st_mode & 0o077:
            directory.chmod(0o700)
    except OSError as error:
        raise DirectoryUnusable(f"The data directory {directory} cannot be used: {error.strerror}.") from None
