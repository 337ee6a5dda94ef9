"""Who waits for something to become true of a channel?"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from lnpd.channel.actions import Notify
from lnpd.channel.state import Channel
from lnpd.errors import LnpdError, UnknownChannel

T = TypeVar("T")
Done = Callable[[Channel, tuple[Notify, ...]], T | None]


@dataclass(eq=False)
class Waiter:
    """Somebody who waits for something to become true of a channel."""

    key: str
    done: Callable[[Channel, tuple[Notify, ...]], Any]  # Any: whatever the waiter looks for
    found: "asyncio.Future[Any]"

    def look(self, channel: Channel, notices: tuple[Notify, ...]) -> None:
        """Resolves if it is there."""
        if self.found.done():
            return
        try:
            if (result := self.done(channel, notices)) is not None:
                self.found.set_result(result)
        except LnpdError as error:
            self.found.set_exception(error)


class Waiters:
    """All who wait. `get` finds a channel by its key, as last stored."""

    def __init__(self, get: Callable[[str], Channel | None]) -> None:
        self._get = get
        self._waiters: set[Waiter] = set()

    def look(self, channel: Channel, notices: tuple[Notify, ...]) -> None:
        """A channel's state was stored: who waits for this is told."""
        for waiter in [w for w in self._waiters if w.key == channel.key]:
            waiter.look(channel, notices)

    async def until(self, key: str, done: Done[T], command: Callable[[], Awaitable[object]] | None) -> T:
        """See Channels.until."""
        waiter = Waiter(key, done, asyncio.get_running_loop().create_future())
        self._waiters.add(waiter)
        try:
            if command is not None:
                await command()
            if (channel := self._get(key)) is not None:
                waiter.look(channel, ())
            elif not waiter.found.done():
                raise UnknownChannel("The channel is closed.")
            found: T = await waiter.found
            return found
        finally:
            self._waiters.discard(waiter)
            if waiter.found.done() and not waiter.found.cancelled():
                waiter.found.exception()  # it was heard, whatever is raised here
