"""A second-stage transaction, complete."""

from collections.abc import Mapping

from lnpd.tx.graph import Child, Graph
from lnpd.tx.signatures import witness
from lnpd.tx.transaction import Tx


def signed_child(
    graph: Graph, child: Child, signatures: Mapping[str, bytes], late: Mapping[str, bytes] | None = None
) -> Tx:
    """Signatures by key. Raises WitnessIncomplete."""
    parent = graph.outputs[child.vout]
    return child.tx.with_witness(0, witness(child.path, parent.witness_script, signatures, late or {}))
