"""How does a channel open, on the opener's side? (BOLT 2, Channel Establishment v1)

    us                                 peer
     |---- open_channel ---------------->|      Open
     |<--- accept_channel ---------------|
     |     (the wallet funds it)         |      FundingWanted -> FundingProvided
     |---- funding_created ------------->|      signs the peer's commitment 0
     |<--- funding_signed ---------------|      signs our commitment 0
     |     (broadcast)                   |
     |<--- channel_ready (ready.py) ---->|

Until the funding transaction is broadcast nothing is at stake: whatever goes wrong, the channel is forgotten.
"""

from typing import Any

from lnpd_sdk.types import ACCEPTOR, OPENER
from msgspec.structs import replace

from lnpd.channel import beginning, commitments, opening_rules
from lnpd.channel.actions import Broadcast, FundingReleased, FundingWanted, Notify, Send, SignCommitment, Tell
from lnpd.channel.events import Disconnected, FundingFailed, FundingProvided, Open
from lnpd.channel.failure import released
from lnpd.channel.opening_rules import ANNOUNCE, Answer, Demands, check
from lnpd.channel.queries import CheckSignatures, CommitmentPoint, ask
from lnpd.channel.ready import await_ready
from lnpd.channel.state import (
    AwaitingAccept,
    AwaitingFunding,
    AwaitingFundingCreated,
    AwaitingFundingSigned,
    Base,
    Channel,
    Closed,
    New,
    Terms,
)
from lnpd.channel.table import Step, done, on
from lnpd.errors import FundingTypeChanged, WrongSignature
from lnpd.tx.funding import funding_script_pubkey, make_funding
from lnpd.tx.graph import CommitmentSignatures
from lnpd.tx.transaction import Tx, TxOut
from lnpd.wire.messages import (
    AcceptChannel,
    FundingCreated,
    FundingCreatedTlvs,
    FundingSigned,
    OpenChannel,
    OpenChannelTlvs,
)
from lnpd.wire.messages import Error as ErrorMessage

UNSIGNED = bytes(64)  # where the signer fills in


@on(New, Open)
def on_open(channel: Channel, command: Open) -> Step:
    """Send open_channel with our terms."""
    first_point = yield from ask(CommitmentPoint(0))
    terms = command.terms
    message = OpenChannel(
        chain_hash=command.chain_hash,
        temporary_channel_id=channel.id,
        funding_satoshis=command.capacity_sat,
        push_msat=command.push_msat,
        feerate_per_kw=command.feerate_per_kw,
        channel_flags=ANNOUNCE if command.announce else 0,
        first_per_commitment_point=first_point,
        tlvs=OpenChannelTlvs(
            upfront_shutdown_script=terms.upfront_shutdown_script,
            channel_type=command.type_bits,
            extensions=command.extensions or None,
            funding_type=command.funding_type,
            unknown=command.records,
        ),
        **demands_on_wire(terms),
    )
    channel = replace(
        channel,
        phase=AwaitingAccept(command.max_fee_sat),
        channel_type=command.channel_type,
        type_bits=command.type_bits,
        extensions=command.extensions,
        funding_type=command.funding_type,
        announce=command.announce,
        capacity_sat=command.capacity_sat,
        push_msat=command.push_msat,
        terms=(terms,),
        base=Base(start_balances(command.capacity_sat, command.push_msat), command.initial_states),
        aliases=(command.alias, b""),
        foreign=command.foreign,
        factory=command.factory,
    )
    return channel, [Send(message)]


@on(AwaitingAccept, AcceptChannel)
def on_accept_channel(channel: Channel, message: AcceptChannel) -> Step:
    """Check the peer's terms, and have the wallet fund the channel."""
    assert isinstance(channel.phase, AwaitingAccept)
    max_fee_sat, ours, theirs = channel.phase.max_fee_sat, channel.terms[OPENER], terms_of(message)
    zeroconf = "option_zeroconf" in channel.channel_type.features
    answer = Answer(message, channel.policy, channel.type_bits, channel.extensions, ours, zeroconf)
    check(opening_rules.ACCEPT, answer, "accept_channel")
    check_agreed(channel, message)
    demands = Demands(theirs, message.first_per_commitment_point, channel.policy, channel.capacity_sat)
    check(opening_rules.DEMANDS, demands, "accept_channel")
    channel = replace(
        channel,
        phase=AwaitingFunding(),
        terms=(ours, theirs),
        minimum_depth=message.minimum_depth,
        their_points=(message.first_per_commitment_point,),
    )
    if channel.foreign:
        return channel, []
    return (yield from done(channel, Tell("funding", "funding", FundingWanted(wanted_output(channel), max_fee_sat))))


@on(AwaitingFunding, FundingProvided)
def on_funding_provided(channel: Channel, event: FundingProvided) -> Step:
    """The wallet has made it."""
    return (yield from created(channel, event.vout, event.transaction))


def created(channel: Channel, vout: int, transaction: Tx) -> Step:
    """Sign the peer's first commitment, on this funding."""
    temporary_id = channel.id
    channel = yield from beginning.begun(with_funding(channel, transaction.txid, vout))
    channel = replace(channel, phase=AwaitingFundingSigned(transaction))
    funding = channel.fundings[0]
    theirs = yield from commitments.first(channel, ACCEPTOR, channel.their_points[0])
    message = FundingCreated(
        temporary_channel_id=temporary_id,
        funding_txid=funding.txid,
        funding_output_index=funding.vout,
        signature=UNSIGNED,
        tlvs=FundingCreatedTlvs(initial_state_digests=beginning.digests(channel)),
    )
    return channel, [commitments.keep(theirs), Send(message, (SignCommitment(funding.txid, 0),))]


@on(AwaitingFundingSigned, FundingSigned)
def on_funding_signed(channel: Channel, message: FundingSigned) -> Step:
    """Hold our first commitment, and only then broadcast the funding transaction."""
    assert isinstance(channel.phase, AwaitingFundingSigned)
    point = yield from ask(CommitmentPoint(0))
    ours = yield from commitments.first(channel, OPENER, point)
    signatures = CommitmentSignatures(message.signature)
    if wrong := (yield from ask(CheckSignatures(ours, signatures))):
        raise WrongSignature(f"funding_signed: {wrong}.")
    transaction: Tx = channel.phase.transaction
    channel, actions = yield from await_ready(channel)
    broadcast = [] if channel.foreign else [Broadcast("funding", transaction)]
    return channel, [commitments.keep(ours, signatures), *broadcast, *actions]


@on(AwaitingFunding, FundingFailed)
def on_funding_failed(channel: Channel, event: FundingFailed) -> Step:
    """Tell the peer that there will be no channel."""
    error = ErrorMessage(channel_id=channel.id, data=b"The funder could not fund this channel.")
    return done(replace(channel, phase=Closed(event.reason)), Send(error))


@on(Closed, FundingProvided)
def on_funding_too_late(channel: Channel, event: FundingProvided) -> Step:
    """The channel was given up while the wallet was at work: its coins are free again."""
    return done(channel, Tell("released", "funding", FundingReleased(event.transaction.txid)))


@on((New, AwaitingAccept, AwaitingFunding, AwaitingFundingSigned, AwaitingFundingCreated), Disconnected)
def on_disconnected(channel: Channel, event: Disconnected) -> Step:
    """Forget the channel (BOLT 2, Message Retransmission)."""
    reason = "The connection was lost before the channel was funded."
    notice = Notify("phase", "channel_closed", (("channel", channel.key), ("reason", reason)))
    return done(replace(channel, phase=Closed(reason), link="down"), *released(channel), notice)


def check_agreed(channel: Channel, message: AcceptChannel) -> None:
    """Raises FundingTypeChanged unless the peer echoes what the funding shall pay to, byte for byte."""
    wanted = channel.funding_type
    if message.tlvs.funding_type != wanted:
        name = wanted.name if wanted else "a plain channel"
        raise FundingTypeChanged(f"accept_channel: the peer does not agree to the funding of {name}.")


# What both sides need


def wanted_output(channel: Channel) -> TxOut:
    """What the funding has to pay, once both sides' terms are known."""
    return TxOut(channel.capacity_sat, funding_script_pubkey(funding_keys(channel), channel.channel_type.funding))


def start_balances(capacity_sat: int, push_msat: int) -> tuple[int, int]:
    """The balances of commitment 0, in msat by party."""
    return capacity_sat * 1000 - push_msat, push_msat


def funding_keys(channel: Channel) -> tuple[bytes, bytes]:
    """The funding keys by party."""
    return channel.terms[OPENER].funding_key, channel.terms[ACCEPTOR].funding_key


def channel_id_of(funding_txid: bytes, vout: int) -> bytes:
    """The channel_id of a funding output (BOLT 2, Definition of channel_id)."""
    return funding_txid[:30] + (int.from_bytes(funding_txid[30:], "big") ^ vout).to_bytes(2, "big")


def with_funding(channel: Channel, txid: bytes, vout: int) -> Channel:
    """The channel with its funding output and the id that follows from it."""
    return replace(
        channel,
        id=channel_id_of(txid, vout),
        fundings=(make_funding(txid, vout, channel.capacity_sat, funding_keys(channel), channel.channel_type.funding),),
    )


WIRE_NAMES = {
    "dust_limit_satoshis": "dust_limit_sat",
    "max_htlc_value_in_flight_msat": "max_htlc_value_in_flight_msat",
    "channel_reserve_satoshis": "channel_reserve_sat",
    "htlc_minimum_msat": "htlc_minimum_msat",
    "to_self_delay": "to_self_delay",
    "max_accepted_htlcs": "max_accepted_htlcs",
    "funding_pubkey": "funding_key",
    "revocation_basepoint": "revocation_basepoint",
    "payment_basepoint": "payment_basepoint",
    "delayed_payment_basepoint": "delayed_payment_basepoint",
    "htlc_basepoint": "htlc_basepoint",
}


def demands_on_wire(terms: Terms) -> dict[str, Any]:  # Any: fields of several types
    """Our terms under the names of open_channel and accept_channel."""
    return {wire: getattr(terms, ours) for wire, ours in WIRE_NAMES.items()}


def terms_of(message: OpenChannel | AcceptChannel) -> Terms:
    """The terms in an open_channel or accept_channel."""
    values = {ours: getattr(message, wire) for wire, ours in WIRE_NAMES.items()}
    return Terms(**values, upfront_shutdown_script=message.tlvs.upfront_shutdown_script or b"")
