"""What can be saved when the peer's commitment is newer than all that we remember? (BOLT 5, data loss)

Our to_remote output pays to our payment basepoint alone, whatever the commitment's number: its script is known without
the commitment.
"""

from lnpd_sdk.script import Template
from lnpd_sdk.types import CommitmentKeys, other

from lnpd.channel.state import Channel
from lnpd.tx.graph import Graph, Output
from lnpd.tx.script import Compiled, compile_script
from lnpd.tx.states import BASE
from lnpd.tx.transaction import Tx, TxOut

NO_KEY = bytes(33)


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
    compiled = compile_script(script, keys, 1)
    outputs = tuple(_output(channel, vout, out, script, compiled) for vout, out in enumerate(tx.outputs))
    return Graph(
        funding=channel.fundings[0],
        holder=holder,
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


def _output(channel: Channel, vout: int, out: TxOut, script: Template, compiled: Compiled) -> Output:
    ours = out.script_pubkey == compiled.script_pubkey
    return Output(
        provider=BASE,
        id=f"main/{channel.us}" if ours else f"unknown/{vout}",
        kind="to_remote" if ours else "unknown",
        value_sat=out.value_sat,
        script=script,
        script_pubkey=out.script_pubkey,
        witness_script=compiled.witness_script if ours else b"",
        paths=compiled.paths if ours else (),
    )
