"""What can be saved of a commitment that we know nothing of? (BOLT 5, data loss)

Our to_remote output pays to our payment basepoint alone, whatever the commitment's number: its script is known without
the commitment. Our to_local output, of a commitment of ours that confirmed before everything but a backup was lost,
follows from the commitment's number, which its transaction carries. HTLCs and extensions' outputs were in the database:
what is neither a main output nor an anchor is named, for whoever lost it. What a provider would have sealed into the
sweep was there as well: nobody can be asked, for the provider's state is lost, too.
"""

from collections.abc import Mapping

from lnpd_sdk.script import Script, Template
from lnpd_sdk.types import CommitmentKeys, Party, other

from lnpd.channel.commitments import delays, keys_of
from lnpd.channel.state import Channel, Resolution
from lnpd.errors import InvalidPoint
from lnpd.tx.graph import Graph, Output
from lnpd.tx.mains import script_of
from lnpd.tx.script import Compiled, compile_script
from lnpd.tx.seals import sealing
from lnpd.tx.states import BASE
from lnpd.tx.transaction import Tx, TxOut

NO_KEY = bytes(33)
UNKNOWN, CARRIER = "unknown", "carrier"  # which has no value
MOST_NAMED = 20


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
    return _of_one_output(channel, tx, number, keys, _to_remote(channel, holder), "to_remote")


def own_commitment(channel: Channel, tx: Tx, number: int, point: bytes) -> Graph | None:
    """A graph of our own transaction with this number that knows our to_local output only; `point` is our
    per-commitment point. None if there is no such output: then it is the peer's commitment, or leaves us nothing."""
    keys = keys_of(channel.us, channel.terms, point)
    graph = _of_one_output(channel, tx, number, keys, _to_local(channel, channel.us), "to_local")
    return graph if any(output.paths for output in graph.outputs) else None


# What only the database could claim


def lost_outputs(channel: Channel, graph: Graph, height: int) -> tuple[Resolution, ...]:
    """The outputs of such a graph that only the database could claim, as far as they were ours; each says so."""
    kinds = ["an HTLC", *(f"an output of the extension {each.name}" for each in channel.extensions)]
    if graph.holder == channel.them and not any(o.kind == "to_local" for o in graph.outputs):
        kinds.insert(0, "the peer's balance")
    reason = f"It is {' or '.join(kinds)}: what of it was ours, only the lost database could claim."
    return tuple(
        Resolution(graph.tx.txid, vout, o.provider, o.id, o.kind, o.value_sat, "unclaimed", height, reason=reason)
        for vout, o in enumerate(graph.outputs)
        if o.kind == UNKNOWN
    )


def what_is_lost(lost: tuple[Resolution, ...]) -> str:
    """A sentence on these outputs, by amount and outpoint."""
    if not lost:
        return "Nothing that only the lost database could claim was in it."
    named = [f"{each.value_sat:,} sat in {each.txid[::-1].hex()}:{each.vout}" for each in lost[:MOST_NAMED]]
    more = f", and {len(lost) - MOST_NAMED} more" if len(lost) > MOST_NAMED else ""
    return f"{', '.join(named)}{more}. {lost[0].reason}"


def unsealed(channel: Channel) -> str:
    """A sentence on what a sweep of such a graph does without, if the channel's type seals claims."""
    pin = sealing(channel.channel_type, "claim")
    return f" The sweep of the rest carries nothing of {pin.name}'s: the lost database had it." if pin else ""


# The graph


def _to_remote(channel: Channel, holder: Party) -> Script:
    main = channel.channel_type.main
    if main is not None:
        return script_of(main, "to_remote", delays(channel)[holder])
    return Template("to_remote_anchors" if channel.channel_type.fixed_cost_sat else "to_remote")


def _to_local(channel: Channel, holder: Party) -> Script:
    main = channel.channel_type.main
    return Template("to_local") if main is None else script_of(main, "to_local", delays(channel)[holder])


def _of_one_output(channel: Channel, tx: Tx, number: int, keys: CommitmentKeys, script: Script, kind: str) -> Graph:
    holder: Party = channel.us if kind == "to_local" else channel.them
    compiled = compile_script(script, keys, delays(channel)[holder])
    known = _known(channel, holder, keys)
    outputs = tuple(_output(channel, vout, out, script, compiled, kind, known) for vout, out in enumerate(tx.outputs))
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


def _known(channel: Channel, holder: Party, keys: CommitmentKeys) -> dict[bytes, str]:
    """The scripts of outputs that are not ours to take and that any such commitment may have, with their kinds.

    The peer's own balance is known if its channel_reestablish told the point of its present commitment, which some
    peers do not (with static_remotekey nobody else needs it).
    """
    scripts: list[tuple[str, Script, CommitmentKeys]] = []
    if channel.channel_type.fixed_cost_sat:
        scripts += [("anchor", Template("anchor", counterparty=each), keys) for each in (False, True)]
    if holder == channel.us:
        scripts.append(("to_remote", _to_remote(channel, holder), keys))
    elif channel.their_points:
        try:
            theirs = keys_of(holder, channel.terms, channel.their_points[0])
            scripts.append(("to_local", _to_local(channel, holder), theirs))
        except InvalidPoint:
            pass  # it told us nothing
    delay_blocks = delays(channel)[holder]
    return {compile_script(script, own, delay_blocks).script_pubkey: kind for kind, script, own in scripts}


def _output(
    channel: Channel, vout: int, out: TxOut, script: Script, compiled: Compiled, kind: str, known: Mapping[bytes, str]
) -> Output:
    ours = out.script_pubkey == compiled.script_pubkey
    other_kind = known.get(out.script_pubkey, UNKNOWN if out.value_sat else CARRIER)
    return Output(
        provider=BASE,
        id=f"main/{channel.us}" if ours else f"{other_kind}/{vout}",
        kind=kind if ours else other_kind,
        value_sat=out.value_sat,
        script=script,
        script_pubkey=out.script_pubkey,
        witness_script=compiled.witness_script if ours else b"",
        paths=compiled.paths if ours else (),
    )
