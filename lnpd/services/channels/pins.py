"""Which formats do live channels hold plugins to?"""

from collections.abc import Iterable

from lnpd.channel.state import Channel, Closed
from lnpd.tx.graph import ProviderPin


def pins(channels: Iterable[Channel]) -> tuple[tuple[str, ProviderPin], ...]:
    """Each provider that a channel pins and still needs, with the channel's id in hex."""
    return tuple(
        (channel.id.hex(), pin)
        for channel in channels
        if not channel.from_backup and not isinstance(channel.phase, Closed)
        for pin in channel.channel_type.providers
    )
