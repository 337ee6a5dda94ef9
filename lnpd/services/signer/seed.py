"""Where does a node's seed come from, and how is it kept in its file?

    seed file = crypto.secretbox around the content, or, only where it was asked for, the content itself
    content   = msgpack of Seed: BIP 39 words, or an extended private key

The file is written beside its place, synced and linked: it is there wholly or not at all, and never written over.
"""

import os
import secrets
import stat
from pathlib import Path
from typing import Any, Final, Literal

import msgspec
from embit import bip32, bip39

from lnpd.crypto import secretbox
from lnpd.crypto.hd import ExtendedSecret, Master
from lnpd.crypto.secp import is_secret
from lnpd.errors import (
    PassphraseMissing,
    PlainSeedRefused,
    SeedFileExists,
    SeedFileMalformed,
    SeedFileMissing,
    SeedFileUnsafe,
    SeedInvalid,
)
from lnpd.store.directory import sync_directory

MAX_FILE_BYTES: Final = secretbox.MAX_PLAINTEXT_BYTES + 256
MAX_TEXT: Final = 512  # of words and extended keys
ENTROPY_BYTES: Final = (16, 20, 24, 28, 32)

_PLAIN: Final = b"lnpdseed"
_PRIVATE_PREFIXES: Final = ("xprv", "tprv")


class Seed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A seed as a person keeps it. `text` is BIP 39 words, or an extended private key at the root (`m`)."""

    kind: Literal["bip39", "xprv"]
    text: str

    def __repr__(self) -> str:
        return f"Seed({self.kind}, ...)"

    def master(self, coin: int) -> Master:
        """The root of all keys; raises SeedInvalid."""
        return Master(_root(self), coin)


def seed_from_words(words: str) -> Seed:
    """12 to 24 words of BIP 39 in English, checksum included; raises SeedInvalid."""
    return _checked(Seed("bip39", " ".join(words[: MAX_TEXT + 1].lower().split())))


def seed_from_entropy(entropy: bytes) -> Seed:
    """The words of 16 to 32 bytes of entropy; raises SeedInvalid."""
    if len(entropy) not in ENTROPY_BYTES:
        raise SeedInvalid(f"Entropy has 16, 20, 24, 28 or 32 bytes, not {len(entropy)}.")
    return Seed("bip39", str(bip39.mnemonic_from_bytes(entropy)))


def seed_from_extended_key(text: str) -> Seed:
    """An extended private key (xprv or tprv) at the root of its tree; raises SeedInvalid."""
    return _checked(Seed("xprv", text[: MAX_TEXT + 1].strip()))


def new_seed() -> Seed:
    """24 fresh words."""
    return seed_from_entropy(secrets.token_bytes(32))


def create_seed(path: Path, seed: Seed, passphrase: str | None, *, plain: bool = False) -> None:
    """Write a new seed file, for its user alone.

    Without a passphrase it is written as it is, if `plain` says that this is meant. Raises SeedFileExists,
    PlainSeedRefused, PassphraseMissing (`plain` with a passphrase), PassphraseRefused.
    """
    _checked(seed)
    content = msgspec.msgpack.encode(seed)
    if plain:
        if passphrase is not None:
            raise PassphraseMissing("A seed is kept plain or under a passphrase, not both.")
        data = _PLAIN + content
    elif passphrase is None:
        raise PlainSeedRefused(
            "A seed without a passphrase is readable by whoever copies the file: ask for it plainly."
        )
    else:
        salt, nonce = secrets.token_bytes(secretbox.SALT_BYTES), secrets.token_bytes(secretbox.NONCE_BYTES)
        data = secretbox.seal(content, passphrase, salt, nonce)
    _write_new(path, data)


def refuse_plain(path: Path) -> None:
    """Before anybody is asked for a passphrase that there is not. Raises PlainSeedRefused, and as reading the file."""
    if _read(path).startswith(_PLAIN):
        raise _plain_refused(path)


def _plain_refused(path: Path) -> PlainSeedRefused:
    return PlainSeedRefused(f"{path} holds a seed without a passphrase: --plain-seed allows that.")


def open_seed(path: Path, passphrase: str | None, *, plain: bool = False) -> Seed:
    """The seed that a file keeps. A file without encryption is read only if `plain` says so.

    Raises SeedFileMissing, SeedFileUnsafe, SeedFileMalformed, PlainSeedRefused, PassphraseMissing, WrongPassphrase and
    what else secretbox refuses.
    """
    data = _read(path)
    if data.startswith(_PLAIN):
        if not plain:
            raise _plain_refused(path)
        return _decode(data[len(_PLAIN) :])
    if passphrase is None:
        raise PassphraseMissing(f"{path} is encrypted: it takes its passphrase.")
    return _decode(secretbox.unseal(data, passphrase))


# The file


def _write_new(path: Path, data: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        with open(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.link(temporary, path)  # unlike a rename, it never takes the place of an older file
    except FileExistsError:
        raise SeedFileExists(f"{path} exists; a seed file is never written over.") from None
    finally:
        temporary.unlink(missing_ok=True)
    sync_directory(path.parent)


def _read(path: Path) -> bytes:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        raise SeedFileMissing(f"There is no seed file {path}.") from None
    except OSError as error:
        raise SeedFileMalformed(f"{path} cannot be read as a seed file: {error.strerror}.") from None
    try:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            raise SeedFileMalformed(f"{path} is not a file.")
        if status.st_mode & 0o077:
            raise SeedFileUnsafe(f"Others than its user may read {path}: make it private (chmod 600).")
        return os.read(handle, MAX_FILE_BYTES)
    finally:
        os.close(handle)


def _decode(content: bytes) -> Seed:
    try:
        return _checked(msgspec.msgpack.decode(content, type=Seed))
    except (msgspec.MsgspecError, SeedInvalid, RecursionError):
        raise SeedFileMalformed("The seed file holds no seed that lnpd knows.") from None


# The seed


def _checked(seed: Seed) -> Seed:
    if len(seed.text) > MAX_TEXT:
        raise SeedInvalid(f"A seed has at most {MAX_TEXT} characters.")
    if seed.kind == "bip39":
        _check_words(seed.text)
    else:
        _root(seed)
    return seed


def _check_words(words: str) -> None:
    if not 12 <= len(words.split(" ")) <= 24:
        raise SeedInvalid("A seed has 12, 15, 18, 21 or 24 words.")
    strange = [str(place) for place, word in enumerate(words.split(" "), 1) if word not in bip39.WORDLIST]
    if strange:  # their places, never the words: a terminal's scrollback keeps what is printed
        raise SeedInvalid(f"These are no BIP 39 words: not in the list is number {', '.join(strange)}.")
    try:
        bip39.mnemonic_to_bytes(words)
    except ValueError:  # its text names a word
        raise SeedInvalid(
            "These are no BIP 39 words: the checksum is wrong, so that a word, or their order, is another."
        ) from None


def _root(seed: Seed) -> ExtendedSecret:
    if seed.kind == "bip39":
        return ExtendedSecret.from_seed(bip39.mnemonic_to_seed(seed.text))
    try:
        key: Any = bip32.HDKey.from_string(seed.text)  # Any: embit ships no types
        if seed.text[:4] not in _PRIVATE_PREFIXES or not key.is_private or key.depth != 0:
            raise ValueError
        secret, chain_code = bytes(key.key.serialize()), bytes(key.chain_code)
    except Exception:  # embit raises errors of many kinds; none of them may be shown, for they may hold the key
        raise SeedInvalid("This is no extended private key (xprv or tprv) at the root of its tree.") from None
    if not is_secret(secret) or len(chain_code) != 32:
        raise SeedInvalid("This extended private key holds no secret.")
    return ExtendedSecret(secret, chain_code)
