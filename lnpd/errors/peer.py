"""Which rule of a connection was broken?"""

from lnpd.errors.base import LnpdError, ProtocolWarning
from lnpd.errors.rpc import CommandRefused


class PeerError(ProtocolWarning):
    """A peer broke a rule of the connection: it ends, and the channels wait for the next one."""


class InitMissing(PeerError):
    """The first message was not `init` (BOLT 1)."""


class InitRepeated(PeerError):
    """A second `init` came on one connection (BOLT 1)."""


class NoCommonChain(PeerError):
    """The peer is on other blockchains only (BOLT 1, init, `networks`)."""


class FeatureNotNegotiated(PeerError):
    """An even message belongs to a feature that was not negotiated on this connection (BOLT 1, BOLT 9)."""


class UnexpectedPong(PeerError):
    """A pong answers no ping of ours (BOLT 1)."""


class PingFlood(PeerError):
    """A peer asks for more pong bytes than keeping a link alive needs (BOLT 1)."""


class ConnectionOver(LnpdError):
    """A connection to a peer ended, or did not come about, and nobody broke a rule of the protocol."""


class HandshakeLate(ConnectionOver):
    """The handshake was not done in time."""


class InitLate(ConnectionOver):
    """The peer's `init` did not come in time."""


class PeerSilent(ConnectionOver):
    """Nothing was heard of a peer, not even the answer to a ping."""


class PeerRefused(ConnectionOver):
    """The peer does not want this connection: it said so, or hung up, before its `init`."""


class ConnectionLost(ConnectionOver):
    """The other end closed the connection, or the network between did."""


class ConnectionReplaced(ConnectionOver):
    """A newer connection to the same peer took this one's place."""


class ConnectionClosed(ConnectionOver):
    """We closed the connection; the text says why."""


class PeerTurnedAway(ConnectionOver):
    """We do not take this connection: too many, or a plugin refused it."""


class PeerNotReading(ConnectionOver):
    """A peer does not take what is sent to it."""


class PeerAddressUnknown(CommandRefused):
    """A node is to be connected to, and nobody said where it is."""


class PeerAddressMalformed(CommandRefused):
    """A text is no `node_id@host:port`, or no `host:port`."""


class PingRefused(CommandRefused):
    """A ping to be sent asks for more bytes than a pong has, or too many are under way."""
