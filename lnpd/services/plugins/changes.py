"""Who in the node hears that plugins came or went, and in which order?

    at once   channels freeze or go on, then it is known which wire messages are spoken
    then      which channels froze is stored, and who hears of events: both wait for the store

Each listener looks at what is there now, so that it does no harm to tell it again. What one of them fails at is logged
and counted, and told again after a pause; it is nobody else's affair, least of all a channel's.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable
from contextlib import suppress
from typing import Any, Final

from lnpd.hooks.figures import HookFigures

log = logging.getLogger("lnpd.plugins")
PATIENCE_SECONDS: Final = 5.0
"""So long a plugin's life waits for one that hears of it: it has other things to do than to wait for a slow disk."""
PAUSES_SECONDS: Final = (0.1, 1.0, 5.0, 30.0)

# Tells one of them; what it returns is awaited, if it can be. Any: nobody sends into it.
Listener = Callable[[], Coroutine[Any, Any, None] | None]
Listeners = Callable[[], Iterable[tuple[str, Listener]]]


class Changes:
    """`listeners` gives those that there are now, with a word for each, in their order."""

    def __init__(self, listeners: Listeners, figures: HookFigures) -> None:
        self._listeners, self._figures = listeners, figures
        self._again: asyncio.Task[None] | None = None

    async def tell(self) -> None:
        """Something changed. Returns when all of them know, or will be told again. Raises nothing."""
        if not await self._told() and self._again is None:
            self._again = asyncio.create_task(self._until_told(), name="plugins changed")

    async def stop(self) -> None:
        """Tells nobody any more."""
        if self._again is not None:
            self._again.cancel()
            with suppress(asyncio.CancelledError):
                await self._again

    async def _until_told(self) -> None:
        tries = 0
        while True:
            await asyncio.sleep(PAUSES_SECONDS[min(tries, len(PAUSES_SECONDS) - 1)])
            tries += 1
            if await self._told():
                self._again = None
                return

    async def _told(self) -> bool:
        """Whether all of them took it."""
        slow, failed = list[tuple[str, Coroutine[Any, Any, None]]](), False
        for what, listener in self._listeners():
            try:
                if (waits := listener()) is not None:
                    slow.append((what, waits))
            except Exception as error:  # a defect of ours
                failed = self._failed(what, error)
        try:
            for what, waits in slow:
                failed = not await self._tell_slow(what, waits) or failed
        finally:  # the node may end meanwhile: who was not told then never is
            for _, waits in slow:
                waits.close()
        return not failed

    async def _tell_slow(self, what: str, waits: Coroutine[Any, Any, None]) -> bool:
        try:
            with self._figures.of(f"change {what}", "lnpd").call():
                await asyncio.wait_for(waits, PATIENCE_SECONDS)
        except Exception as error:  # the store has stopped or is slow, or a defect of ours
            return not self._failed(what, error)
        return True

    def _failed(self, what: str, error: Exception) -> bool:
        slow = isinstance(error, TimeoutError)
        why = f"it takes over {PATIENCE_SECONDS:g} s" if slow else f"{type(error).__name__}: {error}"
        log.warning("plugins changed, and %s could not be told, which is tried again: %s", what, why)
        return True
