"""What becomes of a loop that follows the chain if it ends by itself? That is said, and the node stops: without it the
node looks well, and sees nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import partial

from lnpd.errors import FollowerEnded, RowRefused, StoreError

log = logging.getLogger("lnpd.chain")

Broken = Callable[[Exception], None]
"""Whoever stops the node for this error."""


def alarmed(task: asyncio.Task[None], what: str, broken: Broken | None) -> asyncio.Task[None]:
    """The task. `broken` hears of the error that ends it, as a FollowerEnded that begins with `what`, or as it is if
    the database is ill; not of its being cancelled."""
    task.add_done_callback(partial(_ended, what=what, broken=broken))
    return task


def _ended(task: asyncio.Task[None], what: str, broken: Broken | None) -> None:
    error = None if task.cancelled() else task.exception()
    if not isinstance(error, Exception):
        return  # it was stopped
    log.error("%s", what, exc_info=error)
    if not isinstance(error, StoreError) or isinstance(error, RowRefused):  # else the database is ill, and named
        error = FollowerEnded(f"{what}: {type(error).__name__}: {error}")
    if broken is not None:
        broken(error)
