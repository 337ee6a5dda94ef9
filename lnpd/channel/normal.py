"""How do updates become irrevocable? (BOLT 2, Committing Updates So Far, Completing the Transition)

    us                                          peer
     |---- update_* ----------------------------->|
     |---- (auxiliary_signatures) --------------->|   where children are gated: gates.py
     |---- (start_batch) commitment_signed ------>|   one for each funding; signs their next commitment
     |<--- revoke_and_ack ------------------------|   their last one is revoked
     |<--- (start_batch) commitment_signed -------|   signs our next commitment
     |---- revoke_and_ack ----------------------->|   at once: ours before it is revoked

What the stages of an update are stands in updates.py. A commitment's graph is kept before its signature leaves, and
the digests of the providers' outputs are compared before signatures, so that a disagreement names its provider.
"""

from lnpd_sdk.types import Party
from msgspec.structs import replace

from lnpd.channel import commitments, gates
from lnpd.channel.actions import Action, ReleaseSecret, Send, SignCommitment
from lnpd.channel.audit import audited
from lnpd.channel.events import Commit
from lnpd.channel.foresight import build_ahead
from lnpd.channel.outcomes import settle
from lnpd.channel.progress import after_change
from lnpd.channel.queries import CheckSignatures, CommitmentPoint, ask
from lnpd.channel.state import AwaitingReady, Channel, Negotiating, Normal, ShuttingDown
from lnpd.channel.table import Step, done, on
from lnpd.channel.updates import NEXT, unsigned, with_revocation, with_signature
from lnpd.crypto.keys import point_of_revealed
from lnpd.crypto.secp import is_point, is_secret
from lnpd.crypto.shachain import index_of
from lnpd.errors import (
    BatchTooLarge,
    BatchUnexpected,
    CommitmentForUnknownFunding,
    CommitmentMissing,
    ExtensionDisagrees,
    InvalidPerCommitmentPoint,
    RevocationUnexpected,
    WrongPerCommitmentSecret,
    WrongSignature,
)
from lnpd.tx.graph import CommitmentSignatures, Graph
from lnpd.tx.presigned import in_commitment_signed
from lnpd.wire.message import from_row, to_row
from lnpd.wire.messages import CommitmentSigned, CommitmentSignedTlvs, RevokeAndAck, StartBatch, StartBatchTlvs

UPDATING = (Normal, ShuttingDown)
MAX_BATCH = 20
UNSIGNED = bytes(64)
COMMITMENT_SIGNED = CommitmentSigned.NUMBER


@on((AwaitingReady, Normal, ShuttingDown, Negotiating), Commit)
def on_commit(channel: Channel, command: Commit) -> Step:
    """Sign the peer's next commitment, if that would change anything and its last one is revoked."""
    if not can_commit(channel):
        return (yield from done(channel))
    channel, actions = yield from commit(channel)
    return (yield from after_change(channel, actions))


def can_commit(channel: Channel) -> bool:
    """Whether there is something to sign and nothing to wait for."""
    return (
        channel.live
        and isinstance(channel.phase, UPDATING)
        and not channel.awaiting_revocation
        and unsigned(channel, channel.us)
    )


def commit(channel: Channel) -> Step:
    """The step that signs the peer's next commitment on each funding."""
    peer, number = channel.them, channel.numbers[channel.them] + 1
    folds = yield from commitments.fold(channel, peer, NEXT)
    channel = yield from audited(channel, peer, folds)
    yield from build_ahead(channel, peer, folds)
    actions, signed = list[Action](), list[Action]()
    for funding in channel.fundings:
        graph = yield from commitments.build(channel, funding, peer, number, channel.their_points[1], folds)
        actions += [commitments.keep(graph), *gates.ahead(channel, graph)]
        signed.append(commitment_signed(channel, graph))
    channel = replace(
        with_signature(channel, channel.us),
        numbers=with_number(channel, peer, number),
        awaiting_revocation=True,
        signed_after_revoking=True,
    )
    return channel, [*actions, *batched(channel, signed)]


def commitment_signed(channel: Channel, graph: Graph) -> Send:
    """The commitment_signed of a graph, to be filled; also when it is retransmitted."""
    tlvs = CommitmentSignedTlvs(
        funding_txid=graph.funding.txid if len(channel.fundings) > 1 else None,
        extension_digests=extension_digests(channel, graph),
    )
    htlc_signatures = in_commitment_signed(graph, (UNSIGNED,) * len(graph.children))
    message = CommitmentSigned(channel_id=channel.id, signature=UNSIGNED, htlc_signature=htlc_signatures, tlvs=tlvs)
    return Send(message, (SignCommitment(graph.funding.txid, graph.number),))


def batched(channel: Channel, actions: list[Action]) -> list[Action]:
    """The same, led by start_batch where there are several fundings (BOLT 2, Batching channel messages)."""
    if len(channel.fundings) < 2:
        return actions
    tlvs = StartBatchTlvs(message_type=COMMITMENT_SIGNED)
    return [Send(StartBatch(channel_id=channel.id, batch_size=len(channel.fundings), tlvs=tlvs)), *actions]


def extension_digests(channel: Channel, graph: Graph) -> tuple[bytes, ...] | None:
    """Each extension's digest, in the order of the channel's list; None without extensions."""
    digests = dict(graph.digests)
    return tuple(digests[extension.name] for extension in channel.extensions) or None


# Receiving


@on(UPDATING, StartBatch)
def on_start_batch(channel: Channel, message: StartBatch) -> Step:
    """The next messages belong together. A batch of one, or of something else, is ignored (BOLT 2)."""
    if message.batch_size > MAX_BATCH:
        raise BatchTooLarge(f"start_batch: batch_size is {message.batch_size}, at most {MAX_BATCH} are allowed.")
    if channel.batch_missing:
        raise BatchUnexpected("start_batch: the batch before it is not complete.")
    if message.batch_size < 2 or message.tlvs.message_type != COMMITMENT_SIGNED:
        return done(channel)
    return done(replace(channel, batch_missing=message.batch_size, batch=()))


@on(UPDATING, CommitmentSigned)
def on_commitment_signed(channel: Channel, message: CommitmentSigned) -> Step:
    """Hold our next commitment on every funding, then revoke the last one."""
    batch: tuple[CommitmentSigned, ...] = (message,)
    if channel.batch_missing:
        channel = replace(channel, batch=(*channel.batch, to_row(message)), batch_missing=channel.batch_missing - 1)
        if channel.batch_missing:
            return (yield from done(channel))
        batch = tuple(m for m in map(from_row, channel.batch) if isinstance(m, CommitmentSigned))
        channel = replace(channel, batch=())
    us, number = channel.us, channel.numbers[channel.us] + 1
    messages = by_funding(channel, batch)
    point = yield from ask(CommitmentPoint(number))
    next_point = yield from ask(CommitmentPoint(number + 1))
    folds = yield from commitments.fold(channel, us, NEXT)
    channel = yield from audited(channel, us, folds)
    yield from build_ahead(channel, us, folds)
    actions: list[Action] = []
    for funding in channel.fundings:
        graph = yield from commitments.build(channel, funding, us, number, point, folds)
        signatures = received_signatures(channel, graph, messages[funding.txid])
        if wrong := (yield from ask(CheckSignatures(graph, signatures))):
            raise WrongSignature(f"commitment_signed {number}: {wrong}.")
        yield from gates.pass_gates(channel, graph, signatures.children, folds)
        actions.append(commitments.keep(graph, signatures))
    channel = with_signature(channel, channel.them)
    numbers = with_number(channel, us, number)
    channel = replace(channel, numbers=numbers, signed_after_revoking=False, auxiliary=(), refused_number=-1)
    channel, irrevocable = with_revocation(channel, us)
    actions.append(revoke_and_ack(channel, number - 1, next_point))
    channel, effects = yield from settle(channel, us, irrevocable)
    return (yield from after_change(channel, [*actions, *effects]))


def by_funding(channel: Channel, batch: tuple[CommitmentSigned, ...]) -> dict[bytes, CommitmentSigned]:
    """One message for each of our fundings; those for others in a batch are obsolete and ignored (BOLT 2)."""
    if len(channel.fundings) > 1 and len(batch) == 1:
        raise CommitmentMissing("commitment_signed: several fundings are signed in one batch.")
    if len(batch) == 1:
        txid = batch[0].tlvs.funding_txid
        if txid not in (None, channel.fundings[0].txid):
            raise CommitmentForUnknownFunding("commitment_signed: funding_txid is not this channel's.")
        return {channel.fundings[0].txid: batch[0]}
    if any(message.tlvs.funding_txid is None for message in batch):
        raise CommitmentMissing("commitment_signed: funding_txid is missing in a batch.")
    found = {message.tlvs.funding_txid: message for message in batch if message.tlvs.funding_txid}
    for funding in channel.fundings:
        if funding.txid not in found:
            raise CommitmentMissing(f"commitment_signed: none in the batch is for funding {funding.txid[::-1].hex()}.")
    return found


def received_signatures(channel: Channel, graph: Graph, message: CommitmentSigned) -> CommitmentSignatures:
    """The signatures, once the extensions' digests agree: a mismatch is named rather than a wrong signature."""
    expected = extension_digests(channel, graph)
    given = message.tlvs.extension_digests
    if expected is not None and given is not None:
        for extension, ours, theirs in zip(channel.extensions, expected, given, strict=False):
            if ours != theirs:
                raise ExtensionDisagrees(f"{extension.name}: its outputs in commitment {graph.number} differ.")
    return CommitmentSignatures(message.signature, gates.with_auxiliary(channel, graph, message.htlc_signature))


def revoke_and_ack(channel: Channel, number: int, next_point: bytes) -> Send:
    """The revoke_and_ack of our commitment `number`, to be filled; also when it is retransmitted."""
    message = RevokeAndAck(channel_id=channel.id, per_commitment_secret=bytes(32), next_per_commitment_point=next_point)
    return Send(message, (ReleaseSecret(number),))


@on((Normal, ShuttingDown), RevokeAndAck)
def on_revoke_and_ack(channel: Channel, message: RevokeAndAck) -> Step:
    """The peer's last commitment is revoked: remember its secret, and what is irrevocable now."""
    peer = channel.them
    if not channel.awaiting_revocation:
        raise RevocationUnexpected("revoke_and_ack: no commitment_signed of ours is unanswered.")
    secret, number = message.per_commitment_secret, channel.numbers[peer] - 1
    if not is_secret(secret) or point_of_revealed(secret) != channel.their_points[0]:
        raise WrongPerCommitmentSecret(
            f"revoke_and_ack: per_commitment_secret does not generate the point of commitment {number}."
        )
    if not is_point(message.next_per_commitment_point):
        raise InvalidPerCommitmentPoint("revoke_and_ack: next_per_commitment_point is no point.")
    channel = replace(
        channel,
        their_secrets=channel.their_secrets.insert(index_of(number), secret),
        their_points=(*channel.their_points[1:], message.next_per_commitment_point),
        awaiting_revocation=False,
    )
    channel, irrevocable = with_revocation(channel, peer)
    channel, effects = yield from settle(channel, peer, irrevocable)
    return (yield from after_change(channel, effects))


# What both share


def with_number(channel: Channel, holder: Party, number: int) -> tuple[int, int]:
    """The commitment numbers with one of them changed."""
    return (number, channel.numbers[1]) if holder == 0 else (channel.numbers[0], number)
