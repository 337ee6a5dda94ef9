"""How is bitcoind asked by JSON-RPC, and how much of its answer is believed?

Each question names the type of its answer: whatever does not fit is BitcoindMisbehaves, whatever bitcoind refuses is
BitcoindFault with its code and words. Several questions can go in one request.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

import msgspec

from lnpd.chain.bitcoind.address import BitcoindAddress
from lnpd.chain.bitcoind.http import NO_ANSWER, HttpClient
from lnpd.errors import BitcoindBusy, BitcoindFault, BitcoindMisbehaves

T = TypeVar("T")

USUAL_SECONDS: Final = 30.0
SCAN_SECONDS: Final = 900.0
USUAL_BYTES: Final = 4_000_000
BLOCK_BYTES: Final = 8_500_000  # the hex of a block of 4 MB
MEMPOOL_BYTES: Final = 100_000_000
PREVOUT_BYTES: Final = 200_000_000
MAX_WORDS: Final = 300

IN_WARMUP: Final = -28
NOT_FOUND: Final = -5
INVALID_PARAMETER: Final = -8
NO_SUCH_METHOD: Final = -32601
GENERAL: Final = -1


class Ask(msgspec.Struct, frozen=True):
    """A question: method and parameters, in order."""

    method: str
    params: tuple[Any, ...] = ()  # Any: whatever the method takes, in JSON


class _Error(msgspec.Struct, frozen=True):
    code: int
    message: str


class _Reply(msgspec.Struct, frozen=True):
    id: int
    result: msgspec.Raw = msgspec.Raw(b"null")
    error: _Error | None = None


class Rpc:
    """JSON-RPC to one bitcoind. `on_silence` is called when it could not be asked."""

    def __init__(self, address: BitcoindAddress) -> None:
        self.address = address
        self.on_silence: Callable[[], None] = lambda: None
        self._http = HttpClient(address)
        self._decode = msgspec.json.Decoder(_Reply).decode
        self._decode_many = msgspec.json.Decoder(list[_Reply]).decode

    async def close(self) -> None:
        """Closes the connections."""
        await self._http.close()

    async def call(
        self,
        kind: type[T],
        method: str,
        *params: Any,  # Any: see Ask
        max_bytes: int = USUAL_BYTES,
        seconds: float = USUAL_SECONDS,
    ) -> T:
        """The answer to one question. Raises BitcoindFault, and what is under ChainError if there is no answer."""
        body = {"jsonrpc": "1.0", "id": 0, "method": method, "params": params}
        status, raw = await self._post(body, max_bytes, seconds)
        reply = _readable(self._decode, raw, status, method)
        if reply.id != 0:
            raise BitcoindMisbehaves(f"bitcoind answers {method} with what was not asked.")
        return _value(reply, kind, method)

    async def ask(
        self, asks: Sequence[Ask], max_bytes: int = USUAL_BYTES, seconds: float = USUAL_SECONDS
    ) -> list[_Reply]:
        """The replies to several questions, in their order; `value` takes each apart. Raises as `call`."""
        if not asks:
            return []
        body = [{"jsonrpc": "1.0", "id": n, "method": ask.method, "params": ask.params} for n, ask in enumerate(asks)]
        status, raw = await self._post(body, max_bytes, seconds)
        if raw[:1] == b"{":  # a refusal of the whole
            _value(_readable(self._decode, raw, status, asks[0].method), object, asks[0].method)
        replies = {reply.id: reply for reply in _readable(self._decode_many, raw, status, asks[0].method)}
        if replies.keys() != set(range(len(asks))):
            raise BitcoindMisbehaves(f"bitcoind answers {len(replies)} of {len(asks)} questions.")
        return [replies[number] for number in range(len(asks))]

    async def _post(self, body: object, max_bytes: int, seconds: float) -> tuple[int, bytes]:
        try:
            return await self._http.post(msgspec.json.encode(body), max_bytes, seconds)
        except NO_ANSWER:
            self.on_silence()
            raise


Reply = _Reply


def value(reply: Reply, kind: type[T], method: str) -> T:
    """What one of several questions was answered. Raises BitcoindFault, BitcoindBusy, BitcoindMisbehaves."""
    return _value(reply, kind, method)


def value_or_none(reply: Reply, kind: type[T], method: str, *codes: int) -> T | None:
    """The same; None if bitcoind refused with one of these codes."""
    if reply.error is not None and reply.error.code in codes:
        return None
    return _value(reply, kind, method)


def _value(reply: Reply, kind: type[T], method: str) -> T:
    if reply.error is not None:
        words = " ".join(reply.error.message.split())[:MAX_WORDS]
        if reply.error.code == IN_WARMUP:
            raise BitcoindBusy(f"bitcoind is starting: {words}")
        raise BitcoindFault(method, reply.error.code, words)
    try:
        return msgspec.json.decode(reply.result, type=kind)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError, ValueError) as error:
        raise BitcoindMisbehaves(f"bitcoind's answer to {method} cannot be read: {_short(error)}") from None


def _readable(decode: Any, raw: bytes, status: int, method: str) -> Any:  # Any: one of the two decoders
    try:
        return decode(raw)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        if status == 503:
            raise BitcoindBusy("bitcoind has more requests than it takes (rpcworkqueue).") from None
        what = f"bitcoind's answer to {method} (HTTP {status}) is no JSON-RPC"
        raise BitcoindMisbehaves(f"{what}: {_short(error)}") from None


def _short(error: Exception) -> str:
    return str(error)[:MAX_WORDS]
