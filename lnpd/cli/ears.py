"""How does a program that shows something hear that it may have changed? A file that can be read once it has."""

import os
import threading
from typing import Final

from lnpd.errors import LnpdError
from lnpd.rpc.client import Client
from lnpd.rpc.place import Place

RETRY_SECONDS: Final = 1.0


class Ears:
    """Listens to a node's events from a thread, until the program ends. `fileno` is for select."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._read, self._write = os.pipe()
        os.set_blocking(self._read, False)
        os.set_blocking(self._write, False)
        self._ended = threading.Event()
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
        """Ends it: nothing is heard any more."""
        self._ended.set()

    def _listen(self) -> None:
        while not self._ended.is_set():
            try:
                with Client(self._place) as node, node.events() as events:
                    for _ in events:
                        if self._ended.is_set():
                            return
                        self._ring()
            except LnpdError:
                self._ended.wait(RETRY_SECONDS)  # who asks the node is told why

    def _ring(self) -> None:
        try:
            os.write(self._write, b".")
        except BlockingIOError:
            return  # it rings already
