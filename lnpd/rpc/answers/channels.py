"""What are the answers of the commands about channels and forwarding? As __init__.py says."""

from typing import Literal

import msgspec

from lnpd.rpc.answers.ids import ChannelId, Hex, NodeId, Outpoint, Txid


class Opened(msgspec.Struct, frozen=True):
    """A channel whose funding transaction was broadcast."""

    channel_id: ChannelId
    funding: Outpoint
    capacity_sat: int
    state: str


class Htlc(msgspec.Struct, frozen=True):
    """A payment in flight."""

    direction: Literal["out", "in"]
    amount_msat: int
    payment_hash: Hex
    cltv_expiry_height: int


class ExtensionOutput(msgspec.Struct, frozen=True):
    """An output that a plugin's provider has in a present commitment.

    `outpoint` is its place in that commitment transaction, which is not broadcast; `script` is its scriptPubKey.
    """

    provider: str
    kind: str
    amount_sat: int
    commitment: Literal["ours", "theirs"]
    outpoint: Outpoint
    script: Hex


class OnchainOutput(msgspec.Struct, frozen=True):
    """An output of a channel that went on chain.

    `state` is "waiting" (for a lock, `until_height`), "unclaimed" (nobody claims it yet), "claimed" (in the mempool, or
    not deep enough), "resolved" (deep enough), or "lost" (the peer took it, or, with `kind` "unknown", only a database
    that was lost could claim it: `note` says what it may be). `by` is how we take it, `claim` the
    transaction that was broadcast last for that; from `rival_height` on the peer can take it too (0: never).
    """

    outpoint: Outpoint
    amount_sat: int
    provider: str
    kind: str
    state: Literal["waiting", "unclaimed", "claimed", "resolved", "lost"]
    until_height: int = 0
    claim: Txid = ""
    note: str = ""
    by: str = ""
    rival_height: int = 0


class Channel(msgspec.Struct, frozen=True):
    """A channel. `state` is the phase, in BOLT 2's words; `frozen` says why nothing can be done in it, "" if all can.

    `reserve_sat` is what we have to keep, `their_reserve_sat` what the peer has to. `our_commitment` and
    `their_commitment` are the present commitment numbers. `blocked_by` names the providers that
    keep a mutual close from going on, each with its reason; it goes on by itself once they let it. `closing_txid` is
    what spends the funding output, or will: `closing_confirmations` is 0 until it does, and `onchain` is empty.
    `feerate_per_kw` is that of both commitments, also one that the opener has just proposed. `blocks_left` are to come
    before an opening channel is ready, or before nothing of a closed one can be undone.
    """

    channel_id: ChannelId
    peer: NodeId
    connected: bool
    state: str
    capacity_sat: int
    ours_msat: int
    theirs_msat: int
    reserve_sat: int
    opener: Literal["us", "them"]
    type: str
    providers: tuple[str, ...]
    funding: Outpoint
    confirmations: int
    our_commitment: int
    their_commitment: int
    htlcs: tuple[Htlc, ...] = ()
    extension_outputs: tuple[ExtensionOutput, ...] = ()
    frozen: str = ""
    blocked_by: tuple[str, ...] = ()
    closing_txid: Txid = ""
    closing_confirmations: int = 0
    feerate_per_kw: int = 0
    blocks_left: int = 0
    onchain: tuple[OnchainOutput, ...] = ()
    their_reserve_sat: int = 0


class RelayTerms(msgspec.Struct, frozen=True):
    """What one side of a channel asks for forwarding HTLCs over it (BOLT 7, channel_update)."""

    fee_base_msat: int
    fee_proportional_millionths: int
    cltv_expiry_delta: int
    htlc_minimum_msat: int
    htlc_maximum_msat: int
    disabled: bool = False


class Relayed(msgspec.Struct, frozen=True):
    """What is asked for forwarding over a channel: by us, to the peer, and by the peer, to us (None: not told yet).

    `short_channel_ids` are what payers may call the channel when we forward over it.
    """

    channel_id: ChannelId
    short_channel_ids: tuple[str, ...]
    ours: RelayTerms
    theirs: RelayTerms | None


class Forward(msgspec.Struct, frozen=True):
    """An HTLC that passed through this node, or tried to: from the channel `incoming` to `outgoing`.

    `state` is "waiting" (to be offered), "offered", "fulfilled" or "failed"; `why` says what made it fail. `fee_msat`
    is what it earned. `short_channel_id` is what the payer called the outgoing channel.
    """

    payment_hash: Hex
    state: str
    incoming: ChannelId
    outgoing: ChannelId
    short_channel_id: str
    incoming_msat: int
    outgoing_msat: int
    fee_msat: int
    incoming_expiry_height: int
    outgoing_expiry_height: int
    created_unix_seconds: int
    why: str = ""


class Closed(msgspec.Struct, frozen=True):
    """A channel whose closing transaction was broadcast."""

    channel_id: ChannelId
    txid: Txid
    how: Literal["mutual", "forced"]
    note: str = ""
