"""Which services does the node offer to plugins, and who may have which?"""

from collections.abc import Awaitable
from typing import Final

import msgspec
from lnpd_sdk import envelope

from lnpd.errors import CapabilityMissing, NodeStarting, NoSuchMethod
from lnpd.hooks.capabilities import CAPABILITIES
from lnpd.services.plugins.calls import Plugin
from lnpd.services.plugins.offers import (
    chain,
    channels,
    coins,
    events,
    factories,
    holding,
    hooks,
    kv,
    log,
    messages,
    payments,
    rpc,
    signing,
)
from lnpd.services.plugins.offers.offer import Desk, Offer

FAMILIES: Final = {
    "channels": channels.OFFERS,
    "channels that others fund": factories.OFFERS,
    "messages": messages.OFFERS,
    "payments": payments.OFFERS,
    "coins": coins.OFFERS,
    "coins that are held": holding.OFFERS,
    "keys and signatures": signing.OFFERS,
    "the chain": chain.OFFERS,
    "events": events.OFFERS,
    "the RPC": rpc.OFFERS,
    "rows of its own": kv.OFFERS,
    "hooks of its own": hooks.OFFERS,
    "log": log.OFFERS,
}
OFFERS: Final = {offer.name: offer for offers in FAMILIES.values() for offer in offers}


async def serve(desk: Desk, plugin: Plugin, method: str, params: msgspec.Raw) -> object:
    """Answers a plugin's call. NoSuchMethod, CapabilityMissing, NodeStarting, BadFrame, and what the service raises."""
    offer = OFFERS.get(method)
    if offer is None:
        raise NoSuchMethod(f"The node has no service {method[:60]!r}.")
    require(desk, plugin, offer)
    if desk.backend is None and not offer.early:
        raise NodeStarting(f"The node is still starting, or stopping: it cannot answer {method} yet.")

    def answer() -> Awaitable[object]:
        return offer.serve(desk, plugin, envelope.decode(params, offer.params))

    return await (desk.turns.take(plugin, answer) if offer.dear else answer())


def require(desk: Desk, plugin: Plugin, offer: Offer) -> None:
    """CapabilityMissing says what has to be asked for, or granted."""
    kind = offer.capability
    if not kind or desk.registry.granted(plugin.name, kind) is not None:
        return
    asked = plugin.manifest.capabilities if plugin.manifest else ()
    wish = next((each for each in asked if each.partition(":")[0] == kind), "")
    raise CapabilityMissing(
        f"The plugin {plugin.name} may not ask for {offer.name}: start lnpd with --grant"
        f" {plugin.name}={CAPABILITIES[kind].form}"
        + ("" if wish else f", and let its manifest ask for {CAPABILITIES[kind].form}: it does not.")
    )
