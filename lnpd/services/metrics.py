"""How does a program on this machine read the node's figures? GET /metrics, in the text format of Prometheus.

Nothing else is answered, a request may be neither long nor slow, and only a few are read at once.
"""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final

from lnpd.config import Address
from lnpd.errors import ListenRefused

MAX_REQUEST_BYTES: Final = 8 * 1024
REQUEST_SECONDS: Final = 5.0
MAX_READERS: Final = 8
TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


class MetricsPage:
    """The page. `text` makes it anew for each reader."""

    def __init__(self, address: Address, text: Callable[[], str]) -> None:
        self._address, self._text = address, text
        self._server: asyncio.Server | None = None
        self._readers = 0

    async def start(self) -> None:
        """Listens. ListenRefused."""
        try:
            self._server = await asyncio.start_server(
                self._answer, self._address.host, self._address.port, limit=MAX_REQUEST_BYTES
            )
        except OSError as error:
            raise ListenRefused(f"--metrics {self._address}: {error.strerror or error}.") from None

    @property
    def port(self) -> int:
        """Where it listens."""
        assert self._server is not None
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def stop(self) -> None:
        """Listens no more."""
        if self._server is not None:
            self._server.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._readers += 1
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                writer.write(await self._response(reader))
                await writer.drain()
        except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # it gets no answer
        finally:
            self._readers -= 1
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _response(self, reader: asyncio.StreamReader) -> bytes:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        if self._readers > MAX_READERS:
            return _response("503 Service Unavailable", "too many readers\n")
        method, _, rest = head.partition(" ")
        if method != "GET":
            return _response("405 Method Not Allowed", "only GET\n")
        if rest.partition(" ")[0].partition("?")[0] != "/metrics":
            return _response("404 Not Found", "only /metrics\n")
        return _response("200 OK", self._text())


def _response(status: str, text: str) -> bytes:
    body = text.encode()
    rows = f"HTTP/1.1 {status}", f"Content-Type: {TYPE}", f"Content-Length: {len(body)}", "Connection: close"
    return "".join(f"{row}\r\n" for row in (*rows, "")).encode() + body
