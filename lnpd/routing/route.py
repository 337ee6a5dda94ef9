"""Which way does a payment take that was told its way, and what does each hop get? (BOLT 4, BOLT 7 Routing Example)

    us --hop 0--> node 0 --hop 1--> node 1 ... --hop n--> the payee

A hop is a node and the channel that leads to it. What the channel's sender asks (fee, CLTV delta) is given with the hop
or found in the invoice's routing hints; nobody asks anything for hop 0, which is ours.
"""

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Final

import msgspec

from lnpd.errors import RouteMalformed, RouteUnknown, Unencodable
from lnpd.routing import payload
from lnpd.routing.invoice_fields import HintedHop
from lnpd.routing.relay import RelayPolicy
from lnpd.wire.fields import scid, scid_text
from lnpd.wire.message import CODEC, Codec
from lnpd.wire.messages import Payload

MAX_HOPS: Final = 20
HOP_FORM: Final = "NODE_ID, NODE_ID@SCID or NODE_ID@SCID:BASE_MSAT:MILLIONTHS:CLTV_DELTA"
_HOP: Final = re.compile(
    r"(0[23][0-9a-f]{64})(?:@([0-9]{1,8})x([0-9]{1,8})x([0-9]{1,5})(?::([0-9]{1,10}):([0-9]{1,10}):([0-9]{1,5}))?)?"
)
_MAX_U32: Final = 2**32 - 1
_MAX_U16: Final = 2**16 - 1

Hints = tuple[tuple[HintedHop, ...], ...]


class Hop(msgspec.Struct, frozen=True):
    """A node and the channel that leads to it; `policy` is what the channel's sender asks. None is not known yet."""

    node_id: bytes
    short_channel_id: bytes | None = None
    policy: RelayPolicy | None = None


class Route(msgspec.Struct, frozen=True):
    """What is offered to the first node: the amount with all fees, the expiry, and each node with its payload."""

    amount_msat: int
    cltv_expiry: int
    fee_msat: int
    hops: tuple[tuple[bytes, bytes], ...]
    short_channel_id: bytes | None  # of our own channel, if it was named

    @property
    def node_ids(self) -> tuple[bytes, ...]:
        """The nodes in order, the payee last."""
        return tuple(node_id for node_id, _ in self.hops)


def parse_hop(text: str) -> Hop:
    """A hop as a person writes it (HOP_FORM; a channel as BOLT 7 writes it, 539268x845x1). Raises RouteMalformed."""
    match = _HOP.fullmatch(text.strip().lower())
    if not match:
        raise RouteMalformed(f"A hop is {HOP_FORM}, not {text[:100]!r}.")
    node_id = bytes.fromhex(match[1])
    if match[2] is None:
        return Hop(node_id)
    try:
        channel = scid(int(match[2]), int(match[3]), int(match[4]))
    except Unencodable as error:
        raise RouteMalformed(f"{text[:100]!r} names no channel: {error}.") from None
    if match[5] is None:
        return Hop(node_id, channel)
    base_msat, millionths, delta = (int(match[group]) for group in (5, 6, 7))
    if base_msat > _MAX_U32 or millionths > _MAX_U32 or delta > _MAX_U16:
        raise RouteMalformed(f"The fee or the CLTV delta of {text[:100]!r} is more than a channel_update can say.")
    return Hop(node_id, channel, RelayPolicy(base_msat, millionths, delta))


def completed(hops: Sequence[Hop], payee: bytes, hints: Hints) -> tuple[Hop, ...]:
    """The way to the payee: what the hops leave open is taken from the hints of its invoice.

    Raises RouteUnknown, RouteMalformed.
    """
    way = list(hops)
    if not way or way[-1].node_id != payee:
        way += _rest(way[-1].node_id if way else b"", payee, hints)
    if len(way) > MAX_HOPS:
        raise RouteMalformed(f"A route has at most {MAX_HOPS} hops, not {len(way)}.")
    known = tuple(_edges(payee, hints))
    return (way[0], *(_known(before.node_id, hop, known) for before, hop in pairwise(way)))


def _rest(last: bytes, payee: bytes, hints: Hints) -> list[Hop]:
    for hint in hints:
        for place, entry in enumerate(hint):
            if entry.node_id == last:
                return [hop for _, hop in _edges(payee, (hint[place:],))]
    raise RouteUnknown(f"The route does not end at the payee {payee.hex()}, and no hint of the invoice leads there.")


def _edges(payee: bytes, hints: Hints) -> Iterable[tuple[bytes, Hop]]:
    """Each hinted channel: where it begins, and the hop that it makes."""
    for hint in hints:
        ends = (*(entry.node_id for entry in hint[1:]), payee)
        for entry, end in zip(hint, ends, strict=True):
            policy = RelayPolicy(entry.fee_base_msat, entry.fee_proportional_millionths, entry.cltv_expiry_delta)
            yield entry.node_id, Hop(end, entry.short_channel_id, policy)


def _known(sender: bytes, hop: Hop, edges: tuple[tuple[bytes, Hop], ...]) -> Hop:
    if hop.policy is not None:
        return hop
    for begins, edge in edges:
        named = hop.short_channel_id
        if (begins, edge.node_id) == (sender, hop.node_id) and named in (None, edge.short_channel_id):
            return edge
    channel = scid_text(hop.short_channel_id) if hop.short_channel_id else "the channel"
    raise RouteUnknown(
        f"Nobody told this node what {sender.hex()} asks for {channel} to {hop.node_id.hex()}: write the hop as "
        f"{hop.node_id.hex()[:8]}...@SCID:BASE_MSAT:MILLIONTHS:CLTV_DELTA."
    )


def plan(hops: Sequence[Hop], amount_msat: int, cltv_expiry: int, last: Payload, codec: Codec = CODEC) -> Route:
    """Amounts and expiries of each hop, from the payee back to us; `hops` are `completed` ones.

    codec: of what the payee is told.

    Raises InvalidOnionPayload, RouteUnknown if a hop between others has no channel or policy.
    """
    parts = [(hops[-1].node_id, payload.encode(last, codec))]
    paid_msat = amount_msat
    for sender, hop in zip(reversed(hops[:-1]), reversed(hops[1:]), strict=True):
        if hop.short_channel_id is None or hop.policy is None:
            raise RouteUnknown(f"The channel to {hop.node_id.hex()} is not known.")
        parts.append((sender.node_id, payload.encode(payload.for_hop(amount_msat, cltv_expiry, hop.short_channel_id))))
        amount_msat += hop.policy.fee_msat(amount_msat)
        cltv_expiry += hop.policy.cltv_expiry_delta
    return Route(amount_msat, cltv_expiry, amount_msat - paid_msat, tuple(reversed(parts)), hops[0].short_channel_id)


def over_peers(peers: Iterable[bytes], payee: bytes, hints: Hints) -> tuple[Hop, ...] | None:
    """The way by the first hint that begins at a peer of ours, if there is one."""
    ours = set(peers)
    for hint in hints:
        if hint and hint[0].node_id in ours:
            return completed((Hop(hint[0].node_id),), payee, (hint,))
    return None
