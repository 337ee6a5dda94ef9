"""How does a plugin's process talk to the node that started it?

The node gives the endpoint in LNPD_ENDPOINT and, as the first line of standard input, a token: the ZeroMQ identity of
the plugin's DEALER socket, by which the node knows it from whoever else connects. The plugin calls `hello`, then
`register` with its manifest, and then answers questions, `init` first, until the node says stop or standard input ends:
then the node has died, and this process ends by itself, even if it hangs. A plugin in another language does the same.

A plugin on another machine is started there, with a key (keys.py): LNPD_ENDPOINT is the node's tcp endpoint,
LNPD_KEY_FILE the file of its secret key, LNPD_NODE_KEY the node's public one. Its key says who it is, and it connects
again and again.
"""

import asyncio
import contextlib
import gc
import os
import signal
import sys
import threading
from collections.abc import Awaitable, Callable, Mapping
from contextvars import copy_context
from pathlib import Path
from typing import NamedTuple, Protocol

import msgspec
import zmq
from zmq.utils import z85

from lnpd_sdk import envelope
from lnpd_sdk.envelope import (
    CONTRACT_VERSION,
    CONTRACT_VERSIONS,
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
from lnpd_sdk.questions import Hello, Welcome
from lnpd_sdk.trace import enter, trace_id

ENDPOINT_VARIABLE = "LNPD_ENDPOINT"
KEY_FILE_VARIABLE = "LNPD_KEY_FILE"
NODE_KEY_VARIABLE = "LNPD_NODE_KEY"
KEY_BYTES = 32
PAUSES_SECONDS = (0.2, 1.0, 5.0)  # between connections of a remote plugin
CALL_DEADLINE_SECONDS = 30.0
SDK = "lnpd-sdk 0.1.0"
END_SECONDS = 2.0  # what its author's last function has
ORPHAN_SECONDS = 2.0  # what a plugin has to end in order when its node is gone
MAX_TOKEN_BYTES = 100
# What is read, and much of it answered at once, before the loop has another turn.
TURN_CALLS = 100
TURN_SECONDS = 0.005
# As numbers they take a third less time.
_EVENTS, _POLLIN, _RCVMORE, _NOBLOCK = int(zmq.EVENTS), int(zmq.POLLIN), int(zmq.RCVMORE), int(zmq.NOBLOCK)


class Keys(NamedTuple):
    """A remote plugin's secret key, and its node's public one."""

    secret: bytes
    node: bytes


def new_key(path: str) -> None:
    """Makes a secret key in a new file that its user alone may read. OSError."""
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(z85.decode(zmq.curve_keypair()[1]).hex() + "\n")


def public_key(path: str) -> bytes:
    """The public key of a file's secret one. OSError; BusError if the file holds something else."""
    return z85.decode(zmq.curve_public(z85.encode(_key(Path(path).read_text(), path))))


def _key(word: str, what: str) -> bytes:
    try:
        key = bytes.fromhex(word.strip())
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise BusError(f"{what} is not a key of {KEY_BYTES} bytes in hex")
    return key


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

    def begin(self, method: str, params: bytes | msgspec.Raw) -> object:
        """Its answer to a question of the node's, or what has to be awaited for it."""
        ...

    async def end(self) -> None:
        """Its last moment."""
        ...


class Client:
    """One connection to the node: it asks for the plugin and answers with it."""

    def __init__(self, plugin: Served, endpoint: str, token: bytes, keys: Keys | None = None) -> None:
        self._plugin, self._keys = plugin, keys
        self._socket: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.DEALER)
        for option, value in ((zmq.LINGER, 200), (zmq.MAXMSGSIZE, MAX_FRAME_BYTES)):
            self._socket.setsockopt(option, value)
        if token:
            self._socket.setsockopt(zmq.IDENTITY, token)
        self._monitor = self._secured(keys) if keys is not None else None
        self._socket.connect(endpoint)
        self._fd = int(self._socket.getsockopt(zmq.FD))
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[int, asyncio.Future[msgspec.Raw]] = {}
        self._running: dict[int, asyncio.Task[None]] = {}  # by the call that each answers
        self._last_id = 0
        self._again = False  # a drain is due, or at it
        self.stopped = asyncio.Event()
        self._loop.add_reader(self._fd, self._drain)
        self._schedule()
        if self._monitor is not None:
            self._loop.add_reader(int(self._monitor.getsockopt(zmq.FD)), self._hear_monitor)
            self._loop.call_soon(self._hear_monitor)

    def _secured(self, keys: Keys) -> "zmq.Socket[bytes]":
        """Speaks as the owner of a key, with the owner of another alone, and sees when the connection breaks."""
        for option, value in (
            (zmq.CURVE_SERVERKEY, z85.encode(keys.node)),
            (zmq.CURVE_SECRETKEY, z85.encode(keys.secret)),
            (zmq.CURVE_PUBLICKEY, zmq.curve_public(z85.encode(keys.secret))),
            (zmq.HEARTBEAT_IVL, 5_000),
            (zmq.HEARTBEAT_TIMEOUT, 15_000),
            (zmq.RECONNECT_IVL, 500),
        ):
            self._socket.setsockopt(option, value)
        return self._socket.get_monitor_socket(zmq.EVENT_DISCONNECTED | zmq.EVENT_HANDSHAKE_FAILED_AUTH)

    def _hear_monitor(self) -> None:
        while self._monitor is not None and not self._monitor.closed:
            try:
                event = self._monitor.recv_multipart(zmq.NOBLOCK)[0]
            except zmq.ZMQError:
                return
            if int.from_bytes(event[:2], "little") == zmq.EVENT_HANDSHAKE_FAILED_AUTH:
                print(f"{self._plugin.name}: the node has not been told this key", file=sys.stderr)
            self.stopped.set()

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
        welcome = envelope.decode(await self.call("hello", Hello(CONTRACT_VERSIONS, SDK)), Welcome)
        manifest = self._plugin.manifest()
        if welcome.contract != CONTRACT_VERSION:  # an older node
            manifest = msgspec.structs.replace(manifest, contract=welcome.contract)
        await self.call("register", manifest)
        with records_to(self.call, self._loop):
            await self.stopped.wait()

    def close(self) -> None:
        """Closes the socket."""
        self._loop.remove_reader(self._fd)
        if self._monitor is not None:
            self._loop.remove_reader(int(self._monitor.getsockopt(zmq.FD)))
            self._socket.disable_monitor()
            self._monitor.close(0)
            for future in self._waiting.values():
                if not future.done():
                    future.set_exception(BusError("the connection to the node broke"))
        self._socket.close()

    def _schedule(self) -> None:
        if not self._again:
            self._again = True
            self._loop.call_soon(self._drain)

    def _drain(self) -> None:
        # The descriptor is edge-triggered: read until nothing is left.
        self._again = more = True
        try:
            more = self._take_turn()
        finally:
            self._again = False
            if more:
                self._schedule()

    def _take_turn(self) -> bool:
        """Takes what came, for as long as a turn is. Whether there may be more."""
        end = self._loop.time() + TURN_SECONDS
        for number in range(TURN_CALLS):
            if self._socket.closed:
                return False
            if self._loop.time() >= end:
                return True
            try:
                data = self._socket.recv(_NOBLOCK)
                while self._socket.getsockopt(_RCVMORE):
                    data = self._socket.recv(_NOBLOCK)
            except zmq.ZMQError:
                return False
            try:
                self._receive(envelope.unpack(data))
            except BadFrame as error:
                print(f"the node sent what is not a frame: {error}", file=sys.stderr)
                self.stopped.set()
            # One frame is the rule, and to look is cheaper than the error that there is no other one.
            if number == 0 and not self._socket.closed and not int(self._socket.getsockopt(_EVENTS)) & _POLLIN:
                return False
        return True

    def _send(self, frame: envelope.Frame) -> None:
        if self._socket.closed:
            raise BusError("the connection to the node is closed")
        try:
            self._socket.send(envelope.pack(frame), _NOBLOCK)
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
                self._begin(call)
            case Notice(topic="stop"):
                self.stopped.set()

    def _begin(self, call: Call) -> None:
        """Answers a call. What is not awaited needs no task, which would take longer than most answers."""
        context = copy_context()  # the author's function sets what it likes in it, and nobody leaves the trace
        context.run(enter, call.trace)
        try:
            answer = context.run(self._plugin.begin, call.method, call.params)
            if isinstance(answer, Awaitable):
                self._running[call.id] = self._loop.create_task(self._finish(call, answer), context=context)
            else:
                self._send(Answer(call.id, envelope.raw(answer)))
        except (Exception, asyncio.CancelledError) as error:  # the author's code may raise anything; the node names it
            self._refuse(call, error)

    async def _finish(self, call: Call, answer: Awaitable[object]) -> None:
        try:
            self._send(Answer(call.id, envelope.raw(await answer)))
        except (Exception, asyncio.CancelledError) as error:  # as in `_begin`
            self._refuse(call, error)
        finally:
            self._running.pop(call.id, None)

    def _refuse(self, call: Call, error: BaseException) -> None:
        if self._socket.closed:  # this process ends, and what it was at with it
            return
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


async def _serve_from_afar(plugin: Served, endpoint: str, keys: Keys) -> None:
    """Connects again and again, until this process is told to end."""
    ended, loop, broken = asyncio.Event(), asyncio.get_running_loop(), 0
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    while not ended.is_set():
        client = Client(plugin, endpoint, b"", keys)
        served = asyncio.ensure_future(client.serve())
        waiting = [asyncio.ensure_future(each.wait()) for each in (client.stopped, ended)]
        began = loop.time()
        await asyncio.wait({served, *waiting}, return_when=asyncio.FIRST_COMPLETED)
        client.close()
        for task in (served, *waiting):
            task.cancel()
        (why, *_) = await asyncio.gather(served, return_exceptions=True)
        if isinstance(why, Exception):
            print(f"{plugin.name}: {why}", file=sys.stderr, flush=True)
        broken = 0 if loop.time() - began > max(PAUSES_SECONDS) else min(broken + 1, len(PAUSES_SECONDS) - 1)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(ended.wait(), PAUSES_SECONDS[broken])
    await _end(plugin)


def _remote_keys(environment: Mapping[str, str]) -> Keys | None:
    """The keys that the environment gives; None if the node is on this machine and started this process."""
    file, node = environment.get(KEY_FILE_VARIABLE), environment.get(NODE_KEY_VARIABLE)
    if not file or not node:
        return None
    return Keys(_key(Path(file).read_text(), file), _key(node, NODE_KEY_VARIABLE))


def main(plugin: Served) -> None:
    """Runs a plugin's process to its end."""
    gc.freeze()  # what is loaded is never garbage, and need not be looked at when the interpreter ends
    endpoint = os.environ.get(ENDPOINT_VARIABLE)
    try:
        if endpoint and (keys := _remote_keys(os.environ)):
            asyncio.run(_serve_from_afar(plugin, endpoint, keys))
            return
    except (OSError, BusError) as error:
        sys.exit(f"{plugin.name}: {error}")
    token = _read_token() if endpoint else b""
    if not endpoint or not token:
        sys.exit(f"{plugin.name} is a plugin of lnpd: start it with lnpd --plugin={sys.argv[0]}")
    try:
        asyncio.run(_serve(plugin, endpoint, token))
    except (KeyboardInterrupt, asyncio.CancelledError):
        pass
    except CallFailed as refused:
        sys.exit(1 if refused.code == "ManifestRefused" else f"{plugin.name}: {refused}")  # the node says why
    except BusError as error:
        sys.exit(f"{plugin.name}: {error}")
