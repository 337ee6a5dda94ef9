"""How does one side of a link ask the other a question and get the answer, with a deadline?"""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from contextvars import ContextVar

import msgspec
from lnpd_sdk import envelope
from lnpd_sdk.envelope import Answer, BadFrame, BusError, Call, Fault, Notice

from lnpd.bus.curve import Door, owner_of
from lnpd.bus.limits import Allowance, Limits
from lnpd.bus.link import Identity, Link
from lnpd.bus.waiting import Waiting
from lnpd.errors import LinkGone, LinkOverflow, LnpdError

log = logging.getLogger(__name__)

Handler = Callable[[Identity, str, msgspec.Raw], Awaitable[object]]
NoticeHandler = Callable[[Identity, Notice], None]
USUAL_LIMITS = Limits()
MAX_ALLOWANCES = 1_000
# The trace that the other side gave with the call which is being answered.
caller_trace: ContextVar[str] = ContextVar("caller_trace", default="")


class BusPeer:
    """Calls in both directions over one link.

    `handler(identity, method, params)` answers the other side's calls; what it raises becomes a fault with the
    exception's class name as code. `noticed` gets its notices. `broken(identity, why)` is told of a side that sends
    what is no frame or more than the limits, or that does not take its answers: it cannot be trusted with the next
    question. A call too many is refused with Overloaded. With `only`, a bound peer hears that identity alone: whoever
    else connects is not answered, whatever it sends.
    """

    def __init__(
        self,
        handler: Handler | None = None,
        noticed: NoticeHandler | None = None,
        broken: Callable[[Identity, str], None] | None = None,
        only: Identity = b"",
        limits: Limits = USUAL_LIMITS,
    ) -> None:
        self._handler, self._noticed, self._broken, self._only = handler, noticed, broken, only
        self._limits = limits
        self._allowances: dict[Identity, Allowance] = {}  # as many as may connect
        self._calls: Counter[Identity] = Counter()  # that are being answered, of each side
        self._bytes: Counter[Identity] = Counter()
        self._unsent = 0
        self._link: Link | None = None
        self._guarded = False
        self._waiting = Waiting()
        self._running: set[asyncio.Task[None]] = set()
        self._last_id = 0
        self.round_trips = 0

    def bind(self, endpoint: str) -> "BusPeer":
        """Serves any number of connecting peers at an endpoint."""
        self._link = Link.bind(endpoint, self._receive)
        return self

    def guard(self, door: Door) -> Link:
        """Serves those whom a door lets in: all connections of one owner are one side, and have the limits of one.
        Returns the link, at which ways are opened for them."""
        self._guarded = True
        self._link = Link.guarded(self._receive, door)
        return self._link

    def connect(self, endpoint: str) -> "BusPeer":
        """Connects to a served endpoint. A call fails with LinkGone if the connection ends before its answer came."""
        self._link = Link.connect(endpoint, self._receive, self._lost)
        return self

    async def call(
        self,
        method: str,
        params: object,
        deadline_seconds: float | None = None,
        identity: Identity = b"",
        trace: str = "",
    ) -> msgspec.Raw:
        """The msgpack of the answer. DeadlineMissed, CallFailed (the other side's fault), LinkOverflow or LinkGone."""
        if self._link is None:
            raise LinkOverflow("the link is not open")
        self._last_id += 1
        frame = envelope.pack(Call(self._last_id, method, envelope.raw(params), trace))
        key = identity, self._last_id
        answered = self._waiting.begin(key, method, deadline_seconds)
        try:
            self._link.send(frame, identity)
            self.round_trips += 1
            return await answered
        finally:
            self._waiting.end(key)

    def notify(self, topic: str, payload: object, sequence: int = 0, identity: Identity = b"") -> None:
        """Sends a notice; LinkOverflow if it cannot be queued."""
        if self._link is None:
            raise LinkOverflow("the link is not open")
        self._link.send(envelope.pack(Notice(topic, envelope.raw(payload), sequence)), identity)

    def fail_all(self, error: Exception, only: Identity | None = None) -> None:
        """Ends every call that waits for an answer, of one side if it is named: it is known to be gone."""
        self._waiting.fail(error, only)

    def _lost(self) -> None:
        self.fail_all(LinkGone("the other side ended before it had answered"))

    def close(self) -> None:
        """Ends every waiting call and closes the link."""
        self._waiting.close(LinkOverflow("the link was closed"))
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
            self._blame(identity, f"sent what is not a frame: {error}")
            return
        match frame:
            case Answer() | Fault() if self._waiting.settle(identity, frame):
                return
        if not self._is_allowed(identity, len(data)):
            return
        match frame:
            case Call():
                self._start(identity, frame)
            case Notice():
                if self._noticed:
                    self._noticed(identity, frame)

    def _is_allowed(self, identity: Identity, size: int) -> bool:
        """Whether this much of what we did not ask for, or of answers to it, is still within the limits."""
        if self._limits.unasked_bytes is None:
            return True
        side = self._side(identity)
        if (allowance := self._allowances.get(side)) is None:
            if len(self._allowances) >= MAX_ALLOWANCES:  # connections that were, one after the other
                self._allowances.clear()
            allowance = self._allowances[side] = Allowance(self._limits.unasked_bytes)
        if allowance.take(size, asyncio.get_running_loop().time()):
            return True
        self._blame(identity, f"sent, or asked for, over {self._limits.unasked_bytes} bytes a second by itself")
        return False

    def _side(self, identity: Identity) -> Identity:
        return owner_of(identity).encode() if self._guarded else identity

    def _blame(self, identity: Identity, why: str) -> None:
        if self._broken:
            self._broken(identity, why)

    def _start(self, identity: Identity, call: Call) -> None:
        size, side = memoryview(call.params).nbytes, self._side(identity)
        if why := self._too_much(side, size):
            self._reply(identity, Fault(call.id, "Overloaded", why))
            self._blame(identity, f"asks for too much: {why}")
            return
        task = asyncio.get_running_loop().create_task(self._answer(identity, call))
        self._running.add(task)
        self._calls[side] += 1
        self._bytes[side] += size
        task.add_done_callback(lambda done: self._done(done, side, size))

    def _too_much(self, side: Identity, size: int) -> str:
        limits = self._limits
        if size > limits.call_bytes:
            return f"a call of {size} bytes is over {limits.call_bytes}"
        if self._calls[side] >= limits.running:
            return f"over {limits.running} calls are being answered already"
        if self._bytes[side] + size > limits.running_bytes:
            return f"over {limits.running_bytes} bytes of calls are being answered already"
        return ""

    def _done(self, task: asyncio.Task[None], side: Identity, size: int) -> None:
        self._running.discard(task)
        self._calls[side] -= 1
        self._bytes[side] -= size
        if not self._calls[side]:
            del self._calls[side], self._bytes[side]

    async def _answer(self, identity: Identity, call: Call) -> None:
        if self._handler is None:
            self._reply(identity, Fault(call.id, "NoSuchMethod", f"nothing here answers {call.method}"))
            return
        try:
            caller_trace.set(call.trace)  # this task answers nothing else
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
        if not self._is_allowed(identity, len(data)):
            return
        try:
            self._link.send(data, identity)
        except LinkOverflow as error:
            self._unsent += 1
            if self._unsent & (self._unsent - 1) == 0:  # at 1, 2, 4, 8, ...: how often is up to the other side
                log.warning("an answer could not be sent, the %s. of this link: %s", self._unsent, error)
            if not isinstance(error, LinkGone):
                self._blame(identity, f"does not take its answers: {error}")
