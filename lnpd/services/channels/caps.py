"""How much money may channels hold, and channels of which types?

The caps of the configuration, asked before a channel begins, whoever opens it. Every channel counts with its whole
capacity until its funding output is spent: one of ours from its first message, another's once its funding is confirmed,
for before that it costs nobody anything. Those are bounded in number instead; strangers could fill all room with them.
"""

from typing import Final

import msgspec
from lnpd_sdk.types import ACCEPTOR

from lnpd.channel.state import Channel, Closed, OnChain, Policy
from lnpd.config import MAX_CHANNEL_SAT, MAX_TOTAL_SAT
from lnpd.errors import ChannelsFull, ChannelTooLarge, ChannelTooSmall, ExperimentalTypeRefused, UnfundedTooMany
from lnpd.services.channels.opening import Kind

MIN_CHANNEL_SAT: Final = Policy().min_funding_sat
MAX_UNFUNDED_A_PEER: Final = 4
MAX_UNFUNDED: Final = 200  # of all peers that have no other channel with us


def unfunded(channel: Channel) -> bool:
    """Whether it is a peer's opening whose funding was not seen deep enough yet."""
    return channel.us == ACCEPTOR and not channel.depth_reached and not isinstance(channel.phase, OnChain | Closed)


class Caps(msgspec.Struct, frozen=True):
    """What the configuration allows. `experimental_types` are those with providers beyond BOLT 2's."""

    max_channel_sat: int = MAX_CHANNEL_SAT
    max_total_sat: int = MAX_TOTAL_SAT
    experimental_types: bool = True


class Room:
    """The caps, and what of them is taken."""

    def __init__(self, caps: Caps) -> None:
        self._caps = caps
        self._taken: dict[str, int] = {}  # by a channel's key, in satoshi
        self._unfunded: dict[str, bytes] = {}  # by a channel's key: the peer that opens it

    @property
    def taken_sat(self) -> int:
        """What all channels hold, those that we are opening included."""
        return sum(self._taken.values())

    def admit(self, key: str, kind: Kind, capacity_sat: int, peer: bytes, known: bool) -> None:
        """Lets a peer's channel begin; a `known` peer has a funded one. Raises UnfundedTooMany, and as `check`."""
        self.check(kind, capacity_sat)
        if list(self._unfunded.values()).count(peer) >= MAX_UNFUNDED_A_PEER:
            raise UnfundedTooMany(f"{MAX_UNFUNDED_A_PEER} channels that you opened wait for their funding already.")
        if len(self._unfunded) >= MAX_UNFUNDED and not known:
            raise UnfundedTooMany("Too many channels here wait for their funding: try it again later.")
        self._unfunded[key] = peer

    def take(self, key: str, kind: Kind, capacity_sat: int) -> None:
        """Makes room for a channel that begins. Raises as `check`."""
        self.check(kind, capacity_sat)
        self._taken[key] = capacity_sat

    def check(self, kind: Kind, capacity_sat: int) -> None:
        """Whether there is room for one more channel.

        Raises ChannelTooSmall, ChannelTooLarge, ChannelsFull, ExperimentalTypeRefused.
        """
        caps = self._caps
        if kind.extensions and not caps.experimental_types:
            raise ExperimentalTypeRefused("Channels with plugins' providers are experimental: not on this network.")
        if capacity_sat < MIN_CHANNEL_SAT:
            raise ChannelTooSmall(f"A channel holds {MIN_CHANNEL_SAT:,} sat or more, not {capacity_sat:,}.")
        if capacity_sat > caps.max_channel_sat:
            most = f"{caps.max_channel_sat:,} sat (--max-channel-sat)"
            raise ChannelTooLarge(f"A channel holds at most {most}, not {capacity_sat:,}.")
        if self.taken_sat + capacity_sat > caps.max_total_sat:
            raise ChannelsFull(
                f"All channels together hold at most {caps.max_total_sat:,} sat (--max-total-sat): {self.taken_sat:,}"
                f" are in channels, so {max(0, caps.max_total_sat - self.taken_sat):,} are left, not {capacity_sat:,}."
            )

    def leave(self, key: str) -> None:
        """A channel that began was given up."""
        self._taken.pop(key, None)
        self._unfunded.pop(key, None)

    def saw(self, channel: Channel) -> None:
        """A channel as it stands now."""
        if isinstance(channel.phase, OnChain | Closed):
            self.leave(channel.key)
        elif unfunded(channel):
            self._unfunded[channel.key] = channel.peer
        elif channel.capacity_sat:
            self._unfunded.pop(channel.key, None)
            self._taken[channel.key] = channel.capacity_sat
