"""How much money may channels hold, and channels of which types?"""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lnpd_sdk.types import ACCEPTOR, OPENER

from lnpd.channel.presets import Limits
from lnpd.channel.state import AwaitingFundingCreated, AwaitingReady, Channel, Closed, Policy, new_channel
from lnpd.errors import (
    ChannelRefused,
    ChannelsFull,
    ChannelTooLarge,
    ChannelTooSmall,
    ExperimentalTypeRefused,
    PendingTooMany,
    UnfundedTooMany,
)
from lnpd.providers.types import STATIC_REMOTEKEY
from lnpd.services.channels.caps import Caps, Room
from lnpd.services.channels.opening import Kind
from lnpd.tx.graph import Funding
from lnpd.wire.messages import Extension

PLAIN = Kind("static_remotekey", STATIC_REMOTEKEY, b"", ())
WITH_PLUGIN = Kind("lockbox/static_remotekey", STATIC_REMOTEKEY, b"", (Extension(name="lockbox", format=1),))
LIMITS = Limits(max_channel_sat=1_000_000, max_total_sat=2_500_000)
CAPS = Caps(LIMITS, experimental_types=False)


@pytest.mark.parametrize(
    ("kind", "capacity_sat", "error", "says"),
    [
        (PLAIN, 19_999, ChannelTooSmall, "20,000 sat or more, not 19,999"),
        (PLAIN, 1_000_001, ChannelTooLarge, "at most 1,000,000 sat (--max-channel-sat), not 1,000,001"),
        (PLAIN, 700_001, ChannelsFull, "1,800,000 are in channels, so 700,000 are left, not 700,001"),
        (WITH_PLUGIN, 100_000, ExperimentalTypeRefused, "not on this network"),
    ],
)
def test_each_cap_is_refused_by_its_name(kind: Kind, capacity_sat: int, error: type[ChannelRefused], says: str) -> None:
    room = Room(CAPS)
    for key in ("a", "b"):
        room.take(key, PLAIN, 900_000)
    with pytest.raises(error) as refused:
        room.take("c", kind, capacity_sat)
    assert says in str(refused.value)
    assert room.taken_sat == 1_800_000


def test_what_fits_exactly_is_taken() -> None:
    room = Room(CAPS)
    for key, capacity_sat in (("a", 1_000_000), ("b", 1_000_000), ("c", 500_000)):
        room.take(key, PLAIN, capacity_sat)
    assert room.taken_sat == LIMITS.max_total_sat


def test_a_plugins_type_is_taken_where_it_may_be() -> None:
    Room(Caps()).take("a", WITH_PLUGIN, 100_000)


def test_room_is_free_again_after_a_close_and_after_an_opening_that_failed() -> None:
    room = Room(CAPS)
    begun = new_channel("a", bytes(33), OPENER, Policy(), bytes(32))
    room.take("a", PLAIN, 900_000)
    room.saw(begun)  # nothing was sent yet: its capacity is not known to the channel
    assert room.taken_sat == 900_000
    room.saw(msgspec.structs.replace(begun, capacity_sat=900_000))
    assert room.taken_sat == 900_000
    room.saw(msgspec.structs.replace(begun, capacity_sat=900_000, phase=Closed("done")))
    assert room.taken_sat == 0
    room.take("b", PLAIN, 900_000)
    room.leave("b")
    assert room.taken_sat == 0


def stranger(number: int, peer: int, named: bool = True) -> Channel:
    """A peer's opening, with or without funding_created."""
    channel = new_channel(f"s{number}", peer.to_bytes(33, "big"), ACCEPTOR, Policy(), bytes(32))
    fundings = (Funding(number.to_bytes(32, "big"), 0, 900_000, (bytes(33), bytes(33)), b""),) if named else ()
    phase = AwaitingReady() if named else AwaitingFundingCreated()
    return msgspec.structs.replace(channel, capacity_sat=900_000, phase=phase, fundings=fundings)


BOUNDS = Limits(max_total_sat=2_500_000, max_unfunded_per_peer=2, max_unfunded=6, max_pending_per_peer=3, max_pending=9)


class Crowd:
    """A room, and the peers' openings that it let in."""

    def __init__(self) -> None:
        self.room, self.count = Room(Caps(BOUNDS)), 0

    def admit(self, peer: int, named: bool, known: bool = False) -> None:
        """One more of a peer's, which comes so far."""
        channel = stranger(self.count, peer, named)
        self.room.admit(channel.key, PLAIN, 900_000, channel.peer, known)
        self.count += 1
        self.room.saw(channel)


# Whose openings wait, and whether they came to funding_created; who opens one more, known or not; what comes of it.
CROWDS: dict[str, tuple[list[tuple[int, bool]], int, bool, type[ChannelRefused] | None, str]] = {
    "one more of a peer's": ([(1, False)], 1, False, None, ""),
    "too many of a peer's without it": ([(1, False)] * 2, 1, False, UnfundedTooMany, "at most 2 may at once"),
    "a known peer's alike": ([(1, False)] * 2, 1, True, UnfundedTooMany, "at most 2 may at once"),
    "a peer's that came to it": ([(1, True)] * 2, 1, False, None, ""),
    "too many of a peer's that are not deep": ([(1, True)] * 3, 1, True, PendingTooMany, "at most 3 may at once"),
    "both count as that": ([(1, True)] * 2 + [(1, False)], 1, True, PendingTooMany, "at most 3 may at once"),
    "too many of all without it": ([(n // 2, False) for n in range(6)], 9, False, UnfundedTooMany, "later"),
    "but for whom we know": ([(n // 2, False) for n in range(6)], 9, True, None, ""),
    "too many of all that are not deep": ([(n // 3, True) for n in range(9)], 9, False, PendingTooMany, "later"),
    "but for those whom we know": ([(n // 3, True) for n in range(9)], 9, True, None, ""),
}  # fmt: skip


@pytest.mark.parametrize(("waiting", "peer", "known", "error", "says"), CROWDS.values(), ids=CROWDS)
def test_what_strangers_do_not_fund_takes_no_room_and_is_bounded_in_number(
    waiting: list[tuple[int, bool]], peer: int, known: bool, error: type[ChannelRefused] | None, says: str
) -> None:
    crowd = Crowd()
    for each, named in waiting:
        crowd.admit(each, named)
    assert crowd.room.taken_sat == 0
    if error is None:
        crowd.admit(peer, False, known)
        return
    with pytest.raises(error, match=says) as refused:
        crowd.admit(peer, False, known)
    assert type(refused.value) is error
    for number, (each, named) in enumerate(waiting):
        crowd.room.saw(msgspec.structs.replace(stranger(number, each, named), phase=Closed("forgotten")))
    crowd.admit(peer, False, known)


def test_what_is_funded_counts_in_money_and_no_more_in_number() -> None:
    crowd = Crowd()
    for _ in range(3):
        crowd.admit(1, True)
    funded = [msgspec.structs.replace(stranger(number, 1), depth_reached=True) for number in (0, 1)]
    for channel in funded:
        crowd.room.saw(channel)
    assert crowd.room.taken_sat == 1_800_000
    with pytest.raises(ChannelsFull):
        crowd.admit(1, False, True)
    crowd.room.saw(msgspec.structs.replace(funded[0], phase=Closed("done")))
    crowd.admit(1, False, True)


@given(st.lists(st.integers(0, 3_000_000), max_size=20))
def test_no_order_of_openings_gets_above_the_total(capacities_sat: list[int]) -> None:
    room = Room(CAPS)
    taken_sat = 0
    for number, capacity_sat in enumerate(capacities_sat):
        try:
            room.take(str(number), PLAIN, capacity_sat)
            taken_sat += capacity_sat
        except ChannelRefused:
            pass
        assert room.taken_sat == taken_sat <= LIMITS.max_total_sat
