"""How are questions put to one Electrum server? (JSON-RPC 2.0, one message a line, over TCP or TLS)

Answers are matched by their numbers; what is no answer to a question is a notification. A line that is too long or no
message ends the connection, and every question that waits fails with it.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import Any, Final

import msgspec

from lnpd.chain.electrum.address import ElectrumAddress
from lnpd.chain.electrum.certificates import Certificates, any_context, strict_context
from lnpd.errors import ChainError, ElectrumFault, ElectrumMisbehaves, ElectrumUnreachable

MAX_LINE_BYTES: Final = 9_000_000
"""The largest transaction of a block, in hex."""

CONNECT_SECONDS: Final = 15.0
ANSWER_SECONDS: Final = 60.0
AT_ONCE: Final = 40
MAX_WORDS: Final = 300

Hear = Callable[[str, bytes], None]
"""Takes a notification: its method, and its parameters in JSON."""


class _Error(msgspec.Struct, frozen=True):
    message: str
    code: int = 0


class _Message(msgspec.Struct, frozen=True):
    id: int | None = None
    method: str = ""
    params: msgspec.Raw = msgspec.Raw(b"[]")
    result: msgspec.Raw = msgspec.Raw(b"null")
    error: _Error | None = None


class Link:
    """A connection. `ended` is called once, when it is of no more use."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, hear: Hear) -> None:
        self._reader, self._writer, self._hear = reader, writer, hear
        self._waiting: dict[int, asyncio.Future[bytes]] = {}
        self._places = asyncio.Semaphore(AT_ONCE)
        self._next = 0
        self._why: ChainError | None = None
        self.ended: Callable[[], None] = lambda: None
        self._task = asyncio.create_task(self._read())

    @classmethod
    async def open(cls, address: ElectrumAddress, certificates: Certificates, hear: Hear) -> Link:
        """A connection to a server. Raises ElectrumUnreachable, CertificateChanged."""
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                reader, writer = await _connect(address, certificates)
        except (OSError, TimeoutError) as error:
            why = getattr(error, "strerror", None) or str(error) or "not in time"
            raise ElectrumUnreachable(f"The Electrum server {address} cannot be reached: {why}.") from None
        return cls(reader, writer, hear)

    @property
    def is_alive(self) -> bool:
        """Whether it can be asked."""
        return self._why is None

    async def ask(self, method: str, params: tuple[Any, ...]) -> bytes:  # Any: whatever the method takes, in JSON
        """The answer to a question, in JSON. Raises ElectrumFault, ElectrumUnreachable, ElectrumMisbehaves."""
        async with self._places:
            if self._why is not None:
                raise self._why
            self._next += 1
            number, answer = self._next, asyncio.get_running_loop().create_future()
            self._waiting[number] = answer
            body = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
            try:
                async with asyncio.timeout(ANSWER_SECONDS):
                    self._writer.write(msgspec.json.encode(body) + b"\n")
                    await self._writer.drain()
                    found: bytes = await answer
                    return found
            except _Refused as refused:
                raise ElectrumFault(method, refused.words) from None
            except (OSError, TimeoutError):
                self._end(ElectrumUnreachable("The Electrum server does not answer in time."))
                raise ElectrumUnreachable("The Electrum server does not answer in time.") from None
            finally:
                self._waiting.pop(number, None)

    async def close(self, why: ChainError | None = None) -> None:
        """Ends it; what waits fails with `why`."""
        self._end(why or ElectrumUnreachable("The connection to the Electrum server was closed."))
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    def _end(self, why: ChainError) -> None:
        if self._why is not None:
            return
        self._why = why
        self._writer.close()
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(why)
        self.ended()

    async def _read(self) -> None:
        decode = msgspec.json.Decoder(_Message).decode
        try:
            while line := await self._reader.readline():
                self._take(decode(line))
            self._end(ElectrumUnreachable("The Electrum server hung up."))
        except OSError:
            self._end(ElectrumUnreachable("The connection to the Electrum server broke."))
        except (ValueError, msgspec.MsgspecError):  # asyncio's for a line that is too long, msgspec's for no message
            self._end(ElectrumMisbehaves("The Electrum server sends what is no message, or too long a one."))

    def _take(self, message: _Message) -> None:
        if message.method:
            self._hear(message.method, bytes(message.params))
            return
        answer = self._waiting.get(message.id or 0)
        if answer is None or answer.done():
            return
        if message.error is not None:
            answer.set_exception(_Refused(message.error.message))
        else:
            answer.set_result(bytes(message.result))


class _Refused(Exception):
    """The server's own words."""

    def __init__(self, words: str) -> None:
        super().__init__(words)
        self.words = words[:MAX_WORDS]


async def _connect(
    address: ElectrumAddress, certificates: Certificates
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Raises OSError, CertificateChanged."""
    if not address.tls:
        return await asyncio.open_connection(address.host, address.port, limit=MAX_LINE_BYTES)
    try:
        found = await asyncio.open_connection(
            address.host, address.port, limit=MAX_LINE_BYTES, ssl=strict_context(), server_hostname=address.host
        )
    except ssl.SSLCertVerificationError:
        pass
    else:
        certificates.vouched_for(address)
        return found
    reader, writer = await asyncio.open_connection(
        address.host, address.port, limit=MAX_LINE_BYTES, ssl=any_context(), server_hostname=address.host
    )
    try:
        certificates.check(address, writer.get_extra_info("ssl_object").getpeercert(True))
    except BaseException:
        writer.close()
        raise
    return reader, writer
