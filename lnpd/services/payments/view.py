"""What does a person see of payments and circuits, and of why no channel can carry one?"""

from collections.abc import Callable, Sequence

from lnpd.channel.state import Channel
from lnpd.routing.channel_update import is_disabled, policy_of
from lnpd.routing.relay import RelayPolicy
from lnpd.routing.route import Hop
from lnpd.rpc import answers
from lnpd.services.payments.circuits import Circuit
from lnpd.services.payments.ledger import PaymentRecord, payment_of
from lnpd.store.rows import PaymentRow
from lnpd.wire.fields import scid_text
from lnpd.wire.messages import ChannelUpdate


def paid(payment_hash: bytes, record: PaymentRecord) -> answers.Paid:
    """A payment that arrived."""
    return answers.Paid(
        payment_hash=payment_hash.hex(),
        preimage=record.preimage.hex(),
        amount_msat=record.amount_msat,
        fee_msat=record.fee_msat,
        parts=1,
        seconds=record.ended_unix_seconds - record.started_unix_seconds,
    )


def shown(row: PaymentRow) -> answers.Payment:
    """A payment as it stands."""
    record = payment_of(row)
    return answers.Payment(
        payment_hash=row.payment_hash.hex(),
        state=row.state,
        amount_msat=record.amount_msat,
        fee_msat=record.fee_msat,
        created_unix_seconds=row.created_unix_seconds,
        preimage=record.preimage.hex(),
        why=record.why,
    )


def forward(circuit: Circuit, channel_id: Callable[[str], str]) -> answers.Forward:
    """A circuit as it stands. channel_id: of a channel's key."""
    return answers.Forward(
        payment_hash=circuit.payment_hash.hex(),
        state=circuit.state,
        incoming=channel_id(circuit.incoming.channel),
        outgoing=channel_id(circuit.channel),
        short_channel_id=scid_text(circuit.short_channel_id),
        incoming_msat=circuit.incoming_msat,
        outgoing_msat=circuit.outgoing_msat,
        fee_msat=circuit.fee_msat if circuit.state == "fulfilled" else 0,
        incoming_expiry_height=circuit.incoming_expiry,
        outgoing_expiry_height=circuit.outgoing_expiry,
        created_unix_seconds=int(circuit.opened_unix_seconds),
        why=circuit.why,
    )


def relayed(channel: Channel, ours: RelayPolicy, theirs: ChannelUpdate | None) -> answers.Relayed:
    """What both sides of a channel ask for forwarding."""
    return answers.Relayed(
        channel_id=channel.id.hex(),
        short_channel_ids=tuple(map(scid_text, channel.scids_here)),
        ours=_terms(ours),
        theirs=_terms(policy_of(theirs), is_disabled(theirs)) if theirs is not None else None,
    )


def _terms(policy: RelayPolicy, disabled: bool = False) -> answers.RelayTerms:
    return answers.RelayTerms(
        fee_base_msat=policy.fee_base_msat,
        fee_proportional_millionths=policy.fee_proportional_millionths,
        cltv_expiry_delta=policy.cltv_expiry_delta,
        htlc_minimum_msat=policy.htlc_minimum_msat,
        htlc_maximum_msat=policy.htlc_maximum_msat,
        disabled=disabled,
    )


def channels_to(hop: Hop, usable: Sequence[Channel]) -> list[Channel]:
    """Our channels to a first hop, the one with most of ours first."""
    named = hop.short_channel_id
    found = [c for c in usable if c.peer == hop.node_id and named in (None, c.short_channel_id, *c.aliases)]
    return sorted(found, key=lambda channel: channel.base.balances_msat[channel.us], reverse=True)


def too_much(channels: Sequence[Channel], amount_msat: int, whom: str = "the payee") -> str:
    """Why none of these channels (with whom?) holds enough of ours for an amount; "" if one does."""
    held = [(c.base.balances_msat[c.us], 1000 * c.terms[c.them].channel_reserve_sat) for c in channels]
    balance_msat, reserve_msat = max(held, key=lambda each: each[0] - each[1], default=(0, 0))
    if amount_msat <= balance_msat - reserve_msat:
        return ""
    ours, kept = f"{balance_msat // 1000:,} sat are ours", f"{reserve_msat // 1000:,} of them stay in reserve"
    return f"{amount_msat // 1000:,} sat cannot be sent: {ours} in the channel with {whom}, {kept}."


def no_way(payee: bytes, usable: Sequence[Channel]) -> str:
    """Why nothing can be paid to a node, and who can be paid."""
    peers = sorted({channel.peer.hex() for channel in usable})
    payable = f"Who can be paid now: {', '.join(peers)}." if peers else "No channel is usable now."
    way = "this node finds no routes yet: give it one with --route"
    return f"No usable channel leads to {payee.hex()}, and {way}. {payable}"
