"""Who may connect over tcp, and how is what they say kept from others? CURVE, and a doorkeeper that knows the keys.

The doorkeeper is what ZeroMQ calls a ZAP handler (RFC 27): it is asked for each connection, with the key that its
other side has proved to own, and lets in exactly those that it was told, each under its owner's name. ZeroMQ notes that
name on every frame of the connection; the identity that the other side gives itself means nothing. A socket with a door
has a ZeroMQ context of its own, for there is one doorkeeper in each.

A connection comes by a way of its own: an endpoint that is bound for it alone, in a ZAP domain that nothing else ever
has. So the doorkeeper can say whose each connection is, and what still waits of one that was ended is not read.
"""

import asyncio
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

import zmq
from zmq.utils import z85

from lnpd.errors import EndpointRefused, KeyFileRefused

log = logging.getLogger(__name__)

ZAP: Final = "inproc://zeromq.zap.01"
KEY_BYTES: Final = 32
SEPARATOR: Final = b"\0"  # between whose a connection is and what ZeroMQ calls it
OF_NAME: Final = b" "  # between its owner and its way, neither of which has one
HEARTBEAT_MS: Final = 5_000
SILENCE_MS: Final = 15_000
HANDSHAKE_MS: Final = 10_000


class KeyPair(NamedTuple):
    """A CURVE key pair, 32 bytes each."""

    public: bytes
    secret: bytes


def kept_keys(path: Path) -> KeyPair:
    """The key pair whose secret half a file keeps, for its user alone; made at the first time. EndpointRefused if the
    file holds something else."""
    if not path.exists():
        secret = z85.decode(zmq.curve_keypair()[1])
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secret.hex() + "\n")
    try:
        secret = bytes.fromhex(path.read_text().strip())
    except ValueError:
        secret = b""
    if len(secret) != KEY_BYTES:
        raise EndpointRefused(f"{path} does not hold a key of {KEY_BYTES} bytes in hex")
    return KeyPair(z85.decode(zmq.curve_public(z85.encode(secret))), secret)


def private_keys(path: Path) -> KeyPair:
    """The key pair of a file that is there, and that its user alone may read. KeyFileRefused."""
    try:
        mode = path.stat().st_mode
        if mode & 0o077:
            raise KeyFileRefused(f"Others than its user may read {path}: make it private (chmod 600).")
        return kept_keys(path)
    except OSError as error:
        raise KeyFileRefused(f"{path} cannot be read: {error.strerror}.") from None
    except EndpointRefused as error:
        raise KeyFileRefused(f"{error}.") from None


def new_or_private_keys(path: Path) -> KeyPair:
    """The same; made if there is no file yet. KeyFileRefused."""
    try:
        if not path.exists():
            return kept_keys(path)
    except OSError as error:
        raise KeyFileRefused(f"{path} cannot be written: {error.strerror}.") from None
    return private_keys(path)


class Door:
    """The doorkeeper of one listening socket. `known` are the keys by their owners' names; `proved(way, owner)` is told
    of each connection that is let in, before it is. `kind` is what the owners are."""

    def __init__(
        self,
        keys: KeyPair,
        known: dict[str, bytes],
        proved: Callable[[str, str], None],
        kind: str = "remote plugin",
    ) -> None:
        self._kind = kind
        self._keys, self._names, self._proved = keys, {key: name for name, key in known.items()}, proved
        self._ways: set[str] = set()
        self._heard: set[str] = set()  # of these
        self.refused = 0
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._socket = self.context.socket(zmq.REP)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.bind(ZAP)
        self._loop = asyncio.get_running_loop()
        self._fd = int(self._socket.getsockopt(zmq.FD))
        self._loop.add_reader(self._fd, self._drain)
        self._loop.call_soon(self._drain)

    def guard(self, socket: "zmq.Socket[bytes]") -> None:
        """Lets nobody in at this socket, before it is bound, whom the doorkeeper does not know."""
        for option, value in (
            (zmq.CURVE_SERVER, 1),
            (zmq.CURVE_SECRETKEY, z85.encode(self._keys.secret)),
            (zmq.HANDSHAKE_IVL, HANDSHAKE_MS),
            (zmq.HEARTBEAT_IVL, HEARTBEAT_MS),
            (zmq.HEARTBEAT_TIMEOUT, SILENCE_MS),
        ):
            socket.setsockopt(option, value)

    def open_way(self, socket: "zmq.Socket[bytes]", way: str) -> None:
        """Who comes by the endpoint that this socket is bound to next comes by this way."""
        socket.setsockopt(zmq.ZAP_DOMAIN, way.encode())
        self._ways.add(way)
        self._heard.add(way)

    def dismiss(self, identity: bytes) -> None:
        """What a connection sent, and nobody has read, is dropped; it may still be answered."""
        self._heard.discard(way_of(identity))

    def close_way(self, way: str) -> bool:
        """Who came by it is neither let in nor heard nor answered any more. Whether it was open."""
        was_open = way in self._ways
        self._ways.discard(way)
        self._heard.discard(way)
        return was_open

    def hears(self, identity: bytes) -> bool:
        """Whether what a connection sends is read."""
        return way_of(identity) in self._heard

    def answers(self, identity: bytes) -> bool:
        """Whether a connection is there."""
        return way_of(identity) in self._ways

    def close(self) -> None:
        """Lets nobody in any more. To be called when its socket is closed."""
        if not self._socket.closed:
            self._loop.remove_reader(self._fd)
            self._socket.close(0)
            self.context.destroy(linger=0)

    def _drain(self) -> None:
        while not self._socket.closed:
            try:
                request = self._socket.recv_multipart(zmq.NOBLOCK)
            except zmq.ZMQError:
                return
            self._socket.send_multipart(self._decided(request))

    def _decided(self, request: list[bytes]) -> list[bytes]:
        rows = [*request, *[b""] * (6 - len(request))]
        version, number, domain, _address, _identity, mechanism, *credentials = rows
        name = self._names.get(credentials[0]) if mechanism == b"CURVE" and len(credentials) == 1 else None
        if (way := domain.decode()) not in self._ways:
            return [version, number, b"400", b"ended", b"", b""]
        if name is not None:
            self._proved(way, name)
            return [version, number, b"200", b"OK", name.encode() + OF_NAME + domain, b""]
        self.refused += 1
        if self.refused & (self.refused - 1) == 0:  # at 1, 2, 4, 8, ...: how often is up to the other side
            log.warning(
                "a %s is refused, the %s. time: nobody's key is %s",
                self._kind,
                self.refused,
                credentials[0][:KEY_BYTES].hex() if credentials else "",
            )
        return [version, number, b"400", b"unknown key", b"", b""]

    @staticmethod
    def owner(frame: zmq.Frame) -> bytes:
        """Whom the doorkeeper let in, and by which way, as the beginning of an identity."""
        return str(frame.get("User-Id")).encode() + SEPARATOR

    @classmethod
    def way(cls, frame: zmq.Frame) -> str:
        """By which way it came; empty if ZeroMQ does not say."""
        return way_of(cls.owner(frame)) if frame.get("User-Id") else ""

    @staticmethod
    def without_owner(identity: bytes) -> bytes:
        """The identity as ZeroMQ knows it."""
        return identity.partition(SEPARATOR)[2]


def owner_of(identity: bytes) -> str:
    """Whom an identity of a guarded link belongs to."""
    return identity.partition(SEPARATOR)[0].partition(OF_NAME)[0].decode()


def way_of(identity: bytes) -> str:
    """By which way its connection came."""
    return identity.partition(SEPARATOR)[0].partition(OF_NAME)[2].decode()
