"""Who is told what, once an update is irrevocable?"""

from collections.abc import Generator
from typing import Any

import msgspec
from lnpd_sdk.types import AddHtlc, Htlc, Party, Update, other
from msgspec.structs import replace

from lnpd.channel import commitments
from lnpd.channel.actions import Action, ExtensionCommitted, HtlcFailed, HtlcReceived, Tell
from lnpd.channel.dust import exposure_with_msat, htlc_of
from lnpd.channel.queries import FindRow, ask
from lnpd.channel.state import Channel, update_key
from lnpd.channel.updates import is_removal
from lnpd.tx.states import BASE, HTLC, htlcs_of
from lnpd.wire.base import Message, Unknown
from lnpd.wire.message import from_row
from lnpd.wire.messages import UpdateAddHtlc, UpdateFailHtlc, UpdateFailMalformedHtlc

Settling = Generator[Any, Any, tuple[Channel, list[Action]]]  # Any: each reply is typed by its own query


def settle(channel: Channel, revoker: Party, irrevocable: tuple[Update, ...]) -> Settling:
    """Fold what the revoker's revoke_and_ack made irrevocable into the base, and tell whom it concerns."""
    before = {(h.offerer, h.id): h for h in htlcs_of(channel.base.states)}
    channel = yield from commitments.with_irrevocable(channel, revoker, irrevocable)
    actions: list[Action] = []
    for update in irrevocable:
        if update.provider == HTLC and update.kind == "add":
            if update.proposer == channel.them and not channel.funding_undone:
                actions.append((yield from _received(channel, update)))
        elif is_removal(update):
            channel, told = yield from _removed(channel, update, before[other(update.proposer), update.id])
            actions += told
        elif update.provider != BASE:
            told_plugin = ExtensionCommitted(update.provider, update.proposer, update.id, update.body)
            actions.append(Tell(f"committed/{update_key(update)}", "plugins", told_plugin))
    return channel, actions


def message_of(update: Update) -> Generator[Any, Any, Message | Unknown]:
    """The message by which an update came or went, from its kept row."""
    row = yield from ask(FindRow("update", update_key(update)))
    assert row is not None, "an update's message is kept when it is proposed"
    return from_row(row)


def undecided(channel: Channel) -> Generator[Any, Any, list[Action]]:
    """Tell again of every HTLC of the peer's that waits for our decision: whoever was told may have lost it. Not while
    the funding is undone: who answers counts it as paid."""
    if channel.funding_undone:
        return []
    decided = {decision.id for decision in channel.decisions}
    told: list[Action] = []
    for htlc in htlcs_of(channel.base.states):
        if htlc.offerer == channel.them and htlc.id not in decided:
            body = AddHtlc(htlc.amount_msat, htlc.payment_hash, htlc.cltv_expiry, htlc.tlvs)
            update = Update(channel.them, HTLC, "add", htlc.id, msgspec.msgpack.encode(body))
            told.append((yield from _received(channel, update)))
    return told


def _received(channel: Channel, update: Update) -> Generator[Any, Any, Tell]:
    message = yield from message_of(update)
    assert isinstance(message, UpdateAddHtlc)
    htlc = htlc_of(update)
    received = HtlcReceived(
        id=htlc.id,
        amount_msat=htlc.amount_msat,
        payment_hash=htlc.payment_hash,
        cltv_expiry=htlc.cltv_expiry,
        onion=message.onion_routing_packet,
        path_key=message.tlvs.blinded_path or b"",
        over_exposure=over_exposure(channel, htlc),
        tlvs=htlc.tlvs,
    )
    return Tell(f"received/{htlc.id}", "payments", received)


def over_exposure(channel: Channel, htlc: Htlc) -> bool:
    """Whether an HTLC of the peer's takes what has no output in a commitment over our limit."""
    return exposure_with_msat(channel, htlc) > channel.policy.max_dust_exposure_msat


def _removed(channel: Channel, update: Update, htlc: Htlc) -> Settling:
    if update.proposer == channel.us:
        decisions = tuple(d for d in channel.decisions if d.id != update.id)
        return replace(channel, decisions=decisions), []
    if update.kind == "fulfill":  # told on arrival
        return channel, []
    message = yield from message_of(update)
    failed = HtlcFailed(update.id, htlc.payment_hash)
    if isinstance(message, UpdateFailHtlc):
        failed = replace(failed, reason=message.reason)
    elif isinstance(message, UpdateFailMalformedHtlc):
        failed = replace(failed, failure_code=message.failure_code, sha256_of_onion=message.sha256_of_onion)
    return channel, [Tell(f"failed/{update.id}", "payments", failed)]
