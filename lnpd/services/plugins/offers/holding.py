"""Which coins are held for a plugin?"""

from typing import Final

from lnpd_sdk.services.holding import HeldPoint, HeldRows, HeldWanted

from lnpd.services.channels.holding import point_of
from lnpd.services.plugins.calls import Plugin
from lnpd.services.plugins.offers.offer import Desk, Offer, there


async def held_coins(desk: Desk, plugin: Plugin, wanted: HeldWanted) -> HeldRows:
    """Of its own providers only."""
    return await there(desk.holding).coins(plugin.providers, wanted.channel_id)


async def release_held(desk: Desk, plugin: Plugin, point: HeldPoint) -> None:
    """CoinNotHeld."""
    await there(desk.holding).let_go(point_of(point.txid, point.vout), plugin.providers)


OFFERS: Final = (
    Offer(
        "held_coins",
        "",
        HeldWanted,
        HeldRows,
        "The coins that came home from channels and are held for the plugin, with what led to each.",
        "coins = await node.held_coins()",
        held_coins,
    ),
    Offer(
        "release_held",
        "",
        HeldPoint,
        None,
        "Lets a held coin go: it is an ordinary one of the wallet then.",
        "await node.release_held(coin.txid, coin.vout)",
        release_held,
    ),
)
