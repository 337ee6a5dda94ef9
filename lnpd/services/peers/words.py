"""In which words does a person hear what went wrong on the way to a peer, and what the peer said?"""

import logging
import os
from collections.abc import Sequence
from copy import copy

from lnpd.errors import LnpdError
from lnpd.errors.words import Sparing, one_line
from lnpd.peer.farewell import ALL_CHANNELS
from lnpd.services.peers.address import Address
from lnpd.wire.base import Message
from lnpd.wire.messages import Error, Warning

log = logging.getLogger("lnpd.peers")


def why(error: OSError) -> str:
    """The system's words, without those that asyncio puts around them."""
    return os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror or str(error)


def at(address: Address, error: LnpdError) -> LnpdError:
    """The end of a connection that somebody waits for, with the address at which it was."""
    told = copy(error)
    told.args = (f"{address}: {error}",)
    return told


MAX_PEERS = 1_000


class AllWords:
    """Of every peer that was here lately: a new connection gives nobody more to say."""

    def __init__(self) -> None:
        self._words: dict[bytes, Words] = {}

    def of(self, node_id: bytes) -> "Words":
        """A peer's, from all of its connections; those of whom was not here for longest are forgotten."""
        found = self._words.pop(node_id, None) or Words(node_id)
        self._words[node_id] = found
        while len(self._words) > MAX_PEERS:
            del self._words[next(iter(self._words))]
        return found


class Words:
    """A peer's errors and warnings, for the log, sparingly."""

    def __init__(self, node_id: bytes) -> None:
        self._who, self._sparing = node_id.hex(), Sparing()

    def log(self, batch: Sequence[Message], now: float) -> None:
        """Logs those among a peer's messages; `now` is of any clock that does not go back, in seconds."""
        for message in batch:
            if isinstance(message, Error | Warning) and (more := self._sparing.more(now)) is not None:
                about = "all channels" if message.channel_id == ALL_CHANNELS else message.channel_id.hex()
                log.warning("%s: %s about %s: %s%s", self._who, message.NAME, about, one_line(message.data), more)
