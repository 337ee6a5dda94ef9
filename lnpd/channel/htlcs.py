"""How are HTLCs offered and removed? (BOLT 2, Adding an HTLC, Removing an HTLC)

    offerer                                   recipient
     |---- update_add_htlc ----------------------->|
     |     (commit and revoke, both ways)          |  irrevocable: HtlcReceived
     |<--- update_fulfill_htlc / fail / malformed -|  a preimage is told on arrival, a failure once irrevocable
     |     (commit and revoke, both ways)          |

A removal that this node decided on is remembered until it is irrevocable: a lost connection only delays it.
"""

import msgspec
from lnpd_sdk.types import AddHtlc, Htlc, Party, Update
from msgspec.structs import replace

from lnpd.channel.actions import HtlcFulfilled, HtlcOffered, Keep, Send, Tell
from lnpd.channel.events import Add, Fail, FailMalformed, Fulfill
from lnpd.channel.limits import REMOVE, Removal
from lnpd.channel.opening_rules import check
from lnpd.channel.progress import after_change
from lnpd.channel.proposals import admit, may_propose, may_receive, own
from lnpd.channel.queries import Secure, ask
from lnpd.channel.removals import REMOVAL_KINDS, RemovalMessage, being_removed, htlc_at, removal_update
from lnpd.channel.state import Channel, Decision, Normal, ShuttingDown
from lnpd.channel.table import Step, done, on
from lnpd.channel.updates import next_id
from lnpd.errors import AddAfterShutdown, CommandRefused, HtlcIdOutOfOrder
from lnpd.tx.states import HTLC
from lnpd.wire.message import to_row
from lnpd.wire.messages import (
    UpdateAddHtlc,
    UpdateAddHtlcTlvs,
    UpdateFailHtlc,
    UpdateFailMalformedHtlc,
    UpdateFulfillHtlc,
)

# Offering


@on(Normal, Add)
def on_add(channel: Channel, command: Add) -> Step:
    """Offer an HTLC."""
    may_propose(channel)
    if channel.shutdown_script:
        raise CommandRefused("The channel is closing: nothing may be added.")
    message = offer(channel, command)
    channel, rows = yield from own(admit(channel, add_update(channel.us, message), message))
    told = Tell(f"offered/{channel.losses}/{message.id}", "payments", HtlcOffered(message.id, command.reference))
    return channel, [*rows, Send(message), told]


def offer(channel: Channel, command: Add) -> UpdateAddHtlc:
    """The message of the next HTLC that we offer."""
    return UpdateAddHtlc(
        channel_id=channel.id,
        id=next_id(channel, HTLC, channel.us),
        amount_msat=command.amount_msat,
        payment_hash=command.payment_hash,
        cltv_expiry=command.cltv_expiry,
        onion_routing_packet=command.onion,
        tlvs=UpdateAddHtlcTlvs(blinded_path=command.path_key or None, unknown=command.tlvs),
    )


@on((Normal, ShuttingDown), UpdateAddHtlc)
def on_update_add_htlc(channel: Channel, message: UpdateAddHtlc) -> Step:
    """The peer offers an HTLC; payments hear of it when it is irrevocable."""
    may_receive(channel)
    if channel.shutdown[channel.them]:
        raise AddAfterShutdown("update_add_htlc: shutdown was sent before it.")
    expected = next_id(channel, HTLC, channel.them)
    if message.id != expected:
        raise HtlcIdOutOfOrder(f"update_add_htlc: the id is {message.id}, the next one is {expected}.")
    channel, rows = yield from admit(channel, add_update(channel.them, message), message)
    return channel, rows


def add_update(proposer: Party, message: UpdateAddHtlc) -> Update:
    """The update that an update_add_htlc means; its odd TLVs are shown to providers, its onion is not."""
    add = AddHtlc(message.amount_msat, message.payment_hash, message.cltv_expiry, message.tlvs.unknown)
    return Update(proposer, HTLC, "add", message.id, msgspec.msgpack.encode(add))


# Removing


@on((Normal, ShuttingDown), Fulfill)
def on_fulfill(channel: Channel, command: Fulfill) -> Step:
    """Claim an incoming HTLC."""
    return decide(channel, fulfilling(channel, command))


def fulfilling(channel: Channel, command: Fulfill) -> UpdateFulfillHtlc:
    """The message of a claim."""
    return UpdateFulfillHtlc(channel_id=channel.id, id=command.id, payment_preimage=command.preimage)


@on((Normal, ShuttingDown), Fail)
def on_fail(channel: Channel, command: Fail) -> Step:
    """Fail an incoming HTLC."""
    return decide(channel, failing(channel, command))


def failing(channel: Channel, command: Fail) -> UpdateFailHtlc:
    """The message of a failure."""
    return UpdateFailHtlc(channel_id=channel.id, id=command.id, reason=command.reason)


@on((Normal, ShuttingDown), FailMalformed)
def on_fail_malformed(channel: Channel, command: FailMalformed) -> Step:
    """Fail an incoming HTLC whose onion is unreadable."""
    message = UpdateFailMalformedHtlc(
        channel_id=channel.id,
        id=command.id,
        sha256_of_onion=command.sha256_of_onion,
        failure_code=command.failure_code,
    )
    return decide(channel, message)


def decide(channel: Channel, message: RemovalMessage) -> Step:
    """Remember a removal; it is sent at once if it may be. Another decision changes nothing, but for a preimage in the
    place of a failure that the peer has not seen."""
    htlc = htlc_at(channel, channel.them, message.id)
    if htlc is None:
        raise CommandRefused(f"There is no irrevocably committed incoming HTLC {message.id}.")
    kind = REMOVAL_KINDS[type(message)]
    before = next((decision for decision in channel.decisions if decision.id == message.id), None)
    unseen = message.id not in being_removed(channel, channel.us)
    if before is not None and not (kind == "fulfill" != before.kind and unseen):
        return (yield from done(channel))
    preimage = message.payment_preimage if isinstance(message, UpdateFulfillHtlc) else b""
    removal = Removal(message.id, htlc, False, preimage or None, getattr(message, "failure_code", None))
    refused_by_rule(removal)
    decision = Decision(message.id, kind, preimage)
    row = Keep("decision", str(message.id), to_row(message))
    # The row is only stored with this step: what is sent now comes from here.
    channel = replace(channel, decisions=(*(d for d in channel.decisions if d is not before), decision))
    return (yield from after_change(channel, [row], fresh={message.id: message}))


def refused_by_rule(removal: Removal) -> None:
    """Our own removal by the rules that a peer's has to keep."""
    for rule in REMOVE:
        if rule.broken(removal):
            raise CommandRefused(f"HTLC {removal.id}: {rule.says}.")


@on((Normal, ShuttingDown), UpdateFulfillHtlc)
def on_update_fulfill_htlc(channel: Channel, message: UpdateFulfillHtlc) -> Step:
    """The peer claims our HTLC: the preimage is told before anything else is asked, also if it may not come now."""
    htlc = checked_removal(channel, message, preimage=message.payment_preimage)
    told = HtlcFulfilled(message.id, htlc.payment_hash, message.payment_preimage)
    yield from ask(Secure((Tell(f"fulfilled/{message.id}", "payments", told),)))
    may_receive(channel)
    return (yield from admit(channel, removal_update(channel.them, message), message))


@on((Normal, ShuttingDown), UpdateFailHtlc)
def on_update_fail_htlc(channel: Channel, message: UpdateFailHtlc) -> Step:
    """The peer fails our HTLC; told once it is irrevocable."""
    may_receive(channel)
    checked_removal(channel, message)
    return (yield from admit(channel, removal_update(channel.them, message), message))


@on((Normal, ShuttingDown), UpdateFailMalformedHtlc)
def on_update_fail_malformed_htlc(channel: Channel, message: UpdateFailMalformedHtlc) -> Step:
    """The peer could not read our onion; told once it is irrevocable."""
    may_receive(channel)
    checked_removal(channel, message, failure_code=message.failure_code)
    return (yield from admit(channel, removal_update(channel.them, message), message))


def checked_removal(
    channel: Channel, message: RemovalMessage, preimage: bytes | None = None, failure_code: int | None = None
) -> Htlc:
    """The HTLC of ours that the peer removes; raises the error of the rule that it breaks."""
    htlc = htlc_at(channel, channel.us, message.id)
    already = message.id in being_removed(channel, channel.them)
    check(REMOVE, Removal(message.id, htlc, already, preimage, failure_code), message.NAME)
    assert htlc is not None
    return htlc
