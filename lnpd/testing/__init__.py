"""How does a test get real nodes: a network of them, or a pair with one's own plugin in both?

network.py   Network: a chain, whole nodes on it, channels between them
many.py      a data directory with as many channels as wanted, made by made.py
pair.py      the pytest fixture `pair`: two nodes with the plugin of the test, and verbs for what may happen to it
"""

from lnpd.services.node.node import Node
from lnpd.testing.network import (
    DEPTH,
    LOCAL,
    PATIENCE_SECONDS,
    Network,
    Ports,
    free_port,
    shown,
    until,
    until_asked,
    usable,
)

__all__ = [
    "DEPTH",
    "LOCAL",
    "PATIENCE_SECONDS",
    "Network",
    "Node",
    "Ports",
    "free_port",
    "shown",
    "until",
    "until_asked",
    "usable",
]
