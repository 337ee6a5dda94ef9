"""What does a graph need signed, by which key, and how do the signatures complete its transactions?

Signatures are 64 bytes (compact) until they enter a witness, where they are DER with the sighash byte.
"""

from collections.abc import Mapping
from typing import Final

from lnpd_sdk.script import BytesSlot, LateSlot, Sighash, SignatureSlot, SpendPath

from lnpd.crypto.secp import to_der, verify
from lnpd.errors import WitnessIncomplete, WrongSignature, WrongSignatureCount
from lnpd.tx.graph import Child, CommitmentSignatures, Graph
from lnpd.tx.rules import is_counterpartys
from lnpd.tx.script import public_key_of, script_code
from lnpd.tx.transaction import SIGHASH_ALL, SIGHASH_ANYONECANPAY, SIGHASH_SINGLE, Tx

FLAGS: Final[dict[Sighash, int]] = {
    Sighash.ALL: SIGHASH_ALL,
    Sighash.SINGLE_ANYONECANPAY: SIGHASH_SINGLE | SIGHASH_ANYONECANPAY,
}


def commitment_digest(graph: Graph) -> bytes:
    """What both funding keys sign."""
    return graph.tx.sighash(0, graph.funding.witness_script, graph.funding.capacity_sat)


def child_digest(graph: Graph, child: Child, sighash: Sighash) -> bytes:
    """What a key of the child's path signs: the counterparty with the child's sighash, the holder with ALL."""
    parent = graph.outputs[child.vout]
    code = script_code(parent.script_pubkey, parent.witness_script)
    return child.tx.sighash(0, code, parent.value_sat, FLAGS[sighash])


def counterparty_key(graph: Graph, child: Child) -> str:
    """The key by which the counterparty pre-signs a child."""
    return next(key for key in child.path.keys if is_counterpartys(key, graph.keys))


def verify_signatures(graph: Graph, signatures: CommitmentSignatures) -> None:
    """The counterparty's signatures of a commitment and its children, in the order of its outputs.

    Raises WrongSignature (which says which), WrongSignatureCount.
    """
    if len(signatures.children) != len(graph.children):
        raise WrongSignatureCount(
            f"There are {len(signatures.children)} signatures for {len(graph.children)} second-stage transactions."
        )
    if not verify(graph.keys.counterparty_funding, commitment_digest(graph), signatures.commitment):
        raise WrongSignature(f"The signature of commitment {graph.number} is invalid.")
    for index, (child, signature) in enumerate(zip(graph.children, signatures.children, strict=True)):
        key = public_key_of(counterparty_key(graph, child), graph.keys)
        if not verify(key, child_digest(graph, child, child.sighash), signature):
            raise WrongSignature(
                f"Signature {index} of commitment {graph.number} is invalid: {child.kind}, {child.provider} {child.id}"
            )


def witness(
    path: SpendPath, witness_script: bytes, signatures: Mapping[str, bytes], late: Mapping[str, bytes]
) -> tuple[bytes, ...]:
    """The whole witness of an input that takes this path; signatures by key, late data by name.

    Raises WitnessIncomplete, InvalidSignature.
    """
    items = []
    for slot in path.witness:
        match slot:
            case BytesSlot():
                items.append(slot.data)
            case SignatureSlot():
                signature = _known(signatures, slot.key, "the signature by")
                items.append(to_der(signature) + bytes((FLAGS[slot.sighash],)))
            case LateSlot():
                items.append(_known(late, slot.name, "the late datum"))
    return (*items, witness_script) if witness_script else tuple(items)


def _known(values: Mapping[str, bytes], name: str, what: str) -> bytes:
    if name not in values:
        raise WitnessIncomplete(f"A witness lacks {what} {name}.")
    return values[name]


def funding_witness(witness_script: bytes, signatures: Mapping[bytes, bytes]) -> tuple[bytes, ...]:
    """The witness that spends the 2-of-2; signatures by funding key (BOLT 3, "Commitment Transaction")."""
    if len(signatures) != 2:
        raise WitnessIncomplete("A 2-of-2 needs the signatures of two different keys.")
    ordered = [to_der(signatures[key]) + bytes((SIGHASH_ALL,)) for key in sorted(signatures)]
    return (b"", *ordered, witness_script)


def signed_commitment(graph: Graph, holder_signature: bytes, counterparty_signature: bytes) -> Tx:
    """The commitment transaction, complete."""
    signatures = {
        graph.keys.holder_funding: holder_signature,
        graph.keys.counterparty_funding: counterparty_signature,
    }
    return graph.tx.with_witness(0, funding_witness(graph.funding.witness_script, signatures))
