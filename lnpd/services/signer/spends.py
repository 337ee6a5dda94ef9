"""Which transactions that leave a channel may be signed: mutual closes, claims, our own second stage? And how is what
was checked signed with the channel's keys?"""

from collections.abc import Callable, Sequence
from typing import Final

from lnpd_sdk.script import Key, Sighash, SignatureSlot, SpendPath
from lnpd_sdk.types import OPENER
from msgspec.structs import replace

from lnpd.channel.actions import CompleteClosing, SignClosing
from lnpd.channel.lost import NO_KEY
from lnpd.crypto.secp import public_key, sign, verify
from lnpd.errors import CryptoError, WitnessIncomplete, WrongSpent
from lnpd.services.interfaces import Claim, ClaimInput, SecondStage, SignerChannel, StagePart
from lnpd.services.signer.commitment import check_children, check_output
from lnpd.services.signer.keys import ChannelKeys
from lnpd.services.signer.refusals import Rule, check_encodable, refuse
from lnpd.services.signer.state import UNSETTLED, FundingState
from lnpd.tx.adaptors import completed, sold
from lnpd.tx.feerates import MAX_FEERATE_PER_KW, STAKE_PERCENT
from lnpd.tx.graph import MAX_CLOSE_OUTPUTS, Child, CommitmentSignatures, Graph, Output
from lnpd.tx.rules import is_counterpartys
from lnpd.tx.script import Compiled, Compiler, compiler_of, public_key_of
from lnpd.tx.seals import is_carrier, sealing
from lnpd.tx.signatures import (
    child_digest,
    counterparty_key,
    funding_digest,
    funding_witness,
    input_digest,
    presign_child,
    sign_path,
    verify_child,
    witness,
)
from lnpd.tx.states import CORE
from lnpd.tx.sweeps import may_share
from lnpd.tx.transaction import Tx, TxOut

FINAL_SEQUENCE: Final = 0xFFFFFFFF
MAX_BLOCKS: Final = 0xFFFF
FIRST_TIMESTAMP: Final = 500_000_000

IsOurs = Callable[[bytes], bool]


# The peer's commitment


def commitment_signatures(
    keys: ChannelKeys, graph: Graph, digests: tuple[bytes, tuple[bytes, ...]]
) -> CommitmentSignatures:
    """Our signatures of these digests of the peer's commitment and its children. Raises SignerRefused."""
    secrets: dict[str, bytes] = {}
    children = []
    for child, digest in zip(graph.children, digests[1], strict=True):
        key = next((each for each in child.path.keys if is_counterpartys(each, graph.keys)), "")
        if key not in secrets:
            secret = keys.secret(key, False, graph.keys.per_commitment_point)
            if secret is None:
                refuse(Rule.NOT_OUR_PATH, "a second-stage transaction does not need a key of ours.")
            secrets[key] = secret
        children.append(presign_child(secrets[key], child, digest))
    return CommitmentSignatures(sign(keys.funding, digests[0]), tuple(children))


def sold_secret(keys: ChannelKeys, graph: Graph, index: int, signatures: Sequence[bytes]) -> bytes:
    """What one of these signatures tells, if it was made of our pre-signature of a child of the peer's commitment."""
    if not 0 <= index < len(graph.children) or not graph.children[index].adaptor_point:
        refuse(Rule.WRONG_CHILD, f"the commitment has no second-stage transaction {index} that sells a secret.")
    child = graph.children[index]
    secret = keys.secret(counterparty_key(graph, child), False, graph.keys.per_commitment_point)
    if secret is None:
        refuse(Rule.NOT_OUR_PATH, "a second-stage transaction does not need a key of ours.")
    return sold(child, presign_child(secret, child, child_digest(graph, child, child.sighash)), signatures)


# Mutual close (BOLT 2, closing_signed; BOLT 3, "Closing Transaction")


def check_closing(terms: SignerChannel, state: FundingState, closing: SignClosing, is_ours: IsOurs) -> None:
    """Raises SignerRefused unless the close spends the funding alone and pays us our balance less the agreed fee."""
    tx, funding = closing.transaction, closing.funding
    check_encodable(tx)
    paying = _without_seal(terms, tx)
    if len(tx.inputs) != 1 or (tx.inputs[0].txid, tx.inputs[0].vout) != (funding.txid, funding.vout):
        refuse(Rule.CLOSE_MALFORMED, "the closing transaction does not spend its funding, and that alone.")
    # What the others pay to is the providers' affair: what of ours may be in them follows below.
    most = 2 + MAX_CLOSE_OUTPUTS * any(p.name not in CORE and "close" in p.phases for p in terms.type.providers)
    if tx.version != 2 or not 1 <= len(paying) <= most:
        refuse(Rule.CLOSE_MALFORMED, f"a closing transaction has version 2 and 1 to {most} outputs that pay.")
    if sum(each.value_sat for each in tx.outputs) > funding.capacity_sat or min(o.value_sat for o in tx.outputs) < 0:
        refuse(Rule.CLOSE_MALFORMED, "the closing transaction pays more than the channel holds.")
    # Either side leaves out of a close what is under its dust limit (BOLT 3): that goes to the fee, too.
    dust_sat = max(terms.dust_limit_sat)
    fee_sat = _closing_fee_sat(terms, closing, dust_sat)
    if any(side.in_flight for side in state.settled):
        refuse(Rule.CLOSE_PENDING, "the last commitments have HTLCs that are not settled yet.")
    balance_sat = max(closing.our_balance_sat, known_balance_sat(terms, state))
    least_sat = balance_sat - fee_sat
    if least_sat < dust_sat:
        return
    paid_sat = 0
    # The likeliest first: to find that a script is not ours takes a thousand derivations.
    for each in sorted(tx.outputs, key=lambda output: abs(output.value_sat - least_sat)):
        paid_sat += each.value_sat if is_ours(each.script_pubkey) else 0
        if paid_sat >= least_sat:
            return
    refuse(Rule.CLOSE_UNDERPAYS, f"the close pays us {paid_sat} sat; {balance_sat} less the fee is {least_sat}.")


def _without_seal(terms: SignerChannel, tx: Tx) -> tuple[TxOut, ...]:
    """The outputs of a close that may pay: where the type seals it, the first one is the carrier, and no other is."""
    pin = sealing(terms.type, "close")
    if pin is None:
        return tx.outputs
    if not tx.outputs or not is_carrier(pin, tx.outputs[0]):
        refuse(Rule.CLOSE_MALFORMED, f"the first output of the closing transaction is not {pin.name}'s carrier.")
    return tx.outputs[1:]


def _closing_fee_sat(terms: SignerChannel, closing: SignClosing, dust_sat: int) -> int:
    """What of the fee we pay: nothing if the peer has opened the channel."""
    if terms.us != OPENER:
        return 0
    tx = closing.transaction
    if not 0 <= closing.max_fee_sat <= fee_cap_sat(tx, 1):
        refuse(Rule.FEE_TOO_HIGH, f"a fee of {closing.max_fee_sat} sat is more than anyone means to pay.")
    fee_sat = closing.funding.capacity_sat - sum(each.value_sat for each in tx.outputs)
    most_sat = closing.max_fee_sat + dust_sat + 1  # and what rounding both balances down leaves
    if fee_sat > most_sat:
        refuse(Rule.FEE_TOO_HIGH, f"the close pays a fee of {fee_sat} sat; {most_sat} at most were agreed on.")
    return fee_sat


def known_balance_sat(terms: SignerChannel, state: FundingState) -> int:
    """What the last commitments gave us at least, beside what extensions' outputs held, or may have held if they were
    trimmed: that they may still move by their `close`."""
    return min((side.least_msat(terms.us) for side in state.settled if side != UNSETTLED), default=0) // 1000


def closing_signature(keys: ChannelKeys, closing: SignClosing) -> bytes:
    """Our signature of a checked close."""
    return sign(keys.funding, funding_digest(closing.funding, closing.transaction))


def completed_closing(keys: ChannelKeys, terms: SignerChannel, closing: CompleteClosing) -> Tx:
    """A checked close with both signatures."""
    signing = closing.signing
    funding, tx = signing.funding, signing.transaction
    our_key, their_key = funding.funding_keys[terms.us], funding.funding_keys[1 - terms.us]
    digest = funding_digest(funding, tx)
    if not verify(their_key, digest, closing.their_signature):
        refuse(Rule.PEER_SIGNATURE, "the peer's signature of the closing transaction is invalid.")
    signatures = {our_key: sign(keys.funding, digest), their_key: closing.their_signature}
    return tx.with_witness(0, funding_witness(funding, signatures))


def fee_cap_sat(tx: Tx, inputs: int) -> int:
    """More than anyone means to pay for a transaction whose inputs are not signed yet."""
    return (tx.weight + 700 * inputs) * MAX_FEERATE_PER_KW // 1000


# Claims


def signed_claim(keys: ChannelKeys, terms: SignerChannel, claim: Claim, is_ours: IsOurs) -> Tx:
    """The claim with its witnesses; its graph's shape is checked. Raises SignerRefused."""
    tx, graph = claim.tx, claim.graph
    check_encodable(tx, graph.tx, *(child.tx for child in graph.children))
    if not 1 <= len(claim.inputs) <= len(tx.inputs):
        refuse(Rule.OTHER_COMMITMENT, f"{len(claim.inputs)} inputs are described of {len(tx.inputs)}.")
    check_pays_us(_without_claim_seal(terms, claim), is_ours)
    revealed = _revealed(terms, claim)
    compiler = compiler_of(graph.keys, terms.to_self_delay[graph.holder])
    if any(described.child >= 0 for described in claim.inputs):
        check_children(compiler, terms, graph)
    spent = [_spent(compiler, terms, graph, tx, position, described) for position, described in enumerate(claim.inputs)]
    _check_claim_fee(tx, [output for output, _, _ in spent])
    signed, coins = tx, (*(TxOut(o.value_sat, c.script_pubkey) for o, c, _ in spent), *claim.others)
    for position, (described, (_, compiled, path)) in enumerate(zip(claim.inputs, spent, strict=True)):
        secrets = _secrets(keys, terms, graph, path, revealed)
        digest = _digest(tx, position, path, compiled.witness_script, coins)
        signatures = {key: sign_path(secret, path, digest) for key, secret in secrets.items()}
        signed = signed.with_witness(position, _witness(path, compiled, signatures, described.late))
    return signed


def _without_claim_seal(terms: SignerChannel, claim: Claim) -> tuple[TxOut, ...]:
    """The outputs of a claim that have to pay us: what is sealed is claimed alone, its carrier first."""
    outputs, pin = claim.tx.outputs, sealing(terms.type, "claim")
    seals = [_claimed(claim.graph, each)[0].claim_seals[terms.us] for each in claim.inputs]
    if not any(seals):
        return outputs
    carrier = TxOut(0, seals[0])
    if pin is None or len(seals) != 1 or not is_carrier(pin, carrier) or outputs[:1] != (carrier,):
        refuse(Rule.PAYS_ELSEWHERE, "what is sealed is claimed alone, by what was sealed for it.")
    return outputs[1:]


def check_pays_us(outputs: Sequence[TxOut], is_ours: IsOurs) -> None:
    """Every output is the wallet's, or a destination that the user named."""
    if not outputs:
        refuse(Rule.PAYS_ELSEWHERE, "it pays nobody.")
    for each in outputs:
        if not is_ours(each.script_pubkey):
            refuse(Rule.PAYS_ELSEWHERE, f"{each.script_pubkey.hex()} is neither the wallet's nor named by the user.")


def _revealed(terms: SignerChannel, claim: Claim) -> bytes:
    if not claim.per_commitment_secret:
        return b""
    try:
        point = public_key(claim.per_commitment_secret)
    except CryptoError:
        point = b""
    if claim.graph.holder == terms.us or point != claim.graph.keys.per_commitment_point:
        refuse(Rule.WRONG_REVEALED_SECRET, "it is not the secret of the peer's commitment that is claimed from.")
    return claim.per_commitment_secret


def _spent(
    compiler: Compiler, terms: SignerChannel, graph: Graph, tx: Tx, position: int, described: ClaimInput
) -> tuple[Output, Compiled, SpendPath]:
    """The output that an input claims, its script compiled again, and the path."""
    output, txid = _claimed(graph, described)
    spending = tx.inputs[position]
    if spending.vout != described.vout or (txid and spending.txid != txid):
        refuse(Rule.OTHER_COMMITMENT, f"input {position} does not spend the output that it is said to spend.")
    compiled = check_output(compiler, terms, graph, output)
    path = next((each for each in compiled.paths if each.name == described.path), None)
    if path is None:
        refuse(Rule.UNKNOWN_PATH, f"{output.provider} {output.id} has no path {described.path[:100]}.")
    sequence = spending.sequence
    if path.older and not path.older <= sequence <= MAX_BLOCKS:
        refuse(Rule.WRONG_LOCKS, f"input {position} does not wait the {path.older} blocks of {path.name}.")
    if path.after and (not path.after <= tx.locktime < FIRST_TIMESTAMP or sequence == FINAL_SEQUENCE):
        refuse(Rule.WRONG_LOCKS, f"input {position} does not wait for height {path.after}.")
    return output, compiled, path


def _claimed(graph: Graph, described: ClaimInput) -> tuple[Output, bytes]:
    """The output, and its transaction's id; empty for a child that may have grown inputs since (its signature covers
    one input and output only)."""
    if described.child == -1:
        outputs, txid = graph.outputs, graph.tx.txid
        same = 0 <= described.vout < len(graph.tx.outputs) == len(outputs)
        if same:
            shown, meant = graph.tx.outputs[described.vout], outputs[described.vout]
            same = (shown.value_sat, shown.script_pubkey) == (meant.value_sat, meant.script_pubkey)
        if not same:
            refuse(Rule.OTHER_COMMITMENT, f"the commitment has no such output {described.vout}.")
        return outputs[described.vout], txid
    if not 0 <= described.child < len(graph.children):
        refuse(Rule.OTHER_COMMITMENT, f"the commitment has no second-stage transaction {described.child}.")
    child = graph.children[described.child]
    if not 0 <= described.output < len(child.outputs):
        refuse(Rule.OTHER_COMMITMENT, f"that second-stage transaction has no output {described.output}.")
    if child.sighash == Sighash.ALL and described.vout != described.output:
        refuse(Rule.OTHER_COMMITMENT, f"output {described.output} of that transaction cannot stand elsewhere in it.")
    return child.outputs[described.output], child.tx.txid if child.sighash == Sighash.ALL else b""


def _check_claim_fee(tx: Tx, spent: list[Output]) -> None:
    """What is claimed comes back to us but for a fee; inputs of the wallet add to that, which its own check sees."""
    spent_sat = sum(each.value_sat for each in spent)
    fee_sat = spent_sat - sum(each.value_sat for each in tx.outputs)
    cap_sat = max(fee_cap_sat(tx, len(tx.inputs)), spent_sat * STAKE_PERCENT // 100)
    if fee_sat > cap_sat or (fee_sat < 0 and len(spent) == len(tx.inputs)):
        refuse(Rule.FEE_TOO_HIGH, f"the claim pays {fee_sat} sat of fee; at most {cap_sat} are allowed.")


def _secrets(
    keys: ChannelKeys, terms: SignerChannel, graph: Graph, path: SpendPath, revealed: bytes
) -> dict[str, bytes]:
    """The secret of each key that a path needs; all of them have to be ours."""
    secrets = {}
    for key in path.keys:
        if key == Key.REVOCATION and graph.holder != terms.us and not revealed:
            refuse(Rule.NOT_REVOKED, f"the path {path.name} needs the secret of commitment {graph.number}.")
        point = graph.keys.per_commitment_point
        known = point != NO_KEY or key == Key.COUNTERPARTY_PAYMENT  # of a commitment that we lost, nothing else is
        secret = keys.secret(key, graph.holder == terms.us, point, revealed) if known else None
        if secret is None:
            refuse(Rule.NOT_OUR_PATH, f"the path {path.name} needs the key {key}, which is not ours.")
        secrets[key] = secret
    return secrets


def _witness(
    path: SpendPath, compiled: Compiled, signatures: dict[str, bytes], late: tuple[tuple[str, bytes], ...]
) -> tuple[bytes, ...]:
    # A claim's signatures always cover the whole of it: another sighash is for the other party's pre-signature.
    slots = tuple(SignatureSlot(slot.key) if isinstance(slot, SignatureSlot) else slot for slot in path.witness)
    try:
        return witness(replace(path, witness=slots), compiled.witness_script, signatures, dict(late))
    except WitnessIncomplete as error:
        refuse(Rule.WITNESS_INCOMPLETE, str(error))


def _digest(
    tx: Tx,
    position: int,
    path: SpendPath,
    witness_script: bytes,
    coins: Sequence[TxOut],
    sighash: Sighash = Sighash.ALL,
) -> bytes:
    try:
        return input_digest(tx, position, path, witness_script, coins, sighash)
    except WrongSpent as error:
        refuse(Rule.OTHER_COMMITMENT, str(error))


# Our own second stage


def signed_second_stage(keys: ChannelKeys, terms: SignerChannel, stage: SecondStage, is_ours: IsOurs) -> Tx:
    """Children of our own checked commitment, each complete in its input. Raises SignerRefused."""
    graph, tx = stage.graph, stage.tx
    check_encodable(tx)
    if not stage.parts or len({part.child for part in stage.parts}) < len(stage.parts):
        refuse(Rule.WRONG_CHILD, "a second-stage transaction has one child or several different ones.")
    for part in stage.parts:
        if not 0 <= part.child < len(graph.children):
            refuse(Rule.WRONG_CHILD, f"the commitment has no second-stage transaction {part.child}.")
    _check_grown([graph.children[part.child] for part in stage.parts], tx, is_ours)
    parents = (graph.outputs[graph.children[part.child].vout] for part in stage.parts)
    signed, coins = tx, (*(TxOut(each.value_sat, each.script_pubkey) for each in parents), *stage.others)
    for position, part in enumerate(stage.parts):
        signed = signed.with_witness(position, _stage_witness(keys, graph, part, tx, position, coins))
    return signed


def _stage_witness(
    keys: ChannelKeys, graph: Graph, part: StagePart, tx: Tx, position: int, coins: Sequence[TxOut]
) -> tuple[bytes, ...]:
    child = graph.children[part.child]
    parent = graph.outputs[child.vout]
    their_key = counterparty_key(graph, child)
    their_digest = _digest(tx, position, child.path, parent.witness_script, coins, child.sighash)
    point, late = public_key_of(their_key, graph.keys), dict(part.late)
    if not verify_child(point, child, their_digest, part.signature):
        refuse(Rule.PEER_SIGNATURE, f"the peer's signature of second-stage transaction {part.child} is invalid.")
    digest = _digest(tx, position, child.path, parent.witness_script, coins)
    signatures = {}
    for key in child.path.keys:
        if key != their_key:
            secret = keys.secret(key, True, graph.keys.per_commitment_point)
            if secret is None:
                refuse(Rule.NOT_OUR_PATH, f"the path {child.path.name} needs the key {key}, which is not ours.")
            signatures[key] = sign_path(secret, child.path, digest)
    try:
        signatures[their_key] = completed(point, child, their_digest, part.signature, late)
        return witness(child.path, parent.witness_script, signatures, late)
    except WitnessIncomplete as error:
        refuse(Rule.WITNESS_INCOMPLETE, str(error))


def _check_grown(children: Sequence[Child], tx: Tx, is_ours: IsOurs) -> None:
    """The children as they were pre-signed; where that covers one input and output each, they may stand together, and
    more that pays us may follow."""
    grows = all(may_share(child) for child in children)
    inputs = tuple(child.tx.inputs[0] for child in children)
    outputs = tuple(output for child in children for output in child.tx.outputs)
    same = (
        (grows or len(children) == 1)
        and all((tx.version, tx.locktime) == (child.tx.version, child.tx.locktime) for child in children)
        and tx.inputs[: len(inputs)] == inputs
        and tx.outputs[: len(outputs)] == outputs
        and (grows or (len(tx.inputs), len(tx.outputs)) == (len(inputs), len(outputs)))
    )
    if not same:
        refuse(Rule.WRONG_CHILD, "the transaction is not the second stage that the peer signed.")
    if len(tx.outputs) > len(outputs):
        check_pays_us(tx.outputs[len(outputs) :], is_ours)
