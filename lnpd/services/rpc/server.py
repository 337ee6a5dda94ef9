"""How does the node answer over its unix socket?

    client                            node
      | {"jsonrpc":"2.0","id":1,"method":"events","params":{"since":7}}\n
      | <-------------------- {"jsonrpc":"2.0","id":1,"result":{"subscription":1,"sequence":9}}\n
      | <-------------------- {"jsonrpc":"2.0","method":"event","params":{"subscription":1,"sequence":8,...}}\n

JSON-RPC 2.0, one object a line, both ways; no batches: send one line after the other, calls run side by side and are
answered as they end. A subscriber keeps its own place in the stored events, so it may be slow, leave and come back.
Lines, connections, calls and subscriptions are bounded; a client that does not read is not read either.
"""

import asyncio
import contextlib
import logging
import os
import socket
from pathlib import Path
from typing import Any, Final, cast

import msgspec

from lnpd.errors import ConnectionsTooMany, ListenRefused, LnpdError, RequestTooLong
from lnpd.rpc.codes import error_object
from lnpd.services.rpc import dispatch
from lnpd.services.rpc.api import Backend, EventLog
from lnpd.services.rpc.requests import LINE_BYTES, MAX_CALLS, Request, answered, encode

log = logging.getLogger("lnpd.rpc")

SOCKET_NAME: Final = "rpc.sock"
MAX_CONNECTIONS: Final = 64
EVENTS_AT_ONCE: Final = 100
SUBSCRIPTIONS: Final = 8


class RpcServer:
    """The RPC of a node, at `directory`/rpc.sock, for the directory's user alone."""

    def __init__(self, backend: Backend, events: EventLog, directory: Path) -> None:
        self.backend, self.events = backend, events
        self.path = directory / SOCKET_NAME
        self._server: asyncio.Server | None = None
        self._connections: dict[Connection, asyncio.Task[None]] = {}

    async def start(self) -> None:
        """Begins to answer. A socket of an earlier life is replaced: the directory's lock keeps out a living one.

        Raises ListenRefused.
        """
        fresh = self.path.with_name(f"{SOCKET_NAME}.new")
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            fresh.unlink(missing_ok=True)
            listening.bind(os.fspath(fresh))
            fresh.chmod(0o600)
            self._server = await asyncio.start_unix_server(self._accept, sock=listening, limit=LINE_BYTES)
            fresh.replace(self.path)
        except OSError as error:
            listening.close()
            raise ListenRefused(f"The RPC cannot be opened at {self.path}: {error}.") from None

    async def stop(self, drain_seconds: float = 2.0) -> None:
        """Takes no more; calls that run have `drain_seconds` to be answered."""
        if self._server is None:
            return
        self._server.close()
        self.path.unlink(missing_ok=True)
        tasks = list(self._connections.values())
        for connection in list(self._connections):
            connection.end()
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=drain_seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        self._server = None

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = Connection(self, reader, writer)
        task = asyncio.current_task()
        assert task is not None
        if len(self._connections) >= MAX_CONNECTIONS:
            await connection.refuse(ConnectionsTooMany(f"{MAX_CONNECTIONS} connections are open already."))
            return
        self._connections[connection] = task
        try:
            await connection.serve()
        except (ConnectionError, asyncio.CancelledError):
            pass  # the client went away, or the server stops: either way there is nobody to tell
        finally:
            del self._connections[connection]
            writer.close()


class Connection:
    """One client: its lines in, its answers out."""

    def __init__(self, server: RpcServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._server, self._reader, self._writer = server, reader, writer
        self._calls: set[asyncio.Task[None]] = set()
        self._lasting: set[asyncio.Task[None]] = set()  # of the calls, those that end by themselves
        self._subscriptions: set[asyncio.Task[None]] = set()
        self._free = asyncio.Semaphore(MAX_CALLS)
        self._count = 0

    def end(self) -> None:
        """Reads no further line; what runs is answered."""
        cast(asyncio.Transport, self._writer.transport).pause_reading()  # a socket is both ways
        self._reader.feed_eof()

    async def refuse(self, error: LnpdError) -> None:
        """Says why this connection is not served, and closes it."""
        with contextlib.suppress(ConnectionError):
            await self._send({"jsonrpc": "2.0", "id": None, "error": error_object(error)})
        self._writer.close()

    async def serve(self) -> None:
        """Answers lines until the client sends no more. One that went away ends what only reads; what changes
        something, cut off in the midst, would leave coins reserved, or a peer waiting."""
        try:
            try:
                await self._take_lines()
            except ConnectionError:
                for task in self._calls - self._lasting:
                    task.cancel()
            if self._calls:
                await asyncio.wait(self._calls)
        finally:
            tasks = self._calls | self._subscriptions
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _take_lines(self) -> None:
        while line := await self._line():
            await self._free.acquire()
            task = asyncio.create_task(self._answer(line))
            self._calls.add(task)
            task.add_done_callback(self._ended)

    async def _line(self) -> bytes:
        """The next line that is not empty; b"" at the end."""
        while True:
            try:
                line = await self._reader.readuntil(b"\n")
            except asyncio.IncompleteReadError:
                return b""
            except asyncio.LimitOverrunError:
                await self.refuse(RequestTooLong(f"A line has at most {LINE_BYTES} bytes."))
                return b""
            if line.strip():
                return line

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._calls.discard(task)
        self._lasting.discard(task)
        self._free.release()
        if not task.cancelled():
            task.exception()  # a lost connection; whoever reads it notices by itself

    async def _answer(self, line: bytes) -> None:
        if (data := await answered(line, self._call)) is not None:
            await self._write(data + b"\n")

    async def _call(self, request: Request) -> object:
        command = dispatch.find(self._server.backend, request.method)
        if command.mutating:
            task = asyncio.current_task()
            assert task is not None  # that of `_take_lines`
            self._lasting.add(task)
        if not command.streaming:
            return await dispatch.call(self._server.backend, request.method, request.params)
        since = dispatch.named(command, request.params)["since"]
        last = await self._server.events.last()
        if len(self._subscriptions) >= SUBSCRIPTIONS:  # nothing waits between this and the adding
            raise ConnectionsTooMany(f"A connection has at most {SUBSCRIPTIONS} subscriptions.")
        self._count += 1
        follows = asyncio.create_task(self._follow(self._count, last if since is None else since))
        self._subscriptions.add(follows)
        follows.add_done_callback(self._unsubscribed)
        return {"subscription": self._count, "sequence": last}

    async def _follow(self, subscription: int, since: int) -> None:
        while True:
            events = await self._server.events.since(since, EVENTS_AT_ONCE)
            for event in events:
                params = {"subscription": subscription, **msgspec.structs.asdict(event)}
                await self._send({"jsonrpc": "2.0", "method": "event", "params": params})
                since = event.sequence
            if not events:
                await self._server.events.newer(since)

    def _unsubscribed(self, task: "asyncio.Task[None]") -> None:
        self._subscriptions.discard(task)
        if not task.cancelled() and (error := task.exception()) and not isinstance(error, ConnectionError):
            log.error("a subscription ended: %s", error, exc_info=error)

    async def _send(self, message: dict[str, Any]) -> None:  # Any: a JSON object
        await self._write(encode(message) + b"\n")

    async def _write(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()
