"""How does a test put words into an Electrum server's mouth? A small chain of its own making, and a server of lies.

The chain is a regtest chain of empty blocks, whose work takes two tries each; where a test wants, a block holds one
more transaction.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

from lnpd.chain.electrum.address import ElectrumAddress
from lnpd.chain.electrum.backend import ElectrumChain
from lnpd.chain.electrum.ledger import root_of, scripthash
from lnpd.chain.electrum.work import EASIEST, target
from lnpd.peer.chains import CHAIN_HASHES
from lnpd.tx.transaction import Tx, TxIn, TxOut, hash256

BITS = EASIEST["regtest"]
SCRIPT = b"\x00\x14" + bytes(20)
PAYMENT = Tx((TxIn(b"\x05" * 32, 1),), (TxOut(1_000, SCRIPT),)).with_witness(0, (b"\x51",))
GENESIS = bytes.fromhex(
    "0100000000000000000000000000000000000000000000000000000000000000000000003ba3edfd7a7b12b27ac72c3e67768f61"
    "7fc81bc3888a51323a9fb8aa4b1e5e4adae5494dffff7f2002000000"
)
assert hash256(GENESIS) == CHAIN_HASHES["regtest"]


def coinbase(height: int) -> Tx:
    """A block's first transaction."""
    return Tx((TxIn(bytes(32), 0xFFFFFFFF, height),), (TxOut(0, b"\x51"),), height)


def mined(before: bytes, txids: Sequence[bytes], seconds: int, bits: int = BITS, work: bool = True) -> bytes:
    """A header upon another one; without `work` its hash is too high."""
    body = (4).to_bytes(4, "little") + hash256(before) + root_of(txids)
    body += seconds.to_bytes(4, "little") + bits.to_bytes(4, "little")
    nonces = (body + nonce.to_bytes(4, "little") for nonce in range(10_000))
    return next(each for each in nonces if (int.from_bytes(hash256(each), "little") <= target(BITS)) == work)


def grow(chain: Sequence[bytes], count: int, salt: int = 0) -> list[bytes]:
    """A chain with more empty blocks; `salt` makes another branch of it."""
    grown = list(chain)
    for height in range(len(chain), len(chain) + count):
        grown.append(mined(grown[-1], [coinbase(height).txid], 1_300_000_000 + 600 * height + salt))
    return grown


def told_chain() -> list[bytes]:
    """Twenty blocks; PAYMENT is in the one at height 15, after the coinbase."""
    chain = grow([GENESIS], 14)
    chain.append(mined(chain[-1], [coinbase(15).txid, PAYMENT.txid], 1_300_009_000))
    return grow(chain, 5)


class FalseServer:
    """Tells the truth about a chain, but for `lies`: methods and what they answer (bytes: the whole line)."""

    def __init__(self, chain: Sequence[bytes], lies: dict[str, Any] | None = None) -> None:
        self.chain, self.lies = list(chain), lies or {}
        self.port = 0
        self.connections = 0
        self._writers: list[asyncio.StreamWriter] = []
        self._server: asyncio.Server | None = None

    @property
    def address(self) -> ElectrumAddress:
        """Where it answers."""
        return ElectrumAddress("127.0.0.1", self.port, False)

    async def start(self) -> None:
        """Listens; at the same port as before, if there was one."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Hangs up and listens no more."""
        if self._server is not None:
            self._server.close()
        for writer in self._writers:
            writer.close()
        self._writers.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.append(writer)
        with suppress(ConnectionError):
            while line := await reader.readline():
                ask = json.loads(line)
                answer = self._answer(ask["method"], ask["params"])
                if isinstance(answer, bytes):
                    writer.write(answer)
                elif isinstance(answer, Exception):
                    writer.write(_line(id=ask["id"], error={"code": 1, "message": str(answer)}))
                else:
                    writer.write(_line(id=ask["id"], result=answer))
                await writer.drain()
        writer.close()

    def _answer(self, method: str, params: list[Any]) -> Any:
        found = self.lies.get(method, self._truths().get(method, ValueError(f"unknown method {method}")))
        return found(*params) if callable(found) else found

    def _truths(self) -> dict[str, Any]:
        chain, payment = self.chain, PAYMENT.txid[::-1].hex()
        history = [{"tx_hash": payment, "height": 15}]
        return {
            "server.version": ["False 1", "1.4"],
            "blockchain.headers.subscribe": {"height": len(chain) - 1, "hex": chain[-1].hex()},
            "blockchain.block.header": lambda height: chain[height].hex() if height < len(chain) else ValueError("no"),
            "blockchain.block.headers": lambda start, count: {
                "hex": b"".join(chain[start : start + count]).hex(),
                "count": len(chain[start : start + count]),
            },
            "blockchain.scripthash.subscribe": lambda each: "ab" * 32 if each == scripthash(SCRIPT) else None,
            "blockchain.scripthash.get_history": lambda each: history if each == scripthash(SCRIPT) else [],
            "blockchain.scripthash.listunspent": [{"tx_hash": payment, "tx_pos": 0, "height": 15, "value": 1_000}],
            "blockchain.transaction.get": lambda txid: (
                PAYMENT.serialise().hex()
                if txid == payment
                else ValueError("No such mempool or blockchain transaction.")
            ),
            "blockchain.transaction.get_merkle": {"merkle": [coinbase(15).txid[::-1].hex()], "pos": 1},
            "blockchain.estimatefee": 0.0001,
            "blockchain.relayfee": 0.00001,
        }


def _line(**fields: Any) -> bytes:
    return json.dumps({"jsonrpc": "2.0", **fields}).encode() + b"\n"


@asynccontextmanager
async def serving(*servers: FalseServer, **more: Any) -> AsyncIterator[ElectrumChain]:
    """A view by these servers, in this order."""
    for server in servers:
        await server.start()
    try:
        chain = await ElectrumChain.open([each.address for each in servers], "regtest", poll_seconds=0.1, **more)
        try:
            yield chain
        finally:
            await chain.close()
    finally:
        for server in servers:
            await server.stop()


def told(story: Callable[[], Awaitable[None]]) -> None:
    """Tells a story in an event loop of its own."""
    asyncio.run(asyncio.wait_for(story(), 30))  # type: ignore[arg-type]
