"""How does a plugin's event get into the node's log of events, and how many of them are kept?"""

from typing import Any, Final
from weakref import WeakKeyDictionary

import msgspec
from lnpd_sdk.services.events import KEPT_EVENTS, MAX_EVENT_BYTES, PUBLISHED_A_SECOND, Published

from lnpd.errors import EventUnfit, TooManyEvents, TopicNotOwned
from lnpd.services.events import Events
from lnpd.services.plugins.calls import Plugin
from lnpd.services.plugins.offers.offer import Desk, Offer, there
from lnpd.services.plugins.offers.pace import Pace
from lnpd.store.write import Write

_PACE: Final = Pace(PUBLISHED_A_SECOND, 1.0, TooManyEvents)
PRUNE_EVERY: Final = 500
_COUNTS: Final[WeakKeyDictionary[Plugin, int]] = WeakKeyDictionary()


async def publish(desk: Desk, plugin: Plugin, given: Published) -> int:
    """TopicNotOwned, EventUnfit, TooManyEvents."""
    topics = plugin.manifest.topics if plugin.manifest else ()
    if given.topic not in {each.name for each in topics}:
        raise TopicNotOwned(f"{given.topic[:64]!r} is no topic that {plugin.name} declares.")
    if len(given.payload) > MAX_EVENT_BYTES:
        raise EventUnfit(f"An event has at most {MAX_EVENT_BYTES} bytes, not {len(given.payload)}.")
    try:
        payload = msgspec.json.decode(given.payload, type=dict[str, Any])
    except (msgspec.MsgspecError, RecursionError, ValueError) as error:
        raise EventUnfit(f"An event is a JSON object: {error}.") from None
    _PACE.take(plugin)
    events, number = there(desk.events), _COUNTS.get(plugin, 0)
    _COUNTS[plugin] = number + 1

    def record(write: Write) -> int:
        sequence = Events.record(write, given.topic, payload)
        if number % PRUNE_EVERY == 0:
            write.prune_events(KEPT_EVENTS, f"{plugin.name}/")
        return sequence

    sequence = await there(desk.store).write(record)
    events.stored()
    return sequence


OFFERS: Final = (
    Offer(
        "publish",
        "",
        Published,
        int,
        "Publishes an event of a topic of the plugin's own; its sequence.",
        'await node.publish("lamp/lit", room="hall")',
        publish,
        early=True,
    ),
)
