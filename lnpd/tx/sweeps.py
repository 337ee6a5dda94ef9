"""Which transaction takes what can be claimed? (BOLT 3, "HTLC-Timeout and HTLC-Success Transactions"; BOLT 5)

Two kinds. A sweep takes outputs to one script and pays its fee from them. A second stage takes outputs through the
children that the counterparty has signed: where its signatures cover one input and one output each (anchors), several
children of one locktime share a transaction, and the wallet's coins pay its fee.
"""

from collections.abc import Sequence
from typing import Final

import msgspec
from lnpd_sdk.script import Sighash, SignatureSlot
from lnpd_sdk.types import Party

from lnpd.errors import ClaimUneconomic
from lnpd.tx import fees
from lnpd.tx.claims import Claimable
from lnpd.tx.graph import Child, Graph
from lnpd.tx.signatures import input_digest
from lnpd.tx.transaction import Tx, TxIn, TxOut

RBF_SEQUENCE: Final = 0xFFFFFFFD  # replaceable, and a locktime holds
MAX_INPUTS: Final = 200


class Claim(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An unsigned transaction that takes outputs of one commitment to one script; input i spends `inputs[i]`."""

    funding_txid: bytes
    holder: Party
    number: int
    inputs: tuple[Claimable, ...]
    tx: Tx
    fee_sat: int
    weight: int  # the most that it weighs once it is signed
    uneconomic: tuple[Claimable, ...]  # left out: their input costs more than they are worth

    def digests(self, index: int) -> tuple[tuple[str, bytes], ...]:
        """(key, digest) of each signature that input `index` needs, in witness order."""
        taken = self.inputs[index]
        spent = tuple(TxOut(each.output.value_sat, each.output.script_pubkey) for each in self.inputs)
        script = taken.output.witness_script
        return tuple(
            (slot.key, input_digest(self.tx, index, taken.path, script, spent, slot.sighash))
            for slot in taken.path.witness
            if isinstance(slot, SignatureSlot)
        )


def sweep_weight(claims: Sequence[Claimable], destination: bytes) -> int:
    """The most that a sweep of these outputs weighs."""
    outputs = (*_carriers(claims), TxOut(0, destination))
    return fees.transaction_weight(sum(each.weight for each in claims), len(claims), outputs)


def _carriers(claims: Sequence[Claimable]) -> tuple[TxOut, ...]:
    carriers = tuple(TxOut(0, each.seal) for each in claims if each.seal)
    assert not carriers or len(claims) == 1, "what is sealed is claimed alone"
    return carriers


def make_claim(graph: Graph, claims: Sequence[Claimable], destination: bytes, feerate_per_kw: int) -> Claim:
    """An unsigned transaction that takes these outputs to `destination` (a scriptPubKey).

    Outputs that cost more than they hold are left out and named. A sealed one is claimed alone, beside its carrier,
    which is the first output. Raises ClaimUneconomic if nothing above the dust limit
    remains, or if there are more than 200 inputs.
    """
    worth = [each for each in claims if each.output.value_sat > fees.fee_sat(each.weight, feerate_per_kw)]
    if not worth or len(worth) > MAX_INPUTS:
        raise ClaimUneconomic(
            f"{len(worth)} of {len(claims)} outputs are worth their fee; a claim has 1 to {MAX_INPUTS}."
        )
    weight = sweep_weight(worth, destination)
    total_sat, fee_sat = sum(each.output.value_sat for each in worth), fees.fee_sat(weight, feerate_per_kw)
    if total_sat - fee_sat < fees.dust_limit_sat(destination):
        raise ClaimUneconomic(
            f"A claim of {total_sat} sat that pays {fee_sat} sat leaves no output above the dust limit."
        )
    tx = Tx(
        inputs=tuple(TxIn(each.txid, each.vout, each.path.older or RBF_SEQUENCE) for each in worth),
        outputs=(*_carriers(worth), TxOut(total_sat - fee_sat, destination)),
        locktime=max(each.path.after for each in worth),
    )
    left_out = tuple(each for each in claims if each not in worth)
    return Claim(graph.funding.txid, graph.holder, graph.number, tuple(worth), tx, fee_sat, weight, left_out)


def bare_claim(claim: Claimable, destination: bytes, least_sat: int) -> Tx:
    """What takes a sealed output to `destination`, all of it and `least_sat` at least, and pays no fee: coins of the
    wallet come behind it, and their change."""
    output = TxOut(max(claim.output.value_sat, least_sat), destination)
    spent = TxIn(claim.txid, claim.vout, claim.path.older or RBF_SEQUENCE)
    return Tx((spent,), (*_carriers((claim,)), output), claim.path.after)


# The second stage


def may_share(child: Child) -> bool:
    """Whether other inputs and outputs may join this child's transaction."""
    return child.sighash == Sighash.SINGLE_ANYONECANPAY and len(child.outputs) == 1


def second_stage(graph: Graph, claims: Sequence[Claimable]) -> Tx:
    """The unsigned transaction of these claims' children: input and output i are those of the i-th claim's child.

    All of them `may_share` and have one locktime, or there is one.
    """
    children = [graph.children[each.stage] for each in claims]
    assert len(children) == 1 or all(may_share(child) for child in children), "this child's signature covers it whole"
    assert len({child.tx.locktime for child in children}) == 1, "a signature covers the locktime"
    return msgspec.structs.replace(
        children[0].tx,
        inputs=tuple(child.tx.inputs[0] for child in children),
        outputs=tuple(output for child in children for output in child.tx.outputs),
    )


def second_stage_weight(tx: Tx, claims: Sequence[Claimable]) -> int:
    """The most that such a transaction weighs once it is signed, without what the wallet adds."""
    return fees.transaction_weight(sum(each.weight for each in claims), len(claims), tx.outputs)
