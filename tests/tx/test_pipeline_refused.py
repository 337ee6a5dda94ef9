"""Is every rule that a provider can break in a commitment refused by its own name?"""

import msgspec
import pytest
from lnpd_sdk.script import DataCarrier, Miniscript, Sighash, Template
from lnpd_sdk.types import ChildOutput, ChildTx, Htlc, OutputSpec

from lnpd import errors
from lnpd.providers.types import ANCHORS_ZERO_FEE_HTLC_TX
from lnpd.tx.checks import MAX_UNGATED
from lnpd.tx.states import HtlcState, encode_state
from lnpd.wire.message import encode
from lnpd.wire.messages import CommitmentSigned, CommitmentSignedTlvs
from tests.tx.bolt3 import commitment_spec, graph_of
from tests.tx.extension import CARRIER, CHILD, JOINT, LOCKBOX, Extension, box, child, extended, of

REFUSED: dict[str, tuple[type[errors.LnpdError], Extension]] = {
    "another's output": (errors.WrongProvider, Extension(box(provider="htlc"))),
    "no id": (errors.WrongProvider, Extension(box(id=""))),
    "a negative weight": (errors.WrongProvider, Extension(box(second_stage_weight=-1))),
    "twice": (errors.DuplicateOutput, Extension(box(), box())),
    "value above debits": (errors.WrongDebits, Extension(box(50_001, debits_msat=(50_000_999, 0)))),
    "value below debits": (errors.WrongDebits, Extension(box(49_999, debits_msat=(50_000_000, 0)))),
    "negative debit": (errors.WrongDebits, Extension(box(debits_msat=(60_000_000, -10_000_000)))),
    "more than there is": (errors.BalanceOverdrawn, Extension(box(7_000_001))),
    "more of the other's": (errors.BalanceOverdrawn, Extension(box(3_000_001, debits_msat=(0, 3_000_001_000)))),
    "attached for nothing": (errors.FixedCostExceeded, Extension(attached=[box(330, debits_msat=(0, 0))])),
    "attached from a balance": (errors.FixedCostExceeded, Extension(attached=[box(330)])),
    "attached beyond the constant weight": (
        errors.WeightExceeded,
        Extension(
            attached=[
                box(0, Miniscript(f"or_d(pk(revocation),and_v(v:pk(delayed),older({n})))"), id=str(n))
                for n in (144, 145)
            ]
        ),
    ),
    "too many": (errors.TooManyOutputs, Extension(*(box(id=str(n)) for n in range(3)), max_outputs=2)),
    "too heavy": (errors.WeightExceeded, Extension(*(box(id=str(n)) for n in range(3)), max_weight=515)),
    "bad script": (errors.ScriptRefused, Extension(box(script=Miniscript("pk(nobody)")))),
    "unknown template": (errors.ScriptRefused, Extension(box(script=Template("to_anyone")))),
    "value on a carrier": (
        errors.ValueOnDataCarrier,
        Extension(box(1000, DataCarrier(32), trim="never"), seal=bytes(32), seal_length=32),
    ),
    "value never trimmed": (errors.ValueOnDataCarrier, Extension(box(trim="never"))),
    "a carrier that is trimmed": (
        errors.ValueOnDataCarrier,
        Extension(box(0, DataCarrier(32)), seal=bytes(32), seal_length=32),
    ),
    "two seal slots": (
        errors.SealSlotTaken,
        Extension(CARRIER, msgspec.structs.replace(CARRIER, id="2"), seal=bytes(32), seal_length=32),
    ),
    "another length of slot": (errors.SealRefused, Extension(CARRIER, seal=bytes(32), seal_length=31)),
    "no seal agreed": (errors.SealRefused, Extension(CARRIER, seal=bytes(32))),
    "seal too short": (errors.SealRefused, Extension(CARRIER, seal=bytes(31), seal_length=32)),
    "seal too long": (errors.SealRefused, Extension(CARRIER, seal=bytes(100_000_000), seal_length=32)),
    "seal of another type": (errors.SealRefused, Extension(CARRIER, seal=lambda _: "x" * 32, seal_length=32)),
}


@pytest.mark.parametrize(("rule", "extension"), REFUSED.values(), ids=REFUSED)
def test_refused_by_name(rule: type[errors.LnpdError], extension: Extension) -> None:
    with pytest.raises(errors.LnpdError) as refused:
        of(extension)
    assert type(refused.value) is rule


def delayed_joint(lock: str) -> OutputSpec:
    return box(script=Miniscript(f"or_d(pk(revocation),and_v(v:multi(2,holder_htlc,counterparty_htlc),{lock}))"))


REFUSED_CHILDREN: dict[str, tuple[type[errors.LnpdError], OutputSpec, ChildTx]] = {
    "another's": (errors.WrongProvider, box(script=JOINT), child(provider="htlc")),
    "of no output": (errors.ChildRefused, box(script=JOINT), child(parent="2")),
    "by no path": (errors.ChildRefused, box(script=JOINT), child(path="nobody")),
    "by a path of one": (errors.ChildRefused, box(script=JOINT), child(path="revocation")),
    "without outputs": (errors.ChildRefused, box(script=JOINT), child(outputs=())),
    "dust": (
        errors.ChildRefused,
        box(script=JOINT),
        child(outputs=(ChildOutput(545, LOCKBOX), ChildOutput(49_455, LOCKBOX)), sighash=Sighash.ALL),
    ),
    "out of nothing": (errors.ValueCreated, box(script=JOINT), child(outputs=(ChildOutput(50_001, LOCKBOX),))),
    "paying an undeclared fee": (
        errors.WrongSecondStageWeight,
        box(script=JOINT),
        child(outputs=(ChildOutput(49_999, LOCKBOX),)),
    ),
    "heavier than declared": (
        errors.WrongSecondStageWeight,
        box(script=JOINT, second_stage_weight=600),
        child(outputs=(ChildOutput(49_400, LOCKBOX),)),
    ),
    "paying less than its weight": (
        errors.WrongSecondStageWeight,
        box(script=JOINT, second_stage_weight=900),
        child(outputs=(ChildOutput(49_900, LOCKBOX),)),
    ),
    "too early by height": (
        errors.ChildRefused,
        delayed_joint("after(500)"),
        child(path="holder_htlc+counterparty_htlc+after(500)", locktime=499),
    ),
    "too early by blocks": (
        errors.ChildRefused,
        delayed_joint("older(10)"),
        child(path="holder_htlc+counterparty_htlc+older(10)", sequence=9),
    ),
    "a locktime that does not hold": (
        errors.ChildRefused,
        box(script=JOINT),
        child(locktime=500, sequence=0xFFFFFFFF),
    ),
    "too many outputs": (
        errors.ChildRefused,
        box(script=JOINT),
        child(outputs=(ChildOutput(600, LOCKBOX),) * 17, sighash=Sighash.ALL),
    ),
    "no fee, and no coin may join": (errors.ChildRefused, box(script=JOINT), child(sighash=Sighash.ALL)),
    "a time where no lock is due": (errors.ChildRefused, box(script=JOINT), child(sequence=0x400010)),
    "a relative time": (
        errors.ChildRefused,
        delayed_joint("older(10)"),
        child(path="holder_htlc+counterparty_htlc+older(10)", sequence=0x40000A),
    ),
    "a relative lock that is off": (
        errors.ChildRefused,
        delayed_joint("older(10)"),
        child(path="holder_htlc+counterparty_htlc+older(10)", sequence=0xFFFFFFFE),
    ),
    "a time for a height": (errors.ChildRefused, box(script=JOINT), child(locktime=500_000_000)),
    "a sequence that no coin could join": (
        errors.ChildRefused,
        box(script=JOINT),
        child(sequence=0, sighash=Sighash.SINGLE_ANYONECANPAY),
    ),
    "gated without a gate": (errors.ChildRefused, box(script=JOINT), child(gated=True)),
    "two seal slots": (
        errors.SealSlotTaken,
        box(script=JOINT, second_stage_weight=900),
        child(outputs=(*CHILD.outputs, *(ChildOutput(0, DataCarrier(32)),) * 2), sighash=Sighash.ALL),
    ),
    "no seal agreed": (
        errors.SealRefused,
        box(script=JOINT, second_stage_weight=900),
        child(outputs=(*CHILD.outputs, ChildOutput(0, DataCarrier(32))), sighash=Sighash.ALL),
    ),
    "value on a carrier": (
        errors.ChildRefused,
        box(script=JOINT),
        child(outputs=(ChildOutput(49_000, LOCKBOX), ChildOutput(1000, DataCarrier(32))), sighash=Sighash.ALL),
    ),
}


@pytest.mark.parametrize(("rule", "output", "wanted"), REFUSED_CHILDREN.values(), ids=REFUSED_CHILDREN)
def test_children_refused_by_name(rule: type[errors.LnpdError], output: OutputSpec, wanted: ChildTx) -> None:
    with pytest.raises(errors.LnpdError) as refused:
        of(Extension(output, children=[wanted]))
    assert type(refused.value) is rule


def test_two_children_of_one_kind() -> None:
    with pytest.raises(errors.DuplicateOutput):
        of(Extension(box(script=JOINT), children=[CHILD, CHILD]))
    assert len(of(Extension(box(script=JOINT), children=[CHILD, child(kind="other")])).children) == 2


def test_no_more_signatures_than_commitment_signed_holds_beside_those_of_966_htlcs() -> None:
    def build(count: int) -> int:
        kinds = [child(kind=str(number)) for number in range(count)]
        return len(of(Extension(box(script=JOINT), children=kinds)).children)

    assert build(MAX_UNGATED) == MAX_UNGATED
    with pytest.raises(errors.ChildRefused, match="has room for 50"):
        build(MAX_UNGATED + 1)
    tlvs = CommitmentSignedTlvs(funding_txid=bytes(32), extension_digests=(bytes(8),) * 16)
    signatures = (bytes(64),) * (966 + MAX_UNGATED)
    encode(CommitmentSigned(channel_id=bytes(32), signature=bytes(64), htlc_signature=signatures, tlvs=tlvs))


def test_a_fee_within_the_declared_weight() -> None:
    wanted = child(outputs=(ChildOutput(49_200, LOCKBOX),))
    graph = of(Extension(box(script=JOINT, second_stage_weight=800), children=[wanted]))
    assert graph.children[0].tx.outputs[0].value_sat == 49_200


def test_outputs_worth_more_than_the_channel() -> None:
    """An opener who cannot pay for the anchors makes no commitment out of thin air."""
    spec = commitment_spec(0, 0, 0, channel_type=ANCHORS_ZERO_FEE_HTLC_TX, balances_msat=(0, 10_000_000_000))
    htlc = encode_state(HtlcState((0, 1), (Htlc(1, 0, 5_000_000, bytes(32), 500),)))
    with pytest.raises(errors.ValueCreated):
        graph_of(msgspec.structs.replace(spec, states=(spec.states[0], ("htlc", htlc))))


def test_an_unreadable_state() -> None:
    spec = commitment_spec(7_000_000_000, 3_000_000_000, 0)
    for state in (b"\xff", b"\x80\x80", msgspec.msgpack.encode({"htlcs": [], "more": 1})):
        with pytest.raises(errors.StateUnreadable):
            graph_of(msgspec.structs.replace(spec, states=(("htlc", state),)))


def test_a_declared_weight_is_held_at_any_feerate() -> None:
    """At a feerate of 0 no fee tells of a weight that is too low."""
    for weight, allowed in ((600, False), (800, True)):
        extension = Extension(box(script=JOINT, second_stage_weight=weight), children=[CHILD])
        spec = msgspec.structs.replace(extended(extension), feerate_per_kw=0)
        if allowed:
            graph_of(spec, extension)
        else:
            with pytest.raises(errors.WrongSecondStageWeight):
                graph_of(spec, extension)
