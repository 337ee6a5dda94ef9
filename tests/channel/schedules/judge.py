"""Do the transactions of a schedule spend what they say, by Bitcoin Core's interpreter?

Each commitment that a side ever held, each second-stage transaction below it with both signatures, and, for each that
was revoked, one claim of everything that the revocation key opens, there and in every child, as the node's own signer
signs it; every other time the child's holder has added a coin for its fee.
"""

from collections import Counter
from collections.abc import Sequence
from hashlib import sha256

from lnpd_sdk.script import Key, Sighash
from lnpd_sdk.types import other
from msgspec.structs import replace

from lnpd.chain.verify import first_failure
from lnpd.channel.queries import Kept
from lnpd.crypto.keys import derive_secret
from lnpd.crypto.secp import sign
from lnpd.crypto.shachain import index_of
from lnpd.errors import ClaimUneconomic
from lnpd.tx.adaptors import completed
from lnpd.tx.claims import Claimable, Plan, claimable, claimable_child
from lnpd.tx.funding import funding_script_pubkey
from lnpd.tx.graph import Child, CommitmentSignatures, Graph
from lnpd.tx.script import public_key_of
from lnpd.tx.signatures import (
    child_digest,
    commitment_digest,
    counterparty_key,
    signed_commitment,
)
from lnpd.tx.sweeps import Claim, make_claim, may_share, second_stage
from lnpd.tx.transaction import Tx, TxIn, TxOut
from tests.channel.harness import SCRIPTS, SUPPLIED, Node, preimage
from tests.channel.schedules.signing import RealSigner
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
    own = derive_secret(holder.signer.secrets["htlc"], graph.keys.per_commitment_point)
    by_key = dict.fromkeys(child.path.keys, sign(own, child_digest(graph, child, Sighash.ALL)))
    their_key = counterparty_key(graph, child)
    digest, known = child_digest(graph, child, child.sighash), {SUPPLIED.name: SUPPLIED.data}
    by_key[their_key] = completed(public_key_of(their_key, graph.keys), child, digest, theirs, known)
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
        # Its holder adds a fee where it can: the transaction is another one then.
        tx = grown(child.tx, index, SCRIPTS[other(punisher.us)]) if may_share(child) and graph.number % 2 else child.tx
        plan = claimable_child(graph, index, tx.txid, punisher.us, "revoked")
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
    """A claim with its witnesses, by the node's own signer."""
    assert isinstance(node.signer, RealSigner)
    return node.signer.claim(graph, claim.tx, claim.inputs, secret)


def complete_stage(node: Node, kept: Kept, claims: Sequence[Claimable]) -> Tx:
    """The second stage of some claims, signed; where the peer's signatures allow it, a stranger's coin adds a fee."""
    graph, signatures = kept.graph, kept.signatures
    assert signatures is not None and isinstance(node.signer, RealSigner)
    tx = second_stage(graph, claims)
    spent = [(each.output.value_sat, each.output.script_pubkey) for each in claims]
    if all(may_share(graph.children[each.stage]) for each in claims):
        tx = grown(tx, claims[0].vout, SCRIPTS[node.us])
        spent.append((1_000, b"\x51"))
    signed = node.signer.second_stage(graph, tx, claims, signatures)
    judge("second stages", signed, spent)
    return signed


def grown(tx: Tx, vout: int, script_pubkey: bytes) -> Tx:
    """With a stranger's coin of 1000 sat that adds a fee, and its change."""
    return replace(tx, inputs=(*tx.inputs, TxIn(b"\x66" * 32, vout)), outputs=(*tx.outputs, TxOut(900, script_pubkey)))


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
