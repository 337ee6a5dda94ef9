"""What does a session want done by whoever owns the socket? In this order, and nothing after Close."""

import msgspec

from lnpd.errors import LnpdError
from lnpd.peer.greeting import Agreement
from lnpd.wire.base import Message


class Output(msgspec.Struct, frozen=True):
    """Root of what a session puts out."""


class Write(Output, frozen=True):
    """Bytes for the other end."""

    data: bytes


class NeedEcdh(Output, frozen=True):
    """The handshake waits for SHA256 of our node's secret times this point: answer with `Session.ecdh`."""

    point: bytes


class Authenticated(Output, frozen=True):
    """The other end proved to be this node; nothing was said yet. Answer with `Session.admit` or `Session.close`."""

    node_id: bytes


class Initialised(Output, frozen=True):
    """`init` went both ways: the link carries messages from now on."""

    agreement: Agreement


class Deliver(Output, frozen=True):
    """A message for the channels, or for whoever else it concerns; `error` and `warning` are among them."""

    message: Message


class Ponged(Output, frozen=True):
    """A ping of ours was answered after so many seconds."""

    num_pong_bytes: int
    seconds: float


class Close(Output, frozen=True):
    """Close the connection, once what was to be written is; the session takes and gives nothing any more."""

    error: LnpdError
