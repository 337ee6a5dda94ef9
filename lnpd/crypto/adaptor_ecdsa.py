"""How does an ECDSA signature sell a secret? (the ECDSA adaptor signatures of the DLC specifications)

A pre-signature for a point Y = yG is 162 bytes: R = kY and R' = kG, 33 each, the scalar s' = (m + rx)/k with r the x of
R, and a proof that both have the same k: e and z, 32 each. Whoever knows y completes it to (r, s'/y); whoever sees that
learns y. Schnorr's are in adaptor.py.

The library has no division of secrets. So it signs another digest, m + (r - r')x, with k as its nonce: what it adds to
that is r'x, and the result is s'. That digest is as secret as the key. Plain integers stand for public values here, and
for a secret y only where its owner completes a signature, which tells it to everybody.
"""

from typing import Any, Final, NamedTuple

from coincurve._libsecp256k1 import ffi as _ffi
from coincurve._libsecp256k1 import lib as _lib
from coincurve.context import GLOBAL_CONTEXT

from lnpd.crypto.schnorr import is_even, negate_secret, require_digest, tagged_hash
from lnpd.crypto.secp import (
    ORDER,
    add_points,
    check_point,
    check_secret,
    public_key,
    tweak_add_secret,
    tweak_mul_point,
    tweak_mul_secret,
    verify,
)
from lnpd.errors import CryptoError, WrongAdaptor

PRE_SIGNATURE_BYTES: Final = 162

_NONCE_TAG: Final = "lnpd/adaptor/ecdsa-nonce"
_PROOF_TAG: Final = "lnpd/adaptor/dleq-nonce"
_DLEQ_TAG: Final = "DLEQ"
_context: Final[Any] = GLOBAL_CONTEXT.ctx  # `Any` stands for C data in this file, as in secp.py
_NULL: Final[Any] = _ffi.NULL


class Parts(NamedTuple):
    """A pre-signature: R, R', s', and the proof's e and z."""

    nonce: bytes
    bare: bytes
    scalar: bytes
    proof_e: bytes
    proof_z: bytes


def read_parts(pre_signature: bytes) -> Parts:
    """The parts of a pre-signature. Raises WrongAdaptor."""
    if len(pre_signature) != PRE_SIGNATURE_BYTES:
        raise WrongAdaptor(f"A pre-signature has {PRE_SIGNATURE_BYTES} bytes, not {len(pre_signature)}.")
    parts = Parts(
        pre_signature[:33], pre_signature[33:66], pre_signature[66:98], pre_signature[98:130], pre_signature[130:]
    )
    try:
        check_point(parts.nonce)
        check_point(parts.bare)
        check_secret(parts.scalar)
    except CryptoError as error:
        raise WrongAdaptor(f"A pre-signature holds what is no number or point: {error}") from None
    return parts


def ecdsa_adaptor_sign(secret: bytes, digest: bytes, point: bytes) -> bytes:
    """The pre-signature of a digest for an adaptor point, 162 bytes; asked again, the same.

    Raises InvalidSecret, InvalidDigest, InvalidPoint.
    """
    require_digest(digest)
    key = public_key(secret)
    nonce = tagged_hash(_NONCE_TAG, secret, check_point(point), key, digest)
    full, bare = tweak_mul_point(point, nonce), public_key(nonce)
    scalar = _signed(secret, digest, nonce, full, bare)
    drawn = tagged_hash(_PROOF_TAG, nonce, point)
    challenge = _challenge(bare, point, full, public_key(drawn), tweak_mul_point(point, drawn))
    return full + bare + scalar + challenge + tweak_add_secret(drawn, tweak_mul_secret(nonce, challenge))


def ecdsa_adaptor_verify(key: bytes, digest: bytes, point: bytes, pre_signature: bytes) -> bool:
    """Whether the secret of `point` completes this to a signature by a key, 33 bytes; False too for malformed bytes.

    Raises InvalidDigest.
    """
    require_digest(digest)
    try:
        parts = read_parts(pre_signature)
        minus_e = negate_secret(parts.proof_e)
        first = add_points(public_key(parts.proof_z), tweak_mul_point(parts.bare, minus_e))
        second = add_points(tweak_mul_point(point, parts.proof_z), tweak_mul_point(parts.nonce, minus_e))
        if _challenge(parts.bare, point, parts.nonce, first, second) != parts.proof_e:
            return False
        inverse = pow(_number(parts.scalar), -1, ORDER)
        by_key = tweak_mul_point(key, _bytes(_number(parts.nonce[1:]) * inverse))
        of_digest = _bytes(_number(digest) * inverse)
        return (add_points(public_key(of_digest), by_key) if any(of_digest) else by_key) == parts.bare
    except CryptoError:
        return False


def ecdsa_adaptor_complete(key: bytes, digest: bytes, secret: bytes, pre_signature: bytes) -> bytes:
    """The signature with a low s, 64 bytes, once the adaptor's secret is known. Raises WrongAdaptor, InvalidSecret,
    InvalidDigest."""
    parts = read_parts(pre_signature)
    scalar = _number(parts.scalar) * pow(_number(check_secret(secret)), -1, ORDER) % ORDER
    signature = _bytes(_number(parts.nonce[1:])) + _bytes(min(scalar, ORDER - scalar))
    if not verify(key, digest, signature):
        raise WrongAdaptor("This secret does not complete this pre-signature.")
    return signature


def ecdsa_adaptor_secret(point: bytes, pre_signature: bytes, signature: bytes) -> bytes:
    """The secret of the adaptor point, from the pre-signature and the signature that was made of it.

    Raises WrongAdaptor, InvalidPoint.
    """
    parts = read_parts(pre_signature)
    check_point(point)
    scalar = _number(signature[32:]) % ORDER
    if len(signature) == 64 and _bytes(_number(parts.nonce[1:])) == signature[:32] and scalar:
        found = _bytes(_number(parts.scalar) * pow(scalar, -1, ORDER))
        for secret in (found, negate_secret(found)):
            if public_key(secret) == point:
                return secret
    raise WrongAdaptor("This signature was not made of this pre-signature.")


def _signed(secret: bytes, digest: bytes, nonce: bytes, full: bytes, bare: bytes) -> bytes:
    """(digest + r * secret) / nonce, where r is the x of `full`; `bare` is the nonce's point."""
    difference = (_number(full[1:]) - _number(bare[1:])) % ORDER
    shifted = _bytes(_number(digest))
    if difference:
        shifted = tweak_add_secret(tweak_mul_secret(secret, _bytes(difference)), shifted)

    @_ffi.callback("int(unsigned char *, unsigned char *, unsigned char *, unsigned char *, void *, unsigned int)")  # type: ignore[untyped-decorator]  # cffi has no types
    def given(output: Any, _digest: Any, _key: Any, _kind: Any, _data: Any, attempt: int) -> int:  # Any: C data
        _ffi.buffer(output, 32)[:] = nonce
        return int(attempt == 0)

    signature, compact, recovery = (
        _ffi.new("secp256k1_ecdsa_recoverable_signature *"),
        _ffi.new("unsigned char[64]"),
        _ffi.new("int *"),
    )
    if not _lib.secp256k1_ecdsa_sign_recoverable(_context, signature, shifted, secret, given, _NULL):
        raise WrongAdaptor("No pre-signature can be made of this digest.")
    _lib.secp256k1_ecdsa_recoverable_signature_serialize_compact(_context, compact, recovery, signature)
    scalar = bytes(_ffi.buffer(compact))[32:]
    was_negated = bool(recovery[0] & 1) == is_even(bare)  # the id tells the y that fits a low s
    return negate_secret(scalar) if was_negated else scalar


def _challenge(*points: bytes) -> bytes:
    return _bytes(_number(tagged_hash(_DLEQ_TAG, *points)))


def _number(data: bytes) -> int:
    return int.from_bytes(data, "big")


def _bytes(number: int) -> bytes:
    return (number % ORDER).to_bytes(32, "big")
