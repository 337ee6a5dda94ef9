"""What of a confirmed commitment can a party take, how, from when on, and until when without a rival?

All of it follows from a stored graph: no provider is asked. A claim is planned here (`claimable`, `claimable_child`);
lnpd.tx.sweeps makes transactions of claims.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal

import msgspec
from lnpd_sdk.script import DataCarrier, Key, SpendPath
from lnpd_sdk.types import Party, other
from msgspec.structs import replace

from lnpd.tx import fees
from lnpd.tx.adaptors import late_names
from lnpd.tx.graph import Child, Graph, Output
from lnpd.tx.rules import is_counterpartys
from lnpd.tx.script import carried

RACE_BLOCKS: Final = 24  # how long a timeout may take that the peer could still forestall by a preimage
_NO_RELATIVE_LOCK: Final = 1 << 31  # of a sequence (BIP 68)

NOT_OURS: Final = "No path can be taken with this party's keys and what is known."
NO_PREIMAGE: Final = "Its preimage is not known."
NO_ADAPTOR: Final = "The secret of its adaptor is not known."


class Claimable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An output that a party can take without asking the other one.

    `path` has the locks: `older` blocks after the output confirmed, and from height `after` on. `late` is the late data
    that it needs. `stage`: the output has to pass through this child of its commitment, which the counterparty has
    signed (an HTLC transaction of the holder's own commitment); -1 if it goes where the party wants.
    `rival_height`: from there on the other party can take it too; 0 if it never can. `child`: it is an output of this
    child of the commitment; -1 of the commitment itself. `seal`: the script of the data carrier that is the first
    output of the transaction which takes it, and it alone; empty for none.
    """

    txid: bytes
    vout: int
    output: Output
    path: SpendPath
    late: tuple[tuple[str, bytes], ...] = ()
    stage: int = -1
    rival_height: int = 0
    child: int = -1
    seal: bytes = b""

    @property
    def weight(self) -> int:
        """The most that this input adds to a transaction."""
        return fees.input_weight(self.path, self.output.witness_script)

    @property
    def bears(self) -> bool:
        """Whether its sealer says that something stands there beside the satoshi: zeros say that nothing does."""
        return bool(self.seal) and any(carried(self.seal))


class Unclaimed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An output that a party does not take (now), and why."""

    vout: int
    provider: str
    id: str
    value_sat: int
    reason: str
    kind: str = ""


class Plan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a party takes of one transaction's outputs, and what it leaves."""

    claims: tuple[Claimable, ...]
    unclaimed: tuple[Unclaimed, ...]


State = Literal["latest", "revoked"]
Way = tuple[SpendPath, int]  # a path with its locks, and the child that it goes through, or -1


@dataclass(frozen=True)
class Confirmed:
    """A transaction of a graph that is in the best chain: the commitment, or (`child`) what came of a child of it.

    With SINGLE|ANYONECANPAY a child's holder may have added inputs and outputs: its txid is not the graph's then.
    """

    graph: Graph
    height: int
    txid: bytes = b""
    child: int = -1

    @property
    def outputs(self) -> tuple[Output, ...]:
        """The graph's outputs of this transaction."""
        return self.graph.outputs if self.child < 0 else self.graph.children[self.child].outputs

    @cached_property
    def children(self) -> Mapping[int, list[tuple[int, Child]]]:
        """What the counterparty has signed below each of its outputs."""
        below: dict[int, list[tuple[int, Child]]] = {}
        for index, child in enumerate(self.graph.children if self.child < 0 else ()):
            below.setdefault(child.vout, []).append((index, child))
        return below


def claimable(
    graph: Graph, party: Party, state: State, late: Mapping[str, bytes] | None = None, height: int = 0
) -> Plan:
    """What `party` takes of the outputs of this commitment, once it confirmed at this height.

    `revoked`: its holder has released its secret, and the party is the other one. `late` is what is known by name.
    """
    return plan(Confirmed(graph, height, graph.tx.txid), party, state, late or {})


def claimable_child(graph: Graph, index: int, txid: bytes, party: Party, state: State, height: int = 0) -> Plan:
    """What `party` takes of the outputs of child `index`, once it confirmed with this txid at this height."""
    return plan(Confirmed(graph, height, txid, index), party, state, {})


def contested(graph: Graph, party: Party, provider: str, late: Mapping[str, bytes]) -> tuple[tuple[int, Output], ...]:
    """The outputs of a provider in a commitment which late data open to `party`, and which the other party can take by
    an absolute lock, each with the height of the tip at which the commitment has to be confirmed: else both can. A lock
    of the rival's that only begins with the confirmation leaves time."""
    confirmed, found = Confirmed(graph, 0, graph.tx.txid), []
    for claim in plan(confirmed, party, "latest", late).claims:
        rivals = [way.after for way, _ in _ways(confirmed, claim.vout, other(party), "latest") if way.after]
        if claim.output.provider == provider and claim.late and rivals:
            found.append((max(1, min(rivals) - claim.path.older), claim.output))
    return tuple(found)


def plan(confirmed: Confirmed, party: Party, state: State, late: Mapping[str, bytes]) -> Plan:
    """What `party` takes of a confirmed transaction, and what of its own it cannot take now."""
    claims: list[Claimable] = []
    unclaimed: list[Unclaimed] = []
    for vout, output in enumerate(confirmed.outputs):
        if isinstance(output.script, DataCarrier):
            continue
        ways = _ways(confirmed, vout, party, state)
        known = [way for way in ways if all(name in late for name in _late(confirmed, way))]
        if known:
            best = min(known, key=lambda way: (way[0].older, way[0].after, fees.witness_weight(way[0], b"")))
            path, stage = best
            data = tuple((name, late[name]) for name in _late(confirmed, best))
            rival = _rival_height(confirmed, vout, path, party, state)
            seal = output.claim_seals[party] if stage < 0 else b""
            claims.append(Claimable(confirmed.txid, vout, output, path, data, stage, rival, confirmed.child, seal))
        elif ways or _has_part_in(confirmed.graph, output, party):
            preimage = any(path.late for path, _ in ways)
            reason = NOT_OURS if not ways else NO_PREIMAGE if preimage else NO_ADAPTOR
            unclaimed.append(Unclaimed(vout, output.provider, output.id, output.value_sat, reason, output.kind))
    return Plan(tuple(claims), tuple(unclaimed))


def _ways(confirmed: Confirmed, vout: int, party: Party, state: State) -> list[Way]:
    """How a party can take an output, once it knows the late data: alone, or through a child if it is the holder."""
    graph, output = confirmed.graph, confirmed.outputs[vout]
    alone = [
        (path, -1)
        for path in output.paths
        if path.keys and all(_can_sign(graph, key, party, state) for key in path.keys)
    ]
    if party != graph.holder:
        return alone
    return [*alone, *((locked(child), index) for index, child in confirmed.children.get(vout, ()))]


def _late(confirmed: Confirmed, way: Way) -> tuple[str, ...]:
    """The names of the late data that a way needs."""
    path, stage = way
    return path.late if stage < 0 else late_names(confirmed.graph.children[stage])


def locked(child: Child) -> SpendPath:
    """A child's path with the locks of its transaction."""
    sequence = child.tx.inputs[0].sequence
    older = 0 if sequence & _NO_RELATIVE_LOCK else sequence & 0xFFFF
    return replace(child.path, older=older, after=child.tx.locktime)


def _rival_height(confirmed: Confirmed, vout: int, path: SpendPath, party: Party, state: State) -> int:
    """From which height the other party can take an output that `party` takes by this path; 0 if it never can.

    Late data has no height: before the HTLC's expiry nobody loses by its being shown, and after it there is a race.
    """
    expiry_height = confirmed.outputs[vout].cltv_expiry
    heights = []
    for way in _ways(confirmed, vout, other(party), state):
        rival = way[0]
        if _late(confirmed, way):
            heights.append(expiry_height + RACE_BLOCKS * (path.after >= expiry_height))
        else:
            heights.append(max(confirmed.height + rival.older, rival.after))
    return min(heights, default=0)


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
