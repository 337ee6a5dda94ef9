"""How does a signature sell a secret? (Schnorr adaptor signatures)

A pre-signature for an adaptor point T = tG is 64 bytes: the x of the final nonce, and a scalar that lacks t. Whoever
knows t completes it; whoever has it and sees the completed signature learns t. It looks like a BIP 340
signature and is none. What MuSig2 makes with an adaptor point (musig.py) has the same form and meaning.

Which sign t takes follows from the parity of a nonce that BIP 340 does not carry, so that both are tried.
"""

from typing import Final

from lnpd.crypto.schnorr import (
    challenge,
    even_secret,
    is_even,
    lift,
    negate_point,
    negate_secret,
    require_digest,
    tagged_hash,
    verify_schnorr,
    x_only,
)
from lnpd.crypto.secp import (
    ORDER,
    SIGNATURE_BYTES,
    add_points,
    check_point,
    check_secret,
    public_key,
    tweak_add_secret,
    tweak_mul_point,
    tweak_mul_secret,
)
from lnpd.errors import CryptoError, WrongAdaptor

_NONCE_TAG: Final = "lnpd/adaptor/nonce"
_X_BYTES: Final = 32


def adaptor_sign(secret: bytes, digest: bytes, point: bytes) -> bytes:
    """The pre-signature of a digest for an adaptor point, 64 bytes; asked again, the same.

    The nonce depends on all three: one nonce for two points would give the secret away. Raises InvalidSecret,
    InvalidDigest, InvalidPoint.
    """
    require_digest(digest)
    key = x_only(public_key(secret))
    nonce = tagged_hash(_NONCE_TAG, secret, check_point(point), key, digest)
    final = add_points(public_key(nonce), point)
    if not is_even(final):
        nonce = negate_secret(nonce)
    product = tweak_mul_secret(even_secret(secret), _challenge(final[1:], key, digest))
    return final[1:] + tweak_add_secret(nonce, product)


def adaptor_verify(key: bytes, digest: bytes, point: bytes, pre_signature: bytes) -> bool:
    """Whether the secret of `point` completes this to a signature by an x-only key; False too for malformed bytes.

    Raises InvalidDigest.
    """
    require_digest(digest)
    if len(pre_signature) != SIGNATURE_BYTES:
        return False
    nonce, scalar = pre_signature[:_X_BYTES], pre_signature[_X_BYTES:]
    try:
        product = tweak_mul_point(negate_point(lift(key)), _challenge(nonce, key, digest))
        bare = add_points(public_key(scalar), product)
        return lift(nonce) in (_sum(bare, point), _sum(bare, negate_point(point)))
    except CryptoError:
        return False


def adaptor_complete(key: bytes, digest: bytes, secret: bytes, pre_signature: bytes) -> bytes:
    """The signature, once the adaptor's secret is known. Raises WrongAdaptor, InvalidSecret, InvalidDigest."""
    check_secret(secret)
    for each in (secret, negate_secret(secret)) if len(pre_signature) == SIGNATURE_BYTES else ():
        try:
            signature = pre_signature[:_X_BYTES] + tweak_add_secret(pre_signature[_X_BYTES:], each)
        except CryptoError:
            continue
        if verify_schnorr(key, digest, signature):
            return signature
    raise WrongAdaptor("This secret does not complete this pre-signature.")


def adaptor_secret(point: bytes, pre_signature: bytes, signature: bytes) -> bytes:
    """The secret of the adaptor point, from the pre-signature and the signature that was made of it.

    Raises WrongAdaptor, InvalidPoint.
    """
    check_point(point)
    try:
        if len(pre_signature) != SIGNATURE_BYTES or len(signature) != SIGNATURE_BYTES:
            raise WrongAdaptor("A signature has 64 bytes.")
        found = tweak_add_secret(signature[_X_BYTES:], negate_secret(pre_signature[_X_BYTES:]))
        for secret in (found, negate_secret(found)):
            if public_key(secret) == point:
                return secret
    except CryptoError:
        pass
    raise WrongAdaptor("This signature was not made of this pre-signature.")


def _challenge(nonce: bytes, key: bytes, digest: bytes) -> bytes:
    number = int.from_bytes(challenge(nonce, key, digest), "big") % ORDER  # of public values
    return number.to_bytes(32, "big")


def _sum(first: bytes, second: bytes) -> bytes:
    try:
        return add_points(first, second)
    except CryptoError:  # the point at infinity is no nonce
        return b""
