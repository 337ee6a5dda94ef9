"""What may a type pay its main outputs to, and are they then swept, punished, weighed and signed by their scripts?"""

from typing import Any

import pytest
from lnpd_sdk.manifest import MainSpec
from lnpd_sdk.script import InternalKey, Leaf, Miniscript, Taproot, Template
from lnpd_sdk.types import Party, other
from msgspec.structs import replace

from lnpd.chain.verify import first_failure
from lnpd.crypto.secp import public_key
from lnpd.errors import MainRefused, ScriptRefused
from lnpd.tx import fees
from lnpd.tx.claims import claimable
from lnpd.tx.funding import spending_weight
from lnpd.tx.mains import check_mains, filled_mains, script_of, with_mains, with_samples
from lnpd.tx.signatures import sign_path, witness
from lnpd.tx.sweeps import Claim, make_claim
from tests.plugins.two_parties import DELAYS, TYPES, built, commitment, secrets_of

SECRET = b"\x61" * 32
OWN = public_key(SECRET)
DESTINATION = b"\0\x14" + bytes(20)
LOCAL = "andor(pk(delayed),older(to_self_delay),or_i(pk(revocation),and_v(v:pk(recovery_key),older(4032))))"
PLAIN = Miniscript("andor(pk(delayed),older(to_self_delay),pk(revocation))")
REMOTE = Miniscript("and_v(v:pk(counterparty_payment),older(12))")


def tree(*leaves: Miniscript | Template, key: InternalKey = InternalKey.NUMS) -> Taproot:
    return Taproot(key, tuple(Leaf(each, len(leaves) - 1) for each in leaves))


DELAYED_LEAF = Miniscript("and_v(v:pk(delayed),older(to_self_delay))")
GOOD = {
    "miniscripts": MainSpec(Miniscript(LOCAL), REMOTE),
    "trees": MainSpec(tree(Template("revocation_leaf"), DELAYED_LEAF), tree(REMOTE)),
    "revoked by the internal key": MainSpec(tree(DELAYED_LEAF, key=InternalKey.REVOCATION), tree(REMOTE)),
}


def local(expression: str) -> MainSpec:
    return MainSpec(Miniscript(expression), REMOTE)


def remote(expression: str) -> MainSpec:
    return MainSpec(PLAIN, Miniscript(expression))


REFUSED: dict[str, tuple[MainSpec, str]] = {
    "the holder at once": (local("or_i(pk(delayed),pk(revocation))"), "the holder can spend it at once"),
    "the holder early": (
        local("or_i(and_v(v:pk(delayed),older(5)),andor(pk(delayed),older(to_self_delay),pk(revocation)))"),
        "waits 5 blocks, less than",
    ),
    "no revocation": (local("and_v(v:pk(delayed),older(to_self_delay))"), "no undelayed path needs"),
    "somebody else early": (
        local("andor(pk(delayed),older(to_self_delay),or_i(pk(revocation),and_v(v:pk(recovery_key),older(4031))))"),
        r"could be taken from its holder by .*older\(4031\)",
    ),
    "the counterparty early": (
        local("andor(pk(delayed),older(to_self_delay),or_i(pk(revocation),and_v(v:pk(counterparty_htlc),older(9))))"),
        "could be taken from its holder by counterparty_htlc",
    ),
    "not the holder alone": (
        local("or_i(and_v(v:multi(2,delayed,recovery_key),older(to_self_delay)),pk(revocation))"),
        "to_local has no way",
    ),
    "by a preimage": (
        local("or_i(and_v(v:pk(delayed),and_v(v:older(to_self_delay),sha256(" + "11" * 32 + "))),pk(revocation))"),
        "to_local has no way",
    ),
    "later than agreed": (local("andor(pk(delayed),older(65535),pk(revocation))"), "to_local has no way"),
    "with both": (
        local("or_i(multi(2,delayed,counterparty_payment),andor(pk(delayed),older(to_self_delay),pk(revocation)))"),
        "needs both parties",
    ),
    "to_remote for the holder": (remote("and_v(v:pk(delayed),older(5000))"), "no undelayed path"),
    "to_remote for somebody else": (
        remote("or_d(pk(counterparty_payment),and_v(v:pk(recovery_key),older(5000)))"),
        "no undelayed path",
    ),
    "to_remote at once": (remote("pk(counterparty_payment)"), "before the commitment confirmed"),
    "to_remote late": (remote("and_v(v:pk(counterparty_payment),older(2017))"), "to_remote has no way"),
    "to_remote by a key that is lost": (
        remote("or_i(and_v(v:pk(counterparty_payment),older(1)),and_v(v:pk(counterparty_htlc),older(1)))"),
        "names counterparty_htlc, which nobody knows",
    ),
    "to_remote that anyone takes": (remote("older(5)"), "anyone can spend it"),
}


@pytest.mark.parametrize(("main", "words"), REFUSED.values(), ids=REFUSED)
def test_what_a_type_may_not_pay_to(main: MainSpec, words: str) -> None:
    with pytest.raises(MainRefused, match=words):
        check_mains(with_samples(main, ("recovery_key",)))


@pytest.mark.parametrize("secret", range(1, 9))
def test_no_point_in_a_script_is_taken_for_a_partys(secret: int) -> None:
    """Were the points that a type is judged with always the same, a type could name them, and its author be paid."""
    point = public_key(bytes([7]) * 31 + bytes([secret])).hex()
    taken = f"or_i(pk(revocation),and_v(v:pk({point}),older(to_self_delay)))"
    with pytest.raises(MainRefused, match="could be taken from its holder by"):
        check_mains(local(f"andor(pk(delayed),older(to_self_delay),{taken})"))


@pytest.mark.parametrize("expression", ["nonsense", "", "pk(nobody)", "andor(pk(delayed),older(x),pk(revocation))"])
def test_what_is_no_script(expression: str) -> None:
    with pytest.raises(ScriptRefused):
        check_mains(local(expression))


def test_a_derived_key_hides_in_no_tree() -> None:
    late = Miniscript("and_v(v:pk(counterparty_htlc),older(1))")
    with pytest.raises(MainRefused, match="names counterparty_htlc"):
        check_mains(MainSpec(PLAIN, tree(REMOTE, late)))
    with pytest.raises(MainRefused, match="each way waits a block"):
        check_mains(MainSpec(PLAIN, tree(REMOTE, key=InternalKey.COUNTERPARTY_HTLC)))


def signed(claim: Claim, secrets: dict[str, bytes]) -> None:
    """The kernel's interpreter takes the claim, with this party's keys alone; it weighs what was counted."""
    tx, spent = claim.tx, [(each.output.value_sat, each.output.script_pubkey) for each in claim.inputs]
    for index, taken in enumerate(claim.inputs):
        signatures = {key: sign_path(secrets[key], taken.path, digest) for key, digest in claim.digests(index)}
        tx = tx.with_witness(index, witness(taken.path, taken.output.witness_script, signatures, {}))
    assert first_failure(tx.serialise(), spent) is None
    assert claim.weight - 8 <= tx.weight <= claim.weight


@pytest.mark.parametrize("base", TYPES.values(), ids=TYPES)
@pytest.mark.parametrize("main", GOOD.values(), ids=GOOD)
@pytest.mark.parametrize("holder", [0, 1])
def test_each_party_takes_its_own_and_what_was_revoked(main: MainSpec, base: Any, holder: Party) -> None:
    kind = with_mains(base, filled_mains(main, {"recovery_key": OWN}))
    graph = built(commitment(kind, b"", holder))
    mains = {each.kind: each for each in graph.outputs if each.provider == "base"}
    assert kind.main is not None and mains["to_local"].script == script_of(kind.main, "to_local", DELAYS[holder])
    heaviest = graph.tx.weight + 2 + spending_weight(graph.funding)
    assert kind.commitment_weight - 10 <= heaviest <= kind.commitment_weight, "the fee is for what it weighs"
    for party, name, older in ((holder, "to_local", DELAYS[holder]), (other(holder), "to_remote", 12)):
        (own,) = [each for each in claimable(graph, party, "latest").claims if each.output.provider == "base"]
        assert (own.output.kind, own.path.older) == (name, older)
        signed(make_claim(graph, [own], DESTINATION, 1000), secrets_of(party, holder))
    both = [each for each in claimable(graph, other(holder), "revoked").claims if each.output.provider == "base"]
    assert {each.output.kind: each.path.older for each in both} == {"to_local": 0, "to_remote": 12}
    for each in both:
        signed(make_claim(graph, [each], DESTINATION, 1000), secrets_of(other(holder), holder, revoked=True))


def test_the_third_key_takes_what_its_owner_left_four_weeks_later() -> None:
    kind = with_mains(TYPES["anchors"], filled_mains(GOOD["miniscripts"], {"recovery_key": OWN}))
    graph = built(commitment(kind, b""))
    (left,) = [each for each in claimable(graph, 0, "latest").claims if each.output.kind == "to_local"]
    (path,) = [each for each in left.output.paths if each.keys == (OWN.hex(),)]
    assert path.older == 4_032
    signed(make_claim(graph, [replace(left, path=path)], DESTINATION, 1000), {OWN.hex(): SECRET})


def test_what_a_plain_type_weighs_is_left_as_it_was() -> None:
    plain = TYPES["static_remotekey"]
    more = with_mains(plain, filled_mains(GOOD["miniscripts"], {"recovery_key": OWN})).commitment_weight
    assert more - plain.commitment_weight == 4 * (34 - 22) and plain.commitment_weight == fees.COMMITMENT_WEIGHT
