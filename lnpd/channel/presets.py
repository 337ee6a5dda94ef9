"""What may strangers make a node do in channels? Every limit that a person can set, and three sets of them.

LIMITS is the one table: options, `lnp info --limits` and the printed pages come from it. How much a peer may use of a
node's connections is no matter of channels, and not here. `lnp` reads this file, so it loads nothing else.
"""

from typing import Final, NamedTuple

import msgspec

LARGE_CHANNEL_SAT: Final = 1 << 24
MAX_CHANNEL_SAT: Final = LARGE_CHANNEL_SAT - 1  # BOLT 2: more needs option_support_large_channel
LARGEST_CHANNEL_SAT: Final = 1_000_000_000  # as LND and LDK have it
MAX_HTLCS: Final = 483  # of a party in a commitment (BOLT 2, max_accepted_htlcs)
MAX_TOTAL_SAT: Final = 21_000_000 * 100_000_000
LEAST_IN_FLIGHT_PERCENT: Final = 5  # of 20,000 sat they are what a Policy asks of a peer


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The limits of a node; LIMITS says what each means. `preset` is the set that they were taken from."""

    preset: str = "default"
    max_unfunded_per_peer: int = 2
    max_unfunded: int = 100
    max_pending_per_peer: int = 4
    max_pending: int = 200
    min_channel_sat: int = 20_000
    max_channel_sat: int = MAX_CHANNEL_SAT
    max_total_sat: int = MAX_TOTAL_SAT
    max_to_self_delay: int = 2_016
    max_reserve_percent: int = 20
    min_feerate_per_kw: int = 253
    max_feerate_per_kw: int = 100_000
    max_dust_exposure_msat: int = 50_000_000
    max_accepted_htlcs: int = MAX_HTLCS
    max_in_flight_percent: int = 100


class Limit(NamedTuple):
    """A field of Limits: from `least` to `most`. It is shown with its preset's value."""

    field: str
    unit: str
    least: int
    most: int
    meaning: str

    @property
    def flag(self) -> str:
        """Its option on the command line."""
        return "--" + self.field.replace("_", "-")


LIMITS: Final[tuple[Limit, ...]] = (
    Limit("max_unfunded_per_peer", "CHANNELS", 1, 1_000,
          "a peer's openings at once for which it has not sent funding_created"),
    Limit("max_unfunded", "CHANNELS", 1, 100_000,
          "those of all peers, beyond which only peers with a funded channel open more"),
    Limit("max_pending_per_peer", "CHANNELS", 1, 1_000,
          "a peer's openings at once whose funding is not deep enough, the unfunded included"),
    Limit("max_pending", "CHANNELS", 1, 100_000,
          "those of all peers, beyond which only peers with a funded channel open more"),
    Limit("min_channel_sat", "SAT", 10_000, MAX_CHANNEL_SAT, "the smallest channel, whoever opens it"),
    Limit("max_channel_sat", "SAT", 20_000, LARGEST_CHANNEL_SAT,
          "the largest channel, whoever opens it; from 16777216 on option_support_large_channel is offered"),
    Limit("max_total_sat", "SAT", 20_000, MAX_TOTAL_SAT, "the most that all channels together may hold"),
    Limit("max_to_self_delay", "BLOCKS", 144, 65_535,
          "the longest that a peer may let us wait for our balance after a forced close of ours"),
    Limit("max_reserve_percent", "PERCENT", 1, 100, "the largest part of a channel that a peer may have us keep in it"),
    Limit("min_feerate_per_kw", "SAT", 253, 250_000, "the lowest feerate of commitment transactions"),
    Limit("max_feerate_per_kw", "SAT", 253, 250_000, "the highest feerate of commitment transactions"),
    Limit("max_dust_exposure_msat", "MSAT", 0, 10**12,
          "the most that miners could get of a channel's HTLCs that are too small for an output; up to 4 times as much"
          " when the feerate rises"),
    Limit("max_accepted_htlcs", "HTLCS", 1, MAX_HTLCS, "the most HTLCs that a peer may have in flight in a channel"),
    Limit("max_in_flight_percent", "PERCENT", LEAST_IN_FLIGHT_PERCENT, 100,
          "the most of a channel that a peer may have in flight in HTLCs"),
)  # fmt: skip

DEFAULT: Final = Limits()
PRESETS: Final[dict[str, Limits]] = {
    "cautious": Limits(
        preset="cautious",
        max_unfunded_per_peer=1,
        max_unfunded=20,
        max_pending_per_peer=2,
        max_pending=40,
        min_channel_sat=100_000,
        max_channel_sat=5_000_000,
        max_total_sat=50_000_000,
        max_to_self_delay=1_008,
        max_reserve_percent=5,
        max_feerate_per_kw=50_000,
        max_dust_exposure_msat=5_000_000,
        max_accepted_htlcs=30,
        max_in_flight_percent=50,
    ),
    "default": DEFAULT,
    "open": Limits(
        preset="open",
        max_unfunded_per_peer=10,
        max_unfunded=1_000,
        max_pending_per_peer=20,
        max_pending=2_000,
        min_channel_sat=10_000,
        max_to_self_delay=4_032,
        max_reserve_percent=50,
        max_feerate_per_kw=250_000,
        max_dust_exposure_msat=500_000_000,
    ),
}
