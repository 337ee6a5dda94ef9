"""How many files may this process have open, and how many peers does that leave room for?

Each connection is an open file. A process without a free one cannot read its database or ask its chain either, so
connections have to stay below the system's limit: it is raised as far as it goes, and what still is too little for the
usual bounds makes all of them smaller.
"""

import logging
import resource
from typing import Final

from msgspec.structs import replace

from lnpd.services.peers.limits import Limits

log = logging.getLogger("lnpd.peers")

ENOUGH_FILES: Final = 1 << 14
OTHER_FILES: Final = 192  # databases, the socket of `lnp`, links to plugins and the chain, their pipes


def raise_open_files() -> int:
    """Raises this process's limit as far as it may, up to ENOUGH_FILES; what it is now."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = ENOUGH_FILES if hard == resource.RLIM_INFINITY else min(hard, ENOUGH_FILES)
    if soft == resource.RLIM_INFINITY:
        return ENOUGH_FILES
    if soft >= wanted:
        return soft
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (OSError, ValueError):  # some systems allow less than they say
        return soft
    return wanted


def fitting(limits: Limits, files: int) -> Limits:
    """The limits, or smaller ones under which all connections fit in `files` with what else the node has open."""
    bounds = {"peers": limits.peers, "half_open": limits.half_open, "lingering": limits.lingering}
    room, needed = max(files - OTHER_FILES, 0), sum(bounds.values())
    if needed <= room:
        return limits
    smaller = {name: max(1, bound * room // needed) for name, bound in bounds.items()}
    log.warning(
        "%d files may be open: there is room for %d peers instead of %d (ulimit -Hn, or LimitNOFILE of systemd)",
        files, smaller["peers"], limits.peers,
    )  # fmt: skip
    return replace(limits, **smaller)
