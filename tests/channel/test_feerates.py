"""Which feerate is due in a channel that we opened: when is it moved, how far do our means and HTLCs let it, and when is
it left alone?"""

# ruff: noqa: E501 - a row of a table is one line

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from lnpd import errors
from lnpd.channel import events
from lnpd.channel.dust import MSAT_FOR_EACH_PER_KW, exposure_at_msat
from lnpd.channel.feerates import (
    ANCHORS_LEAST_PER_KW,
    ANCHORS_MOST_PER_KW,
    Estimates,
    due,
    highest,
    is_short,
    is_sunk,
    proposed_per_kw,
    reach_per_kw,
    target_per_kw,
    wanted_per_kw,
)
from lnpd.channel.state import Channel, Policy
from lnpd.providers.types import ANCHORS_ZERO_FEE_HTLC_TX, STATIC_REMOTEKEY
from lnpd.tx.graph import ChannelType
from lnpd.tx.states import BASE, BaseState, encode_state, feerate_of
from lnpd.wire.message import decode
from lnpd.wire.messages import UpdateFee
from tests.channel.harness import POLICY, SCRIPTS, Node, Pair, add, opened

ANCHORS, LEGACY = ANCHORS_ZERO_FEE_HTLC_TX, STATIC_REMOTEKEY
Set = events.SetFeerate


def flat(per_kw: int, floor_per_kw: int = 253) -> Estimates:
    return Estimates(per_kw, floor_per_kw)


# What the chain advises, and the feerate without and with anchors.
TARGETS: dict[str, tuple[Estimates, int, int]] = {
    "an empty mempool": (flat(253), 253, 1_265),
    "below what nodes relay": (flat(100, 50), 253, 1_265),
    "usual": (flat(2_000), 2_000, 2_000),
    "dear: the child of an anchor pays": (flat(20_000, 600), 20_000, 2_500),
    "mempools take no less than that": (flat(20_000, 6_000), 20_000, 7_500),
    "a floor just below the cap": (flat(20_000, 2_400), 20_000, 3_000),
    "never more than what confirms soon": (flat(6_000, 6_000), 6_000, 6_000),
    "an estimate that lags behind the floor": (flat(1_000, 4_000), 4_000, 4_000),
}


@pytest.mark.parametrize(("estimates", "plain", "anchors"), TARGETS.values(), ids=TARGETS)
def test_the_target(estimates: Estimates, plain: int, anchors: int) -> None:
    assert (target_per_kw(False, estimates), target_per_kw(True, estimates)) == (plain, anchors)


@given(st.integers(0, 300_000), st.integers(0, 300_000))
def test_a_target_is_never_below_what_mempools_take(soon: int, floor: int) -> None:
    estimates = Estimates(soon, floor)
    for anchors in (False, True):
        target = target_per_kw(anchors, estimates)
        assert target >= max(253, floor)
        assert target <= max(soon, floor, ANCHORS_LEAST_PER_KW)
    assert target_per_kw(True, estimates) <= max(ANCHORS_MOST_PER_KW, floor * 5 // 4)


# Type, the feerate of the channel, what the chain advises, and the command: the feerate and the least of it.
DUE: dict[str, tuple[ChannelType, int, Estimates, tuple[int, int] | None]] = {
    "it is as it should be": (LEGACY, 1_000, flat(1_000), None),
    "a little low": (LEGACY, 1_000, flat(1_199), None),
    "low": (LEGACY, 1_000, flat(1_200), (1_200, 1_200)),
    "very low": (LEGACY, 1_000, flat(9_000), (2_000, 1_200)),
    "a little high": (LEGACY, 1_000, flat(701), None),
    "high": (LEGACY, 1_000, flat(700), (700, 700)),
    "very high": (LEGACY, 50_000, flat(253), (253, 253)),
    "low enough to stay out of mempools": (LEGACY, 1_000, flat(1_100, 1_050), (1_100, 1_100)),
    "at the floor": (LEGACY, 1_000, flat(1_100, 1_000), None),
    "below what any mempool takes": (LEGACY, 240, flat(253), (253, 253)),
    "with anchors a cap": (ANCHORS, 2_500, flat(90_000), None),
    "with anchors from below": (ANCHORS, 1_000, flat(90_000), (2_000, 1_200)),
    "with anchors a floor that is far away": (ANCHORS, 2_500, flat(90_000, 80_000), (5_000, 3_000)),
    "a floor that is far away": (LEGACY, 240, flat(900, 900), (480, 288)),
    "with anchors above the cap": (ANCHORS, 3_500, flat(90_000), None),
    "with anchors far above the cap": (ANCHORS, 5_000, flat(90_000), (2_500, 2_500)),
    "with anchors a floor": (ANCHORS, 2_500, flat(90_000, 3_000), (3_750, 3_000)),
    "with anchors a least": (ANCHORS, 1_265, flat(253), None),
    "with anchors down to the least": (ANCHORS, 2_500, flat(253), (1_265, 1_265)),
    "at most what our options allow": (LEGACY, 60_000, flat(900_000), (100_000, 72_000)),
    "at most that, and there already": (LEGACY, 100_000, flat(900_000), None),
}


@pytest.mark.parametrize(("kind", "now", "estimates", "wanted"), DUE.values(), ids=DUE)
def test_when_it_is_moved(kind: ChannelType, now: int, estimates: Estimates, wanted: tuple[int, int] | None) -> None:
    pair = Pair(*(Node(n, replace(POLICY, min_feerate_per_kw=200)) for n in (0, 1)))
    pair = opened(kind, pair, feerate_per_kw=now, capacity_sat=10_000_000)
    channel = pair.nodes[0].channel
    channel = replace(channel, policy=replace(channel.policy, min_feerate_per_kw=253))
    assert due(channel, estimates) == (Set(*wanted) if wanted else None)
    assert due(pair.nodes[1].channel, estimates) is None, "an acceptor changes no feerate"
    if wanted:
        pair.command(0, Set(*wanted))
        pair.settle()
        pair.check()
        assert feerate_of(pair.nodes[1].channel.base.states) == wanted[0]
        assert due(pair.nodes[0].channel, estimates, 2 * now) is None, "once is enough"


def at(channel: Channel, per_kw: int) -> Channel:
    """The same channel at another feerate."""
    states = tuple((name, encode_state(BaseState(per_kw)) if name == BASE else s) for name, s in channel.base.states)
    return replace(channel, base=replace(channel.base, states=states))


BY_KIND = {kind: opened(kind).nodes[0].channel for kind in (LEGACY, ANCHORS)}


@given(st.sampled_from((LEGACY, ANCHORS)), st.integers(253, 90_000), st.integers(1, 90_000), st.integers(1, 90_000))
def test_there_is_no_to_and_fro(kind: ChannelType, now: int, soon: int, floor: int) -> None:
    estimates, channel = Estimates(soon, floor), BY_KIND[kind]
    command, wanted = due(at(channel, now), estimates), wanted_per_kw(channel, estimates)
    if command is None:
        assert floor <= now < 1.43 * wanted and not is_short(at(channel, now), estimates)
        return
    assert command.least_per_kw <= command.feerate_per_kw == min(wanted, 2 * now) and wanted >= floor
    assert not 0.7 * now < command.feerate_per_kw < 1.2 * now or now < floor
    assert due(at(channel, command.feerate_per_kw), estimates, 2 * now) is None
    assert not is_short(at(channel, command.feerate_per_kw), estimates, 2 * now)
    steps, per_kw = 0, now
    while command := due(at(channel, per_kw), estimates):
        steps, per_kw = steps + 1, command.feerate_per_kw
    assert steps <= max(1, (wanted // now).bit_length()) and (per_kw == wanted or floor <= per_kw > wanted / 1.2)


def test_who_was_raised_further_by_hand_is_left_there() -> None:
    channel, estimates = at(BY_KIND[LEGACY], 9_000), flat(9_500)
    assert due(channel, estimates, 2_000) is None and not is_short(channel, estimates, 2_000)


# What the estimates are at one tip after the other, and how far a channel of 1,000 may rise then that cannot follow.
TIPS: dict[str, list[tuple[int, int]]] = {
    "one estimate is wrong": [(1_000, 1_000), (90_000, 2_000), (1_100, 1_100), (90_000, 2_200)],
    "fees rise": [(9_000, 2_000), (9_000, 4_000), (9_000, 8_000), (9_000, 9_000), (9_000, 9_000)],
    "fees fall": [(9_000, 2_000), (500, 500), (9_000, 2_000)],
}


@pytest.mark.parametrize("tips", TIPS.values(), ids=TIPS)
def test_how_far_who_was_away_may_rise(tips: list[tuple[int, int]]) -> None:
    reach = 0
    for per_kw, expected in tips:
        reach = reach_per_kw(at(BY_KIND[LEGACY], 1_000), flat(per_kw), reach)
        assert reach == expected


def settled(pair: Pair) -> Pair:
    pair.settle()
    return pair


def proposing() -> Pair:
    pair = opened(LEGACY)
    pair.command(0, Set(1_200))
    return pair


def signing() -> Pair:
    pair = proposing()
    pair.command(0, events.Commit())
    return pair


def told(pair: Pair, party: int, event: events.Event) -> Pair:
    pair.nodes[party].run(event)
    return pair


def cut() -> Pair:
    pair = opened(LEGACY)
    pair.cut()
    return pair


def reconnecting() -> Pair:
    pair = cut()
    pair.reconnect()
    return pair


def closing_later() -> Pair:
    pair = opened(LEGACY)
    pair.nodes[0].run(add(1))  # the shutdown waits until it is signed
    return told(pair, 0, events.Close(SCRIPTS[0], 1, 2))


def channel_pending(channel: Channel) -> bool:
    return any(p.update.provider == BASE for p in channel.log)


# When nothing is due, and that a command which comes all the same is refused then.
NOT_NOW: dict[str, Callable[[], Pair]] = {
    "another is proposed": proposing,
    "another is signed": signing,
    "the peer is away": cut,
    "the channel is not reestablished": reconnecting,
    "a close waits": closing_later,
    "a close has begun": lambda: settled(told(opened(LEGACY), 1, events.Close(SCRIPTS[1], 1, 2))),
    "the channel has failed": lambda: told(opened(LEGACY), 0, events.ForceClose()),
}


@pytest.mark.parametrize("case", NOT_NOW)
def test_when_it_is_left_alone(case: str) -> None:
    node = NOT_NOW[case]().nodes[0]
    assert due(node.channel, flat(9_000)) is None
    before = node.channel
    with pytest.raises(errors.CommandRefused):
        node.run(Set(9_000, 1_200))
    if channel_pending(before):
        with pytest.raises(errors.CommandRefused, match="Another feerate"):  # a user's too
            node.run(Set(9_000))
    assert node.channel == before


def test_nothing_is_sent_while_the_channel_rests() -> None:
    pair = opened(LEGACY)
    pair.command(1, events.Quiesce())
    pair.settle()
    command = due(pair.nodes[0].channel, flat(9_000))
    assert command is not None
    with pytest.raises(errors.ChannelNotReady, match="rests"):
        pair.nodes[0].run(command)


def test_what_a_lost_connection_took_is_due_again() -> None:
    pair = proposing()
    pair.cut()
    pair.reconnect()
    pair.settle()
    assert proposed_per_kw(pair.nodes[0].channel) == 1_000
    assert due(pair.nodes[0].channel, flat(1_200)) == Set(1_200, 1_200)


def test_what_was_signed_outlives_a_restart() -> None:
    pair = signing()
    pair.restart(0)
    pair.reconnect()
    pair.settle()
    pair.check()
    assert feerate_of(pair.nodes[1].channel.base.states) == proposed_per_kw(pair.nodes[0].channel) == 1_200
    assert due(pair.nodes[0].channel, flat(1_200)) is None


# What the opener keeps of 1,000,000 sat, what is in flight by whom, the feerate that is due, and what is proposed.
MEANS: dict[str, tuple[ChannelType, int, list[tuple[int, int]], int, int | None]] = {
    # What is above the reserve of 10,000 sat pays, at twice the feerate (with anchors once), for the commitment and two more
    # HTLCs: 20,000 sat for 2 * (724 + 2 * 172) weight; 1,840 sat beside the anchors for 1,124 + 2 * 172. Each fee is rounded down.
    "rich": (LEGACY, 700_000, [], 20_000, 20_000),
    "poor": (LEGACY, 30_000, [], 20_000, 9_363),
    "poor, and an HTLC is in flight": (LEGACY, 80_000, [(0, 50_000)], 20_000, 8_065),
    "poor, and the peer's HTLC is in flight": (LEGACY, 30_000, [(1, 50_000)], 20_000, 8_065),
    "too poor": (LEGACY, 12_100, [], 20_000, None),
    "anchors, poor": (ANCHORS, 12_500, [], 20_000, 1_254),
    "anchors, too poor": (ANCHORS, 12_400, [], 20_000, None),
}


@pytest.mark.parametrize(("kind", "left_sat", "offers", "wanted", "found"), MEANS.values(), ids=MEANS)
def test_it_rises_as_far_as_we_can_pay(
    kind: ChannelType, left_sat: int, offers: list[tuple[int, int]], wanted: int, found: int | None
) -> None:
    pair = opened(kind, push_msat=1_000_000_000 - 1000 * left_sat)
    for number, (party, amount_sat) in enumerate(offers):
        pair.command(party, add(number, 1000 * amount_sat))
        pair.settle()
    node, estimates = pair.nodes[0], flat(wanted)
    command = due(node.channel, estimates, wanted)
    assert command is not None
    if found is None:
        with pytest.raises(errors.CommandRefused, match="what is ours does not allow even"):
            node.run(command)
        assert is_short(node.channel, estimates, wanted) and not node.sent
        return
    node.run(command)
    (message,) = map(decode, node.sent)
    assert isinstance(message, UpdateFee) and message.feerate_per_kw == proposed_per_kw(node.channel) == found
    pair.settle()
    pair.check()
    assert not any(each.errors for each in pair.nodes)
    assert is_short(node.channel, estimates, wanted) is (found < wanted)
    if found < wanted and kind is LEGACY:
        with pytest.raises(errors.CommandRefused):
            node.run(Set(found + 1, found + 1))


@pytest.mark.parametrize(
    ("kind", "party", "floor", "expected"),
    [(LEGACY, 1, 1_001, True), (LEGACY, 1, 1_000, False), (LEGACY, 0, 1_001, False), (ANCHORS, 1, 5_000, False)],
)
def test_who_does_not_set_the_feerate_sees_when_it_is_below_what_mempools_take(
    kind: ChannelType, party: int, floor: int, expected: bool
) -> None:
    pair = opened(kind, feerate_per_kw=1_000)
    assert is_sunk(pair.nodes[party].channel, flat(2_000, floor)) is expected


def test_a_fall_is_always_affordable() -> None:
    pair = opened(LEGACY, push_msat=985_000_000, feerate_per_kw=4_000)
    command = due(pair.nodes[0].channel, flat(2_000))
    assert command == Set(2_000, 2_000)
    pair.command(0, command)
    pair.settle()
    assert proposed_per_kw(pair.nodes[0].channel) == 2_000


# Type, our limit, what is in flight, and the feerate that is proposed where 9,000 are due. What is judged is 2,530 more:
# 5,000 sat are dust from 6,611 (HTLC-success) or 7,010 (HTLC-timeout) on.
DUST: dict[str, tuple[ChannelType, int, list[tuple[int, int]], int | None]] = {
    "nothing is in flight": (LEGACY, 10_000_000, [], 9_000),
    "large HTLCs": (LEGACY, 10_000_000, [(0, 60_000)] * 3, 9_000),
    "within our limit": (LEGACY, 10_000_000, [(0, 5_000)] * 2, 9_000),
    "beyond our limit: as far as it goes": (LEGACY, 10_000_000, [(0, 5_000)] * 3, 4_080),
    "the peer's count": (LEGACY, 10_000_000, [(0, 5_000), (1, 5_000), (1, 5_000)], 4_479),
    "beyond what peers take by themselves": (LEGACY, 1 << 60, [(1, 5_000)] * 20, 4_080),
    "it is dust already": (LEGACY, 1_000_000, [(0, 2_600)] * 2, None),
    "with anchors nothing is trimmed": (ANCHORS, 10_000_000, [(0, 5_000)] * 3, 2_500),
}


@pytest.mark.parametrize(("kind", "most_msat", "offers", "found"), DUST.values(), ids=DUST)
def test_it_rises_as_far_as_small_htlcs_let_it(
    kind: ChannelType, most_msat: int, offers: list[tuple[int, int]], found: int | None
) -> None:
    pair = opened(kind, Pair(*(Node(n, replace(POLICY, max_dust_exposure_msat=1 << 60)) for n in (0, 1))))
    for number, (party, amount_sat) in enumerate(offers):
        pair.command(party, add(number, 1000 * amount_sat))
        pair.settle()
    node = pair.nodes[0]
    policy: Policy = replace(node.channel.policy, max_dust_exposure_msat=most_msat)
    node.store(replace(node.channel, policy=policy))
    command = due(node.channel, flat(9_000), 9_000)
    assert (command.feerate_per_kw if command else None) == found
    if command is not None:
        exposure_msat = exposure_at_msat(node.channel, command.feerate_per_kw, ours=True)
        assert exposure_msat <= min(most_msat, MSAT_FOR_EACH_PER_KW * command.feerate_per_kw)
        pair.command(0, command)
        pair.settle()
        pair.check()
        assert not any(each.errors for each in pair.nodes)


@given(st.integers(1, 300), st.integers(1, 300), st.sets(st.integers(1, 300)))
def test_the_highest_that_is_allowed(least: int, span: int, refused: set[int]) -> None:
    most = least + span
    found = highest(least, most, lambda number: number not in refused)
    if most not in refused:
        assert found == most
    elif least in refused:
        assert found == 0
    else:
        assert least <= found < most and found not in refused and found + 1 in refused
