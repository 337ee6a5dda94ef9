"""Is an altered graph refused before anything is signed?"""

from collections.abc import Callable

import msgspec
import pytest
from lnpd_sdk.script import DataCarrier, Miniscript, SignatureSlot, SpendPath, Template
from lnpd_sdk.types import OutputSpec

from lnpd import errors
from lnpd.providers.types import ANCHORS_ZERO_FEE_HTLC_TX, pin, with_extensions
from lnpd.tx.audit import audit
from lnpd.tx.graph import Child, Graph, Output
from lnpd.tx.script import compile_script
from lnpd.tx.transaction import TxIn, TxOut
from tests.tx.bolt3 import KEYS, commitment_spec, graph_of
from tests.tx.extension import Extension, box, replaced

SEAL = OutputSpec("box", "seal", "seal", 0, DataCarrier(4), trim="never")
EXTENSION = Extension(box(), SEAL, seal=b"seal", seal_length=4)
KIND = with_extensions(ANCHORS_ZERO_FEE_HTLC_TX, (pin(EXTENSION.spec, 1),))
GRAPH = graph_of(
    commitment_spec(6_988_000_000, 3_000_000_000, 253, htlcs=(0, 1, 2, 3, 4), channel_type=KIND), EXTENSION
)
WITHOUT_HTLCS = graph_of(commitment_spec(7_000_000_000, 3_000_000_000, 253, channel_type=KIND), EXTENSION)
change = msgspec.structs.replace


def with_output(graph: Graph, kind: str, alter: Callable[[Output], Output]) -> Graph:
    """One output altered, and the transaction with it."""
    outputs = tuple(alter(output) if output.kind == kind else output for output in graph.outputs)
    tx = change(graph.tx, outputs=tuple(TxOut(output.value_sat, output.script_pubkey) for output in outputs))
    return change(graph, outputs=outputs, tx=tx)


def as_script(output: Output, script: Template | Miniscript) -> Output:
    compiled = compile_script(script, KEYS, 144)
    return change(
        output,
        script=script,
        script_pubkey=compiled.script_pubkey,
        witness_script=compiled.witness_script,
        paths=compiled.paths,
    )


def with_child(graph: Graph, alter: Callable[[Child], Child]) -> Graph:
    return change(graph, children=(alter(graph.children[0]), *graph.children[1:]))


ALTERED: dict[str, tuple[type[errors.LnpdError], Graph]] = {
    "keys": (errors.GraphAltered, change(GRAPH, keys=replaced(KEYS, delayed=KEYS.holder_htlc))),
    "another funding": (errors.GraphAltered, change(GRAPH, tx=change(GRAPH.tx, inputs=(TxIn(bytes(32), 0),)))),
    "a second input": (
        errors.GraphAltered,
        change(GRAPH, tx=change(GRAPH.tx, inputs=(*GRAPH.tx.inputs, TxIn(bytes(32), 0)))),
    ),
    "outputs unlike the transaction": (errors.GraphAltered, change(GRAPH, outputs=GRAPH.outputs[1:])),
    "fee": (errors.GraphAltered, change(GRAPH, fee_sat=GRAPH.fee_sat + 1)),
    "a script that hides another": (
        errors.GraphAltered,
        with_output(GRAPH, "box", lambda o: change(as_script(o, Miniscript("pk(delayed)")), script=o.script)),
    ),
    "paths that hide one": (
        errors.GraphAltered,
        with_output(GRAPH, "box", lambda o: change(o, paths=(SpendPath("p", (SignatureSlot("revocation"),)),))),
    ),
    "another scriptPubKey": (
        errors.GraphAltered,
        with_output(GRAPH, "to_local", lambda o: change(o, script_pubkey=bytes(34))),
    ),
    "a carrier that pays": (
        errors.GraphAltered,
        with_output(GRAPH, "seal", lambda o: change(o, script_pubkey=b"\0\x14" + bytes(20))),
    ),
    "a longer carrier": (
        errors.GraphAltered,
        with_output(GRAPH, "seal", lambda o: change(o, script_pubkey=o.script_pubkey + b"x")),
    ),
    "rule 3": (
        errors.HolderPathUndelayed,
        with_output(WITHOUT_HTLCS, "box", lambda o: as_script(o, Miniscript("pk(delayed)"))),
    ),
    "an HTLC without its child": (errors.JointPathWithoutChild, change(GRAPH, children=())),
    "a child of another parent": (errors.GraphAltered, with_child(GRAPH, lambda c: change(c, vout=0))),
    "a child of no parent": (
        errors.GraphAltered,
        with_child(GRAPH, lambda c: change(c, vout=99, tx=change(c.tx, inputs=(TxIn(GRAPH.tx.txid, 99),)))),
    ),
    "a child that pays elsewhere": (
        errors.GraphAltered,
        with_child(GRAPH, lambda c: change(c, tx=change(c.tx, outputs=(TxOut(1000, bytes(34)),)))),
    ),
    "a timeout before its time": (
        errors.GraphAltered,
        change(
            GRAPH,
            children=tuple(
                change(c, tx=change(c.tx, locktime=0)) if c.kind == "htlc_timeout" else c for c in GRAPH.children
            ),
        ),
    ),
    "a child by another path": (
        errors.GraphAltered,
        with_child(GRAPH, lambda c: change(c, path=change(c.path, name="other"))),
    ),
}


def test_an_honest_graph() -> None:
    audit(GRAPH, KEYS, 144)
    audit(WITHOUT_HTLCS, KEYS, 144)


def test_another_delay() -> None:
    with pytest.raises(errors.GraphAltered):
        audit(GRAPH, KEYS, 145)


@pytest.mark.parametrize(("rule", "graph"), ALTERED.values(), ids=ALTERED)
def test_altered(rule: type[errors.LnpdError], graph: Graph) -> None:
    with pytest.raises(errors.LnpdError) as refused:
        audit(graph, KEYS, 144)
    assert type(refused.value) is rule
