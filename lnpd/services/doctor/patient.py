"""What does a check look at: a running node, the time, and the bounds beyond which something is wrong?"""

import time
from dataclasses import dataclass, field

from lnpd.config.again import command_line
from lnpd.services.doctor.check import Line
from lnpd.services.node.services import Services

MIB = 1 << 20


@dataclass(frozen=True)
class Bounds:
    """Beyond which figures something is said. future_seconds: a block is taken by nobody whose time is further ahead
    (Bitcoin Core's two hours). stale_seconds: so long no block is waited for once in many lives. offset_seconds: of our
    clock, by which invoices and HTLCs are still safe. long_seconds: who is away for so long does not come back."""

    future_seconds: int = 7200
    stale_seconds: int = 4 * 3600
    offset_seconds: int = 120
    backwards_seconds: int = 120
    log_bytes: int = 256 * MIB
    slow_seconds: float = 1.0
    long_seconds: int = 14 * 86_400
    near_blocks: int = 18
    rival_blocks: int = 36


@dataclass(frozen=True)
class Patient:
    """A node as it is looked at."""

    services: Services
    now_unix_seconds: float = field(default_factory=time.time)
    bounds: Bounds = Bounds()

    @property
    def lnpd(self) -> Line:
        """What starts this node again as it was started."""
        return self.lnpd_with()

    def lnpd_with(self, **other: tuple[str, ...]) -> Line:
        """The same with other words of options, by key."""
        return Line(command_line(self.services.config, other))
