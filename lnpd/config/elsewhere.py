"""Which data directory do the environment and the file mean, for a program that asks a node and is none?"""

import os
from pathlib import Path

from lnpd.config.build import read
from lnpd.config.model import NETWORKS
from lnpd.config.places import default_directory
from lnpd.config.sources import settle
from lnpd.config.table import BY_KEY

DIRECTORY, NETWORK = BY_KEY["directory"], BY_KEY["network"]


def directory_of(network: str | None, config: str | None) -> Path:
    """The data directory that `lnpd --network NETWORK --config CONFIG` would have. Raises ConfigRefused."""
    settled, _ = settle({NETWORK.flag: network, DIRECTORY.flag: None}, os.environ, config)
    if (given := settled.get("directory")) is not None:
        return Path(str(read(DIRECTORY, given)))
    return default_directory(str(read(NETWORK, settled["network"])) if "network" in settled else NETWORKS[0])
