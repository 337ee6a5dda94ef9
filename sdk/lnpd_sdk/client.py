"""How does a plugin's process talk to the node that started it?

The node gives the endpoint in LNPD_ENDPOINT. The plugin connects, sends its manifest, and then answers questions
until the node says stop or this process's standard input ends (the node died).
"""

import asyncio
import os
import sys
from typing import TYPE_CHECKING, Any

import msgspec
import zmq

from lnpd_sdk import envelope
from lnpd_sdk.envelope import (
    MAX_FRAME_BYTES,
    Answer,
    BadFrame,
    BusError,
    Call,
    CallFailed,
    Fault,
    Notice,
)

if TYPE_CHECKING:
    from lnpd_sdk.plugin import Plugin

ENDPOINT_VARIABLE = "LNPD_ENDPOINT"
CALL_DEADLINE_SECONDS = 30.0


class Client:
    """One connection to the node; it is the `Node` that a plugin's functions are given."""

    def __init__(self, plugin: "Plugin", endpoint: str) -> None:
        self._plugin = plugin
        self._socket: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.DEALER)
        self._socket.setsockopt(zmq.LINGER, 200)
        self._socket.setsockopt(zmq.MAXMSGSIZE, MAX_FRAME_BYTES)
        self._socket.connect(endpoint)
        self._fd = int(self._socket.getsockopt(zmq.FD))
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[int, asyncio.Future[msgspec.Raw]] = {}
        self._running: set[asyncio.Task[None]] = set()
        self._last_id = 0
        self._again = False
        self.stopped = asyncio.Event()
        self._loop.add_reader(self._fd, self._drain)
        self._schedule()

    # --- the node's services
    async def call(self, method: str, params: object) -> msgspec.Raw:
        """Asks the node; CallFailed with its sentence if it refuses."""
        self._last_id += 1
        number = self._last_id
        future: asyncio.Future[msgspec.Raw] = self._loop.create_future()
        self._waiting[number] = future
        try:
            self._send(Call(number, method, envelope.raw(params)))
            async with asyncio.timeout(CALL_DEADLINE_SECONDS):
                return await future
        finally:
            del self._waiting[number]

    async def propose(self, channel_id: str, provider: str, body: bytes) -> int:
        """Proposes an update of an own provider; returns its id."""
        params = {"channel_id": channel_id, "provider": provider, "body": body}
        identity: int = envelope.decode(await self.call("propose", params), int)
        return identity

    async def channels(self) -> list[dict[str, Any]]:
        """The channels that pin one of this plugin's providers."""
        rows: list[dict[str, Any]] = envelope.decode(await self.call("channels", {}), list[dict[str, Any]])
        return rows

    async def log(self, level: str, text: str) -> None:
        """Writes a line to the node's log."""
        await self.call("log", {"level": level, "text": text})

    # --- the connection
    async def serve(self) -> None:
        """Registers the plugin and answers until it is told to stop."""
        self._plugin.node = self
        await self.call("register", self._plugin.manifest())
        await self.stopped.wait()

    def close(self) -> None:
        """Closes the socket."""
        self._loop.remove_reader(self._fd)
        self._socket.close()

    def _schedule(self) -> None:
        if not self._again:
            self._again = True
            self._loop.call_soon(self._drain)

    def _drain(self) -> None:
        # The descriptor is edge-triggered: read until nothing is left, and look again after each send.
        self._again = False
        while not self._socket.closed:
            try:
                data = self._socket.recv_multipart(zmq.NOBLOCK)[-1]
            except zmq.ZMQError:
                return
            self._receive(data)

    def _send(self, frame: envelope.Frame) -> None:
        self._socket.send(envelope.pack(frame), zmq.NOBLOCK)
        self._schedule()

    def _receive(self, data: bytes) -> None:
        match envelope.unpack(data):
            case Answer(id=number, result=result):
                if (future := self._waiting.get(number)) and not future.done():
                    future.set_result(result)
            case Fault(id=number, code=code, text=text):
                if (future := self._waiting.get(number)) and not future.done():
                    future.set_exception(CallFailed(code, text))
            case Call() as call:
                task = self._loop.create_task(self._answer(call))
                self._running.add(task)
                task.add_done_callback(self._running.discard)
            case Notice(topic="stop"):
                self.stopped.set()

    async def _answer(self, call: Call) -> None:
        try:
            result = envelope.raw(await self._plugin.answer(call.method, call.params))
            self._send(Answer(call.id, result))
        except BadFrame as error:
            self._send(Fault(call.id, "BadFrame", str(error)))
        except Exception as error:  # the author's code may raise anything; the host names it
            self._send(Fault(call.id, type(error).__name__, str(error)))


async def _serve(plugin: "Plugin", endpoint: str) -> None:
    client = Client(plugin, endpoint)
    loop = asyncio.get_running_loop()

    def ended() -> None:
        if not os.read(sys.stdin.fileno(), 4096):
            client.stopped.set()

    loop.add_reader(sys.stdin.fileno(), ended)
    try:
        await client.serve()
    finally:
        loop.remove_reader(sys.stdin.fileno())
        client.close()


def main(plugin: "Plugin") -> None:
    """Runs a plugin's process to its end."""
    endpoint = os.environ.get(ENDPOINT_VARIABLE)
    if not endpoint:
        sys.exit(f"{plugin.name} is a plugin of lnpd: start it with lnpd --plugin={sys.argv[0]}")
    try:
        asyncio.run(_serve(plugin, endpoint))
    except (KeyboardInterrupt, asyncio.CancelledError):
        pass
    except BusError as error:
        sys.exit(f"{plugin.name}: {error}")
