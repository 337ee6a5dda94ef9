"""When is it looked whether the channels that we opened still pay enough, or far too much?

    a new tip              the chain is asked for its estimates, once for all that came meanwhile
    a channel is back      at once, by the last estimates

lnpd.channel.feerates says what is due, and how far a channel may rise until another tip comes. It is put into the
channel's mailbox, and not waited for.
"""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import suppress
from typing import Final, Self

from lnpd.channel.feerates import (
    FLOOR_BLOCKS,
    SOON_BLOCKS,
    Estimates,
    due,
    is_short,
    is_sunk,
    proposed_per_kw,
    reach_per_kw,
    wanted_per_kw,
)
from lnpd.channel.state import Channel
from lnpd.services.channels.driver import ChannelDriver, Item
from lnpd.services.channels.service import Channels
from lnpd.services.onchain import ChainWatcher

log = logging.getLogger("lnpd.channels")

SHORT: Final = (
    "channel {name} pays {now:,} sat per 1000 weight and {wanted:,} are due: what is ours in it, small payments in "
    "flight, or a plugin of its, allow no more now"
)
SUNK: Final = (
    "channel {name} has no anchors, and its peer keeps it at {now:,} sat per 1000 weight where mempools take {floor:,} "
    "at least: a forced close would not confirm now; close it together while the peer is there"
)


class FeerateKeeper:
    """Keeps the feerates of all channels near what is due."""

    def __init__(self, channels: Channels, watcher: ChainWatcher) -> None:
        self._channels, self._watcher = channels, watcher
        self._estimates: Estimates | None = None
        self._reach: dict[str, int] = {}  # by key, since the newest tip
        self._reach_before: dict[str, int] = {}  # and since the one before
        self._stale = True
        self._wake, self._idle = asyncio.Event(), asyncio.Event()
        self._idle.set()
        self._task: asyncio.Task[None] | None = None

    def started(self) -> Self:
        """Itself: it looks whenever there is a reason to, until it is stopped."""
        self._task = asyncio.create_task(self._run(), name="feerates")
        return self

    async def stop(self) -> None:
        """Looks no more."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    def new_tip(self) -> None:
        """The best chain has a new tip."""
        self._stale = True
        self._look_soon()

    def changed(self, before: Channel, after: Channel) -> None:
        """A channel's state was stored."""
        if after.live and not before.live:
            self._look_soon()

    async def settled(self) -> None:
        """Returns when what is due is in the channels' mailboxes."""
        await self._idle.wait()

    @property
    def warnings(self) -> Iterator[str]:
        """A sentence for each channel whose feerate is not what is due, and cannot be made so by us."""
        if (estimates := self._estimates) is None:
            return
        for channel in self._channels.every():
            if is_short(channel, estimates, self._reach.get(channel.key)):
                now, wanted = proposed_per_kw(channel), wanted_per_kw(channel, estimates)
                yield SHORT.format(name=channel.id.hex()[:16], now=now, wanted=wanted)
            elif is_sunk(channel, estimates):
                name, now = channel.id.hex()[:16], proposed_per_kw(channel)
                yield SUNK.format(name=name, now=now, floor=estimates.floor_per_kw)

    def _look_soon(self) -> None:
        self._idle.clear()
        self._wake.set()

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                if self._stale:
                    await self._ask()
                if self._estimates is not None:
                    self._look(self._estimates)
            except Exception:
                log.exception("feerates stay as they are until the next block")
            if not self._wake.is_set():
                self._idle.set()

    async def _ask(self) -> None:
        """Without an estimate nothing is changed: the last known may be as wrong as the lowest."""
        self._stale = False
        soon = await self._watcher.estimate(SOON_BLOCKS)
        floor = await self._watcher.estimate(FLOOR_BLOCKS)
        self._estimates = None if soon is None or floor is None else Estimates(soon, floor)
        if self._estimates is not None:
            self._reach, self._reach_before = {}, self._reach

    def _look(self, estimates: Estimates) -> None:
        for driver in tuple(self._channels.drivers.values()):
            try:
                self._look_at(driver, estimates)
            except Exception:
                log.exception("channel %s: its feerate stays as it is until the next block", driver.channel.key)

    def _look_at(self, driver: ChannelDriver, estimates: Estimates) -> None:
        channel, key = driver.channel, driver.channel.key
        if key not in self._reach:
            self._reach[key] = reach_per_kw(channel, estimates, self._reach_before.get(key, 0))
        if not driver.frozen and (command := due(channel, estimates, self._reach[key])):
            text = "channel %s: a feerate of %s sat per 1000 weight is due, it pays %s"
            log.info(text, key, command.feerate_per_kw, proposed_per_kw(channel))
            driver.post(Item(command))
