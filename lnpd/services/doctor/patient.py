"""What does a check look at: a running node, the time, and the bounds beyond which something is wrong?"""

import time
from dataclasses import dataclass, field

from lnpd.services.node.services import Services

MIB = 1 << 20


@dataclass(frozen=True)
class Bounds:
    """Beyond which figures something is said. future_seconds: a block is taken by nobody whose time is further ahead
    (BIP 113 and Bitcoin Core's two hours). offset_seconds: of our clock, by which invoices and HTLCs are still safe."""

    future_seconds: int = 7200
    offset_seconds: int = 120
    backwards_seconds: int = 120
    log_bytes: int = 256 * MIB
    slow_seconds: float = 1.0
    near_blocks: int = 18
    rival_blocks: int = 36


@dataclass(frozen=True)
class Patient:
    """A node as it is looked at."""

    services: Services
    now_unix_seconds: float = field(default_factory=time.time)
    bounds: Bounds = Bounds()
