"""What can be computed on secp256k1, with bytes in and bytes out?

Shapes: a secret, a tweak and a digest are 32 bytes; a point is 33 bytes (compressed); a signature is 64 bytes
(r then s, as BOLT 1 puts it on the wire). DER is spoken at the edge to the chain only. The C library aborts the
process on an argument that it calls illegal and reads past the end of short ones: every length is checked first.
"""

from functools import lru_cache
from typing import Any, Final

# coincurve's typed classes parse and copy at each call and speak DER; the calls below them have no types, so that
# `Any` stands for C data in this file.
from coincurve._libsecp256k1 import ffi as _ffi
from coincurve._libsecp256k1 import lib as _lib
from coincurve.context import GLOBAL_CONTEXT

from lnpd.errors import (
    InvalidDigest,
    InvalidPoint,
    InvalidSecret,
    InvalidSignature,
    InvalidTweak,
    UnrecoverableSignature,
)

SECRET_BYTES: Final = 32
POINT_BYTES: Final = 33
DIGEST_BYTES: Final = 32
SIGNATURE_BYTES: Final = 64
ORDER: Final = 0xFFFFFFFF_FFFFFFFF_FFFFFFFF_FFFFFFFE_BAAEDCE6_AF48A03B_BFD25E8C_D0364141

_PARSED_POINTS: Final = 4096
_MAX_DER_BYTES: Final = 72
_MAX_POINTS_ADDED: Final = 1000

_context: Final[Any] = GLOBAL_CONTEXT.ctx
_new: Final[Any] = _ffi.new
_buffer: Final[Any] = _ffi.buffer
_NULL: Final[Any] = _ffi.NULL
_COMPRESSED: Final[int] = _lib.SECP256K1_EC_COMPRESSED
_POINT: Final[Any] = _ffi.typeof("secp256k1_pubkey *")
_SIGNATURE: Final[Any] = _ffi.typeof("secp256k1_ecdsa_signature *")
_RECOVERABLE: Final[Any] = _ffi.typeof("secp256k1_ecdsa_recoverable_signature *")
_BYTES_32: Final[Any] = _ffi.typeof("unsigned char[32]")
_BYTES_33: Final[Any] = _ffi.typeof("unsigned char[33]")
_BYTES_64: Final[Any] = _ffi.typeof("unsigned char[64]")


# Checks


def check_secret(secret: bytes) -> bytes:
    """The same secret when it is a scalar from 1 to n-1; raises InvalidSecret."""
    _require_secret(secret)
    if not _lib.secp256k1_ec_seckey_verify(_context, secret):
        raise InvalidSecret("A secret key is zero or not below the order of the group.")
    return secret


def check_point(point: bytes) -> bytes:
    """The same point when it is compressed and lies on the curve; raises InvalidPoint."""
    _parse(point)
    return point


def is_secret(secret: bytes) -> bool:
    """Whether these bytes are a secret key."""
    return len(secret) == SECRET_BYTES and bool(_lib.secp256k1_ec_seckey_verify(_context, secret))


def is_point(point: bytes) -> bool:
    """Whether these bytes are a compressed point on the curve."""
    try:
        _parse(point)
    except InvalidPoint:
        return False
    return True


# Keys


def public_key(secret: bytes) -> bytes:
    """The point secret*G; raises InvalidSecret."""
    _require_secret(secret)
    parsed = _new(_POINT)
    if not _lib.secp256k1_ec_pubkey_create(_context, parsed, secret):
        raise InvalidSecret("A secret key is zero or not below the order of the group.")
    return _serialize(parsed)


def ecdh(secret: bytes, point: bytes) -> bytes:
    """SHA256 of the compressed point secret*point, 32 bytes (BOLT 4 and BOLT 8); raises InvalidSecret, InvalidPoint."""
    _require_secret(secret)
    shared = _new(_BYTES_32)
    if not _lib.secp256k1_ecdh(_context, shared, _parse(point), secret, _NULL, _NULL):
        raise InvalidSecret("A secret key is zero or not below the order of the group.")
    return bytes(_buffer(shared))


def tweak_add_secret(secret: bytes, tweak: bytes) -> bytes:
    """secret + tweak modulo n; raises InvalidSecret, InvalidTweak (also when the sum is zero)."""
    changed = _new(_BYTES_32, check_secret(secret))
    _require_tweak(tweak)
    if not _lib.secp256k1_ec_seckey_tweak_add(_context, changed, tweak):
        raise InvalidTweak("A tweak is not below the order of the group, or cancels the secret key.")
    return bytes(_buffer(changed))


def tweak_mul_secret(secret: bytes, tweak: bytes) -> bytes:
    """secret * tweak modulo n; raises InvalidSecret, InvalidTweak."""
    changed = _new(_BYTES_32, check_secret(secret))
    _require_tweak(tweak)
    if not _lib.secp256k1_ec_seckey_tweak_mul(_context, changed, tweak):
        raise InvalidTweak("A factor is zero or not below the order of the group.")
    return bytes(_buffer(changed))


# Points


def tweak_add_point(point: bytes, tweak: bytes) -> bytes:
    """point + tweak*G; raises InvalidPoint, InvalidTweak (also when the sum is the point at infinity)."""
    changed = _new(_POINT, _parse(point)[0])
    _require_tweak(tweak)
    if not _lib.secp256k1_ec_pubkey_tweak_add(_context, changed, tweak):
        raise InvalidTweak("A tweak is not below the order of the group, or cancels the point.")
    return _serialize(changed)


def tweak_mul_point(point: bytes, tweak: bytes) -> bytes:
    """point * tweak; raises InvalidPoint, InvalidTweak."""
    changed = _new(_POINT, _parse(point)[0])
    _require_tweak(tweak)
    if not _lib.secp256k1_ec_pubkey_tweak_mul(_context, changed, tweak):
        raise InvalidTweak("A factor is zero or not below the order of the group.")
    return _serialize(changed)


def add_points(*points: bytes) -> bytes:
    """The sum of 1 to 1000 points; raises InvalidPoint (also when the sum is the point at infinity)."""
    if not 1 <= len(points) <= _MAX_POINTS_ADDED:
        raise InvalidPoint(f"A sum takes 1 to {_MAX_POINTS_ADDED} points, not {len(points)}.")
    parsed = [_parse(point) for point in points]
    total = _new(_POINT)
    if not _lib.secp256k1_ec_pubkey_combine(_context, total, parsed, len(parsed)):
        raise InvalidPoint("The sum of these points is the point at infinity.")
    return _serialize(total)


# Signatures


def sign(secret: bytes, digest: bytes) -> bytes:
    """An ECDSA signature with a low s and the nonce of RFC 6979; raises InvalidSecret, InvalidDigest."""
    _require_secret(secret)
    _require_digest(digest)
    signature = _new(_SIGNATURE)
    if not _lib.secp256k1_ecdsa_sign(_context, signature, digest, secret, _NULL, _NULL):
        raise InvalidSecret("A secret key is zero or not below the order of the group.")
    compact = _new(_BYTES_64)
    _lib.secp256k1_ecdsa_signature_serialize_compact(_context, compact, signature)
    return bytes(_buffer(compact))


def verify(point: bytes, digest: bytes, signature: bytes) -> bool:
    """Whether the signature is by that point's secret; False too for a high s and for malformed bytes.

    Raises InvalidDigest: a digest is always our own.
    """
    _require_digest(digest)
    if len(signature) != SIGNATURE_BYTES:
        return False
    parsed = _new(_SIGNATURE)
    if not _lib.secp256k1_ecdsa_signature_parse_compact(_context, parsed, signature):
        return False
    try:
        key = _parse(point)
    except InvalidPoint:
        return False
    return bool(_lib.secp256k1_ecdsa_verify(_context, parsed, digest, key))


def sign_recoverable(secret: bytes, digest: bytes) -> tuple[bytes, int]:
    """The signature of `sign` with its recovery id, 0 to 3 (BOLT 11); raises InvalidSecret, InvalidDigest."""
    _require_secret(secret)
    _require_digest(digest)
    signature = _new(_RECOVERABLE)
    if not _lib.secp256k1_ecdsa_sign_recoverable(_context, signature, digest, secret, _NULL, _NULL):
        raise InvalidSecret("A secret key is zero or not below the order of the group.")
    compact, recid = _new(_BYTES_64), _new("int *")
    _lib.secp256k1_ecdsa_recoverable_signature_serialize_compact(_context, compact, recid, signature)
    return bytes(_buffer(compact)), int(recid[0])


def recover(digest: bytes, signature: bytes, recid: int) -> bytes:
    """The point whose secret signed; a high s is accepted here (BOLT 11 allows it without an `n` field).

    Raises InvalidDigest, InvalidSignature (length, range or recovery id), UnrecoverableSignature.
    """
    _require_digest(digest)
    _require_signature(signature)
    if not 0 <= recid <= 3:
        raise InvalidSignature(f"A recovery id is 0 to 3, not {recid}.")
    parsed, key = _new(_RECOVERABLE), _new(_POINT)
    if not _lib.secp256k1_ecdsa_recoverable_signature_parse_compact(_context, parsed, signature, recid):
        raise InvalidSignature("A signature holds a number that is not below the order of the group.")
    if not _lib.secp256k1_ecdsa_recover(_context, key, parsed, digest):
        raise UnrecoverableSignature("No public key fits this signature and recovery id.")
    return _serialize(key)


def to_der(signature: bytes) -> bytes:
    """A signature as a witness carries it, without the sighash byte: 8 to 72 bytes of DER; raises InvalidSignature."""
    _require_signature(signature)
    parsed = _new(_SIGNATURE)
    if not _lib.secp256k1_ecdsa_signature_parse_compact(_context, parsed, signature):
        raise InvalidSignature("A signature holds a number that is not below the order of the group.")
    return _der(parsed)


def from_der(der: bytes) -> bytes:
    """The 64-byte form of strict DER (BIP 66), without the sighash byte; raises InvalidSignature.

    A high s is kept as it is: `verify` refuses it.
    """
    parsed = _new(_SIGNATURE)
    if len(der) > _MAX_DER_BYTES or not _lib.secp256k1_ecdsa_signature_parse_der(_context, parsed, der, len(der)):
        raise InvalidSignature("These bytes are no DER signature.")
    # The parser reads numbers above the order as zero; only a round trip shows that.
    if _der(parsed) != der:
        raise InvalidSignature("A DER signature is not strict, or holds a number that is not below the order.")
    compact = _new(_BYTES_64)
    _lib.secp256k1_ecdsa_signature_serialize_compact(_context, compact, parsed)
    return bytes(_buffer(compact))


# C data


@lru_cache(maxsize=_PARSED_POINTS)
def _parse(point: bytes) -> Any:  # Any: C data, never changed once it is here
    """Parsing takes a square root, 5 us of every call; points are public, so that keeping them gives nothing away."""
    if len(point) != POINT_BYTES:
        raise InvalidPoint(f"A compressed point has {POINT_BYTES} bytes, not {len(point)}.")
    parsed = _new(_POINT)
    if not _lib.secp256k1_ec_pubkey_parse(_context, parsed, point, POINT_BYTES):
        raise InvalidPoint(f"{point.hex()} is not a point of secp256k1.")
    return parsed


def _serialize(parsed: Any) -> bytes:  # Any: C data
    output, length = _new(_BYTES_33), _new("size_t *", POINT_BYTES)
    _lib.secp256k1_ec_pubkey_serialize(_context, output, length, parsed, _COMPRESSED)
    return bytes(_buffer(output))


def _der(parsed: Any) -> bytes:  # Any: C data
    output, length = _new("unsigned char[72]"), _new("size_t *", _MAX_DER_BYTES)
    _lib.secp256k1_ecdsa_signature_serialize_der(_context, output, length, parsed)
    return bytes(_buffer(output, length[0]))


def _require_secret(secret: bytes) -> None:
    if len(secret) != SECRET_BYTES:
        raise InvalidSecret(f"A secret key has {SECRET_BYTES} bytes, not {len(secret)}.")


def _require_tweak(tweak: bytes) -> None:
    if len(tweak) != SECRET_BYTES:
        raise InvalidTweak(f"A tweak has {SECRET_BYTES} bytes, not {len(tweak)}.")


def _require_digest(digest: bytes) -> None:
    if len(digest) != DIGEST_BYTES:
        raise InvalidDigest(f"A digest has {DIGEST_BYTES} bytes, not {len(digest)}.")


def _require_signature(signature: bytes) -> None:
    if len(signature) != SIGNATURE_BYTES:
        raise InvalidSignature(f"A compact signature has {SIGNATURE_BYTES} bytes, not {len(signature)}.")
