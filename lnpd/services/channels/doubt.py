"""What becomes of the channels of a database that is found to be a copy?

Each living one is told so in one transaction, before anything else is done with it: from then on it believes its peer's
word alone that its state is the latest. See lnpd.store.witness for how a copy is noticed.
"""

import logging
from collections.abc import Iterable

from lnpd.channel.reestablish import doubted
from lnpd.channel.state import Channel
from lnpd.store.codec import decode, encode
from lnpd.store.store import Store
from lnpd.store.write import Write

log = logging.getLogger("lnpd.channels")


async def doubt_copied(store: Store) -> None:
    """Tells the channels if the database was put in the place of another one since the last time."""
    if not await store.read(lambda read: read.is_copy()):
        return
    count = await store.write(_doubt)
    why = f" ({store.displaced})" if store.displaced else ""
    if not count:
        return
    log.warning(
        "this database is a copy of the one that was used last%s: for its %s channels nothing is broadcast before the "
        "peer has shown that it is the newest",
        why,
        count,
    )


def _doubt(write: Write) -> int:
    write.point("channels-doubted")
    count = 0
    for row in write.channels():
        if row.closed:
            continue
        channel = doubted(decode(row.snapshot, Channel, table="channel", key=row.channel_id))
        if channel.doubted:
            write.save_channel(row.channel_id, row.peer_id, encode(channel))
            count += 1
    write.set_is_copy(False)
    return count


def warnings(channels: Iterable[Channel]) -> list[str]:
    """A sentence for a person for each channel of a copy whose peer has not been heard yet."""
    return [
        f"channel {channel.id.hex()[:16]} is of a copy of the database, and its peer has not shown yet that it is the "
        "newest: nothing is broadcast for it before that, whatever is due; if you are sure that it is no older one: "
        f"lnp close {channel.id.hex()[:16]} --force --not-restored"
        for channel in channels
        if channel.unproven and channel.doubted
    ]
