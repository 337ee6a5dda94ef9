"""What does a plugin say, and how much of it is written down?

What it prints and what it logs go to the node's log, a line each, without control characters: a plugin can neither
forge a line of the node's nor fill the disk. Beyond a number of lines, or of bytes, in some time it is read and
counted, not written.
"""

import asyncio
import logging
import time

from lnpd.errors.words import one_line

log = logging.getLogger("lnpd.plugins")

LINE_BYTES = 10_000
LINES = 200
BYTES = 50_000
WITHIN_SECONDS = 10.0


class Voice:
    """One plugin's lines. `last` is the last one that it printed in this life."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.last = ""
        self.left_out = 0
        self._since, self._lines, self._bytes = 0.0, 0, 0

    def say(self, level: int, text: str) -> None:
        """Writes one line, if it still may."""
        now = time.monotonic()
        if now - self._since >= WITHIN_SECONDS:
            if self.left_out:
                log.warning("plugin %s: %d lines were left out", self.name, self.left_out)
            self._since, self._lines, self._bytes, self.left_out = now, 0, 0, 0
        line = one_line(text, LINE_BYTES)
        size = len(line.encode())
        if self._lines >= LINES or self._bytes + size > BYTES:
            self.left_out += 1
            return
        self._lines, self._bytes = self._lines + 1, self._bytes + size
        log.log(level, "plugin %s: %s", self.name, line)

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
