"""Can strangers who never say init keep others out, or grow without bound?"""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from lnpd.services.peers.address import network_of
from lnpd.services.peers.limits import USUAL_LIMITS, Waiting, redialling


def test_a_networks_oldest_gives_way_to_its_newest() -> None:
    waiting: Waiting[int] = Waiting(total=10, per_network=3)
    assert [waiting.add(number, "1.1.1.1") for number in range(5)] == [None, None, None, 0, 1]
    waiting.remove(3)
    waiting.remove(3)
    assert waiting.add(5, "1.1.1.1") is None and len(waiting) == 3


def test_a_crowd_gives_way_to_somebody_from_elsewhere() -> None:
    waiting: Waiting[str] = Waiting(total=5, per_network=4)
    for name in ("lone", "a", "b", "c", "d"):
        assert waiting.add(name, "9.9.9.9" if name == "lone" else "1.1.1.1") is None
    assert waiting.add("new", "2.2.2.2") == "a"
    assert waiting.add("newer", "3.3.3.3") == "b"


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), max_size=60))
def test_the_bounds_hold_and_nobody_is_forgotten(events: list[tuple[int, bool]]) -> None:
    waiting: Waiting[int] = Waiting(total=6, per_network=3)
    there: dict[int, str] = {}
    for number, (network, leaves) in enumerate(events):
        if leaves and there:
            waiting.remove(gone := next(iter(there)))
            del there[gone]
        host = f"1.1.1.{network}"
        evicted = waiting.add(number, host)
        if evicted is not None:
            assert evicted != number
            del there[evicted]
        there[number] = network_of(host)
        assert len(waiting) == len(there) <= 6
        assert max(Counter(there.values()).values()) <= 3


def test_pauses_before_a_peer_is_dialled_again_are_no_longer_than_said() -> None:
    assert redialling(USUAL_LIMITS, None) is USUAL_LIMITS
    for most_seconds, first_seconds in ((0.1, 0.1), (20.0, USUAL_LIMITS.retry_first_seconds)):
        found = redialling(USUAL_LIMITS, most_seconds)
        assert (found.retry_first_seconds, found.retry_most_seconds) == (first_seconds, most_seconds)
        assert found.half_open == USUAL_LIMITS.half_open
