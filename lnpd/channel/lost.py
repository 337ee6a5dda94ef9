"""What can be saved of a commitment that we know nothing of? (BOLT 5, data loss)

Our to_remote output pays to our payment basepoint alone, whatever the commitment's number: its script is known without
the commitment. Our to_local output, of a commitment of ours that confirmed before everything but a backup was lost,
follows from the commitment's number, which its transaction carries. HTLCs and extensions' outputs were in the database.
"""

from lnpd_sdk.script import Template
from lnpd_sdk.types import CommitmentKeys, other

from lnpd.channel.commitments import keys_of
from lnpd.channel.state import Channel
from lnpd.tx.graph import Graph, Output
from lnpd.tx.script import Compiled, compile_script
from lnpd.tx.states import BASE
from lnpd.tx.transaction import Tx, TxOut

NO_KEY = bytes(33)
UNKNOWN = "unknown"


def future_commitment(channel: Channel, tx: Tx, number: int) -> Graph:
    """A graph of that transaction which knows our to_remote output only."""
    holder = channel.them
    keys = CommitmentKeys(
        per_commitment_point=NO_KEY,
        revocation=NO_KEY,
        delayed=NO_KEY,
        holder_htlc=NO_KEY,
        counterparty_htlc=NO_KEY,
        counterparty_payment=channel.terms[channel.us].payment_basepoint,
        holder_funding=channel.terms[holder].funding_key,
        counterparty_funding=channel.terms[other(holder)].funding_key,
    )
    script = Template("to_remote_anchors" if channel.channel_type.fixed_cost_sat else "to_remote")
    return _of_one_output(channel, tx, number, keys, script, "to_remote")


def own_commitment(channel: Channel, tx: Tx, number: int, point: bytes) -> Graph | None:
    """A graph of our own transaction with this number that knows our to_local output only; `point` is our
    per-commitment point. None if there is no such output: then it is the peer's commitment, or leaves us nothing."""
    keys = keys_of(channel.us, channel.terms, point)
    graph = _of_one_output(channel, tx, number, keys, Template("to_local"), "to_local")
    return graph if any(output.paths for output in graph.outputs) else None


def unknown_sat(graph: Graph) -> int:
    """What is in the outputs that such a graph does not know: the peer's balance, HTLCs, and extensions' outputs."""
    return sum(output.value_sat for output in graph.outputs if output.kind == UNKNOWN)


def _of_one_output(channel: Channel, tx: Tx, number: int, keys: CommitmentKeys, script: Template, kind: str) -> Graph:
    delay_blocks = channel.terms[channel.them].to_self_delay  # what the peer demanded of us
    compiled = compile_script(script, keys, delay_blocks)
    outputs = tuple(_output(channel, vout, out, script, compiled, kind) for vout, out in enumerate(tx.outputs))
    return Graph(
        funding=channel.fundings[0],
        holder=channel.us if kind == "to_local" else channel.them,
        number=number,
        keys=keys,
        feerate_per_kw=0,
        fee_sat=0,
        balances_msat=(0, 0),
        tx=tx,
        outputs=outputs,
        children=(),
        trimmed=(),
        digests=(),
    )


def _output(channel: Channel, vout: int, out: TxOut, script: Template, compiled: Compiled, kind: str) -> Output:
    ours = out.script_pubkey == compiled.script_pubkey
    return Output(
        provider=BASE,
        id=f"main/{channel.us}" if ours else f"unknown/{vout}",
        kind=kind if ours else UNKNOWN,
        value_sat=out.value_sat,
        script=script,
        script_pubkey=out.script_pubkey,
        witness_script=compiled.witness_script if ours else b"",
        paths=compiled.paths if ours else (),
    )
