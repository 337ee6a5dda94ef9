"""What does a stored row look like to those who read it?

Blobs are opaque here. A `sequence` is minted by the database and orders the rows of its table; only an event's
sequence is never used twice.
"""

import msgspec


class ChannelRow(msgspec.Struct, frozen=True):
    """A channel: the last snapshot, and whether nothing is left to do for it."""

    channel_id: bytes
    peer_id: bytes
    snapshot: bytes
    closed: bool


class RecordRow(msgspec.Struct, frozen=True):
    """Something appended to a channel's history and never rewritten."""

    channel_id: bytes
    kind: str
    key: bytes
    value: bytes


class OutboxRow(msgspec.Struct, frozen=True):
    """An effect that a channel owes to the world until its recipient has stored it."""

    sequence: int
    key: str
    channel_id: bytes
    value: bytes


class InboxRow(msgspec.Struct, frozen=True):
    """A message that waits for a channel or a service."""

    sequence: int
    recipient: bytes
    key: str
    value: bytes


class EventRow(msgspec.Struct, frozen=True):
    """One entry of the log that subscribers read from a sequence number on."""

    sequence: int
    topic: str
    unix_seconds: int
    value: bytes


class PaymentRow(msgspec.Struct, frozen=True):
    """An invoice of ours, or a payment that we make: both are looked up by their payment hash."""

    sequence: int
    payment_hash: bytes
    state: str
    created_unix_seconds: int
    value: bytes


class Belonging(msgspec.Struct, frozen=True):
    """To which keys a database belongs, and where its chain was found last, in words; None where nobody said it yet."""

    node_id: bytes | None
    account: str | None
    chain: str | None


class ChainCursor(msgspec.Struct, frozen=True):
    """The last block whose effects are stored; the chain is read again from the next one."""

    height: int
    block_hash: bytes
