"""Nodes in a row, and a payer that may put anything into an onion."""

import asyncio
from collections.abc import Sequence
from hashlib import sha256
from itertools import pairwise
from typing import Any

from lnpd.channel.actions import HtlcFailed, HtlcFulfilled, HtlcReceived, Told
from lnpd.channel.events import Add, Event
from lnpd.channel.state import Channel
from lnpd.crypto import sphinx
from lnpd.routing import failures
from lnpd.routing import payload as payloads
from lnpd.routing.failures import Failure
from lnpd.services.node.node import Node
from lnpd.services.recipients import Effects, Recipient
from lnpd.testing import Network, shown, until, until_asked
from lnpd.wire.messages import Payload

SESSION = b"\x07" * 32
HASH = sha256(bytes(32)).digest()


async def in_a_row(
    network: Network, *names: str, amount_sat: int = 1_000_000, **options: Any
) -> tuple[list[Node], list[str]]:
    """Nodes with a channel from each to the next, and what each asks known to its neighbours."""
    nodes = [await network.node(name, **options) for name in names]
    channels = []
    for opener, acceptor in pairwise(nodes):
        channels.append(await network.channel(opener, acceptor, amount_sat, amount_sat // 4))
    await terms_known(nodes, channels)
    return nodes, channels


async def terms_known(nodes: Sequence[Node], channels: Sequence[str]) -> None:
    """Returns once each node knows what its peer asks in each of the channels that are its own.

    Both ends have to: the payer's side to offer enough, the payee's to put its neighbour's terms into an invoice.
    """
    for node in nodes:
        own = {driver.channel.id.hex() for driver in node.channels.drivers.values()}
        for channel in own.intersection(channels):

            async def known(node: Node = node, channel: str = channel) -> bool:
                return (await node.api.relay(channel)).theirs is not None

            await until_asked(known, "the peer's terms")


async def balances_msat(nodes: Sequence[Node], channels: Sequence[str]) -> list[tuple[int, int]]:
    """What both sides of each channel have, once nothing is in flight and both agree."""

    async def look() -> list[tuple[int, int]] | None:
        found = []
        for channel, left, right in zip(channels, nodes, nodes[1:], strict=False):
            rows = [await shown(node, channel) for node in (left, right)]
            if any(row is None or row.htlcs for row in rows):
                return None
            one, other = (row for row in rows if row is not None)
            if (one.ours_msat, one.theirs_msat) != (other.theirs_msat, other.ours_msat):
                return None
            found.append((one.ours_msat, other.ours_msat))
        return found

    return await until_asked(look, "nothing is in flight and all agree")


def scid_of(node: Node, channel: str) -> bytes:
    """What a payer calls a channel that this node forwards over."""
    return node.channels.driver_of(channel).channel.short_channel_id


class Hearing:
    """What a node's channels told its payments: an HTLC that no payment made ends here."""

    def __init__(self, node: Node, hold: bool = False) -> None:
        self.inner: Recipient = node.channels.parts.recipients["payments"]
        self.ends: list[HtlcFailed | HtlcFulfilled] = []
        self.held: list[tuple[Channel, HtlcReceived]] = []
        self._hold = hold
        node.channels.parts.recipients["payments"] = self

    async def told(self, channel: Channel, message: Told) -> Effects:
        if isinstance(message, HtlcFailed | HtlcFulfilled):
            self.ends.append(message)
        if self._hold and isinstance(message, HtlcReceived):
            self.held.append((channel, message))
            return Effects()
        return await self.inner.told(channel, message)


async def send(
    payer: Node,
    channel: str,
    hops: Sequence[tuple[bytes, Payload | bytes]],
    amount_msat: int,
    cltv_expiry: int,
    change: Any = None,  # a function of the packet
    payment_hash: bytes = HASH,
) -> tuple[int, Failure] | HtlcFailed | HtlcFulfilled:
    """Offers an HTLC with an onion of these payloads; which hop failed it with what, or how else it ended."""
    parts = [(node_id, part if isinstance(part, bytes) else payloads.encode(part)) for node_id, part in hops]
    onion = sphinx.build(SESSION, parts, payment_hash).packet
    hearing = Hearing(payer)
    driver = payer.channels.driver_of(channel)
    packet = change(onion) if change else onion
    try:
        await driver.command(Add(amount_msat, payment_hash, cltv_expiry, packet))
        (end,) = await until(lambda: hearing.ends, "the HTLC ends")
    finally:
        payer.channels.parts.recipients["payments"] = hearing.inner
    if isinstance(end, HtlcFulfilled) or not end.reason:
        return end
    secrets = sphinx.shared_secrets(SESSION, [node_id for node_id, _ in parts])
    hop, message = sphinx.unwrap_error(secrets, end.reason)
    return hop, failures.decode(message)


def alter(node: Node, change: Any) -> None:  # a function of an Add
    """From now on this node changes what it offers for others."""
    command = node.channels.command

    async def altered(key: str, event: Event) -> Channel:
        return await command(key, change(event) if isinstance(event, Add) else event)

    node.channels.command = altered  # type: ignore[method-assign]  # a node that lies


async def held(hearing: Hearing, number: int = 1) -> None:
    """Returns once so many HTLCs wait for this node's answer."""
    await until(lambda: len({message.id for _, message in hearing.held}) >= number, "HTLCs are held")


def run(story: Any, folder: Any) -> None:  # a coroutine function of a network, and a path
    """A story on a network."""

    async def main() -> None:
        async with Network(folder) as network:
            async with asyncio.timeout(110):
                await story(network)

    asyncio.run(main())
