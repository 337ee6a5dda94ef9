"""Has every second stage its carrier, under a signature that covers it, and every output those of its claims, before
anybody needs one?"""

import pytest
from lnpd_sdk.script import DataCarrier, Sighash
from lnpd_sdk.types import ChildOutput, ChildTx, Transaction
from msgspec.structs import replace

from lnpd.crypto.secp import sign
from lnpd.errors import (
    ChildRefused,
    ClaimUneconomic,
    OutputRefused,
    SealRefused,
    SealSlotTaken,
    SealUncovered,
    WrongSecondStageWeight,
)
from lnpd.providers.types import ANCHORS_ZERO_FEE_HTLC_TX, CORE_PROVIDERS, STATIC_REMOTEKEY, pin, with_extensions
from lnpd.tx.claims import claimable, claimable_child
from lnpd.tx.fees import HTLC_SUCCESS_WEIGHT, HTLC_TIMEOUT_WEIGHT
from lnpd.tx.graph import ChannelType, Child, CommitmentSpec, Graph
from lnpd.tx.pipeline import build
from lnpd.tx.proposal import Side, side_of
from lnpd.tx.script import data_carrier
from lnpd.tx.seals import carrier_weight, check_seals
from lnpd.tx.signatures import child_digest
from lnpd.tx.sweeps import make_claim, sweep_weight
from lnpd.tx.transaction import Tx, TxIn, TxOut
from tests.channel.sealed import Sealer, carrier, with_sealer
from tests.tx.bolt3 import commitment_spec, graph_of
from tests.tx.children import signed_child
from tests.tx.extension import CHILD, JOINT, LOCKBOX, Extension, box
from tests.tx.kernel import accepts
from tests.tx.test_claims import COUNTERPARTYS, DESTINATION, HOLDERS, LATE, REVOKED, TYPES, complete

BOTH = pytest.mark.parametrize("channel_type", TYPES.values(), ids=TYPES)


def sealed_spec(
    channel_type: ChannelType, *extensions: Sealer | Extension, feerate_per_kw: int = 253
) -> CommitmentSpec:
    kind = with_extensions(channel_type, (pin(each.spec, 1) for each in extensions))
    return commitment_spec(6_988_000_000, 3_000_000_000, feerate_per_kw, htlcs=(0, 1, 2, 3, 4), channel_type=kind)


def sealed_graph(channel_type: ChannelType, *extensions: Sealer | Extension, feerate_per_kw: int = 253) -> Graph:
    return graph_of(sealed_spec(channel_type, *extensions, feerate_per_kw=feerate_per_kw), *extensions)


# Second stages

EVIL = TxOut(0, data_carrier(b"\x66" * 32))


def broadcast(graph: Graph, child: Child, tx: Tx | None = None) -> Tx:
    """What a commitment's holder can complete with the other's signature of the child: that one, or another."""
    changed = replace(child, tx=tx or child.tx)
    theirs = {
        str(key): sign(secret, child_digest(graph, child, child.sighash)) for key, secret in COUNTERPARTYS.items()
    }
    ours = {str(key): sign(secret, child_digest(graph, changed, Sighash.ALL)) for key, secret in HOLDERS.items()}
    return signed_child(graph, changed, ours | theirs, {name: LATE[name] for name in child.path.late})


def spends(tx: Tx, graph: Graph, child: Child, *coins: tuple[int, bytes]) -> bool:
    """Whether the interpreter accepts the child's input in this transaction."""
    parent = graph.outputs[child.vout]
    spent = ((parent.value_sat, parent.script_pubkey), *coins)
    return accepts(tx, parent.script_pubkey, parent.value_sat, 0, spent)


def test_each_htlc_transaction_has_its_carrier_and_weighs_what_its_htlc_pays_for() -> None:
    sealer = Sealer("second_stage")
    plain, graph = graph_of(sealed_spec(STATIC_REMOTEKEY)), sealed_graph(STATIC_REMOTEKEY, sealer)
    assert graph.tx == plain.tx and len(graph.children) == len(plain.children) == len(sealer.shown) == 5
    assert len({child.tx.outputs[0] for child in graph.children}) == 5
    for child, shown, without in zip(graph.children, sealer.shown, plain.children, strict=True):
        tx, declared = broadcast(graph, child), 172 + (HTLC_SUCCESS_WEIGHT if child.path.late else HTLC_TIMEOUT_WEIGHT)
        seal, home = tx.outputs
        assert child.sighash == Sighash.ALL and spends(tx, graph, child)
        assert seal == TxOut(0, carrier(shown)) and home.script_pubkey == without.tx.outputs[0].script_pubkey
        assert graph.outputs[child.vout].value_sat - home.value_sat == declared * 253 // 1000
        assert 0 <= declared - tx.weight <= 8, "BOLT 3 counts signatures of 73 bytes"
        assert shown.purpose == "second_stage" and shown.parent is not None and shown.vout == child.vout
        assert (spent := shown.parent.outputs[shown.vout].spec) is not None
        assert (shown.parent.txid, spent.id, spent.second_stage_weight) == (graph.tx.txid, child.id, declared)
        assert [each.script_pubkey for each in shown.outputs] == [data_carrier(bytes(32)), home.script_pubkey]


def test_no_second_stage_waits_for_the_seal_of_another() -> None:
    sealer = Sealer("second_stage")
    providers, asking = {**CORE_PROVIDERS, "sealer": sealer}, build(sealed_spec(STATIC_REMOTEKEY, sealer))
    beside, answer = [], None
    with pytest.raises(StopIteration):
        while True:
            call = asking.send(answer)
            answer = getattr(providers[call.provider], call.method)(*call.arguments)
            beside += [len(call.beside)] if call.method == "seal" else []
    assert beside == [4, 3, 2, 1, 0], "each is named by those before it"


def test_a_cheat_can_put_nothing_of_its_own_into_what_is_sealed() -> None:
    graph = sealed_graph(STATIC_REMOTEKEY, Sealer("second_stage"))
    coin = TxIn(b"\x66" * 32, 0)
    for child in graph.children:
        seal, home = child.tx.outputs
        for outputs in ((EVIL, home), (EVIL, seal, home), (seal, home, EVIL), (home,), (home, seal)):
            assert not spends(broadcast(graph, child, replace(child.tx, outputs=outputs)), graph, child), outputs
        joined = replace(child.tx, inputs=(*child.tx.inputs, coin))
        assert not spends(broadcast(graph, child, joined), graph, child, (1_000, b"\x51"))


def test_under_anchors_it_could_and_so_there_is_no_such_type() -> None:
    graph = graph_of(sealed_spec(ANCHORS_ZERO_FEE_HTLC_TX))
    for child in graph.children:
        grown = replace(child.tx, outputs=(*child.tx.outputs, EVIL))
        assert spends(broadcast(graph, child, grown), graph, child)
    with pytest.raises(SealUncovered, match=r"sealer seals every second stage, .* based on static_remotekey"):
        check_seals(with_sealer("second_stage", base=ANCHORS_ZERO_FEE_HTLC_TX))
    with pytest.raises(SealUncovered, match="single_anyonecanpay covers one output alone"):
        sealed_graph(ANCHORS_ZERO_FEE_HTLC_TX, Sealer("second_stage"))
    check_seals(with_sealer("close", "claim", base=ANCHORS_ZERO_FEE_HTLC_TX))


def test_an_htlc_that_cannot_pay_for_its_carrier_has_no_output() -> None:
    """Of 2,000 sat, at a dust limit of 546 and a feerate at which the carrier decides."""
    per_kw = (2_000 - 546) * 1000 // (HTLC_SUCCESS_WEIGHT + 86)
    sealer = Sealer("second_stage")
    plain = graph_of(sealed_spec(STATIC_REMOTEKEY, feerate_per_kw=per_kw))
    spec = sealed_spec(STATIC_REMOTEKEY, sealer, feerate_per_kw=per_kw)
    graph = graph_of(spec, sealer)
    assert set(graph.trimmed) - set(plain.trimmed) == {("htlc", "1/1"), ("htlc", "0/2")}
    side = answered(spec, sealer)
    assert side.of("htlc").surviving_weight == 172 * len(graph.children), "a proposal is judged by the same"


def answered(spec: CommitmentSpec, sealer: Sealer) -> Side:
    """A proposal's side, its providers in this process."""
    asked, answer = side_of(spec), None
    try:
        while True:
            call = asked.send(answer)
            answer = getattr((CORE_PROVIDERS | {sealer.spec.name: sealer})[call.provider], call.method)(*call.arguments)
    except StopIteration as ended:
        side: Side = ended.value
        return side


@pytest.mark.parametrize("content", [b"", bytes(31), bytes(33), "text", None])
def test_what_is_not_as_long_as_agreed_is_no_seal(content: object) -> None:
    sealer = Sealer("second_stage")
    sealer.seal = lambda *_: content  # type: ignore[method-assign, assignment, return-value]  # a liar
    with pytest.raises(SealRefused, match="sealer second_stage: the seal's content is not 32 bytes long"):
        sealed_graph(STATIC_REMOTEKEY, sealer)


def test_two_peers_that_seal_differently_know_whose_it_is() -> None:
    one, two = Sealer("second_stage"), Sealer("second_stage")
    two.seal = lambda *_: bytes(32)  # type: ignore[method-assign]
    ours, theirs = (dict(sealed_graph(STATIC_REMOTEKEY, each).digests) for each in (one, two))
    assert {name for name in ours if ours[name] != theirs[name]} == {"sealer"}


EXIT = replace(CHILD, sighash=Sighash.ALL)


def boxed(*children: ChildTx, weight: int = 800, **limits: int) -> Graph:
    """Beside the sealer an extension whose box leaves by these children."""
    extension = Extension(box(script=JOINT, second_stage_weight=weight), children=children, **limits)
    return sealed_graph(STATIC_REMOTEKEY, extension, Sealer("second_stage"), feerate_per_kw=1_000)


def test_another_extensions_child_has_a_carrier_too() -> None:
    graph = boxed(replace(EXIT, outputs=(ChildOutput(50_000 - 972, LOCKBOX),)))
    child = next(each for each in graph.children if each.provider == "box")
    assert [each.provider for each in child.outputs] == ["sealer", "box"]
    assert spends(broadcast(graph, child), graph, child)


CARRYING = (ChildOutput(50_000 - 972, LOCKBOX), ChildOutput(0, DataCarrier(32)))


@pytest.mark.parametrize(("child", "weight", "error"), [
    (replace(CHILD, outputs=(ChildOutput(50_000, LOCKBOX),)), 800, SealUncovered),
    (replace(EXIT, outputs=CARRYING), 800, SealSlotTaken),
    (replace(EXIT, outputs=(ChildOutput(50_000 - 800, LOCKBOX),)), 800, WrongSecondStageWeight),
    (replace(EXIT, outputs=(ChildOutput(50_000, LOCKBOX),)), 0, ChildRefused),
])  # fmt: skip
def test_a_child_that_cannot_be_sealed_is_refused_by_name(
    child: ChildTx, weight: int, error: type[OutputRefused]
) -> None:
    with pytest.raises(error, match=r"^box 1 \(exit\): "):
        boxed(child, weight=weight)


# Claims


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
