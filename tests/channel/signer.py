"""A signer for tests: real keys, real signatures, everything verified, in memory.

It keeps the two rules that no channel machine may be able to break: no secret is released before the next commitment is
held, and no two different commitments of the peer are signed under one number.
"""

from hashlib import sha256
from typing import Any

from lnpd_sdk.types import Party
from msgspec.structs import replace

from lnpd.channel.actions import SignAuxiliary
from lnpd.channel.state import Terms
from lnpd.crypto.keys import derive_secret
from lnpd.crypto.secp import public_key, sign
from lnpd.crypto.shachain import per_commitment_secret
from lnpd.errors import WrongSignature, WrongSignatureCount
from lnpd.tx.adaptors import sold
from lnpd.tx.graph import CommitmentSignatures, Funding, Graph
from lnpd.tx.presigned import in_auxiliary, in_commitment_signed
from lnpd.tx.script import public_key_of
from lnpd.tx.signatures import (
    child_digest,
    commitment_digest,
    counterparty_key,
    funding_witness,
    presign_child,
    signed_commitment,
    verify_signatures,
)
from lnpd.tx.transaction import Tx

ROLES = ("funding", "revocation", "payment", "delayed", "htlc")


def with_signatures(message: Any, fill: Any, graph: Graph, signatures: CommitmentSignatures) -> Any:
    """The message with its part of a commitment's signatures, as `SignCommitment` or `SignAuxiliary` says."""
    if isinstance(fill, SignAuxiliary):
        data = in_auxiliary(graph, fill.provider, signatures.children)
        return replace(message, data=data[fill.start : fill.start + len(message.data)])
    message = replace(message, signature=signatures.commitment)
    if not hasattr(message, "htlc_signature"):
        return message
    return replace(message, htlc_signature=in_commitment_signed(graph, signatures.children))


class SoftSigner:
    """One channel's keys."""

    def __init__(self, name: str) -> None:
        self.secrets = {role: sha256(f"{name}/{role}".encode()).digest() for role in ROLES}
        self.seed = sha256(f"{name}/seed".encode()).digest()
        self.held: dict[tuple[bytes, int], tuple[Graph, CommitmentSignatures]] = {}
        self.signed: dict[tuple[bytes, int], bytes] = {}
        self.released = -1

    def terms(self, **changes: object) -> Terms:
        """Terms with these keys."""
        points = {role: public_key(secret) for role, secret in self.secrets.items()}
        values: dict[str, object] = {
            "dust_limit_sat": 354,
            "max_htlc_value_in_flight_msat": 500_000_000,
            "channel_reserve_sat": 10_000,
            "htlc_minimum_msat": 1_000,
            "to_self_delay": 144,
            "max_accepted_htlcs": 30,
            "funding_key": points["funding"],
            "revocation_basepoint": points["revocation"],
            "payment_basepoint": points["payment"],
            "delayed_payment_basepoint": points["delayed"],
            "htlc_basepoint": points["htlc"],
        }
        return Terms(**{**values, **changes})  # type: ignore[arg-type]

    def point(self, number: int) -> bytes:
        return public_key(per_commitment_secret(self.seed, number))

    def is_ours(self, number: int, secret: bytes) -> bool:
        return per_commitment_secret(self.seed, number) == secret

    def hold(self, us: Party, graph: Graph, signatures: CommitmentSignatures) -> str:
        """An empty string, or what is wrong with the peer's signatures of our commitment."""
        assert graph.holder == us
        try:
            verify_signatures(graph, signatures)
        except (WrongSignature, WrongSignatureCount) as error:
            return str(error)
        self.held[graph.funding.txid, graph.number] = (graph, signatures)
        return ""

    def sign(self, graph: Graph) -> CommitmentSignatures:
        """Our signatures of the peer's commitment."""
        key = (graph.funding.txid, graph.number)
        assert self.signed.setdefault(key, graph.tx.txid) == graph.tx.txid, "two commitments of one number"
        secret = derive_secret(self.secrets["htlc"], graph.keys.per_commitment_point)
        children = []
        for child in graph.children:
            assert public_key_of(counterparty_key(graph, child), graph.keys) == public_key(secret)
            children.append(presign_child(secret, child, child_digest(graph, child, child.sighash)))
        return CommitmentSignatures(sign(self.secrets["funding"], commitment_digest(graph)), tuple(children))

    def sold(self, graph: Graph, index: int, signatures: tuple[bytes, ...]) -> bytes:
        """What the peer's signature tells of a child that we pre-signed."""
        return sold(graph.children[index], self.sign(graph).children[index], signatures)

    def release(self, number: int, fundings: tuple[Funding, ...]) -> bytes:
        """The secret of our commitment, once the next one is held on every funding."""
        assert all((f.txid, number + 1) in self.held for f in fundings), "a secret before the next commitment is held"
        assert number <= self.released + 1
        self.released = max(self.released, number)
        return per_commitment_secret(self.seed, number)

    def broadcast(self, graph: Graph, signatures: CommitmentSignatures) -> Tx:
        """Our commitment, complete."""
        assert graph.number > self.released, "a revoked commitment"
        ours = sign(self.secrets["funding"], commitment_digest(graph))
        return signed_commitment(graph, ours, signatures.commitment)

    def sign_closing(self, funding: Funding, tx: Tx) -> bytes:
        return sign(self.secrets["funding"], tx.sighash(0, funding.witness_script, funding.capacity_sat))

    def close(self, us: Party, funding: Funding, tx: Tx, theirs: bytes) -> Tx:
        """A mutual close, complete."""
        keys = funding.funding_keys
        signatures = {keys[us]: self.sign_closing(funding, tx), keys[1 - us]: theirs}
        return tx.with_witness(0, funding_witness(funding, signatures))
