"""How does a request get to bitcoind and its answer back, whatever the other side does?

HTTP/1.1 over a few kept connections. A header, a body and a wait have their limits. A kept connection that was closed
meanwhile is replaced once, at once; while nobody answers, the next attempts wait longer and longer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from lnpd.chain.bitcoind.address import BitcoindAddress
from lnpd.errors import BitcoindMisbehaves, BitcoindNotFound, BitcoindUnreachable, LoginRefused

MAX_CONNECTIONS: Final = 4
MAX_HEADER_BYTES: Final = 16_384
CONNECT_SECONDS: Final = 10.0
FIRST_PAUSE_SECONDS: Final = 0.25
LONGEST_PAUSE_SECONDS: Final = 5.0
LOST: Final = (OSError, asyncio.IncompleteReadError, EOFError)

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Backoff:
    """How long to leave somebody alone who does not answer: twice as long each time, up to a limit."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock, self._pause, self._until = clock, 0.0, 0.0

    @property
    def left_seconds(self) -> float:
        """How long to wait before the next attempt."""
        return max(0.0, self._until - self._clock())

    def failed(self) -> None:
        """Nobody answered."""
        if not self.left_seconds:  # those who asked at the same time are one failure
            self._pause = min(LONGEST_PAUSE_SECONDS, 2 * self._pause or FIRST_PAUSE_SECONDS)
            self._until = self._clock() + self._pause

    def answered(self) -> None:
        """Somebody did."""
        self._pause = self._until = 0.0


class HttpClient:
    """Posts to one server. For one event loop."""

    def __init__(self, address: BitcoindAddress) -> None:
        self._address = address
        self._idle: list[Stream] = []
        self._slots = asyncio.Semaphore(MAX_CONNECTIONS)
        self._backoff = Backoff(asyncio.get_running_loop().time)
        self._login = ""
        self._closed = False

    async def post(self, body: bytes, max_bytes: int, seconds: float) -> tuple[int, bytes]:
        """The status and the body of an answer.

        Raises BitcoindUnreachable, LoginRefused, BitcoindNotFound (no cookie), BitcoindMisbehaves.
        """
        async with self._slots:
            if pause := self._backoff.left_seconds:
                await asyncio.sleep(pause)
            if self._closed:
                raise BitcoindUnreachable("The view of bitcoind is closed.")
            try:
                async with asyncio.timeout(seconds):
                    answer = await self._with_login(body, max_bytes)
            except TimeoutError:
                self._backoff.failed()
                raise BitcoindUnreachable(f"bitcoind at {self._address} did not answer within {seconds:g} s.") from None
            except LOST as error:
                self._backoff.failed()
                raise BitcoindUnreachable(f"bitcoind at {self._address} cannot be reached: {_words(error)}.") from None
            self._backoff.answered()
            return answer

    async def close(self) -> None:
        """Closes every connection; a second call does nothing."""
        self._closed = True
        while self._idle:
            _, writer = self._idle.pop()
            writer.close()

    async def _with_login(self, body: bytes, max_bytes: int) -> tuple[int, bytes]:
        """The cookie is read anew when it is not accepted: bitcoind writes another at each start."""
        known = bool(self._login)
        self._login = self._login or self._address.login.header()
        status, answer = await self._kept(body, max_bytes)
        if status == 401 and known and self._address.login.cookie is not None:
            self._login = self._address.login.header()
            status, answer = await self._kept(body, max_bytes)
        if status in (401, 403):
            self._login = ""
            self._backoff.failed()
            cookie = self._address.login.cookie
            what = f"the cookie {cookie}" if cookie else "this user and password"
            raise LoginRefused(f"bitcoind at {self._address} refuses {what} (HTTP {status}).")
        return status, answer

    async def _kept(self, body: bytes, max_bytes: int) -> tuple[int, bytes]:
        """Over a kept connection, or else a new one. All that is asked of bitcoind may be asked twice."""
        while self._idle:
            try:
                return await self._over(self._idle.pop(), body, max_bytes)
            except LOST:
                continue
        async with asyncio.timeout(CONNECT_SECONDS):
            stream = await asyncio.open_connection(self._address.host, self._address.port, limit=MAX_HEADER_BYTES)
        return await self._over(stream, body, max_bytes)

    async def _over(self, stream: Stream, body: bytes, max_bytes: int) -> tuple[int, bytes]:
        reader, writer = stream
        done = False
        try:
            writer.write(self._head(len(body)) + body)
            await writer.drain()
            status, length, keep = await self._read_head(reader)
            if length > max_bytes:
                raise BitcoindMisbehaves(f"bitcoind's answer has {length} bytes, and {max_bytes} are the limit.")
            answer = await reader.readexactly(length)
            done = keep and not self._closed
            return status, answer
        finally:
            if done:
                self._idle.append(stream)
            else:
                writer.close()

    def _head(self, length: int) -> bytes:
        return (
            f"POST / HTTP/1.1\r\nHost: {self._address}\r\nAuthorization: {self._login}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
        ).encode()

    async def _read_head(self, reader: asyncio.StreamReader) -> tuple[int, int, bool]:
        """Status, length of the body, and whether the connection is kept."""
        try:
            lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        except asyncio.LimitOverrunError:
            raise BitcoindMisbehaves(f"bitcoind's answer has over {MAX_HEADER_BYTES} bytes of headers.") from None
        words = lines[0].split(" ")
        fields = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        length = fields.get("content-length", "")
        if not words[0].startswith("HTTP/1.") or len(words) < 2 or not _number(words[1]) or not _number(length):
            raise BitcoindMisbehaves(f"What answers at {self._address} does not speak HTTP as bitcoind does.")
        return int(words[1]), int(length), fields.get("connection", "").lower() != "close" and words[0] == "HTTP/1.1"


def _number(word: str) -> bool:
    return word.isascii() and word.isdecimal() and len(word) < 12


def _words(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return "it ended the connection" if isinstance(error, EOFError) else str(error) or type(error).__name__


NO_ANSWER: Final = (BitcoindUnreachable, LoginRefused, BitcoindNotFound)
"""What may pass by itself: bitcoind is away, or has a new cookie."""
