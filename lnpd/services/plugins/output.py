"""What does a plugin say, and how much of it is written down?

What it prints and what it logs go to the node's log, a line each, without control characters: a plugin can neither
forge a line of the node's nor fill the disk. Beyond a number of lines in some time it is read and counted, not written.
"""

import asyncio
import logging
import time

from lnpd.errors.words import one_line

log = logging.getLogger("lnpd.plugins")

LINE_BYTES = 10_000
LINES = 200
WITHIN_SECONDS = 10.0


class Voice:
    """One plugin's lines. `last` is the last one that it printed in this life."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.last = ""
        self.left_out = 0
        self._since, self._written = 0.0, 0

    def say(self, level: int, text: str) -> None:
        """Writes one line, if it still may."""
        now = time.monotonic()
        if now - self._since >= WITHIN_SECONDS:
            if self.left_out:
                log.warning("plugin %s: %d lines were left out", self.name, self.left_out)
            self._since, self._written, self.left_out = now, 0, 0
        if self._written >= LINES:
            self.left_out += 1
            return
        self._written += 1
        log.log(level, "plugin %s: %s", self.name, one_line(text, LINE_BYTES))

    async def listen(self, stream: asyncio.StreamReader) -> None:
        """Reads what the plugin prints until it ends. A line over the limit is dropped."""
        while True:
            try:
                line = await stream.readline()
            except ValueError:  # over the stream's limit, which has dropped it
                self.left_out += 1
                continue
            if not line:
                return
            if text := one_line(line.strip(), LINE_BYTES):
                self.last = text
                self.say(logging.INFO, text)
