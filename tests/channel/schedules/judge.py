"""Do the transactions of a schedule spend what they say, by Bitcoin Core's interpreter?

Each commitment that a side ever held, each second-stage transaction below it with both signatures, and, for each that
was revoked, one claim of everything that the revocation key opens, there and in every child.
"""

from collections import Counter
from collections.abc import Sequence
from hashlib import sha256

from lnpd_sdk.script import Key, Sighash
from lnpd_sdk.types import other
from msgspec.structs import replace

from lnpd.chain.verify import first_failure
from lnpd.channel.queries import Kept
from lnpd.crypto.keys import derive_revocation_secret, derive_secret
from lnpd.crypto.secp import sign
from lnpd.crypto.shachain import index_of
from lnpd.errors import ClaimUneconomic
from lnpd.tx.claims import Claimable, Plan, claimable, claimable_child
from lnpd.tx.funding import funding_script_pubkey
from lnpd.tx.graph import Child, CommitmentSignatures, Graph
from lnpd.tx.signatures import (
    child_digest,
    commitment_digest,
    counterparty_key,
    signed_commitment,
    witness,
)
from lnpd.tx.sweeps import Claim, make_claim, may_share, second_stage
from lnpd.tx.transaction import Tx, TxIn, TxOut
from tests.channel.harness import SCRIPTS, Node, preimage
from tests.channel.signer import SoftSigner
from tests.tx.children import signed_child

JUDGED: set[bytes] = set()  # hashes of transactions that passed: each is judged once in a process
COUNTS: Counter[str] = Counter()
FEERATE_PER_KW = 253


def judge(what: str, tx: Tx, spent: Sequence[tuple[int, bytes]]) -> None:
    """Fail unless every input satisfies the script that it spends."""
    raw = tx.serialise()
    digest = sha256(raw).digest()
    if digest in JUDGED:
        return
    failure = first_failure(raw, spent)
    assert failure is None, f"{what}: input {failure} does not satisfy its script"
    JUDGED.add(digest)
    COUNTS[what] += 1


def private_key(signer: SoftSigner, key: str, graph: Graph, secret: bytes = b"") -> bytes:
    """The signer's key of a role in a commitment; `secret` is the revealed one, for the revocation key."""
    point = graph.keys.per_commitment_point
    match key:
        case Key.REVOCATION:
            return derive_revocation_secret(signer.secrets["revocation"], secret)
        case Key.DELAYED:
            return derive_secret(signer.secrets["delayed"], point)
        case Key.HOLDER_HTLC | Key.COUNTERPARTY_HTLC:
            return derive_secret(signer.secrets["htlc"], point)
        case Key.COUNTERPARTY_PAYMENT:
            return signer.secrets["payment"]
        case Key.HOLDER_FUNDING | Key.COUNTERPARTY_FUNDING:
            return signer.secrets["funding"]
    raise AssertionError(key)


def judge_commitment(holder: Node, graph: Graph, signatures: CommitmentSignatures, numbers: dict[bytes, int]) -> Tx:
    """A commitment and its children, complete. `numbers` leads from a payment hash to its preimage's number."""
    ours = sign(holder.signer.secrets["funding"], commitment_digest(graph))
    tx = signed_commitment(graph, ours, signatures.commitment)
    funding = graph.funding
    judge("commitments", tx, [(funding.capacity_sat, funding_script_pubkey(funding.funding_keys))])
    for child, signature in zip(graph.children, signatures.children, strict=True):
        judge("children", complete_child(holder, graph, child, signature, numbers), [_spent(graph, child.vout)])
    return tx


def complete_child(holder: Node, graph: Graph, child: Child, theirs: bytes, numbers: dict[bytes, int]) -> Tx:
    """A second-stage transaction with both signatures and, where its path needs one, the preimage."""
    digest = child_digest(graph, child, Sighash.ALL)
    by_key = {key: sign(private_key(holder.signer, key, graph), digest) for key in child.path.keys}
    by_key[counterparty_key(graph, child)] = theirs
    script = graph.outputs[child.vout].script
    late = {name: preimage(numbers[script.payment_hash]) for name in child.path.late}  # type: ignore[union-attr]
    return signed_child(graph, child, by_key, late)


def judge_penalty(punisher: Node, graph: Graph) -> None:
    """Everything of a revoked commitment, and of each child, that the revocation key opens is taken with it."""
    secret = punisher.channel.their_secrets.get(index_of(graph.number))
    taken = claimable(graph, punisher.us, "revoked")
    _opens_all(taken, graph.outputs)
    _judge_claims(punisher, graph, taken.claims, secret)
    for index, child in enumerate(graph.children):
        plan = claimable_child(graph, index, child.tx.txid, punisher.us, "revoked")
        _opens_all(plan, child.outputs)
        assert plan.claims, "a second stage that cannot be punished"
        _judge_claims(punisher, graph, plan.claims, secret)


def _opens_all(plan: Plan, outputs: Sequence[object]) -> None:
    """No output with a revocation path is left."""
    punishable = {v for v, o in enumerate(outputs) if any(Key.REVOCATION in p.keys for p in o.paths)}  # type: ignore[attr-defined]
    by_revocation = {c.vout for c in plan.claims if Key.REVOCATION in c.path.keys}
    assert by_revocation == punishable, "an output of a revoked commitment escapes its penalty"


def _judge_claims(node: Node, graph: Graph, claims: Sequence[Claimable], secret: bytes) -> None:
    try:
        claim = make_claim(graph, claims, SCRIPTS[node.us], FEERATE_PER_KW)
    except ClaimUneconomic:
        COUNTS["uneconomic claims"] += 1
        return
    judge("penalties", complete_claim(node, graph, claim, secret), spent_by(claim))


def complete_claim(node: Node, graph: Graph, claim: Claim, secret: bytes) -> Tx:
    """A claim with its witnesses."""
    tx = claim.tx
    for index, each in enumerate(claim.inputs):
        by_key = {k: sign(private_key(node.signer, k, graph, secret), digest) for k, digest in claim.digests(index)}
        tx = tx.with_witness(index, witness(each.path, each.output.witness_script, by_key, dict(each.late)))
    return tx


def complete_stage(node: Node, kept: Kept, claims: Sequence[Claimable]) -> Tx:
    """The second stage of some claims, signed; where the peer's signatures allow it, a stranger's coin adds a fee."""
    graph, signatures = kept.graph, kept.signatures
    assert signatures is not None
    tx = second_stage(graph, claims)
    spent = [(each.output.value_sat, each.output.script_pubkey) for each in claims]
    if all(may_share(graph.children[each.stage]) for each in claims):
        tx = replace(
            tx, inputs=(*tx.inputs, TxIn(b"\x66" * 32, claims[0].vout)), outputs=(*tx.outputs, TxOut(900, SCRIPTS[0]))
        )
        spent.append((1_000, b"\x51"))
    signed = tx
    for position, each in enumerate(claims):
        child = graph.children[each.stage]
        digest = tx.sighash(position, each.output.witness_script, each.output.value_sat)
        by_key = {key: sign(private_key(node.signer, key, graph), digest) for key in child.path.keys}
        by_key[counterparty_key(graph, child)] = signatures.children[each.stage]
        made = witness(child.path, each.output.witness_script, by_key, dict(each.late))
        signed = signed.with_witness(position, made)
    judge("second stages", signed, spent)
    return signed


def spent_by(claim: Claim) -> list[tuple[int, bytes]]:
    """What each input of a claim spends."""
    return [(each.output.value_sat, each.output.script_pubkey) for each in claim.inputs]


def judge_everything(nodes: Sequence[Node], numbers: dict[bytes, int], *, penalties: bool) -> None:
    """All that either side ever held, and (`penalties`) the punishment of all that it has revoked."""
    for holder in nodes:
        peer = nodes[other(holder.us)]
        for graph, signatures in holder.signer.held.values():
            judge_commitment(holder, graph, signatures, numbers)
            known = index_of(graph.number) if graph.number <= holder.signer.released else None
            if penalties and known is not None and _has_learnt(peer, graph.number):
                judge_penalty(peer, graph)


def _has_learnt(peer: Node, number: int) -> bool:
    channel = peer.channel
    return number < channel.numbers[channel.them] - channel.awaiting_revocation


def _spent(graph: Graph, vout: int) -> tuple[int, bytes]:
    output = graph.outputs[vout]
    return output.value_sat, output.script_pubkey
