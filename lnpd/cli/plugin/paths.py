"""Can every output be spent in every way that its script has, and not before its time? Bitcoin Core's interpreter says.

Each path is gone with the secrets of both parties; one with a delay is gone a block too early as well, in vain.
"""

from collections.abc import Mapping
from typing import Final

from lnpd_sdk.script import SignatureSlot, SpendPath
from lnpd_sdk.types import Party

from lnpd.chain.verify import first_failure, load_kernel
from lnpd.cli.plugin.report import Report
from lnpd.cli.plugin.world import secrets_of
from lnpd.errors import RegtestNotInstalled
from lnpd.tx.graph import Child, Graph, Output
from lnpd.tx.signatures import input_digest, sign_path, witness
from lnpd.tx.sweeps import RBF_SEQUENCE
from lnpd.tx.transaction import Tx, TxIn, TxOut

DESTINATION: Final = b"\0\x14" + bytes(20)


def go_all(report: Report, graph: Graph, providers: frozenset[str]) -> None:
    """Goes every path of these providers' outputs, in the commitment and in its children."""
    try:
        load_kernel()
    except RegtestNotInstalled:
        report.leave_out("no way to spend an output was gone: py-bitcoinkernel is not installed (lnpd[regtest])")
        return
    places = [(graph.tx.txid, vout, output) for vout, output in enumerate(graph.outputs)]
    places += [(child.tx.txid, vout, each) for child in graph.children for vout, each in enumerate(child.outputs)]
    for txid, vout, output in places:
        if output.provider in providers:
            for path in output.paths:
                _go(report, graph.holder, TxIn(txid, vout), output, path)
    for child in graph.children:
        if child.provider in providers:
            _take(report, graph.holder, child, graph.outputs[child.vout])


def _take(report: Report, holder: Party, child: Child, output: Output) -> None:
    """Takes an output through its child, as both parties sign it."""
    secrets = secrets_of(holder)
    if child.path.late or any(key not in secrets for key in child.path.keys):
        return  # the report says so of the output's path
    report.tried["paths"] += 1
    if not _accepted(_signed(child.tx, output, child.path, secrets), output):
        report.wrong("paths", f"{output.provider} {output.kind}", f"its child {child.kind} cannot take it")


def _go(report: Report, holder: Party, spent: TxIn, output: Output, path: SpendPath) -> None:
    secrets = secrets_of(holder)
    where = f"{output.provider} {output.kind}"
    if path.late:
        report.leave_out(f"{where}: the path {path.name} needs {path.late[0].partition(':')[0]} data of its own")
        return
    if foreign := [key for key in path.keys if key not in secrets]:
        report.leave_out(f"{where}: the path {path.name} needs a key of its own, {foreign[0][:16]}")
        return
    report.tried["paths"] += 1
    if not _accepted(_spend(spent, output, path, secrets, path.older), output):
        report.wrong("paths", where, f"it cannot be spent by the path {path.name}")
    if path.older and _accepted(_spend(spent, output, path, secrets, path.older - 1), output):
        report.wrong("paths", where, f"the path {path.name} can be gone before {path.older} blocks went by")


def _spend(spent: TxIn, output: Output, path: SpendPath, secrets: Mapping[str, bytes], older: int) -> Tx:
    sequence = older if path.older else RBF_SEQUENCE
    tx = Tx((TxIn(spent.txid, spent.vout, sequence),), (TxOut(output.value_sat, DESTINATION),), path.after)
    return _signed(tx, output, path, secrets)


def _signed(tx: Tx, output: Output, path: SpendPath, secrets: Mapping[str, bytes]) -> Tx:
    """A transaction whose input 0 takes an output by this path, with every signature."""
    coins, script = (TxOut(output.value_sat, output.script_pubkey),), output.witness_script
    signatures = {
        slot.key: sign_path(secrets[slot.key], path, input_digest(tx, 0, path, script, coins, slot.sighash))
        for slot in path.witness
        if isinstance(slot, SignatureSlot)
    }
    return tx.with_witness(0, witness(path, script, signatures, {}))


def _accepted(tx: Tx, output: Output) -> bool:
    return first_failure(tx.serialise(), [(output.value_sat, output.script_pubkey)]) is None
