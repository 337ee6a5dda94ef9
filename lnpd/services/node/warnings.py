"""What of a node should a person look at? One sentence each, the most urgent first."""

from collections.abc import Iterator
from typing import Final

from lnpd.channel.state import Channel, OnChain
from lnpd.services.chain.watch import is_rival
from lnpd.services.channels import doubt
from lnpd.services.channels import view as channel_view
from lnpd.services.node.services import Services

MAX_REFUSALS: Final = 3
"""So many of a channel's refused transactions are named."""


def found(services: Services) -> tuple[str, ...]:
    """All that is not as it should be."""
    return (
        *_of_the_chain(services),
        *services.checks.warnings,
        *services.backup.warnings,
        *services.wallet.warnings,
        *services.payment_sweep.warnings,
        *services.feerates.warnings,
        *(f"plugin {p.name}: {p.status}: {p.why}" for p in services.plugins.plugins if p.status != "ready"),
        *_of_channels(services),
    )


def _of_the_chain(services: Services) -> Iterator[str]:
    if services.sight.warning:
        yield services.sight.warning
    elif services.watcher.complaint:
        yield f"the chain cannot be followed, and nothing on it is enforced until it can: {services.watcher.complaint}"


def _of_channels(services: Services) -> Iterator[str]:
    drivers = list(services.channels.drivers.values())
    channels = [driver.channel for driver in drivers]
    yield from (f"channel {_name(d.channel)} is frozen: {d.frozen}" for d in drivers if d.frozen)
    yield from doubt.warnings(channels)
    for channel in channels:
        yield from _unclaimed(channel)
        yield from _refused(services, channel)


def _unclaimed(channel: Channel) -> Iterator[str]:
    count, sat = channel_view.unclaimed(channel.phase) if isinstance(channel.phase, OnChain) else (0, 0)
    if count:
        yield f"channel {_name(channel)} is on chain with {sat:,} sat that are not claimed yet"


def _refused(services: Services, channel: Channel) -> Iterator[str]:
    """Transactions of ours that nobody passes on; each is tried again at every block."""
    statuses = services.watcher.status(channel.key.encode())
    refused = [each for each in statuses if each.refused and not is_rival(each.refused) and not each.ended]
    for each in refused[:MAX_REFUSALS]:
        yield f"channel {_name(channel)}: its transaction {each.key[:24]} does not get out: {each.refused}"


def _name(channel: Channel) -> str:
    return channel.id.hex()[:16]
