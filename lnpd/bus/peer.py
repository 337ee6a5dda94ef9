"""How does one side of a link ask the other a question and get the answer, with a deadline?"""

import asyncio
import logging
from collections.abc import Awaitable, Callable

import msgspec
from lnpd_sdk import envelope
from lnpd_sdk.envelope import Answer, BadFrame, BusError, Call, CallFailed, Fault, Notice

from lnpd.bus.link import Identity, Link
from lnpd.errors import DeadlineMissed, LinkOverflow, LnpdError

log = logging.getLogger(__name__)

Handler = Callable[[Identity, str, msgspec.Raw], Awaitable[object]]
NoticeHandler = Callable[[Identity, Notice], None]
MAX_RUNNING = 1_000


class BusPeer:
    """Calls in both directions over one link.

    `handler(identity, method, params)` answers the other side's calls; what it raises becomes a fault with the
    exception's class name as code. `noticed` gets its notices. `broken(identity, why)` is told of a frame that is
    none of ours: whoever sent it cannot be trusted with the next one. With `only`, a bound peer hears that identity
    alone: whoever else connects is not answered, whatever it sends.
    """

    def __init__(
        self,
        handler: Handler | None = None,
        noticed: NoticeHandler | None = None,
        broken: Callable[[Identity, str], None] | None = None,
        only: Identity = b"",
    ) -> None:
        self._handler, self._noticed, self._broken, self._only = handler, noticed, broken, only
        self._link: Link | None = None
        self._waiting: dict[tuple[Identity, int], asyncio.Future[msgspec.Raw]] = {}
        self._running: set[asyncio.Task[None]] = set()
        self._last_id = 0
        self.round_trips = 0

    def bind(self, endpoint: str) -> "BusPeer":
        """Serves any number of connecting peers at an endpoint."""
        self._link = Link.bind(endpoint, self._receive)
        return self

    def connect(self, endpoint: str) -> "BusPeer":
        """Connects to a served endpoint."""
        self._link = Link.connect(endpoint, self._receive)
        return self

    async def call(
        self, method: str, params: object, deadline_seconds: float | None = None, identity: Identity = b""
    ) -> msgspec.Raw:
        """The msgpack of the answer. DeadlineMissed, CallFailed (the other side's fault) or LinkOverflow."""
        if self._link is None:
            raise LinkOverflow("the link is not open")
        self._last_id += 1
        number = self._last_id
        future: asyncio.Future[msgspec.Raw] = asyncio.get_running_loop().create_future()
        self._waiting[identity, number] = future
        try:
            self._link.send(envelope.pack(Call(number, method, envelope.raw(params))), identity)
            self.round_trips += 1
            async with asyncio.timeout(deadline_seconds):
                return await future
        except TimeoutError:
            raise DeadlineMissed(f"no answer to {method} within {deadline_seconds} s") from None
        finally:
            self._waiting.pop((identity, number), None)

    def notify(self, topic: str, payload: object, sequence: int = 0, identity: Identity = b"") -> None:
        """Sends a notice; LinkOverflow if it cannot be queued."""
        if self._link is None:
            raise LinkOverflow("the link is not open")
        self._link.send(envelope.pack(Notice(topic, envelope.raw(payload), sequence)), identity)

    def fail_all(self, error: Exception) -> None:
        """Ends every call that waits for an answer: the other side is known to be gone."""
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(error)

    def close(self) -> None:
        """Ends every waiting call and closes the link."""
        self.fail_all(LinkOverflow("the link was closed"))
        for task in self._running:
            task.cancel()
        if self._link is not None:
            self._link.close()

    def _receive(self, identity: Identity, data: bytes) -> None:
        if self._only and identity != self._only:
            return
        try:
            frame = envelope.unpack(data)
        except BadFrame as error:
            if self._broken:
                self._broken(identity, str(error))
            return
        match frame:
            case Answer(id=number, result=result):
                self._settle(identity, number, result, None)
            case Fault(id=number, code=code, text=text):
                self._settle(identity, number, None, CallFailed(code, text))
            case Call():
                self._start(identity, frame)
            case Notice():
                if self._noticed:
                    self._noticed(identity, frame)

    def _settle(self, identity: Identity, number: int, result: msgspec.Raw | None, error: CallFailed | None) -> None:
        future = self._waiting.get((identity, number))
        if future is None or future.done():
            return  # late: its caller has given up already
        if error is not None:
            future.set_exception(error)
        elif result is not None:
            future.set_result(result)

    def _start(self, identity: Identity, call: Call) -> None:
        if len(self._running) >= MAX_RUNNING:
            self._reply(identity, Fault(call.id, "Overloaded", f"over {MAX_RUNNING} calls are being answered already"))
            return
        task = asyncio.get_running_loop().create_task(self._answer(identity, call))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _answer(self, identity: Identity, call: Call) -> None:
        if self._handler is None:
            self._reply(identity, Fault(call.id, "NoSuchMethod", f"nothing here answers {call.method}"))
            return
        try:
            result = await self._handler(identity, call.method, call.params)
            self._reply(identity, Answer(call.id, envelope.raw(result)))
        except Exception as error:
            # Whatever the handler raised belongs to the caller; what is not raised on purpose is a bug of ours.
            if not isinstance(error, BusError | LnpdError):
                log.exception("answering %s", call.method)
            self._reply(identity, Fault.of(call.id, error))

    def _reply(self, identity: Identity, frame: Answer | Fault) -> None:
        if self._link is None or self._link.closed:
            return
        try:
            data = envelope.pack(frame)
        except BadFrame as error:
            data = envelope.pack(Fault(frame.id, "AnswerTooLong", str(error)))
        try:
            self._link.send(data, identity)
        except LinkOverflow as error:
            log.warning("an answer could not be sent: %s", error)
