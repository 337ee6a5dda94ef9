"""How does a program with an event loop ask a node on another machine, and hear of its events? As far.py says."""

from collections.abc import Callable
from typing import Any, Protocol

from lnpd.bus.far_async import AsyncFarSocket
from lnpd.rpc import published
from lnpd.rpc.answers.node import Event
from lnpd.rpc.far import begun_at, events_at, keys_of
from lnpd.rpc.pipe import began_after
from lnpd.rpc.place import Remote


async def open_pipe(node: Remote, timeout_seconds: float | None) -> AsyncFarSocket:
    """An AsyncPipe to a node. Raises KeyNotKnown, KeyFileRefused, NodeUnavailable."""
    return await AsyncFarSocket.opened(node.address, keys_of(node), timeout_seconds)


class AsyncAsking(Protocol):
    """What a feed needs of a client."""

    async def call(self, method: str) -> Any:  # Any: a JSON value
        """As AsyncClient.call."""
        ...

    async def history(self, *, since: int, limit: int) -> tuple[Event, ...]:
        """As AsyncClient.history."""
        ...


class AsyncFarFeed:
    """An AsyncFeed of a node on another machine; `asking` is a client of it, which `drop` ends."""

    def __init__(self, asking: AsyncAsking, drop: Callable[[], None], news: AsyncFarSocket, begun_after: int) -> None:
        self._asking, self._drop, self._news, self.begun_after = asking, drop, news, begun_after
        self._reading = published.Reading(begun_after)

    async def next(self) -> Event:
        """As AsyncFeed.next."""
        while (event := self._reading.next()) is None:
            if self._reading.must_ask:
                found = await self._asking.history(since=self._reading.at, limit=published.PAGE_EVENTS)
                self._reading.found(found)
            else:
                self._reading.heard(published.read(await self._news.receive()))
        return event

    def close(self) -> None:
        """As AsyncFeed.close."""
        self._news.close()
        self._drop()


async def open_feed(
    node: Remote, asking: AsyncAsking, drop: Callable[[], None], since: int | None, timeout_seconds: float | None
) -> AsyncFarFeed:
    """Subscribes. Raises as FarFeed does."""
    try:
        begun = begun_at(await asking.call("events"))
        after = began_after(since, begun.sequence)
        place = events_at(node, begun.port)
        news = await AsyncFarSocket.opened(place, keys_of(node), timeout_seconds, hears=True)
        return AsyncFarFeed(asking, drop, news, after)
    except BaseException:
        drop()
        raise
