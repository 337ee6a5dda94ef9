"""How does a plugin send its own wire messages?"""

from collections.abc import Mapping

import msgspec

from lnpd_sdk.services.base import Asks


class Outgoing(msgspec.Struct, frozen=True):
    """What `send` takes: to whom (33 bytes in hex), which of the plugin's messages, and its fields by name."""

    node_id: str
    name: str
    fields: dict[str, object]


class MessageAsks(Asks):
    """`Node`'s methods for messages."""

    async def send(self, node_id: str, name: str, fields: Mapping[str, object]) -> None:
        """Sends one of the plugin's own wire messages to a connected peer. `node_id` is 33 bytes in hex.

        `fields` is a map as `Plugin.messages` describes it. Returns once the peer's connection took it: whether it
        arrives, only an answer tells. Needs the capability `messages`. Refused with the rule's name: CapabilityMissing,
        MessageNotOwned, PeerNotConnected, PeerDidNotAgree (an even number), Unencodable (a field that is unknown,
        missing, of another type or too long).
        """
        await self.call("send", Outgoing(node_id, name, dict(fields)))
