"""What is a peer told when a connection ends, and what does a person read of what a peer said? (BOLT 1, error, warning)

This is the one place where an error of a connection becomes a message. An `error` for all channels binds its sender to
fail them all; where BOLT 1 only has the connection closed, as for bytes that cannot be read, a `warning` says why.
"""

from typing import Final

from lnpd.errors import CryptoError, FeatureError, LnpdError, ProtocolError, ProtocolWarning, WireError
from lnpd.errors.words import one_line
from lnpd.wire.messages import Error, Warning

ALL_CHANNELS: Final = bytes(32)

# The first row that fits counts. What is no ProtocolError is our own affair: nothing is said.
_MESSAGES: Final[tuple[tuple[type[LnpdError], type[Error] | type[Warning]], ...]] = (
    (ProtocolWarning, Warning),
    (WireError, Warning),
    (FeatureError, Warning),
    (CryptoError, Warning),
    (ProtocolError, Error),
)


def farewell(error: LnpdError) -> Error | Warning | None:
    """The last message of a connection that ends for this reason, about all channels, or None."""
    for kind, message in _MESSAGES:
        if isinstance(error, kind):
            return message(channel_id=ALL_CHANNELS, data=one_line(str(error)).encode())
    return None
