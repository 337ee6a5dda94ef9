"""Has every output the carriers of its claims, before anybody needs one, and does each claim carry its own?"""

import pytest
from lnpd_sdk.types import Transaction
from msgspec.structs import replace

from lnpd.errors import ClaimUneconomic, SealRefused
from lnpd.providers.types import ANCHORS_ZERO_FEE_HTLC_TX, STATIC_REMOTEKEY, pin, with_extensions
from lnpd.tx.claims import claimable, claimable_child
from lnpd.tx.graph import ChannelType, Graph
from lnpd.tx.script import data_carrier
from lnpd.tx.seals import carrier_weight
from lnpd.tx.sweeps import make_claim, sweep_weight
from lnpd.tx.transaction import TxOut
from tests.channel.sealed import Sealer, carrier, with_sealer
from tests.tx.bolt3 import commitment_spec, graph_of
from tests.tx.test_claims import COUNTERPARTYS, DESTINATION, HOLDERS, LATE, REVOKED, TYPES, complete

BOTH = pytest.mark.parametrize("channel_type", TYPES.values(), ids=TYPES)


def sealed_graph(channel_type: ChannelType, sealer: Sealer) -> Graph:
    kind = with_extensions(channel_type, (pin(sealer.spec, 1),))
    spec = commitment_spec(6_988_000_000, 3_000_000_000, 253, htlcs=(0, 1, 2, 3, 4), channel_type=kind)
    return graph_of(spec, sealer)


@BOTH
def test_who_can_take_an_output_alone_has_a_carrier_for_it(channel_type: ChannelType) -> None:
    sealer = Sealer("claim")
    graph = sealed_graph(channel_type, sealer)
    expected = {
        "to_local": (True, True),
        "to_remote": (False, True),
        "offered_htlc": (False, True),
        "received_htlc": (False, True),
        "anchor": (False, False),
        "htlc_timeout_output": (True, True),
        "htlc_success_output": (True, True),
    }
    below = [output for child in graph.children for output in child.outputs]
    for output in (*graph.outputs, *below):
        assert tuple(map(bool, output.claim_seals)) == expected[output.kind], output.kind
    asked = [each for each in sealer.shown if each.purpose == "claim"]
    assert len(asked) == len(sealer.shown) == sum(bool(s) for o in (*graph.outputs, *below) for s in o.claim_seals)
    assert all(each.parent is not None and each.claimant is not None for each in asked)
    for each in asked:
        assert each.parent is not None
        parents = graph.outputs if each.parent.purpose == "commitment" else _children_of(graph, each.parent)
        assert parents[each.vout].claim_seals[each.claimant or 0] == carrier(each)


def _children_of(graph: Graph, shown: Transaction) -> tuple:  # type: ignore[type-arg]  # outputs
    assert shown.parent is not None and shown.parent.txid == graph.tx.txid
    scripts = [each.script_pubkey for each in shown.outputs]
    found = next(c for c in graph.children if c.vout == shown.vout and [o.script_pubkey for o in c.outputs] == scripts)
    return found.outputs


@BOTH
def test_each_claim_is_alone_beside_its_carrier_and_valid(channel_type: ChannelType) -> None:
    graph = sealed_graph(channel_type, Sealer("claim"))
    cases = ((0, "latest", HOLDERS), (1, "latest", COUNTERPARTYS), (1, "revoked", REVOKED))
    for party, state, secrets in cases:
        for each in claimable(graph, party, state, LATE).claims:  # type: ignore[arg-type]  # of the table above
            if each.stage >= 0 or each.output.kind == "anchor":
                assert not each.seal
                continue
            claim = make_claim(graph, [each], DESTINATION, 253)
            tx = complete(claim, secrets)
            assert tx.outputs[0] == TxOut(0, each.seal) == TxOut(0, each.output.claim_seals[party])
            assert tx.outputs[1].script_pubkey == DESTINATION and tx.weight <= claim.weight
    for index, child in enumerate(graph.children):
        (below,) = claimable_child(graph, index, child.tx.txid, 1, "revoked").claims
        assert complete(make_claim(graph, [below], DESTINATION, 253), REVOKED).outputs[0].script_pubkey == below.seal


def test_what_is_sealed_is_never_batched_and_costs_its_carrier() -> None:
    graph = sealed_graph(STATIC_REMOTEKEY, Sealer("claim"))
    claims = claimable(graph, 1, "revoked", LATE).claims
    with pytest.raises(AssertionError, match="claimed alone"):
        make_claim(graph, claims, DESTINATION, 253)
    plain = replace(claims[0], seal=b"")
    added = sweep_weight([claims[0]], DESTINATION) - sweep_weight([plain], DESTINATION)
    assert added == carrier_weight(with_sealer("claim"), "claim") == 4 * (8 + 1 + 34)
    value_sat = claims[0].output.value_sat
    dear = (value_sat - 300) * 1000 // sweep_weight([plain], DESTINATION)
    assert make_claim(graph, [plain], DESTINATION, dear)
    with pytest.raises(ClaimUneconomic):
        make_claim(graph, [claims[0]], DESTINATION, dear)


def test_a_provider_that_seals_no_claims_is_not_asked() -> None:
    sealer = Sealer("close")
    graph = sealed_graph(ANCHORS_ZERO_FEE_HTLC_TX, sealer)
    assert not sealer.shown and {each.claim_seals for each in graph.outputs} == {(b"", b"")}


def test_a_content_of_another_length_is_refused_before_anything_is_signed() -> None:
    sealer = Sealer("claim", length=31)
    with pytest.raises(SealRefused, match="sealer claim: the seal's content is not 31 bytes long"):
        sealed_graph(STATIC_REMOTEKEY, sealer)


def test_the_contents_depend_on_what_is_spent() -> None:
    graph = sealed_graph(STATIC_REMOTEKEY, Sealer("claim"))
    seals = [seal for output in graph.outputs for seal in output.claim_seals if seal]
    assert len(set(seals)) == len(seals) and all(len(seal) == len(data_carrier(bytes(32))) for seal in seals)
