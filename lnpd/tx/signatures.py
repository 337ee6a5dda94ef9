"""What does a graph need signed, by which key, and how do the signatures complete its transactions?

Signatures are 64 bytes until they enter a witness: ECDSA's are DER with the sighash byte there, Schnorr's (of taproot)
stay as they are, with that byte only if it is not the default.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from lnpd_sdk.script import BytesSlot, LateSlot, Sighash, SignatureSlot, SpendPath

from lnpd.crypto import schnorr, secp
from lnpd.crypto.secp import to_der
from lnpd.errors import WitnessIncomplete, WrongSignature, WrongSignatureCount
from lnpd.tx import adaptors
from lnpd.tx.funding import FUNDING_KEYS, compiled_of, funding_output, joint_path
from lnpd.tx.graph import Child, CommitmentSignatures, Funding, Graph
from lnpd.tx.rules import is_counterpartys
from lnpd.tx.script import public_key_of, script_code
from lnpd.tx.sighash import leaf_hash, taproot_sighash
from lnpd.tx.transaction import SIGHASH_ALL, SIGHASH_ANYONECANPAY, SIGHASH_SINGLE, Tx, TxOut

FLAGS: Final[dict[Sighash, int]] = {
    Sighash.ALL: SIGHASH_ALL,
    Sighash.SINGLE_ANYONECANPAY: SIGHASH_SINGLE | SIGHASH_ANYONECANPAY,
}

TAPROOT_FLAGS: Final[dict[Sighash, int]] = FLAGS | {Sighash.ALL: 0}  # BIP 341's default: all, and 64 bytes


# One signature of one path


def input_digest(
    tx: Tx, index: int, path: SpendPath, witness_script: bytes, spent: Sequence[TxOut], sighash: Sighash = Sighash.ALL
) -> bytes:
    """What a signature for this path of input `index` commits to.

    `spent` are the outputs that the inputs spend, in their order: of taproot all of them, else up to its own at least.
    Raises WrongSpent.
    """
    if path.taproot:
        leaf = leaf_hash(path.leaf) if path.leaf else b""
        return taproot_sighash(tx, index, spent, TAPROOT_FLAGS[sighash], leaf)
    mine = spent[index]
    return tx.sighash(index, script_code(mine.script_pubkey, witness_script), mine.value_sat, FLAGS[sighash])


def sign_path(secret: bytes, path: SpendPath, digest: bytes) -> bytes:
    """The signature by a key that the path names; raises InvalidSecret."""
    if not path.taproot:
        return secp.sign(secret, digest)
    if path.tweak:
        secret = secp.tweak_add_secret(schnorr.even_secret(secret), path.tweak)
    return schnorr.sign_schnorr(secret, digest)


def verify_path(point: bytes, path: SpendPath, digest: bytes, signature: bytes) -> bool:
    """Whether it is a signature by that key; raises InvalidPoint."""
    if not path.taproot:
        return secp.verify(point, digest, signature)
    x = schnorr.x_only(point)
    if path.tweak:
        x = schnorr.x_only(secp.tweak_add_point(schnorr.lift(x), path.tweak))
    return schnorr.verify_schnorr(x, digest, signature)


# Those of a child, by the counterparty, ahead


def presign_child(secret: bytes, child: Child, digest: bytes) -> bytes:
    """Its signature, or its pre-signature for the child's adaptor point. Raises InvalidSecret, InvalidPoint."""
    return adaptors.presign(secret, child, digest) if child.adaptor_point else sign_path(secret, child.path, digest)


def verify_child(point: bytes, child: Child, digest: bytes, signature: bytes) -> bool:
    """Whether it is that of this key. Raises InvalidPoint."""
    if child.adaptor_point:
        return adaptors.is_presigned(point, child, digest, signature)
    return verify_path(point, child.path, digest, signature)


# Those of a graph


def commitment_digest(graph: Graph) -> bytes:
    """What both funding keys sign."""
    return funding_digest(graph.funding, graph.tx)


def funding_digest(funding: Funding, tx: Tx) -> bytes:
    """What both parties sign of a transaction that spends their funding alone: a commitment, a mutual close."""
    path = joint_path(compiled_of(funding))
    return input_digest(tx, 0, path, funding.witness_script, (funding_output(funding),))


def child_digest(graph: Graph, child: Child, sighash: Sighash) -> bytes:
    """What a key of the child's path signs: the counterparty with the child's sighash, the holder with ALL."""
    parent = graph.outputs[child.vout]
    spent = (TxOut(parent.value_sat, parent.script_pubkey),)
    return input_digest(child.tx, 0, child.path, parent.witness_script, spent, sighash)


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
    if not secp.verify(graph.keys.counterparty_funding, commitment_digest(graph), signatures.commitment):
        raise WrongSignature(f"The signature of commitment {graph.number} is invalid.")
    for index, (child, signature) in enumerate(zip(graph.children, signatures.children, strict=True)):
        key = public_key_of(counterparty_key(graph, child), graph.keys)
        if not verify_child(key, child, child_digest(graph, child, child.sighash), signature):
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
                items.append(_in_witness(path, signature, slot.sighash))
            case LateSlot():
                items.append(_known(late, slot.name, "the late datum"))
    if path.taproot:
        return (*items, path.leaf, path.control) if path.control else tuple(items)
    return (*items, witness_script) if witness_script else tuple(items)


def _in_witness(path: SpendPath, signature: bytes, sighash: Sighash) -> bytes:
    if not path.taproot:
        return to_der(signature) + bytes((FLAGS[sighash],))
    return signature + bytes(flag for flag in (TAPROOT_FLAGS[sighash],) if flag)


def _known(values: Mapping[str, bytes], name: str, what: str) -> bytes:
    if name not in values:
        raise WitnessIncomplete(f"A witness lacks {what} {name}.")
    return values[name]


def funding_witness(funding: Funding, signatures: Mapping[bytes, bytes]) -> tuple[bytes, ...]:
    """The witness that spends a funding; signatures by funding key (BOLT 3, "Commitment Transaction").

    Raises WitnessIncomplete, InvalidSignature.
    """
    named = {
        name: signatures[key] for name, key in zip(FUNDING_KEYS, funding.funding_keys, strict=True) if key in signatures
    }
    return witness(joint_path(compiled_of(funding)), funding.witness_script, named, {})


def signed_commitment(graph: Graph, holder_signature: bytes, counterparty_signature: bytes) -> Tx:
    """The commitment transaction, complete."""
    signatures = {
        graph.keys.holder_funding: holder_signature,
        graph.keys.counterparty_funding: counterparty_signature,
    }
    return graph.tx.with_witness(0, funding_witness(graph.funding, signatures))
