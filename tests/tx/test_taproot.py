"""Is a taproot tree what BIP 341 makes of it, is every way through it found, and may it stand in a commitment?"""

from hashlib import sha256
from itertools import chain, combinations

import pytest
from hypothesis import given, reject
from hypothesis import strategies as st
from lnpd_sdk.script import InternalKey, Key, Leaf, Miniscript, SpendPath, Taproot, Template
from lnpd_sdk.types import CommitmentKeys
from msgspec.structs import replace

from lnpd.crypto.secp import public_key
from lnpd.errors import HolderPathUndelayed, JointPathWithoutChild, NoRevocationPath, ScriptRefused, WrongSpent
from lnpd.tx import fees, taproot
from lnpd.tx.rules import check_paths, is_counterpartys
from lnpd.tx.script import Compiled, compile_script
from lnpd.tx.sighash import leaf_hash
from lnpd.tx.signatures import input_digest, sign_path, witness
from lnpd.tx.transaction import Tx, TxIn, TxOut
from tests.tx import test_miniscript as miniscripts
from tests.tx.kernel import accepts
from tests.tx.simple_taproot import offered, received, second_stage, to_local, tree

SECRETS = {str(name): sha256(name.encode()).digest() for name in Key}
KEYS = CommitmentKeys(
    per_commitment_point=public_key(b"\x01" * 32), **{name: public_key(SECRETS[name]) for name in map(str, Key)}
)
SECRETS[public_key(miniscripts.STRANGER).hex()] = miniscripts.STRANGER
PREIMAGE = bytes(32)
HASH = sha256(PREIMAGE).digest()
LATE = miniscripts.LATE | {"hash160:b8bcb07f6344b42ab04250c86a6e8b75d3fdbbc6": PREIMAGE}
VALUE = 100_000
DELAY = 144


def compiled(script: Taproot, keys: CommitmentKeys = KEYS) -> Compiled:
    return compile_script(script, keys, DELAY)


def spend(script: Compiled, path: SpendPath) -> Tx:
    """A transaction that takes a path, with everything it asks for, beside a coin of somebody else."""
    other = TxIn(bytes(32), 1)
    tx = Tx((TxIn(bytes(32), 0, path.older or 0xFFFFFFFE), other), (TxOut(1000, b"\0\x14" + bytes(20)),), path.after)
    digest = input_digest(tx, 0, path, b"", (TxOut(VALUE, script.script_pubkey), OTHER))
    signatures = {key: sign_path(SECRETS[key], path, digest) for key in path.keys}
    return tx.with_witness(0, witness(path, b"", signatures, LATE))


OTHER = TxOut(5_000, b"\0\x14" + bytes(20))

TREES = {
    "to_local": (to_local(DELAY), ["delayed+older(144)", "revocation"]),
    "offered": (
        offered(HASH),
        [
            "revocation",
            "counterparty_htlc+holder_htlc",
            "counterparty_htlc+hash160:b8bcb07f6344b42ab04250c86a6e8b75d3fdbbc6+older(1)",
        ],
    ),
    "received": (
        received(HASH, 500),
        [
            "revocation",
            "counterparty_htlc+older(1)+after(500)",
            "counterparty_htlc+holder_htlc+hash160:b8bcb07f6344b42ab04250c86a6e8b75d3fdbbc6",
        ],
    ),
    "second_stage": (second_stage(DELAY), ["revocation", "delayed+older(144)"]),
    "key alone": (Taproot(InternalKey.REVOCATION), ["revocation"]),
    "two of three": (
        tree(InternalKey.NUMS, "multi_a(2,delayed,revocation,counterparty_htlc)"),
        ["revocation+delayed", "counterparty_htlc+delayed", "counterparty_htlc+revocation"],
    ),
    "key hash": (tree(InternalKey.NUMS, "pkh(revocation)"), ["revocation"]),
    "three deep": (
        Taproot(
            InternalKey.REVOCATION,
            (
                Leaf(Miniscript("and_v(v:pk(delayed),older(144))"), 1),
                Leaf(Miniscript("and_v(v:pk(delayed),older(1000))"), 2),
                Leaf(Miniscript("and_v(v:pk(holder_htlc),pk(counterparty_htlc))"), 2),
            ),
        ),
        ["revocation", "delayed+older(144)", "delayed+older(1000)", "counterparty_htlc+holder_htlc"],
    ),
}


@pytest.mark.parametrize(("script", "names"), TREES.values(), ids=TREES)
def test_every_path_by_the_kernel(script: Taproot, names: list[str]) -> None:
    found = compiled(script)
    assert [path.name for path in found.paths] == names
    spent = ((VALUE, found.script_pubkey), (OTHER.value_sat, OTHER.script_pubkey))
    for path in found.paths:
        tx = spend(found, path)
        assert accepts(tx, found.script_pubkey, VALUE, others=spent), path.name
        actual = 1 + sum(1 + len(item) for item in tx.inputs[0].witness)
        assert actual == fees.witness_weight(path, found.witness_script)
        if path.older > 1:
            early = replace(path, older=path.older - 1)
            assert not accepts(spend(found, early), found.script_pubkey, VALUE, others=spent)


def check_leaf(expression: str) -> None:
    """Every way through a leaf is accepted, and whoever can open it by its meaning has one; cf. test_miniscript."""
    found = compiled(tree(InternalKey.NUMS, expression.replace("multi(", "multi_a(")))
    meaning = miniscripts.parse(expression)
    spent = ((VALUE, found.script_pubkey), (OTHER.value_sat, OTHER.script_pubkey))
    for path in found.paths:
        assert miniscripts.opens(meaning, miniscripts.needs(path)), (expression, path)
        assert accepts(spend(found, path), found.script_pubkey, VALUE, others=spent), (expression, path)
    every = sorted(set(miniscripts.atoms(meaning)))
    for have in map(frozenset, chain.from_iterable(combinations(every, n) for n in range(len(every) + 1))):
        able = any(miniscripts.enough(path, have) for path in found.paths)
        assert able == miniscripts.opens(meaning, have), (expression, sorted(have))


@pytest.mark.parametrize("expression", miniscripts.EXPRESSIONS)
def test_every_way_through_a_leaf_is_found_and_works(expression: str) -> None:
    check_leaf(expression)


@given(miniscripts.basic)
def test_random_leaves(expression: str) -> None:
    try:
        compiled(tree(InternalKey.NUMS, expression.replace("multi(", "multi_a(")))
    except ScriptRefused:
        reject()
    if len(set(miniscripts.atoms(miniscripts.parse(expression)))) <= 8:
        check_leaf(expression)


@st.composite
def depths(draw: st.DrawFn, depth: int = 0) -> list[int]:
    """The depths of some tree's leaves, from left to right."""
    if depth == taproot.MAX_DEPTH or not draw(st.booleans()):
        return [depth]
    return draw(depths(depth + 1)) + draw(depths(depth + 1))


@given(depths())
def test_any_tree(found: list[int]) -> None:
    leaves = [Leaf(Miniscript(f"and_v(v:pk(delayed),older({n}))"), depth) for n, depth in enumerate(found, 1)]
    if len(leaves) > taproot.MAX_LEAVES:
        with pytest.raises(ScriptRefused):
            compiled(Taproot(InternalKey.NUMS, tuple(leaves)))
        return
    made = compiled(Taproot(InternalKey.NUMS, tuple(leaves)))
    assert len(made.paths) == len(leaves)
    spent = ((VALUE, made.script_pubkey), (OTHER.value_sat, OTHER.script_pubkey))
    for path, depth in zip(made.paths, found, strict=True):
        assert len(path.control) == 33 + 32 * depth
        assert accepts(spend(made, path), made.script_pubkey, VALUE, others=spent)
    with pytest.raises(ScriptRefused):
        compiled(Taproot(InternalKey.NUMS, (*leaves, Leaf(Miniscript("pk(revocation)"), found[-1]))))


def test_figures_of_simple_taproot_channels() -> None:
    """Of the published ones, for a checkout that stands alone; all are in test_taproot_vectors.py."""
    keys = replace(
        KEYS,
        delayed=bytes.fromhex("0315ec0138eb42f1ab4603042123988d53c854e89d1d87aa4dbb97a57482029c05"),
        revocation=bytes.fromhex("03d4c77088d346bce67c13bbbf82ca112588f4b1c9595a1f8af3be9b2f95a109a0"),
        holder_funding=bytes.fromhex("03b7203dec7c13896b6ff1f58b24f84458c441720a12b5a57426397e22f0a8c78b"),
        counterparty_funding=bytes.fromhex("02956e6845a6f346f97c5e028c0f8ab38a76b0124fd7184deab60f682b3e657fdb"),
    )
    figures = {
        "3e1fcbbd06c8a7414704612c72be9834a75d86ed85b29f0ef0c52e1950afaff3": to_local(DELAY),
        "df20bcec43daa75161f7d013254e401812e0fee8bc3369220b6a33672fc18ba0": second_stage(DELAY),
        "d0ebb4909d563a7ae1213fddede4ae54132fba0ef0b97ee3f8469191fecd348e": Taproot(InternalKey.MUSIG2_FUNDING),
    }
    for output_key, script in figures.items():
        assert compiled(script, keys).script_pubkey.hex() == "5120" + output_key


def test_a_published_tree() -> None:
    """BIP 341's wallet vectors: two leaves below an internal key."""
    internal = bytes.fromhex("02ee4fe085983462a184015d1f782d6a5f8b9c2b60130aff050ce221ecf3786592")
    first = bytes.fromhex("20387671353e273264c495656e27e39ba899ea8fee3bb69fb2a680e22093447d48ac")
    second = bytes.fromhex("06424950333431")
    with pytest.raises(ScriptRefused):
        taproot.grow(internal, [(0, first), (0, second)])
    grown = taproot.grow(internal, [(1, first), (1, second)])
    assert leaf_hash(first).hex() == "8ad69ec7cf41c2a4001fd1f738bf1e505ce2277acdcaa63fe4765192497f47a7"
    assert grown.controls[0][1:33] == internal[1:] and len(grown.controls[0]) == 65


REFUSED = {
    "nothing to spend it by": Taproot(InternalKey.NUMS),
    "a leaf too deep": Taproot(InternalKey.NUMS, (Leaf(Miniscript("pk(revocation)"), 1),)),
    "no tree": Taproot(InternalKey.NUMS, (Leaf(Miniscript("pk(delayed)"), 0), Leaf(Miniscript("pk(revocation)"), 0))),
    "too many leaves": Taproot(
        InternalKey.NUMS, tuple(Leaf(Miniscript(f"and_v(v:pk(delayed),older({n}))"), 5) for n in range(1, 33))
    ),
    "too deep": Taproot(InternalKey.NUMS, (Leaf(Miniscript("pk(revocation)"), 16),)),
    "below nothing": Taproot(InternalKey.NUMS, (Leaf(Miniscript("pk(revocation)"), -1),)),
    "two ways alike": tree(InternalKey.REVOCATION, "pk(revocation)"),
    "multi": tree(InternalKey.NUMS, "multi(1,revocation,delayed)"),
    "no leaf": tree(InternalKey.NUMS, Template("to_local")),
    "ill-typed": tree(InternalKey.NUMS, "v:pk(revocation)"),
}


@pytest.mark.parametrize("script", REFUSED.values(), ids=REFUSED)
def test_refused(script: Taproot) -> None:
    with pytest.raises(ScriptRefused):
        compiled(script)


def judge(script: Taproot, children: tuple[str, ...] = (), keys: CommitmentKeys = KEYS) -> None:
    paths = compiled(script, keys).paths
    check_paths(paths, keys, DELAY, name="it", kind="box", value_sat=VALUE, children=children)


def test_rule_3_sees_the_whole_tree() -> None:
    judge(to_local(DELAY))
    judge(second_stage(DELAY))
    judge(offered(HASH), ("counterparty_htlc+holder_htlc",))
    with pytest.raises(JointPathWithoutChild):
        judge(offered(HASH))
    with pytest.raises(HolderPathUndelayed):
        judge(tree(InternalKey.DELAYED, "pk(revocation)"))
    with pytest.raises(NoRevocationPath):
        judge(tree(InternalKey.NUMS, "and_v(v:pk(delayed),older(144))"))
    with pytest.raises(JointPathWithoutChild):
        judge(tree(InternalKey.MUSIG2_FUNDING, "pk(revocation)"))


def test_a_point_without_a_name_is_the_holders() -> None:
    stranger = public_key(b"\x77" * 32)
    for form in (stranger.hex(), stranger[1:].hex()):
        with pytest.raises(HolderPathUndelayed):
            judge(tree(InternalKey.REVOCATION, f"pk({form})"))


def test_the_negative_of_the_holders_point_is_the_holders() -> None:
    """Who knows a secret knows its negative: the counterparty cannot have it for itself."""
    negative = bytes((KEYS.delayed[0] ^ 1,)) + KEYS.delayed[1:]
    keys = replace(KEYS, counterparty_payment=negative)
    assert not is_counterpartys(Key.COUNTERPARTY_PAYMENT, keys)
    with pytest.raises(HolderPathUndelayed):
        judge(tree(InternalKey.COUNTERPARTY_PAYMENT, "pk(revocation)"), keys=keys)
    with pytest.raises(HolderPathUndelayed):
        judge(tree(InternalKey.NUMS, "pk(counterparty_payment)"), keys=keys)


def test_a_signature_of_all_needs_every_output() -> None:
    path = compiled(to_local(DELAY)).paths[0]
    tx = Tx((TxIn(bytes(32), 0), TxIn(bytes(32), 1)), (OTHER,))
    with pytest.raises(WrongSpent):
        input_digest(tx, 0, path, b"", (OTHER,))
