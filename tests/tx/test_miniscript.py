"""Are all ways to satisfy a miniscript found, by an independent count and by the kernel's interpreter?"""

from collections.abc import Iterator
from hashlib import sha256
from io import BytesIO
from itertools import chain, combinations
from typing import Any

import msgspec
import pytest
from embit.descriptor.miniscript import Miniscript as Node
from embit.hashes import hash160, ripemd160
from hypothesis import given, reject
from hypothesis import strategies as st
from lnpd_sdk.script import Key, SpendPath
from lnpd_sdk.types import CommitmentKeys

from lnpd.crypto.secp import public_key, sign
from lnpd.errors import ScriptRefused
from lnpd.tx.miniscript import MAX_PATHS, compile_expression
from lnpd.tx.names import names_of
from lnpd.tx.script import pay_to_script
from lnpd.tx.signatures import witness
from lnpd.tx.transaction import Tx, TxIn, TxOut
from tests.tx.kernel import accepts

SECRETS = {name: sha256(name.encode()).digest() for name in Key}
KEYS = CommitmentKeys(
    per_commitment_point=public_key(b"\x01" * 32), **{str(name): public_key(secret) for name, secret in SECRETS.items()}
)
STRANGER = sha256(b"stranger").digest()
STRANGERS_KEY = public_key(STRANGER).hex()
PREIMAGES = {n: bytes([n]) * 32 for n in (1, 2)}
HASHES = {
    "sha256": lambda data: sha256(data).digest(),
    "hash256": lambda data: sha256(sha256(data).digest()).digest(),
    "ripemd160": ripemd160,
    "hash160": hash160,
}
LATE = {f"{kind}:{digest(p).hex()}": p for kind, digest in HASHES.items() for p in PREIMAGES.values()}
VALUE = 100_000


def spend(script: bytes, path: SpendPath) -> Tx:
    """A transaction that takes a path, with everything it asks for."""
    tx = Tx((TxIn(bytes(32), 0, path.older or 0xFFFFFFFE),), (TxOut(VALUE - 1000, b"\0\x14" + bytes(20)),), path.after)
    digest = tx.sighash(0, script, VALUE)
    signatures = {key: sign(SECRETS[Key(key)] if key in SECRETS else STRANGER, digest) for key in path.keys}
    return tx.with_witness(0, witness(path, script, signatures, LATE))


# An independent reading of the tree: what a set of keys, late data and locks can open.


def opens(node: Any, have: frozenset[str]) -> bool:
    """Boolean meaning of a parsed miniscript; `have` holds names, and `older:n`, `after:n` for locks that are over."""
    if hasattr(node, "op"):
        return opens(node.arg, have)
    name = node.NAME
    if name in ("pk", "pk_k", "pkh", "pk_h"):
        return key_name(node.arg) in have
    if name in ("older", "after"):
        return any(int(each.split(":")[1]) >= node.arg.num for each in have if each.startswith(f"{name}:"))
    if name in HASHES:
        return f"{name}:{node.arg.raw.hex()}" in have
    if name == "multi":
        return sum(key_name(key) in have for key in node.args[1:]) >= node.args[0].num
    if name == "thresh":
        return sum(opens(each, have) for each in node.args[1:]) >= node.args[0].num
    if name in ("and_v", "and_b", "and_n"):
        return all(opens(each, have) for each in node.args)
    if name == "andor":
        x, y, z = node.args
        return (opens(x, have) and opens(y, have)) or opens(z, have)
    assert name in ("or_b", "or_c", "or_d", "or_i"), name
    return any(opens(each, have) for each in node.args)


def key_name(key: Any) -> str:
    point = key.sec()
    return next((str(name) for name in Key if getattr(KEYS, name) == point), point.hex())


def atoms(node: Any) -> Iterator[str]:
    for argument in node.args:
        if isinstance(argument, Node):
            yield from atoms(argument)
        elif hasattr(argument, "sec"):
            yield key_name(argument)
    if not hasattr(node, "op") and node.NAME in HASHES:
        yield f"{node.NAME}:{node.arg.raw.hex()}"
    if not hasattr(node, "op") and node.NAME in ("older", "after"):
        yield f"{node.NAME}:{node.arg.num}"


def parse(expression: str) -> Any:
    named = expression
    for name in sorted(Key, key=len, reverse=True):
        named = named.replace(str(name), getattr(KEYS, name).hex())
    return Node.read_from(BytesIO(named.encode()))


def needs(path: SpendPath) -> frozenset[str]:
    locks = [f"{lock}:{blocks}" for lock, blocks in (("older", path.older), ("after", path.after)) if blocks]
    return frozenset((*path.keys, *path.late, *locks))


def check(expression: str) -> int:
    """Every path opens the script and is accepted; every set that opens the script contains a path. How many paths."""
    script, paths = compile_expression(expression, names_of(KEYS))
    tree = parse(expression)
    assert len({path.name for path in paths}) == len(paths)
    for path in paths:
        assert opens(tree, needs(path)), (expression, path)
        assert accepts(spend(script, path), pay_to_script(script), VALUE), (expression, path)
    every = sorted(set(atoms(tree)))
    assert len(every) <= 12, "too many subsets to try"
    for have in map(frozenset, chain.from_iterable(combinations(every, n) for n in range(len(every) + 1))):
        found = any(enough(path, have) for path in paths)
        assert found == opens(tree, have), (expression, sorted(have))
    return len(paths)


def enough(path: SpendPath, have: frozenset[str]) -> bool:
    older = max((int(each[6:]) for each in have if each.startswith("older:")), default=0)
    after = max((int(each[6:]) for each in have if each.startswith("after:")), default=0)
    return {*path.keys, *path.late} <= have and path.older <= older and path.after <= after


H1, H2 = (sha256(preimage).hexdigest() for preimage in PREIMAGES.values())
R1 = ripemd160(PREIMAGES[1]).hex()
EXPRESSIONS: dict[str, int] = {
    "or_d(pk(revocation),and_v(v:pk(delayed),older(144)))": 2,
    "or_i(pkh(revocation),and_v(v:pkh(delayed),older(144)))": 2,
    f"and_v(v:sha256({H1}),pk(delayed))": 1,
    f"and_v(v:pk(delayed),hash256({HASHES['hash256'](PREIMAGES[1]).hex()}))": 1,
    f"and_v(v:pk(delayed),ripemd160({R1}))": 1,
    f"and_v(v:pk(delayed),hash160({hash160(PREIMAGES[2]).hex()}))": 1,
    "multi(2,holder_funding,counterparty_funding,delayed)": 3,
    "thresh(2,pk(revocation),s:pk(delayed),s:pk(holder_htlc))": 3,
    "thresh(2,pk(revocation),s:pk(delayed),sln:older(12))": 3,
    "thresh(3,pk(revocation),s:pk(delayed),sln:older(12),sln:after(500))": 4,
    "andor(pk(revocation),older(1000),multi(2,delayed,holder_htlc,counterparty_htlc))": 4,
    f"andor(pk(revocation),sha256({H1}),and_v(v:pkh(delayed),after(1000)))": 2,
    "and_n(pk(revocation),and_b(pk(delayed),a:older(5)))": 1,
    "or_b(pk(revocation),s:pk(delayed))": 2,
    "t:or_c(pk(revocation),and_v(v:pk(delayed),or_c(pk(holder_htlc),v:older(9))))": 3,
    "and_b(pk(revocation),s:pk(delayed))": 1,
    "and_v(v:pk(revocation),or_d(nd:and_v(v:older(7),v:older(8)),pk(delayed)))": 2,
    f"or_d(j:and_v(v:sha256({H2}),pk(delayed)),pk(revocation))": 2,
    "or_i(pk(revocation),or_i(pk(delayed),or_i(pk(holder_htlc),and_v(v:pk(holder_funding),older(3)))))": 4,
    "u:pk(delayed)": 1,
    "l:pk(delayed)": 1,
    f"or_d(pk({STRANGERS_KEY}),and_v(v:pk(delayed),after(499999999)))": 2,
    "or_d(pk(delayed),pk(delayed))": 1,
    "or_i(and_v(v:pk(delayed),older(10)),and_v(v:pk(delayed),older(20)))": 1,
    "c:or_i(pk_k(delayed),pk_h(revocation))": 2,
    "tv:pk(delayed)": 1,
}


@pytest.mark.parametrize(("expression", "count"), EXPRESSIONS.items(), ids=range(len(EXPRESSIONS)))
def test_every_way_is_found_and_works(expression: str, count: int) -> None:
    assert check(expression) == count


def test_lockbox_by_the_kernel() -> None:
    script, (revocation, delayed) = compile_expression(
        "or_d(pk(revocation),and_v(v:pk(delayed),older(144)))", names_of(KEYS)
    )
    assert (revocation.name, delayed.name, delayed.older) == ("revocation", "delayed+older(144)", 144)
    early = delayed.__class__(delayed.name, delayed.witness, 143)
    assert not accepts(spend(script, early), pay_to_script(script), VALUE)
    swapped = revocation.__class__("swapped", delayed.witness, 0)
    assert not accepts(spend(script, swapped), pay_to_script(script), VALUE)


REFUSED = {
    "empty": "",
    "not a miniscript": "pk(",
    "unknown key": "pk(somebody)",
    "no point": "pk(02" + "00" * 32 + ")",
    "uncompressed": "pk(04" + "11" * 64 + ")",
    "bare hash of a key": "pkh(" + "00" * 20 + ")",
    "upper case": "pk(Delayed)",
    "spaces": "pk( delayed )",
    "something behind": "pk(delayed)pk(delayed)",
    "not type B": "v:pk(delayed)",
    "ill-typed": "and_v(pk(delayed),pk(revocation))",
    "andor whose first cannot fail": "andor(older(5),pk(delayed),pk(revocation))",
    "andor whose first does not leave 1": "andor(dv:older(5),pk(delayed),pk(revocation))",
    "and_n whose first does not leave 1": "and_n(dv:older(5),pk(delayed))",
    "too many operations": f"and_v(v{'n' * 30}:pk(delayed)," * 7 + "pk(delayed)" + ")" * 7,
    "t of what is not V": "t:pk(delayed)",
    "zero blocks": "and_v(v:pk(delayed),older(0))",
    "blocks beyond BIP 68": "and_v(v:pk(delayed),older(65536))",
    "relative time": "and_v(v:pk(delayed),older(4194305))",
    "absolute time": "and_v(v:pk(delayed),after(500000000))",
    "sorted multi": "sortedmulti(1,delayed,revocation)",
    "too many ways": "thresh(3,pk(delayed),"
    + ",".join([f"s:pk({public_key(bytes([n]) * 32).hex()})" for n in range(1, 12)])
    + ")",
    "too many of many": "multi(5," + ",".join(public_key(bytes([n]) * 32).hex() for n in range(1, 13)) + ")",
    "nested too deep": "n" * 60 + ":pk(delayed)",
    "nested beyond the parser": "n" * 1900 + ":pk(delayed)",
    "assembly that would double and double": "tv" * 20 + ":pk(delayed)",
    "too long": "or_i(" * 500 + "pk(delayed)",
    "no number": "older(",
    "taproot only": "multi_a(1,delayed)",
}


@pytest.mark.parametrize("expression", REFUSED.values(), ids=REFUSED)
def test_refused(expression: str) -> None:
    with pytest.raises(ScriptRefused):
        compile_expression(expression, names_of(KEYS))


def test_a_key_that_is_not_there_is_named_with_the_nearest() -> None:
    with pytest.raises(ScriptRefused, match=r"There is no key 'revocaton' here; did you mean 'revocation'"):
        compile_expression("pk(revocaton)", names_of(KEYS))
    with pytest.raises(ScriptRefused, match=r"There is no key 'mine' here; there are .*delayed"):
        compile_expression("or_d(pk(revocation),pk(mine))", names_of(KEYS))


@given(st.text(alphabet="abcdehijklmnopstuv_:(),0123456789", max_size=60))
def test_any_text_is_compiled_or_refused(text: str) -> None:
    try:
        _, paths = compile_expression(text, names_of(KEYS))
    except ScriptRefused:
        return
    assert len(paths) <= MAX_PATHS


# Random expressions, by type. B: leaves one value; V: leaves none; W: B below another value.

key_names = st.sampled_from([str(name) for name in Key] + [STRANGERS_KEY])
blocks = st.sampled_from([1, 16, 17, 144, 65535])
heights = st.sampled_from([1, 500, 800_000])
hashes = st.sampled_from([f"{kind}({digest(p).hex()})" for kind, digest in HASHES.items() for p in PREIMAGES.values()])
dissatisfiable = st.recursive(
    st.one_of(
        key_names.map("pk({})".format),
        key_names.map("pkh({})".format),
        hashes,
        st.lists(key_names, min_size=2, max_size=3, unique=True).map(lambda names: f"multi(2,{','.join(names)})"),
        blocks.map("ndv:older({})".format),
        blocks.map("ln:older({})".format),
        heights.map("un:after({})".format),
    ),
    lambda du: st.one_of(
        st.tuples(du, du).map(lambda two: "or_d({},{})".format(*two)),
        st.tuples(du, du).map(lambda two: "or_b({},a:{})".format(*two)),
        st.tuples(du, du).map(lambda two: "or_i({},{})".format(*two)),
        st.tuples(du, du).map(lambda two: "and_b({},a:{})".format(*two)),
        st.tuples(du, du).map(lambda two: "and_n({},{})".format(*two)),
        st.tuples(du, du, du).map(lambda three: "andor({},{},{})".format(*three)),
        st.tuples(st.integers(1, 3), du, du, du).map(lambda four: "thresh({},{},a:{},a:{})".format(*four)),
    ),
    max_leaves=5,
)
basic = st.one_of(
    dissatisfiable,
    st.tuples(dissatisfiable, blocks).map(lambda two: f"and_v({verified(two[0])},older({two[1]}))"),
    st.tuples(dissatisfiable, dissatisfiable).map(lambda two: f"and_v({verified(two[0])},{two[1]})"),
    st.tuples(dissatisfiable, dissatisfiable).map(lambda two: f"t:or_c({two[0]},{verified(two[1])})"),
)


def verified(expression: str) -> str:
    """The same, of type V."""
    wrappers, colon, _ = expression.partition(":")
    return f"v{expression}" if colon and wrappers.isalpha() else f"v:{expression}"


@given(basic)
def test_random_miniscripts(expression: str) -> None:
    try:
        compile_expression(expression, names_of(KEYS))
    except ScriptRefused:
        reject()
    if len(set(atoms(parse(expression)))) <= 8:
        check(expression)


def test_a_point_of_both_sides_is_named_as_the_holders() -> None:
    keys = msgspec.structs.replace(KEYS, counterparty_payment=KEYS.delayed)
    for expression in ("pk(counterparty_payment)", "pk(delayed)", f"pkh({KEYS.delayed.hex()})"):
        assert [path.keys for path in compile_expression(expression, names_of(keys))[1]] == [("delayed",)]


def test_almost_too_many_operations() -> None:
    _, paths = compile_expression(f"and_v(v{'n' * 30}:pk(delayed)," * 6 + "pk(delayed)" + ")" * 6, names_of(KEYS))
    assert [path.name for path in paths] == ["+".join(["delayed"] * 7)]
