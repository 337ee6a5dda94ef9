"""How does a plugin tell others what happened in it?"""

import msgspec

from lnpd_sdk.services.base import Asks

MAX_EVENT_BYTES = 16 * 1024
PUBLISHED_A_SECOND = 1_000
KEPT_EVENTS = 10_000


class Published(msgspec.Struct, frozen=True):
    """What `publish` takes: a topic of the plugin's own, and a JSON object."""

    topic: str
    payload: bytes


class EventAsks(Asks):
    """`Node`'s methods for events."""

    async def publish(self, topic: str, **fields: object) -> int:
        """Publishes an event of a topic of its own (`Plugin.topic`); its sequence, once it is stored.

        `fields` are what JSON can hold, at most 16 KiB. The node keeps the newest 10,000 events of a plugin, and takes
        1,000 a second (TooManyEvents). TopicNotOwned, EventUnfit.
        """
        sequence: int = await self._ask("publish", Published(topic, msgspec.json.encode(fields)), int)
        return sequence
