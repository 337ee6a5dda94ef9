"""How does a channel open, on the acceptor's side? (BOLT 2, Channel Establishment v1)

peer                               us
 |---- open_channel ---------------->|      Accept: with our terms and policy
 |<--- accept_channel ---------------|
 |---- funding_created ------------->|      signs our commitment 0
 |<--- funding_signed ---------------|      signs the peer's commitment 0
 |<--- channel_ready (ready.py) ---->|
"""

from lnpd_sdk.types import ACCEPTOR, OPENER
from msgspec.structs import replace

from lnpd.channel import beginning, commitments, opening_rules
from lnpd.channel.actions import Send, SignCommitment
from lnpd.channel.events import Accept
from lnpd.channel.opening import UNSIGNED, demands_on_wire, start_balances, terms_of, with_funding
from lnpd.channel.opening_rules import ANNOUNCE, Demands, Offer, Start, check
from lnpd.channel.queries import CheckSignatures, ClaimId, CommitmentPoint, ask
from lnpd.channel.ready import await_ready
from lnpd.channel.state import AwaitingFundingCreated, Base, Channel, New
from lnpd.channel.table import Step, on
from lnpd.errors import ChannelIdInUse, WrongSignature
from lnpd.tx.graph import CommitmentSignatures
from lnpd.wire.messages import AcceptChannel, AcceptChannelTlvs, FundingCreated, FundingSigned


@on(New, Accept)
def on_open_channel(channel: Channel, event: Accept) -> Step:
    """Check everything that open_channel asks for, and answer with our terms."""
    message, ours, theirs = event.message, event.terms, terms_of(event.message)
    offer = Offer(message, channel.policy, event.chain_hash, event.channel_type, event.zeroconf, ours)
    check(opening_rules.OPEN, offer, "open_channel")
    demands = Demands(theirs, message.first_per_commitment_point, channel.policy, message.funding_satoshis)
    check(opening_rules.DEMANDS, demands, "open_channel")
    assert event.channel_type is not None
    check(opening_rules.START, Start(message, event.channel_type), "open_channel")
    channel = replace(
        channel,
        phase=AwaitingFundingCreated(),
        channel_type=event.channel_type,
        type_bits=message.tlvs.channel_type or b"",
        extensions=message.tlvs.extensions or (),
        funding_type=message.tlvs.funding_type,
        announce=bool(message.channel_flags & ANNOUNCE),
        capacity_sat=message.funding_satoshis,
        push_msat=message.push_msat,
        minimum_depth=0 if "option_zeroconf" in event.channel_type.features else event.minimum_depth,
        terms=(theirs, ours),
        their_points=(message.first_per_commitment_point,),
        base=Base(start_balances(message.funding_satoshis, message.push_msat), event.initial_states),
        aliases=(b"", event.alias),
    )
    first_point = yield from ask(CommitmentPoint(0))
    answer = AcceptChannel(
        temporary_channel_id=message.temporary_channel_id,
        minimum_depth=channel.minimum_depth,
        first_per_commitment_point=first_point,
        tlvs=AcceptChannelTlvs(
            upfront_shutdown_script=ours.upfront_shutdown_script,
            channel_type=message.tlvs.channel_type,
            extensions=message.tlvs.extensions,
            funding_type=message.tlvs.funding_type,
            unknown=event.records,
        ),
        **demands_on_wire(ours),
    )
    return channel, [Send(answer)]


@on(AwaitingFundingCreated, FundingCreated)
def on_funding_created(channel: Channel, message: FundingCreated) -> Step:
    """Hold our first commitment, then sign the peer's."""
    channel = with_funding(channel, message.funding_txid, message.funding_output_index)
    if not (yield from ask(ClaimId(channel.id))):
        raise ChannelIdInUse("funding_created: another channel has the channel_id of this funding.")
    channel = yield from beginning.begun(channel)
    beginning.check_digests(channel, message.tlvs.initial_state_digests)
    point = yield from ask(CommitmentPoint(0))
    ours = yield from commitments.first(channel, ACCEPTOR, point)
    signatures = CommitmentSignatures(message.signature)
    if wrong := (yield from ask(CheckSignatures(ours, signatures))):
        raise WrongSignature(f"funding_created: {wrong}.")
    theirs = yield from commitments.first(channel, OPENER, channel.their_points[0])
    signed = FundingSigned(channel_id=channel.id, signature=UNSIGNED)
    fill = SignCommitment(channel.fundings[0].txid, 0)
    channel, actions = yield from await_ready(channel)
    return channel, [
        commitments.keep(ours, signatures),
        commitments.keep(theirs),
        Send(signed, (fill,)),
        *actions,
    ]
