"""What may a plugin do in the channels that pin one of its providers?"""

from typing import Any, Final

from lnpd_sdk.envelope import CONTRACT_VERSION
from lnpd_sdk.services.channels import ChannelId, LateDatum, Proposal, Which
from lnpd_sdk.services.kept import KeptRow, KeptWanted
from msgspec.structs import replace

from lnpd.channel.events import PutWitness, Quiesce
from lnpd.errors import CapabilityMissing, ChannelNotPinned
from lnpd.hooks.older import transaction_for
from lnpd.services.plugins.calls import Plugin
from lnpd.services.plugins.offers.offer import Desk, Offer, there


async def propose(desk: Desk, plugin: Plugin, proposal: Proposal) -> int:
    """Only for its own providers, and only as far as its grant goes."""
    _require_own(desk, plugin, proposal.provider)
    limit = desk.registry.granted(plugin.name, "updates") or ""
    return await there(desk.backend).propose(proposal, int(limit) if limit.isdecimal() else 0)


async def put_witness(desk: Desk, plugin: Plugin, late: LateDatum) -> None:
    """Only for its own providers: it opens their outputs and no others, so that it needs no grant."""
    _require_own(desk, plugin, late.provider)
    driver = there(desk.backend).driver_of(late.channel_id)
    await driver.command(PutWitness(late.provider, late.name, late.data))


def _require_own(desk: Desk, plugin: Plugin, provider: str) -> None:
    owner = desk.registry.provider(provider)
    if owner is None or owner[0] != plugin.name:
        raise CapabilityMissing(f"The plugin {plugin.name} does not own the provider {provider[:40]!r}.")


async def quiesce(desk: Desk, plugin: Plugin, wanted: ChannelId) -> None:
    """Only where it has a part: payments wait meanwhile."""
    driver = there(desk.backend).driver_of(wanted.channel_id)
    if not plugin.providers & {extension.name for extension in driver.channel.extensions}:
        raise ChannelNotPinned(f"The channel {wanted.channel_id[:64]} pins no provider of {plugin.name}.")
    await driver.command(Quiesce())


async def channels(desk: Desk, plugin: Plugin, which: Which) -> list[dict[str, object]]:
    """Those only: of others it learns nothing."""
    return await there(desk.recall).rows(plugin.providers, which.closed)


async def kept_commitment(desk: Desk, plugin: Plugin, wanted: KeptWanted) -> KeptRow:
    """What Recall.kept raises."""
    contract = plugin.manifest.contract if plugin.manifest else CONTRACT_VERSION
    kept = await there(desk.recall).kept(plugin.providers, wanted)
    return replace(kept, transaction=transaction_for(contract, kept.transaction))


OFFERS: Final = (
    Offer(
        "propose",
        "updates",
        Proposal,
        int,
        "Proposes an update of one of the plugin's own providers; its id.",
        'await node.propose(channel_id, "lockbox", body)',
        propose,
    ),
    Offer(
        "put_witness",
        "",
        LateDatum,
        None,
        "Supplies a late datum that opens outputs of one of the plugin's own providers on the chain.",
        'await node.put_witness(channel_id, "lockbox", f"sha256:{payment_hash.hex()}", preimage)',
        put_witness,
    ),
    Offer(
        "quiesce",
        "updates",
        ChannelId,
        None,
        "Asks for a channel to be quiet: no update is in flight.",
        "await node.quiesce(channel_id)",
        quiesce,
    ),
    Offer(
        "channels",
        "",
        Which,
        list[dict[str, Any]],
        "The channels that pin one of the plugin's providers.",
        "rows = await node.channels()",
        channels,
    ),
    Offer(
        "kept_commitment",
        "",
        KeptWanted,
        KeptRow,
        "What a provider of the plugin was shown of a commitment, also a revoked one, or of a mutual close.",
        "kept = await node.kept_commitment(channel_id, txid)",
        kept_commitment,
    ),
)
