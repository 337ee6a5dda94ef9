"""What does a channel remember between two events?

`Channel` is the snapshot: frozen, small (under 100 KB with 483 HTLCs a side), and free of our secrets and signatures.
What is large or only needed later is a row that an action keeps: every commitment's graph, each update's message (hence
the onions), the peer's signatures. Everything that belongs to one side is indexed by party, the opener first, so that
two snapshots of a channel can be compared. This is the penalty model: one commitment a side, older ones are revoked.
"""

from typing import Final, Literal, get_args

import msgspec
from lnpd_sdk.types import Party, PerParty, Update, other

from lnpd.crypto.shachain import Shachain
from lnpd.tx.accounts import NOTHING, Account
from lnpd.tx.graph import ChannelType, Funding
from lnpd.tx.presigned import Auxiliary
from lnpd.tx.transaction import Tx, TxOut
from lnpd.wire.messages import Extension, FundingType

ScriptPair = tuple[bytes, bytes]
SCID_ALIAS: Final = "option_scid_alias"  # in a type: the real short_channel_id is kept from everybody else


class Terms(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One party's half of open_channel and accept_channel: what it demands of the other, and its public keys.

    `to_self_delay` and `channel_reserve_sat` bind the *other* party; `max_accepted_htlcs`, `htlc_minimum_msat` and
    `max_htlc_value_in_flight_msat` bind the HTLCs that the other party offers (BOLT 2, open_channel).
    """

    dust_limit_sat: int
    max_htlc_value_in_flight_msat: int
    channel_reserve_sat: int
    htlc_minimum_msat: int
    to_self_delay: int
    max_accepted_htlcs: int
    funding_key: bytes
    revocation_basepoint: bytes
    payment_basepoint: bytes
    delayed_payment_basepoint: bytes
    htlc_basepoint: bytes
    upfront_shutdown_script: bytes = b""


class Policy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What this node tolerates in this channel; fixed when it opens, never told to the peer."""

    min_feerate_per_kw: int = 253
    max_feerate_per_kw: int = 100_000
    min_funding_sat: int = 20_000
    max_funding_sat: int = (1 << 24) - 1
    max_to_self_delay: int = 2016
    max_minimum_depth: int = 144
    max_dust_limit_sat: int = 5_000
    max_reserve_percent: int = 20
    max_htlc_minimum_msat: int = 10_000
    min_max_accepted_htlcs: int = 1
    min_in_flight_msat: int = 1_000_000
    max_dust_exposure_msat: int = 50_000_000
    anysegwit: bool = True  # option_shutdown_anysegwit was negotiated
    upfront_shutdown: bool = True  # option_upfront_shutdown_script was negotiated
    require_channel_type: bool = True  # a developer option may turn it off
    htlc_deadlines: bool = True  # a developer option may turn it off
    htlc_deadline_blocks: int = 18  # before the expiry of an HTLC that we fulfilled (BOLT 2, fulfillment deadline)
    resolution_depth: int = 100
    settlement_depth: int = 7  # "reasonable depth" (BOLT 5): an HTLC that nobody took is failed upstream from there on
    grants: tuple[tuple[str, int], ...] = ()  # (provider, sat): what its updates may take of our balance in all
    sweep_script: bytes = b""  # where claims on chain, and a close that the peer began, pay to


# Phases. What only one phase needs lives in it.


class New(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="new"):
    """Nothing was sent yet. The driver makes such a channel (`new_channel`) for an Open or an Accept."""


class AwaitingAccept(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="awaiting_accept"):
    """We sent open_channel."""

    max_fee_sat: int | None = None  # the funding transaction's; None: what is modest


class AwaitingFunding(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="awaiting_funding"):
    """We have accept_channel, and asked the wallet for a funding transaction."""


class AwaitingFundingSigned(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="awaiting_funding_signed"):
    """We sent funding_created; the funding transaction is not broadcast before funding_signed is verified."""

    transaction: Tx


class AwaitingFundingCreated(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="awaiting_funding_created"):
    """We sent accept_channel."""


class AwaitingReady(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="awaiting_ready"):
    """Both first commitments are signed; the funding has to reach its depth and both channel_ready to be exchanged."""


class Normal(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="normal"):
    """Both channel_ready were exchanged and no shutdown was."""


class ShuttingDown(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="shutting_down"):
    """A shutdown was sent or received; HTLCs and blocking providers are still being settled."""


class Negotiating(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="negotiating"):
    """Nothing is pending any more; closing_signed goes to and fro. Fees in satoshi, 0 before the first.

    The ranges and fees are of this connection only: negotiation restarts after a reconnect (BOLT 2).
    """

    balances_msat: PerParty  # after what the providers still settled, and paid to others, by their `close`
    our_fee_sat: int = 0
    our_min_sat: int = 0
    our_max_sat: int = 0
    their_fee_sat: int = 0
    agreed_fee_sat: int = -1  # of the closing transaction that is broadcast; both outlive the connection
    agreed_txid: bytes = b""
    others: tuple[TxOut, ...] = ()  # the outputs that providers pay to others


class Failed(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="failed"):
    """The channel ended by an error; only the chain can settle it. `error` is repeated at each reestablish.

    `may_broadcast` is False after data loss: our latest commitment may be revoked, so that only the peer can close.
    While the channel is `unproven` too, the broadcast is not decided yet.
    """

    error: str
    may_broadcast: bool = True


class Resolution(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One output of the transaction that spent the funding, in which we have a part, and what becomes of it.

    `status`: `waiting` (for a lock), `claiming` (a Claim was given), `spent` (not deep enough yet), `resolved`, or
    `unclaimed` (`reason` says why). `height` is where its transaction confirmed, `older` and `after` are the locks of
    the path by which we take it, `stage` the child that it goes through (-1: none). `claim` is the key of the Claim
    that holds it; from `rival_height` on the peer can take it too (0: never). `bears`: more than satoshi, says its
    sealer. Once it is spent: `spent_height`, and `outcome`, what was told of an HTLC that we offered.
    """

    txid: bytes
    vout: int
    provider: str
    id: str
    kind: str
    value_sat: int
    status: Literal["waiting", "claiming", "spent", "resolved", "unclaimed"]
    height: int
    older: int = 0
    after: int = 0
    reason: str = ""
    child: int = -1  # its transaction is this child of the commitment, not the commitment itself
    stage: int = -1
    rival_height: int = 0
    claim: str = ""
    spent_height: int = 0
    outcome: Literal["", "fulfilled", "failed"] = ""
    bears: bool = False

    @property
    def due_height(self) -> int:
        """The tip's height from which a claim may be broadcast: it confirms in the next block at the earliest."""
        return max(self.height + self.older, self.after + 1) - 1


class OnChain(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="on_chain"):
    """The funding output was spent. `spend` says by what (BOLT 5).

    `commitment` is the key of the kept commitment (empty for a mutual close and what we do not know); `reason` is why
    the channel ended; `deep`: the spend itself cannot be undone any more. `missing` are the ids of HTLCs that we
    offered, that this commitment has no output for, and that are not failed yet.
    """

    spend: Literal["mutual", "ours", "theirs", "theirs_next", "revoked", "future", "unknown"]
    txid: bytes
    height: int
    commitment: str = ""
    resolutions: tuple[Resolution, ...] = ()
    reason: str = ""
    deep: bool = False
    missing: tuple[int, ...] = ()


class Closed(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="closed"):
    """Every output is resolved deeply enough, or the channel was given up before its funding. `reason` says how."""

    reason: str
    txid: bytes = b""  # what spent the funding


Phase = (
    New
    | AwaitingAccept
    | AwaitingFunding
    | AwaitingFundingSigned
    | AwaitingFundingCreated
    | AwaitingReady
    | Normal
    | ShuttingDown
    | Negotiating
    | Failed
    | OnChain
    | Closed
)
PHASES: tuple[type, ...] = get_args(Phase)


class Base(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All updates that are irrevocably committed on both sides, folded. `states` is in the type's provider order,
    `moved_msat` by extension: what its updates ever moved to each party's balance."""

    balances_msat: PerParty
    states: tuple[tuple[str, bytes], ...]
    moved_msat: tuple[tuple[str, PerParty], ...] = ()


def update_key(update: Update) -> str:
    """The key of an update's row."""
    return f"{update.proposer}/{update.provider}/{update.kind}/{update.id}"


class Pending(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """An update that is not irrevocable yet, and how far it has come. X is its proposer, Y the other party.

    stage 0: X proposed it. 1: X signed it into Y's commitment. 2: Y revoked, it is acked. 3: Y signed it into X's
    commitment. When X revokes (4) it is irrevocable, folded into the base, and leaves the log.
    Its message is the row ("update", `key`). `effect` is what an extension's update was admitted to do to the
    account of its provider.
    """

    update: Update
    stage: int = 0
    effect: Account = NOTHING

    @property
    def key(self) -> str:
        """The key of its `update` row; a proposal that was forgotten leaves it to the next one of that id."""
        return update_key(self.update)

    def taken_msat(self, us: Party) -> int:
        """What it takes from our balance, at most."""
        return max(0, -self.effect.moved_msat[us])


class NextIds(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The next id of each party's updates of one provider; removals of HTLCs are not counted."""

    provider: str
    ids: PerParty = (0, 0)


class Decision(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What we decided to do with an incoming HTLC. It outlives disconnects until the removal is irrevocable.

    Its message is the row ("decision", id).
    """

    id: int
    kind: Literal["fulfill", "fail", "fail_malformed"]
    preimage: bytes = b""


class Witness(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A late datum that opens a provider's outputs, by the name that their paths or children give it."""

    provider: str
    name: str
    data: bytes


class Quiescence(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How far `stfu` has come on this connection (BOLT 2, Channel Quiescence); gone when it is lost."""

    wanted: bool = False
    sent: bool = False
    received: bool = False
    initiator: Party | None = None  # known once both are true

    @property
    def quiescent(self) -> bool:
        """Whether no update may be sent until the protocol that asked for it ends."""
        return self.sent and self.received


class Channel(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="channel"):
    """The whole state of one channel. See the file's first lines for what is not in it.

    key: the node's own name of this channel, unique and stable (a mailbox, a directory of rows).
    id: temporary_channel_id, then channel_id (BOLT 2).
    numbers: the latest signed commitment of each holder; all below it of ours are revoked, and of the peer's all
        below it, or all but one if `awaiting_revocation`.
    their_points: the peer's per-commitment points, of its oldest unrevoked commitment and the ones after, as known.
    signed_after_revoking: whether our last commitment_signed went out after our last revoke_and_ack.
    losses: how often a lost connection took unsigned updates with it; their ids are used again, so what is told about
        one carries this number.
    ready: who sent channel_ready. shutdown: the scriptpubkey of each party's shutdown, empty if not sent.
    batch: commitment_signed messages of an unfinished start_batch, encoded, and how many are still missing.
    auxiliary: what came on this connection ahead of the next commitment_signed (gates.py).
    refused_number: the last commitment of ours that a gate did not accept, or -1.
    awaited_since_height: the first block that an acceptor saw while it waited for the funding.
    unproven: this snapshot was read from a store, which may be an old copy, and the peer has not shown yet that it
        knows of nothing newer. Our latest commitment may be revoked: it is not broadcast without need.
    unproven_since_height: the first block since then. unproven_starts: how many starts before this one ended unproven.
    doubted: while it is unproven, the store is known to have been put in the place of another one: nothing is broadcast
        before the peer's word, whatever is due.
    from_backup: only what a static backup holds is known: no commitment of either side, and nothing in them. It is
        never broadcast for, and its peer is asked to close it.
    funding_undone: a reorganisation took the funding out of the chain after our channel_ready.
    taken_msat: by provider, what its irrevocable updates took from our balance in all: grants are for a channel.
    accounts: by extension and holder, its account in the last signed commitment, or how low that may fall by what was
        admitted while not all that is pending of the extension is in it.
    """

    key: str
    peer: bytes
    us: Party
    policy: Policy
    id: bytes = b""
    phase: Phase = New()
    link: Literal["down", "reestablishing", "up"] = "down"
    channel_type: ChannelType = ChannelType((), 0, 0, ())
    type_bits: bytes = b""
    extensions: tuple[Extension, ...] = ()  # in the order of the namespaces of update_ext
    funding_type: FundingType | None = None  # of a type whose funding is not the 2-of-2
    announce: bool = False
    capacity_sat: int = 0
    push_msat: int = 0
    minimum_depth: int = 0
    terms: tuple[Terms, ...] = ()  # by party; before accept_channel only the opener's
    fundings: tuple[Funding, ...] = ()
    numbers: PerParty = (0, 0)
    awaiting_revocation: bool = False
    their_points: tuple[bytes, ...] = ()
    their_secrets: Shachain = Shachain()
    base: Base = Base((0, 0), ())
    log: tuple[Pending, ...] = ()
    next_ids: tuple[NextIds, ...] = ()
    decisions: tuple[Decision, ...] = ()
    losses: int = 0
    signed_after_revoking: bool = False
    depth_reached: bool = False
    ready: tuple[bool, bool] = (False, False)
    aliases: tuple[bytes, bytes] = (b"", b"")  # by party: the short_channel_id that each gave to the other
    short_channel_id: bytes = b""
    shutdown: ScriptPair = (b"", b"")
    shutdown_heard: bool = False  # on this connection: only then has the peer sent again all that it had signed
    shutdown_script: bytes = b""  # ours to send, once it is decided to close
    closing_range_sat: PerParty = (0, 0)  # ours: the lowest and highest fee of a closing transaction
    blocked_by: tuple[tuple[str, str], ...] = ()  # (provider, reason): who does not let a clear channel close yet
    quiescence: Quiescence = Quiescence()
    batch: tuple[bytes, ...] = ()
    batch_missing: int = 0
    auxiliary: tuple[Auxiliary, ...] = ()
    refused_number: int = -1
    witnesses: tuple[Witness, ...] = ()
    taken_msat: tuple[tuple[str, int], ...] = ()
    accounts: tuple[tuple[str, tuple[Account, Account]], ...] = ()
    awaited_since_height: int = 0
    unproven: bool = False
    unproven_since_height: int = 0
    unproven_starts: int = 0
    doubted: bool = False
    funding_undone: bool = False
    from_backup: bool = False
    foreign: bool = False  # others make its funding (foreign.py): it is broadcast only for a forced close
    factory: str = ""  # the plugin of ours that opened it on such a funding

    @property
    def them(self) -> Party:
        """The party that the peer is."""
        return other(self.us)

    @property
    def scids_here(self) -> tuple[bytes, ...]:
        """The scids by which an HTLC may ask for this channel: our alias, and the real one unless the type hides it."""
        hidden = SCID_ALIAS in self.channel_type.features
        return tuple(scid for scid in (b"" if hidden else self.short_channel_id, self.aliases[self.us]) if scid)

    @property
    def scid_there(self) -> bytes:
        """What the peer calls this channel towards those who pay us over it: its alias, or the real id unless the type
        hides it; empty if there is none yet."""
        return self.aliases[self.them] or (b"" if SCID_ALIAS in self.channel_type.features else self.short_channel_id)

    @property
    def live(self) -> bool:
        """Whether the connection is up and channel_reestablish is done: messages of the protocol may be sent."""
        return self.link == "up"


def new_channel(key: str, peer: bytes, us: Party, policy: Policy, temporary_channel_id: bytes) -> Channel:
    """A channel that an Open (we are party 0) or an Accept (party 1) is given to, on a connection that is up."""
    return Channel(key=key, peer=peer, us=us, policy=policy, id=temporary_channel_id, link="up")
