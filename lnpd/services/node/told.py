"""What are plugins told of a channel that begins, and of one that ends?"""

from lnpd.channel.state import Channel, Closed, Normal
from lnpd.hooks.dispatch import Hooks
from lnpd.services.channels.carried import opened_with
from lnpd.store.store import Store


async def tell_of_channel(hooks: Hooks, store: Store, before: Channel, after: Channel) -> None:
    """Calls the hook that a change of a channel's state is, if it is one."""
    if isinstance(after.phase, Normal) and not isinstance(before.phase, Normal) and hooks.wanted("channel_opened"):
        records = await opened_with(store, after)
        channel_id, node_id, funding_sat = after.id.hex(), after.peer.hex(), after.capacity_sat
        await hooks.gather(
            "channel_opened", channel_id=channel_id, node_id=node_id, funding_sat=funding_sat, records=records
        )
    if isinstance(after.phase, Closed) and not isinstance(before.phase, Closed):
        await hooks.gather("channel_closed", channel_id=after.id.hex(), reason=after.phase.reason)
