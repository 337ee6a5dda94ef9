"""What does a plugin say, and how much of it is written down?

What it prints and what it logs go to the node's log, a line each, without control characters: a plugin can neither
forge a line of the node's nor fill the disk. Beyond a number of lines, or of bytes, in some time it is read and
counted, not written.
"""

import asyncio
import logging
import time

from lnpd.errors.words import one_line
from lnpd.services.plugins.lastwords import LastWords

log = logging.getLogger("lnpd.plugins")

LINE_BYTES = 10_000
LINES = 200
BYTES = 50_000
WITHIN_SECONDS = 10.0


class Voice:
    """One plugin's lines. `path` is its file's."""

    def __init__(self, name: str, path: str = "") -> None:
        self.name, self._path = name, path
        self._words = LastWords(path)
        self.left_out = 0
        self._since, self._lines, self._bytes = 0.0, 0, 0

    def begin(self) -> None:
        """A life begins."""
        self._words = LastWords(self._path)

    @property
    def final(self) -> str:
        """What of all that it printed in this life tells best why it ended; empty if it printed nothing."""
        return self._words.why

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
            text = one_line(line.expandtabs().rstrip(), LINE_BYTES)  # how far it is indented tells what it is
            if text.strip():
                self._words.hear(text)
                self.say(logging.INFO, text.strip())
