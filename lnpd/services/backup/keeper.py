"""When is the backup of the channels written, and where does it lie?

At the start, and whenever a channel gets a funding, confirms, or is closed: after the step is stored, and before
anything of it is broadcast. A backup is never replaced by one of a database that knows less: what it held is kept
beside it.
"""

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec
from msgspec.structs import replace

from lnpd.channel.state import Channel, Closed
from lnpd.errors import BackupDamaged, BackupError, BackupForeign, BackupMalformed, BackupNewer, LnpdError
from lnpd.services.backup.content import Content, content_of, is_backed_up
from lnpd.services.backup.file import BACKUP_NAME, read_backup, write_backup
from lnpd.store.store import Store

log = logging.getLogger("lnpd.backup")

KEPT: Final = ".kept-"


class Written(msgspec.Struct, frozen=True):
    """A backup that lies somewhere, or why it does not."""

    path: Path
    written_unix_seconds: int = 0
    size_bytes: int = 0
    error: str = ""


class BackupKeeper:
    """Keeps the backups of a node up to date. `elsewhere` is a second place, or None."""

    def __init__(
        self,
        store: Store,
        key: bytes,
        node_id: bytes,
        network: str,
        directory: Path,
        elsewhere: Path | None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store, self._key, self._node_id, self._network, self._clock = store, key, node_id, network, clock
        self._places = (directory / BACKUP_NAME, *((elsewhere,) if elsewhere else ()))
        self._content: Content | None = None
        self.written: tuple[Written, ...] = ()

    def start(self) -> None:
        """Looks at what lies there, then writes. Raises BackupError for a file that is not this node's to replace."""
        known = {each.key for each in self._stored().channels}
        for path in self._places:
            if path.exists():
                self._keep_what_is_unknown(path, known)
        self.write()

    def changed(self, before: Channel, after: Channel) -> None:
        """A channel's state was stored."""
        if _outline(before) != _outline(after):
            self.write()

    def write(self) -> None:
        """Writes what is stored now; what goes wrong is said and shown, and costs no channel."""
        self._content = content = self._stored()
        self.written = tuple(self._write(path, content) for path in self._places)

    @property
    def content(self) -> Content | None:
        """What was written last."""
        return self._content

    @property
    def warnings(self) -> tuple[str, ...]:
        """A sentence for each place at which there is no backup."""
        return tuple(each.error for each in self.written if each.error)

    def _stored(self) -> Content:
        now = int(self._clock())
        last = self._content.written_unix_seconds if self._content else 0
        content = self._store.read_sync(lambda read: content_of(read, self._network, self._node_id, now))
        return replace(content, written_unix_seconds=max(now, last + 1))

    def _write(self, path: Path, content: Content) -> Written:
        try:
            return Written(path, content.written_unix_seconds, write_backup(path, self._key, content))
        except LnpdError as error:
            log.error("there is no backup of the channels as they are now: %s", error)
            return Written(path, error=str(error))

    def _keep_what_is_unknown(self, path: Path, known: set[str]) -> None:
        """The database may be an older copy than the backup, whose channels then must not be lost."""
        try:
            before = read_backup(path, self._key)
        except BackupDamaged as error:
            log.warning("the backup %s is written anew: %s", path, error)
            return
        except (BackupForeign, BackupMalformed, BackupNewer) as error:
            raise type(error)(f"{path} is not replaced: {error} Name another place.") from None
        except BackupError as error:
            log.error("%s", error)
            return
        unknown = [each for each in before.channels if each.key not in known and not self._is_over(each.key)]
        if unknown:
            kept = path.with_name(f"{path.name}{KEPT}{before.written_unix_seconds}")
            write_backup(kept, self._key, before)
            log.warning(
                "the backup %s has %s channels that the database does not know: it may be an older copy. The backup is "
                "kept as %s; `lnpd restore` in another directory brings them back.", path, len(unknown), kept
            )  # fmt: skip

    def _is_over(self, key: str) -> bool:
        row = self._store.read_sync(lambda read: read.channel(key.encode()))
        return row is not None and row.closed


def _outline(channel: Channel) -> tuple[object, ...]:
    """What of a channel is worth a new backup."""
    if not is_backed_up(channel) or isinstance(channel.phase, Closed):
        return ()
    return (channel.fundings, channel.short_channel_id, channel.shutdown, channel.id)
