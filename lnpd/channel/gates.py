"""How do the signatures of gated children pass, ahead of the commitment that they belong to? (auxiliary_signatures)

    signer                                     holder
     |---- update_* ---------------------------->|
     |---- auxiliary_signatures, in parts ------>|   bound to funding and number, kept until commitment_signed
     |---- (start_batch) commitment_signed ----->|   accepted only with all of them, valid, and each gate Ready
     |<--- revoke_and_ack -----------------------|   nothing else waits: two gates never wait for each other

Each part comes in its order. What was received is forgotten with the connection, for the signer sends it again
before the commitment_signed that it sends again. A commitment that a gate refused once, and that comes back, is signed
by a peer that means it: then the channel is frozen.
"""

from collections.abc import Generator, Sequence
from typing import Any, Final

import msgspec
from lnpd_sdk.types import ChildSignature, Wait
from msgspec.structs import replace

from lnpd.channel import commitments
from lnpd.channel.actions import Send, SignAuxiliary
from lnpd.channel.queries import Calls, FoldMemory, Folds, ProviderQuery, ask
from lnpd.channel.state import Channel, Normal, ShuttingDown
from lnpd.channel.table import Step, done, on
from lnpd.crypto.adaptor_ecdsa import PRE_SIGNATURE_BYTES
from lnpd.errors import (
    AuxiliaryForAnotherCommitment,
    AuxiliaryMissing,
    AuxiliaryOutOfOrder,
    AuxiliaryTooLong,
    AuxiliaryUnasked,
    GateClosed,
    GateStillClosed,
)
from lnpd.tx import pipeline
from lnpd.tx.checks import MAX_CHILDREN
from lnpd.tx.graph import CommitmentSpec, Graph, ProviderCall
from lnpd.tx.phases import ask_each
from lnpd.tx.presigned import Auxiliary, gated_bytes, joined
from lnpd.wire.messages import AuxiliarySignatures

Passing = Generator[Any, Any, None]  # Any: each reply is typed by its own query
Waits = tuple[tuple[str, str], ...]  # (provider, reason)

GATE: Final = "gate"  # the phase
CHUNK_BYTES: Final = 60_000
MAX_BYTES: Final = PRE_SIGNATURE_BYTES * MAX_CHILDREN  # of one provider in one commitment
MAX_CHUNKS: Final = 16  # a peer may make them smaller than we do, and each is stored with all before it
MAX_TOTAL_BYTES: Final = 2 * MAX_BYTES  # that may wait for their commitment_signed


# Sending


def ahead(channel: Channel, graph: Graph) -> list[Send]:
    """What goes before the commitment_signed of this graph, to be filled; also when it is retransmitted."""
    sends: list[Send] = []
    for namespace, extension in enumerate(channel.extensions):
        length = gated_bytes(graph, extension.name)
        starts = range(0, length, CHUNK_BYTES)
        for chunk, start in enumerate(starts):
            message = AuxiliarySignatures(
                channel_id=channel.id,
                funding_txid=graph.funding.txid,
                commitment_number=graph.number,
                namespace=namespace,
                chunk=chunk,
                num_chunks=len(starts),
                data=bytes(min(CHUNK_BYTES, length - start)),
            )
            fill = SignAuxiliary(graph.funding.txid, graph.number, extension.name, start)
            sends.append(Send(message, (fill,)))
    return sends


# Receiving


@on((Normal, ShuttingDown), AuxiliarySignatures)
def on_auxiliary_signatures(channel: Channel, message: AuxiliarySignatures) -> Step:
    """Keep a part until the commitment_signed that it belongs to."""
    found = _found(channel, message)
    expected = (found.chunks, found.num_chunks)
    if not message.chunk < message.num_chunks <= MAX_CHUNKS or (message.chunk, message.num_chunks) != expected:
        raise AuxiliaryOutOfOrder(
            f"auxiliary_signatures: part {message.chunk} of {message.num_chunks} is not the next one, which is "
            f"{found.chunks} of {found.num_chunks}."
        )
    others = tuple(each for each in channel.auxiliary if _place(each) != _place(found))
    data = found.data + message.data
    waiting = len(data) + sum(len(each.data) for each in others)
    if not message.data or len(data) > MAX_BYTES or waiting > MAX_TOTAL_BYTES:
        raise AuxiliaryTooLong(
            f"auxiliary_signatures: {len(data)} bytes of one extension, {waiting} in all; a part is not empty, and "
            f"{MAX_BYTES} and {MAX_TOTAL_BYTES} bytes may wait."
        )
    grown = replace(found, chunks=found.chunks + 1, data=data)
    return done(replace(channel, auxiliary=(*others, grown)))


def _found(channel: Channel, message: AuxiliarySignatures) -> Auxiliary:
    """What the part continues. Raises AuxiliaryUnasked, AuxiliaryForAnotherCommitment."""
    gates = {pin.name for pin in channel.channel_type.providers if GATE in pin.phases}
    names = [extension.name for extension in channel.extensions]
    if message.namespace >= len(names) or names[message.namespace] not in gates:
        raise AuxiliaryUnasked(f"auxiliary_signatures: extension {message.namespace} of this channel has no gate.")
    expected = channel.numbers[channel.us] + 1
    if message.commitment_number != expected:
        raise AuxiliaryForAnotherCommitment(
            f"auxiliary_signatures: for commitment {message.commitment_number}, our next one is {expected}."
        )
    if all(funding.txid != message.funding_txid for funding in channel.fundings):
        raise AuxiliaryForAnotherCommitment("auxiliary_signatures: funding_txid is not this channel's.")
    place = message.funding_txid, message.namespace
    known = (each for each in channel.auxiliary if _place(each) == place)
    return next(known, Auxiliary(*place, num_chunks=message.num_chunks))


def _place(each: Auxiliary) -> tuple[bytes, int]:
    return each.funding_txid, each.namespace


def with_auxiliary(channel: Channel, graph: Graph, listed: Sequence[bytes]) -> tuple[bytes, ...]:
    """All children's signatures of our commitment: `listed` is what its commitment_signed has.

    Raises AuxiliaryMissing, AuxiliaryUnasked, AuxiliaryTooLong.
    """
    auxiliary: dict[str, bytes] = {}
    received = {each.namespace: each for each in channel.auxiliary if each.funding_txid == graph.funding.txid}
    for namespace, extension in enumerate(channel.extensions):
        length, found = gated_bytes(graph, extension.name), received.get(namespace)
        here = f"{extension.name} in commitment {graph.number}"
        if not length and found is not None:
            raise AuxiliaryUnasked(f"auxiliary_signatures: there is nothing to sign for {here}.")
        if length and (found is None or found.chunks < found.num_chunks or len(found.data) < length):
            raise AuxiliaryMissing(f"commitment_signed: auxiliary_signatures of {here} have to come first.")
        if found is not None and len(found.data) > length:
            raise AuxiliaryTooLong(f"auxiliary_signatures: {here} needs {length} bytes, not {len(found.data)}.")
        auxiliary[extension.name] = found.data if found is not None else b""
    return joined(graph, listed, auxiliary)


# The gates


class AskGates(msgspec.Struct, ProviderQuery[Waits], frozen=True):
    """Whose gate does not let a commitment of ours pass, and why: (provider, reason) of each that answers Wait.

    `signatures` are those of all children, in the graph's order, and valid.
    """

    spec: CommitmentSpec
    graph: Graph
    signatures: tuple[bytes, ...]

    def calls(self, memory: FoldMemory | None = None) -> Calls[Waits]:
        """One `gate` for each provider that has gated children."""
        view, states = pipeline.view_of(self.spec), dict(self.spec.states)
        calls: list[ProviderCall] = []
        for pin in self.spec.type.providers:
            shown = tuple(
                ChildSignature(child.id, child.kind, signature)
                for child, signature in zip(self.graph.children, self.signatures, strict=True)
                if child.gated and child.provider == pin.name
            )
            if shown:
                calls.append(ProviderCall(pin.name, pin.format, GATE, (view, states.get(pin.name, b""), shown)))
        answers = yield from ask_each(calls)
        return tuple(
            (c.provider, each.reason) for c, each in zip(calls, answers, strict=True) if isinstance(each, Wait)
        )


def pass_gates(channel: Channel, graph: Graph, signatures: tuple[bytes, ...], folds: Folds) -> Passing:
    """Ask every gate of our commitment, whose signatures are valid. Raises GateClosed, GateStillClosed."""
    if not any(child.gated for child in graph.children):
        return
    point = graph.keys.per_commitment_point
    spec = commitments.specification(channel, channel.us, point, folds, graph.funding, graph.number)
    waits = yield from ask(AskGates(spec, graph, signatures))
    if waits:
        name, reason = waits[0]
        why = f"does not accept commitment {graph.number}: {reason.rstrip('.')}."
        if channel.refused_number == graph.number:
            raise GateStillClosed(name, why)
        raise GateClosed(f"{name} {why}", graph.number)


def remembered(channel: Channel, error: Exception) -> Channel:
    """The channel that knows which commitment a gate has refused."""
    return replace(channel, refused_number=error.number) if isinstance(error, GateClosed) else channel
