"""Does each transaction of a channel move all tokens of what it spends, by RGB's own rules, the same on both nodes?"""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lnpd_sdk.types import PARTIES, OutputSpec, Party, SealedOutput, Transaction

from lnpd.tx.script import data_carrier
from nia.consignment import parse
from rgb_channel.colour import Homeless, colour, commitment_of, transition_of
from rgb_channel.history import history, witness_bundle
from rgb_channel.provider import Rgb
from rgb_channel.state import Pending
from tests.plugins.nia.figures import consignments
from tests.plugins.rgb_channel.ledger import Found, Recorder, beginning, judged
from tests.plugins.rgb_channel.made import BALANCES_MSAT, built_at, held, state, view
from tests.tx.bolt3 import FUNDING


def found(data: bytes, funding: object, holder: Party, feerate_per_kw: int = 1_000) -> list[Found]:
    recorder = Recorder()
    graph = built_at(data, view(), holder, feerate_per_kw, recorder)
    return list(judged(graph, recorder, funding, data))  # type: ignore[arg-type]  # a consignment


def in_flight(settled: tuple[int, int], *pending: Pending) -> tuple[object, bytes]:
    consignment, data = beginning(settled, FUNDING.txid, FUNDING.vout)
    asset = held(data)
    for each in pending:
        asset = asset.added(each)
    return consignment, asset.encode()


USUAL = (
    Pending(0, 0, 60_000_000, 1_200),
    Pending(0, 1, 70_000_000, 0),
    Pending(1, 0, 80_000_000, 300),
    Pending(1, 1, 1_000_000, 0),
)


@pytest.mark.parametrize("holder", PARTIES)
def test_every_way_down_ends_with_the_tokens_that_were_in_it(holder: Party) -> None:
    funding, data = in_flight((5_000, 700), *USUAL)
    each = found(data, funding, holder)
    ends = Counter(
        (
            one.asked.transaction.purpose,
            one.asked.transaction.claimant,
            sum(a.amount for a in one.coloured.transition.assignments),
        )
        for one in each
        if one.coloured is not None
    )
    own, other = (3_800, 400) if holder == 0 else (400, 3_800)
    assert ends == {
        ("commitment", None, 5_700): 1,
        ("second_stage", None, 1_200): 1,
        ("second_stage", None, 300): 1,
        ("claim", holder, own): 1,  # to_local, after the delay
        ("claim", 1 - holder, own): 1,  # as a penalty
        ("claim", 1 - holder, other): 1,  # to_remote
        ("claim", 1 - holder, 1_200): 2,  # from the commitment, and as a penalty from the second stage
        ("claim", 1 - holder, 300): 2,
        ("claim", holder, 1_200): 1,  # from the second stage, after the delay
        ("claim", holder, 300): 1,
    }
    plain = [one for one in each if one.coloured is None]
    assert len(plain) == 4, "of the HTLC of sats alone: second stage, its claims, and the claim past it"
    claims = [one for one in plain if one.asked.transaction.purpose == "claim"]
    assert len(claims) == 3 and not any(any(one.asked.content) for one in claims), "zeros: nothing to pay for"
    said = [one.asked.content for one in each if one not in claims]
    assert len({*said}) == len(said) == len(each) - 3, "no two others say the same"


pendings = st.builds(
    lambda party, tokens, sat: (party, tokens, 1000 * (sat + 10_000 * (tokens > 0))),
    st.sampled_from(PARTIES),
    st.sampled_from((0, 0, 1, 7, 2**62)),
    st.integers(1, 60_000),
)


@settings(max_examples=12)
@given(
    st.sampled_from(((0, 1), (1, 0), (2**63, 2**63 - 1), (2**40, 3))),
    st.lists(pendings, max_size=6),
    st.sampled_from(PARTIES),
    st.sampled_from((253, 10_000)),
)
def test_no_token_is_lost_or_made_in_any_state(
    settled: tuple[int, int], wanted: list[tuple[Party, int, int]], holder: Party, feerate_per_kw: int
) -> None:
    asset = held(in_flight(settled)[1])
    for number, (party, tokens, amount_msat) in enumerate(wanted):
        asset = asset.added(Pending(party, number, amount_msat, min(tokens, asset.left(party))))
    funding, data = beginning(settled, FUNDING.txid, FUNDING.vout)[0], asset.encode()
    for one in found(data, funding, holder, feerate_per_kw):
        transaction = one.asked.transaction
        if one.coloured is None:
            assert not one.tx.outputs[0].value_sat and len(one.asked.content) == 32
            continue
        places = {place for place, output in enumerate(one.tx.outputs) if one.coloured.tokens_at(place)}
        assert one.history is not None and places
        assert all(one.tx.outputs[place].script_pubkey[:1] != b"\x6a" for place in places)
        for place in places:
            (there,) = one.history.upon(one.tx.txid, place)
            assert there.amount == one.coloured.tokens_at(place), transaction.purpose


def test_another_channel_number_or_holder_says_something_else() -> None:
    transaction = Transaction(
        "second_stage", (SealedOutput(0, data_carrier(bytes(32))),), parent=Transaction("commitment", ())
    )
    shown = [view(), view(number=43), view(holder=1), view(funding_vout=9), view(funding_txid=bytes(32))]
    said = {commitment_of(each, None, transaction) for each in shown}
    assert len(said) == len(shown)
    funding, data = in_flight((5_000, 700))
    (one, two) = (found(data, funding, holder)[0].coloured for holder in PARTIES)
    assert one is not None and two is not None and one.transition.op_id() != two.transition.op_id()


def test_a_commitment_without_an_output_for_tokens_is_not_sealed() -> None:
    main = OutputSpec("base", "main/0", "to_local", 1, Rgb().contribute(view(), b"")[0].script)
    commitment = Transaction("commitment", (SealedOutput(0, b"\x6a"), SealedOutput(1, b"", main)))
    with pytest.raises(Homeless, match="no output for 700 of base main/1"):
        Rgb().seal(view(), state(), commitment)
    with pytest.raises(Homeless, match="300 of htlc 1/0"):
        Rgb().seal(view(), held(state((5_000, 300))).added(Pending(1, 0, 9, 300)).encode(), commitment)


# Mutual closes: which parties have outputs, and what each of these holds
CLOSES: dict[str, tuple[tuple[int, int], tuple[Party | None, ...], dict[int, int]]] = {
    "both": ((5_000, 700), (0, 1), {1: 5_000, 2: 700}),
    "the acceptor's first": ((5_000, 700), (1, 0), {1: 700, 2: 5_000}),
    "one has no tokens": ((5_000, 0), (1, 0), {2: 5_000}),
    "others are paid, too": ((5_000, 700), (None, 1, None, 0), {2: 700, 4: 5_000}),
    "the opener left its output out": ((5_000, 700), (1,), {1: 5_700}),
    "the acceptor left its output out": ((5_000, 700), (0,), {1: 5_700}),
    "who left it out has none": ((0, 700), (1,), {1: 700}),
    "nobody": ((5_000, 700), (None,), {}),
}


@pytest.mark.parametrize("name", CLOSES)
def test_a_close_pays_each_party_its_tokens(name: str) -> None:
    settled, parties, held_by = CLOSES[name]
    outputs = [SealedOutput(0, data_carrier(bytes(32)))]
    outputs += [SealedOutput(1_000, b"\0\x14" + bytes(20), party=party) for party in parties]
    close, asset = Transaction("close", tuple(outputs)), held(state(settled))
    coloured = colour(view(), asset, close)
    if not held_by:
        assert coloured is None and len(commitment_of(view(), asset, close)) == 32
        return
    assert coloured is not None
    assert {place: amount for place in range(len(outputs)) if (amount := coloured.tokens_at(place))} == held_by
    assert coloured.tree.commitment() == Rgb().seal(view(holder=1, number=7), state(settled), close), "whoever asks"


def test_a_channel_without_an_asset_is_sealed_with_nothing() -> None:
    recorder = Recorder()
    graph = built_at(b"", view(), 0, 1_000, recorder)
    assert graph.tx.outputs[0].script_pubkey == data_carrier(recorder.asked[0].content)
    assert transition_of(view(), None, recorder.asked[0].transaction) is None
    assert sum(BALANCES_MSAT) == 1000 * FUNDING.capacity_sat


def test_only_a_claim_of_tokens_is_sealed_with_more_than_zeros() -> None:
    """The node pays more than the satoshi for such a claim: a peer could use that up."""
    _, data = in_flight((5_000, 0))
    recorder = Recorder()
    built_at(data, view(), 0, 1_000, recorder)
    claims = [each for each in recorder.asked if each.transaction.purpose == "claim"]
    for each in claims:
        moves = transition_of(each.view, held(data), each.transaction) is not None
        assert any(each.content) == moves
    assert {any(each.content) for each in claims} == {True, False}
    assert all(any(each.content) for each in recorder.asked if each.transaction.purpose != "claim")


def test_a_history_is_what_was_funded_and_every_step_since() -> None:
    _, data = in_flight((5_000, 700))
    recorder = Recorder()
    graph = built_at(data, view(), 0, 1_000, recorder)
    coloured = colour(recorder.asked[0].view, held(data), recorder.asked[0].transaction)
    assert coloured is not None
    raw = graph.tx.serialise()
    for file in consignments():
        before, after = parse(file), parse(history(file, [(raw, coloured)]))
        assert after.bundles == (*before.bundles, witness_bundle(raw, coloured)) and not after.terminals
        assert after.genesis == before.genesis
