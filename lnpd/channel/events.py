"""What can happen to a channel?

An event is a message of the peer (a class of lnpd.wire.messages, given as it is), a command of this node, a fact of
the chain, or a change of the connection. Facts are in the past tense; commands are imperative. Height and everything
random (ids, keys) arrive inside them.

Commands that come too early or break a limit raise CommandRefused and change nothing. Fulfill, Fail and FailMalformed
are never too early: the decision is remembered and sent as soon as it may be.
"""

import msgspec

from lnpd.channel.state import Terms
from lnpd.tx.graph import ChannelType
from lnpd.tx.transaction import Tx
from lnpd.wire.messages import ChannelReestablish, Extension, FundingType, OpenChannel


class Event(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Root of the events that are not messages; stored in an inbox under their explicit tag."""


# Opening


class Open(Event, frozen=True, tag="open"):
    """Command: open a channel to the peer. `terms` hold our demands and public keys.

    `type_bits` is channel_type's bitmap, and the extensions are pinned beyond what it implies: `channel_type` is what
    both mean. `initial_states` are the states of each provider before any update, in the type's order, without those
    that depend on the funding (beginning.py). `alias` is the short_channel_id that we will give to the peer.
    `max_fee_sat` bounds the funding transaction's fee.
    """

    chain_hash: bytes
    capacity_sat: int
    push_msat: int
    feerate_per_kw: int
    announce: bool
    channel_type: ChannelType
    type_bits: bytes
    extensions: tuple[Extension, ...]
    initial_states: tuple[tuple[str, bytes], ...]
    terms: Terms
    alias: bytes = b""
    funding_type: FundingType | None = None
    records: tuple[tuple[int, bytes], ...] = ()  # plugins' odd ones, of open_channel
    foreign: bool = False  # others make the funding: FundingNamed says which it is
    factory: str = ""  # the plugin that opens it so
    max_fee_sat: int | None = None


class Accept(Event, frozen=True, tag="accept"):
    """Fact and command in one: the peer's open_channel, and what we answer it with.

    The driver has looked up `channel_type` for the message's channel_type and extensions; None means that this node
    has no such type. `minimum_depth` is what we ask for, `chain_hash` our chain's.
    """

    message: OpenChannel
    chain_hash: bytes
    channel_type: ChannelType | None
    initial_states: tuple[tuple[str, bytes], ...]
    terms: Terms
    minimum_depth: int
    zeroconf: bool = False  # we trust this peer to open an unconfirmed channel
    alias: bytes = b""
    records: tuple[tuple[int, bytes], ...] = ()  # plugins' odd ones, of accept_channel


class FundingProvided(Event, frozen=True, tag="funding_provided"):
    """The wallet signed a transaction whose output `vout` pays the funding; it is not broadcast."""

    vout: int
    transaction: Tx


class FundingFailed(Event, frozen=True, tag="funding_failed"):
    """The wallet cannot fund this channel; `reason` is a sentence."""

    reason: str


class FundingNamed(Event, frozen=True, tag="funding_named"):
    """Command: the last of these transactions funds this channel by its output `vout`. Others make and broadcast them;
    witnesses may be missing."""

    vout: int
    transactions: tuple[Tx, ...]


class KeepAncestors(Event, frozen=True, tag="keep_ancestors"):
    """Command: keep what leads to the funding of a channel that others fund, in the place of what is kept. `judged` are
    the txids of those that were found to be signed as what they spend asks for."""

    transactions: tuple[Tx, ...]
    judged: tuple[bytes, ...] = ()


# Operation


class Add(Event, frozen=True, tag="add"):
    """Command: offer an HTLC. `reference` comes back in every Tell about it; `tlvs` are update_add_htlc's odd ones."""

    amount_msat: int
    payment_hash: bytes
    cltv_expiry: int
    onion: bytes
    reference: str = ""
    path_key: bytes = b""
    tlvs: tuple[tuple[int, bytes], ...] = ()


class Fulfill(Event, frozen=True, tag="fulfill"):
    """Command: claim the peer's HTLC `id` with its preimage."""

    id: int
    preimage: bytes


class Fail(Event, frozen=True, tag="fail"):
    """Command: fail the peer's HTLC `id`; `reason` is the encrypted blob of BOLT 4."""

    id: int
    reason: bytes


class FailMalformed(Event, frozen=True, tag="fail_malformed"):
    """Command: fail the peer's HTLC `id` whose onion cannot be read; `failure_code` has the BADONION bit."""

    id: int
    sha256_of_onion: bytes
    failure_code: int


class SetFeerate(Event, frozen=True, tag="set_feerate"):
    """Command, of the opener only: propose another feerate (update_fee), once none is pending any more.

    `least_per_kw` 0: this one and no other. Else it is refused where a close is decided, and a rise goes as far as we
    can afford it beside a fee-spike buffer, if that is as far as `least_per_kw`.
    """

    feerate_per_kw: int
    least_per_kw: int = 0


class Propose(Event, frozen=True, tag="propose"):
    """Command: propose an update of an extension's provider (update_ext). Its id follows from the log.

    `max_taken_msat` is how much of our money the provider may have in this channel, in all: what its updates ever moved
    from our balance, and what its outputs hold of it. None is no limit.
    """

    provider: str
    body: bytes
    max_taken_msat: int | None = None


class PutWitness(Event, frozen=True, tag="put_witness"):
    """Command: a late datum of an extension's (32 bytes), by the name that its outputs' paths or children give it."""

    provider: str
    name: str
    data: bytes


class Commit(Event, frozen=True, tag="commit"):
    """Command: sign what is pending, if anything is and no revocation is awaited. Never refused: the driver sends one
    after each batch of events, so that a batch costs one commitment_signed."""


class QuiescenceExpired(Event, frozen=True, tag="quiescence_expired"):
    """Fact: 60 seconds have passed since the channel became quiescent (BOLT 2: disconnect if HTLCs are pending)."""


class Quiesce(Event, frozen=True, tag="quiesce"):
    """Command: reach quiescence, as its initiator."""


class Close(Event, frozen=True, tag="close"):
    """Command: close by agreement. The fees bound the closing transaction's, whoever pays it."""

    script: bytes
    min_fee_sat: int
    max_fee_sat: int


class ForceClose(Event, frozen=True, tag="force_close"):
    """Command: broadcast our latest commitment, asking nobody. `reason` goes to the peer as an error.

    `not_restored`: the user vouches that the database is no older copy, where the peer has not shown it yet.
    """

    reason: str = "The user closed this channel."
    not_restored: bool = False


class GiveUp(Event, frozen=True, tag="give_up"):
    """Command: end an opening that is not funded yet. `reason` goes to the peer as an error. A channel that has come
    about meanwhile stays as it is."""

    reason: str


# Connection


class Connected(Event, frozen=True, tag="connected"):
    """A connection to the peer is up and `init` is done."""


class Disconnected(Event, frozen=True, tag="disconnected"):
    """The connection is gone; also the first event after a snapshot was restored. May be repeated."""


class PeerPosition(Event, frozen=True, tag="peer_position"):
    """Fact: where the peer says it is. Given before its channel_reestablish itself, and also while that has to wait for
    a provider: an old copy of our database shows here."""

    message: ChannelReestablish


# Chain


class TransactionConfirmed(Event, frozen=True, tag="transaction_confirmed"):
    """A watched transaction is in the best chain at `height`, `depth` blocks deep (1: in the tip).

    Sent when a watched depth is reached, and again after a reorganisation.
    """

    transaction: Tx
    height: int
    index: int
    depth: int


class TransactionUnconfirmed(Event, frozen=True, tag="transaction_unconfirmed"):
    """A reorganisation took a watched transaction out of the best chain."""

    txid: bytes


class OutputSpent(Event, frozen=True, tag="output_spent"):
    """A watched output was spent by `transaction`, in the best chain at `height`, `depth` blocks deep.

    Sent at depth 1 and again when the watch's depth is reached.
    """

    txid: bytes
    vout: int
    transaction: Tx
    height: int
    depth: int = 1


class SpendSeen(Event, frozen=True, tag="spend_seen"):
    """Hint: a transaction that waits in a mempool spends a watched output. It may never confirm: nothing is made of it
    but what proves itself, a preimage or an adaptor's secret. Never stored, so it may be lost, and may be repeated."""

    txid: bytes
    vout: int
    transaction: Tx


class OutputUnspent(Event, frozen=True, tag="output_unspent"):
    """A reorganisation undid the spend of a watched output."""

    txid: bytes
    vout: int


class Block(Event, frozen=True, tag="block"):
    """The best chain has a new tip. Handled from stored data only: deadlines of HTLCs, and locks of claims."""

    height: int


EVENTS: tuple[type[Event], ...] = (
    Open,
    Accept,
    FundingProvided,
    FundingFailed,
    FundingNamed,
    KeepAncestors,
    Add,
    Fulfill,
    Fail,
    FailMalformed,
    SetFeerate,
    Propose,
    PutWitness,
    Commit,
    Quiesce,
    QuiescenceExpired,
    Close,
    ForceClose,
    GiveUp,
    Connected,
    Disconnected,
    PeerPosition,
    TransactionConfirmed,
    TransactionUnconfirmed,
    OutputSpent,
    SpendSeen,
    OutputUnspent,
    Block,
)
