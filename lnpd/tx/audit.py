"""Is a graph what it says, without trust in whoever built it?

The signer asks this before it signs: scripts are compiled again from their expressions, with the keys and the delay
that the signer knows, and rule 3 is decided on what comes out.
"""

from lnpd_sdk.script import DataCarrier, Template
from lnpd_sdk.types import CommitmentKeys

from lnpd.errors import GraphAltered
from lnpd.tx.graph import Child, Graph, Output
from lnpd.tx.rules import check_rule_3
from lnpd.tx.script import Compiler
from lnpd.tx.transaction import Tx


def audit(graph: Graph, keys: CommitmentKeys, to_self_delay: int) -> None:
    """`keys` and the holder's `to_self_delay` are those that the caller derives itself.

    Raises GraphAltered, ScriptRefused, or the SpendPathRefused of a broken rule. Reserve, fee and balances are not
    judged here.
    """
    if graph.keys != keys:
        raise GraphAltered(f"Commitment {graph.number} has other keys than its channel gives it.")
    compiler = Compiler(keys, to_self_delay)
    _check_transaction(graph.tx, graph.outputs, compiler, f"commitment {graph.number}")
    funding = graph.funding
    spent = [(each.txid, each.vout) for each in graph.tx.inputs]
    if spent != [(funding.txid, funding.vout)]:
        raise GraphAltered(f"Commitment {graph.number} does not spend its funding alone.")
    if sum(output.value_sat for output in graph.outputs) + graph.fee_sat != funding.capacity_sat:
        raise GraphAltered(f"The outputs and the fee of commitment {graph.number} are not its capacity.")
    txid = graph.tx.txid
    for child in graph.children:
        _check_child(graph, child, txid, compiler)
    check_rule_3(graph.outputs, graph.children, keys, to_self_delay)


def _check_transaction(tx: Tx, outputs: tuple[Output, ...], compiler: Compiler, name: str) -> None:
    if [(o.value_sat, o.script_pubkey) for o in tx.outputs] != [(o.value_sat, o.script_pubkey) for o in outputs]:
        raise GraphAltered(f"The transaction of {name} has other outputs than the graph lists.")
    for output in outputs:
        compiled = compiler.compile(output.script)
        if (output.witness_script, output.paths) != (compiled.witness_script, compiled.paths):
            raise GraphAltered(f"{name}: {output.provider} {output.id} is not the script that it names.")
        same = output.script_pubkey == compiled.script_pubkey
        if isinstance(output.script, DataCarrier):  # its content was sealed later
            start = len(compiled.script_pubkey) - output.script.length
            same = output.script_pubkey[:start] == compiled.script_pubkey[:start]
            same = same and len(output.script_pubkey) == len(compiled.script_pubkey)
        if not same:
            raise GraphAltered(f"{name}: {output.provider} {output.id} is not the script that it names.")


def _check_child(graph: Graph, child: Child, txid: bytes, compiler: Compiler) -> None:
    name = f"{child.provider} {child.id} ({child.kind})"
    if [(each.txid, each.vout) for each in child.tx.inputs] != [(txid, child.vout)]:
        raise GraphAltered(f"{name} does not spend its own output of commitment {graph.number} alone.")
    parent = graph.outputs[child.vout] if child.vout < len(graph.outputs) else None
    if parent is None or not any(
        (path.name, path.keys, path.late) == (child.path.name, child.path.keys, child.path.late)
        for path in parent.paths
    ):
        raise GraphAltered(f"{name} takes a path that its output does not have.")
    # An offered HTLC's script has no height in it: this transaction's locktime is all that makes the holder wait.
    offered = isinstance(parent.script, Template) and parent.script.name.startswith("offered_htlc")
    if offered and child.tx.locktime != parent.cltv_expiry:
        raise GraphAltered(f"{name} does not wait for its expiry.")
    _check_transaction(child.tx, child.outputs, compiler, name)
