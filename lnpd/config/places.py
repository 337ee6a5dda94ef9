"""Where does a node keep its data, unless it is told?"""

import os
from pathlib import Path


def default_directory(network: str) -> Path:
    """The data directory of a network, unless another is given."""
    return Path(os.path.expanduser("~")) / ".lnpd" / network
