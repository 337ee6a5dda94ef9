"""Whose is a plugin's name, with the grants, the keys and the rows that go by it?

    whoever has it          it runs, or waits for its next start
    whose file is named so  --plugin lockbox.py, unless it is known under another name
    who had it last         as long as it is among this node's plugins
    the first               of the command line

So a program that fails to start does not lose its name to another one that was waiting for that.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec

from lnpd.services.plugins.calls import Plugin
from lnpd.store.codec import decode, encode
from lnpd.store.store import Store

NAMESPACE: Final = "plugin-names"
KEY: Final = b"paths"
MAX_NAMES: Final = 1_000  # the oldest gives way


class Paths(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Names with the paths that had them last, the longest known first."""

    rows: tuple[tuple[str, str], ...]


class Names:
    """Paths by names, as they were last."""

    def __init__(self) -> None:
        self._paths: dict[str, str] = {}
        self._are_read = False

    async def load(self, store: Store) -> None:
        """Reads them, the first time."""
        if self._are_read:
            return
        stored = await store.read(lambda read: read.value(NAMESPACE, KEY))
        if stored is not None:
            self._paths = dict(decode(stored, Paths, table=NAMESPACE, key=KEY).rows)
        self._are_read = True

    async def keep(self, store: Store, plugins: Iterable[Plugin]) -> None:
        """Stores what changed."""
        await self.load(store)
        now = {each.known_as: each.path for each in plugins if each.known_as and "/" in each.path}
        if all(self._paths.get(name) == path for name, path in now.items()):
            return
        others = [(name, path) for name, path in self._paths.items() if name not in now]
        rows = (*others, *now.items())[-MAX_NAMES:]
        await store.write(lambda write: write.put_value(NAMESPACE, KEY, encode(Paths(rows))))
        self._paths = dict(rows)

    def holder(self, name: str, plugins: Iterable[Plugin]) -> Plugin | None:
        """Whose a name is among these plugins, of which some have not said theirs yet; None if it is free."""
        those = [each for each in plugins if each.known_as in ("", name)]
        known = {path: other for other, path in self._paths.items() if other != name}
        by_file = (p for p in those if Path(p.path).stem == name and p.path not in known)
        by_past = (p for p in those if p.path == self._paths.get(name))
        return next((p for found in ((p for p in those if p.known_as), by_file, by_past) for p in found), None)
