"""Do the published figures of simple taproot channels come out of the extension contract?"""

from hashlib import sha256
from typing import Any

import pytest
from lnpd_sdk.script import Key, Sighash, Taproot
from lnpd_sdk.types import Htlc
from msgspec.structs import replace

from lnpd.crypto import schnorr
from lnpd.crypto.keys import derive_secret
from lnpd.crypto.secp import public_key
from lnpd.tx import taproot
from lnpd.tx.funding import compile_funding, compiled_of, joint_path, make_funding
from lnpd.tx.graph import CommitmentSpec, Graph
from lnpd.tx.keys import Basepoints, commitment_keys
from lnpd.tx.pipeline import build, run
from lnpd.tx.script import compile_script, public_key_of
from lnpd.tx.sighash import leaf_hash
from lnpd.tx.signatures import (
    child_digest,
    commitment_digest,
    counterparty_key,
    sign_path,
    verify_path,
    witness,
)
from lnpd.tx.states import BaseState, HtlcState, encode_state
from lnpd.tx.transaction import Tx, parse
from tests.tx import simple_taproot
from tests.tx.kernel import accepts
from tests.vectors import load

FILE = "bolt3-simple-taproot-commitments.json"


@pytest.fixture(scope="module")
def vectors() -> dict[str, Any]:
    return load(FILE)


def keys_of(vectors: dict[str, Any]) -> dict[str, bytes]:
    return {name: bytes.fromhex(value) for name, value in vectors["params"]["keys"].items()}


def basepoints(keys: dict[str, bytes]) -> tuple[Basepoints, Basepoints]:
    """Of local, the opener and holder, and of remote; what no figure needs is local's."""
    local = Basepoints(
        keys["local_funding_pubkey"],
        keys["remote_revocation_basepoint"],
        keys["local_payment_basepoint"],
        keys["local_delayed_payment_basepoint"],
        keys["local_htlc_basepoint"],
    )
    remote = Basepoints(
        keys["remote_funding_pubkey"],
        keys["remote_revocation_basepoint"],
        keys["remote_payment_basepoint"],
        keys["local_delayed_payment_basepoint"],
        keys["remote_htlc_basepoint"],
    )
    return local, remote


def spec_of(vectors: dict[str, Any], case: dict[str, Any]) -> CommitmentSpec:
    params, keys = vectors["params"], keys_of(vectors)
    funding_tx = parse(bytes.fromhex(vectors["scripts"]["funding"]["funding_tx_hex"]))
    both = basepoints(keys)
    htlcs, balances = [], [case["local_balance_msat"], case["remote_balance_msat"]]
    for number, each in enumerate(case["htlcs"] or ()):
        offerer = 1 if each["incoming"] else 0
        balances[offerer] += each["amount_msat"]
        payment_hash = sha256(bytes.fromhex(each["preimage"])).digest()
        htlcs.append(Htlc(offerer, number, each["amount_msat"], payment_hash, each["expiry"]))  # type: ignore[arg-type]
    dust = case.get("dust_limit_satoshis", params["dust_limit_satoshis"])
    rounding = 1000 * params["funding_amount_satoshis"] - sum(balances)
    state = HtlcState((0, 0), tuple(sorted(htlcs, key=lambda htlc: (htlc.offerer, htlc.id))))
    assert rounding == 0
    return CommitmentSpec(
        funding=make_funding(
            funding_tx.txid,
            0,
            params["funding_amount_satoshis"],
            (both[0].funding_key, both[1].funding_key),
            simple_taproot.TYPE.funding,
        ),
        type=simple_taproot.TYPE,
        holder=0,
        number=params["commit_height"],
        keys=commitment_keys(0, both, keys["local_per_commit_point"]),
        feerate_per_kw=case["fee_per_kw"],
        dust_limit_sat=(dust, dust),
        to_self_delay=(params["csv_delay"], params["csv_delay"]),
        balances_msat=(balances[0], balances[1]),
        states=(("base", encode_state(BaseState(case["fee_per_kw"]))), ("htlc", encode_state(state))),
        payment_basepoints=(both[0].payment_basepoint, both[1].payment_basepoint),
    )


def graph_of(vectors: dict[str, Any], case: dict[str, Any]) -> Graph:
    return run(build(spec_of(vectors, case)), {simple_taproot.NAME: simple_taproot.SimpleTaproot()})


def unsigned(tx: Tx) -> Tx:
    return replace(tx, inputs=tuple(replace(each, witness=()) for each in tx.inputs))


def test_keys(vectors: dict[str, Any]) -> None:
    keys = keys_of(vectors)
    derived = spec_of(vectors, vectors["transactions"][0]).keys
    assert derived.delayed == keys["derived_local_delayed_pubkey"]
    assert derived.revocation == keys["derived_revocation_pubkey"]
    assert derived.holder_htlc == keys["derived_local_htlc_pubkey"]
    assert derived.counterparty_htlc == keys["derived_remote_htlc_pubkey"]
    nums = taproot.NUMS_POINTS[taproot.InternalKey.NUMS_SIMPLE_TAPROOT]
    assert nums.hex() == vectors["params"]["nums_point"]
    secrets = [name for name in keys if name.endswith(("_privkey", "_secret"))]
    for name in secrets:
        point = name.replace("privkey", "pubkey").replace("commit_secret", "commit_point").removesuffix("_secret")
        assert public_key(keys[name]) == keys[point]
    print(f"{FILE}: {len(secrets)} secrets, 4 derived keys")
    assert len(secrets) == 9


def scripts(vectors: dict[str, Any]) -> dict[str, Taproot]:
    payment_hash = sha256(bytes(32)).digest()
    sent = simple_taproot.offered(payment_hash)
    # Of accepted HTLCs alone these figures have the parties' keys the other way round; the transactions do not.
    accepted = simple_taproot.received(payment_hash, 500, Key.HOLDER_HTLC, Key.COUNTERPARTY_HTLC)
    delay = vectors["params"]["csv_delay"]
    return {
        "to_local": simple_taproot.to_local(delay),
        "to_remote": simple_taproot.TO_REMOTE,
        "local_anchor": simple_taproot.anchor(taproot.InternalKey.DELAYED),
        "remote_anchor": simple_taproot.anchor(taproot.InternalKey.COUNTERPARTY_PAYMENT),
        "offered_htlc_local_commit": sent,
        "offered_htlc_remote_commit": sent,
        "accepted_htlc_local_commit": accepted,
        "accepted_htlc_remote_commit": accepted,
        "second_level_htlc_success": simple_taproot.second_stage(delay),
        "second_level_htlc_timeout": simple_taproot.second_stage(delay),
    }


def test_scripts(vectors: dict[str, Any]) -> None:
    keys = spec_of(vectors, vectors["transactions"][0]).keys
    expressions = scripts(vectors)
    assert set(expressions) | {"funding"} == set(vectors["scripts"])
    for name, script in expressions.items():
        published = vectors["scripts"][name]
        compiled = compile_script(script, keys, vectors["params"]["csv_delay"])
        assert compiled.script_pubkey.hex() == published["pkscript"], name
        leaves = {path.leaf.hex() for path in compiled.paths if path.leaf}
        assert leaves == set(published["scripts"].values()), name
        hashes = {leaf_hash(path.leaf).hex() for path in compiled.paths if path.leaf}
        assert hashes == set(published["leaf_hashes"].values()), name
        internal = bytes.fromhex(published["internal_key"])
        root = bytes.fromhex(published["tapscript_root"])
        assert schnorr.output_key(internal[1:], root).hex() == published["output_key"], name
        for path in compiled.paths:
            assert path.tweak in (b"", schnorr.tap_tweak(internal[1:], root))
            if path.leaf:
                assert path.control[1:33] == internal[1:]
                assert path.control[0] == 0xC0 | int(published["output_key"][:2], 16) & 1
    print(f"{FILE}: {len(expressions)} scripts")
    assert len(expressions) == 10


def test_funding(vectors: dict[str, Any]) -> None:
    keys, published = keys_of(vectors), vectors["scripts"]["funding"]
    both = (keys["local_funding_pubkey"], keys["remote_funding_pubkey"])
    compiled = compile_funding(simple_taproot.TYPE.funding, both)
    assert compiled.script_pubkey.hex() == published["pkscript"] == "5120" + published["combined_key"]
    output = parse(bytes.fromhex(published["funding_tx_hex"])).outputs[0]
    assert (output.script_pubkey, output.value_sat) == (compiled.script_pubkey, 10_000_000)


def test_commitments(vectors: dict[str, Any]) -> None:
    for case in vectors["transactions"]:
        published = parse(bytes.fromhex(case["expected_commitment_tx_hex"]))
        graph = graph_of(vectors, case)
        assert graph.tx.serialise() == unsigned(published).serialise(), case["name"]
        compiled = compiled_of(graph.funding)
        path = joint_path(compiled)
        (signature,) = published.inputs[0].witness
        digest = commitment_digest(graph)
        joint = taproot.joint_key(graph.funding.funding_keys)
        assert verify_path(joint, path, digest, signature), case["name"]
        whole = graph.tx.with_witness(0, witness(path, b"", {"musig2_funding": signature}, {}))
        assert whole == published
        assert accepts(whole, compiled.script_pubkey, graph.funding.capacity_sat)
    print(f"{FILE}: {len(vectors['transactions'])} commitment transactions")
    assert len(vectors["transactions"]) == 3


def test_second_stage(vectors: dict[str, Any]) -> None:
    checked, keys = 0, keys_of(vectors)
    ours = derive_secret(keys["local_htlc_basepoint_secret"], keys["local_per_commit_point"])
    for case in vectors["transactions"]:
        graph = graph_of(vectors, case)
        described = case["htlc_descs"] or ()
        assert len(described) == len(graph.children)
        late = {}
        for htlc in case["htlcs"] or ():
            preimage = bytes.fromhex(htlc["preimage"])
            digest160 = simple_taproot.hashed(sha256(preimage).digest())[len("v:hash160(") : -1]
            late[f"hash160:{digest160}"] = preimage
        for child, each in zip(graph.children, described, strict=True):
            published = parse(bytes.fromhex(each["resolution_tx_hex"]))
            theirs = bytes.fromhex(each["remote_partial_sig_hex"])
            assert child.tx.serialise() == unsigned(published).serialise()
            name = counterparty_key(graph, child)
            digest = child_digest(graph, child, child.sighash)
            assert verify_path(public_key_of(name, graph.keys), child.path, digest, theirs)
            own = sign_path(ours, child.path, child_digest(graph, child, Sighash.ALL))
            signatures = {name: theirs, "holder_htlc": own}
            assert child.tx.with_witness(0, witness(child.path, b"", signatures, late)) == published
            parent = graph.outputs[child.vout]
            assert accepts(published, parent.script_pubkey, parent.value_sat)
            checked += 1
    print(f"{FILE}: {checked} second-stage transactions")
    assert checked == 7
    assert public_key(ours) == keys["derived_local_htlc_pubkey"]
