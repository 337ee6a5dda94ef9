"""Which configuration is in effect, and how does a running node take a change of it?

    what it was started with  <  what a person set at run time (rows; kept over a restart, until `lnp config unset`)

Whoever has to do something about a change is told of the whole new configuration. A value is stored before it counts;
one that does not fit any more, because what else is configured has changed, is left out, and the log says so.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from lnpd.channel.presets import LARGE_CHANNEL_SAT
from lnpd.config import Config
from lnpd.config.change import changed, undone
from lnpd.errors import SettingRefused
from lnpd.services.logs.outlets import change_levels
from lnpd.store.read import Read
from lnpd.store.store import Store
from lnpd.store.write import Write

log = logging.getLogger("lnpd.node")
NAMESPACE: Final = "config"

Taker = Callable[[Config], None]


class Tuning:
    """The configuration in effect. `takers` are told of each change."""

    def __init__(self, begun: Config) -> None:
        self._begun = self.config = begun
        self._store: Store | None = None
        self._changing = asyncio.Lock()  # each change is of what the one before it left
        self.takers: list[Taker] = []

    async def load(self, store: Store) -> Config:
        """Once, before anything is made of the configuration: it, with what was set in earlier lives."""
        self._store = store
        for key, word in await store.read(_rows):
            try:
                self.config = changed(self.config, key, word)
                self._tell_over(key, word)
            except SettingRefused as refused:
                log.warning("%s = %s, which was set by `lnp config set`, is left out: %s", key, word, refused)
        change_levels(self._begun, self.config)
        return self.config

    def _tell_over(self, key: str, word: str) -> None:
        """Who starts the node with another value than what was set once hears that it does not count."""
        for given in self._begun.given:
            if given.key == key:
                log.warning(
                    "%s = %s, which was set by `lnp config set`, counts over %s%s (`lnp config unset %s` ends that)",
                    key,
                    word,
                    given.flag,
                    f", which {given.origin}" if given.origin else "",
                    key,
                )

    async def set(self, key: str, word: str) -> None:
        """Sets an option from now on. Raises SettingRefused."""
        async with self._changing:
            after = changed(self.config, key, word)
            self._require_same_offer(after)
            await self._keep(key, word)
            self._take(after)

    async def unset(self, key: str) -> None:
        """Takes back what was set: what the file, the environment or an argument says counts again. SettingRefused."""
        async with self._changing:
            after = undone(self.config, self._begun, key)
            self._require_same_offer(after)
            await self._keep(key, None)
            self._take(after)

    def _require_same_offer(self, after: Config) -> None:
        if _is_large(self.config) != _is_large(after):
            raise SettingRefused(
                f"Channels from {LARGE_CHANNEL_SAT} sat on are a feature that peers hear of when they connect: put"
                " max_channel_sat into the configuration file, and start the node again."
            )

    def _take(self, after: Config) -> None:
        change_levels(self.config, after)
        self.config = after
        for taker in self.takers:
            taker(after)

    async def _keep(self, key: str, word: str | None) -> None:
        def put(write: Write) -> None:
            write.point("setting-kept")
            if word is None:
                write.delete_value(NAMESPACE, key.encode())
            else:
                write.put_value(NAMESPACE, key.encode(), word.encode())

        assert self._store is not None, "nothing is set before the store is open"
        await self._store.write(put)


def _rows(read: Read) -> list[tuple[str, str]]:
    return [(key.decode(), word.decode()) for key, word in read.values(NAMESPACE)]


def _is_large(config: Config) -> bool:
    return config.limits.max_channel_sat >= LARGE_CHANNEL_SAT
