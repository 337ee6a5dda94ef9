"""In which values does a running node answer a person or a program?

Everything is as the RPC shows it: amounts are integers with the unit in their name; bytes are lower-case hex (`Hex`);
transaction and block ids are written as explorers write them, bytes reversed (`Txid`); an output is "txid:index".
"""

from typing import Literal

import msgspec

Hex = str
NodeId = str
ChannelId = str
Txid = str
Outpoint = str


class Feature(msgspec.Struct, frozen=True):
    """A feature bit of ours (BOLT 9). An "even" one is compulsory for the peer or payer, an "odd" one is not; `said_in`
    is where it is set: in our `init`, in our invoices."""

    name: str
    bit: int
    kind: Literal["odd", "even"]
    said_in: tuple[Literal["init", "invoice"], ...]


class Limit(msgspec.Struct, frozen=True):
    """A limit of the node: its option is `--` and the name. `preset` is empty if the value is not the preset's."""

    name: str
    value: int
    preset: str
    unit: str
    meaning: str


class Info(msgspec.Struct, frozen=True):
    """The node as a whole. `addresses` are where it listens; `warnings` are sentences about what needs care.
    `features` and `limits` are there if they were asked for.

    `chain_silent_since_unix_seconds`: when the chain answered last, if it does not answer now. Height, block and
    feerate are of then.
    """

    node_id: NodeId
    alias: str
    network: str
    version: str
    height: int
    block_hash: Txid
    feerate_per_kw: int
    peers: int
    channels: int
    addresses: tuple[str, ...]
    plugins: tuple[str, ...]
    warnings: tuple[str, ...]
    process: int
    directory: str
    chain_silent_since_unix_seconds: int | None = None
    features: tuple[Feature, ...] | msgspec.UnsetType = msgspec.UNSET
    limits: tuple[Limit, ...] | msgspec.UnsetType = msgspec.UNSET


class Listening(msgspec.Struct, frozen=True):
    """Where the node listens now, "host:port" each."""

    addresses: tuple[str, ...]


class Connected(msgspec.Struct, frozen=True):
    """A connection that has exchanged `init`. `address` is "host:port"."""

    node_id: NodeId
    address: str


class Pong(msgspec.Struct, frozen=True):
    """An answered ping."""

    node_id: NodeId
    milliseconds: float


class Peer(msgspec.Struct, frozen=True):
    """A node that we are connected to or have channels with. `features` are those of its init (BOLT 9)."""

    node_id: NodeId
    address: str
    connected: bool
    inbound: bool
    channels: int
    features: Hex
    feature_names: tuple[str, ...] = ()


class Done(msgspec.Struct, frozen=True):
    """It was done; `note` says what a person should know besides."""

    note: str = ""


class Address(msgspec.Struct, frozen=True):
    """A fresh address of the wallet."""

    address: str


class Coin(msgspec.Struct, frozen=True):
    """An unspent output of the wallet. `reserved_for` names the opening that will spend it; an "immature" one is of a
    coinbase, and can be spent at 100 confirmations."""

    outpoint: Outpoint
    amount_sat: int
    address: str
    confirmations: int
    reserved_for: str = ""
    state: Literal["confirmed", "unconfirmed", "immature", "reserved"] = "confirmed"


class Funds(msgspec.Struct, frozen=True):
    """What the node owns. `channels_msat` is our balance in channels that are open, HTLCs in flight not included;
    `immature_sat` are coinbases that are not 100 blocks deep."""

    confirmed_sat: int
    unconfirmed_sat: int
    reserved_sat: int
    immature_sat: int
    channels_msat: int
    coins: tuple[Coin, ...]


class Sent(msgspec.Struct, frozen=True):
    """A payment of the wallet on chain that was broadcast."""

    txid: Txid
    amount_sat: int
    fee_sat: int


class Mined(msgspec.Struct, frozen=True):
    """New blocks of the regtest chain."""

    height: int
    blocks: tuple[Txid, ...]


class Funded(msgspec.Struct, frozen=True):
    """What the regtest faucet paid to our wallet."""

    outpoint: Outpoint
    amount_sat: int
    address: str


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

    `our_commitment` and `their_commitment` are the present commitment numbers. `blocked_by` names the providers that
    keep a mutual close from going on, each with its reason; it goes on by itself once they let it. `closing_txid` is
    what spends the funding output, or will: `closing_confirmations` is 0 until it does, and `onchain` is empty.
    `feerate_per_kw` is that of both commitments, also one that the opener has just proposed.
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
    onchain: tuple[OnchainOutput, ...] = ()


class Invoice(msgspec.Struct, frozen=True):
    """An invoice of ours. `amount_msat` is None if the payer chooses it."""

    invoice: str
    payment_hash: Hex
    amount_msat: int | None
    description: str
    state: str
    expires_unix_seconds: int


class Decoded(msgspec.Struct, frozen=True):
    """What an invoice says (BOLT 11), whoever wrote it. `feature_names` are those of its feature bits, ascending."""

    network: str
    payee: NodeId
    payment_hash: Hex
    amount_msat: int | None
    description: str
    created_unix_seconds: int
    expiry_seconds: int
    expired: bool
    min_final_cltv_expiry_delta: int
    features: Hex
    feature_names: tuple[str, ...] = ()
    fallback_addresses: tuple[str, ...] = ()


PAID_BEFORE = "It was paid before: nothing was paid now."


class Paid(msgspec.Struct, frozen=True):
    """A payment that arrived: the preimage is the receipt. `note` says so if it had arrived before."""

    payment_hash: Hex
    preimage: Hex
    amount_msat: int
    fee_msat: int
    parts: int
    seconds: float
    note: str = ""


class Payment(msgspec.Struct, frozen=True):
    """A payment that we made or try. `why` says what made it fail."""

    payment_hash: Hex
    state: str
    amount_msat: int
    fee_msat: int
    created_unix_seconds: int
    preimage: Hex = ""
    why: str = ""


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


class Closed(msgspec.Struct, frozen=True):
    """A channel whose closing transaction was broadcast."""

    channel_id: ChannelId
    txid: Txid
    how: Literal["mutual", "forced"]
    note: str = ""


class Plugin(msgspec.Struct, frozen=True):
    """A plugin and its process. `why` says what went wrong last. `capabilities` are what it asks for, `grants` what the
    user allows it, `in_effect` what of both counts in this version; `notes` say why the rest does not. `dropped` counts
    messages of peers, and questions, that came faster than it takes them; `waiting` are those that it has to answer.
    """

    name: str
    path: str
    process: int | None
    status: str
    why: str
    version: str
    providers: tuple[str, ...]
    rpc: tuple[str, ...]
    capabilities: tuple[str, ...]
    grants: tuple[str, ...]
    starts: int
    faults: int
    in_effect: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    dropped: int = 0
    waiting: int = 0


class PluginOption(msgspec.Struct, frozen=True):
    """An option of a plugin. `source` says who gave the value; a dynamic one can be set while the plugin runs."""

    plugin: str
    option: str
    kind: str
    value: str | int | float | bool
    default: str | int | float | bool
    source: str
    dynamic: bool
    help: str


class Event(msgspec.Struct, frozen=True):
    """Something that happened. Sequence numbers grow, are never used twice, and survive a restart."""

    sequence: int
    topic: str
    unix_seconds: int
    payload: msgspec.Raw
