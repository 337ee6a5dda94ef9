"""How else could a node ask another process? The core's end of each way that echo_worker.py answers."""

import asyncio
import json
import socket
import subprocess
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import msgspec
import zmq
import zmq.asyncio
from lnpd_sdk import envelope
from lnpd_sdk.envelope import Answer, Call
from lnpd_sdk.questions import RpcRequest

from lnpd.bus.link import Link

WORKER = (sys.executable, str(Path(__file__).with_name("echo_worker.py")))

Volley = Callable[[int], Awaitable[None]]


@contextmanager
def socketpair(frame: bytes) -> Iterator[Callable[[], object]]:
    """Sends a frame and reads it back, blocking on both ends: the kernel's share of any such question."""
    ours, theirs = socket.socketpair()
    command = (*WORKER, "socketpair", str(theirs.fileno()))
    with subprocess.Popen(command, pass_fds=(theirs.fileno(),)), ours, ours.makefile("rb") as reading:
        theirs.close()
        packet = len(frame).to_bytes(4, "big") + frame

        def operation() -> None:
            ours.sendall(packet)
            assert reading.read(len(packet)) == packet

        yield operation
        ours.shutdown(socket.SHUT_RDWR)


@contextmanager
def json_pipes(hook: str, params: dict[str, object]) -> Iterator[Callable[[], object]]:
    """A JSON-RPC request and its answer over a process's standard input and output, blocking on both ends."""
    with subprocess.Popen((*WORKER, "json"), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        writing, reading = process.stdin, process.stdout
        assert writing is not None and reading is not None
        number = 0

        def operation() -> None:
            nonlocal number
            number += 1
            request = {"jsonrpc": "2.0", "id": number, "method": hook, "params": params}
            writing.write(json.dumps(request).encode() + b"\n\n")
            writing.flush()
            answer = json.loads(reading.readline())
            reading.readline()
            assert answer["id"] == number and answer["result"] == params["height"]

        yield operation
        writing.close()


@asynccontextmanager
async def json_loop(hook: str, params: dict[str, object]) -> AsyncIterator[Callable[[], Awaitable[object]]]:
    """The same, while the node's end is on an event loop: a node has more to do than to wait for one plugin."""
    async with _process("json") as process:
        writing, reading = process.stdin, process.stdout
        assert writing is not None and reading is not None
        number = 0

        async def ask() -> None:
            nonlocal number
            number += 1
            request = {"jsonrpc": "2.0", "id": number, "method": hook, "params": params}
            writing.write(json.dumps(request).encode() + b"\n\n")
            async with asyncio.timeout(5):
                answer = json.loads(await reading.readuntil(b"\n\n"))
            assert answer["id"] == number and answer["result"] == params["height"]

        yield ask


class ZmqCaller:
    """Calls over pyzmq's asyncio sockets: what lnpd.bus would be if it were built on them."""

    def __init__(self, link: zmq.asyncio.Socket) -> None:
        self._link, self._identity = link, b""
        self._last_id = 0
        self._waiting: dict[int, asyncio.Future[object]] = {}

    async def connected(self) -> None:
        """The other end has said hello."""
        self._identity, _ = await self._link.recv_multipart()

    async def hook(self, name: str, params: dict[str, object]) -> object:
        """The other end's answer to a hook."""
        self._last_id += 1
        number = self._last_id
        answered: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answered
        call = Call(number, "hook", envelope.raw(RpcRequest(name, envelope.raw(params))))
        await self._link.send_multipart([self._identity, envelope.pack(call)])
        async with asyncio.timeout(5):
            return await answered

    async def read(self) -> None:
        """Takes answers for ever."""
        while True:
            _, data = await self._link.recv_multipart()
            frame = envelope.unpack(data)
            assert isinstance(frame, Answer)
            self._waiting.pop(frame.id).set_result(msgspec.msgpack.decode(frame.result))


@asynccontextmanager
async def zmq_asyncio(folder: Path) -> AsyncIterator[ZmqCaller]:
    """A process that answers calls over zmq.asyncio."""
    async with _zmq_process(folder, "zmq") as link:
        caller = ZmqCaller(link)
        await caller.connected()
        reader = asyncio.create_task(caller.read())
        try:
            yield caller
        finally:
            reader.cancel()


@asynccontextmanager
async def zmq_bare(folder: Path, frame: bytes) -> AsyncIterator[Volley]:
    """A process that sends frames back over zmq.asyncio: the volley sends many and awaits as many."""
    async with _zmq_process(folder, "zmq-bare") as link:
        identity, _ = await link.recv_multipart()

        async def volley(count: int) -> None:
            for _ in range(count):
                await link.send_multipart([identity, frame])
            for _ in range(count):
                await link.recv_multipart()

        yield volley


@asynccontextmanager
async def zmq_blocking(folder: Path, frame: bytes) -> AsyncIterator[Callable[[], object]]:
    """A process that sends frames back over ZeroMQ, blocking on both ends: what the library takes by itself."""
    endpoint = f"ipc://{folder}/zmq-block"
    with zmq.Context() as context, context.socket(zmq.ROUTER) as link:
        link.setsockopt(zmq.LINGER, 0)
        link.bind(endpoint)
        async with _process("zmq-block", endpoint):
            identity = link.recv()
            assert link.recv() == b"hello"

            def operation() -> None:
                link.send(identity, zmq.SNDMORE)
                link.send(frame)
                link.recv()
                assert link.recv() == frame

            yield operation


@asynccontextmanager
async def link_bare(folder: Path, frame: bytes) -> AsyncIterator[Volley]:
    """The same over lnpd.bus's links."""
    endpoint = f"ipc://{folder}/link-bare"
    came, identities, missing = asyncio.Event(), [b""], 0

    def receive(identity: bytes, _frame: bytes) -> None:
        nonlocal missing
        identities[0], missing = identity, missing - 1
        if missing <= 0:
            came.set()

    link = Link.bind(endpoint, receive)
    async with _process("link-bare", endpoint):
        await came.wait()

        async def volley(count: int) -> None:
            nonlocal missing
            missing = count
            came.clear()
            for _ in range(count):
                link.send(frame, identities[0])
            await came.wait()

        yield volley
    link.close()


@asynccontextmanager
async def _zmq_process(folder: Path, way: str) -> AsyncIterator[zmq.asyncio.Socket]:
    endpoint = f"ipc://{folder}/{way}"
    link = zmq.asyncio.Context.instance().socket(zmq.ROUTER)
    link.bind(endpoint)
    async with _process(way, endpoint):
        yield link
    link.close(0)


@asynccontextmanager
async def _process(*arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(*WORKER, *arguments, stdin=PIPE, stdout=PIPE)
    try:
        yield process
    finally:
        process.terminate()
        await process.wait()
