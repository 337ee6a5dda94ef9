"""What is said of a commitment's outputs that only a lost database could claim?"""

import pytest
from lnpd_sdk.types import OPENER
from msgspec.structs import replace

from lnpd.channel.lost import MOST_NAMED, future_commitment, lost_outputs, own_commitment, unsealed, what_is_lost
from lnpd.tx.claims import claimable
from lnpd.tx.script import data_carrier
from lnpd.tx.sweeps import make_claim
from lnpd.tx.transaction import TxOut
from tests.channel.harness import SCRIPTS, opened
from tests.channel.test_onchain import commitment
from tests.channel.test_sealing import sealed_pair

STRANGE = TxOut(12_345, b"\0\x20" + b"\x07" * 32)
POINTS = {
    "told": (lambda points: points, "an HTLC"),
    "not told": (lambda _: (), "the peer's balance or an HTLC"),
    "a point of nothing": (lambda _: (bytes(33),), "the peer's balance or an HTLC"),
    "a point of another commitment": (lambda _: (b"\x02" + b"\x11" * 32,), "the peer's balance or an HTLC"),
}


@pytest.mark.parametrize("case", POINTS)
def test_the_peers_balance_is_told_apart_if_its_point_is_known(case: str) -> None:
    pair = opened()
    channel = pair.nodes[OPENER].channel
    change, may_be = POINTS[case]
    tx = commitment(pair, 1, 0).graph.tx
    tx = replace(tx, outputs=(*tx.outputs, STRANGE))
    graph = future_commitment(replace(channel, their_points=change(channel.their_points)), tx, 0)
    lost = lost_outputs(channel, graph, 500)
    values_sat = [each.value_sat for each in lost]
    theirs_sat = [o.value_sat for o in graph.outputs if o.kind == "to_local"]
    assert STRANGE.value_sat in values_sat and len(values_sat) == (1 if theirs_sat else 2)
    reason = f"It is {may_be}: what of it was ours, only the lost database could claim."
    assert {each.reason for each in lost} == {reason}
    assert what_is_lost(lost).endswith(f"{tx.txid[::-1].hex()}:{len(tx.outputs) - 1}. {reason}")


def test_all_but_htlcs_is_known_of_our_own_commitment() -> None:
    pair = opened()
    channel = pair.nodes[OPENER].channel
    kept = commitment(pair, 0, 0).graph
    graph = own_commitment(channel, kept.tx, 0, kept.keys.per_commitment_point)
    assert graph is not None and [o.kind for o in graph.outputs] == [o.kind for o in kept.outputs]
    assert [o.kind for o in graph.outputs if o.paths] == ["to_local"]
    assert what_is_lost(lost_outputs(channel, graph, 500)) == (
        "Nothing that only the lost database could claim was in it."
    )


def test_of_a_type_that_seals_claims_the_sweep_goes_without_and_is_said_to() -> None:
    """Its carrier in the commitment is nobody's; what a provider would seal depends on a state that nobody has."""
    pair = sealed_pair("second_stage", "claim")
    channel = pair.nodes[OPENER].channel
    kept = commitment(pair, 1, 0).graph
    tx = replace(kept.tx, outputs=(TxOut(0, data_carrier(bytes(32))), *kept.tx.outputs))
    for each in (channel, replace(channel, their_points=())):
        graph = future_commitment(each, tx, 0)
        assert graph.outputs[0].kind == "carrier" and 0 not in [r.vout for r in lost_outputs(each, graph, 500)]
        (claim,) = claimable(graph, OPENER, "latest").claims
        assert claim.output.kind == "to_remote" and not claim.seal
        assert make_claim(graph, [claim], SCRIPTS[0], 253).tx.outputs[0].script_pubkey == SCRIPTS[0]
    assert unsealed(channel) == " The sweep of the rest carries nothing of sealer's: the lost database had it."
    assert unsealed(opened().nodes[OPENER].channel) == ""


def test_a_sentence_has_an_end() -> None:
    pair = opened()
    channel = pair.nodes[OPENER].channel
    tx = commitment(pair, 1, 0).graph.tx
    graph = future_commitment(channel, replace(tx, outputs=(*tx.outputs, *[STRANGE] * 100)), 0)
    text = what_is_lost(lost_outputs(channel, graph, 500))
    assert text.count("12,345 sat in") == MOST_NAMED and f"and {100 - MOST_NAMED} more" in text
