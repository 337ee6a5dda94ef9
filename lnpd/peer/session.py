"""What may each end of a connection say, and when? (BOLT 8 handshake; BOLT 1 init, ping and pong, unknown messages)

    initiator                              responder
    act one    --------------------------> NeedEcdh
    NeedEcdh   <-------------------------- act two
    act three  -------------------------->
    Authenticated                          Authenticated      each end now admits the other, or closes
    init       --------------------------> Initialised
    Initialised <------------------------- init
    messages   <-------------------------> Deliver            pings are answered in here

Bytes and the time come in, outputs come out; there is no socket and no clock. While the caller finds an answer, to
NeedEcdh or Authenticated, what else arrives waits.
"""

from collections.abc import Callable
from enum import Enum
from typing import Final

from lnpd.crypto.noise import ACT_BYTES, Framing, Handshake, Transport, ephemeral_key
from lnpd.errors import (
    ConnectionLost,
    HandshakeFailed,
    HandshakeLate,
    InitLate,
    InitMissing,
    InitRepeated,
    LnpdError,
    PeerNotConnected,
    PeerRefused,
    PeerSilent,
    WrongNodeId,
)
from lnpd.errors.words import one_line
from lnpd.peer.farewell import farewell
from lnpd.peer.greeting import Agreement, Greeting, Records
from lnpd.peer.liveness import KEEPALIVE_PONG_BYTES, Liveness, Timeouts
from lnpd.peer.outputs import Authenticated, Close, Deliver, Initialised, NeedEcdh, Output, Ponged, Write
from lnpd.wire.base import Message, Unknown
from lnpd.wire.message import CODEC, Codec
from lnpd.wire.messages import Error, Init, Ping, Pong, Warning


class Stage(Enum):
    """How far a session is."""

    ACTS = "handshake"
    ECDH = "waits for our node's key"
    ADMISSION = "waits to be admitted"
    INIT = "init"
    OPEN = "open"
    CLOSED = "closed"


USUAL_TIMEOUTS: Final = Timeouts()
BOLT8_FRAMING: Final = Framing()
_HANDSHAKE: Final = (Stage.ACTS, Stage.ECDH)
_WAITING: Final = (Stage.ECDH, Stage.ADMISSION)


class Session:
    """One connection, seen from one end; it changes as it is used. Nothing that a peer sends raises anything.

    `ephemeral_secret` is drawn afresh for each connection. Without `remote_node_id` we are the responder.
    `remote_addr` is the peer's address for our `init`. `codec` may be exchanged when plugins add messages.
    """

    def __init__(
        self,
        greeting: Greeting,
        node_id: bytes,
        ephemeral_secret: bytes,
        now: float,
        *,
        remote_node_id: bytes | None = None,
        remote_addr: bytes = b"",
        codec: Codec = CODEC,
        timeouts: Timeouts = USUAL_TIMEOUTS,
        framing: Framing = BOLT8_FRAMING,
    ) -> None:
        self.codec = codec
        self.stage = Stage.ACTS
        self.remote_node_id = remote_node_id
        self._greeting, self._remote_addr, self._timeouts, self._framing = greeting, remote_addr, timeouts, framing
        self._initiator = remote_node_id is not None
        self._handshake: Handshake | None = Handshake(node_id, ephemeral_secret, remote_node_id)
        self._transport: Transport | None = None
        self._agreement: Agreement | None = None
        self._liveness = Liveness(timeouts, now)
        self._late_at = now + timeouts.handshake_seconds
        self._heard_init = False
        self._held = bytearray()
        self._outputs: list[Output] = []

    # --- what comes in

    def start(self) -> list[Output]:
        """The initiator's first act; nothing for a responder."""
        return self._run(self._start)

    def receive(self, data: bytes, now: float) -> list[Output]:
        """Bytes of the other end."""
        return self._run(self._receive, data, now)

    def ecdh(self, shared: bytes, now: float) -> list[Output]:
        """The answer to NeedEcdh, 32 bytes."""
        return self._run(self._take_ecdh, shared, now)

    def admit(self, now: float, records: Records = ()) -> list[Output]:
        """The peer is welcome: the answer to Authenticated. `records` go into our `init`."""
        return self._run(self._admit, now, records)

    def tick(self, now: float) -> list[Output]:
        """Time passed: to be called when `due_at` has come; earlier is harmless."""
        return self._run(self._tick, now)

    def resumed(self, now: float) -> None:
        """The caller did not read for a while: that silence was not the peer's."""
        self._liveness.heard(now)

    def due_at(self) -> float:
        """When `tick` is to be called next."""
        return self._liveness.due_at() if self.stage is Stage.OPEN else self._late_at

    # --- what goes out

    def encode(self, message: Message) -> bytes:
        """The bytes of a message for `send`. Raises Unencodable."""
        return self.codec.encode(message)

    def send(self, *encoded: bytes) -> bytes:
        """Messages, sealed together. Raises PeerNotConnected unless the session is open."""
        if self._transport is None or self.stage is not Stage.OPEN:
            raise PeerNotConnected(f"The connection is not open: {self.stage.value}.")
        return self._transport.encrypt(*encoded)

    def ping(self, now: float, num_pong_bytes: int = KEEPALIVE_PONG_BYTES) -> bytes:
        """A ping, sealed; Ponged will tell. Raises PingRefused, PeerNotConnected."""
        self.send()
        return self.send(self.encode(self._liveness.ping(now, num_pong_bytes)))

    def close(self, error: LnpdError, message: Message | None = None) -> list[Output]:
        """End the session; `message` is the last one, or what the error itself has to tell the peer.

        BOLT 1 has nothing sent before the peer's `init`: then nothing is.
        """
        if self.stage is Stage.CLOSED:
            return []
        outputs: list[Output] = []
        last = message or farewell(error)
        if self._transport is not None and self._heard_init and last is not None:
            outputs.append(Write(self._transport.encrypt(self.codec.encode(last))))
        self.stage = Stage.CLOSED
        self._held.clear()
        return [*outputs, Close(error)]

    def lost(self) -> LnpdError:
        """What it means that the other end hung up now."""
        if self.stage in _HANDSHAKE and self._initiator:
            assert self.remote_node_id is not None
            return WrongNodeId(f"It hung up in the handshake: most likely it is not {self.remote_node_id.hex()}.")
        if self.stage in _HANDSHAKE:
            return ConnectionLost("The other end hung up in the handshake.")
        if self.stage is not Stage.OPEN:
            return PeerRefused("The peer hung up before it sent init: it does not want this connection.")
        return ConnectionLost("The connection was lost.")

    # --- how

    def _run(self, work: Callable[..., None], *arguments: object) -> list[Output]:
        """All outputs of some work; an error, whoever broke a rule, ends the session after them."""
        if self.stage is Stage.CLOSED:
            return []
        self._outputs = outputs = []
        try:
            work(*arguments)
        except LnpdError as error:
            outputs += self.close(error)
        return outputs

    def _start(self) -> None:
        assert self._handshake is not None
        if self._initiator:
            self._outputs.append(Write(self._handshake.write()))

    def _receive(self, data: bytes, now: float) -> None:
        self._liveness.heard(now)
        if self.stage is Stage.OPEN and self._transport is not None:
            for message in self._transport.feed(data):
                self._take_message(self.codec.decode(message), now)
            return
        self._held += data
        if self.stage in _WAITING and len(self._held) > self._framing.max_message_bytes + 2 * ACT_BYTES[0]:
            raise HandshakeFailed("More was sent than may be before an answer.")
        self._advance(now)

    def _advance(self, now: float) -> None:
        """Read what is held, as far as it goes without an answer of the caller."""
        while self.stage is Stage.ACTS and self._handshake is not None:
            if len(self._held) < self._handshake.next_act_bytes:
                return
            self._read_act(bytes(self._held[: self._handshake.next_act_bytes]))
        if self.stage is Stage.INIT and self._transport is not None:
            data = bytes(self._held)
            self._held.clear()
            for message in self._transport.feed(data):  # the stage changes with `init`
                _TAKES[self.stage](self, self.codec.decode(message), now)

    def _read_act(self, act: bytes) -> None:
        """Act three is read at once; the one before is kept until our node's key was multiplied with its point."""
        assert self._handshake is not None
        if len(act) < ACT_BYTES[2]:
            self.stage = Stage.ECDH
            self._outputs.append(NeedEcdh(ephemeral_key(act)))
            return
        del self._held[: len(act)]
        self._handshake.read(act)
        self._authenticate()

    def _take_ecdh(self, shared: bytes, now: float) -> None:
        assert self.stage is Stage.ECDH and self._handshake is not None, "nobody asked for this"
        act = bytes(self._held[: self._handshake.next_act_bytes])
        del self._held[: len(act)]
        self._handshake.read(act, shared)
        self._outputs.append(Write(self._handshake.write()))
        self.stage = Stage.ACTS
        if self._initiator:
            self._authenticate()
        self._advance(now)

    def _authenticate(self) -> None:
        assert self._handshake is not None
        self._transport, self._handshake = self._handshake.transport(self._framing), None
        self.remote_node_id = self._transport.remote_node_id
        self.stage = Stage.ADMISSION
        self._outputs.append(Authenticated(self.remote_node_id))

    def _admit(self, now: float, records: Records) -> None:
        assert self.stage is Stage.ADMISSION and self._transport is not None, "nobody asked for this"
        self.stage = Stage.INIT
        self._late_at = now + self._timeouts.init_seconds
        init = self._greeting.init(b"" if self._initiator else self._remote_addr, records)
        self._outputs.append(Write(self._transport.encrypt(self.codec.encode(init))))
        self._advance(now)

    def _take_init(self, message: Message | Unknown, now: float) -> None:
        """The first message: `init`, or a word why there will be none. Unknown odd ones are ignored as always."""
        match message:
            case Init():
                self._heard_init = True
                self._agreement = self._greeting.agree(message)
                self.stage = Stage.OPEN
                self._liveness.heard(now)
                self._outputs.append(Initialised(self._agreement))
            case Error() | Warning():
                raise PeerRefused(f"The peer does not want this connection: {one_line(message.data)}")
            case Message():
                raise InitMissing(f"The first message was {message.NAME}, not init.")

    def _take_message(self, message: Message | Unknown, now: float) -> None:
        match message:
            case Ping():
                if pong := self._liveness.pong(message, now):
                    self._outputs.append(Write(self.send(self.encode(pong))))
            case Pong():
                seconds = self._liveness.ponged(message, now)
                self._outputs.append(Ponged(len(message.ignored), seconds))
            case Init():
                raise InitRepeated("init was sent twice.")
            case Message():
                assert self._agreement is not None
                if self._greeting.admits(message, self._agreement):
                    self._outputs.append(Deliver(message))

    def _tick(self, now: float) -> None:
        if now < self.due_at():
            return
        if self.stage is not Stage.OPEN:
            kind, what, seconds = (
                (InitLate, "The peer's init", self._timeouts.init_seconds)
                if self.stage is Stage.INIT
                else (HandshakeLate, "The handshake", self._timeouts.handshake_seconds)
            )
            raise kind(f"{what} was not there within {seconds:g} s.")
        if self._liveness.awaiting_pong:
            raise PeerSilent(f"The peer did not answer a ping within {self._timeouts.pong_seconds:g} s.")
        self._outputs.append(Write(self.ping(now)))


_TAKES: Final = {Stage.INIT: Session._take_init, Stage.OPEN: Session._take_message}
