"""How do lines go to a node of this machine and come back, while a program's event loop goes on?"""

import asyncio
from pathlib import Path
from typing import Protocol

from lnpd.errors import DeadlineMissed, NodeConnectionLost
from lnpd.rpc import lines
from lnpd.rpc.answers.node import Event
from lnpd.rpc.pipe import ENDED, LOST, began_after, no_node
from lnpd.rpc.place import SOCKET_NAME


class AsyncPipe(Protocol):
    """Lines to a node and from it, whole ones."""

    async def send(self, line: bytes) -> None:
        """Sends one. Raises NodeConnectionLost."""
        ...

    async def receive(self) -> bytes:
        """Waits for one. Raises NodeConnectionLost."""
        ...

    def close(self) -> None:
        """Ends the connection."""
        ...


class AsyncFeed(Protocol):
    """The events of one connection. `begun_after` is the sequence number that they follow."""

    @property
    def begun_after(self) -> int:
        """The number that its first event is later than."""
        ...

    async def next(self) -> Event:
        """Waits for one. Raises NodeConnectionLost."""
        ...

    def close(self) -> None:
        """Ends it."""
        ...


class AsyncSocketPipe:
    """An AsyncPipe over the socket of a data directory."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def send(self, line: bytes) -> None:
        """As AsyncPipe.send."""
        try:
            self._writer.write(line + b"\n")  # at once and whole, whatever is cancelled
            await self._writer.drain()
        except OSError as error:
            raise NodeConnectionLost(LOST.format(error.strerror or error)) from None

    async def receive(self) -> bytes:
        """As AsyncPipe.receive."""
        try:
            return (await self._reader.readuntil(b"\n"))[:-1]
        except asyncio.IncompleteReadError:
            raise NodeConnectionLost(ENDED) from None
        except asyncio.LimitOverrunError:
            raise NodeConnectionLost("The node sent a line that is too long.") from None
        except OSError as error:
            raise NodeConnectionLost(LOST.format(error.strerror or error)) from None

    def close(self) -> None:
        """As AsyncPipe.close."""
        self._writer.close()


class AsyncSocketFeed:
    """An AsyncFeed over the socket of a data directory."""

    def __init__(self, pipe: AsyncSocketPipe, begun_after: int) -> None:
        self._pipe, self.begun_after = pipe, begun_after

    async def next(self) -> Event:
        """As AsyncFeed.next."""
        while (found := lines.event(lines.read(await self._pipe.receive()))) is None:
            pass
        return found

    def close(self) -> None:
        """As AsyncFeed.close."""
        self._pipe.close()


async def open_socket(directory: Path) -> AsyncSocketPipe:
    """Connects. Raises NodeUnavailable."""
    try:
        path = str(directory / SOCKET_NAME)
        return AsyncSocketPipe(*await asyncio.open_unix_connection(path, limit=lines.MAX_LINE_BYTES))
    except OSError as error:
        raise no_node(directory, error) from None


async def open_socket_feed(directory: Path, since: int | None, timeout_seconds: float | None) -> AsyncSocketFeed:
    """Subscribes. Raises NodeUnavailable, NodeConnectionLost, EventsLost, RefusedByNode, DeadlineMissed."""
    pipe = await open_socket(directory)
    try:
        async with asyncio.timeout(timeout_seconds):
            await pipe.send(lines.question(1, "events", {"since": since}))
            begun = lines.typed(lines.result(lines.read(await pipe.receive())), lines.Subscribed)
        return AsyncSocketFeed(pipe, began_after(since, begun.sequence))
    except TimeoutError:
        pipe.close()
        raise DeadlineMissed(f"The node has not answered events within {timeout_seconds:g} s.") from None
    except BaseException:
        pipe.close()
        raise
