"""Is a peer still there, and does it ask for no more than that takes? (BOLT 1, The ping and pong Messages)

    we      ping(num_pong_bytes)  --->        once nothing was heard for idle_seconds
            <---  pong(num_pong_bytes)        else, nothing heard for pong_seconds more: the link is dead

Time is a number of seconds that only ever grows; whoever calls reads the clock.
"""

from collections import deque
from typing import Final

import msgspec

from lnpd.errors import PingFlood, PingRefused, UnexpectedPong
from lnpd.wire.messages import Ping, Pong

PONG_LIMIT: Final = 65532  # a ping that asks for so many bytes or more wants no pong
KEEPALIVE_PONG_BYTES: Final = 1
MAX_PINGS_UNDER_WAY: Final = 16
PING_COST_BYTES: Final = 64  # of a pong beside what it carries


class Timeouts(msgspec.Struct, frozen=True):
    """How long a peer may take; slow links have longer ones."""

    handshake_seconds: float = 30.0
    init_seconds: float = 30.0
    idle_seconds: float = 45.0
    pong_seconds: float = 30.0
    pong_bytes_per_second: int = 1 << 16
    pong_bytes_at_once: int = 1 << 20


class Liveness:
    """Changes with what is heard and sent on one link."""

    def __init__(self, timeouts: Timeouts, now: float) -> None:
        self._timeouts = timeouts
        self._heard_at = now
        self._under_way: deque[tuple[int, float]] = deque()  # (num_pong_bytes, sent at)
        self._allowance = float(timeouts.pong_bytes_at_once)
        self._allowed_at = now

    def heard(self, now: float) -> None:
        """Bytes came, or we ourselves did not listen until now."""
        self._heard_at = now

    @property
    def awaiting_pong(self) -> bool:
        """Is a ping without its pong?"""
        return bool(self._under_way)

    def due_at(self) -> float:
        """When to ping or, with a ping under way, to give the peer up."""
        if self._under_way:
            return max(self._heard_at, self._under_way[0][1]) + self._timeouts.pong_seconds
        return self._heard_at + self._timeouts.idle_seconds

    def ping(self, now: float, num_pong_bytes: int = KEEPALIVE_PONG_BYTES) -> Ping:
        """A ping to be sent now. Raises PingRefused."""
        if not 0 <= num_pong_bytes < PONG_LIMIT:
            raise PingRefused(f"A pong has 0 to {PONG_LIMIT - 1} bytes, not {num_pong_bytes}.")
        if len(self._under_way) == MAX_PINGS_UNDER_WAY:
            raise PingRefused(f"{MAX_PINGS_UNDER_WAY} pings wait for their pong already.")
        self._under_way.append((num_pong_bytes, now))
        return Ping(num_pong_bytes=num_pong_bytes, ignored=b"")

    def pong(self, ping: Ping, now: float) -> Pong | None:
        """The answer to a peer's ping, None if it wants none. Raises PingFlood."""
        if ping.num_pong_bytes >= PONG_LIMIT:
            return None
        limits = self._timeouts
        earned = (now - self._allowed_at) * limits.pong_bytes_per_second
        self._allowance = min(self._allowance + earned, limits.pong_bytes_at_once)
        self._allowed_at = now
        self._allowance -= ping.num_pong_bytes + PING_COST_BYTES
        if self._allowance < 0:
            raise PingFlood(f"Pings ask for over {limits.pong_bytes_per_second} bytes a second.")
        return Pong(ignored=bytes(ping.num_pong_bytes))

    def ponged(self, pong: Pong, now: float) -> float:
        """How many seconds the ping took that this answers. Raises UnexpectedPong."""
        for under_way in self._under_way:
            num_pong_bytes, sent_at = under_way
            if num_pong_bytes == len(pong.ignored):
                self._under_way.remove(under_way)
                return now - sent_at
        raise UnexpectedPong(f"A pong of {len(pong.ignored)} bytes answers no ping.")
