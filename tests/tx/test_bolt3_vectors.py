"""Does the pipeline build BOLT 3's published commitments and HTLC transactions byte for byte, signatures included?"""

from hashlib import sha256
from typing import Any

import pytest
from lnpd_sdk.script import Sighash

from lnpd.crypto.keys import derive_secret
from lnpd.crypto.secp import from_der, sign
from lnpd.errors import WrongSignature, WrongSignatureCount
from lnpd.providers.types import ANCHORS_ZERO_FEE_HTLC_TX, STATIC_REMOTEKEY
from lnpd.tx.graph import CommitmentSignatures, Graph
from lnpd.tx.signatures import child_digest, commitment_digest, signed_commitment, verify_signatures
from tests.tx.bolt3 import HTLCS, KEYS, POINTS, PREIMAGES, SECRETS, commitment_spec, graph_of, of_case
from tests.tx.children import signed_child
from tests.vectors import load

OPENER_HTLC = derive_secret(SECRETS["opener_payment"], POINTS["per_commitment"])
ACCEPTOR_HTLC = derive_secret(SECRETS["acceptor_payment"], POINTS["per_commitment"])
LATE = {f"sha256:{sha256(preimage).hexdigest()}": preimage for preimage in PREIMAGES.values()}


def signatures_of(graph: Graph) -> tuple[bytes, CommitmentSignatures]:
    """The opener's signature, and all that the acceptor sends."""
    theirs = tuple(sign(ACCEPTOR_HTLC, child_digest(graph, child, child.sighash)) for child in graph.children)
    digest = commitment_digest(graph)
    return sign(SECRETS["opener_funding"], digest), CommitmentSignatures(
        sign(SECRETS["acceptor_funding"], digest), theirs
    )


def test_derived_keys() -> None:
    assert KEYS.revocation.hex() == "0212a140cd0c6539d07cd08dfe09984dec3251ea808b892efeac3ede9402bf2b19"
    assert KEYS.delayed.hex() == "03fd5960528dc152014952efdb702a88f71e3c1653b2314431701ec77e57fde83c"
    assert KEYS.holder_htlc.hex() == "030d417a46946384f88d5f3337267c5e579765875dc4daca813e21734b140639e7"
    assert KEYS.counterparty_htlc.hex() == "0394854aa6eab5b2a8122cc726e9dded053a2184d88256816826d6231c068d4a5b"


def test_simple_commitment() -> None:
    """Appendix C's first case, without any file."""
    graph = graph_of(commitment_spec(7_000_000_000, 3_000_000_000, 15_000))
    assert graph.tx.txid[::-1].hex() == "35af2c90e84decff1c178c6d600bc0e9de29af15a11b3711db623f960f24ae11"
    assert graph.fee_sat == 10_860


@pytest.mark.parametrize(
    ("to_local_msat", "feerate", "htlcs", "anchors", "txid"),
    [
        (
            6_988_000_000,
            647,
            (0, 1, 2, 3, 4),
            False,
            "feb2a9af08b9a7da4bd127b5ac35599b10b26c6b99f2381d8806c288473efb2c",
        ),
        (6_987_999_999, 253, (1, 5, 6), False, "ec239490ba4f0ceb4d6856b0694ae678e6e1dffffeca54c5a266306528cfdc4b"),
        (6_988_000_000, 644, (0, 1, 2, 3, 4), True, "1a22ec97d446678e7afabc89c6c8cb5907be71231b36b978516fa62ef6feceb8"),
        (6_987_999_999, 253, (1, 5, 6), True, "c4e1bb3953f19c42aa921c7f5d7b47b5bc85ae1fd421bcaa6e61c905030d063d"),
    ],
)
def test_commitments_with_htlcs(
    to_local_msat: int, feerate: int, htlcs: tuple[int, ...], anchors: bool, txid: str
) -> None:
    """Four cases without any file: every script, and two HTLCs of one amount and preimage, in both types."""
    kind = ANCHORS_ZERO_FEE_HTLC_TX if anchors else STATIC_REMOTEKEY
    graph = graph_of(commitment_spec(to_local_msat, 3_000_000_000, feerate, htlcs=htlcs, channel_type=kind))
    assert graph.tx.txid[::-1].hex() == txid
    assert [child.tx.locktime for child in graph.children if child.kind == "htlc_timeout"] == sorted(
        HTLCS[number].cltv_expiry for number in htlcs if number in (2, 3, 5, 6)
    )


def test_published_commitments() -> None:
    vectors = load("bolt3-commitments.json")
    cases: list[dict[str, Any]] = vectors["cases"] + vectors["anchor_cases"]
    children = sum(check(case) for case in cases)
    print(f"bolt3-commitments.json: {len(cases)} commitments, {children} HTLC transactions")
    assert (len(vectors["cases"]), len(vectors["anchor_cases"])) == (16, 9)
    assert children == sum(len(case["htlc_txs"]) for case in cases) > 40


def check(case: dict[str, Any]) -> int:
    graph = graph_of(of_case(case))
    ours, theirs = signatures_of(graph)
    verify_signatures(graph, theirs)
    assert theirs.commitment == from_der(bytes.fromhex(case["remote_signature"])), case["name"]
    assert signed_commitment(graph, ours, theirs.commitment).serialise().hex() == case["commit_tx"], case["name"]
    assert len(graph.children) == len(case["htlc_txs"]) == case["untrimmed_htlcs"]
    for child, signature, published in zip(graph.children, theirs.children, case["htlc_txs"], strict=True):
        own = sign(OPENER_HTLC, child_digest(graph, child, Sighash.ALL))
        tx = signed_child(graph, child, {"holder_htlc": own, "counterparty_htlc": signature}, LATE)
        assert tx.serialise().hex() == published["tx"], (case["name"], published["htlc"])
        assert child.vout == published["commit_output_index"]
    return len(graph.children)


@pytest.mark.parametrize("wrong", ["swapped", "missing", "commitment"])
def test_signatures_in_another_order_are_refused(wrong: str) -> None:
    graph = graph_of(commitment_spec(6_988_000_000, 3_000_000_000, 0, htlcs=(0, 1, 2, 3, 4)))
    theirs = signatures_of(graph)[1]
    first, second, *rest = theirs.children
    changed, error = {
        "swapped": (CommitmentSignatures(theirs.commitment, (second, first, *rest)), WrongSignature),
        "missing": (CommitmentSignatures(theirs.commitment, (first, *rest)), WrongSignatureCount),
        "commitment": (CommitmentSignatures(first, theirs.children), WrongSignature),
    }[wrong]
    with pytest.raises(error):
        verify_signatures(graph, changed)
