"""What do we ask for forwarding over each of our channels, and how does its peer get to know it? (BOLT 7)

A policy is the node's, unless a person set the channel's own. The peer is told when the channel becomes usable, when
something changes, and again on each connection; what it was told before holds for ten minutes more. An update is stored
before it is sent, so that its timestamp is later than any before it whatever becomes of the process.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final, Protocol

import msgspec
from msgspec.structs import replace

from lnpd.channel.state import Channel, Closed, Normal, ShuttingDown
from lnpd.errors import RelayTermsRefused
from lnpd.routing.channel_update import policy_of, signed_part, unsigned_update
from lnpd.routing.relay import HIGHEST_CLTV_EXPIRY_DELTA, LOWEST_CLTV_EXPIRY_DELTA, MAX_FEE, RelayPolicy
from lnpd.services.interfaces import Link, Signer
from lnpd.services.recipients import Channels
from lnpd.store.codec import decode, encode
from lnpd.store.read import Read
from lnpd.store.store import Store
from lnpd.store.write import Write
from lnpd.wire import message as wire
from lnpd.wire.messages import ChannelUpdate

OLD_TERMS_SECONDS: Final = 600
POLICIES: Final = "relay-policy"  # a person's own, by channel
OURS: Final = "relay-ours"  # the last update that was made, by channel


class Made(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The last update of ours for a channel (a message's bytes), and what was asked before it changed."""

    message: bytes
    previous: RelayPolicy | None = None
    changed_unix_seconds: float = 0

    @property
    def update(self) -> ChannelUpdate:
        """The message."""
        read = wire.decode(self.message)
        assert isinstance(read, ChannelUpdate), "nothing else is stored here"
        return read


class Starter(Protocol):
    """Whoever runs what nobody waits for."""

    def start(self, work: Coroutine[Any, Any, Any], name: str) -> None:
        """Run this."""
        ...


class Relay:
    """Our side of every channel's relay policy. default: the node's. clock: seconds since 1970."""

    def __init__(
        self,
        store: Store,
        signer: Signer,
        channels: Channels,
        node_id: bytes,
        chain_hash: bytes,
        default: RelayPolicy,
        clock: Callable[[], float],
        tasks: Starter,
    ) -> None:
        self._store, self._signer, self._channels = store, signer, channels
        self._node_id, self._chain_hash, self._default, self._clock = node_id, chain_hash, default, clock
        self._tasks = tasks
        self._own: dict[str, RelayPolicy] = {}
        self._made: dict[str, Made] = {}
        self._making = asyncio.Lock()
        self.links: dict[bytes, Link] = {}

    async def load(self) -> None:
        """Once at the start."""
        own, made = await self._store.read(_rows)
        self._own = {k.decode(): decode(v, RelayPolicy, table=POLICIES, key=k) for k, v in own}
        self._made = {k.decode(): decode(v, Made, table=OURS, key=k) for k, v in made}

    # --- what holds

    def policy(self, channel: Channel) -> RelayPolicy:
        """What is asked for this channel now, within what the channel and its peer can carry (BOLT 7)."""
        policy = self._own.get(channel.key, self._default)
        theirs = channel.terms[channel.them]
        most_msat = min(
            policy.htlc_maximum_msat,
            1000 * (channel.capacity_sat - theirs.channel_reserve_sat),
            theirs.max_htlc_value_in_flight_msat,
        )
        least_msat = max(policy.htlc_minimum_msat, theirs.htlc_minimum_msat)
        return replace(policy, htlc_maximum_msat=most_msat, htlc_minimum_msat=min(least_msat, most_msat))

    def policies(self, channel: Channel) -> tuple[RelayPolicy, ...]:
        """The present policy, and the one before it while payers may not have heard of the change."""
        made = self._made.get(channel.key)
        if made is None or made.previous is None or self._clock() > made.changed_unix_seconds + OLD_TERMS_SECONDS:
            return (self.policy(channel),)
        return (self.policy(channel), made.previous)

    async def message(self, channel: Channel, short_channel_id: bytes) -> bytes:
        """The update for a failure, under the id by which the payer knows the channel (BOLT 4)."""
        update = await self._latest(channel)
        if update.short_channel_id != short_channel_id:
            update = await self._signed(replace(update, short_channel_id=short_channel_id))
        return wire.encode(update)

    # --- what changes

    async def set(self, channel: Channel, **changes: int | None) -> RelayPolicy:
        """A person sets some of a channel's terms: the policy as it is then, with the peer told of it.

        Raises RelayTermsRefused.
        """
        given = {name: value for name, value in changes.items() if value is not None}
        if not given:
            return self.policy(channel)
        policy = checked(replace(self._own.get(channel.key, self._default), **given))

        def put(write: Write) -> None:
            write.point("relay-policy-set")
            write.put_value(POLICIES, channel.key.encode(), encode(policy))

        await self._store.write(put)
        self._own[channel.key] = policy
        await self._tell(channel.key)
        return self.policy(channel)

    def ask(self, default: RelayPolicy) -> None:
        """A person sets the node's terms: the peers of channels without terms of their own are told."""
        if default == self._default:
            return
        self._default = default
        for channel in self._channels.every():
            if channel.key not in self._own:
                self._tasks.start(self._tell(channel.key), f"channel_update of {channel.key}")

    def changed(self, before: Channel, after: Channel) -> None:
        """A channel's state was stored: if it can be used now, or no longer, its peer is told."""
        if isinstance(after.phase, Closed):
            self._made.pop(after.key, None)
            return
        if _state(before) != _state(after) and after.live and isinstance(after.phase, Normal | ShuttingDown):
            self._tasks.start(self._tell(after.key), f"channel_update of {after.key}")

    async def _tell(self, key: str) -> None:
        await self._channels.settled(key)  # what this node said of the channel itself has left before it
        channel = self._channels.get(key)
        if channel is None or not all(channel.ready):
            return
        update = await self._latest(channel)
        if (link := self.links.get(channel.peer)) is not None:
            link.send(update)

    async def _latest(self, channel: Channel) -> ChannelUpdate:
        """The update that says what holds now: the last one, or a new one, stored."""
        async with self._making:
            made = self._made.get(channel.key)
            policy, wanted = self.policy(channel), self._wanted(channel)
            if made is not None and _same(made.update, wanted):
                return made.update
            last = made.update.timestamp if made else 0
            signed = await self._signed(replace(wanted, timestamp=max(int(self._clock()), last + 1)))
            changed = made is not None and policy_of(made.update) != policy
            after = Made(
                wire.encode(signed),
                policy_of(made.update) if changed and made else made.previous if made else None,
                self._clock() if changed else made.changed_unix_seconds if made else 0,
            )

            def put(write: Write) -> None:
                write.point("channel-update-made")
                write.put_value(OURS, channel.key.encode(), encode(after))

            await self._store.write(put)
            self._made[channel.key] = after
            return signed

    def _wanted(self, channel: Channel) -> ChannelUpdate:
        scid = channel.aliases[channel.them] or channel.short_channel_id
        disabled = not isinstance(channel.phase, Normal) or bool(self._channels.frozen(channel.key))
        return unsigned_update(self.policy(channel), self._chain_hash, scid, 0, self._node_id, channel.peer, disabled)

    async def _signed(self, update: ChannelUpdate) -> ChannelUpdate:
        return replace(update, signature=await self._signer.sign_channel_update(signed_part(update)))


def checked(policy: RelayPolicy) -> RelayPolicy:
    """A policy that may be asked. Raises RelayTermsRefused."""
    if not LOWEST_CLTV_EXPIRY_DELTA <= policy.cltv_expiry_delta <= HIGHEST_CLTV_EXPIRY_DELTA:
        raise RelayTermsRefused(
            f"The cltv_expiry_delta is {LOWEST_CLTV_EXPIRY_DELTA} to {HIGHEST_CLTV_EXPIRY_DELTA} blocks: with less, an"
            " HTLC could be claimed from this node too late for it to claim its own."
        )
    if max(policy.fee_base_msat, policy.fee_proportional_millionths) > MAX_FEE:
        raise RelayTermsRefused("A fee is more than a channel_update can say.")
    if policy.htlc_minimum_msat > policy.htlc_maximum_msat:
        raise RelayTermsRefused("The htlc_minimum_msat is above the htlc_maximum_msat.")
    return policy


def _rows(read: Read) -> tuple[list[tuple[bytes, bytes]], list[tuple[bytes, bytes]]]:
    return read.values(POLICIES), read.values(OURS)


def _same(made: ChannelUpdate, wanted: ChannelUpdate) -> bool:
    return replace(made, signature=wanted.signature, timestamp=wanted.timestamp) == wanted


def _state(channel: Channel) -> tuple[object, ...]:
    return type(channel.phase), channel.live, channel.short_channel_id, channel.aliases
