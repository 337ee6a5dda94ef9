"""How does a program with an event loop ask a node? Many questions at once, each awaited.

async with AsyncClient("~/.local/share/lnpd/regtest") as node:
    info, peers = await asyncio.gather(node.info(), node.peers())
"""

import asyncio
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import msgspec

from lnpd.errors import DeadlineMissed, LnpdError, NodeConnectionLost
from lnpd.rpc import lines
from lnpd.rpc.following_async import AsyncFollowing
from lnpd.rpc.methods_async import AsyncMethods
from lnpd.rpc.pipe_async import AsyncFeed, AsyncPipe, open_socket, open_socket_feed
from lnpd.rpc.place import Place, Remote, place_of

T = TypeVar("T")


class AsyncClient(AsyncMethods):
    """A connection to a node, as Client has it: the same methods, answers and errors, for one event loop.

    It connects at `async with`, or at the first question. A question that is cancelled, or whose time is over, may have
    been done.
    """

    def __init__(self, node: Path | str | Remote, timeout_seconds: float | None = lines.USUAL_SECONDS) -> None:
        self.place, self.timeout_seconds = place_of(node), timeout_seconds
        self._calls = 0
        self._asked: dict[int, asyncio.Future[lines.Line]] = {}
        self._pipe: AsyncPipe | None = None
        self._reading: asyncio.Task[None] | None = None
        self._dialing = asyncio.Lock()

    async def __aenter__(self) -> "AsyncClient":
        """Connects. Raises NodeUnavailable."""
        async with asyncio.timeout(self.timeout_seconds):
            await self._connected()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.hang_up()

    async def hang_up(self) -> None:
        """Ends the connection; what waits for an answer gets NodeConnectionLost."""
        self._drop()
        if self._reading is not None:
            await asyncio.gather(self._reading, return_exceptions=True)

    def _drop(self) -> None:
        if self._reading is not None:
            self._reading.cancel()

    async def call(
        self, method: str, params: dict[str, Any] | None = None, timeout_seconds: float | None = None
    ) -> Any:
        """The answer to any method, as Client.call has it."""
        return msgspec.json.decode(await self._answer(method, params or {}, timeout_seconds))

    def events(self, since: int | None = None, patience_seconds: float | None = None) -> AsyncFollowing:
        """The node's events, as Client.events has them; they begin at `async with`, or when the first is awaited."""
        return AsyncFollowing(lambda after: open_feed(self.place, after, self.timeout_seconds), since, patience_seconds)

    async def _ask(self, method: str, kind: type[T], /, **params: object) -> T:
        return lines.typed(await self._answer(method, params, None), kind)

    async def _answer(self, method: str, params: dict[str, Any], timeout_seconds: float | None) -> msgspec.Raw:
        if timeout_seconds is None:
            timeout_seconds = lines.patience(params, self.timeout_seconds)
        self._calls += 1
        number = self._calls
        asked = lines.question(number, method, params)
        answered: asyncio.Future[lines.Line] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(timeout_seconds):
                pipe = await self._connected()
                self._asked[number] = answered
                await pipe.send(asked)
                return lines.result(await answered)
        except TimeoutError:
            raise DeadlineMissed(f"The node has not answered {method} within {timeout_seconds:g} s.") from None
        finally:
            self._asked.pop(number, None)

    async def _connected(self) -> AsyncPipe:
        async with self._dialing:
            if self._pipe is None:
                self._pipe = await open_pipe(self.place, self.timeout_seconds)
                self._reading = asyncio.create_task(self._read(self._pipe), name="answers of a node")
            return self._pipe

    async def _read(self, pipe: AsyncPipe) -> None:
        lost: LnpdError = NodeConnectionLost("The connection was ended here.")
        try:
            while True:
                line = lines.read(await pipe.receive())
                if line.id is None and line.error is not None:
                    lines.result(line)  # it refuses the connection, or what it could not read
                answered = self._asked.get(line.id) if isinstance(line.id, int) else None
                if answered is not None and not answered.done():
                    answered.set_result(line)
        except LnpdError as error:
            lost = error
        finally:
            self._pipe = None
            pipe.close()
            for answered in self._asked.values():
                if not answered.done():
                    answered.set_exception(lost)


async def open_pipe(place: Place, timeout_seconds: float | None) -> AsyncPipe:
    """A pipe to the node of a place. Raises NodeUnavailable, and of a Remote KeyNotKnown and KeyFileRefused."""
    if isinstance(place, Remote):
        from lnpd.rpc import far_async  # with ZeroMQ, which a node of this machine does not need

        return await far_async.open_pipe(place, timeout_seconds)
    return await open_socket(place)


async def open_feed(place: Place, since: int | None, timeout_seconds: float | None) -> AsyncFeed:
    """The events of the node of a place. Raises as `open_pipe`, and NodeConnectionLost, EventsLost, RefusedByNode."""
    if isinstance(place, Remote):
        from lnpd.rpc import far_async

        asking = AsyncClient(place, timeout_seconds)
        return await far_async.open_feed(place, asking, asking._drop, since, timeout_seconds)
    return await open_socket_feed(place, since, timeout_seconds)
