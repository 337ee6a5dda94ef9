"""Is an output refused, by rule and name, for each way in which it could break rule 3?"""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lnpd_sdk.script import DataCarrier, Key, Miniscript, Script, Sighash, Template
from lnpd_sdk.types import ChildOutput, ChildTx

from lnpd import errors
from lnpd.crypto.keys import derive_revocation_public_key
from lnpd.crypto.secp import public_key
from lnpd.tx.rules import check_paths, is_counterpartys
from lnpd.tx.script import Compiler, compile_script
from tests.tx.bolt3 import KEYS, POINTS, graph_of
from tests.tx.extension import LOCKBOX, Extension, box, extended, replaced

DELAY = 144
STRANGER = public_key(b"\x77" * 32).hex()
OTHER_REVOCATION = derive_revocation_public_key(POINTS["acceptor_revocation"], public_key(b"\x78" * 32)).hex()
HASH = "aa" * 32
JOINT = "or_d(pk(revocation),multi(2,holder_htlc,counterparty_htlc))"


def judge(script: Script, *, kind: str = "box", value_sat: int = 1000, children: tuple[str, ...] = ()) -> None:
    compiled = compile_script(script, KEYS, DELAY)
    check_paths(compiled.paths, KEYS, DELAY, name="box 1", kind=kind, value_sat=value_sat, children=children)


GOOD = {
    "lockbox": LOCKBOX,
    "longer delay": Miniscript("or_d(pk(revocation),and_v(v:pk(delayed),older(145)))"),
    "as BOLT 3": Template("to_local"),
    "the counterparty's alone": Template("to_remote"),
    "the counterparty's alone, in miniscript": Miniscript("and_v(v:pk(counterparty_payment),after(700000))"),
    "a data carrier": DataCarrier(32),
    "hashed keys": Miniscript("or_i(pkh(revocation),and_v(v:pkh(delayed),older(144)))"),
    "a preimage of the counterparty's": Miniscript(
        f"or_i(and_v(v:pk(counterparty_htlc),sha256({HASH})),or_d(pk(revocation),and_v(v:pk(delayed),older(144))))"
    ),
    "a stranger's key delayed": Miniscript(f"or_d(pk(revocation),and_v(v:pk({STRANGER}),older(144)))"),
}
BROKEN: dict[str, tuple[str, type[errors.SpendPathRefused]]] = {
    "undelayed": ("or_d(pk(revocation),pk(delayed))", errors.HolderPathUndelayed),
    "hidden branch": (
        "or_d(pk(revocation),or_i(and_v(v:pk(delayed),older(144)),pk(holder_htlc)))",
        errors.HolderPathUndelayed,
    ),
    "hidden branch behind a hash": (
        f"or_d(pk(revocation),or_i(and_v(v:pk(delayed),older(144)),and_v(v:pk(holder_funding),sha256({HASH}))))",
        errors.HolderPathUndelayed,
    ),
    "hidden branch in a threshold": (
        "thresh(2,pk(revocation),s:pk(delayed),s:pk(holder_htlc))",
        errors.HolderPathUndelayed,
    ),
    "revocation key and the holder's": ("and_v(v:pk(revocation),pk(delayed))", errors.JointPathWithoutChild),
    "holder's keys in a threshold": ("thresh(2,pk(delayed),s:pk(holder_htlc))", errors.HolderPathUndelayed),
    "a height is no delay": ("or_d(pk(revocation),and_v(v:pk(delayed),after(900000)))", errors.HolderPathUndelayed),
    "wrong side's delay": ("or_d(pk(revocation),and_v(v:pk(delayed),older(143)))", errors.HolderDelayTooShort),
    "one block": ("or_d(pk(revocation),and_v(v:pk(delayed),older(1)))", errors.HolderDelayTooShort),
    "no revocation": ("and_v(v:pk(delayed),older(144))", errors.NoRevocationPath),
    "revocation key of another commitment": (
        f"or_d(pk({OTHER_REVOCATION}),and_v(v:pk(delayed),older(144)))",
        errors.HolderPathUndelayed,
    ),
    "revocation of another, delayed too": (
        f"and_v(v:older(144),or_d(pk({OTHER_REVOCATION}),pk(delayed)))",
        errors.NoRevocationPath,
    ),
    "revocation delayed": (
        "or_i(and_v(v:pk(revocation),older(1)),and_v(v:pk(delayed),older(144)))",
        errors.NoRevocationPath,
    ),
    "revocation from a height": (
        "or_i(and_v(v:pk(revocation),after(9)),and_v(v:pk(delayed),older(144)))",
        errors.NoRevocationPath,
    ),
    "revocation behind a hash": (
        f"or_i(and_v(v:pk(revocation),sha256({HASH})),and_v(v:pk(delayed),older(144)))",
        errors.NoRevocationPath,
    ),
    "revocation with another key": (
        "or_i(and_v(v:pk(revocation),pk(counterparty_htlc)),and_v(v:pk(delayed),older(144)))",
        errors.NoRevocationPath,
    ),
    "the counterparty alone does not revoke": (
        "or_d(pk(counterparty_payment),and_v(v:pk(delayed),older(144)))",
        errors.NoRevocationPath,
    ),
    "a stranger's key": (f"or_d(pk(revocation),pk({STRANGER}))", errors.HolderPathUndelayed),
    "both, with no child": (JOINT, errors.JointPathWithoutChild),
    "anyone": (f"or_d(pk(revocation),sha256({HASH}))", errors.PathNeedsNoSignature),
    "anyone, later": ("or_d(pk(revocation),older(1000))", errors.PathNeedsNoSignature),
}


@pytest.mark.parametrize("script", GOOD.values(), ids=GOOD)
def test_allowed(script: Script) -> None:
    judge(script)


@pytest.mark.parametrize(("expression", "rule"), BROKEN.values(), ids=BROKEN)
def test_refused_by_name(expression: str, rule: type[errors.SpendPathRefused]) -> None:
    with pytest.raises(errors.SpendPathRefused, match="box 1") as refused:
        judge(Miniscript(expression))
    assert type(refused.value) is rule


@pytest.mark.parametrize(("expression", "rule"), BROKEN.values(), ids=BROKEN)
def test_refused_in_the_pipeline(expression: str, rule: type[errors.SpendPathRefused]) -> None:
    with pytest.raises(rule, match="box 1"):
        extension = Extension(box(script=Miniscript(expression)))
        graph_of(extended(extension), extension)


def test_the_holders_own_delay_counts() -> None:
    """to_self_delay is by party: the one that the holder's own commitment waits for."""
    extension = Extension(box())
    graph_of(extended(extension, to_self_delay=(144, 2000)), extension)
    with pytest.raises(errors.HolderDelayTooShort):
        graph_of(extended(extension, to_self_delay=(145, 10)), extension)


def test_anchors() -> None:
    anchor = Template("anchor")
    judge(anchor, kind="anchor", value_sat=330)
    with pytest.raises(errors.AnchorTooLarge):
        judge(anchor, kind="anchor", value_sat=331)
    with pytest.raises(errors.HolderPathUndelayed):
        judge(anchor, kind="box", value_sat=330)
    with pytest.raises(errors.PathNeedsNoSignature):
        judge(Template("anchor", counterparty=True), kind="box", value_sat=330)


def test_htlc_templates_need_their_child() -> None:
    for name, path in (("offered_htlc", "timeout"), ("received_htlc", "success")):
        for kind in (name, f"{name}_anchors"):
            script = Template(kind, bytes(32), 500)
            judge(script, children=(path,))
            with pytest.raises(errors.JointPathWithoutChild):
                judge(script)


def test_a_child_obeys_the_rule_again() -> None:
    def build(script: Script) -> None:
        child = ChildTx("box", "1", "exit", "holder_htlc+counterparty_htlc", (ChildOutput(49_100, script),))
        extension = Extension(box(script=Miniscript(JOINT), second_stage_weight=900), children=(child,))
        graph_of(extended(extension), extension)

    build(LOCKBOX)
    for expression, rule in BROKEN.values():
        with pytest.raises(rule, match="exit"):
            build(Miniscript(expression))


def test_a_point_of_both_sides_is_the_holders() -> None:
    """A counterparty could name the holder's point as its own payment basepoint."""
    keys = replaced(KEYS, counterparty_payment=KEYS.delayed)
    assert not is_counterpartys(Key.COUNTERPARTY_PAYMENT, keys)
    for script in (Template("to_remote"), Miniscript("pk(counterparty_payment)")):
        with pytest.raises(errors.HolderPathUndelayed):
            check_paths(
                Compiler(keys, DELAY).compile(script).paths,
                keys,
                DELAY,
                name="box 1",
                kind="box",
                value_sat=1,
                children=(),
            )


@given(st.integers(1, 0xFFFF), st.integers(1, 0xFFFF))
def test_the_boundary_of_the_delay(older: int, delay: int) -> None:
    script = Miniscript(f"or_d(pk(revocation),and_v(v:pk(delayed),older({older})))")
    compiled = compile_script(script, KEYS, delay)
    try:
        check_paths(compiled.paths, KEYS, delay, name="box 1", kind="box", value_sat=1)
        allowed = True
    except errors.HolderDelayTooShort:
        allowed = False
    assert allowed == (older >= delay)


def test_single_anyonecanpay_covers_one_output_only() -> None:
    outputs = (ChildOutput(25_000, LOCKBOX), ChildOutput(25_000, LOCKBOX))
    child = ChildTx("box", "1", "exit", "holder_htlc+counterparty_htlc", outputs, sighash=Sighash.SINGLE_ANYONECANPAY)
    extension = Extension(box(script=Miniscript(JOINT)), children=(child,))
    with pytest.raises(errors.ChildRefused):
        graph_of(extended(extension), extension)


def test_each_joint_path_needs_a_child_of_its_own() -> None:
    both = Miniscript(
        "or_d(pk(revocation),or_i(multi(2,holder_htlc,counterparty_htlc),"
        "and_v(v:pk(holder_funding),pk(counterparty_funding))))"
    )
    names = [path.name for path in compile_script(both, KEYS, DELAY).paths if len(path.keys) == 2]
    judge(both, children=tuple(names))
    for name in names:
        with pytest.raises(errors.JointPathWithoutChild):
            judge(both, children=(name,))


def test_an_htlcs_template_without_a_child_beside_those_that_have_one() -> None:
    extension = Extension(box(script=Template("received_htlc", bytes(32), 500)))
    spec = extended(extension, htlcs=(4,), balances_msat=(7_000_000_000, 3_000_000_000))
    with pytest.raises(errors.JointPathWithoutChild, match="box 1"):
        graph_of(spec, extension)
