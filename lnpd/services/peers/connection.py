"""How does one TCP connection carry a session's bytes, neither losing, hoarding nor waiting without end?

    socket -> session -> inbox -> Peers -> router          reading stops while the inbox is full
    router -> send -> outbox -> session -> socket          all of one turn of the loop is sealed and written at once

The session decides; what it puts out is done here, a method for each kind.
"""

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, Protocol

from lnpd.errors import (
    ConnectionClosed,
    LnpdError,
    PeerNotConnected,
    PeerNotReading,
    PeerTurnedAway,
)
from lnpd.peer.greeting import Agreement, Greeting, Records
from lnpd.peer.liveness import Timeouts
from lnpd.peer.outputs import Authenticated, Close, Deliver, Initialised, NeedEcdh, Output, Ponged, Write
from lnpd.peer.session import USUAL_TIMEOUTS, Session
from lnpd.services.peers.address import Address, remote_addr
from lnpd.services.peers.limits import USUAL_LIMITS, Limits
from lnpd.wire.base import Message
from lnpd.wire.message import CODEC, Codec
from lnpd.wire.messages import Extension

log = logging.getLogger("lnpd.peers")


class Owner(Protocol):
    """Whoever keeps the connections."""

    async def ecdh(self, point: bytes) -> bytes:
        """SHA256 of our node key times a point."""
        ...

    def opened(self, connection: "Connection") -> None:
        """TCP is there."""
        ...

    async def refusal(self, connection: "Connection") -> str | None:
        """Why a node that proved who it is may not come in, or None."""
        ...

    async def records(self, connection: "Connection") -> Records:
        """What plugins add to our `init`."""
        ...

    def initialised(self, connection: "Connection") -> None:
        """`init` went both ways."""
        ...

    def ended(self, connection: "Connection") -> None:
        """The connection is over: `error` says why."""
        ...

    def gone(self, connection: "Connection") -> None:
        """Its socket is closed too."""
        ...


class Settings:
    """What all connections of a node have in common; `codec` changes when plugins come and go."""

    def __init__(
        self,
        greeting: Greeting,
        node_id: bytes,
        timeouts: Timeouts = USUAL_TIMEOUTS,
        limits: Limits = USUAL_LIMITS,
        codec: Codec = CODEC,
    ) -> None:
        self.greeting, self.node_id, self.timeouts, self.limits, self.codec = greeting, node_id, timeouts, limits, codec


class Connection(asyncio.Protocol):
    """One connection, from TCP to its end; a Link of lnpd.services.interfaces once `agreement` is there.

    `wanted` is whom we dialled at `address`; without it somebody dialled us.
    """

    def __init__(self, owner: Owner, settings: Settings, wanted: bytes | None = None, address: Address | None = None):
        self._owner, self._settings, self._wanted = owner, settings, wanted
        self._loop = asyncio.get_running_loop()
        self.incoming = wanted is None
        self.address = address or Address("", 0)
        self.agreement: Agreement | None = None
        self.error: LnpdError | None = None
        self.settled = asyncio.Event()  # the router has been told of it, or it is over
        self.session: Session | None = None
        self._transport: asyncio.Transport | None = None
        self._inbox: list[Message] = []
        self._unread_bytes = 0
        self._arrived = asyncio.Event()
        self._reading = True
        self._outbox: list[bytes] = []
        self._writable = asyncio.Event()
        self._writable.set()
        self._timer: asyncio.TimerHandle | None = None
        self._stall: asyncio.TimerHandle | None = None
        self._linger: asyncio.TimerHandle | None = None
        self._answers: set[asyncio.Task[None]] = set()
        self._pings: list[tuple[int, asyncio.Future[float]]] = []

    @property
    def node_id(self) -> bytes:
        """Whom the connection is with, or is to be with; empty before the handshake of who dialled us."""
        return (self.session and self.session.remote_node_id) or self._wanted or b""

    @property
    def extensions(self) -> tuple[Extension, ...]:
        """See Link."""
        return self.agreement.extensions if self.agreement else ()

    @property
    def over(self) -> bool:
        """Has it ended?"""
        return self.error is not None

    # --- what asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """TCP is there: begin the handshake."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        host, port = (transport.get_extra_info("peername") or ("", 0))[:2]
        if self.incoming:
            self.address = Address(host, port)
        settings = self._settings
        self.session = Session(
            settings.greeting,
            settings.node_id,
            os.urandom(32),
            self._loop.time(),
            remote_node_id=self._wanted,
            remote_addr=remote_addr(host, port) if self.incoming else b"",
            codec=settings.codec,
            timeouts=settings.timeouts,
        )
        self._owner.opened(self)
        self._do(self.session.start())

    def data_received(self, data: bytes) -> None:
        """Bytes came; after the end they are of no use."""
        if self.session is None or self.over:
            return
        self._unread_bytes += len(data)
        self.session.codec = self._settings.codec
        self._do(self.session.receive(data, self._loop.time()))
        limits = self._settings.limits
        if not self._inbox:  # pings and the like are dealt with
            self._unread_bytes = 0
        if self._unread_bytes > limits.unread_bytes or len(self._inbox) > limits.unread_messages:
            self._pause()

    def eof_received(self) -> None:
        """The other end will send no more, which is the end; asyncio closes when this returns."""
        if self.session is not None and not self.over:
            self._end(self.session.lost())

    def connection_lost(self, error: Exception | None) -> None:
        """TCP is gone."""
        if self.session is not None and not self.over:
            self._end(self.session.lost())
        if self._linger is not None:
            self._linger.cancel()
        self._owner.gone(self)

    def pause_writing(self) -> None:
        """The peer takes less than we send."""
        self._writable.clear()
        seconds = self._settings.limits.stalled_seconds
        self._stall = self._loop.call_later(seconds, self._abort, f"The peer read next to nothing for {seconds:g} s.")

    def resume_writing(self) -> None:
        """The peer caught up."""
        self._writable.set()
        if self._stall is not None:
            self._stall.cancel()

    # --- what the router calls

    def send(self, *messages: Message) -> None:
        """See Link."""
        if self.over or self.session is None:
            return
        self.session.codec = self._settings.codec
        encoded = [self.session.encode(message) for message in messages]
        if not self._outbox and encoded:
            self._loop.call_soon(self._flush)
        self._outbox += encoded

    async def drain(self) -> None:
        """See Link."""
        await self._writable.wait()

    def close(self, reason: str, message: Message | None = None) -> None:
        """See Link."""
        self.fail(ConnectionClosed(reason), message)

    # --- what the owner calls

    def fail(self, error: LnpdError, message: Message | None = None) -> None:
        """End it for this reason; the peer is told what lnpd.peer.farewell finds fit, or `message`."""
        if self.session is not None and not self.over:
            self._flush()
            self._do(self.session.close(error, message))

    async def batch(self) -> list[Message]:
        """All messages that wait, at least one; none when the connection is over and all were taken."""
        while not self._inbox and not self.over:
            self._arrived.clear()
            await self._arrived.wait()
        batch, self._inbox, self._unread_bytes = self._inbox, [], 0
        self._resume()
        return batch

    async def ping(self, num_pong_bytes: int) -> float:
        """The seconds until the pong came. Raises PingRefused, PeerNotConnected, or why the connection ended."""
        if self.session is None or self.over:
            raise PeerNotConnected("The connection has ended.")
        self._flush()
        pong: asyncio.Future[float] = self._loop.create_future()
        self._write(self.session.ping(self._loop.time(), num_pong_bytes))
        self._pings.append((num_pong_bytes, pong))
        self._arm()
        try:
            return await pong
        finally:
            self._pings.remove((num_pong_bytes, pong))

    # --- how a session's outputs are done

    def _do(self, outputs: Sequence[Output]) -> None:
        written = [output.data for output in outputs if isinstance(output, Write)]
        if written:
            self._write(b"".join(written))
        for output in outputs:
            if not isinstance(output, Write) and not self.over:
                _DO[type(output)](self, output)
        self._arm()

    def _ecdh(self, output: NeedEcdh) -> None:
        async def answer() -> None:
            shared = await self._owner.ecdh(output.point)
            if self.session is not None:
                self._do(self.session.ecdh(shared, self._loop.time()))

        self._answer(answer)

    def _authenticated(self, output: Authenticated) -> None:
        async def answer() -> None:
            if (reason := await self._owner.refusal(self)) is not None:
                self.fail(PeerTurnedAway(reason))
                return
            records = await self._owner.records(self)
            if self.session is not None:
                self._do(self.session.admit(self._loop.time(), records))

        self._answer(answer)

    def _initialised(self, output: Initialised) -> None:
        self.agreement = output.agreement
        self._owner.initialised(self)

    def _deliver(self, output: Deliver) -> None:
        self._inbox.append(output.message)
        self._arrived.set()

    def _ponged(self, output: Ponged) -> None:
        for num_pong_bytes, pong in self._pings:
            if num_pong_bytes == output.num_pong_bytes and not pong.done():
                pong.set_result(output.seconds)
                return

    def _close(self, output: Close) -> None:
        self._end(output.error)

    # --- how it ends, waits and writes

    def _answer(self, work: Callable[[], Awaitable[None]]) -> None:
        """Run what answers the session; what it raises ends the connection."""

        async def guarded() -> None:
            try:
                await work()
            except LnpdError as error:
                self.fail(error)
            except Exception:
                log.exception("a connection with %s failed", self.address)
                self.fail(ConnectionClosed("This node failed."))

        task = self._loop.create_task(guarded())
        self._answers.add(task)
        task.add_done_callback(self._answers.discard)

    def _end(self, error: LnpdError) -> None:
        """Once: let the last bytes arrive, tell everyone who waits."""
        self.error = error
        self._outbox.clear()
        for handle in (self._timer, self._stall):
            if handle is not None:
                handle.cancel()
        for task in self._answers - {asyncio.current_task(self._loop)}:
            task.cancel()
        for _, pong in self._pings:
            if not pong.done():
                pong.set_exception(error)
        self._arrived.set()
        self._writable.set()
        self._hang_up()
        self._owner.ended(self)
        if self.agreement is None:
            self.settled.set()

    def _hang_up(self) -> None:
        """Closing at once, with bytes unread, would reset the connection and lose our last message: so half-close
        first, and read on into the void until the peer closes too, or for a moment."""
        assert self._transport is not None
        self._resume()
        try:
            self._transport.write_eof()
        except OSError:
            self._transport.abort()
            return
        self._linger = self._loop.call_later(self._settings.limits.linger_seconds, self._transport.abort)

    def abort(self) -> None:
        """Give up what is not yet written."""
        if self._transport is not None:
            self._transport.abort()

    def _abort(self, why: str) -> None:
        if not self.over and self.session is not None:
            self._do(self.session.close(PeerNotReading(why)))
        self.abort()

    def _write(self, data: bytes) -> None:
        assert self._transport is not None
        self._transport.write(data)
        most = self._settings.limits.unwritten_bytes
        if self._transport.get_write_buffer_size() > most:
            self._loop.call_soon(self._abort, f"The peer left over {most} bytes unread.")

    def _flush(self) -> None:
        if self._outbox and not self.over and self.session is not None:
            encoded, self._outbox = self._outbox, []
            self._write(self.session.send(*encoded))

    def _pause(self) -> None:
        if self._reading and self._transport is not None and not self._transport.is_closing():
            self._reading = False
            self._transport.pause_reading()

    def _resume(self) -> None:
        if not self._reading and self._transport is not None:
            self._reading = True
            if not self._transport.is_closing():
                self._transport.resume_reading()
            if self.session is not None:
                self.session.resumed(self._loop.time())
            self._arm()

    def _arm(self) -> None:
        """Wake up when the session is due; a later time is noticed then."""
        if self.over or self.session is None:
            return
        due_at = self.session.due_at()
        if self._timer is None or self._timer.cancelled() or due_at < self._timer.when():
            if self._timer is not None:
                self._timer.cancel()
            self._timer = self._loop.call_at(due_at, self._tick)

    def _tick(self) -> None:
        self._timer = None
        if self.session is not None and self._reading:  # a peer that we do not read is not silent
            self._do(self.session.tick(self._loop.time()))


_DO: Final[dict[type[Output], Callable[[Connection, Any], None]]] = {  # Any: the output of the key's class
    NeedEcdh: Connection._ecdh,
    Authenticated: Connection._authenticated,
    Initialised: Connection._initialised,
    Deliver: Connection._deliver,
    Ponged: Connection._ponged,
    Close: Connection._close,
}
