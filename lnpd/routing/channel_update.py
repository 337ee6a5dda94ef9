"""How does a node tell the peer of a channel what it asks for forwarding over it? (BOLT 7, channel_update)

Nobody but the peer is told here: the updates are of channels that no one announced (`dont_forward`).
"""

from hashlib import sha256
from typing import Final

from lnpd.crypto import secp
from lnpd.routing.relay import RelayPolicy
from lnpd.wire.message import encode
from lnpd.wire.messages import ChannelUpdate

MUST_BE_ONE: Final = 1
DONT_FORWARD: Final = 2
DIRECTION: Final = 1
DISABLE: Final = 2
UNSIGNED: Final = bytes(64)


def policy_of(update: ChannelUpdate) -> RelayPolicy:
    """What an update says."""
    return RelayPolicy(
        fee_base_msat=update.fee_base_msat,
        fee_proportional_millionths=update.fee_proportional_millionths,
        cltv_expiry_delta=update.cltv_expiry_delta,
        htlc_minimum_msat=update.htlc_minimum_msat,
        htlc_maximum_msat=update.htlc_maximum_msat,
    )


def unsigned_update(
    policy: RelayPolicy,
    chain_hash: bytes,
    short_channel_id: bytes,
    timestamp: int,
    origin: bytes,
    peer: bytes,
    disabled: bool = False,
) -> ChannelUpdate:
    """The channel_update of `origin` for its channel with `peer` (node ids), without its signature."""
    return ChannelUpdate(
        signature=UNSIGNED,
        chain_hash=chain_hash,
        short_channel_id=short_channel_id,
        timestamp=timestamp,
        message_flags=MUST_BE_ONE | DONT_FORWARD,
        channel_flags=direction(origin, peer) | (DISABLE if disabled else 0),
        cltv_expiry_delta=policy.cltv_expiry_delta,
        htlc_minimum_msat=policy.htlc_minimum_msat,
        fee_base_msat=policy.fee_base_msat,
        fee_proportional_millionths=policy.fee_proportional_millionths,
        htlc_maximum_msat=policy.htlc_maximum_msat,
    )


def direction(origin: bytes, peer: bytes) -> int:
    """The direction bit: 0 if the origin is node_id_1, the lesser of both."""
    return 0 if origin < peer else DIRECTION


def is_disabled(update: ChannelUpdate) -> bool:
    """Whether the channel cannot be used for now."""
    return bool(update.channel_flags & DISABLE)


def signed_part(update: ChannelUpdate) -> bytes:
    """The bytes that the signature covers: all after it."""
    return encode(update)[2 + len(update.signature) :]


def is_signed_by(update: ChannelUpdate, node_id: bytes) -> bool:
    """Whether the signature is this node's."""
    digest = sha256(sha256(signed_part(update)).digest()).digest()
    return secp.verify(node_id, digest, update.signature)
