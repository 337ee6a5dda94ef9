"""How does a plugin's process talk to the node that started it?

The node gives the endpoint in LNPD_ENDPOINT and, as the first line of standard input, a token: the ZeroMQ identity of
the plugin's DEALER socket, by which the node knows it from whoever else connects. The plugin calls `hello`, then
`register` with its manifest, and then answers questions, `init` first, until the node says stop or standard input ends:
then the node has died, and this process ends by itself, even if it hangs. A plugin in another language does the same.
"""

import asyncio
import contextlib
import os
import sys
import threading
from collections.abc import Awaitable, Callable
from typing import Protocol

import msgspec
import zmq

from lnpd_sdk import envelope
from lnpd_sdk.envelope import (
    CONTRACT_VERSION,
    MAX_FRAME_BYTES,
    Answer,
    BadFrame,
    BusError,
    Call,
    CallFailed,
    Fault,
    Notice,
)
from lnpd_sdk.logs import records_to
from lnpd_sdk.manifest import Manifest
from lnpd_sdk.questions import Hello
from lnpd_sdk.trace import enter, trace_id

ENDPOINT_VARIABLE = "LNPD_ENDPOINT"
CALL_DEADLINE_SECONDS = 30.0
SDK = "lnpd-sdk 0.1.0"
END_SECONDS = 2.0  # what its author's last function has
ORPHAN_SECONDS = 2.0  # what a plugin has to end in order when its node is gone
MAX_TOKEN_BYTES = 100
_EVENTS, _POLLIN = int(zmq.EVENTS), int(zmq.POLLIN)


class Served(Protocol):
    """What is served to the node: a `Plugin`."""

    @property
    def name(self) -> str:
        """Its name."""
        ...

    def attach(self, call: Callable[[str, object], Awaitable[msgspec.Raw]]) -> None:
        """Gives it its way to the node."""
        ...

    def manifest(self) -> Manifest:
        """What it declares."""
        ...

    async def answer(self, method: str, params: bytes | msgspec.Raw) -> object:
        """Its answer to a question of the node's."""
        ...

    async def end(self) -> None:
        """Its last moment."""
        ...


class Client:
    """One connection to the node: it asks for the plugin and answers with it."""

    def __init__(self, plugin: Served, endpoint: str, token: bytes) -> None:
        self._plugin = plugin
        self._socket: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.DEALER)
        for option, value in ((zmq.LINGER, 200), (zmq.MAXMSGSIZE, MAX_FRAME_BYTES), (zmq.IDENTITY, token)):
            self._socket.setsockopt(option, value)
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

    async def call(self, method: str, params: object) -> msgspec.Raw:
        """Asks the node. CallFailed with its sentence if it refuses; BusError if it does not answer in 30 s."""
        self._last_id += 1
        number = self._last_id
        future: asyncio.Future[msgspec.Raw] = self._loop.create_future()
        self._waiting[number] = future
        try:
            self._send(Call(number, method, envelope.raw(params), trace_id()))
            async with asyncio.timeout(CALL_DEADLINE_SECONDS):
                return await future
        except TimeoutError:
            raise BusError(f"the node did not answer {method} within {CALL_DEADLINE_SECONDS:.0f} s") from None
        finally:
            del self._waiting[number]

    async def serve(self) -> None:
        """Registers the plugin and answers until it is told to stop."""
        self._plugin.attach(self.call)
        await self.call("hello", Hello((CONTRACT_VERSION,), SDK))
        await self.call("register", self._plugin.manifest())
        with records_to(self.call, self._loop):
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
        # The descriptor is edge-triggered: read until nothing is left.
        self._again = False
        while not self._socket.closed:
            try:
                data = self._socket.recv_multipart(zmq.NOBLOCK)[-1]
            except zmq.ZMQError:
                return
            try:
                self._receive(envelope.unpack(data))
            except BadFrame as error:
                print(f"the node sent what is not a frame: {error}", file=sys.stderr)
                self.stopped.set()

    def _send(self, frame: envelope.Frame) -> None:
        if self._socket.closed:
            raise BusError("the connection to the node is closed")
        try:
            self._socket.send(envelope.pack(frame), zmq.NOBLOCK)
        except zmq.ZMQError:
            raise BusError("the node takes no more frames") from None
        if not self._again and int(self._socket.getsockopt(_EVENTS)) & _POLLIN:  # it is not announced again
            self._schedule()

    def _receive(self, frame: envelope.Frame) -> None:
        match frame:
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
        enter(call.trace)  # a task of its own, so that nobody leaves it
        try:
            self._send(Answer(call.id, envelope.raw(await self._plugin.answer(call.method, call.params))))
        except Exception as error:  # the author's code may raise anything; the node names it
            try:
                self._send(Fault.of(call.id, error))
            except BusError as gone:
                print(f"an answer could not be sent: {gone}", file=sys.stderr)


def _when_orphaned(end: Callable[[], None]) -> None:
    """Ends this process when standard input ends: a thread, for the event loop may be what hangs."""

    def wait() -> None:
        while os.read(0, 4096):
            pass
        end()
        threading.Event().wait(ORPHAN_SECONDS)
        os._exit(0)

    threading.Thread(target=wait, name="orphan", daemon=True).start()


def _read_token() -> bytes:
    token = b""
    while len(token) < MAX_TOKEN_BYTES and (byte := os.read(0, 1)) not in (b"", b"\n"):
        token += byte
    return token


async def _serve(plugin: Served, endpoint: str, token: bytes) -> None:
    client = Client(plugin, endpoint, token)
    loop = asyncio.get_running_loop()

    def end() -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended already
            loop.call_soon_threadsafe(client.stopped.set)

    _when_orphaned(end)
    registered = asyncio.ensure_future(client.serve())
    stopped = asyncio.ensure_future(client.stopped.wait())
    try:
        await asyncio.wait({registered, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if registered.done():
            registered.result()
        if stopped.done():
            await _end(plugin)
    finally:
        registered.cancel()
        client.close()


async def _end(plugin: Served) -> None:
    try:
        async with asyncio.timeout(END_SECONDS):
            await plugin.end()
    except Exception as error:  # the author's code may raise anything, and it ends anyway
        print(f"its last function failed: {type(error).__name__}: {error}", file=sys.stderr)


def main(plugin: Served) -> None:
    """Runs a plugin's process to its end."""
    endpoint = os.environ.get(ENDPOINT_VARIABLE)
    token = _read_token() if endpoint else b""
    if not endpoint or not token:
        sys.exit(f"{plugin.name} is a plugin of lnpd: start it with lnpd --plugin={sys.argv[0]}")
    try:
        asyncio.run(_serve(plugin, endpoint, token))
    except (KeyboardInterrupt, asyncio.CancelledError):
        pass
    except BusError as error:
        sys.exit(f"{plugin.name}: {error}")
