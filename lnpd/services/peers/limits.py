"""How much of this node may its peers use?"""

from typing import Final, Generic, TypeVar

import msgspec

from lnpd.services.peers.address import network_of

T = TypeVar("T")


class Limits(msgspec.Struct, frozen=True):
    """Bounds of the service. What belongs to the protocol on one link are lnpd.peer's Timeouts."""

    half_open: int = 128
    half_open_per_network: int = 16
    peers: int = 1000  # peers with channels are let in beyond it

    unread_bytes: int = 1 << 18  # beyond it nothing more is read until the router took what is there
    unread_messages: int = 1000
    unwritten_bytes: int = 8 << 20  # beyond it the peer is disconnected, and
    stalled_seconds: float = 60.0  # so it is if it takes too little for so long

    connect_seconds: float = 20.0
    linger_seconds: float = 2.0  # for the last message to arrive
    lingering: int = 128
    stop_seconds: float = 5.0

    retry_first_seconds: float = 1.0
    retry_most_seconds: float = 300.0
    stable_seconds: float = 60.0  # a link that lasts so long makes the pauses short again
    crossing_seconds: float = 5.0  # two nodes that dial each other do it within so long


USUAL_LIMITS: Final = Limits()


def redialling(limits: Limits, most_seconds: float | None) -> Limits:
    """These limits, with no longer pauses before a peer is dialled again; None: as they are."""
    if most_seconds is None:
        return limits
    first_seconds = min(limits.retry_first_seconds, most_seconds)
    return msgspec.structs.replace(limits, retry_first_seconds=first_seconds, retry_most_seconds=most_seconds)


class Waiting(Generic[T]):
    """Connections that wait for their beginning (`init`) or their end, oldest first. Strangers may fill it, and keep
    nobody out."""

    def __init__(self, total: int, per_network: int) -> None:
        self._total, self._per_network = total, per_network
        self._networks: dict[str, dict[T, None]] = {}
        self._network_of: dict[T, str] = {}

    def __len__(self) -> int:
        return len(self._network_of)

    def add(self, connection: T, host: str) -> T | None:
        """Adds one; returns another that has to give way, the oldest of the network that has the most of them.

        An honest handshake takes a few round trips: it is over long before it is the oldest.
        """
        network = network_of(host)
        own = self._networks.setdefault(network, {})
        crowded = own if len(own) >= self._per_network else None
        if crowded is None and len(self) >= self._total:
            crowded = max(self._networks.values(), key=len)
        oldest = next(iter(crowded)) if crowded else None
        if oldest is not None:
            self.remove(oldest)
        self._networks.setdefault(network, own)[connection] = None
        self._network_of[connection] = network
        return oldest

    def remove(self, connection: T) -> None:
        """It waits no more; to remove it twice is harmless."""
        network = self._network_of.pop(connection, None)
        if network is not None:
            del self._networks[network][connection]
            if not self._networks[network]:
                del self._networks[network]
