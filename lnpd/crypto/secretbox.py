"""How is a seed kept in a file under a passphrase?

    "lnpdbox" | version, 1 byte | log2 N, 1 | r, 1 | p, 1 | salt, 16 | nonce, 12 | sealed plaintext with its 16-byte tag

scrypt (RFC 7914) makes the key, ChaCha20-Poly1305 (RFC 8439) seals, and everything before the sealed part is sealed
with it. What a file asks scrypt for is bounded before it is done: files are copied about and may come from anyone.
"""

import struct
import unicodedata
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from msgspec import Struct

from lnpd.errors import (
    PassphraseRefused,
    SecretBoxMalformed,
    SecretBoxNewer,
    SecretBoxTooCostly,
    SecretBoxTooLong,
    WrongPassphrase,
)

SALT_BYTES: Final = 16
NONCE_BYTES: Final = 12
MAX_PLAINTEXT_BYTES: Final = 4096
MAX_PASSPHRASE_BYTES: Final = 1024
MAX_MEMORY_BYTES: Final = 512 << 20
MAX_WORK: Final = 1 << 23  # N * r * p: eight times the default, some seconds

_MAGIC: Final = b"lnpdbox"
_VERSION: Final = 1
_KEY_BYTES: Final = 32
_TAG_BYTES: Final = 16
_HEADER: Final = struct.Struct(f">{len(_MAGIC)}sBBBB{SALT_BYTES}s{NONCE_BYTES}s")


class ScryptCost(Struct, frozen=True, forbid_unknown_fields=True):
    """N = 2^log2_n, r and p of RFC 7914: 128 * N * r bytes of memory."""

    log2_n: int = 17
    r: int = 8
    p: int = 1


DEFAULT_COST: Final = ScryptCost()


def seal(plaintext: bytes, passphrase: str, salt: bytes, nonce: bytes, cost: ScryptCost = DEFAULT_COST) -> bytes:
    """A box with at most 4096 bytes in it. salt, 16 bytes, and nonce, 12, must be drawn afresh for each box.

    Raises PassphraseRefused, SecretBoxTooLong, SecretBoxTooCostly, SecretBoxMalformed (salt or nonce).
    """
    if len(plaintext) > MAX_PLAINTEXT_BYTES:
        raise SecretBoxTooLong(f"A box holds at most {MAX_PLAINTEXT_BYTES} bytes, not {len(plaintext)}.")
    if len(salt) != SALT_BYTES or len(nonce) != NONCE_BYTES:
        raise SecretBoxMalformed(f"A salt has {SALT_BYTES} bytes and a nonce {NONCE_BYTES}.")
    key = _key(passphrase, salt, cost)
    header = _HEADER.pack(_MAGIC, _VERSION, cost.log2_n, cost.r, cost.p, salt, nonce)
    return header + ChaCha20Poly1305(key).encrypt(nonce, plaintext, header)


def unseal(box: bytes, passphrase: str) -> bytes:
    """What was sealed.

    Raises WrongPassphrase (or the box was altered: nobody can tell), SecretBoxMalformed, SecretBoxNewer,
    SecretBoxTooCostly, PassphraseRefused.
    """
    if not box.startswith(_MAGIC) or len(box) < _HEADER.size + _TAG_BYTES:
        raise SecretBoxMalformed("This is no encrypted file of lnpd, or it is cut off.")
    header, sealed = box[: _HEADER.size], box[_HEADER.size :]
    _, version, log2_n, r, p, salt, nonce = _HEADER.unpack(header)
    if version != _VERSION:
        raise SecretBoxNewer(f"The encrypted file has version {version}; this lnpd reads version {_VERSION}.")
    if len(sealed) > MAX_PLAINTEXT_BYTES + _TAG_BYTES:
        raise SecretBoxMalformed(f"The encrypted file is longer than {MAX_PLAINTEXT_BYTES} bytes of content need.")
    key = _key(passphrase, salt, ScryptCost(log2_n, r, p))
    try:
        return ChaCha20Poly1305(key).decrypt(nonce, sealed, header)
    except InvalidTag:
        raise WrongPassphrase("The passphrase is wrong, or the encrypted file was altered.") from None


def _key(passphrase: str, salt: bytes, cost: ScryptCost) -> bytes:
    # As BIP 39 does, so that the same letters typed on another system are the same bytes.
    typed = unicodedata.normalize("NFKD", passphrase[: MAX_PASSPHRASE_BYTES + 1]).encode("utf-8", "surrogatepass")
    if not 1 <= len(typed) <= MAX_PASSPHRASE_BYTES:
        raise PassphraseRefused(f"A passphrase has 1 to {MAX_PASSPHRASE_BYTES} bytes of UTF-8.")
    _require_bounded(cost)
    try:
        return Scrypt(salt=salt, length=_KEY_BYTES, n=1 << cost.log2_n, r=cost.r, p=cost.p).derive(typed)
    except MemoryError:
        raise SecretBoxTooCostly(f"The key takes {_memory_bytes(cost) >> 20} MiB of memory to derive.") from None


def _require_bounded(cost: ScryptCost) -> None:
    if not (1 <= cost.log2_n <= 20 and 1 <= cost.r <= 255 and 1 <= cost.p <= 255):
        raise SecretBoxTooCostly(f"scrypt is refused with log2 N {cost.log2_n}, r {cost.r}, p {cost.p}.")
    if _memory_bytes(cost) > MAX_MEMORY_BYTES:
        raise SecretBoxTooCostly(f"scrypt is refused {_memory_bytes(cost) >> 20} MiB of memory.")
    if cost.r * cost.p << cost.log2_n > MAX_WORK:
        raise SecretBoxTooCostly("scrypt is refused more than eight times the usual work.")


def _memory_bytes(cost: ScryptCost) -> int:
    """RFC 7914: N blocks of 128 * r bytes, and p more."""
    return 128 * cost.r * ((1 << cost.log2_n) + cost.p)
