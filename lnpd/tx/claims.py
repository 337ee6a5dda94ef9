"""What of a confirmed commitment can a party take, when, and by which transaction?

All of it follows from a stored graph: no provider is asked. A claim is planned (`claimable`, `claimable_child`),
made into an unsigned transaction (`make_claim`), and completed with `signatures.witness`.
"""

from collections.abc import Mapping, Sequence
from typing import Final, Literal

import msgspec
from lnpd_sdk.script import DataCarrier, Key, SignatureSlot, SpendPath
from lnpd_sdk.types import Party

from lnpd.errors import ClaimUneconomic
from lnpd.tx import fees
from lnpd.tx.graph import Graph, Output
from lnpd.tx.rules import is_counterpartys
from lnpd.tx.script import script_code
from lnpd.tx.signatures import FLAGS
from lnpd.tx.states import HTLC
from lnpd.tx.transaction import Tx, TxIn, TxOut

RBF_SEQUENCE: Final = 0xFFFFFFFD  # replaceable, and a locktime holds
MAX_INPUTS: Final = 200

# Outputs that this release does not claim while their commitment is not revoked, and what it says of them.
DEFERRED: Final[dict[str, str]] = {HTLC: "HTLC outputs are not claimed yet."}


class Claimable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An output that a party can take by a path that needs its own keys alone.

    `older` blocks after the output confirmed, and from height `after` on. `late` is the late data that the path needs.
    """

    txid: bytes
    vout: int
    output: Output
    path: SpendPath
    late: tuple[tuple[str, bytes], ...] = ()

    @property
    def weight(self) -> int:
        """The most that this input adds to a claim."""
        return fees.input_weight(self.path, self.output.witness_script)


class Unclaimed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An output that a party does not take (now), and why."""

    vout: int
    provider: str
    id: str
    value_sat: int
    reason: str


class Plan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a party takes of one transaction's outputs, and what it leaves."""

    claims: tuple[Claimable, ...]
    unclaimed: tuple[Unclaimed, ...]


class Claim(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An unsigned transaction that takes outputs of one commitment to one script; input i spends `inputs[i]`."""

    funding_txid: bytes
    holder: Party
    number: int
    inputs: tuple[Claimable, ...]
    tx: Tx
    fee_sat: int
    uneconomic: tuple[Claimable, ...]  # left out: their input costs more than they are worth

    def digests(self, index: int) -> tuple[tuple[str, bytes], ...]:
        """(key, digest) of each signature that input `index` needs, in witness order."""
        taken = self.inputs[index]
        code = script_code(taken.output.script_pubkey, taken.output.witness_script)
        return tuple(
            (slot.key, self.tx.sighash(index, code, taken.output.value_sat, FLAGS[slot.sighash]))
            for slot in taken.path.witness
            if isinstance(slot, SignatureSlot)
        )


State = Literal["latest", "revoked"]


def claimable(graph: Graph, party: Party, state: State, late: Mapping[str, bytes] | None = None) -> Plan:
    """What `party` takes of the outputs of this commitment, once it confirmed.

    `revoked`: its holder has released its secret, and the party is the other one. `late` is what is known by name.
    """
    return _plan(graph, graph.tx.txid, graph.outputs, party, state, late or {})


def claimable_child(
    graph: Graph, index: int, txid: bytes, party: Party, state: State, late: Mapping[str, bytes] | None = None
) -> Plan:
    """What `party` takes of the outputs of child `index`, once it confirmed with this txid.

    With SINGLE|ANYONECANPAY the holder may have added inputs and outputs: the child's own outputs keep their place.
    """
    return _plan(graph, txid, graph.children[index].outputs, party, state, late or {})


def _plan(
    graph: Graph, txid: bytes, outputs: Sequence[Output], party: Party, state: State, late: Mapping[str, bytes]
) -> Plan:
    claims: list[Claimable] = []
    unclaimed: list[Unclaimed] = []
    for vout, output in enumerate(outputs):
        if isinstance(output.script, DataCarrier):
            continue
        path = _best_path(graph, output, party, state, late)
        deferred = DEFERRED.get(output.provider) if state == "latest" else None
        if path is not None and deferred is None:
            data = tuple((name, late[name]) for name in path.late)
            claims.append(Claimable(txid, vout, output, path, data))
        elif deferred is not None or _has_part_in(graph, output, party):
            reason = deferred or "No path can be taken with this party's keys and what is known."
            unclaimed.append(Unclaimed(vout, output.provider, output.id, output.value_sat, reason))
    return Plan(tuple(claims), tuple(unclaimed))


def _best_path(graph: Graph, output: Output, party: Party, state: State, late: Mapping[str, bytes]) -> SpendPath | None:
    """The soonest path that this party can take alone."""
    usable = [
        path
        for path in output.paths
        if path.keys
        and all(_can_sign(graph, key, party, state) for key in path.keys)
        and all(name in late for name in path.late)
    ]
    return min(usable, key=lambda path: (path.older, path.after, fees.witness_weight(path, b"")), default=None)


def _can_sign(graph: Graph, key: str, party: Party, state: State) -> bool:
    if key == Key.REVOCATION:
        return state == "revoked" and party != graph.holder
    if key not in frozenset(Key):
        return False  # a point that no role of the channel names: only its provider knows whose it is
    return is_counterpartys(key, graph.keys) == (party != graph.holder)


def _has_part_in(graph: Graph, output: Output, party: Party) -> bool:
    """Whether any path of the output, other than by revocation, needs this party's signature."""
    return any(
        key != Key.REVOCATION and is_counterpartys(key, graph.keys) == (party != graph.holder)
        for path in output.paths
        for key in path.keys
    )


def due(claims: Sequence[Claimable]) -> dict[tuple[int, int], tuple[Claimable, ...]]:
    """Claims by (older, after): what may share a transaction without one waiting for another."""
    groups: dict[tuple[int, int], tuple[Claimable, ...]] = {}
    for each in claims:
        key = (each.path.older, each.path.after)
        groups[key] = (*groups.get(key, ()), each)
    return groups


def make_claim(graph: Graph, claims: Sequence[Claimable], destination: bytes, feerate_per_kw: int) -> Claim:
    """An unsigned transaction that takes these outputs to `destination` (a scriptPubKey).

    Outputs that cost more than they hold are left out and named. Raises ClaimUneconomic if nothing above the dust limit
    remains, or if there are more than 200 inputs.
    """
    worth = [each for each in claims if each.output.value_sat > fees.fee_sat(each.weight, feerate_per_kw)]
    if not worth or len(worth) > MAX_INPUTS:
        raise ClaimUneconomic(
            f"{len(worth)} of {len(claims)} outputs are worth their fee; a claim has 1 to {MAX_INPUTS}."
        )
    empty = (TxOut(0, destination),)
    weight = fees.transaction_weight(sum(each.weight for each in worth), len(worth), empty)
    total_sat, fee_sat = sum(each.output.value_sat for each in worth), fees.fee_sat(weight, feerate_per_kw)
    if total_sat - fee_sat < fees.dust_limit_sat(destination):
        raise ClaimUneconomic(
            f"A claim of {total_sat} sat that pays {fee_sat} sat leaves no output above the dust limit."
        )
    tx = Tx(
        inputs=tuple(TxIn(each.txid, each.vout, each.path.older or RBF_SEQUENCE) for each in worth),
        outputs=(TxOut(total_sat - fee_sat, destination),),
        locktime=max(each.path.after for each in worth),
    )
    left_out = tuple(each for each in claims if each not in worth)
    return Claim(graph.funding.txid, graph.holder, graph.number, tuple(worth), tx, fee_sat, left_out)
