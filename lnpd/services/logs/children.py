"""How do the lines of the node's own other processes, the signer's and the chain's, come into its log?

    child: a record -> its line as JSON, without secrets, on standard error      parent: line by line -> its own loggers

What else a child says there, as Python does when it ends by a defect, is a warning.
"""

import asyncio
import logging
import sys
from typing import Final

import msgspec

from lnpd.services.logs.lines import Line, LineFormatter
from lnpd.services.logs.secrets import SECRETS

MAX_LINE_BYTES: Final = 1 << 20
_RELAYING: Final[set[asyncio.Task[None]]] = set()
_decoder: Final = msgspec.json.Decoder(Line)


class _AsLine(LineFormatter):
    def __init__(self) -> None:
        super().__init__()
        self._write = lambda line: msgspec.json.encode(line).decode()


def speak(*secrets: str | bytes | None) -> None:
    """In a child: its log goes to the parent from now on, without these."""
    SECRETS.add(*secrets)
    logging.raiseExceptions = False  # logging would show the arguments of what it cannot write
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_AsLine())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)


def relay(process: asyncio.subprocess.Process, subsystem: str) -> None:
    """In the parent: what a child says on standard error is logged until it ends; what is not a line of its log, as
    `subsystem`'s."""
    assert process.stderr is not None
    task = asyncio.get_running_loop().create_task(_relay(process.stderr, subsystem))
    _RELAYING.add(task)
    task.add_done_callback(_RELAYING.discard)


async def _relay(stream: asyncio.StreamReader, subsystem: str) -> None:
    while True:
        try:
            data = await stream.readline()
        except ValueError:
            continue  # a line without an end: what was read of it is gone
        if not data:
            return
        try:
            line = _decoder.decode(data)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            if said := data.decode(errors="backslashreplace").rstrip():
                logging.getLogger(f"lnpd.{subsystem}").warning("%s", said)
            continue
        level = logging.getLevelNamesMapping().get(line.level.upper(), logging.WARNING)
        said = f"{line.message} {line.exception}".rstrip()
        logging.getLogger(f"lnpd.{line.subsystem}").log(level, "%s", said)
