"""Does the chain answer, and since when does it not?

It is asked for its tip every few seconds, with a short deadline. Who shows the node to a person reads the answer here
and never waits: a chain that is gone must not make the node look gone, and nothing on it is seen or enforced meanwhile.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from lnpd.chain.interface import BlockRef, ChainBackend, ChainTip
from lnpd.errors import ChainError, ChainUnreachable
from lnpd.services.chain.alarm import Broken, alarmed

log = logging.getLogger("lnpd.chain")

BEAT_SECONDS = 2.0
ANSWER_SECONDS = 3.0


class ChainPulse:
    """The tip that a chain named last, and since when it is silent. `unix_seconds` is the clock. `broken` hears of a
    defect that ends it; `on_beat` is called whenever the chain was asked."""

    def __init__(
        self, backend: ChainBackend, unix_seconds: Callable[[], float] = time.time, broken: Broken | None = None
    ) -> None:
        self._backend, self._unix_seconds, self._broken = backend, unix_seconds, broken
        self.heard: ChainTip | None = None
        self.heard_unix_seconds = unix_seconds()
        self.on_beat: Callable[[], object] = lambda: None
        self._is_silent = False
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Asks once, then again and again. Raises ChainError if there is no answer to begin with."""
        self._hear(await self._backend.tip())
        what = "nobody asks any more whether the chain answers"
        self._task = alarmed(asyncio.create_task(self._beat()), what, self._broken)

    async def stop(self) -> None:
        """Asks no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    @property
    def silent_since_unix_seconds(self) -> int | None:
        """When the last answer came, if the chain does not answer now."""
        return int(self.heard_unix_seconds) if self._is_silent else None

    @property
    def warning(self) -> str:
        """A sentence for a person while the chain is silent, else nothing."""
        return f"{self.silence}: what happens there is not seen, and nothing is enforced" if self._is_silent else ""

    @property
    def silence(self) -> str:
        """For how long nothing was heard, as a clause; nothing while the chain answers."""
        if not self._is_silent:
            return ""
        return f"the chain has not answered for {round(self._unix_seconds() - self.heard_unix_seconds)} s"

    def require(self) -> None:
        """Before what is of no use without the chain, so that nobody waits for it. Raises ChainUnreachable."""
        if self._is_silent:
            raise ChainUnreachable(f"T{self.silence[1:]}: ask again when `lnp info` shows that it does.")

    async def tip(self) -> BlockRef:
        """The tip of the best chain; of a silent chain the last that was heard, at once."""
        if not self._is_silent:
            await self._ask()
        assert self.heard is not None, "asked after the start only"
        return self.heard.block

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            await self._ask()
            self.on_beat()

    async def _ask(self) -> None:
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                self._hear(await self._backend.tip())
        except (ChainError, TimeoutError) as error:
            if not self._is_silent:
                self._is_silent = True
                why = str(error) or f"no answer within {ANSWER_SECONDS:g} s"
                log.warning("the chain does not answer, and nothing on it is seen or enforced until it does: %s", why)

    def _hear(self, tip: ChainTip) -> None:
        now = self._unix_seconds()
        if self._is_silent:
            log.warning("the chain answers again, after %d s", now - self.heard_unix_seconds)
        self.heard, self.heard_unix_seconds, self._is_silent = tip, now, False
