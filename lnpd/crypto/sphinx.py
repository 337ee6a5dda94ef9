"""How does an onion show each hop its own payload only, and bring a failure back unread? (BOLT 4)

    version, 1 byte | ephemeral key, 33 | payloads, 1300 | hmac, 32

A hop's part of the payloads is bigsize length, payload, and the hmac of the onion that it passes on: all zero for the
last hop. Onion messages use the same packet with payloads of 1300 or 32768 bytes. Whoever holds the node's secret
elsewhere asks there for the product with `ephemeral_key` and goes on with `peel_shared`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from hmac import compare_digest
from hmac import digest as hmac_digest
from typing import Final

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import ChaCha20

from lnpd.crypto import secp
from lnpd.errors import (
    FailureTooLong,
    FailureUnreadable,
    InvalidOnionHmac,
    InvalidOnionKey,
    InvalidOnionLength,
    InvalidOnionPayload,
    InvalidOnionVersion,
    OnionPayloadTooShort,
    OnionTooLong,
    OnionWithoutHops,
)

PAYLOADS_BYTES: Final = 1300
MESSAGE_PAYLOADS_BYTES: Final = 32768
HMAC_BYTES: Final = 32
ONION_BYTES: Final = 1 + secp.POINT_BYTES + PAYLOADS_BYTES + HMAC_BYTES
UNWRAP_ROUNDS: Final = 27
FAILURE_FILL_BYTES: Final = 256
# What fits update_fail_htlc (BOLT 2): type, channel id, htlc id and the length of the reason take the rest.
MAX_ERROR_PACKET_BYTES: Final = 65535 - (2 + 32 + 8 + 2)

_VERSION: Final = b"\0"
_HEADER_BYTES: Final = 1 + secp.POINT_BYTES
_OVERHEAD_BYTES: Final = _HEADER_BYTES + HMAC_BYTES
_LAST: Final = bytes(HMAC_BYTES)
_MIN_PAYLOAD_BYTES: Final = 2  # lengths 0 and 1 are reserved
_ZERO_NONCE: Final = bytes(16)
_NO_SECRET: Final = bytes(32)  # its keys keep the work of unwrapping the same for every route


# Building


@dataclass(frozen=True, slots=True, repr=False)
class Onion:
    """A packet to send, and what reads the failure that may come back: a shared secret per hop, in order."""

    packet: bytes
    shared_secrets: tuple[bytes, ...]

    def __repr__(self) -> str:
        return f"Onion({len(self.packet)} bytes, {len(self.shared_secrets)} hops)"


def build(
    session_key: bytes,
    hops: Sequence[tuple[bytes, bytes]],
    associated_data: bytes,
    payloads_bytes: int = PAYLOADS_BYTES,
) -> Onion:
    """The onion for hops of (node id, payload without its length), first hop first.

    session_key: 32 bytes, drawn afresh for each onion. associated_data: the payment hash. Raises OnionWithoutHops,
    OnionPayloadTooShort, OnionTooLong, InvalidSecret, InvalidPoint.
    """
    frames = _frames([payload for _, payload in hops], payloads_bytes)
    secrets = shared_secrets(session_key, [node_id for node_id, _ in hops])
    # The stream reaches over the end by the hop's own length: that part becomes the filler of the next hop.
    streams = [
        _stream(_key(b"rho", secret), payloads_bytes + len(frame) + HMAC_BYTES)
        for secret, frame in zip(secrets, frames, strict=True)
    ]
    filler = _filler(frames, streams, payloads_bytes)
    payloads, hmac = _stream(_key(b"pad", session_key), payloads_bytes), _LAST
    for hop in reversed(range(len(hops))):
        payloads = _xor((frames[hop] + hmac + payloads)[:payloads_bytes], streams[hop][:payloads_bytes])
        if hop == len(hops) - 1:
            payloads = payloads[: payloads_bytes - len(filler)] + filler
        hmac = hmac_digest(_key(b"mu", secrets[hop]), payloads + associated_data, "sha256")
    return Onion(_VERSION + secp.public_key(session_key) + payloads + hmac, secrets)


def shared_secrets(session_key: bytes, node_ids: Sequence[bytes]) -> tuple[bytes, ...]:
    """What the sender shares with each hop, 32 bytes each; raises InvalidSecret, InvalidPoint."""
    secrets: list[bytes] = []
    ephemeral = session_key
    for hop, node_id in enumerate(node_ids):
        if hop:
            blinding = sha256(secp.public_key(ephemeral) + secrets[-1]).digest()
            ephemeral = secp.tweak_mul_secret(ephemeral, blinding)
        secrets.append(secp.ecdh(ephemeral, node_id))
    return tuple(secrets)


def _frames(payloads: Sequence[bytes], payloads_bytes: int) -> list[bytes]:
    if not payloads:
        raise OnionWithoutHops("An onion needs a hop.")
    for payload in payloads:
        if len(payload) < _MIN_PAYLOAD_BYTES:
            raise OnionPayloadTooShort(f"A payload has at least {_MIN_PAYLOAD_BYTES} bytes, not {len(payload)}.")
    needed = sum(len(payload) + HMAC_BYTES + (1 if len(payload) < 0xFD else 3) for payload in payloads)
    if needed > payloads_bytes:
        raise OnionTooLong(f"These payloads need {needed} bytes of an onion's {payloads_bytes}.")
    return [_length(len(payload)) + payload for payload in payloads]


def _length(length: int) -> bytes:
    return length.to_bytes(1, "big") if length < 0xFD else b"\xfd" + length.to_bytes(2, "big")


def _filler(frames: list[bytes], streams: list[bytes], payloads_bytes: int) -> bytes:
    """What the last hop finds behind its own part, once each hop before it has shifted and obfuscated zeros in."""
    filler = b""
    for frame, stream in zip(frames[:-1], streams[:-1], strict=True):
        size = len(frame) + HMAC_BYTES
        filler = _xor(filler + bytes(size), stream[payloads_bytes - len(filler) :])
    return filler


# Peeling


@dataclass(frozen=True, slots=True, repr=False)
class Peeled:
    """One hop's part: its payload without the length, and the onion for the next hop, None at the last."""

    payload: bytes
    next_onion: bytes | None
    shared_secret: bytes

    def __repr__(self) -> str:
        return f"Peeled({len(self.payload)} bytes, {'last' if self.next_onion is None else 'not last'})"


def peel(secret: bytes, onion: bytes, associated_data: bytes) -> Peeled:
    """What an onion holds for the node of this secret.

    Raises InvalidOnionVersion, InvalidOnionKey, InvalidOnionHmac: the answer is update_fail_malformed_htlc, with the
    error's `failure_code` and `sha256_of_onion`. Raises InvalidOnionPayload: the answer is an encrypted failure.
    InvalidOnionLength, InvalidSecret.
    """
    return peel_shared(secp.ecdh(secret, ephemeral_key(onion)), onion, associated_data)


def ephemeral_key(onion: bytes) -> bytes:
    """The point that a node multiplies with its secret; raises InvalidOnionLength, -Version and -Key."""
    if not _OVERHEAD_BYTES < len(onion) <= _OVERHEAD_BYTES + MESSAGE_PAYLOADS_BYTES:
        raise InvalidOnionLength(f"No onion has {len(onion)} bytes.")
    if onion[:1] != _VERSION:
        raise InvalidOnionVersion(f"The onion's version is {onion[0]}.", sha256(onion).digest())
    point = onion[1:_HEADER_BYTES]
    if not secp.is_point(point):
        raise InvalidOnionKey("The onion's ephemeral key is no point.", sha256(onion).digest())
    return point


def peel_shared(shared_secret: bytes, onion: bytes, associated_data: bytes) -> Peeled:
    """`peel`, given SHA256 of the node's secret times the onion's `ephemeral_key`; raises the same."""
    point, payloads, hmac = ephemeral_key(onion), onion[_HEADER_BYTES:-HMAC_BYTES], onion[-HMAC_BYTES:]
    expected = hmac_digest(_key(b"mu", shared_secret), payloads + associated_data, "sha256")
    if not compare_digest(expected, hmac):
        raise InvalidOnionHmac("The onion was altered, or is not for us.", sha256(onion).digest())
    clear = _cipher(_key(b"rho", shared_secret), payloads + bytes(len(payloads)))
    start, end = _frame(clear, len(payloads))
    next_hmac, taken = clear[end : end + HMAC_BYTES], end + HMAC_BYTES
    if next_hmac == _LAST:
        return Peeled(clear[start:end], None, shared_secret)
    next_point = secp.tweak_mul_point(point, sha256(point + shared_secret).digest())
    next_onion = _VERSION + next_point + clear[taken : taken + len(payloads)] + next_hmac
    return Peeled(clear[start:end], next_onion, shared_secret)


def _frame(clear: bytes, payloads_bytes: int) -> tuple[int, int]:
    """Where a payload starts and ends. Longer forms of a bigsize cannot be minimal in fewer than 2^16 bytes."""
    start, length = 1, clear[0]
    if length == 0xFD:
        start, length = 3, int.from_bytes(clear[1:3], "big")
        if length < 0xFD:
            raise InvalidOnionPayload("The length of a payload is not minimal.")
    elif length > 0xFD:
        raise InvalidOnionPayload("The length of a payload does not fit the onion.")
    if length < _MIN_PAYLOAD_BYTES:
        raise InvalidOnionPayload(f"A payload of {length} bytes is reserved.")
    if start + length + HMAC_BYTES > payloads_bytes:
        raise InvalidOnionPayload("A payload reaches over the end of the onion.")
    return start, start + length


# Failures on the way back:  hmac, 32 bytes | u16 length | failure message | u16 length | pad


def build_error(shared_secret: bytes, failure_message: bytes, fill_bytes: int = FAILURE_FILL_BYTES) -> bytes:
    """The return packet of the node that fails, obfuscated by it: `reason` of update_fail_htlc; raises FailureTooLong.

    Message and pad together take `fill_bytes`, more if the message does. BOLT 4: older nodes read 256 only.
    """
    fill = bytes(max(0, fill_bytes - len(failure_message)))
    if len(failure_message) + len(fill) + HMAC_BYTES + 4 > MAX_ERROR_PACKET_BYTES:
        raise FailureTooLong(f"A failure of {len(failure_message)} bytes fits no message.")
    clear = len(failure_message).to_bytes(2, "big") + failure_message + len(fill).to_bytes(2, "big") + fill
    return wrap_error(shared_secret, hmac_digest(_key(b"um", shared_secret), clear, "sha256") + clear)


def wrap_error(shared_secret: bytes, packet: bytes) -> bytes:
    """The return packet as a hop passes it on, whatever it holds; raises FailureTooLong."""
    if len(packet) > MAX_ERROR_PACKET_BYTES:
        raise FailureTooLong(f"A return packet of {len(packet)} bytes fits no message.")
    return _cipher(_key(b"ammag", shared_secret), packet)


def unwrap_error(shared_secrets: Sequence[bytes], packet: bytes) -> tuple[int, bytes]:
    """Which hop failed, counted from 0, and its failure message, for the sender of the onion.

    Takes as many rounds for a failure nearby as for one far away (BOLT 4, Origin node). Raises FailureUnreadable:
    no hop is its author, or (`hop` is set) that hop wrote nonsense; FailureTooLong.
    """
    found: tuple[int, bytes] | None = None
    for hop in range(max(UNWRAP_ROUNDS, len(shared_secrets))):
        secret = shared_secrets[hop] if hop < len(shared_secrets) else _NO_SECRET
        packet = wrap_error(secret, packet)
        hmac = hmac_digest(_key(b"um", secret), packet[HMAC_BYTES:], "sha256")
        matches = compare_digest(hmac, packet[:HMAC_BYTES])
        if matches and found is None and hop < len(shared_secrets):
            found = hop, packet[HMAC_BYTES:]
    if found is None:
        raise FailureUnreadable("No hop of the route is the author of this failure.")
    hop, clear = found
    length = int.from_bytes(clear[:2], "big")
    if len(clear) < 2 + length + 2:
        raise FailureUnreadable(f"Hop {hop} reports a failure that is cut off.", hop)
    return hop, clear[2 : 2 + length]


# Keys and streams


def _key(kind: bytes, secret: bytes) -> bytes:
    return hmac_digest(kind, secret, "sha256")


def _cipher(key: bytes, data: bytes) -> bytes:
    return Cipher(ChaCha20(key, _ZERO_NONCE), None).encryptor().update(data)


def _stream(key: bytes, length: int) -> bytes:
    return _cipher(key, bytes(length))


def _xor(one: bytes, other: bytes) -> bytes:
    return (int.from_bytes(one, "big") ^ int.from_bytes(other, "big")).to_bytes(len(one), "big")
