"""Do commitments keep their invariants, whatever providers want?"""

from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lnpd_sdk.script import DataCarrier, Sighash
from lnpd_sdk.types import ChildOutput, Htlc, OutputSpec, Transaction

from lnpd import errors
from lnpd.providers.types import ANCHORS_ZERO_FEE_HTLC_TX, CORE_PROVIDERS, STATIC_REMOTEKEY, pin, with_extensions
from lnpd.tx import fees
from lnpd.tx.graph import ChannelType, CommitmentSpec, Graph
from lnpd.tx.keys import commitment_keys
from lnpd.tx.pipeline import build, run
from lnpd.tx.states import HtlcState, encode_state
from tests.tx.bolt3 import BASEPOINTS, HTLCS, POINTS, commitment_spec, graph_of
from tests.tx.extension import CARRIER, JOINT, LOCKBOX, Extension, box, child, extended, of

TYPES = (STATIC_REMOTEKEY, ANCHORS_ZERO_FEE_HTLC_TX)


# Invariants


@dataclass(frozen=True)
class Case:
    """A random commitment, and what is true of it by the inputs alone."""

    spec: CommitmentSpec
    extension: Extension

    @property
    def graph(self) -> Graph:
        return graph_of(self.spec, self.extension)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    rows = draw(
        st.lists(
            st.tuples(st.integers(0, 1), st.integers(1, 12_000_000), st.integers(0, 3), st.integers(1, 2_000_000)),
            max_size=12,
        )
    )
    htlcs = tuple(
        sorted(
            (
                Htlc(offerer, number, amount, sha256(bytes([secret])).digest(), expiry)
                for number, (offerer, amount, secret, expiry) in enumerate(rows)
            ),
            key=lambda htlc: (htlc.offerer, htlc.id),
        )
    )
    boxes = draw(st.lists(st.tuples(st.integers(0, 3_000_000), st.integers(0, 3_000_000)), max_size=4))
    outputs = [
        OutputSpec("box", str(n), "box", (a + b) // 1000, LOCKBOX, (a, b), trim="dust")
        for n, (a, b) in enumerate(boxes)
    ]
    extension = Extension(*outputs)
    taken = [sum(each.amount_msat for each in htlcs if each.offerer == party) for party in (0, 1)]
    taken = [taken[party] + sum(each[party] for each in boxes) for party in (0, 1)]
    opener = draw(st.integers(taken[0] + 700_000, 10_000_000_000 - taken[1]))
    spec = commitment_spec(
        0,
        0,
        draw(st.integers(0, 50_000)),
        channel_type=with_extensions(draw(st.sampled_from(TYPES)), (pin(extension.spec, 1),)),
        dust_limit_sat=(draw(st.integers(354, 3000)), draw(st.integers(354, 3000))),
        holder=draw(st.sampled_from((0, 1))),
        number=draw(st.integers(0, 2**48 - 1)),
        to_self_delay=(draw(st.integers(1, 144)), draw(st.integers(1, 144))),
        balances_msat=(opener, 10_000_000_000 - opener),
    )
    states = (spec.states[0], ("htlc", encode_state(HtlcState((99, 99), htlcs))), ("box", b""))
    keys = commitment_keys(spec.holder, BASEPOINTS, POINTS["per_commitment"])
    return Case(msgspec.structs.replace(spec, states=states, keys=keys), extension)


@given(cases())
def test_invariants(case: Case) -> None:
    spec, graph = case.spec, case.graph
    holder, dust_sat = spec.holder, spec.dust_limit_sat[spec.holder]
    assert sum(output.value_sat for output in graph.outputs) + graph.fee_sat == spec.funding.capacity_sat
    assert [(o.value_sat, o.script_pubkey) for o in graph.outputs] == [
        (o.value_sat, o.script_pubkey) for o in graph.tx.outputs
    ]
    ordered = [(o.value_sat, o.script_pubkey, o.cltv_expiry) for o in graph.outputs]
    assert ordered == sorted(ordered)
    for output in graph.outputs:
        if output.kind == "anchor":
            assert (output.value_sat, output.debits_msat) == (330, (0, 0))
        else:
            assert output.value_sat == sum(output.debits_msat) // 1000 >= dust_sat
    weight = spec.type.commitment_weight + 172 * sum(o.provider in ("htlc", "box") for o in graph.outputs)
    in_flight = [sum(o.debits_msat[party] for o in graph.outputs if o.provider != "base") for party in (0, 1)]
    assert graph.fee_sat + spec.type.fixed_cost_sat >= min(
        fees.fee_sat(weight, spec.feerate_per_kw), (spec.balances_msat[0] - in_flight[0]) // 1000
    )
    present = {(o.provider, o.id) for o in graph.outputs}
    assert not present & set(graph.trimmed)
    assert [child.vout for child in graph.children] == sorted(child.vout for child in graph.children)
    assert {graph.outputs[child.vout].id for child in graph.children} == {
        o.id for o in graph.outputs if o.provider == "htlc"
    }
    for below in graph.children:
        assert below.tx.inputs[0].txid == graph.tx.txid
        assert sum(o.value_sat for o in below.tx.outputs) >= dust_sat
    assert graph.holder == holder


@given(cases())
def test_stored_and_read_again(case: Case) -> None:
    """A graph survives storage byte for byte, and the same question has the same answer."""
    graph = case.graph
    stored = msgspec.msgpack.encode(graph)
    assert msgspec.msgpack.decode(stored, type=Graph) == graph
    assert msgspec.msgpack.encode(case.graph) == stored
    spec = msgspec.msgpack.decode(msgspec.msgpack.encode(case.spec), type=CommitmentSpec)
    assert graph_of(spec, case.extension) == graph


@given(cases())
def test_calls_can_be_answered_elsewhere(case: Case) -> None:
    """Arguments and answers that went through bytes give the same commitment: what a plugin's process does."""
    from lnpd_sdk.questions import PROVIDER_METHODS

    providers = CORE_PROVIDERS | {"box": case.extension}
    asked, calls, answer = [], build(case.spec), None
    try:
        while True:
            call = calls.send(answer)
            asked.append((call.method, call.provider))
            kinds = PROVIDER_METHODS[call.method]
            arguments = msgspec.msgpack.decode(msgspec.msgpack.encode(call.arguments), type=kinds.arguments)
            said = getattr(providers[call.provider], call.method)(*arguments)
            answer = msgspec.msgpack.decode(msgspec.msgpack.encode(said), type=kinds.answer)
    except StopIteration as finished:
        assert finished.value == case.graph
    phases = ["contribute", "settle", "attach", "seal", "descend"]
    assert [phases.index(method) for method, _ in asked] == sorted(phases.index(method) for method, _ in asked)


def test_each_phase_is_asked_once_of_those_who_have_it() -> None:
    extension = Extension(box())
    calls = []

    class Counting(dict[str, Any]):
        def get(self, name: str, default: Any = None) -> Any:
            calls.append(name)
            return super().get(name, default)

    run(build(extended(extension)), Counting(CORE_PROVIDERS | {"box": extension}))
    assert calls == ["htlc", "box", "base", "box", "htlc", "box"]


def test_a_missing_provider_has_a_name() -> None:
    with pytest.raises(errors.WrongProvider, match="box"):
        run(build(extended(Extension(box()))), CORE_PROVIDERS)


# BOLT 3's boundaries


@pytest.mark.parametrize("channel_type", TYPES, ids=["static_remotekey", "anchors"])
@pytest.mark.parametrize("number", range(5))
def test_an_htlc_falls_away_one_step_of_the_feerate_later(channel_type: ChannelType, number: int) -> None:
    """The dust limit plus the fee of the second stage is reached exactly, and not by one more step."""
    amount = HTLCS[number].amount_msat // 1000
    spec = commitment_spec(7_000_000_000 - 1000 * amount, 3_000_000_000, 0, htlcs=(number,), channel_type=channel_type)
    weight = 0 if channel_type is not STATIC_REMOTEKEY else 663 if number in (2, 3) else 703

    def exists(feerate: int) -> bool:
        return bool(graph_of(msgspec.structs.replace(spec, feerate_per_kw=feerate)).children)

    if not weight:
        assert exists(2000)
        return
    last = max(feerate for feerate in range(6000) if amount >= 546 + weight * feerate // 1000)
    assert exists(last)
    assert not exists(last + 1)


def test_each_side_has_its_own_dust_limit() -> None:
    """354 against 1000: an HTLC of 999 sat is in the one's commitment only."""
    htlcs = (Htlc(0, 0, 999_000, bytes(32), 500),)
    for holder, present in ((0, True), (1, False)):
        spec = commitment_spec(
            0,
            0,
            0,
            dust_limit_sat=(354, 1000),
            holder=holder,
            keys=commitment_keys(holder, BASEPOINTS, POINTS["per_commitment"]),  # type: ignore[arg-type]
            channel_type=ANCHORS_ZERO_FEE_HTLC_TX,
            balances_msat=(5_000_000_000, 5_000_000_000),
        )
        states = (spec.states[0], ("htlc", encode_state(HtlcState((1, 0), htlcs))))
        graph = graph_of(msgspec.structs.replace(spec, states=states))
        assert bool(graph.children) == present
        assert graph.trimmed == (() if present else (("htlc", "0/0"),))


@pytest.mark.parametrize(
    ("acceptor_sat", "htlcs", "anchors"),
    [(5_000_000, (), 2), (0, (), 1), (545, (), 1), (546, (), 2), (0, (4,), 2), (10_000_000 - 660, (), 1)],
)
def test_anchors_present(acceptor_sat: int, htlcs: tuple[int, ...], anchors: int) -> None:
    """An anchor needs its owner's main output or an HTLC; the opener pays for both, even when one is absent."""
    opener_sat = 10_000_000 - acceptor_sat - sum(HTLCS[number].amount_msat // 1000 for number in htlcs)
    feerate = 1000 if opener_sat > 2000 else 0
    graph = graph_of(
        commitment_spec(
            1000 * opener_sat, 1000 * acceptor_sat, feerate, htlcs=htlcs, channel_type=ANCHORS_ZERO_FEE_HTLC_TX
        )
    )
    assert sum(output.kind == "anchor" for output in graph.outputs) == anchors
    paid = opener_sat - sum(o.value_sat for o in graph.outputs if o.kind == "to_local")
    assert paid == 660 + (1124 + 172 * len(htlcs)) * feerate // 1000


def test_balances_are_the_capacity() -> None:
    for change in (1, -1):
        with pytest.raises(errors.BalancesMismatch):
            graph_of(commitment_spec(7_000_000_000 + change, 3_000_000_000, 0))
    with pytest.raises(errors.BalancesMismatch):
        graph_of(commitment_spec(10_000_001_000, -1_000, 0))


def test_an_extension_output_brings_both_anchors() -> None:
    extension = Extension(box())
    spec = extended(extension, ANCHORS_ZERO_FEE_HTLC_TX, balances_msat=(10_000_000_000, 0))
    assert sum(output.kind == "anchor" for output in graph_of(spec, extension).outputs) == 2


# Seals


def test_seals_fill_what_was_reserved() -> None:
    seen: list[Transaction] = []

    def seal(transaction: Transaction) -> bytes:
        seen.append(transaction)
        return sha256(transaction.purpose.encode()).digest()

    sealed_child = child(outputs=(ChildOutput(49_100, LOCKBOX), ChildOutput(0, DataCarrier(32))), sighash=Sighash.ALL)
    joint = box(script=JOINT, second_stage_weight=900)
    extension = Extension(CARRIER, joint, children=[sealed_child], seal=seal, seal_length=32)
    graph = of(extension)
    assert [each.purpose for each in seen] == ["commitment", "second_stage"]
    sealed = next(output for output in graph.outputs if output.kind == "seal")
    assert sealed.script_pubkey == b"\x6a\x20" + sha256(b"commitment").digest()
    assert graph.tx.outputs[0].script_pubkey == sealed.script_pubkey
    assert graph.children[0].tx.outputs[1].script_pubkey == b"\x6a\x20" + sha256(b"second_stage").digest()
    assert graph.children[0].tx.inputs[0].txid == graph.tx.txid
    parent = seen[1].parent
    assert parent is not None and parent.txid == graph.tx.txid
    assert (spent := parent.outputs[seen[1].vout].spec) is not None and spent.kind == "box"
    unsealed = seen[0].outputs[0]
    assert unsealed.script_pubkey == b"\x6a\x20" + bytes(32)
    # The opener pays the carrier's weight as it pays an HTLC's.
    assert graph.fee_sat == (724 + 172 + 4 * (8 + 1 + 34)) * 1000 // 1000


def test_digests_name_who_differs() -> None:
    one, two = (dict(of(Extension(box(value))).digests) for value in (50_000, 50_001))
    assert one["htlc"] == two["htlc"]
    assert one["box"] != two["box"]
    assert {len(digest) for digest in one.values()} == {8}


def test_the_counterparty_signs_a_child_as_it_says() -> None:
    graph = of(Extension(box(script=JOINT), children=[child(sighash=Sighash.SINGLE_ANYONECANPAY)]))
    sighashes = {slot.key: slot.sighash for slot in graph.children[0].path.witness if hasattr(slot, "sighash")}
    assert sighashes == {"holder_htlc": Sighash.ALL, "counterparty_htlc": Sighash.SINGLE_ANYONECANPAY}


def test_children_follow_the_outputs_of_the_transaction() -> None:
    """BOLT 2 sends their signatures in that order, whatever order a provider answers in."""
    outputs = [box(50_000 + n, JOINT, id=str(n)) for n in range(3)]
    children = [child(parent=str(n), outputs=(ChildOutput(50_000 + n, LOCKBOX),)) for n in (2, 0, 1)]
    assert [each.id for each in of(Extension(*outputs, children=children)).children] == ["0", "1", "2"]
