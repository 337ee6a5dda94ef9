"""Can each side take what is its own of a confirmed commitment, and punish a revoked one, from stored data alone?

The kernel's interpreter judges every input.
"""

from collections.abc import Mapping
from hashlib import sha256

import msgspec
import pytest
from lnpd_sdk.script import DataCarrier, Key, Miniscript
from lnpd_sdk.types import OutputSpec
from msgspec.structs import replace

from lnpd.crypto.keys import derive_secret
from lnpd.crypto.secp import sign
from lnpd.errors import ClaimUneconomic, WitnessIncomplete
from lnpd.providers.types import ANCHORS_ZERO_FEE_HTLC_TX, STATIC_REMOTEKEY, pin, with_extensions
from lnpd.tx.claims import NO_PREIMAGE, RACE_BLOCKS, Claimable, Confirmed, claimable, claimable_child, due, plan
from lnpd.tx.graph import ChannelType, Graph
from lnpd.tx.keys import commitment_keys
from lnpd.tx.signatures import child_digest, commitment_digest, signed_commitment, witness
from lnpd.tx.sweeps import Claim, make_claim, may_share, second_stage, second_stage_weight
from lnpd.tx.transaction import Tx, TxIn, TxOut
from tests.tx.bolt3 import BASEPOINTS, FUNDING, POINTS, PREIMAGES, REVOCATION_SECRET, SECRETS, commitment_spec, graph_of
from tests.tx.children import signed_child
from tests.tx.extension import Extension, box
from tests.tx.kernel import accepts

DESTINATION = b"\0\x14" + bytes(20)
LATE = {f"sha256:{sha256(preimage).hexdigest()}": preimage for preimage in PREIMAGES.values()}
POINT = POINTS["per_commitment"]
HOLDERS = {
    Key.DELAYED: derive_secret(SECRETS["opener_delayed"], POINT),
    Key.HOLDER_HTLC: derive_secret(SECRETS["opener_payment"], POINT),
    Key.HOLDER_FUNDING: SECRETS["opener_funding"],
}
COUNTERPARTYS = {
    Key.COUNTERPARTY_HTLC: derive_secret(SECRETS["acceptor_payment"], POINT),
    Key.COUNTERPARTY_PAYMENT: SECRETS["acceptor_payment"],
    Key.COUNTERPARTY_FUNDING: SECRETS["acceptor_funding"],
}
REVOKED = COUNTERPARTYS | {Key.REVOCATION: REVOCATION_SECRET}
TYPES = {"static_remotekey": STATIC_REMOTEKEY, "anchors": ANCHORS_ZERO_FEE_HTLC_TX}


def graph_with_everything(channel_type: ChannelType) -> Graph:
    """Both main outputs, five HTLCs, two extension outputs and a data carrier."""
    gift = box(20_000, Miniscript("pkh(counterparty_payment)"), id="gift")
    seal = OutputSpec("box", "seal", "seal", 0, DataCarrier(4), trim="never")
    extension = Extension(box(), gift, seal, seal=b"seal", seal_length=4)
    kind = with_extensions(channel_type, (pin(extension.spec, 1),))
    spec = commitment_spec(6_988_000_000, 3_000_000_000, 253, htlcs=(0, 1, 2, 3, 4), channel_type=kind)
    return graph_of(spec, extension)


def complete(claim: Claim, secrets: Mapping[Key, bytes]) -> Tx:
    """The claim with every witness, each input judged by the kernel."""
    tx = claim.tx
    for index, taken in enumerate(claim.inputs):
        signatures = {key: sign(secrets[Key(key)], digest) for key, digest in claim.digests(index)}
        tx = tx.with_witness(index, witness(taken.path, taken.output.witness_script, signatures, dict(taken.late)))
    spent = tuple((taken.output.value_sat, taken.output.script_pubkey) for taken in claim.inputs)
    for index, (value_sat, script_pubkey) in enumerate(spent):
        assert accepts(tx, script_pubkey, value_sat, index, spent), claim.inputs[index]
    return tx


def ids(claims: tuple[Claimable, ...]) -> set[str]:
    return {f"{each.output.provider} {each.output.id}" for each in claims}


@pytest.mark.parametrize("channel_type", TYPES.values(), ids=TYPES)
def test_the_commitment_itself(channel_type: ChannelType) -> None:
    graph = graph_with_everything(channel_type)
    digest = commitment_digest(graph)
    ours, theirs = (sign(SECRETS[name], digest) for name in ("opener_funding", "acceptor_funding"))
    tx = signed_commitment(graph, ours, theirs)
    script_pubkey = b"\0\x20" + sha256(FUNDING.witness_script).digest()
    assert accepts(tx, script_pubkey, FUNDING.capacity_sat)
    assert not accepts(signed_commitment(graph, theirs, ours), script_pubkey, FUNDING.capacity_sat)
    assert tx.txid == graph.tx.txid


@pytest.mark.parametrize("channel_type", TYPES.values(), ids=TYPES)
def test_the_holder_of_the_latest(channel_type: ChannelType) -> None:
    graph = graph_with_everything(channel_type)
    plan = claimable(graph, 0, "latest", LATE)
    anchors = {"anchors anchor/0"} if channel_type is ANCHORS_ZERO_FEE_HTLC_TX else set()
    htlcs = {f"htlc {o.id}" for o in graph.outputs if o.provider == "htlc"}
    assert ids(plan.claims) == {"base main/0", "box 1"} | anchors | htlcs
    assert not plan.unclaimed and len(htlcs) == 5
    straight = [each for each in plan.claims if each.stage < 0]
    assert ids(tuple(straight)) == {"base main/0", "box 1"} | anchors
    groups = due(straight)
    assert set(groups) == ({(144, 0), (0, 0)} if anchors else {(144, 0)})
    tx = complete(make_claim(graph, groups[144, 0], DESTINATION, 253), HOLDERS)
    assert {each.sequence for each in tx.inputs} == {144}
    if anchors:
        complete(make_claim(graph, (*groups[0, 0], *groups[144, 0]), DESTINATION, 253), HOLDERS)
        with pytest.raises(ClaimUneconomic):
            make_claim(graph, groups[0, 0], DESTINATION, 253)


@pytest.mark.parametrize("channel_type", TYPES.values(), ids=TYPES)
def test_the_holders_htlcs_go_through_their_second_stage(channel_type: ChannelType) -> None:
    graph = graph_with_everything(channel_type)
    anchors = channel_type is ANCHORS_ZERO_FEE_HTLC_TX
    staged = [each for each in claimable(graph, 0, "latest", LATE, 100).claims if each.stage >= 0]
    for each in staged:
        child, expiry = graph.children[each.stage], each.output.cltv_expiry
        offered = each.output.kind == "offered_htlc"
        assert (each.path.older, each.path.after) == (1 if anchors else 0, expiry if offered else 0)
        assert each.rival_height == (expiry + RACE_BLOCKS if offered else expiry)
        assert may_share(child) == anchors
        (tx,) = [complete_stage(graph, [each])]
        assert tx.locktime == each.path.after
    without = claimable(graph, 0, "latest").unclaimed
    assert {each.reason for each in without} == {NO_PREIMAGE}
    assert len(without) == sum(each.output.kind == "received_htlc" for each in staged)


def test_htlcs_of_one_locktime_share_a_transaction_and_its_fee() -> None:
    graph = graph_with_everything(ANCHORS_ZERO_FEE_HTLC_TX)
    staged = [each for each in claimable(graph, 0, "latest", LATE).claims if each.stage >= 0]
    received = [each for each in staged if each.output.kind == "received_htlc"]
    assert len(received) == 3
    tx = complete_stage(graph, received)
    assert tx.outputs[:3] == tuple(graph.children[each.stage].tx.outputs[0] for each in received)
    # What the wallet adds is an input of 41 bytes with a key's witness, and a change output.
    assert 0 <= second_stage_weight(second_stage(graph, received), received) - (tx.weight - 4 * 41 - 4 * 31) - 1 <= 12
    for position, each in enumerate(received):
        confirmed = Confirmed(graph, 7, tx.txid, each.stage)
        (own,), (punished,) = plan(confirmed, 0, "latest", {}).claims, plan(confirmed, 1, "revoked", {}).claims
        assert (own.path.older, own.rival_height, punished.rival_height) == (144, 0, 7 + 144)
        complete(make_claim(graph, [replace(own, vout=position)], DESTINATION, 253), HOLDERS)
        complete(make_claim(graph, [replace(punished, vout=position)], DESTINATION, 253), REVOKED)
    with pytest.raises(AssertionError):
        second_stage(graph, staged)  # their locktimes differ


def complete_stage(graph: Graph, claims: list[Claimable]) -> Tx:
    """The second stage of these claims with a coin for its fee where it takes one, judged by the kernel."""
    tx = second_stage(graph, claims)
    spent = [(each.output.value_sat, each.output.script_pubkey) for each in claims]
    if all(may_share(graph.children[each.stage]) for each in claims):
        coin = TxIn(b"\x07" * 32, 0)
        tx = replace(tx, inputs=(*tx.inputs, coin), outputs=(*tx.outputs, TxOut(9_000, DESTINATION)))
        spent.append((10_000, DESTINATION))
    signed = tx
    for position, each in enumerate(claims):
        child = graph.children[each.stage]
        code, value_sat = each.output.witness_script, each.output.value_sat
        theirs = child_digest(graph, child, child.sighash)  # of the child as it was signed, long before
        signatures = {
            Key.HOLDER_HTLC: sign(HOLDERS[Key.HOLDER_HTLC], tx.sighash(position, code, value_sat)),
            Key.COUNTERPARTY_HTLC: sign(COUNTERPARTYS[Key.COUNTERPARTY_HTLC], theirs),
        }
        signed = signed.with_witness(position, witness(child.path, code, signatures, dict(each.late)))
    for position, (value_sat, script_pubkey) in enumerate(spent[: len(claims)]):
        assert accepts(signed, script_pubkey, value_sat, position, tuple(spent))
    return signed


@pytest.mark.parametrize("channel_type", TYPES.values(), ids=TYPES)
def test_the_counterparty_of_the_latest(channel_type: ChannelType) -> None:
    graph = graph_with_everything(channel_type)
    plan = claimable(graph, 1, "latest", LATE)
    anchors = {"anchors anchor/1"} if channel_type is ANCHORS_ZERO_FEE_HTLC_TX else set()
    htlcs = {f"htlc {o.id}" for o in graph.outputs if o.provider == "htlc"}
    assert ids(plan.claims) == {"base main/1", "box gift"} | anchors | htlcs
    assert not plan.unclaimed
    older = 1 if anchors else 0
    main = next(each for each in plan.claims if each.output.kind == "to_remote")
    assert main.path.older == older
    for each in plan.claims:
        if each.output.provider == "htlc":
            offered, expiry = each.output.kind == "offered_htlc", each.output.cltv_expiry
            assert (each.path.name, each.path.after) == (("preimage", 0) if offered else ("expired", expiry))
            assert each.rival_height == (expiry if offered else expiry + RACE_BLOCKS)
            assert each.stage == -1
        else:
            assert each.rival_height == 0 or each.output.kind == "anchor"
    complete(make_claim(graph, plan.claims, DESTINATION, 253), COUNTERPARTYS)


@pytest.mark.parametrize("channel_type", TYPES.values(), ids=TYPES)
def test_a_revoked_commitment_is_punished_whole(channel_type: ChannelType) -> None:
    """Every output with a value but the cheat's own anchor is taken at once, with the provider dead."""
    graph = graph_with_everything(channel_type)
    graph = msgspec.msgpack.decode(msgspec.msgpack.encode(graph), type=Graph)
    plan = claimable(graph, 1, "revoked")
    everything = {f"{o.provider} {o.id}" for o in graph.outputs if o.value_sat} - {"anchors anchor/0"}
    assert ids(plan.claims) == everything
    assert not plan.unclaimed
    penalties = [each for each in plan.claims if each.path.name == "revocation"]
    assert len(penalties) == 7
    assert all(each.path.older == each.path.after == 0 for each in penalties)
    claim = make_claim(graph, plan.claims, DESTINATION, 1000)
    tx = complete(claim, REVOKED)
    assert tx.outputs[0].value_sat + claim.fee_sat == sum(each.output.value_sat for each in claim.inputs)
    # The estimate is the most that signatures can weigh, and at most three units a signature too much.
    assert claim.fee_sat - 3 * len(claim.inputs) <= tx.weight <= claim.fee_sat
    for each in penalties:
        complete(make_claim(graph, [each], DESTINATION, 253), REVOKED)


@pytest.mark.parametrize("channel_type", TYPES.values(), ids=TYPES)
def test_second_stages_of_both_sides(channel_type: ChannelType) -> None:
    """HTLC transactions spend, then their outputs: by the holder after the delay, by revocation at once."""
    graph = graph_with_everything(channel_type)
    for index, child in enumerate(graph.children):
        signatures = {
            Key.HOLDER_HTLC: sign(HOLDERS[Key.HOLDER_HTLC], child_digest(graph, child, "all")),  # type: ignore[arg-type]
            Key.COUNTERPARTY_HTLC: sign(
                COUNTERPARTYS[Key.COUNTERPARTY_HTLC], child_digest(graph, child, child.sighash)
            ),
        }
        tx = signed_child(graph, child, {str(key): value for key, value in signatures.items()}, LATE)
        parent = graph.outputs[child.vout]
        assert accepts(tx, parent.script_pubkey, parent.value_sat)
        own, punished = (
            claimable_child(graph, index, tx.txid, 0, "latest"),
            claimable_child(graph, index, tx.txid, 1, "revoked"),
        )
        complete(make_claim(graph, own.claims, DESTINATION, 253), HOLDERS)
        complete(make_claim(graph, punished.claims, DESTINATION, 253), REVOKED)


def test_late_data_is_needed() -> None:
    graph = graph_with_everything(STATIC_REMOTEKEY)
    child = next(child for child in graph.children if child.kind == "htlc_success")
    with pytest.raises(WitnessIncomplete, match="sha256"):
        signed_child(graph, child, {Key.HOLDER_HTLC: bytes(31) + b"\1" * 33, Key.COUNTERPARTY_HTLC: b"\1" * 64})
    with pytest.raises(WitnessIncomplete, match="counterparty_htlc"):
        signed_child(graph, child, {Key.HOLDER_HTLC: b"\1" * 64}, LATE)


def test_an_extension_output_that_waits_for_a_secret() -> None:
    preimage = PREIMAGES[1]
    name = f"sha256:{sha256(preimage).hexdigest()}"
    script = Miniscript(f"or_d(pk(revocation),and_v(v:{name.replace(':', '(')}),and_v(v:pk(delayed),older(200))))")
    extension = Extension(box(script=script))
    kind = with_extensions(STATIC_REMOTEKEY, (pin(extension.spec, 1),))
    graph = graph_of(commitment_spec(7_000_000_000, 3_000_000_000, 253, channel_type=kind), extension)
    assert "box 1" not in ids(claimable(graph, 0, "latest").claims)
    assert [each.id for each in claimable(graph, 0, "latest").unclaimed] == ["1"]
    plan = claimable(graph, 0, "latest", {name: preimage})
    taken = next(each for each in plan.claims if each.output.provider == "box")
    assert taken.late == ((name, preimage),)
    assert taken.path.older == 200
    complete(make_claim(graph, [taken], DESTINATION, 253), HOLDERS)


def test_what_costs_more_than_it_holds() -> None:
    graph = graph_with_everything(ANCHORS_ZERO_FEE_HTLC_TX)
    plan = claimable(graph, 1, "revoked")
    claim = make_claim(graph, plan.claims, DESTINATION, 4000)
    assert "anchors anchor/1" in ids(claim.uneconomic)
    assert "anchors anchor/1" not in ids(claim.inputs)
    with pytest.raises(ClaimUneconomic):
        make_claim(graph, plan.claims, DESTINATION, 100_000_000)
    with pytest.raises(ClaimUneconomic):
        make_claim(graph, (), DESTINATION, 253)


def test_nobody_claims_what_is_not_theirs() -> None:
    graph = graph_with_everything(STATIC_REMOTEKEY)
    assert not ids(claimable(graph, 0, "revoked").claims) & {"base main/1", "box gift"}
    assert not ids(claimable(graph, 1, "latest").claims) & {"base main/0", "box 1"}


def test_an_extension_output_that_waits_for_a_height() -> None:
    extension = Extension(box(script=Miniscript("and_v(v:pk(counterparty_payment),after(700))")))
    kind = with_extensions(STATIC_REMOTEKEY, (pin(extension.spec, 1),))
    graph = graph_of(commitment_spec(7_000_000_000, 3_000_000_000, 253, channel_type=kind), extension)
    taken = [each for each in claimable(graph, 1, "latest").claims if each.output.provider == "box"]
    assert list(due(taken)) == [(0, 700)]
    claim = make_claim(graph, taken, DESTINATION, 253)
    assert claim.tx.locktime == 700
    complete(claim, COUNTERPARTYS)


RIVALS: dict[str, tuple[str, int]] = {
    "the cheat's balance, after its delay": ("base main/0", 1000 + 144),
    "our own output": ("base main/1", 0),
    "an HTLC of the cheat's, at its expiry": ("htlc 0/2", 502),
    "an HTLC of ours, whose preimage may be known": ("htlc 1/1", 501),
}


@pytest.mark.parametrize(("output", "expected"), RIVALS.values(), ids=RIVALS)
def test_until_when_a_cheat_can_be_punished_without_a_rival(output: str, expected: int) -> None:
    graph = graph_with_everything(ANCHORS_ZERO_FEE_HTLC_TX)
    found = {f"{c.output.provider} {c.output.id}": c for c in claimable(graph, 1, "revoked", height=1000).claims}
    height = found[output].rival_height
    # The HTLCs of the vectors expired long before 1000: the lock is the later one of the two.
    assert height == (max(expected, 1001) if output == "htlc 0/2" else expected)


def test_the_acceptors_commitment_too() -> None:
    """Its funding key is the greater one: signatures are ordered by key, not by side."""
    keys = commitment_keys(1, BASEPOINTS, POINT)
    graph = graph_of(commitment_spec(7_000_000_000, 3_000_000_000, 253, holder=1, keys=keys))
    digest = commitment_digest(graph)
    tx = signed_commitment(graph, sign(SECRETS["acceptor_funding"], digest), sign(SECRETS["opener_funding"], digest))
    assert accepts(tx, b"\0\x20" + sha256(FUNDING.witness_script).digest(), FUNDING.capacity_sat)
