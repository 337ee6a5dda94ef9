"""What does a node ask for forwarding over one of its channels? (BOLT 7, HTLC Fees; BOLT 2, cltv_expiry_delta)

The policy of a channel binds HTLCs that go out over it: its `cltv_expiry_delta` and fee are asked of the HTLC that
comes in.
"""

from typing import Final

import msgspec

MILLION: Final = 1_000_000
MAX_HTLC_MSAT: Final = 21_000_000 * 100_000_000 * 1000
# BOLT 2: 3R + 2G + 2S. Reorganisations R of 2 blocks, a grace G of 2 (which lnpd takes), and S = 35 blocks for a
# transaction to be mined: S is what an attacker, or a busy month, stretches most, and 12 is the least it may be.
DEFAULT_CLTV_EXPIRY_DELTA: Final = 80
MAX_FEE: Final = 2**32 - 1
LOWEST_CLTV_EXPIRY_DELTA: Final = 34
HIGHEST_CLTV_EXPIRY_DELTA: Final = 2016


class RelayPolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a node asks of HTLCs that it sends out over a channel. `cltv_expiry_delta` is in blocks."""

    fee_base_msat: int = 1_000
    fee_proportional_millionths: int = 10
    cltv_expiry_delta: int = DEFAULT_CLTV_EXPIRY_DELTA
    htlc_minimum_msat: int = 1
    htlc_maximum_msat: int = MAX_HTLC_MSAT

    def fee_msat(self, amount_msat: int) -> int:
        """The fee for an HTLC that goes out with this amount (BOLT 7, HTLC Fees)."""
        return self.fee_base_msat + amount_msat * self.fee_proportional_millionths // MILLION
