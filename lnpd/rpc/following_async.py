"""How does a program with an event loop follow a node's events? As following.py says, awaited.

async for event in node.events(since=7):
    print(event.sequence, event.topic)
"""

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType

from lnpd.rpc.answers.node import Event
from lnpd.rpc.following import AWAY, Pauses
from lnpd.rpc.pipe_async import AsyncFeed


class AsyncFollowing:
    """An iterator over events, and a context that ends it. `sequence` is the number of the last one that it told, None
    before it began."""

    def __init__(
        self,
        opened: Callable[[int | None], Awaitable[AsyncFeed]],
        since: int | None,
        patience_seconds: float | None,
    ) -> None:
        self._opened, self._since, self._patience_seconds = opened, since, patience_seconds
        self._feed: AsyncFeed | None = None
        self.sequence: int | None = None

    async def __aenter__(self) -> "AsyncFollowing":
        """Subscribes; raises what `opened` raises."""
        await self._begin()
        return self

    async def _begin(self) -> AsyncFeed:
        if self._feed is None:
            self._feed = await self._opened(self._since if self.sequence is None else self.sequence)
            if self.sequence is None:
                self.sequence = self._feed.begun_after
        return self._feed

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __aiter__(self) -> "AsyncFollowing":
        return self

    async def __anext__(self) -> Event:
        if self.sequence is None:
            await self._begin()  # who is not there at first is not waited for
        pauses = Pauses(self._patience_seconds)
        while True:
            try:
                event = await (await self._begin()).next()
            except AWAY as error:
                self.close()
                await asyncio.sleep(pauses.next(error))
                continue
            if self.sequence is None or event.sequence > self.sequence:
                self.sequence = event.sequence
                return event

    def close(self) -> None:
        """Ends its connection; to go on connects anew."""
        if self._feed is not None:
            self._feed.close()
            self._feed = None
