"""What do our peers ask for forwarding to us, and who is told of it? (BOLT 7, channel_update: the receiving node)

    peer -> UpdateRouter -+-> channel_update: checked, kept, one a channel -> routing hints of our invoices
                          +-> all others, in their order, to the channels

Updates of other nodes' channels are public gossip, which this node does not take part in yet: they are ignored.
"""

import logging
from collections.abc import Callable, Collection
from typing import Final

from lnpd.channel.state import Channel, Normal, OnChain
from lnpd.errors import ChannelUpdateSignatureWrong
from lnpd.routing.channel_update import DIRECTION, direction, is_disabled, is_signed_by, policy_of
from lnpd.routing.invoice_fields import HintedHop
from lnpd.services.interfaces import Link, Router
from lnpd.services.payments.relay import Relay
from lnpd.services.recipients import Channels
from lnpd.store.store import Store
from lnpd.store.write import Write
from lnpd.wire import message as wire
from lnpd.wire.base import Message
from lnpd.wire.messages import ChannelUpdate

log = logging.getLogger("lnpd.payments")

THEIRS: Final = "relay-theirs"  # the last update of the peer's, by channel
FUTURE_SECONDS: Final = 24 * 3600
MAX_HINTS: Final = 3
# Each update that is kept is a write: a peer may change its mind so often, and a little faster for a while.
BURST: Final = 20
SECONDS_AN_UPDATE: Final = 10.0


class Updates:
    """The last channel_update of the peer for each of our channels. clock: seconds since 1970."""

    def __init__(
        self, store: Store, channels: Channels, node_id: bytes, chain_hash: bytes, clock: Callable[[], float]
    ) -> None:
        self._store, self._channels, self._node_id, self._chain_hash = store, channels, node_id, chain_hash
        self._clock = clock
        self._theirs: dict[str, ChannelUpdate] = {}
        self._spent: dict[str, tuple[float, float]] = {}  # by channel: when, and how much of BURST was taken then

    async def load(self) -> None:
        """Once at the start."""
        for key, value in await self._store.read(lambda read: read.values(THEIRS)):
            read = wire.decode(value)
            if isinstance(read, ChannelUpdate):
                self._theirs[key.decode()] = read

    def get(self, channel: Channel) -> ChannelUpdate | None:
        """What the peer asks for forwarding to us over this channel, as far as it told us."""
        return self._theirs.get(channel.key)

    async def received(self, peer: bytes, update: ChannelUpdate) -> None:
        """A peer's update. Raises ChannelUpdateSignatureWrong; all else that is wrong with it is ignored."""
        channel = self._of(peer, update.short_channel_id)
        if channel is None or update.chain_hash != self._chain_hash:
            return
        known = self._theirs.get(channel.key)
        if update.channel_flags & DIRECTION != direction(peer, self._node_id):
            return
        if (known is not None and update.timestamp <= known.timestamp) or not update.timestamp:
            return
        if update.timestamp > self._clock() + FUTURE_SECONDS or not self._has_room(channel.key):
            log.info("channel %s: a channel_update is of the far future, or one too many", channel.key)
            return
        if not is_signed_by(update, peer):
            raise ChannelUpdateSignatureWrong("channel_update: the signature is not its node's.")

        def put(write: Write) -> None:
            write.point("channel-update-kept")
            write.put_value(THEIRS, channel.key.encode(), wire.encode(update))

        await self._store.write(put)
        self._theirs[channel.key] = update

    def hints(self, amount_msat: int | None) -> tuple[tuple[HintedHop, ...], ...]:
        """Ways to this node over channels that nobody announced, for an invoice (BOLT 11, `r`): the widest first.

        A channel whose peer is not connected now is as good: the invoice is paid later.
        """
        found = []
        for channel in (each for each in self._channels.every() if isinstance(each.phase, Normal)):
            update, scid = self.get(channel), channel.scid_there
            theirs_msat = channel.base.balances_msat[channel.them]
            room_msat = theirs_msat - 1000 * channel.terms[channel.us].channel_reserve_sat
            if update is None or is_disabled(update) or not scid or room_msat < (amount_msat or 1):
                continue
            policy = policy_of(update)
            if not policy.htlc_minimum_msat <= (amount_msat or policy.htlc_minimum_msat) <= policy.htlc_maximum_msat:
                continue
            fees = (policy.fee_base_msat, policy.fee_proportional_millionths, policy.cltv_expiry_delta)
            found.append((room_msat, HintedHop(channel.peer, scid, *fees)))
        found.sort(key=lambda each: each[0], reverse=True)
        return tuple((hop,) for _, hop in found[:MAX_HINTS])

    def _of(self, peer: bytes, scid: bytes) -> Channel | None:
        """Our channel with this peer of this id: the real one, or the alias that we gave to it."""
        ours = (c for c in self._channels.every() if c.peer == peer and not isinstance(c.phase, OnChain))
        return next((c for c in ours if scid in (c.short_channel_id, c.aliases[c.us])), None)

    def _has_room(self, key: str) -> bool:
        now = self._clock()
        since, taken = self._spent.get(key, (now, 0.0))
        taken = max(0.0, taken - max(0.0, now - since) / SECONDS_AN_UPDATE)
        if taken > BURST - 1:
            return False
        self._spent[key] = (now, taken + 1)
        return True


class UpdateRouter:
    """The Router between the connections and the channels: it keeps what is said of forwarding."""

    def __init__(self, router: Router, relay: Relay, updates: Updates) -> None:
        self._router, self._relay, self._updates = router, relay, updates

    def wanted_peers(self) -> Collection[bytes]:
        """As the channels want."""
        return self._router.wanted_peers()

    async def peer_connected(self, node_id: bytes, features: bytes, link: Link) -> None:
        """A connection is up and `init` is done."""
        self._relay.links[node_id] = link
        await self._router.peer_connected(node_id, features, link)

    async def peer_disconnected(self, node_id: bytes, link: Link) -> None:
        """A connection is gone."""
        if self._relay.links.get(node_id) is link:
            del self._relay.links[node_id]
        await self._router.peer_disconnected(node_id, link)

    async def messages(self, node_id: bytes, link: Link, batch: list[Message]) -> None:
        """Messages of a peer, in order. Raises ChannelUpdateSignatureWrong."""
        others = [message for message in batch if not isinstance(message, ChannelUpdate)]
        if others:
            await self._router.messages(node_id, link, others)
        for message in batch:
            if isinstance(message, ChannelUpdate):
                await self._updates.received(node_id, message)
