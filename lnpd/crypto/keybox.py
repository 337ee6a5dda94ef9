"""How is a file sealed under a key of the seed?

    magic "LNPDSCB" | version | 8 bytes that name the key | nonce 12 | ChaCha20-Poly1305 of the content, all before it
                                                                       authenticated

The key's name tells a file of another seed from one that was altered. The version is the content's: who seals it says
by which reader it is understood.
"""

import struct
from hashlib import sha256
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from lnpd.errors import BackupDamaged, BackupForeign, BackupMalformed, BackupNewer

NONCE_BYTES: Final = 12
MAX_BOX_BYTES: Final = 64 << 20

_MAGIC: Final = b"LNPDSCB"
_LATEST_VERSION: Final = 2
_TAG_BYTES: Final = 16
_HEADER: Final = struct.Struct(">7sB8s12s")


def seal_under(key: bytes, content: bytes, nonce: bytes, version: int = 1) -> bytes:
    """A box. The key has 32 bytes; the nonce, 12 bytes, is drawn afresh for each box. Raises BackupMalformed."""
    if len(nonce) != NONCE_BYTES or len(content) > MAX_BOX_BYTES - _HEADER.size - _TAG_BYTES:
        raise BackupMalformed(f"A backup has a nonce of {NONCE_BYTES} bytes and at most {MAX_BOX_BYTES} bytes.")
    header = _HEADER.pack(_MAGIC, version, _name(key), nonce)
    return header + ChaCha20Poly1305(key).encrypt(nonce, content, header)


def unseal_under(key: bytes, box: bytes) -> bytes:
    """What was sealed. Raises BackupMalformed, BackupNewer, BackupForeign, BackupDamaged."""
    if not box.startswith(_MAGIC) or not _HEADER.size + _TAG_BYTES <= len(box) <= MAX_BOX_BYTES:
        raise BackupMalformed("This is no backup of lnpd's channels, or it is cut off.")
    header = box[: _HEADER.size]
    _, version, name, nonce = _HEADER.unpack(header)
    if not 1 <= version <= _LATEST_VERSION:
        raise BackupNewer(f"The backup has version {version}; this lnpd reads versions up to {_LATEST_VERSION}.")
    if name != _name(key):
        raise BackupForeign("The backup was made with another seed, or for another network, than this one.")
    try:
        return ChaCha20Poly1305(key).decrypt(nonce, box[_HEADER.size :], header)
    except InvalidTag:
        raise BackupDamaged("The backup is of this seed, but it was altered or damaged.") from None


def _name(key: bytes) -> bytes:
    return sha256(b"lnpd backup key" + key).digest()[:8]
