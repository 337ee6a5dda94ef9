"""What does a static backup hold of each channel, and how is it read from the database?

What never changes in a channel, or seldom: who the peer is and where it answered, the funding, both sides' terms and
basepoints, and where our keys are derived from. No balance, no commitment, nothing that an older copy would have wrong:
with it a channel is not gone on with, it is only closed by its peer and claimed from.
"""

from typing import Final

import msgspec
from lnpd_sdk.types import Party

from lnpd.channel.failure import UNFUNDED
from lnpd.channel.state import Channel, ScriptPair, Terms
from lnpd.crypto.hd import ChannelIndex
from lnpd.services.channels.batch import INDEX
from lnpd.services.channels.service import TURN
from lnpd.services.peers.address import Address
from lnpd.services.peers.reconnect import NAMESPACE as PEERS
from lnpd.services.peers.reconnect import KnownAddresses
from lnpd.services.wallet.birth import stored_birth_height
from lnpd.services.wallet.rows import STATE as WALLET
from lnpd.services.wallet.rows import Numbers
from lnpd.store.codec import decode
from lnpd.store.read import Read
from lnpd.store.rows import ChannelRow
from lnpd.tx.graph import ChannelType, Funding
from lnpd.wire.messages import Extension, FundingType

SETTINGS: Final = "settings"
REORGANISED_BLOCKS: Final = 144


class BackedUp(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """One channel. Tuples by party are indexed as in the snapshot; `from_height` is where its chain history begins.

    `funding_type`, of a type whose funding is a plugin's own, came with version 2.
    """

    key: str
    index: ChannelIndex
    peer: bytes
    addresses: tuple[Address, ...]
    us: Party
    id: bytes
    channel_type: ChannelType
    type_bits: bytes
    extensions: tuple[Extension, ...]
    announce: bool
    capacity_sat: int
    terms: tuple[Terms, ...]
    fundings: tuple[Funding, ...]
    aliases: tuple[bytes, bytes]
    short_channel_id: bytes
    shutdown: ScriptPair
    sweep_script: bytes
    from_height: int
    funding_type: FundingType | None = None


class Content(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A whole backup. `payment_turn` is that of the last channel that was begun; `wallet` is how far addresses were
    given out, and `wallet_birth_height` where their history begins."""

    network: str
    node_id: bytes
    written_unix_seconds: int
    channels: tuple[BackedUp, ...]
    payment_turn: int
    wallet: Numbers
    wallet_birth_height: int


def version_of(content: Content) -> int:
    """The earliest version whose readers understand it: 2 with a `funding_type`, else 1."""
    return 2 if any(each.funding_type is not None for each in content.channels) else 1


def is_backed_up(channel: Channel) -> bool:
    """Whether a channel can hold money: it has a funding, and is not closed for good."""
    return bool(channel.fundings) and not isinstance(channel.phase, UNFUNDED)


def content_of(read: Read, network: str, node_id: bytes, now_unix_seconds: int) -> Content:
    """What is stored of all channels that are not closed. Raises ValueUnreadable."""
    cursor = read.chain_cursor()
    height = max(0, cursor.height - REORGANISED_BLOCKS) if cursor else 0
    rows = [(row, _snapshot(row)) for row in read.channels() if not row.closed]
    turn = read.value(SETTINGS, TURN.encode())
    given = read.value(WALLET, b"given")
    return Content(
        network=network,
        node_id=node_id,
        written_unix_seconds=now_unix_seconds,
        channels=tuple(_backed_up(read, channel, height) for _, channel in rows if is_backed_up(channel)),
        payment_turn=int.from_bytes(turn or b"", "big"),
        wallet=decode(given, Numbers, table=WALLET, key="given") if given is not None else Numbers(),
        wallet_birth_height=stored_birth_height(read) or 0,
    )


def _snapshot(row: ChannelRow) -> Channel:
    return decode(row.snapshot, Channel, table="channel", key=row.channel_id)


def _backed_up(read: Read, channel: Channel, height: int) -> BackedUp:
    key = channel.key.encode()
    index, known = read.value(INDEX, key), read.value(PEERS, channel.peer)
    assert index is not None, "a channel's index is stored before the channel"
    addresses = decode(known, KnownAddresses, table=PEERS, key=channel.peer).addresses if known is not None else ()
    confirmed_height = int.from_bytes(channel.short_channel_id[:3], "big")
    return BackedUp(
        key=channel.key,
        index=decode(index, ChannelIndex, table=INDEX, key=key),
        peer=channel.peer,
        addresses=addresses,
        us=channel.us,
        id=channel.id,
        channel_type=channel.channel_type,
        type_bits=channel.type_bits,
        extensions=channel.extensions,
        announce=channel.announce,
        capacity_sat=channel.capacity_sat,
        terms=channel.terms,
        fundings=channel.fundings,
        aliases=channel.aliases,
        short_channel_id=channel.short_channel_id,
        shutdown=channel.shutdown,
        sweep_script=channel.policy.sweep_script,
        from_height=confirmed_height or height,
        funding_type=channel.funding_type,
    )
