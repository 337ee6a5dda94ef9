"""How do several keys make one BIP 340 signature together? (BIP 327, MuSig2)

    every signer    new_nonce ----------> public nonces, 66 bytes each
    everybody       combine_nonces -----> the group's nonce, with an adaptor point if there is one
    every signer    partial_sign -------> partial signatures, 32 bytes each, which verify_partial checks
    everybody       combine_partials ---> the signature; with an adaptor point the pre-signature (adaptor.py)

A secret nonce that signs twice gives the secret key away. So it is an object that forgets itself when it signs, and
that neither prints nor leaves the process. Points are 33 bytes, digests and tweaks 32. The order of keys counts: who
has no order of its own sorts them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from coincurve._libsecp256k1 import ffi as _ffi
from coincurve._libsecp256k1 import lib as _lib
from coincurve.context import GLOBAL_CONTEXT

from lnpd.crypto.schnorr import require_digest, tap_tweak
from lnpd.crypto.secp import POINT_BYTES, add_points, check_point, check_secret, public_key
from lnpd.errors import InvalidNonce, InvalidPartialSignature, InvalidTweak, NonceUsed, NotInGroup

NONCE_BYTES: Final = 66
PARTIAL_BYTES: Final = 32
MAX_SIGNERS: Final = 100
MAX_TWEAKS: Final = 16

_INFINITY: Final = bytes(POINT_BYTES)
_context: Final[Any] = GLOBAL_CONTEXT.ctx  # `Any` stands for C data in this file, as in secp.py
_NULL: Final[Any] = _ffi.NULL
_COMPRESSED: Final[int] = _lib.SECP256K1_EC_COMPRESSED


@dataclass(frozen=True, slots=True)
class Tweak:
    """What is added to a group's key: to its x-only form (taproot), or to the point itself (BIP 32)."""

    scalar: bytes
    is_x_only: bool = True


@dataclass(frozen=True)
class Group:
    """Those who sign together, 1 to 100 points in an order that all of them know, and what is added to their key."""

    keys: tuple[bytes, ...]
    tweaks: tuple[Tweak, ...] = ()

    @cached_property
    def key(self) -> bytes:
        """The point that the group signs for. Raises InvalidPoint, NotInGroup (too few or many), InvalidTweak."""
        point = _ffi.new("secp256k1_pubkey *")
        _lib.secp256k1_musig_pubkey_get(_context, point, self._cache)
        return _bytes_of(point)

    def taproot(self, merkle_root: bytes = b"") -> "Group":
        """The same signers for a taproot output of which their key is the internal one (BIP 341)."""
        return Group(self.keys, (*self.tweaks, Tweak(tap_tweak(self.key[1:], merkle_root))))

    @cached_property
    def _cache(self) -> Any:  # Any: C data, never changed once it is here
        if not 1 <= len(self.keys) <= MAX_SIGNERS or len(self.tweaks) > MAX_TWEAKS:
            raise NotInGroup(f"A group has 1 to {MAX_SIGNERS} keys and at most {MAX_TWEAKS} tweaks.")
        cache, points = _ffi.new("secp256k1_musig_keyagg_cache *"), [_point(key) for key in self.keys]
        if not _lib.secp256k1_musig_pubkey_agg(_context, _NULL, cache, points, len(points)):
            raise NotInGroup("These keys have no sum.")
        for tweak in self.tweaks:
            if len(tweak.scalar) != 32:
                raise InvalidTweak(f"A tweak has 32 bytes, not {len(tweak.scalar)}.")
            if not _ADD[tweak.is_x_only](_context, _NULL, cache, tweak.scalar):
                raise InvalidTweak("A tweak is not below the order of the group, or cancels the key.")
        return cache


_ADD: Final[dict[bool, Any]] = {
    True: _lib.secp256k1_musig_pubkey_xonly_tweak_add,
    False: _lib.secp256k1_musig_pubkey_ec_tweak_add,
}


# Nonces


class SecretNonce:
    """What one signer may use once. `public` is what the others are told, 66 bytes."""

    __slots__ = ("_data", "_key", "public")

    def __init__(self, data: Any, key: bytes, public: bytes) -> None:
        self._data, self._key, self.public = data, key, public

    def __repr__(self) -> str:
        return "SecretNonce(...)"

    def drop(self) -> None:
        """It will never sign."""
        self._data = None

    def taken_by(self, key: bytes) -> Any:  # Any: C data
        """The nonce itself, for the last time. Raises NonceUsed, NotInGroup (it was made for another key)."""
        if self._data is None:
            raise NonceUsed("This nonce has signed already: a second signature would give the key away.")
        if key != self._key:
            raise NotInGroup("This nonce was made for another key.")
        data, self._data = self._data, None
        return data


def new_nonce(secret: bytes, entropy: bytes, group: Group | None = None, digest: bytes = b"") -> SecretNonce:
    """A nonce of this secret's signer. `entropy` is 32 fresh random bytes: nothing else may ever see or repeat them.

    `group` and `digest`, where they are known already, go into it too. Raises InvalidSecret, InvalidDigest,
    InvalidNonce (no entropy).
    """
    key = public_key(check_secret(secret))
    require_digest(entropy)
    if not any(entropy):
        raise InvalidNonce("The entropy of a nonce is zero.")
    if digest:
        require_digest(digest)
    nonce, public = _ffi.new("secp256k1_musig_secnonce *"), _ffi.new("secp256k1_musig_pubnonce *")
    drawn = _ffi.new("unsigned char[32]", entropy)  # the library wipes it
    cache = group._cache if group else _NULL
    _lib.secp256k1_musig_nonce_gen(_context, nonce, public, drawn, secret, _point(key), digest or _NULL, cache, _NULL)
    output = _ffi.new("unsigned char[66]")
    _lib.secp256k1_musig_pubnonce_serialize(_context, output, public)
    return SecretNonce(nonce, key, bytes(_ffi.buffer(output)))


def combine_nonces(nonces: Sequence[bytes], adaptor: bytes = b"") -> bytes:
    """The group's nonce, 66 bytes. With an adaptor point, the signature will lack that point's secret.

    Raises InvalidNonce, InvalidPoint (the adaptor).
    """
    if not 1 <= len(nonces) <= MAX_SIGNERS:
        raise InvalidNonce(f"A group has 1 to {MAX_SIGNERS} nonces, not {len(nonces)}.")
    parsed = [_public_nonce(nonce) for nonce in nonces]
    combined, output = _ffi.new("secp256k1_musig_aggnonce *"), _ffi.new("unsigned char[66]")
    _lib.secp256k1_musig_nonce_agg(_context, combined, parsed, len(parsed))
    _lib.secp256k1_musig_aggnonce_serialize(_context, output, combined)
    nonce = bytes(_ffi.buffer(output))
    if not adaptor:
        return nonce
    first, second = nonce[:POINT_BYTES], nonce[POINT_BYTES:]
    return (check_point(adaptor) if first == _INFINITY else add_points(first, adaptor)) + second


# Signatures


def partial_sign(secret: bytes, nonce: SecretNonce, group: Group, group_nonce: bytes, digest: bytes) -> bytes:
    """One signer's part, 32 bytes; the nonce is used up, whatever follows.

    Raises NonceUsed, NotInGroup, InvalidNonce, InvalidSecret, InvalidDigest, and what Group.key raises.
    """
    key = public_key(check_secret(secret))
    if key not in group.keys:
        raise NotInGroup("The key of this signer is none of the group's.")
    session = _session(group, group_nonce, digest)
    pair, partial = _ffi.new("secp256k1_keypair *"), _ffi.new("secp256k1_musig_partial_sig *")
    _lib.secp256k1_keypair_create(_context, pair, secret)
    if not _lib.secp256k1_musig_partial_sign(_context, partial, nonce.taken_by(key), pair, group._cache, session):
        raise InvalidNonce("This nonce cannot sign.")
    output = _ffi.new("unsigned char[32]")
    _lib.secp256k1_musig_partial_sig_serialize(_context, output, partial)
    return bytes(_ffi.buffer(output))


def verify_partial(
    partial: bytes, public_nonce: bytes, key: bytes, group: Group, group_nonce: bytes, digest: bytes
) -> bool:
    """Whether this is the part of the signer with this key and nonce; False too for a part that is malformed.

    Raises NotInGroup, InvalidNonce, InvalidDigest, and what Group.key raises.
    """
    if key not in group.keys:
        raise NotInGroup("This key is none of the group's.")
    nonce, session = _public_nonce(public_nonce), _session(group, group_nonce, digest)
    try:
        parsed = _partial(partial)
    except InvalidPartialSignature:
        return False
    return bool(_lib.secp256k1_musig_partial_sig_verify(_context, parsed, nonce, _point(key), group._cache, session))


def combine_partials(partials: Sequence[bytes], group: Group, group_nonce: bytes, digest: bytes) -> bytes:
    """The group's signature, 64 bytes, valid if every part is; or its pre-signature, if the nonce has an adaptor.

    Raises InvalidPartialSignature (a malformed part, or not one for each key), InvalidNonce, InvalidDigest, and what
    Group.key raises.
    """
    if len(partials) != len(group.keys):
        raise InvalidPartialSignature(f"A group of {len(group.keys)} has as many parts, not {len(partials)}.")
    session, parsed = _session(group, group_nonce, digest), [_partial(partial) for partial in partials]
    signature = _ffi.new("unsigned char[64]")
    _lib.secp256k1_musig_partial_sig_agg(_context, signature, session, parsed, len(parsed))
    return bytes(_ffi.buffer(signature))


# C data


def _session(group: Group, group_nonce: bytes, digest: bytes) -> Any:  # Any: C data
    require_digest(digest)
    nonce, session = _ffi.new("secp256k1_musig_aggnonce *"), _ffi.new("secp256k1_musig_session *")
    if len(group_nonce) != NONCE_BYTES or not _lib.secp256k1_musig_aggnonce_parse(_context, nonce, group_nonce):
        raise InvalidNonce("These bytes are no nonce of a group.")
    if not _lib.secp256k1_musig_nonce_process(_context, session, nonce, digest, group._cache):
        raise InvalidNonce("This nonce of a group cannot be used.")
    return session


def _public_nonce(nonce: bytes) -> Any:  # Any: C data
    parsed = _ffi.new("secp256k1_musig_pubnonce *")
    if len(nonce) != NONCE_BYTES or not _lib.secp256k1_musig_pubnonce_parse(_context, parsed, nonce):
        raise InvalidNonce("These bytes are no public nonce.")
    return parsed


def _partial(partial: bytes) -> Any:  # Any: C data
    parsed = _ffi.new("secp256k1_musig_partial_sig *")
    if len(partial) != PARTIAL_BYTES or not _lib.secp256k1_musig_partial_sig_parse(_context, parsed, partial):
        raise InvalidPartialSignature("These bytes are no part of a signature.")
    return parsed


def _point(point: bytes) -> Any:  # Any: C data
    parsed = _ffi.new("secp256k1_pubkey *")
    _lib.secp256k1_ec_pubkey_parse(_context, parsed, check_point(point), POINT_BYTES)
    return parsed


def _bytes_of(point: Any) -> bytes:  # Any: C data
    output, length = _ffi.new("unsigned char[33]"), _ffi.new("size_t *", POINT_BYTES)
    _lib.secp256k1_ec_pubkey_serialize(_context, output, length, point, _COMPRESSED)
    return bytes(_ffi.buffer(output))
