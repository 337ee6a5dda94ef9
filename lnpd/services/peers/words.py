"""In which words does a person hear what went wrong on the way to a peer, and what the peer said?"""

import logging
import os
from collections.abc import Sequence
from copy import copy

from lnpd.errors import LnpdError
from lnpd.errors.words import one_line
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


def log_words(node_id: bytes, batch: Sequence[Message]) -> None:
    """Logs the errors and warnings among a peer's messages."""
    for message in batch:
        if isinstance(message, Error | Warning):
            about = "all channels" if message.channel_id == ALL_CHANNELS else message.channel_id.hex()
            log.warning("%s: %s about %s: %s", node_id.hex(), message.NAME, about, one_line(message.data))
