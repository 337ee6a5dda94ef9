"""Which updates of an asset channel may stand, and do they leave every token an output, whatever crosses?"""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lnpd_sdk.types import Blocked, Closable, Folded, Party, Reject, Update, View, other

from lnpd.errors import LnpdError
from lnpd.providers.types import CORE_PROVIDERS, STATIC_REMOTEKEY
from lnpd.tx import fees
from lnpd.tx.seals import carrier_weight
from lnpd.wire.catalogue import CORE
from rgb_channel import rules
from rgb_channel.provider import CHANNEL_TYPE, Rgb
from rgb_channel.records import ROWS, TOKENS_HTLC, TOKENS_ONION
from rgb_channel.state import highest_per_kw
from tests.plugins.rgb_channel.made import (
    BALANCES_MSAT,
    KIND,
    add,
    built_at,
    fee,
    held,
    removal,
    state,
    view,
)

rgb = Rgb()
LEAST_SAT = 546 + 875 * 10
KEEPS_SAT = 546 + (724 + 172 + 172 * 16) * 10  # beside 1,720 for each of its own HTLCs


def refusal(found: Reject | None) -> str:
    return found.reason if found else ""


def flying(*updates: Update, settled: tuple[int, int] = (5_000, 700), **changes: Any) -> bytes:
    """A state after these updates."""
    data = state(settled, **changes)
    for each in updates:
        data = rgb.fold(view(), data, each).state
    return data


def short(party: Party, sat: int) -> View:
    """A view in which a party has so many sats."""
    balances = list(BALANCES_MSAT)
    balances[party] = 1000 * sat
    return view(balances_msat=tuple(balances))


TWO_TOKENS = ((TOKENS_HTLC, bytes(7) + b"\1"), (TOKENS_HTLC, bytes(7) + b"\1"))
FULL = [add(1, n, amount_msat=1_000_000) for n in range(16)]
COLOURED = [add(0, n, 1, amount_msat=10_000_000) for n in range(16)]
# name: (state, view, update, words of the refusal; "" if it stands)
JUDGED: dict[str, tuple[bytes, View, Update, str]] = {
    "all that one has": (flying(), view(), add(0, 0, 5_000), ""),
    "more than one has": (flying(), view(), add(0, 0, 5_001), "5001 tokens are more than the 5000"),
    "more than is left": (flying(add(0, 0, 4_000)), view(), add(0, 1, 1_001), "1001 tokens are more than the 1000"),
    "the other's tokens": (flying(), view(), add(1, 0, 701), "701 tokens are more than the 700"),
    "as much as there can be": (flying(), view(), add(0, 0, 2**64 - 1), "tokens are more than the 5000"),
    "sats alone": (flying(), view(), add(0, 0), ""),
    "sats of a satoshi": (flying(), view(), add(1, 0, amount_msat=1), ""),
    "seven bytes": (flying(), view(), add(0, 0, tlvs=((TOKENS_HTLC, bytes(7)),)), "has 8 bytes, not 7"),
    "no token": (flying(), view(), add(0, 0, tlvs=((TOKENS_HTLC, bytes(8)),)), "no token"),
    "twice": (flying(), view(), add(0, 0, tlvs=TWO_TOKENS), "twice"),
    "another's record": (flying(), view(), add(0, 0, tlvs=((TOKENS_HTLC + 4, b""),)), ""),
    "a body of nothing": (flying(), view(), Update(0, "htlc", "add", 0, b""), "cannot be read"),
    "a deep body": (flying(), view(), Update(0, "htlc", "add", 0, b"\x91" * 2_000), "cannot be read"),
    "an id in use": (flying(add(0, 7, 1)), view(), add(0, 7, 1), "an id that is in use"),
    "the other's id": (flying(add(1, 7, 1)), view(), add(0, 7, 1), ""),
    "no amount": (flying(), view(), add(0, 0, 1, amount_msat=0), "no amount"),
    "large enough": (flying(), view(), add(0, 0, 1, amount_msat=1000 * LEAST_SAT), ""),
    "a satoshi too small": (
        flying(),
        view(),
        add(0, 0, 1, amount_msat=1000 * LEAST_SAT - 1),
        f"{LEAST_SAT} sat at least",
    ),
    "small, of the acceptor": (flying(), view(), add(1, 0, 1, amount_msat=1_000_000), f"{LEAST_SAT} sat at least"),
    "one slot too many": (flying(*COLOURED), view(), add(0, 99, 1), "at most 16 HTLCs with tokens"),
    "beside the opener's slots": (flying(*COLOURED), view(), add(0, 99), ""),
    "the acceptor's last": (flying(*FULL[:15]), view(), add(1, 99), ""),
    "one of the acceptor's too many": (flying(*FULL), view(), add(1, 99), "the acceptor has at most 16"),
    "the opener keeps its fees": (flying(), short(0, KEEPS_SAT + 1_720 + 50_000), add(0, 0, 9), ""),
    "or not": (flying(), short(0, KEEPS_SAT + 1_719 + 50_000), add(0, 0, 9), f"it keeps {KEEPS_SAT + 1_720}"),
    "by sats alone, too": (flying(), short(0, KEEPS_SAT + 1_719 + 50_000), add(0, 0), "without an output for tokens"),
    "who pays it tokens": (flying(), short(0, KEEPS_SAT - 1), add(1, 0, 9), "without an output for tokens"),
    "who pays it sats": (flying(), short(0, KEEPS_SAT - 1), add(1, 0), ""),
    "the acceptor's output": (flying(), short(1, 50_546), add(1, 0, 9), ""),
    "dust beside tokens": (flying(), short(1, 50_545), add(1, 0, 9), "less than 546 sat to hold them"),
    "dust, by sats alone": (flying(), short(1, 50_545), add(1, 0), "less than 546 sat to hold them"),
    "dust and no tokens left": (flying(), short(1, 50_545), add(1, 0, 700), ""),
    "a feerate": (flying(add(0, 0, 1)), view(), fee(10_000), ""),
    "too high a feerate": (flying(), view(), fee(10_001), "outputs with tokens could be trimmed: 10000 is the most"),
    "a feerate on its way down": (flying(), view(feerate_per_kw=20_000), fee(15_000), ""),
    "an unreadable feerate": (flying(), view(), Update(0, "base", "fee", 0, b"\xff"), "cannot be read"),
    "a payment": (flying(add(0, 0, 1)), view(), removal(1, "fulfill", 0), ""),
    "a payment of nothing": (flying(), view(), removal(1, "fulfill", 0), ""),
    "an own update": (flying(), view(), Update(0, "rgb", "ext", 0, b""), "no updates of its own"),
    "no asset": (b"", view(), add(0, 0, 1), "holds no asset"),
    "no asset, and none meant": (b"", view(feerate_per_kw=99), add(0, 0, amount_msat=1), ""),
    "no asset, any feerate": (b"", view(), fee(200_000), ""),
    "no state": (b"\xc1", view(), add(0, 0), "the state cannot be read"),
}


@pytest.mark.parametrize("name", JUDGED)
def test_an_update_stands_or_is_refused_in_words(name: str) -> None:
    data, shown, update, words = JUDGED[name]
    found = rgb.validate(shown, data, update)
    assert (words in refusal(found)) and bool(words) == (found is not None), found


def test_the_weights_are_those_of_the_node() -> None:
    carrier = carrier_weight(KIND, "second_stage")
    assert rules.COMMITMENT_WEIGHT == fees.COMMITMENT_WEIGHT + carrier == STATIC_REMOTEKEY.commitment_weight + carrier
    assert max(fees.HTLC_SUCCESS_WEIGHT, fees.HTLC_TIMEOUT_WEIGHT) + carrier == rules.HTLC_SUCCESS_WEIGHT
    assert rules.HTLC_OUTPUT_WEIGHT == fees.HTLC_OUTPUT_WEIGHT
    overhead = 4 * (4 + 1 + 41 + 1 + 4) + 2 + fees.FUNDING_WITNESS_WEIGHT
    assert overhead + carrier + 2 * fees.output_weight(bytes(42)) <= rules.CLOSE_WEIGHT


def test_its_type_and_records_are_such_as_a_node_takes() -> None:
    assert (CHANNEL_TYPE.name, CHANNEL_TYPE.providers) == ("rgb/static_remotekey", (("rgb", 1),))
    rows = CORE.with_rows("rgb", ROWS)
    for stream, number in (("update_add_htlc_tlvs", TOKENS_HTLC), ("payload", TOKENS_ONION)):
        row = rows.record(stream, number)
        assert row is not None and row.owner == "rgb"


def test_tokens_move_with_their_htlc() -> None:
    data = flying(add(0, 0, 1_200), add(1, 0, 300), add(0, 1))
    assert [held(data).left(party) for party in (0, 1)] == [3_800, 400]
    data = rgb.fold(view(), data, removal(1, "fulfill", 0)).state
    assert held(data).settled == (3_800, 1_900)
    data = rgb.fold(view(), data, removal(0, "fail_malformed", 0)).state
    data = rgb.fold(view(), data, removal(1, "fail", 1)).state
    assert held(data).settled == (3_800, 1_900) and not held(data).pending
    assert rgb.fold(view(), data, removal(1, "fulfill", 0)) == Folded(data), "there is none any more"
    assert rgb.fold(view(), b"", add(0, 0)) == Folded(b"")


CLOSES: dict[str, tuple[bytes, View, str]] = {
    "as it began": (flying(), view(), ""),
    "no asset": (b"", short(1, 0), ""),
    "in flight": (flying(add(0, 0, 1), add(0, 1)), view(), "1 HTLCs with tokens are in flight"),
    "sats in flight, which another provider knows": (flying(add(0, 0)), view(), ""),
    "dust of the acceptor": (flying(), short(1, 545), "the acceptor has 700 tokens, and too few sats"),
    "dust without tokens": (flying(settled=(9, 0)), short(1, 0), ""),
    "fees of the opener": (flying(), short(0, 546 + rules.CLOSE_WEIGHT - 1), "the opener has 5000 tokens, and too few"),
    "just enough of the opener": (flying(), short(0, 546 + rules.CLOSE_WEIGHT), ""),
}


@pytest.mark.parametrize("name", CLOSES)
def test_a_close_waits_for_tokens_in_flight_and_for_outputs(name: str) -> None:
    data, shown, words = CLOSES[name]
    found = rgb.close(shown, data)
    assert found == Closable() if not words else isinstance(found, Blocked) and words in found.reason


BEGINNINGS: dict[str, tuple[bytes, View, str]] = {
    "usual": (state(), view(), ""),
    "dear": (state(), view(feerate_per_kw=10_001), "its feerate of 10001 sat per 1000 weight is above 10000"),
    "an opener with little": (state(), short(0, KEEPS_SAT - 1), f"its opener needs {KEEPS_SAT} sat for an output"),
    "an opener with enough": (state(), short(0, KEEPS_SAT), ""),
    "an acceptor with tokens alone": (state(), short(1, 545), "its acceptor has tokens"),
    "an acceptor with nothing": (state((5_000, 0)), short(1, 0), ""),
}


@pytest.mark.parametrize("name", BEGINNINGS)
def test_a_channel_begins_where_every_token_has_an_output(name: str) -> None:
    data, shown, words = BEGINNINGS[name]
    found = rules.beginning_refused(shown, held(data))
    assert words in found and bool(words) == bool(found)


@pytest.mark.parametrize(
    ("opening", "highest"),
    [(253, 10_000), (2_500, 10_000), (2_501, 10_004), (25_000, 100_000), (62_501, 250_000), (250_000, 250_000)],
)
def test_a_channel_opens_at_any_feerate_and_may_come_to_four_times_as_much(opening: int, highest: int) -> None:
    assert highest_per_kw(opening) == highest
    begins, shown = held(state(highest_per_kw=highest)), view(feerate_per_kw=opening)
    keeps = rules.opener_keeps_sat(shown, begins)
    assert rules.beginning_refused(view(feerate_per_kw=opening, balances_msat=(1000 * keeps, 10**9)), begins) == ""
    enough = rules.enough_htlc_sat(highest)
    assert rules.least_htlc_sat(shown, begins) <= enough
    tokens = add(0, 0, 1, amount_msat=1000 * enough)
    assert "tokens holds" not in refusal(rgb.validate(shown, state(highest_per_kw=highest), tokens))


# Whatever two honest nodes do, and whatever crosses


class Log:
    """Both parties' updates, as a channel orders them: who proposes knows its own, and what it heard of the other's."""

    def __init__(self, balances_sat: tuple[int, int]) -> None:
        self.balances_msat = (1000 * balances_sat[0], 1000 * balances_sat[1])
        self.base = state()
        self.own: tuple[list[Update], list[Update]] = ([], [])
        self.feerate_per_kw = 1_000
        self.ids = [0, 0]

    def folded(self, updates: list[Update]) -> tuple[bytes, View]:
        """State and view after these, in this order."""
        data, balances, feerate = self.base, [*self.balances_msat], self.feerate_per_kw
        for each in updates:
            asset = held(data)
            if each.kind == "fulfill":
                paid = asset.find(other(each.proposer), each.id)
                assert paid is not None
                balances[paid.offerer] -= paid.amount_msat
                balances[each.proposer] += paid.amount_msat
            if each.provider == "base":
                feerate = msgspec.msgpack.decode(each.body)["feerate_per_kw"]
            data = rgb.fold(view(), data, each).state
        return data, view(balances_msat=tuple(balances), feerate_per_kw=feerate)

    def settle(self) -> None:
        """Everything becomes irrevocable."""
        data, shown = self.folded([*self.own[0], *self.own[1]])
        assert (data, shown) == self.folded([*self.own[1], *self.own[0]]), "updates of both commute"
        self.base, self.balances_msat, self.feerate_per_kw = data, shown.balances_msat, shown.feerate_per_kw
        self.own[0].clear()
        self.own[1].clear()

    def propose(self, update: Update) -> bool:
        """What its proposer may send, knowing nothing of what crosses."""
        data, shown = self.folded(self.own[update.proposer])
        if update.kind == "add" and rules.pending_of(update).amount_msat > shown.balances_msat[update.proposer] - sum(
            each.amount_msat for each in held(data).offered(update.proposer)
        ):
            return False  # the node's own rule
        if rgb.validate(shown, data, update) is not None:
            return False
        crossed, shown = self.folded([*self.own[other(update.proposer)], *self.own[update.proposer]])
        assert rgb.validate(shown, crossed, update) is None, "it stands beside all that it crosses"
        self.own[update.proposer].append(update)
        return True

    def commitments(self) -> Iterator[tuple[bytes, View]]:
        """Some of those that may be signed: with all of one party's, and the first few of the other's."""
        for party in (0, 1):
            for few in {0, len(self.own[party]) // 2, len(self.own[party])}:
                yield self.folded([*self.own[1 - party], *self.own[party][:few]])


parties = st.sampled_from((0, 1))
amounts = st.one_of(
    st.integers(1, 2_000_000), st.sampled_from((LEAST_SAT, LEAST_SAT - 1, 1_000_000, 60_000)).map(lambda n: 1000 * n)
)
steps = st.one_of(
    st.tuples(st.just("add"), parties, st.integers(0, 900), amounts),
    st.tuples(st.sampled_from(("fulfill", "fail")), parties, st.integers(0, 3)),
    st.tuples(st.just("fee"), st.sampled_from((253, 5_000, 10_000, 10_001, 60_000))),
    st.tuples(st.just("settle")),
)


def walked(log: Log, step: tuple[Any, ...]) -> None:
    """One thing that a node may do."""
    match step:
        case ("add", party, tokens, amount_msat):
            if log.propose(add(party, log.ids[party], tokens, amount_msat)):
                log.ids[party] += 1
        case ("fulfill" | "fail" as kind, party, which):
            gone = {each.id for each in log.own[party] if each.kind in ("fulfill", "fail")}
            known = [each.id for each in held(log.base).offered(other(party)) if each.id not in gone]
            if which < len(known):
                assert log.propose(removal(party, kind, known[which])), "what was added can be removed"
        case ("fee", feerate):
            log.propose(fee(feerate))
        case ("settle",):
            log.settle()


@settings(max_examples=50)
@given(st.lists(steps, max_size=40), st.sampled_from(((40_000, 10_000), (60_000, 600), (5_000_000, 5_000_000))))
def test_every_token_has_an_output_in_whatever_may_be_signed(walk: list[Any], balances_sat: tuple[int, int]) -> None:
    log = Log(balances_sat)
    for step in [*walk, ("settle",)]:
        walked(log, step)
        for data, shown in log.commitments():
            assert held(data).total == 5_700
            for holder in (0, 1):
                for feerate in (shown.feerate_per_kw, 10_000):
                    try:
                        built_at(data, shown, holder, feerate)
                    except LnpdError as refused:
                        raise AssertionError(f"{refused}") from refused
    assert CORE_PROVIDERS, "the outputs are those of the real pipeline"


bodies = st.one_of(
    st.binary(max_size=80),
    st.sampled_from((b"\x91" * 3_000, b"\xdf\xff\xff\xff\xff", msgspec.msgpack.encode({"amount_msat": -1}))),
    st.builds(
        lambda tlvs, msat: add(0, 0, amount_msat=msat, tlvs=tlvs).body,
        st.lists(st.tuples(st.sampled_from((TOKENS_HTLC, 1, 2**64 - 1)), st.binary(max_size=9)), max_size=3),
        st.integers(-(2**63), 2**64 - 1),
    ),
)
updates = st.builds(
    Update,
    parties,
    st.sampled_from(("htlc", "base", "rgb", "other")),
    st.sampled_from(("add", "fulfill", "fail", "fail_malformed", "fee", "ext", "")),
    st.sampled_from((0, 1, -1, 2**64 - 1, 2**64)),
    bodies,
)


@settings(max_examples=200)
@given(updates, st.one_of(st.just(state()), st.just(b""), st.binary(max_size=40)))
def test_whatever_comes_is_judged_and_what_stands_can_be_folded(update: Update, data: bytes) -> None:
    found = rgb.validate(view(), data, update)
    assert found is None or (isinstance(found, Reject) and found.reason)
    if found is None and update.provider != "other":
        assert rgb.validate(view(), rgb.fold(view(), data, update).state, removal(1, "fail", 0)) is None
