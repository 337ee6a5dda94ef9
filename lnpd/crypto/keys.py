"""Which keys belong to one commitment, given the basepoints and a per-commitment point? (BOLT 3, Key Derivation)

Points are 33 bytes, secrets 32. The payment basepoint is never derived from: with static_remotekey `remotepubkey`
is the basepoint itself.
"""

from functools import lru_cache
from hashlib import sha256

from lnpd.crypto.secp import (
    add_points,
    public_key,
    tweak_add_point,
    tweak_add_secret,
    tweak_mul_point,
    tweak_mul_secret,
)
from lnpd.crypto.shachain import per_commitment_secret


def per_commitment_point(shachain_seed: bytes, commitment_number: int) -> bytes:
    """Our point of commitment 0..2^48-1; raises ShachainIndexOutOfRange, InvalidSecret."""
    return public_key(per_commitment_secret(shachain_seed, commitment_number))


@lru_cache(maxsize=64)
def point_of_revealed(per_commitment_secret: bytes) -> bytes:
    """The point of a secret that its owner has revealed: the channel looks, and the signer by itself. Raises
    InvalidSecret. What is asked for is remembered: never ask for a secret of ours."""
    return public_key(per_commitment_secret)


def derive_public_key(basepoint: bytes, per_commitment_point: bytes) -> bytes:
    """`local_htlcpubkey`, `local_delayedpubkey` and their remote twins; raises InvalidPoint."""
    return tweak_add_point(basepoint, _hash(per_commitment_point, basepoint))


def derive_secret(base_secret: bytes, per_commitment_point: bytes, basepoint: bytes = b"") -> bytes:
    """The secret of `derive_public_key`; `basepoint` is base_secret's, for who has it. Raises InvalidSecret."""
    return tweak_add_secret(base_secret, _hash(per_commitment_point, basepoint or public_key(base_secret)))


def derive_revocation_public_key(revocation_basepoint: bytes, per_commitment_point: bytes) -> bytes:
    """`revocationpubkey`: neither owner knows its secret alone; raises InvalidPoint."""
    return add_points(
        tweak_mul_point(revocation_basepoint, _hash(revocation_basepoint, per_commitment_point)),
        tweak_mul_point(per_commitment_point, _hash(per_commitment_point, revocation_basepoint)),
    )


def derive_revocation_secret(revocation_base_secret: bytes, per_commitment_secret: bytes) -> bytes:
    """The secret of `derive_revocation_public_key`, once the other side has revoked; raises InvalidSecret."""
    basepoint, point = public_key(revocation_base_secret), public_key(per_commitment_secret)
    return tweak_add_secret(
        tweak_mul_secret(revocation_base_secret, _hash(basepoint, point)),
        tweak_mul_secret(per_commitment_secret, _hash(point, basepoint)),
    )


def _hash(first: bytes, second: bytes) -> bytes:
    return sha256(first + second).digest()
