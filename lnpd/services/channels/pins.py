"""Which formats do live channels hold plugins to, and in which states?"""

from collections.abc import Iterable

from lnpd.channel.state import Channel, Closed, Negotiating, Normal, OnChain
from lnpd.services.channels.view import state_name, txid_text
from lnpd.tx.graph import ProviderPin
from lnpd.tx.states import BASE
from lnpd.wire.fields import scid_text


def pins(channels: Iterable[Channel]) -> tuple[tuple[str, ProviderPin], ...]:
    """Each provider that a channel pins and still needs, with the channel's id in hex."""
    return tuple(
        (channel.id.hex(), pin)
        for channel in channels
        if not channel.from_backup and not isinstance(channel.phase, Closed)
        for pin in channel.channel_type.providers
    )


def closing_txid(channel: Channel) -> bytes:
    """Of what spends the funding, or is to spend it, once that is known; else nothing."""
    match channel.phase:
        case OnChain(txid=txid) | Closed(txid=txid) | Negotiating(agreed_txid=txid):
            return txid
        case _:
            return b""


def rows_of(providers: frozenset[str], channels: Iterable[tuple[Channel, str]]) -> list[dict[str, object]]:
    """The channels that pin one of these providers, with their base states and late data; given with why each is
    frozen."""
    rows: list[dict[str, object]] = []
    for channel, frozen in channels:
        states = {name: state.hex() for name, state in channel.base.states if name in providers and name != BASE}
        if states and channel.fundings:
            rows.append(_row(channel, frozen, states, providers))
    return rows


def _row(channel: Channel, frozen: str, states: dict[str, str], providers: frozenset[str]) -> dict[str, object]:
    funding = channel.fundings[0]
    late = [
        {"provider": each.provider, "name": each.name, "data": each.data.hex()}
        for each in channel.witnesses
        if each.provider in providers
    ]
    return {
        "channel_id": channel.id.hex(),
        "peer": channel.peer.hex(),
        "us": channel.us,
        "states": states,
        "frozen": frozen,
        "usable": isinstance(channel.phase, Normal),
        "late": late,
        "state": state_name(channel),
        "funding": f"{txid_text(funding.txid)}:{funding.vout}",
        "capacity_sat": channel.capacity_sat,
        "scids": [scid_text(each) for each in channel.scids_here],
        "closing_txid": txid_text(closing_txid(channel)),
    }
