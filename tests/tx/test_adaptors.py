"""Does a child that is signed for an adaptor point need the point's secret, and tell it to whoever signed?"""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lnpd_sdk.script import Key, Sighash
from lnpd_sdk.types import Phase
from msgspec.structs import replace

from lnpd import errors
from lnpd.chain.verify import first_failure
from lnpd.crypto.adaptor_ecdsa import ecdsa_adaptor_secret
from lnpd.crypto.secp import ORDER, public_key, sign, to_der
from lnpd.tx.adaptors import completed, late_names, opens, shown, sold
from lnpd.tx.claims import NO_ADAPTOR, claimable
from lnpd.tx.graph import CommitmentSignatures, Graph
from lnpd.tx.presigned import gated_bytes, in_auxiliary, in_commitment_signed, joined
from lnpd.tx.script import public_key_of
from lnpd.tx.signatures import (
    child_digest,
    commitment_digest,
    presign_child,
    verify_child,
    verify_path,
    verify_signatures,
    witness,
)
from tests.plugins.two_parties import built, commitment, pinned, secrets_of
from tests.tx.extension import JOINT, Extension, box, child

SOLD = b"\x5a" * 32
POINT = public_key(SOLD)


def extension(*points: bytes, gated: bool = True) -> Extension:
    """A box with a child for each of these adaptor points."""
    children = [child(kind=f"exit {n}", gated=gated, adaptor_point=point) for n, point in enumerate(points)]
    made = Extension(box(script=JOINT), children=children)
    made.spec = replace(made.spec, phases=(*made.spec.phases, Phase("gate")))
    return made


def graph_of(made: Extension) -> Graph:
    return built(commitment(pinned(made), b""), made)


SECRET, DIGEST = b"\x22" * 32, b"\x44" * 32
LEAF = {"leaf": b"\x51", "control": b"\xc0" * 33}
CHILD_OF_V0 = graph_of(extension(POINT)).children[0]


def test_a_child_is_completed_by_the_secret_alone_and_gives_it_away() -> None:
    graph = graph_of(extension(POINT))
    (made,) = graph.children
    ours, theirs = secrets_of(0, 0), secrets_of(1, 0)
    digest = child_digest(graph, made, made.sighash)
    ahead = presign_child(theirs[Key.COUNTERPARTY_HTLC], made, digest)
    key = public_key_of(Key.COUNTERPARTY_HTLC, graph.keys)
    assert verify_child(key, made, digest, ahead) and not verify_child(key, made, digest, ahead[:-1] + b"\0")
    verify_signatures(
        graph, CommitmentSignatures(sign(theirs[Key.COUNTERPARTY_FUNDING], commitment_digest(graph)), (ahead,))
    )
    (name,) = late_names(made)
    assert name == f"adaptor:{POINT.hex()}" and opens(name, SOLD) and not opens(name, bytes(32))
    with pytest.raises(errors.WitnessIncomplete):
        completed(key, made, digest, ahead, {})
    with pytest.raises(errors.WitnessIncomplete):
        completed(key, made, digest, ahead, {name: b"\x5b" * 32})
    signature = completed(key, made, digest, ahead, {name: SOLD})
    assert ecdsa_adaptor_secret(POINT, ahead, signature) == SOLD
    parent = graph.outputs[made.vout]
    own = sign(ours[Key.HOLDER_HTLC], child_digest(graph, made, Sighash.ALL))
    stack = witness(made.path, parent.witness_script, {Key.HOLDER_HTLC: own, Key.COUNTERPARTY_HTLC: signature}, {})
    tx = made.tx.with_witness(0, stack)
    assert first_failure(tx.serialise(), [(parent.value_sat, parent.script_pubkey)]) is None
    assert shown(made, stack) == (own, signature) and sold(made, ahead, shown(made, stack)) == SOLD
    assert sold(made, ahead, (own,)) == sold(made, ahead, ()) == b""
    assert sold(made, ahead, shown(made, (to_der(high_s(signature)) + b"\1",))) == SOLD, "anybody may turn its sign"


def high_s(signature: bytes) -> bytes:
    """The same signature with the other sign."""
    return signature[:32] + (ORDER - int.from_bytes(signature[32:], "big")).to_bytes(32, "big")


@pytest.mark.parametrize("path", [LEAF, {"tweak": b"\x33" * 32}], ids=["a leaf", "a tweaked key"])
@pytest.mark.parametrize("tail", [b"", b"\x83"], ids=["the default sighash", "with its byte"])
def test_a_schnorr_signature_gives_it_away_too(path: dict[str, bytes], tail: bytes) -> None:
    made = graph_of(extension(POINT)).children[0]
    made = replace(made, path=replace(made.path, **path))
    ahead = presign_child(SECRET, made, DIGEST)
    assert verify_child(public_key(SECRET), made, DIGEST, ahead)
    signature = completed(public_key(SECRET), made, DIGEST, ahead, {late_names(made)[0]: SOLD})
    assert verify_path(public_key(SECRET), made.path, DIGEST, signature)
    witness = (b"", ahead[:63], signature + tail, b"\x51", b"\xc0" * 33)
    assert shown(made, witness) == (signature,) and sold(made, ahead, shown(made, witness)) == SOLD
    assert sold(made, ahead, (ahead,)) == sold(made, ahead, (bytes(64),)) == b""


@given(st.lists(st.binary(max_size=80), max_size=5), st.booleans())
def test_any_witness_is_read(witness: list[bytes], taproot: bool) -> None:
    made = CHILD_OF_V0 if not taproot else replace(CHILD_OF_V0, path=replace(CHILD_OF_V0.path, **LEAF))
    signatures = shown(made, witness)
    assert all(len(each) == 64 for each in signatures)
    assert sold(made, presign_child(SECRET, made, DIGEST), signatures) == b""


def test_it_is_claimed_once_the_secret_is_known() -> None:
    other = public_key(b"\x11" * 32)
    graph = graph_of(extension(POINT, other))
    without = claimable(graph, 0, "latest")
    assert [each for each in without.claims if each.output.provider == "box"] == []
    assert [each.reason for each in without.unclaimed if each.provider == "box"] == [NO_ADAPTOR]
    name = f"adaptor:{POINT.hex()}"
    (claim,) = [each for each in claimable(graph, 0, "latest", {name: SOLD}).claims if each.output.provider == "box"]
    assert (graph.children[claim.stage].adaptor_point, claim.late) == (POINT, ((name, SOLD),))


def test_each_signature_has_its_length_on_the_wire() -> None:
    graph = graph_of(extension(POINT, b"", public_key(b"\x11" * 32)))
    signatures = (b"\1" * 162, b"\2" * 64, b"\3" * 162)
    data = in_auxiliary(graph, "box", signatures)
    assert len(data) == gated_bytes(graph, "box") == 2 * 162 + 64 and in_commitment_signed(graph, signatures) == ()
    assert joined(graph, (), {"box": data}) == signatures


REFUSED: dict[str, Any] = {
    "it is not gated": extension(POINT, gated=False),
    "it is no point": extension(b"\5" * 33),
    "it is too short": extension(POINT[:-1]),
}


@pytest.mark.parametrize("made", REFUSED.values(), ids=REFUSED)
def test_refused(made: Extension) -> None:
    with pytest.raises(errors.ChildRefused, match="adaptor point"):
        graph_of(made)
