"""How does an ECDSA signature sell a secret? (dlcspecs, ECDSA-adaptor.md)

A pre-signature for an adaptor point Y = yG is 162 bytes: two nonces, R = kY and R_a = kG, the scalar s_a =
(m + r x) / k with r the x of R, and a proof (e, z) that one k made both nonces. Whoever knows y completes it by
s = s_a / y; whoever has it and sees the completed signature learns y. (Of Schnorr signatures: adaptor.py.)

No secret enters Python's arithmetic: the C library signs m + (r - r_a) x with the nonce k, which is s_a but for its
sign, and the recovery id tells that.
"""

from typing import Any, Final

from coincurve._libsecp256k1 import ffi as _ffi
from coincurve._libsecp256k1 import lib as _lib
from coincurve.context import GLOBAL_CONTEXT

from lnpd.crypto.schnorr import negate_point, negate_secret, require_digest, tagged_hash
from lnpd.crypto.secp import (
    ORDER,
    POINT_BYTES,
    SIGNATURE_BYTES,
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

PRE_SIGNATURE_BYTES: Final = 2 * POINT_BYTES + 3 * 32
_NONCE_TAG: Final = "lnpd/ecdsa-adaptor/nonce"
_PROOF_TAG: Final = "lnpd/ecdsa-adaptor/proof"
_context: Final[Any] = GLOBAL_CONTEXT.ctx  # `Any` stands for C data in this file, as in secp.py


def ecdsa_adaptor_sign(secret: bytes, digest: bytes, point: bytes) -> bytes:
    """The pre-signature of a digest for an adaptor point, 162 bytes; asked again, the same.

    The nonce depends on all three: one nonce for two points would give the secret away. Raises InvalidSecret,
    InvalidDigest, InvalidPoint.
    """
    require_digest(digest)
    check_secret(secret)
    nonce = tagged_hash(_NONCE_TAG, secret, check_point(point), digest)
    bare, final = public_key(nonce), tweak_mul_point(point, nonce)
    scalar = _signed(secret, digest, nonce, _difference(_x(final), _x(bare)), odd=bare[0] == 3)
    blind = tagged_hash(_PROOF_TAG, nonce, point, digest)
    proof = _challenge(bare, point, final, public_key(blind), tweak_mul_point(point, blind))
    return final + bare + scalar + proof + tweak_add_secret(blind, tweak_mul_secret(nonce, proof))


def ecdsa_adaptor_verify(key: bytes, digest: bytes, point: bytes, pre_signature: bytes) -> bool:
    """Whether the secret of `point` completes this to a signature by `key`; False too for malformed bytes.

    Raises InvalidDigest.
    """
    require_digest(digest)
    if len(pre_signature) != PRE_SIGNATURE_BYTES:
        return False
    final, bare, scalar, proof, answer = _parts(pre_signature)
    try:
        first = add_points(public_key(answer), negate_point(tweak_mul_point(bare, proof)))
        second = add_points(tweak_mul_point(point, answer), negate_point(tweak_mul_point(final, proof)))
        if _challenge(bare, point, final, first, second) != proof:
            return False
        inverse = pow(int.from_bytes(check_secret(scalar), "big"), -1, ORDER)
        both = tweak_mul_point(key, _bytes(_x(final) * inverse))
        ours = _bytes(int.from_bytes(digest, "big") * inverse)
        return add_points(public_key(ours), both) == bare
    except CryptoError:
        return False


def ecdsa_adaptor_complete(key: bytes, digest: bytes, secret: bytes, pre_signature: bytes) -> bytes:
    """The signature, 64 bytes with a low s, once the adaptor's secret is known. Raises WrongAdaptor, InvalidSecret,
    InvalidDigest."""
    check_secret(secret)
    if len(pre_signature) == PRE_SIGNATURE_BYTES:
        final, _, scalar, _, _ = _parts(pre_signature)
        s = int.from_bytes(scalar, "big") * pow(int.from_bytes(secret, "big"), -1, ORDER) % ORDER
        signature = _bytes(_x(final)) + _bytes(min(s, ORDER - s))
        if verify(key, digest, signature):
            return signature
    raise WrongAdaptor("This secret does not complete this pre-signature.")


def ecdsa_adaptor_secret(point: bytes, pre_signature: bytes, signature: bytes) -> bytes:
    """The secret of the adaptor point, from the pre-signature and the signature that was made of it.

    Raises WrongAdaptor, InvalidPoint.
    """
    check_point(point)
    if len(pre_signature) == PRE_SIGNATURE_BYTES and len(signature) == SIGNATURE_BYTES:
        final, _, scalar, _, _ = _parts(pre_signature)
        s = int.from_bytes(signature[32:], "big") % ORDER
        if s and signature[:32] == _bytes(_x(final)):
            found = _bytes(int.from_bytes(scalar, "big") * pow(s, -1, ORDER))
            for secret in (found, negate_secret(found)):
                if public_key(secret) == point:
                    return secret
    raise WrongAdaptor("This signature was not made of this pre-signature.")


# Parts


def _parts(pre_signature: bytes) -> tuple[bytes, bytes, bytes, bytes, bytes]:
    points, scalars = pre_signature[: 2 * POINT_BYTES], pre_signature[2 * POINT_BYTES :]
    return points[:POINT_BYTES], points[POINT_BYTES:], scalars[:32], scalars[32:64], scalars[64:]


def _x(point: bytes) -> int:
    return int.from_bytes(point[1:], "big") % ORDER


def _bytes(number: int) -> bytes:
    return (number % ORDER).to_bytes(32, "big")


def _difference(first: int, second: int) -> bytes:
    return _bytes(first - second)


def _challenge(bare: bytes, point: bytes, final: bytes, first: bytes, second: bytes) -> bytes:
    return _bytes(int.from_bytes(tagged_hash("DLEQ", bare, point, final, first, second), "big"))


def _signed(secret: bytes, digest: bytes, nonce: bytes, difference: bytes, *, odd: bool) -> bytes:
    """(digest + (difference + r) secret) / nonce, with r the x of nonce*G, whose y is `odd` or not."""

    def given(target: Any, *_unused: object) -> int:
        _ffi.memmove(target, nonce, 32)
        return 1

    callback = _ffi.callback(_NONCE_FUNCTION, given)
    message = _bytes(int.from_bytes(digest, "big"))
    tweaked = tweak_add_secret(tweak_mul_secret(secret, difference), message) if any(difference) else message
    signature, compact, recid = (_ffi.new(kind) for kind in _KINDS)
    if not _lib.secp256k1_ecdsa_sign_recoverable(_context, signature, tweaked, secret, callback, _ffi.NULL):
        raise WrongAdaptor("These numbers make no signature.")
    _lib.secp256k1_ecdsa_recoverable_signature_serialize_compact(_context, compact, recid, signature)
    scalar = bytes(_ffi.buffer(compact))[32:]
    return negate_secret(scalar) if bool(recid[0] & 1) != odd else scalar  # the library has made it low


_NONCE_FUNCTION: Final = (
    "int(unsigned char *, const unsigned char *, const unsigned char *, const unsigned char *, void *, unsigned int)"
)
_KINDS: Final = ("secp256k1_ecdsa_recoverable_signature *", "unsigned char[64]", "int *")
