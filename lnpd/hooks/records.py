"""On which of the node's messages do plugins' own TLV records travel, who adds them, and who is shown those that came?

One mechanism for all: a plugin's rows add the type to the message's stream (`Plugin.records`), a hook asks for the
value when the message is made, and each plugin is shown the records of its own rows among those that came.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from lnpd.wire.catalogue import Catalogue

PAYLOAD: Final = "payload"
USUAL_BYTES: Final = 4_000
RECORD_BYTES: Final = 16  # of each record, for its type and length

Records = tuple[tuple[int, bytes], ...]


class Carrier(msgspec.Struct, frozen=True):
    """A message of the node's own that records travel on.

    `asked` is the hook that asks for the values to send, `shown` are the hooks that have those that came. All plugins'
    together have `most_bytes`, with RECORD_BYTES for each: what is more is not sent, and not shown. `again` says what
    the message carries that is sent once more after a lost connection.
    """

    name: str
    most_bytes: int
    shown: tuple[str, ...]
    again: str
    asked: str = "outgoing_records"

    @property
    def stream(self) -> str:
        """The TLV stream that a plugin's rows add to."""
        return self.name if self.name == PAYLOAD else f"{self.name}_tlvs"


# What an HTLC carries is stored with it, on both sides, and bounded there too (lnpd.channel.limits).
CARRIERS: Final[Mapping[str, Carrier]] = {
    each.name: each
    for each in (
        Carrier("init", 4_000, ("peer_connected",), "asked for at each connection"),
        Carrier("open_channel", 4_000, ("open_channel_received", "peer_message"), "never sent again"),
        Carrier("accept_channel", 4_000, ("accept_channel_received", "peer_message"), "never sent again"),
        Carrier("channel_ready", 4_000, ("channel_opened", "peer_message"), "the same, from a stored row"),
        Carrier("update_add_htlc", 256, ("htlc_accepted", "peer_message"), "the same, stored with the HTLC"),
        Carrier("commitment_signed", 1_000, ("peer_message",), "the same, from a stored row"),
        Carrier("revoke_and_ack", 1_000, ("peer_message",), "the same, from a stored row"),
        Carrier("channel_reestablish", 4_000, ("peer_message",), "asked for at each connection"),
        Carrier("shutdown", 4_000, ("shutdown_proposed", "peer_message"), "the same, from a stored row"),
        Carrier(PAYLOAD, 600, ("htlc_accepted",), "the same, inside the onion", asked="onion_payload"),
    )
}


class Received(msgspec.Struct, frozen=True):
    """The records of a message that came, as a field of a hook: each plugin is shown those of its own rows.

    Of the onion's payload, whose types payers and payees agree upon elsewhere, also those of nobody's. Of a message
    that came with more than `most_bytes` nobody is shown any: a plugin is not made to read what it could not send.
    """

    message: str
    records: Records = ()

    def shown(self, plugin: str, catalogue: Catalogue) -> dict[str, str]:
        """What this plugin is shown: type to value, in hex."""
        most = CARRIERS[self.message].most_bytes if self.message in CARRIERS else USUAL_BYTES
        if self.message != PAYLOAD and sum(len(value) for _, value in self.records) > most:
            return {}
        stream = PAYLOAD if self.message == PAYLOAD else f"{self.message}_tlvs"
        found = dict[str, str]()
        for number, value in self.records:
            row = catalogue.record(stream, number)
            if row.owner == plugin if row is not None else stream == PAYLOAD:
                found[str(number)] = value.hex()
        return found


def size(records: Records) -> int:
    """What records take of their message, at most."""
    return sum(RECORD_BYTES + len(value) for _, value in records)
