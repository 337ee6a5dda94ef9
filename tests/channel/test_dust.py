"""Is the worth of HTLCs that are too small for a commitment bounded: what we add, what the peer adds, each feerate?"""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lnpd_sdk.types import Htlc
from msgspec.structs import replace

from lnpd import errors
from lnpd.channel import actions, events
from lnpd.channel.dust import (
    BUFFER_PER_KW,
    MOST_TIMES,
    allowed_at_msat,
    buffered_per_kw,
    exposure_at_msat,
    exposure_with_msat,
    is_dust,
)
from lnpd.channel.limits import FEE, OFFER
from lnpd.channel.outcomes import undecided
from lnpd.channel.state import Failed, Normal, Policy
from lnpd.channel.updates import next_id
from lnpd.providers.types import ANCHORS_ZERO_FEE_HTLC_TX, STATIC_REMOTEKEY
from lnpd.tx.graph import ChannelType
from lnpd.tx.states import HTLC, htlcs_of
from lnpd.wire.message import decode
from lnpd.wire.messages import Error as ErrorMessage
from lnpd.wire.messages import UpdateFee
from tests.channel.harness import POLICY, Node, Pair, add, drive, opened
from tests.channel.sealed import with_sealer

ANCHORS, LEGACY, SEALED = ANCHORS_ZERO_FEE_HTLC_TX, STATIC_REMOTEKEY, with_sealer("second_stage")
# At 1000 per kw HTLCs are judged at 3530: HTLC-success costs 2481 there, HTLC-timeout 2340; the dust limit is 354.
LARGEST_DUST_MSAT = 2_834_999
Offers = list[tuple[int, int]]  # who, and msat


def limited(kind: ChannelType, most_msat: int, party: int) -> Pair:
    """A channel at 1000 per kw of which one side risks so much; the other side anything."""
    pair = Pair(
        *(Node(n, replace(POLICY, max_dust_exposure_msat=most_msat if n == party else 1 << 60)) for n in (0, 1))
    )
    return opened(kind, pair)


def offer(pair: Pair, offers: Offers) -> None:
    for number, (party, amount_msat) in enumerate(offers):
        pair.command(party, add(number, amount_msat))
        pair.settle()


# Channel type, limit, what is offered before, what is offered then and by whom, and whether it is over the limit.
OFFERS: dict[str, tuple[ChannelType, int, Offers, tuple[int, int], bool]] = {
    "with anchors what is below the dust limit counts": (ANCHORS, 353_998, [], (0, 353_999), True),
    "with anchors nothing else does": (ANCHORS, 353_999, [(0, 353_999)], (0, 354_000), False),
    "at the limit": (ANCHORS, 707_998, [(0, 353_999)], (0, 353_999), False),
    "above the limit": (ANCHORS, 707_997, [(0, 353_999)], (0, 353_999), True),
    "the other side's count": (ANCHORS, 707_997, [(1, 353_999)], (0, 353_999), True),
    "the acceptor's alike": (ANCHORS, 707_997, [(0, 353_999)], (1, 353_999), True),
    "large ones do not count": (ANCHORS, 707_998, [(0, 9_000_000), (1, 353_999)], (0, 353_999), False),
    "of the second stage's size, buffered": (LEGACY, 2_834_998, [], (0, LARGEST_DUST_MSAT), True),
    "just above that": (LEGACY, 2_834_998, [], (0, LARGEST_DUST_MSAT + 1), False),
    "legacy, at the limit": (LEGACY, 5_669_998, [(1, LARGEST_DUST_MSAT)], (0, LARGEST_DUST_MSAT - 495_000), False),
    "each commitment by itself": (LEGACY, 5_000_000, [(1, LARGEST_DUST_MSAT)], (0, LARGEST_DUST_MSAT), False),
    "both in one commitment": (LEGACY, 5_000_000, [(1, 2_693_999)], (0, 2_693_999), True),
}  # fmt: skip


@pytest.mark.parametrize(("kind", "most_msat", "before", "then", "over"), OFFERS.values(), ids=OFFERS)
def test_we_offer_nothing_beyond_it(
    kind: ChannelType, most_msat: int, before: Offers, then: tuple[int, int], over: bool
) -> None:
    party, amount_msat = then
    pair = limited(kind, most_msat, party)
    offer(pair, before)
    node = pair.nodes[party]
    stored = node.channel
    if over:
        with pytest.raises(errors.CommandRefused, match=r"too small for an output\.$"):
            node.run(add(99, amount_msat))
        assert node.channel == stored and not node.sent
        return
    pair.command(party, add(99, amount_msat))
    pair.settle()
    assert len(node.channel.base.states) and not any(n.errors for n in pair.nodes)


@pytest.mark.parametrize(("kind", "most_msat", "before", "then", "over"), OFFERS.values(), ids=OFFERS)
def test_what_the_peer_offers_beyond_it_is_to_be_failed_and_the_channel_goes_on(
    kind: ChannelType, most_msat: int, before: Offers, then: tuple[int, int], over: bool
) -> None:
    party, amount_msat = then
    pair = limited(kind, most_msat, 1 - party)
    offer(pair, [*before, (party, amount_msat)])
    judge = pair.nodes[1 - party]
    told = judge.told(actions.HtlcReceived)
    assert [each.over_exposure for each in told] == [False] * (len(told) - 1) + [over]
    pair.command(1 - party, events.Fail(told[-1].id, b""))
    pair.settle()
    pair.check()
    assert not any(node.errors for node in pair.nodes)
    assert all(isinstance(node.channel.phase, Normal) for node in pair.nodes)


def test_what_was_answered_once_is_not_answered_otherwise_for_what_the_peer_adds_later() -> None:
    pair = limited(ANCHORS, 707_998, 1)
    offer(pair, [(0, 353_999)] * 4)
    node = pair.nodes[1]
    again = drive(undecided(node.channel), node.answer)
    assert [each.message.over_exposure for each in again] == [False, False, True, True]
    assert [each.over_exposure for each in node.told(actions.HtlcReceived)] == [False, False, True, True]


def test_what_was_removed_is_no_danger_any_more_and_what_is_being_removed_still_is() -> None:
    pair = limited(ANCHORS, 353_999, 0)
    offer(pair, [(0, 353_999)])
    pair.command(1, events.Fail(0, b""))
    pair.deliver(1)
    with pytest.raises(errors.CommandRefused):
        pair.nodes[0].run(add(1, 353_999))
    pair.settle()
    pair.command(0, add(2, 353_999))
    pair.settle()
    assert len(pair.nodes[1].told(actions.HtlcReceived)) == 2


# Channel type, limit, what is offered before, the new feerate, and whether it goes too far. HTLCs of 5,000 sat are dust
# from 6,608 per kw on (HTLC-success, one more than 4,646 * 1000 / 703) and from 7,007 on (HTLC-timeout). Of a limit of
# 2,500 sat, which holds for new HTLCs, a rise of the feerate may make 10,000 sat.
FEERATES: dict[str, tuple[ChannelType, int, Offers, int, bool]] = {
    "it trims nothing": (LEGACY, 2_500_000, [(0, 5_000_000)] * 3, 6_500, False),
    "it trims too much": (LEGACY, 2_500_000, [(0, 5_000_000)] * 3, 7_500, True),
    "in one commitment": (LEGACY, 2_500_000, [(0, 5_000_000)] * 3, 6_650, True),
    "at the limit": (LEGACY, 2_500_000, [(0, 5_000_000)] * 2, 7_500, False),
    "the other side's count": (LEGACY, 2_500_000, [(0, 5_000_000), (1, 5_000_000), (1, 5_000_000)], 7_500, True),
    "not in the same commitment": (LEGACY, 2_500_000, [(0, 5_000_000), (1, 5_000_000), (1, 5_000_000)], 6_650, False),
    "with anchors nothing is trimmed": (ANCHORS, 2_500_000, [(0, 5_000_000)] * 3, 50_000, False),
    "a lower one helps": (LEGACY, 4_000_000, [(0, 5_000_000), (1, 5_000_000)], 900, False),
}  # fmt: skip


@pytest.mark.parametrize(("kind", "most_msat", "before", "feerate", "over"), FEERATES.values(), ids=FEERATES)
def test_our_feerate(kind: ChannelType, most_msat: int, before: Offers, feerate: int, over: bool) -> None:
    pair = limited(kind, most_msat, 0)
    offer(pair, before)
    feerate -= BUFFER_PER_KW if feerate > 1000 else 0
    if over:
        with pytest.raises(errors.CommandRefused, match="too small for an output at this feerate_per_kw"):
            pair.nodes[0].run(events.SetFeerate(feerate))
        return
    pair.command(0, events.SetFeerate(feerate))
    pair.settle()
    pair.check()
    assert not any(node.errors for node in pair.nodes)


@pytest.mark.parametrize(("kind", "most_msat", "before", "feerate", "over"), FEERATES.values(), ids=FEERATES)
def test_the_peers_feerate(kind: ChannelType, most_msat: int, before: Offers, feerate: int, over: bool) -> None:
    pair = limited(kind, most_msat, 1)
    offer(pair, before)
    node = pair.nodes[1]
    held = node.latest().graph.tx.txid
    node.run(UpdateFee(channel_id=node.channel.id, feerate_per_kw=feerate))
    assert [type(e) for e in node.errors] == [errors.DustExposureExceeded] * over
    if over:  # what is on chain then is the commitment before it
        (error,) = map(decode, node.sent)
        assert isinstance(error, ErrorMessage) and isinstance(node.channel.phase, Failed)
        assert [tx.txid for tx in node.broadcast] == [held]


def test_what_is_not_signed_yet_counts() -> None:
    pair = limited(ANCHORS, 707_997, 0)
    pair.nodes[0].run(add(1, 353_999))
    with pytest.raises(errors.CommandRefused):
        pair.nodes[0].run(add(2, 353_999))


def test_a_feerate_that_is_pending_counts() -> None:
    pair = limited(LEGACY, 10_000_000, 0)
    offer(pair, [(0, 5_000_000)])
    pair.command(0, events.SetFeerate(6_000))  # of which the buffer makes 8,530
    with pytest.raises(errors.CommandRefused, match=r"too small for an output\.$"):
        pair.nodes[0].run(add(9, 5_000_001))
    assert exposure_at_msat(pair.nodes[0].channel, 6_000, True) == 0


@pytest.mark.parametrize(
    ("most_msat", "feerate", "allowed_msat"),
    [
        (50_000_000, 253, 50_000_000),
        (50_000_000, 5_000, 50_000_000),
        (50_000_000, 5_001, 50_010_000),
        (50_000_000, 20_000, 200_000_000),
        (50_000_000, 100_000, 200_000_000),
        (0, 100_000, 0),
    ],
)
def test_a_feerate_may_trim_more_as_it_rises(most_msat: int, feerate: int, allowed_msat: int) -> None:
    assert allowed_at_msat(most_msat, feerate) == allowed_msat


def test_a_rise_that_trims_three_payments_costs_no_channel() -> None:
    """By the limit that everyone has: three of 17,000 sat at 100 sat per vbyte, as LDK would propose it."""
    pair = limited(LEGACY, Policy().max_dust_exposure_msat, 1)
    offer(pair, [(0, 17_000_000)] * 3)
    pair.command(0, events.SetFeerate(25_000))
    pair.settle()
    pair.check()
    assert exposure_at_msat(pair.nodes[1].channel, 25_001, False) == 51_000_000 > Policy().max_dust_exposure_msat
    with pytest.raises(errors.CommandRefused, match=r"too small for an output\.$"):
        pair.nodes[1].run(add(9, 17_000_000))


@pytest.mark.parametrize(("feerate", "buffered"), [(253, 2_783), (10_120, 12_650), (10_121, 12_651), (40_000, 50_000)])
def test_the_buffer(feerate: int, buffered: int) -> None:
    assert buffered_per_kw(feerate) == buffered >= feerate + BUFFER_PER_KW


@pytest.mark.parametrize(("kind", "offerer", "least_sat"), [
    (ANCHORS, 0, (354, 1000)), (ANCHORS, 1, (354, 1000)),
    (LEGACY, 0, (1017, 1703)), (LEGACY, 1, (1057, 1663)),
    (SEALED, 0, (1189, 1875)), (SEALED, 1, (1229, 1835)),
])  # fmt: skip
def test_each_commitment_has_its_holders_dust_limit_and_its_second_stage(
    kind: ChannelType, offerer: int, least_sat: tuple[int, int]
) -> None:
    channel = replace(opened(LEGACY if kind is SEALED else kind).nodes[0].channel, channel_type=kind)
    channel = replace(channel, terms=(channel.terms[0], replace(channel.terms[1], dust_limit_sat=1000)))
    for holder in (0, 1):
        htlcs = [Htlc(offerer, 0, 1000 * sat - 1, bytes(32), 500) for sat in (least_sat[holder], least_sat[holder] + 1)]
        assert [is_dust(channel, htlc, holder, 1000) for htlc in htlcs] == [True, False]
    assert exposure_with_msat(channel, Htlc(offerer, 0, 10_000_000, bytes(32), 500)) == 0


def test_both_rules_name_one_limit() -> None:
    assert {rule.error for rule in OFFER} == {errors.DustExposureExceeded} == {FEE[-1].error}


MOST_MSAT = (8_000_000, 12_000_000)  # what each side risks in the walk below
HOLDERS = st.sampled_from((0, 1))
STEPS = st.one_of(
    st.tuples(st.just("add"), HOLDERS, st.sampled_from((353_000, 1_500_000, 2_600_000, 4_000_000, 6_000_000))),
    st.tuples(st.sampled_from(("deliver", "commit", "fail")), HOLDERS, st.just(0)),
    st.tuples(st.just("fee"), st.just(0), st.sampled_from((800, 1_500, 3_000, 5_000, 9_000))),
)


class Walk:
    """A channel under any order of updates, and what each side offered, by the id that its output would have."""

    def __init__(self, kind: ChannelType) -> None:
        policies = [replace(POLICY, max_dust_exposure_msat=most) for most in MOST_MSAT]
        self.pair = opened(kind, Pair(Node(0, policies[0]), Node(1, policies[1])))
        self.amounts_msat: dict[str, int] = {}
        self.seen: set[tuple[str, str]] = set()
        self.most_msat = [0, 0]

    def go(self, what: str, party: int, value: int) -> None:
        """One step, and a look at every commitment that is new since."""
        node = self.pair.nodes[party]
        if not isinstance(node.channel.phase, Normal):
            return
        event: events.Event = events.Commit()
        if what == "add":
            identity = next_id(node.channel, HTLC, party)
            event = add(identity, value)
        elif what == "fee":
            event = events.SetFeerate(value)
        elif what == "fail":
            decided = {decision.id for decision in node.channel.decisions}
            waiting = [h.id for h in htlcs_of(node.channel.base.states) if h.offerer != party and h.id not in decided]
            event = events.Fail(waiting[0], b"") if waiting else event
        with suppress(errors.CommandRefused):
            if what == "deliver":
                self.pair.deliver(party)
            else:
                self.pair.command(party, event)
            if what == "add":
                self.amounts_msat[f"{party}/{identity}"] = value
        self.look()

    def look(self) -> None:
        """In no commitment more of a side's money is in HTLCs without an output than it risks."""
        for node in self.pair.nodes:
            for kind, key in {row for row in node.rows if row[0] == "commitment"} - self.seen:
                self.seen.add((kind, key))
                kept = node.kept(key)
                assert kept is not None
                for party in (0, 1):
                    names = [name for _, name in kept.graph.trimmed if name.startswith(f"{party}/")]
                    lost_msat = sum(self.amounts_msat[name] for name in names)
                    assert lost_msat <= MOST_TIMES * MOST_MSAT[party], names
                    self.most_msat[party] = max(self.most_msat[party], lost_msat)


@pytest.mark.parametrize("kind", [LEGACY, ANCHORS], ids=["legacy", "anchors"])
@given(st.lists(STEPS, max_size=60))
def test_whatever_the_order_no_commitment_gives_away_more_than_that(
    kind: ChannelType, steps: list[tuple[str, int, int]]
) -> None:
    walk = Walk(kind)
    for step in steps:
        walk.go(*step)
    walk.pair.settle()
    walk.look()
    wrong = {type(error) for node in walk.pair.nodes for error in node.errors}
    assert wrong <= {errors.DustExposureExceeded}, "a feerate may cross HTLCs that it makes too small"
    if not wrong:
        walk.pair.check()


def test_the_walk_comes_close_to_the_limit() -> None:
    walk = Walk(LEGACY)
    for step in [("add", 0, 2_600_000), ("deliver", 0, 0), ("commit", 0, 0), ("deliver", 0, 0)] * 4:
        walk.go(*step)
        walk.pair.settle()
        walk.look()
    walk.go("fee", 0, 3_500)
    walk.pair.settle()
    walk.look()
    assert walk.most_msat[0] > MOST_MSAT[0] // 2
