"""Where does a daemon's log go, and how does a line of it read? To standard error, for a person."""

import logging
import sys


def set_up(level: str) -> None:
    """Logs of lnpd at `level` and above; of libraries, warnings only."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s", "%Y-%m-%d %H:%M:%S"))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("lnpd").setLevel(level.upper())
