"""How much money may channels hold, and channels of which types?

The caps of the configuration, asked before a channel begins, whoever opens it. Every channel counts with its whole
capacity until its funding output is spent: one of ours from its first message, another's once its funding is confirmed,
for before that it costs nobody anything. Those are bounded in number instead; strangers could fill all room with them.
"""

from typing import NamedTuple

import msgspec
from lnpd_sdk.types import ACCEPTOR

from lnpd.channel.presets import DEFAULT, Limits
from lnpd.channel.state import Channel, Closed, OnChain
from lnpd.errors import (
    ChannelsFull,
    ChannelTooLarge,
    ChannelTooSmall,
    ExperimentalTypeRefused,
    PendingTooMany,
    UnfundedTooMany,
)
from lnpd.services.channels.opening import Kind


def waits(channel: Channel) -> bool:
    """Whether it is a peer's opening whose funding was not seen deep enough yet."""
    return channel.us == ACCEPTOR and not channel.depth_reached and not isinstance(channel.phase, OnChain | Closed)


class Caps(msgspec.Struct, frozen=True):
    """What the configuration allows. `experimental_types` are those with providers beyond BOLT 2's."""

    limits: Limits = DEFAULT
    experimental_types: bool = True


class Waiting(NamedTuple):
    """A peer's opening that waits for its funding; `named` is whether funding_created has said which one."""

    peer: bytes
    named: bool


class Room:
    """The caps, and what of them is taken."""

    def __init__(self, caps: Caps) -> None:
        self.caps = caps
        self._taken: dict[str, int] = {}  # by a channel's key, in satoshi
        self._waiting: dict[str, Waiting] = {}  # by a channel's key

    @property
    def taken_sat(self) -> int:
        """What all channels hold, those that we are opening included."""
        return sum(self._taken.values())

    def admit(self, key: str, kind: Kind, capacity_sat: int, peer: bytes, known: bool) -> None:
        """Lets a peer's channel begin; a `known` peer has a funded one.

        Raises UnfundedTooMany, PendingTooMany, and as `check`.
        """
        self.check(kind, capacity_sat)
        limits, pending = self.caps.limits, list(self._waiting.values())
        unfunded = [each for each in pending if not each.named]
        for error, waiting, most_of_peer, most, what in (
            (UnfundedTooMany, unfunded, limits.max_unfunded_per_peer, limits.max_unfunded, "funding_created"),
            (PendingTooMany, pending, limits.max_pending_per_peer, limits.max_pending, "their funding to be deep"),
        ):
            if sum(each.peer == peer for each in waiting) >= most_of_peer:
                raise error(f"Channels that you opened wait for {what}: at most {most_of_peer} may at once.")
            if len(waiting) >= most and not known:
                raise error(f"Too many channels here wait for {what}: try it again later.")
        self._waiting[key] = Waiting(peer, False)

    def take(self, key: str, kind: Kind, capacity_sat: int) -> None:
        """Makes room for a channel that begins. Raises as `check`."""
        self.check(kind, capacity_sat)
        self._taken[key] = capacity_sat

    def check(self, kind: Kind, capacity_sat: int) -> None:
        """Whether there is room for one more channel.

        Raises ChannelTooSmall, ChannelTooLarge, ChannelsFull, ExperimentalTypeRefused.
        """
        limits = self.caps.limits
        if kind.extensions and not self.caps.experimental_types:
            raise ExperimentalTypeRefused("Channels with plugins' providers are experimental: not on this network.")
        if capacity_sat < limits.min_channel_sat:
            raise ChannelTooSmall(f"A channel holds {limits.min_channel_sat:,} sat or more, not {capacity_sat:,}.")
        if capacity_sat > limits.max_channel_sat:
            most = f"{limits.max_channel_sat:,} sat (--max-channel-sat)"
            raise ChannelTooLarge(f"A channel holds at most {most}, not {capacity_sat:,}.")
        left_sat = limits.max_total_sat - self.taken_sat
        if capacity_sat > left_sat:
            raise ChannelsFull(
                f"All channels together hold at most {limits.max_total_sat:,} sat (--max-total-sat): {self.taken_sat:,}"
                f" are in channels, so {max(0, left_sat):,} are left, not {capacity_sat:,}."
            )

    def leave(self, key: str) -> None:
        """A channel that began was given up."""
        self._taken.pop(key, None)
        self._waiting.pop(key, None)

    def saw(self, channel: Channel) -> None:
        """A channel as it stands now."""
        if isinstance(channel.phase, OnChain | Closed):
            self.leave(channel.key)
        elif waits(channel):
            self._waiting[channel.key] = Waiting(channel.peer, bool(channel.fundings))
        elif channel.capacity_sat:
            self._waiting.pop(channel.key, None)
            self._taken[channel.key] = channel.capacity_sat
