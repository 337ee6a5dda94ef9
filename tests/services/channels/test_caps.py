"""How much money may channels hold, and channels of which types?"""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lnpd_sdk.types import ACCEPTOR, OPENER

from lnpd.channel.state import AwaitingReady, Channel, Closed, Policy, new_channel
from lnpd.errors import (
    ChannelRefused,
    ChannelsFull,
    ChannelTooLarge,
    ChannelTooSmall,
    ExperimentalTypeRefused,
    UnfundedTooMany,
)
from lnpd.providers.types import STATIC_REMOTEKEY
from lnpd.services.channels.caps import MAX_UNFUNDED, MAX_UNFUNDED_A_PEER, MIN_CHANNEL_SAT, Caps, Room
from lnpd.services.channels.opening import Kind
from lnpd.wire.messages import Extension

PLAIN = Kind("static_remotekey", STATIC_REMOTEKEY, b"", ())
WITH_PLUGIN = Kind("lockbox/static_remotekey", STATIC_REMOTEKEY, b"", (Extension(name="lockbox", format=1),))
CAPS = Caps(max_channel_sat=1_000_000, max_total_sat=2_500_000, experimental_types=False)


@pytest.mark.parametrize(
    ("kind", "capacity_sat", "error", "says"),
    [
        (PLAIN, MIN_CHANNEL_SAT - 1, ChannelTooSmall, "20,000 sat or more, not 19,999"),
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
    assert room.taken_sat == CAPS.max_total_sat


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


def stranger(number: int, peer: int) -> Channel:
    channel = new_channel(f"s{number}", peer.to_bytes(33, "big"), ACCEPTOR, Policy(), bytes(32))
    return msgspec.structs.replace(channel, capacity_sat=900_000, phase=AwaitingReady())


def test_what_strangers_do_not_fund_takes_no_room_and_is_bounded_in_number() -> None:
    room = Room(CAPS)

    def admit(number: int, peer: int, known: bool = False) -> None:
        channel = stranger(number, peer)
        room.admit(channel.key, PLAIN, 900_000, channel.peer, known)
        room.saw(channel)

    for number in range(MAX_UNFUNDED):
        admit(number, number // MAX_UNFUNDED_A_PEER)
    assert room.taken_sat == 0
    room.take("ours", PLAIN, 900_000)
    with pytest.raises(UnfundedTooMany, match="4 channels that you opened"):
        admit(MAX_UNFUNDED, 0, known=True)
    with pytest.raises(UnfundedTooMany, match="try it again later"):
        admit(MAX_UNFUNDED, MAX_UNFUNDED)
    admit(MAX_UNFUNDED, MAX_UNFUNDED, known=True)

    funded = msgspec.structs.replace(stranger(0, 0), depth_reached=True)
    room.saw(funded)
    assert room.taken_sat == 1_800_000, "what is funded counts"
    with pytest.raises(ChannelsFull):
        admit(MAX_UNFUNDED + 1, 0)
    room.saw(msgspec.structs.replace(funded, phase=Closed("done")))
    admit(MAX_UNFUNDED + 1, 0, known=True)
    with pytest.raises(UnfundedTooMany, match="try it again later"):
        admit(MAX_UNFUNDED + 2, MAX_UNFUNDED)
    for number in (1, 2):
        room.saw(msgspec.structs.replace(stranger(number, 0), phase=Closed("forgotten")))
    admit(MAX_UNFUNDED + 2, MAX_UNFUNDED)


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
        assert room.taken_sat == taken_sat <= CAPS.max_total_sat
