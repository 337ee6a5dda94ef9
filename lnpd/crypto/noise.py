"""How do two nodes prove who they are and encrypt what they say? (BOLT 8)

    initiator                                       responder
    write()  -> act one, 50 bytes  ---------------> read(act, static_ecdh)
    read(act, static_ecdh)         <--------------- act two, 50 bytes <- write()
    write()  -> act three, 66 bytes --------------> read(act)
    transport()                                     transport()

The node's secret stays with its signer: each side needs one product of it, with the `ephemeral_key` of the first act
that it reads. noiseprotocol runs Noise_XK; it knows neither secp256k1, which is registered here, nor BOLT 8's
rotation of keys, so that the transport is our own. Handshake and Transport change as they are used: a nonce may never
repeat.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from hmac import digest as hmac_digest
from typing import Any, Final, NoReturn

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from noise.backends.default.backend import DefaultNoiseBackend
from noise.connection import Keypair, NoiseConnection
from noise.exceptions import NoiseHandshakeError

from lnpd.crypto import secp
from lnpd.errors import HandshakeFailed, InvalidPoint, TransportFailed

ACT_BYTES: Final = (50, 50, 66)
MAX_MESSAGE_BYTES: Final = 65535
TAG_BYTES: Final = 16
HEADER_BYTES: Final = 2 + TAG_BYTES
ROTATE_AFTER: Final = 1000

_PROTOCOL: Final = b"Noise_XK_secp256k1_ChaChaPoly_SHA256"
_PROLOGUE: Final = b"lightning"
_VERSION: Final = b"\0"
_NONCES: Final = tuple(struct.pack("<4xQ", number) for number in range(ROTATE_AFTER))


# secp256k1 for noiseprotocol

_Ecdh = Callable[[bytes], bytes]  # from a point to SHA256 of its product with a secret


@dataclass(frozen=True, repr=False)
class _KeyPair:
    """What noiseprotocol calls a key pair; the private half is what can be done with it."""

    private: _Ecdh | None
    public: bytes
    public_bytes: bytes

    @classmethod
    def from_public_bytes(cls, point: bytes) -> "_KeyPair":
        return cls(None, secp.check_point(point), point)


@dataclass(frozen=True, repr=False)
class _Dh:
    """What noiseprotocol calls a DH; the pair that it generates is the one whose secret the caller drew."""

    ephemeral_secret: bytes
    klass = _KeyPair
    dhlen = secp.POINT_BYTES

    def generate_keypair(self) -> _KeyPair:
        point = secp.public_key(self.ephemeral_secret)
        return _KeyPair(partial(secp.ecdh, self.ephemeral_secret), point, point)

    def dh(self, private: _Ecdh, point: bytes) -> bytes:
        return private(point)


def _connection(static: _KeyPair, ephemeral_secret: bytes, remote_node_id: bytes | None) -> Any:  # Any: untyped library
    backend = DefaultNoiseBackend()
    # An ephemeral pair that is set before the start makes the library warn of it; one that is generated does not.
    backend.diffie_hellmans["secp256k1"] = lambda: _Dh(ephemeral_secret)
    backend.keypairs["secp256k1"] = _KeyPair
    connection = NoiseConnection.from_name(_PROTOCOL, backend)
    connection.set_prologue(_PROLOGUE)
    connection.noise_protocol.keypairs["s"] = static
    if remote_node_id is None:
        connection.set_as_responder()
    else:
        connection.set_as_initiator()
        connection.set_keypair_from_public_bytes(Keypair.REMOTE_STATIC, remote_node_id)
    connection.start_handshake()
    return connection


# Handshake


def ephemeral_key(act: bytes) -> bytes:
    """The point in act one or two, which the node's secret is to be multiplied with; raises HandshakeFailed."""
    if len(act) != ACT_BYTES[0]:
        raise _failure(f"acts one and two have {ACT_BYTES[0]} bytes, not {len(act)}")
    if act[:1] != _VERSION:
        raise _failure(f"version {act[0]} is unknown")
    point = act[1 : 1 + secp.POINT_BYTES]
    if not secp.is_point(point):
        raise _failure("an act holds no public key")
    return point


class Handshake:
    """One side of BOLT 8's three acts, of ACT_BYTES each; every failure raises HandshakeFailed and ends it.

    `node_id` is our own public key; `ephemeral_secret` must be drawn afresh for each connection. The initiator knows
    `remote_node_id`; the responder leaves it out and learns it in act three.
    Raises InvalidSecret, InvalidPoint when built from what is no key.
    """

    def __init__(self, node_id: bytes, ephemeral_secret: bytes, remote_node_id: bytes | None = None) -> None:
        secp.check_secret(ephemeral_secret)
        static = _KeyPair(lambda _point: self._static_ecdh, secp.check_point(node_id), node_id)
        self._noise = _connection(static, ephemeral_secret, remote_node_id)
        # The library forgets both when the handshake is done, and the transport needs the chaining key.
        self._symmetric = self._noise.noise_protocol.symmetric_state
        self._state = self._noise.noise_protocol.handshake_state
        self._static_ecdh = b""
        self._acts_done = 0
        self._over = False

    @property
    def next_act_bytes(self) -> int:
        """Length of the act that comes next, to write or to read; 0 when all three are done."""
        return ACT_BYTES[self._acts_done] if self._acts_done < len(ACT_BYTES) else 0

    def write(self) -> bytes:
        """The act that is ours to send next."""
        return _VERSION + bytes(self._act(self._noise.write_message))

    def read(self, act: bytes, static_ecdh: bytes = b"") -> None:
        """Takes the act that the other side sent, exactly `next_act_bytes` long.

        With the first act that a side reads comes `static_ecdh`, 32 bytes: SHA256 of our node secret times the act's
        `ephemeral_key`.
        """
        self._require_act()
        if len(act) != self.next_act_bytes:
            self._fail(f"act {self._acts_done + 1} has {self.next_act_bytes} bytes, not {len(act)}")
        if act[:1] != _VERSION:
            self._fail(f"version {act[0]} is unknown")
        self._static_ecdh = self._static_ecdh or static_ecdh
        if len(self._static_ecdh) != secp.DIGEST_BYTES:
            self._fail(f"act {self._acts_done + 1} cannot be read without our node's key")
        self._act(self._noise.read_message, act[1:])

    def transport(self, framing: "Framing | None" = None) -> "Transport":
        """The encrypted link, once all three acts are done; asked for once, since two would repeat nonces."""
        if self._over or self._acts_done < len(ACT_BYTES):
            self._fail("there is no complete handshake to make a transport of")
        self._over = True
        noise, chaining_key = self._noise.noise_protocol, self._symmetric.ck
        return Transport(
            Direction(chaining_key, noise.cipher_state_encrypt.k),
            Direction(chaining_key, noise.cipher_state_decrypt.k),
            self._state.rs.public_bytes,
            framing,
        )

    def _act(self, step: Callable[..., bytearray], *arguments: bytes) -> bytearray:
        self._require_act()
        try:
            result = step(*arguments)
        except InvalidPoint:
            self._fail(f"act {self._acts_done + 1} holds no public key")
        except InvalidTag:
            self._fail(f"act {self._acts_done + 1} is not authentic")
        except NoiseHandshakeError:
            self._fail(f"act {self._acts_done + 1} was taken for the other side's")
        self._acts_done += 1
        return result

    def _require_act(self) -> None:
        if self._over or self._acts_done == len(ACT_BYTES):
            self._fail("it is over")

    def _fail(self, reason: str) -> NoReturn:
        self._over = True
        raise _failure(reason) from None


def _failure(reason: str) -> HandshakeFailed:
    return HandshakeFailed(f"BOLT 8 handshake: {reason}.")


# Transport


@dataclass(frozen=True)
class Framing:
    """In how many bytes a message's length is written, and how long one may be: BOLT 8's unless told otherwise."""

    length_bytes: int = HEADER_BYTES - TAG_BYTES
    max_message_bytes: int = MAX_MESSAGE_BYTES


class Direction:
    """The key of one direction of a link, changed after every 1000 uses (BOLT 8, key rotation)."""

    __slots__ = ("_aead", "_chaining_key", "_key", "_used")

    def __init__(self, chaining_key: bytes, key: bytes) -> None:
        self._chaining_key, self._key = chaining_key, key
        self._used, self._aead = 0, ChaCha20Poly1305(key)

    def seal(self, plaintext: bytes) -> bytes:
        """The ciphertext, TAG_BYTES longer."""
        nonce = self._nonce()  # first: it may change the key
        return self._aead.encrypt(nonce, plaintext, None)

    def open(self, ciphertext: bytes) -> bytes:
        """The plaintext; raises InvalidTag."""
        nonce = self._nonce()
        return self._aead.decrypt(nonce, ciphertext, None)

    def _nonce(self) -> bytes:
        if self._used == ROTATE_AFTER:
            self._chaining_key, self._key = _hkdf(self._chaining_key, self._key)
            self._used, self._aead = 0, ChaCha20Poly1305(self._key)
        used = self._used
        self._used = used + 1
        return _NONCES[used]


class Transport:
    """An encrypted link after its handshake, with `remote_node_id` at the other end; failures raise TransportFailed.

    Each message goes as the sealed length, which is 2 bytes and a tag, then the sealed message.
    """

    __slots__ = ("_body_bytes", "_buffer", "_failed", "_framing", "_receiving", "_sending", "remote_node_id")

    def __init__(
        self, sending: Direction, receiving: Direction, remote_node_id: bytes, framing: Framing | None = None
    ) -> None:
        self._framing = framing or Framing()
        self._sending, self._receiving, self.remote_node_id = sending, receiving, remote_node_id
        self._buffer = bytearray()
        self._body_bytes = 0  # of the sealed message whose length is known already, else 0
        self._failed = False

    def encrypt(self, *messages: bytes) -> bytes:
        """Several messages of 0 to 65535 bytes in one buffer, to be written at once."""
        length_bytes, longest = self._framing.length_bytes, self._framing.max_message_bytes
        for message in messages:
            if len(message) > longest:
                raise TransportFailed(f"A message has at most {longest} bytes, not {len(message)}.")
        seal = self._sending.seal
        sealed = []
        for message in messages:
            sealed.append(seal(len(message).to_bytes(length_bytes, "big")))
            sealed.append(seal(message))
        return b"".join(sealed)

    def feed(self, data: bytes) -> list[bytes]:
        """The messages that are complete with these bytes; of what remains less than one sealed message is kept."""
        if self._failed:
            raise TransportFailed("This link has failed before.")
        self._buffer += data
        if len(self._buffer) < (self._body_bytes or self._framing.length_bytes + TAG_BYTES):
            return []
        try:
            return self._take_messages()
        except InvalidTag:
            self._failed = True
            self._buffer.clear()
            raise TransportFailed("Bytes on the link are not authentic.") from None

    def _take_messages(self) -> list[bytes]:
        messages = []
        buffer, unseal, body = bytes(self._buffer), self._receiving.open, self._body_bytes
        taken, end, header = 0, len(self._buffer), self._framing.length_bytes + TAG_BYTES
        while True:
            if not body:
                if end - taken < header:
                    break
                length = int.from_bytes(unseal(buffer[taken : taken + header]), "big")
                if length > self._framing.max_message_bytes:
                    self._failed = True
                    raise TransportFailed(f"A message of {length} bytes is longer than this link carries.")
                body, taken = length + TAG_BYTES, taken + header
            if end - taken < body:
                break
            messages.append(unseal(buffer[taken : taken + body]))
            body, taken = 0, taken + body
        self._body_bytes = body
        del self._buffer[:taken]
        return messages


def _hkdf(salt: bytes, key: bytes) -> tuple[bytes, bytes]:
    """HKDF-SHA256 (RFC 5869) with no info, 64 bytes in two halves."""
    extracted = hmac_digest(salt, key, "sha256")
    first = hmac_digest(extracted, b"\x01", "sha256")
    return first, hmac_digest(extracted, first + b"\x02", "sha256")
