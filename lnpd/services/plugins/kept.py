"""Which plugins did a person start, to be started again with the node?

    lnp plugin start PATH -> a row        lnp plugin stop -> no row        the node starts -> after those of --plugin

The rows are in the order of the starts: what one registered first, nobody takes from it at the next start.
"""

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from lnpd.store.read import Read, u64_key
from lnpd.store.store import Store
from lnpd.store.write import Write

log = logging.getLogger("lnpd.plugins")
NAMESPACE: Final = "plugins-started"
MAX_KEPT: Final = 100  # the oldest gives way


class Kept:
    """The rows of started plugins."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def add(self, path: Path) -> None:
        """It is started with the node from now on."""

        def keep(write: Write) -> None:
            rows = _rows(write)
            if path in rows.values():
                return
            for key in list(rows)[: max(0, len(rows) + 1 - MAX_KEPT)]:
                write.delete_value(NAMESPACE, key)
            last = int.from_bytes(max(rows, default=b""), "big")
            write.put_value(NAMESPACE, u64_key(last + 1), str(path).encode())

        await self._store.write(keep)

    async def forget(self, path: Path) -> None:
        """It is not."""

        def drop(write: Write) -> None:
            for key, kept in _rows(write).items():
                if kept == path:
                    write.delete_value(NAMESPACE, key)

        await self._store.write(drop)

    async def paths(self, given: Iterable[Path]) -> tuple[Path, ...]:
        """Those that are to be started beside the given ones. One whose file is gone is named in the log, no more."""
        known, found = {path.resolve() for path in given}, []
        for path in (await self._store.read(_rows)).values():
            if path in known:
                continue
            if path.is_file():
                found.append(path)
            else:
                log.warning("the plugin %s, which was started by `lnp plugin start`, is not there any more", path)
        return tuple(found)


def _rows(read: Read) -> dict[bytes, Path]:
    return {key: Path(value.decode()) for key, value in read.values(NAMESPACE)}
