"""How does a program that shows something hear that it may have changed? A file that can be read once it has."""

import os
import threading
from contextlib import suppress
from typing import Final

from lnpd.errors import LnpdError
from lnpd.rpc.client import Client
from lnpd.rpc.following import Following
from lnpd.rpc.place import Place

RETRY_SECONDS: Final = 1.0


class Ears:
    """Listens to a node's events from a thread, until it is closed. `fileno` is for select."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._read, self._write = os.pipe()
        os.set_blocking(self._read, False)
        os.set_blocking(self._write, False)
        self._ended = threading.Event()
        self._following: Following | None = None
        threading.Thread(target=self._listen, name="ears", daemon=True).start()

    def fileno(self) -> int:
        """Readable once something happened."""
        return self._read

    def clear(self) -> None:
        """What was heard is known."""
        try:
            os.read(self._read, 1 << 16)
        except BlockingIOError:
            return

    def close(self) -> None:
        """Ends it: the connection too, for a node has so many and no more. Nothing is heard any more."""
        self._ended.set()
        if self._following is not None:
            self._following.close()
        os.close(self._read)

    def _listen(self) -> None:
        while not self._ended.is_set():
            try:
                with Client(self._place) as node, node.events() as events:
                    self._hear(events)
            except LnpdError:
                self._ended.wait(RETRY_SECONDS)  # who asks the node is told why
        os.close(self._write)

    def _hear(self, events: Following) -> None:
        self._following = events
        if self._ended.is_set():  # it was closed before it could be seen here what is to be closed
            return
        for _ in events:
            with suppress(BlockingIOError, BrokenPipeError):  # it rings already, or nobody hears it
                os.write(self._write, b".")
