"""How does a backup get to the disk, and back from it?

Written beside its name, made durable, then renamed: a power cut leaves the old one or the new one.
"""

import os
import secrets
from pathlib import Path
from typing import Final

import msgspec

from lnpd.crypto.keybox import MAX_BOX_BYTES, NONCE_BYTES, seal_under, unseal_under
from lnpd.errors import BackupDamaged, BackupUnreadable
from lnpd.services.backup.content import Content, version_of
from lnpd.store.codec import encode
from lnpd.store.directory import sync_directory

BACKUP_NAME: Final = "channels.backup"
_DECODER: Final = msgspec.msgpack.Decoder(Content)


def write_backup(path: Path, key: bytes, content: Content) -> int:
    """Replaces a backup, for its user alone; returns its size in bytes. Raises BackupUnreadable."""
    box = seal_under(key, encode(content), secrets.token_bytes(NONCE_BYTES), version_of(content))
    partial = path.with_name(path.name + ".partial")
    try:
        partial.unlink(missing_ok=True)
        handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(handle, "wb") as file:
            file.write(box)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
        sync_directory(path.parent)
    except OSError as error:
        raise BackupUnreadable(f"The backup {path} cannot be written: {error.strerror}.") from None
    return len(box)


def read_backup(path: Path, key: bytes) -> Content:
    """What a backup holds. Raises BackupUnreadable, BackupMalformed, BackupNewer, BackupForeign, BackupDamaged."""
    try:
        with path.open("rb") as file:
            box = file.read(MAX_BOX_BYTES + 1)
    except OSError as error:
        raise BackupUnreadable(f"The backup {path} cannot be read: {error.strerror}.") from None
    data = unseal_under(key, box)
    try:
        return _DECODER.decode(data)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise BackupDamaged(f"What the backup {path} holds cannot be read: {error}.") from None
