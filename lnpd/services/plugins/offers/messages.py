"""How does a plugin send its own wire messages?"""

from typing import Final

from lnpd_sdk.services.messages import Outgoing

from lnpd.services.plugins.calls import Plugin
from lnpd.services.plugins.offers.offer import Desk, Offer, there


async def send(desk: Desk, plugin: Plugin, outgoing: Outgoing) -> None:
    """Waits while the peer takes less than is sent."""
    await there(desk.messages).send(plugin, outgoing)


OFFERS: Final = (
    Offer(
        "send",
        "messages",
        Outgoing,
        None,
        "Sends one of the plugin's own wire messages to a connected peer.",
        'await node.send(node_id, "greeting", {"words": b"hello"})',
        send,
        early=True,
    ),
)
