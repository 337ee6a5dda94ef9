"""What is a BIP 340 signature, and which key does taproot make of another? (BIP 340, BIP 341)

Shapes: a secret and a digest are 32 bytes; an x-only key is 32 bytes, and stands for the point with an even y; a
signature is 64 bytes. Points are 33 bytes, as in secp.py, whose checks these functions use.
"""

from functools import lru_cache
from hashlib import sha256
from typing import Any, Final

from coincurve._libsecp256k1 import ffi as _ffi
from coincurve._libsecp256k1 import lib as _lib
from coincurve.context import GLOBAL_CONTEXT

from lnpd.crypto.secp import DIGEST_BYTES, SIGNATURE_BYTES, check_point, check_secret, public_key, tweak_add_point
from lnpd.crypto.secp import tweak_add_secret as _tweak_add_secret
from lnpd.errors import InvalidDigest, InvalidPoint, InvalidTweak

X_ONLY_BYTES: Final = 32
EVEN: Final = b"\x02"

_context: Final[Any] = GLOBAL_CONTEXT.ctx  # `Any` stands for C data in this file, as in secp.py
_NULL: Final[Any] = _ffi.NULL


@lru_cache(maxsize=256)
def _tag_midstate(tag: bytes) -> Any:  # Any: hashlib's object, copied and never changed
    digest = sha256(tag).digest()
    return sha256(digest + digest)


def tagged_hash(tag: str, *parts: bytes) -> bytes:
    """SHA256(SHA256(tag) + SHA256(tag) + parts): a hash of one tag is none of another (BIP 340)."""
    state = _tag_midstate(tag.encode()).copy()
    for part in parts:
        state.update(part)
    digest: bytes = state.digest()
    return digest


# Keys


def x_only(point: bytes) -> bytes:
    """The x-only key of a point; raises InvalidPoint."""
    return check_point(point)[1:]


def lift(x_only_key: bytes) -> bytes:
    """The point with an even y that an x-only key stands for; raises InvalidPoint."""
    if len(x_only_key) != X_ONLY_BYTES:
        raise InvalidPoint(f"An x-only key has {X_ONLY_BYTES} bytes, not {len(x_only_key)}.")
    return check_point(EVEN + x_only_key)


def is_even(point: bytes) -> bool:
    """Whether a point is the one that its x-only key stands for."""
    return point[:1] == EVEN


def negate_secret(secret: bytes) -> bytes:
    """n - secret; raises InvalidSecret."""
    changed = _ffi.new("unsigned char[32]", check_secret(secret))
    _lib.secp256k1_ec_seckey_negate(_context, changed)
    return bytes(_ffi.buffer(changed))


def negate_point(point: bytes) -> bytes:
    """The point with the other y; raises InvalidPoint."""
    return bytes((check_point(point)[0] ^ 1,)) + point[1:]


def even_secret(secret: bytes) -> bytes:
    """The secret, or its negative, whose point has an even y: what BIP 340 signs with; raises InvalidSecret."""
    return secret if is_even(public_key(secret)) else negate_secret(secret)


# Taproot


def tap_tweak(internal_key: bytes, merkle_root: bytes) -> bytes:
    """What taproot adds to an x-only internal key; the root of its scripts is 32 bytes, or empty (BIP 341)."""
    if len(merkle_root) not in (0, 32):
        raise InvalidTweak(f"A merkle root has 32 bytes or none, not {len(merkle_root)}.")
    return tagged_hash("TapTweak", internal_key, merkle_root)


def output_key(internal_key: bytes, merkle_root: bytes) -> bytes:
    """The point of the output of an x-only internal key: its first byte says the parity that a control block carries.

    Raises InvalidPoint, InvalidTweak.
    """
    return tweak_add_point(lift(internal_key), tap_tweak(internal_key, merkle_root))


def output_secret(secret: bytes, merkle_root: bytes) -> bytes:
    """The secret of the output whose internal key is that of `secret`; raises InvalidSecret, InvalidTweak."""
    internal = even_secret(secret)
    return _tweak_add_secret(internal, tap_tweak(x_only(public_key(internal)), merkle_root))


# Signatures


def sign_schnorr(secret: bytes, digest: bytes, entropy: bytes = bytes(32)) -> bytes:
    """The BIP 340 signature of a digest. The nonce depends on secret, digest and `entropy`, 32 bytes that may be zero.

    Raises InvalidSecret, InvalidDigest.
    """
    require_digest(digest)
    require_digest(entropy)
    pair, signature = _ffi.new("secp256k1_keypair *"), _ffi.new("unsigned char[64]")
    _lib.secp256k1_keypair_create(_context, pair, check_secret(secret))
    _lib.secp256k1_schnorrsig_sign32(_context, signature, digest, pair, entropy)
    return bytes(_ffi.buffer(signature))


def verify_schnorr(x_only_key: bytes, digest: bytes, signature: bytes) -> bool:
    """Whether the signature is by that key; False too for malformed bytes. Raises InvalidDigest."""
    require_digest(digest)
    parsed = _ffi.new("secp256k1_xonly_pubkey *")
    if len(signature) != SIGNATURE_BYTES or len(x_only_key) != X_ONLY_BYTES:
        return False
    if not _lib.secp256k1_xonly_pubkey_parse(_context, parsed, x_only_key):
        return False
    return bool(_lib.secp256k1_schnorrsig_verify(_context, signature, digest, DIGEST_BYTES, parsed))


def challenge(nonce: bytes, key: bytes, digest: bytes) -> bytes:
    """The scalar of BIP 340 that binds a nonce and a key, both x-only, to a digest. Not reduced modulo n."""
    return tagged_hash("BIP0340/challenge", nonce, key, digest)


def require_digest(digest: bytes) -> None:
    """Raises InvalidDigest for anything but 32 bytes."""
    if len(digest) != DIGEST_BYTES:
        raise InvalidDigest(f"A digest has {DIGEST_BYTES} bytes, not {len(digest)}.")
