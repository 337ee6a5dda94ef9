"""What does a person see of a commitment transaction? From its kept graph alone: nobody is asked.

ways.py says who can spend each output.
"""

from collections.abc import Callable, Iterator
from typing import Final, Literal

import msgspec
from lnpd_sdk.script import DataCarrier, Miniscript, Script, Sighash, Taproot, Template
from lnpd_sdk.types import AddHtlc, Party, other

from lnpd.channel.queries import Kept, commitment_key
from lnpd.channel.state import Channel
from lnpd.errors import NoCommitment
from lnpd.rpc.answers import Commitment, CommitmentChild, CommitmentOutput, SpendingWay, TrimmedOutput
from lnpd.services.channels.batch import find_row, kept_of
from lnpd.services.channels.view import txid_text, type_name
from lnpd.services.channels.ways import funding_ways, ways
from lnpd.store.store import Store
from lnpd.tx.funding import compiled_of, spending_weight
from lnpd.tx.graph import Child, Output
from lnpd.tx.script import carried
from lnpd.tx.seals import sealing
from lnpd.tx.states import CORE, HTLC, htlcs_of

ScriptType = Literal["p2wpkh", "p2wsh", "p2tr", "op_return"]
Address = Callable[[bytes], str]

STARTS: Final[tuple[tuple[bytes, ScriptType], ...]] = (
    (b"\0\x14", "p2wpkh"), (b"\0\x20", "p2wsh"), (b"\x51\x20", "p2tr"), (b"\x6a", "op_return"),
)  # fmt: skip


async def shown(store: Store, channel: Channel, theirs: bool, address_of: Address) -> Commitment:
    """The last commitment of ours, or of the peer's. Raises NoCommitment."""
    holder = channel.them if theirs else channel.us
    kept = None
    if channel.fundings:
        key = commitment_key(channel.fundings[0].txid, holder, channel.numbers[holder])
        kept = kept_of(await store.read(lambda read: find_row(read, channel, "commitment", key)))
    if kept is None:
        raise NoCommitment(f"Channel {channel.id.hex()} has no commitment of {'the peer' if theirs else 'ours'} yet.")
    return drawn(channel, kept, address_of)


def drawn(channel: Channel, kept: Kept, address_of: Address) -> Commitment:
    """A commitment that is kept."""
    return _Picture(channel, kept, address_of).drawn()


class _Picture:
    """A commitment, as one of its parties sees it."""

    def __init__(self, channel: Channel, kept: Kept, address_of: Address) -> None:
        self._channel, self._graph, self._address_of = channel, kept.graph, address_of
        self._signed = kept.signatures is not None or kept.graph.holder == channel.them
        sealer = sealing(channel.channel_type, "claim")
        self._claim_sealer = sealer.name if sealer else ""

    def drawn(self) -> Commitment:
        channel, graph, us = self._channel, self._graph, self._channel.us
        compiled = compiled_of(graph.funding)
        return Commitment(
            channel_id=channel.id.hex(),
            holder=self._whose(graph.holder),
            number=graph.number,
            txid=txid_text(graph.tx.txid),
            signed=self._signed,
            type=type_name(channel),
            opener=self._whose(0),
            funding=f"{txid_text(graph.funding.txid)}:{graph.funding.vout}",
            capacity_sat=graph.funding.capacity_sat,
            funding_type=script_type(compiled.script_pubkey),
            funding_expression=expression(graph.funding.script) if graph.funding.script else "2-of-2",
            funding_ways=funding_ways(compiled.paths, us),
            ours_msat=graph.balances_msat[us],
            theirs_msat=graph.balances_msat[other(us)],
            fee_sat=graph.fee_sat,
            feerate_per_kw=graph.feerate_per_kw,
            weight=graph.tx.weight + spending_weight(graph.funding),
            outputs=tuple(self._output(vout, each) for vout, each in enumerate(graph.outputs)),
            children=tuple(self._child(each) for each in graph.children),
            trimmed=self._trimmed(),
        )

    def _whose(self, party: Party) -> Literal["us", "them"]:
        return "us" if party == self._channel.us else "them"

    def _output(self, vout: int, output: Output) -> CommitmentOutput:
        children = [(index, child) for index, child in enumerate(self._graph.children) if child.vout == vout]
        return self._shown(vout, output, ways(self._graph, output, self._channel.us, children))

    def _shown(self, vout: int, output: Output, found: tuple[SpendingWay, ...]) -> CommitmentOutput:
        us = self._channel.us
        carrier = isinstance(output.script, DataCarrier)
        return CommitmentOutput(
            index=vout,
            amount_sat=output.value_sat,
            provider=output.provider,
            built_in=output.provider in CORE,
            kind=output.kind,
            id=output.id,
            script_type=script_type(output.script_pubkey),
            expression=expression(output.script),
            address="" if carrier else self._address_of(output.script_pubkey),
            script=output.script_pubkey.hex(),
            ours_msat=output.debits_msat[us],
            theirs_msat=output.debits_msat[other(us)],
            ways=found,
            data=carried(output.script_pubkey).hex() if carrier else "",
            claim_sealed_by=self._claim_sealer if any(output.claim_seals) else "",
        )

    def _child(self, child: Child) -> CommitmentChild:
        graph = self._graph
        sequence, joined = child.tx.inputs[0].sequence, child.sighash is not Sighash.ALL
        spent_sat = graph.outputs[child.vout].value_sat
        return CommitmentChild(
            provider=child.provider,
            built_in=child.provider in CORE,
            kind=child.kind,
            vout=child.vout,
            path=child.path.name,
            txid="" if joined else txid_text(child.tx.txid),
            fee_sat=spent_sat - sum(output.value_sat for output in child.outputs),
            may_be_joined=joined,
            outputs=tuple(
                self._shown(vout, each, ways(graph, each, self._channel.us)) for vout, each in enumerate(child.outputs)
            ),
            after_blocks=0 if sequence >> 31 else sequence & 0xFFFF,
            from_height=child.tx.locktime,
            gated=child.gated,
            adaptor_point=child.adaptor_point.hex(),
        )

    def _trimmed(self) -> tuple[TrimmedOutput, ...]:
        amounts = dict(_htlc_amounts(self._channel))
        return tuple(
            TrimmedOutput(provider, name, amounts.get(name) if provider == HTLC else None)
            for provider, name in self._graph.trimmed
        )


def _htlc_amounts(channel: Channel) -> Iterator[tuple[str, int]]:
    """What each HTLC holds, by the id of its output."""
    for htlc in htlcs_of(channel.base.states):
        yield f"{htlc.offerer}/{htlc.id}", htlc.amount_msat
    for update in (pending.update for pending in channel.log):
        if (update.provider, update.kind) == (HTLC, "add"):
            add = msgspec.msgpack.decode(update.body, type=AddHtlc)
            yield f"{update.proposer}/{update.id}", add.amount_msat


def script_type(script_pubkey: bytes) -> ScriptType:
    """How the chain calls such an output."""
    return next(name for start, name in STARTS if script_pubkey.startswith(start))


def expression(script: Script) -> str:
    """What a script was compiled from, on one line."""
    match script:
        case Template():
            return script.name
        case Miniscript():
            return script.expression
        case DataCarrier():
            return f"data({script.length})"
        case Taproot():
            leaves = (f"{leaf.depth}:{expression(leaf.script)}" for leaf in script.leaves)
            return f"tr({','.join((str(script.internal_key), *leaves))})"
