"""How does a channel go on after a lost connection? (BOLT 2, Message Retransmission)

    us                                          peer
     |---- channel_reestablish ------------------>|     both send it at once
     |<--- channel_reestablish -------------------|
     |---- channel_ready, if nothing followed it ->|
     |---- what the peer lacks ------------------->|    updates, auxiliary_signatures and commitment_signed, and
     |                                            |    revoke_and_ack, in the order in which they were first sent
     |---- shutdown, if it was sent -------------->|

What the peer lacks follows from two numbers and the snapshot; its messages come from kept rows and the signer, so that
they are the same bytes as before. Each number that cannot be right has its own error; if the peer proves that it is
ahead of us, we have lost data and never broadcast.
"""

from collections.abc import Generator
from hashlib import sha256
from typing import Any

from lnpd_sdk.types import PARTIES
from msgspec.structs import replace

from lnpd.channel import commitments, gates
from lnpd.channel.actions import Action, ExtensionForgotten, HtlcForgotten, Notify, Send, Tell
from lnpd.channel.events import Connected, Disconnected, PeerPosition
from lnpd.channel.failure import broadcast_latest, proven
from lnpd.channel.negotiation import first_offer
from lnpd.channel.normal import batched, commitment_signed, revoke_and_ack
from lnpd.channel.outcomes import message_of, undecided
from lnpd.channel.progress import after_change, shutdown_message
from lnpd.channel.queries import CommitmentPoint, FindCommitment, IsOurSecret, ask, commitment_key
from lnpd.channel.ready import announce_ready, ready_message
from lnpd.channel.state import (
    AwaitingReady,
    Channel,
    Closed,
    Failed,
    Negotiating,
    Normal,
    OnChain,
    Quiescence,
    ShuttingDown,
    update_key,
)
from lnpd.channel.table import Step, done, on
from lnpd.channel.updates import SIGNED, is_removal, of_stage, without_unsigned
from lnpd.crypto.shachain import index_of
from lnpd.errors import (
    CommitmentNumberZero,
    DataLost,
    ExtensionStateDiffers,
    LastSecretWrong,
    NextCommitmentNumberWrong,
    NextRevocationNumberWrong,
)
from lnpd.tx.funding import MAX_NUMBER
from lnpd.tx.states import BASE, HTLC
from lnpd.wire.base import Message
from lnpd.wire.messages import (
    ChannelReestablish,
    ChannelReestablishTlvs,
    ExtensionState,
    SignedState,
)
from lnpd.wire.messages import Error as ErrorMessage

LIVING = (AwaitingReady, Normal, ShuttingDown, Negotiating)
NO_SECRET = bytes(32)


# The store


def restored(channel: Channel) -> Channel:
    """A snapshot that was read from a store, to be given Disconnected: the store may be an old copy.

    What a failed channel decided is not doubted: nothing can have followed it.
    """
    unproven = channel.unproven or isinstance(channel.phase, LIVING)
    return replace(
        channel,
        unproven=unproven,
        unproven_since_height=0,
        unproven_starts=channel.unproven_starts + 1 if channel.unproven else 0,
    )


def doubted(channel: Channel) -> Channel:
    """A snapshot of a store that is known to be a copy, before it is `restored`."""
    return replace(channel, doubted=channel.unproven or isinstance(channel.phase, LIVING))


# The connection


@on(LIVING, Disconnected)
def on_disconnected(channel: Channel, event: Disconnected) -> Step:
    """What no commitment_signed covered is forgotten, on both sides; what waits for a decision is told again."""
    channel, forgotten = without_unsigned(channel)
    told: list[Action] = []
    for update in forgotten:
        if update.proposer != channel.us or update.provider == BASE or is_removal(update):
            continue
        if update.provider == HTLC:
            told.append(Tell(f"forgotten/{channel.losses}/{update.id}", "payments", HtlcForgotten(update.id)))
        else:
            lost = ExtensionForgotten(update.provider, update.id, update.body)
            told.append(Tell(f"forgotten/{channel.losses}/{update_key(update)}", "plugins", lost))
    phase = channel.phase
    if isinstance(phase, Negotiating):
        phase = replace(phase, our_fee_sat=0, our_min_sat=0, our_max_sat=0, their_fee_sat=0)
    channel = replace(
        channel,
        link="down",
        losses=channel.losses + bool(forgotten),
        phase=phase,
        shutdown_heard=False,
        quiescence=Quiescence(),
        batch=(),
        batch_missing=0,
        auxiliary=(),
    )
    return channel, [*told, *(yield from undecided(channel))]


@on((Failed, OnChain, Closed), Disconnected)
def on_disconnected_after_end(channel: Channel, event: Disconnected) -> Step:
    """Nothing is in flight any more."""
    return done(replace(channel, link="down"))


@on(LIVING, Connected)
def on_connected(channel: Channel, event: Connected) -> Step:
    """Say where we are."""
    states = yield from extension_states(channel)
    message = yield from _position(channel, states)
    return replace(channel, link="reestablishing"), [Send(message)]


def _position(channel: Channel, states: tuple[ExtensionState, ...]) -> Generator[Any, Any, ChannelReestablish]:
    unrevoked = channel.numbers[channel.them] - channel.awaiting_revocation
    secret = channel.their_secrets.get(index_of(unrevoked - 1)) if unrevoked else NO_SECRET
    point = yield from ask(CommitmentPoint(channel.numbers[channel.us]))
    return ChannelReestablish(
        channel_id=channel.id,
        next_commitment_number=channel.numbers[channel.us] + 1,
        next_revocation_number=unrevoked,
        your_last_per_commitment_secret=secret,
        my_current_per_commitment_point=point,
        tlvs=ChannelReestablishTlvs(extension_states=states or None),
    )


@on(Failed, Connected)
def on_connected_failed(channel: Channel, event: Connected) -> Step:
    """Repeat the error; nothing else is said any more (BOLT 2: a channel in an error state), unless both sides may wait
    for the other's word: then somebody has to say where it is.

    A channel of a backup says that it is at its beginning, with no secret of the peer's: a peer that keeps to BOLT 2
    sees that we have lost data, and one that hears nothing but errors closes for the error.
    """
    assert isinstance(channel.phase, Failed)
    sends = [Send(_error(channel, channel.phase.error))]
    if channel.from_backup or (channel.unproven and channel.phase.may_broadcast):
        sends.insert(0, Send((yield from _position(channel, ()))))
    return replace(channel, link="reestablishing"), [*sends]


@on(Failed, ChannelReestablish)
def on_reestablish_failed(channel: Channel, message: ChannelReestablish) -> Step:
    """Answered, for the peer may have lost the error. Of a channel of a backup it tells which of the outputs of the
    peer's commitment is the peer's own."""
    phase = channel.phase
    assert isinstance(phase, Failed)
    if channel.from_backup:
        channel = replace(channel, their_points=(message.my_current_per_commitment_point,))
    return done(channel, Send(_error(channel, phase.error)))


@on((OnChain, Closed), ChannelReestablish)
def on_reestablish_closed(channel: Channel, message: ChannelReestablish) -> Step:
    """Tell a peer that does not know it that the channel is over."""
    return done(channel, Send(_error(channel, "This channel is closed.")))


def _error(channel: Channel, text: str) -> ErrorMessage:
    return ErrorMessage(channel_id=channel.id, data=text.encode())


# Whether our state is the latest


@on(LIVING, PeerPosition)
def on_position(channel: Channel, event: PeerPosition) -> Step:
    """The peer knows of nothing newer than what we stored, or has just proved that it does."""
    return (yield from _proven(channel, event.message)), []


@on(Failed, PeerPosition)
def on_position_failed(channel: Channel, event: PeerPosition) -> Step:
    """What waited for this is broadcast."""
    assert isinstance(channel.phase, Failed)
    if not channel.unproven or not channel.phase.may_broadcast:
        return (yield from done(channel))
    channel = yield from _proven(channel, event.message)
    return channel, [] if channel.unproven else (yield from broadcast_latest(channel))


def _proven(channel: Channel, message: ChannelReestablish) -> Generator[Any, Any, Channel]:
    """A peer that is behind us proves it too: who would lie about that could as well lie that we are in step."""
    yield from check_secret(channel, message)
    newer = message.next_commitment_number > channel.numbers[channel.them] + 1
    return channel if newer else proven(channel)


# What the peer lacks


@on(LIVING, ChannelReestablish)
def on_reestablish(channel: Channel, message: ChannelReestablish) -> Step:
    """Check where the peer is, and send what it lacks."""
    yield from check_numbers(channel, message)
    lacks_signature = channel.awaiting_revocation and message.next_commitment_number == channel.numbers[channel.them]
    lacks_revocation = message.next_revocation_number == channel.numbers[channel.us] - 1
    in_step = not (lacks_signature or lacks_revocation or channel.awaiting_revocation)
    yield from check_extensions(channel, message, same_base=in_step)
    actions: list[Action] = []
    if message.next_commitment_number == 1 and channel.numbers[channel.us] == 0 and channel.ready[channel.us]:
        actions.append(Send((yield from ready_message(channel))))
    signature = (yield from _last_signature(channel)) if lacks_signature else []
    revocation = (yield from _last_revocation(channel)) if lacks_revocation else []
    actions += [*revocation, *signature] if channel.signed_after_revoking else [*signature, *revocation]
    channel = replace(proven(channel), link="up")
    if channel.shutdown[channel.us]:
        actions.append(Send(shutdown_message(channel)))
    if isinstance(channel.phase, Negotiating):
        channel, offer = yield from first_offer(channel)
        actions += offer
    channel, ready = yield from announce_ready(channel)
    notice = Notify("connection", "channel_active", (("channel", channel.key),))
    return (yield from after_change(channel, [*actions, *ready, notice]))


def check_numbers(channel: Channel, message: ChannelReestablish) -> Generator[Any, Any, None]:
    """Raise the error of the first of BOLT 2's rules on the numbers and the secret that is broken."""
    yield from check_secret(channel, message)
    theirs, ours = channel.numbers[channel.them], channel.numbers[channel.us]
    next_commitment, next_revocation = message.next_commitment_number, message.next_revocation_number
    if next_revocation not in (ours, ours - 1):
        raise NextRevocationNumberWrong(
            f"channel_reestablish: next_revocation_number is {next_revocation}, we are at {ours}."
        )
    if next_commitment not in ((theirs, theirs + 1) if channel.awaiting_revocation else (theirs + 1,)):
        raise NextCommitmentNumberWrong(
            f"channel_reestablish: next_commitment_number is {next_commitment}, we signed {theirs} last."
        )


def check_secret(channel: Channel, message: ChannelReestablish) -> Generator[Any, Any, None]:
    """Raise CommitmentNumberZero, LastSecretWrong, or DataLost: the peer has a secret that we know nothing of."""
    ours, next_revocation = channel.numbers[channel.us], message.next_revocation_number
    if message.next_commitment_number == 0:
        raise CommitmentNumberZero("channel_reestablish: next_commitment_number is 0.")
    secret, known = message.your_last_per_commitment_secret, True
    if next_revocation > MAX_NUMBER:
        known = False
    elif next_revocation:
        known = yield from ask(IsOurSecret(next_revocation - 1, secret))
    elif secret != NO_SECRET:
        known = False
    if next_revocation > ours and known:
        raise DataLost(
            f"We have lost data: our commitment {next_revocation - 1} is revoked already, and we know of {ours}. "
            "Please close this channel."
        )
    if not known:
        raise LastSecretWrong("channel_reestablish: your_last_per_commitment_secret is not the one that we revealed.")


def _last_signature(channel: Channel) -> Generator[Any, Any, list[Action]]:
    """The updates that our last commitment_signed covers, in their order, the auxiliary signatures, and it."""
    updates: list[Action] = []
    for pending in of_stage(channel, channel.us, 1):
        message = yield from message_of(pending.update)
        assert isinstance(message, Message)
        updates.append(Send(message))
    signatures: list[Action] = []
    for funding in channel.fundings:
        key = commitment_key(funding.txid, channel.them, channel.numbers[channel.them])
        kept = yield from ask(FindCommitment(key))
        assert kept is not None, "a commitment is kept before its signature leaves"
        updates += gates.ahead(channel, kept.graph)
        signatures.append(commitment_signed(channel, kept.graph))
    return [*updates, *batched(channel, signatures)]


def _last_revocation(channel: Channel) -> Generator[Any, Any, list[Action]]:
    number = channel.numbers[channel.us]
    next_point = yield from ask(CommitmentPoint(number + 1))
    return [revoke_and_ack(channel, number - 1, next_point)]


# Extensions' states


def extension_states(channel: Channel) -> Generator[Any, Any, tuple[ExtensionState, ...]]:
    """Digests of each extension's base state, and of its state in the last signed commitment of each side."""
    if not channel.extensions:
        return ()
    signed = []
    for holder in PARTIES:
        folds = yield from commitments.fold(channel, holder, SIGNED)
        signed.append(dict(folds.states))
    base = dict(channel.base.states)
    return tuple(
        ExtensionState(
            namespace=namespace,
            format=extension.format,
            base_digest=sha256(base[extension.name]).digest(),
            signed=tuple(
                SignedState(
                    funding_txid=funding.txid,
                    holder=holder,
                    commitment_number=channel.numbers[holder],
                    digest=sha256(signed[holder][extension.name]).digest(),
                )
                for funding in channel.fundings
                for holder in PARTIES
            ),
        )
        for namespace, extension in enumerate(channel.extensions)
    )


def check_extensions(channel: Channel, message: ChannelReestablish, *, same_base: bool) -> Generator[Any, Any, None]:
    """Compare like with like: states of the same commitment, and the base only if both sides have revoked alike.

    Raises ExtensionStateDiffers, which names the provider.
    """
    theirs = {state.namespace: state for state in message.tlvs.extension_states or ()}
    if not theirs or not channel.extensions:
        return
    for ours in (yield from extension_states(channel)):
        name, given = channel.extensions[ours.namespace].name, theirs.get(ours.namespace)
        if given is None:
            continue
        if given.format != ours.format:
            raise ExtensionStateDiffers(f"{name}: the peer speaks format {given.format}, this channel {ours.format}.")
        digests = {(s.funding_txid, s.holder, s.commitment_number): s.digest for s in given.signed}
        for state in ours.signed:
            key = (state.funding_txid, state.holder, state.commitment_number)
            if digests.get(key, state.digest) != state.digest:
                raise ExtensionStateDiffers(
                    f"{name}: its state in commitment {state.commitment_number} of party {state.holder} differs."
                )
        alike = all(key in digests for key in ((s.funding_txid, s.holder, s.commitment_number) for s in ours.signed))
        if same_base and alike and given.base_digest != ours.base_digest:
            raise ExtensionStateDiffers(f"{name}: its irrevocable state differs.")
