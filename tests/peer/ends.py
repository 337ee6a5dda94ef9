"""How does a test drive two sessions against each other, without a socket or a clock?"""

from collections.abc import Sequence

from lnpd.crypto import secp
from lnpd.errors import LnpdError
from lnpd.peer.chains import CHAIN_HASHES
from lnpd.peer.greeting import Greeting
from lnpd.peer.outputs import Authenticated, Close, NeedEcdh, Output, Write
from lnpd.peer.session import Session, Stage
from lnpd.wire.base import Message

REGTEST = Greeting(CHAIN_HASHES["regtest"])
ALICE, BOB, CAROL = (bytes([number]) * 32 for number in (1, 2, 3))
EPHEMERALS = {ALICE: bytes([0x11]) * 32, BOB: bytes([0x22]) * 32, CAROL: bytes([0x33]) * 32}


class End:
    """A session, its node's secret, and all that it put out but bytes, in order. NeedEcdh is answered at once."""

    def __init__(self, secret: bytes, greeting: Greeting = REGTEST, to: bytes | None = None, **options: object) -> None:
        remote = None if to is None else secp.public_key(to)
        self.secret, self.node_id = secret, secp.public_key(secret)
        self.session = Session(
            greeting, self.node_id, EPHEMERALS[secret], 0.0, remote_node_id=remote, **options  # type: ignore[arg-type]
        )  # fmt: skip
        self.outputs: list[Output] = []
        self.sent = b""
        self.admitting = True

    def take(self, outputs: Sequence[Output], now: float = 0.0) -> None:
        """What a caller does with outputs."""
        for output in outputs:
            match output:
                case Write(data):
                    self.sent += data
                case NeedEcdh(point):
                    self.take(self.session.ecdh(secp.ecdh(self.secret, point), now), now)
                case Authenticated():
                    self.outputs.append(output)
                    if self.admitting:
                        self.take(self.session.admit(now), now)
                case _:
                    self.outputs.append(output)

    def say(self, *messages: Message) -> None:
        """Send messages."""
        self.sent += self.session.send(*map(self.session.encode, messages))

    def all(self, kind: type[Output]) -> list[Output]:
        """The outputs of one kind."""
        return [output for output in self.outputs if isinstance(output, kind)]


def talk(one: End, other: End, now: float = 0.0, chunk: int = 1 << 20) -> None:
    """Carry bytes both ways, `chunk` at a time, until neither end has any more to say."""
    while one.sent or other.sent:
        for source, target in ((one, other), (other, one)):
            data, source.sent = source.sent, b""
            for at in range(0, len(data), chunk):
                target.take(target.session.receive(data[at : at + chunk], now), now)


def connected(chunk: int = 1 << 20, **options: object) -> tuple[End, End]:
    """Alice, who dialled, and Bob, both open."""
    alice, bob = End(ALICE, to=BOB, **options), End(BOB, **options)
    alice.take(alice.session.start())
    talk(alice, bob, chunk=chunk)
    return alice, bob


def closed_by(end: End) -> LnpdError:
    """Why an end closed; it did so once, and last."""
    (close,) = end.all(Close)
    assert end.outputs[-1] is close and end.session.stage is Stage.CLOSED
    assert isinstance(close, Close)
    return close.error


def raw(end: End, *encoded: bytes) -> None:
    """Send bytes as messages, whatever they are."""
    end.sent += end.session.send(*encoded)
