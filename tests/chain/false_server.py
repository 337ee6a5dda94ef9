"""How does a test put words into a bitcoind's mouth? A small server that answers as it is told."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from lnpd.chain.bitcoind.address import BitcoindAddress, Login
from lnpd.chain.bitcoind.rpc import Rpc
from lnpd.tx.transaction import Tx, TxIn, TxOut

OK = b"HTTP/1.1 200 OK\r\nContent-Length: "
Answer = Callable[[bytes], bytes | None]


class Server:
    """Answers each request by a function of its body: bytes, or None to say nothing and wait."""

    def __init__(self, answer: Answer) -> None:
        self.answer, self.requests, self.connections = answer, 0, 0
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                body = await reader.readexactly(length)
                self.requests += 1
                answer = self.answer(body)
                if answer is None:
                    await reader.read()
                    return
                writer.write(answer)
                await writer.drain()
                if b"Content-Length" not in answer[:200] or b"Connection: close" in answer[:200]:
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def serving(answer: Answer) -> AsyncIterator[tuple[Server, Rpc]]:
    """A server, and a client of it."""
    server = Server(answer)
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.port = listening.sockets[0].getsockname()[1]
    rpc = Rpc(BitcoindAddress("127.0.0.1", server.port, Login("u", "p")))
    try:
        yield server, rpc
    finally:
        await rpc.close()
        listening.close()


def whole(body: bytes, status: str = "200 OK", more: str = "") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{more}\r\n".encode() + body


def replying(results: dict[str, Any]) -> Answer:
    """Answers methods with results; an exception's arguments are an error's code and words."""

    def one(ask: dict[str, Any]) -> dict[str, Any]:
        found = results.get(ask["method"], ValueError(-32601, "Method not found"))
        found = found(*ask["params"]) if callable(found) else found
        if isinstance(found, Exception):
            return {"result": None, "error": {"code": found.args[0], "message": found.args[1]}, "id": ask["id"]}
        return {"result": found, "error": None, "id": ask["id"]}

    def answer(body: bytes) -> bytes:
        asks = json.loads(body)
        found: Any = [one(ask) for ask in asks] if isinstance(asks, list) else one(asks)
        return whole(json.dumps(found).encode())

    return answer


def told(answer: Answer, story: Callable[[Server, Rpc], Awaitable[None]]) -> None:
    async def main() -> None:
        async with serving(answer) as (server, rpc):
            await story(server, rpc)

    asyncio.run(asyncio.wait_for(main(), 30))


TX = Tx((TxIn(b"\x05" * 32, 1),), (TxOut(1_000, b"\x00\x14" + bytes(20)),)).with_witness(0, (b"\x51",))
