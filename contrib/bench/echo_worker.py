"""What does another process cost at the least? Each way of answering here does nothing but answer.

python echo_worker.py socketpair DESCRIPTOR    frames over an inherited socket, sent back as they are
python echo_worker.py json                     JSON-RPC over standard input and output, as Core Lightning's plugins
python echo_worker.py zmq ENDPOINT             msgpack calls over zmq.asyncio
python echo_worker.py zmq-block ENDPOINT       frames over ZeroMQ, sent back as they are, without an event loop
python echo_worker.py zmq-bare ENDPOINT        frames over zmq.asyncio, sent back as they are
python echo_worker.py link-bare ENDPOINT       frames over a link of lnpd.bus, sent back as they are
"""

import asyncio
import json
import socket
import sys

import msgspec
import zmq
import zmq.asyncio
from lnpd_sdk import envelope
from lnpd_sdk.envelope import Answer, Call
from lnpd_sdk.questions import RpcRequest

from lnpd.bus.link import Link


def socketpair(descriptor: str) -> None:
    """Blocking reads and writes, nothing decoded."""
    with socket.socket(fileno=int(descriptor)) as link, link.makefile("rb") as reading:
        while length := reading.read(4):
            link.sendall(length + reading.read(int.from_bytes(length, "big")))


def json_rpc() -> None:
    """A request is a JSON object and an empty line; so is its answer."""
    reading, writing = sys.stdin.buffer, sys.stdout.buffer
    while line := reading.readline():
        if not line.strip():
            continue
        request = json.loads(line)
        answer = {"jsonrpc": "2.0", "id": request["id"], "result": request["params"]["height"]}
        writing.write(json.dumps(answer).encode() + b"\n\n")
        writing.flush()


async def zmq_asyncio(endpoint: str) -> None:
    """The same frames as a plugin of lnpd reads and writes, over pyzmq's own asyncio sockets."""
    link = zmq.asyncio.Context.instance().socket(zmq.DEALER)
    link.connect(endpoint)
    await link.send(b"hello")
    while data := await link.recv():
        frame = envelope.unpack(data)
        assert isinstance(frame, Call)
        request = envelope.decode(frame.params, RpcRequest)
        params = msgspec.msgpack.decode(request.params)
        await link.send(envelope.pack(Answer(frame.id, envelope.raw(params["height"]))))
    link.close(0)


def zmq_blocking(endpoint: str) -> None:
    """Nothing decoded, no event loop."""
    link = zmq.Context.instance().socket(zmq.DEALER)
    link.connect(endpoint)
    link.send(b"hello")
    while True:
        link.send(link.recv())


async def zmq_bare(endpoint: str) -> None:
    """Nothing decoded."""
    link = zmq.asyncio.Context.instance().socket(zmq.DEALER)
    link.connect(endpoint)
    await link.send(b"hello")
    while True:
        await link.send(await link.recv())


async def link_bare(endpoint: str) -> None:
    """Nothing decoded."""
    link: Link = Link.connect(endpoint, lambda _identity, frame: link.send(frame))
    link.send(b"hello")
    await asyncio.Event().wait()


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["socketpair", given]:
            socketpair(given)
        case ["json"]:
            json_rpc()
        case ["zmq", given]:
            asyncio.run(zmq_asyncio(given))
        case ["zmq-block", given]:
            zmq_blocking(given)
        case ["zmq-bare", given]:
            asyncio.run(zmq_bare(given))
        case ["link-bare", given]:
            asyncio.run(link_bare(given))
