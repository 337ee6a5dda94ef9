"""May this commitment be signed, or held as ours? The signer's own reading of a graph, against the opening's terms.

Nothing that a graph says about scripts, keys or paths is believed: scripts are compiled again with keys derived from
the basepoints that were registered, and rule 3 is judged on what that yields.
"""

from collections import OrderedDict
from collections.abc import Mapping
from functools import lru_cache
from hashlib import sha256
from typing import Final

import msgspec
from lnpd_sdk.script import DataCarrier, Sighash, SignatureSlot, SpendPath, Template
from lnpd_sdk.types import PARTIES, CommitmentKeys, Party, PerParty, other
from msgspec.structs import replace

from lnpd.channel.lost import NO_KEY
from lnpd.crypto.secp import is_point
from lnpd.errors import CryptoError, LnpdError, OutputRefused, ScriptRefused
from lnpd.services.interfaces import ChannelPublics, SignerChannel
from lnpd.services.signer.amounts import check_amounts, check_payer
from lnpd.services.signer.refusals import Rule, encodable, refuse
from lnpd.services.signer.state import Settled
from lnpd.tx.funding import locktime_and_sequence
from lnpd.tx.graph import Child, Funding, Graph, Output
from lnpd.tx.keys import Basepoints, commitment_keys
from lnpd.tx.rules import ANCHOR_KINDS, SECOND_STAGE, is_counterpartys
from lnpd.tx.rules import check_output as check_rule_3
from lnpd.tx.script import Compiled, Compiler, compiler_of, data_carrier
from lnpd.tx.seals import is_carrier, kept_states, sealing
from lnpd.tx.signatures import child_digest, commitment_digest
from lnpd.tx.states import CORE, MAX_STATE_BYTES
from lnpd.tx.transaction import TxIn

DELAYED_TEMPLATES: Final = frozenset({"to_local"})
OFFERED_TEMPLATES: Final = frozenset({"offered_htlc", "offered_htlc_anchors"})
FINAL_SEQUENCE: Final = 0xFFFFFFFF
NO_RELATIVE_LOCK: Final = 1 << 31  # of a sequence (BIP 68)
FIRST_TIMESTAMP: Final = 500_000_000
MAX_DIGESTS: Final = 16  # commitments whose digests are kept between prepare and sign

NamesByVout = Mapping[int, tuple[str, ...]]


def keys_of(terms: SignerChannel, holder: Party, point: bytes) -> CommitmentKeys:
    """The keys that a holder's commitment with this point must have. Raises InvalidPoint."""
    return commitment_keys(holder, _basepoints(terms.publics), point)


def keys_without_point(terms: SignerChannel, holder: Party) -> CommitmentKeys:
    """What is known of a commitment's keys without its per-commitment point: those that are never derived."""
    unknown = dict.fromkeys(CommitmentKeys.__struct_fields__, NO_KEY)
    theirs = terms.publics[other(holder)]
    return CommitmentKeys(
        **unknown
        | {
            "counterparty_payment": theirs.payment_basepoint,
            "holder_funding": terms.publics[holder].funding_pubkey,
            "counterparty_funding": theirs.funding_pubkey,
        }
    )


@lru_cache(maxsize=1024)
def _basepoints(publics: tuple[ChannelPublics, ChannelPublics]) -> tuple[Basepoints, Basepoints]:
    opener, acceptor = (
        Basepoints(
            each.funding_pubkey,
            each.revocation_basepoint,
            each.payment_basepoint,
            each.delayed_payment_basepoint,
            each.htlc_basepoint,
        )
        for each in publics
    )
    return opener, acceptor


def check_commitment(terms: SignerChannel, funding: Funding, graph: Graph, expected_point: bytes) -> Settled:
    """Raises SignerRefused by the first broken rule; returns what each party has beside what is pending.

    `expected_point` is the per-commitment point where it is known (ours, and the peer's first), else empty.
    """
    check_shape(terms, funding, graph, expected_point)
    if graph.tx.inputs[0].witness:
        refuse(Rule.WRONG_INPUT, "the commitment has a witness before anyone has signed it.")
    _check_states(terms, graph)
    compiler = compiler_of(graph.keys, terms.to_self_delay[graph.holder])
    compiled = [check_output(compiler, terms, graph, output) for output in graph.outputs]
    settled = check_amounts(terms, graph)
    taken = _check_children(compiler, terms, graph, compiled)
    for vout, (output, scripts) in enumerate(zip(graph.outputs, compiled, strict=True)):
        _check_rule_3(graph, terms, output, scripts, output.kind, taken.get(vout, ()))
        check_payer(terms, graph, output)
    return settled


def check_reserve(terms: SignerChannel, settled_msat: PerParty, before_msat: PerParty) -> None:
    """Nobody goes under its channel reserve; who is under it already (by the opening) gets no further down."""
    for party in PARTIES:
        least_msat = terms.reserve_sat[party] * 1000
        if settled_msat[party] < least_msat and settled_msat[party] < before_msat[party]:
            refuse(
                Rule.BELOW_RESERVE,
                f"party {party} keeps {settled_msat[party]} msat of its reserve of {terms.reserve_sat[party]} sat.",
            )


def check_shape(
    terms: SignerChannel, funding: Funding, graph: Graph, expected_point: bytes, *, lost: bool = False
) -> None:
    """Which funding a graph spends, with which keys and number.

    `lost`: it may be a commitment of the peer that we have forgotten, whose point nobody tells (`NO_KEY`).
    """
    if graph.funding != funding:
        refuse(Rule.UNKNOWN_FUNDING, "the commitment spends another funding than the registered one.")
    if not (lost and graph.holder != terms.us and graph.keys == keys_without_point(terms, graph.holder)):
        _check_keys(terms, graph, expected_point)
    tx = graph.tx
    if [(each.txid, each.vout, each.script_sig) for each in tx.inputs] != [(funding.txid, funding.vout, b"")]:
        refuse(Rule.WRONG_INPUT, "the commitment does not spend its funding, and that alone.")
    basepoints = (terms.publics[0].payment_basepoint, terms.publics[1].payment_basepoint)
    try:
        locktime, sequence = locktime_and_sequence(graph.number, basepoints)
    except LnpdError:
        refuse(Rule.WRONG_NUMBER, f"{graph.number} is no commitment number.")
    if (tx.version, tx.locktime, tx.inputs[0].sequence) != (2, locktime, sequence):
        refuse(Rule.WRONG_NUMBER, f"the transaction does not carry the commitment number {graph.number}.")


def _check_keys(terms: SignerChannel, graph: Graph, expected_point: bytes) -> None:
    point = graph.keys.per_commitment_point
    if expected_point and point != expected_point:
        refuse(Rule.WRONG_KEYS, f"the per-commitment point is not that of commitment {graph.number}.")
    try:
        expected = keys_of(terms, graph.holder, point)
    except CryptoError:
        refuse(Rule.WRONG_KEYS, "the per-commitment point is none.")
    if graph.keys != expected:
        refuse(Rule.WRONG_KEYS, "the keys are not those of the opening's basepoints and the per-commitment point.")


def _check_states(terms: SignerChannel, graph: Graph) -> None:
    """What is kept for who seals is of the registered type's sealers, and of nobody where nobody seals."""
    if not (graph.states or graph.limits):
        return  # nobody seals, or it was made before such things were kept
    meant = [name for name, _ in kept_states(terms.type, ())]
    if [name for name, _ in graph.states] != meant or len(graph.limits) != len(graph.outputs):
        refuse(Rule.WRONG_STATES, "what is kept with the commitment is not of those who seal in its type.")
    if any(len(state) > MAX_STATE_BYTES for name, state in graph.states if name not in CORE):
        refuse(Rule.WRONG_STATES, f"a state that is kept with the commitment has more than {MAX_STATE_BYTES} bytes.")


# Outputs


def check_output(compiler: Compiler, terms: SignerChannel, graph: Graph, output: Output) -> Compiled:
    """The output's script, compiled again and equal to the graph's."""
    try:
        compiled = compiler.compile(output.script)
    except ScriptRefused as error:
        refuse(Rule.WRONG_SCRIPT, f"{output.provider} {output.id}: {error}")
    if isinstance(output.script, DataCarrier):
        length = output.script.length
        head = data_carrier(bytes(length))[:-length]
        same = output.script_pubkey[: len(head)] == head and len(output.script_pubkey) == len(head) + length
        same = same and not output.value_sat and not output.witness_script
    else:
        same = (output.script_pubkey, output.witness_script) == (compiled.script_pubkey, compiled.witness_script)
    if not same:
        delayed = isinstance(output.script, Template) and output.script.name in DELAYED_TEMPLATES
        delay = terms.to_self_delay[graph.holder]
        if delayed:
            refuse(Rule.WRONG_DELAY, f"{output.provider} {output.id} does not wait the {delay} blocks of the opening.")
        refuse(Rule.WRONG_SCRIPT, f"{output.provider} {output.id}: the script is not what its expression compiles to.")
    if output.value_sat < terms.dust_limit_sat[graph.holder] and not _may_be_dust(output):
        refuse(Rule.BELOW_DUST, f"{output.provider} {output.id} of {output.value_sat} sat is dust by the opening.")
    return compiled


def _may_be_dust(output: Output) -> bool:
    return isinstance(output.script, DataCarrier) or (output.kind in ANCHOR_KINDS and output.value_sat >= 0)


# Children


def check_children(compiler: Compiler, terms: SignerChannel, graph: Graph) -> None:
    """Whether each second-stage transaction spends an output of the graph and pays what it says. SignerRefused."""
    _check_children(compiler, terms, graph, [check_output(compiler, terms, graph, output) for output in graph.outputs])


def _check_children(
    compiler: Compiler, terms: SignerChannel, graph: Graph, compiled: list[Compiled]
) -> dict[int, tuple[str, ...]]:
    """The paths, by output, that second-stage transactions take."""
    if not graph.children:
        return {}
    txid, taken = graph.tx.txid, dict[int, tuple[str, ...]]()
    for child in graph.children:
        if not 0 <= child.vout < len(compiled):
            refuse(Rule.WRONG_CHILD, f"{_title(child)} spends output {child.vout}, which does not exist.")
        parent = graph.outputs[child.vout]
        _check_child(graph, child, parent, compiled[child.vout], txid)
        _check_seal(terms, child, parent)
        for output in child.outputs:
            below = check_output(compiler, terms, graph, output)
            _check_rule_3(graph, terms, output, below, SECOND_STAGE, ())
        taken[child.vout] = (*taken.get(child.vout, ()), child.path.name)
    return taken


def _check_child(graph: Graph, child: Child, parent: Output, compiled: Compiled, txid: bytes) -> None:
    tx = child.tx
    if tx.version != 2 or tx.inputs != (TxIn(txid, child.vout, tx.inputs[0].sequence if tx.inputs else 0),):
        refuse(
            Rule.WRONG_CHILD, f"{_title(child)} does not spend output {child.vout} of the commitment, and that alone."
        )
    path = next((each for each in compiled.paths if each.name == child.path.name), None)
    if path is None or replace(child.path, witness=path.witness) != path:
        refuse(Rule.WRONG_CHILD, f"{_title(child)}: its output has no path {child.path.name}.")
    if child.adaptor_point and not (child.gated and is_point(child.adaptor_point)):
        refuse(Rule.WRONG_CHILD, f"{_title(child)}: its adaptor point is none, or it is not gated.")
    if len(tx.outputs) != len(child.outputs) or any(
        (shown.value_sat, shown.script_pubkey) != (meant.value_sat, meant.script_pubkey)
        for shown, meant in zip(tx.outputs, child.outputs, strict=True)
    ):
        refuse(Rule.WRONG_CHILD, f"{_title(child)}: its transaction does not pay the outputs that it says.")
    if not tx.outputs or sum(each.value_sat for each in tx.outputs) > parent.value_sat:
        refuse(Rule.WRONG_CHILD, f"{_title(child)}: it pays nothing, or more than it spends.")
    _check_sighash(graph, child, parent, path)
    _check_locks(child, parent, path)


def _check_seal(terms: SignerChannel, child: Child, parent: Output) -> None:
    """Where the type seals what hangs below this output, the first output is the one carrier, and all is covered."""
    pin = sealing(terms.type, "second_stage")
    if pin is None or parent.provider == pin.name:
        return
    carriers = [position for position, each in enumerate(child.outputs) if isinstance(each.script, DataCarrier)]
    if carriers != [0] or not is_carrier(pin, child.tx.outputs[0]) or child.sighash != Sighash.ALL:
        refuse(Rule.WRONG_CHILD, f"{_title(child)}: its first output is not {pin.name}'s carrier, covered by the peer.")


def _check_sighash(graph: Graph, child: Child, parent: Output, path: SpendPath) -> None:
    """Only the counterparty's signature has another sighash than ALL, and only where it covers every output."""
    theirs = [
        slot for slot in path.witness if isinstance(slot, SignatureSlot) and is_counterpartys(slot.key, graph.keys)
    ]
    if len(theirs) != 1 or len(path.keys) < 2:
        refuse(Rule.WRONG_CHILD, f"{_title(child)}: the path {path.name} does not need exactly both parties.")
    meant = tuple(
        SignatureSlot(slot.key, child.sighash) if slot == theirs[0] else slot for slot in path.witness
    )  # a miniscript leaves the sighash to its child
    if child.path.witness != meant or (isinstance(parent.script, Template) and child.sighash != theirs[0].sighash):
        refuse(Rule.WRONG_SIGHASH, f"{_title(child)}: the peer's signature must cover {theirs[0].sighash}.")
    covered = len(child.outputs) == 1 and not isinstance(child.outputs[0].script, DataCarrier)
    if child.sighash != Sighash.ALL and not covered:
        refuse(Rule.WRONG_SIGHASH, f"{_title(child)}: {child.sighash} leaves outputs uncovered.")


def _check_locks(child: Child, parent: Output, path: SpendPath) -> None:
    sequence, locktime = child.tx.inputs[0].sequence, child.tx.locktime
    if not (0 <= sequence <= FINAL_SEQUENCE and 0 <= locktime < FIRST_TIMESTAMP):
        refuse(Rule.CHILD_LOCKS, f"{_title(child)} has no sequence, or its locktime is no block height.")
    if 0xFFFF < sequence < NO_RELATIVE_LOCK:
        refuse(Rule.CHILD_LOCKS, f"{_title(child)} waits for a time, and not for blocks (BIP 68).")
    if path.older and not path.older <= sequence <= 0xFFFF:
        refuse(Rule.CHILD_LOCKS, f"{_title(child)} does not wait the {path.older} blocks of its path.")
    if path.after and (locktime < path.after or sequence == FINAL_SEQUENCE):
        refuse(Rule.CHILD_LOCKS, f"{_title(child)} does not wait for height {path.after}.")
    if isinstance(parent.script, Template):
        # An offered HTLC's script does not hold its expiry: the second stage's locktime is what enforces it.
        expiry = parent.cltv_expiry if parent.script.name in OFFERED_TEMPLATES else 0
        if (locktime, sequence) != (expiry, path.older):
            refuse(
                Rule.CHILD_LOCKS, f"{_title(child)} has the locktime {locktime} and the sequence {sequence} (BOLT 3)."
            )


def _title(child: Child) -> str:
    return f"{child.provider} {child.id} ({child.kind})"


# Rule 3


def _check_rule_3(
    graph: Graph, terms: SignerChannel, output: Output, compiled: Compiled, kind: str, taken: tuple[str, ...]
) -> None:
    try:
        check_rule_3(output, compiled.paths, graph.keys, terms.to_self_delay[graph.holder], kind, taken)
    except OutputRefused as error:
        refuse(Rule.RULE_3, f"{type(error).__name__}: {error}")


# What was signed


def signing_digests(graph: Graph) -> tuple[bytes, tuple[bytes, ...]]:
    """What the counterparty signs: of the commitment, and of each child. Of a graph that was checked, here or when it
    was prepared: the digests say whether it is that one. Raises SignerRefused if it has no bytes."""
    if not all(0 <= child.vout < len(graph.outputs) and child.tx.inputs for child in graph.children):
        refuse(Rule.WRONG_CHILD, "a second-stage transaction spends an output that does not exist.")
    with encodable():
        return commitment_digest(graph), tuple(child_digest(graph, child, child.sighash) for child in graph.children)


class Digests:
    """Prepared and signed are two requests for one graph: what is hashed for the first serves the second."""

    def __init__(self) -> None:
        self._known: OrderedDict[int, tuple[Graph, tuple[bytes, tuple[bytes, ...]]]] = OrderedDict()

    def of(self, graph: Graph) -> tuple[bytes, tuple[bytes, ...]]:
        """See `signing_digests`."""
        found = self._known.get(id(graph))
        if found is not None and found[0] is graph:
            return found[1]
        digests = signing_digests(graph)
        self._known[id(graph)] = (graph, digests)
        if len(self._known) > MAX_DIGESTS:
            self._known.popitem(last=False)
        return digests


def content_digest(graph: Graph, digests: tuple[bytes, tuple[bytes, ...]]) -> bytes:
    """By which two commitments of one number are told apart: all that is signed in them, and for which adaptors."""
    points = tuple(child.adaptor_point for child in graph.children)
    return sha256(msgspec.msgpack.encode((*digests, points) if any(points) else digests)).digest()
