"""What does a channel want done, once its new state is stored?

The driver stores the snapshot, the rows of `Keep` and the outbox in one transaction, and acts after it. `Send` and
`Disconnect` belong to the connection and are never replayed; Broadcast, Watch*, Notify and Tell are an outbox: keyed,
idempotent, at least once. A later action with the same key replaces an earlier one.

Secrets and signatures do not pass through here: a `fill` names what the signer puts into a message or a transaction
after the commit and before the bytes leave. Signing is repeatable (RFC 6979), so that a crash in between is healed by
channel_reestablish with the same bytes.
"""

from typing import Literal

import msgspec
from lnpd_sdk.types import Party

from lnpd.tx.claims import Claimable
from lnpd.tx.graph import Funding, Graph
from lnpd.tx.transaction import Tx, TxOut
from lnpd.wire.base import Message

# What the signer fills in


class SignCommitment(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="sign_commitment"):
    """Fills `signature` (and `htlc_signatures`, in the order of the graph's children that are not gated) for the
    peer's commitment `number` on this funding: the kept graph (holder: the peer)."""

    funding_txid: bytes
    number: int


class SignAuxiliary(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="sign_auxiliary"):
    """Fills `data` of auxiliary_signatures: as much as it holds, from byte `start` on, of the signatures of this
    provider's gated children in the same commitment."""

    funding_txid: bytes
    number: int
    provider: str
    start: int


class ReleaseSecret(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="release_secret"):
    """Fills revoke_and_ack: the per-commitment secret of our commitment `number`, and the point of `number` + 2."""

    number: int


class SignClosing(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="sign_closing"):
    """Fills `signature` of closing_signed for this closing transaction (unsigned, one input).

    The signer refuses one that pays us less than `our_balance_sat`; if we pay the fee, less that, of at most
    `max_fee_sat`.
    """

    funding: Funding
    transaction: Tx
    our_balance_sat: int
    max_fee_sat: int


class SignBroadcast(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="sign_broadcast"):
    """Fills the witness of our own commitment `number` on this funding: the kept graph and the peer's signature."""

    funding_txid: bytes
    number: int


class CompleteClosing(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="complete_closing"):
    """Fills the witness of a mutual close: what SignClosing signs, beside the peer's signature, in the keys' order."""

    signing: SignClosing
    their_signature: bytes


Fill = SignCommitment | SignAuxiliary | ReleaseSecret | SignClosing | SignBroadcast | CompleteClosing


class Action(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Root of the actions."""


class Send(Action, frozen=True, tag="send"):
    """Send this message, after filling it. Only on the connection that is up now."""

    message: Message
    fill: tuple[Fill, ...] = ()


class Disconnect(Action, frozen=True, tag="disconnect"):
    """Close the connection after what was sent before, once. `reason` is for the log."""

    reason: str


class Keep(Action, frozen=True, tag="keep"):
    """Store a row of this channel in the same transaction as the snapshot; an equal (kind, key) is replaced.

    Kinds: `commitment` (value: msgpack of queries.Kept; key: `commitment_key`; also found by `txid`), `update` (an
    update's message, encoded), `decision` (a removal's message), `closing` (msgpack of the mutual close, by txid),
    `funding` (msgpack of the confirmed funding transaction, for when it is undone), `records` (the driver's own: what
    plugins added to messages), `ancestors` (msgpack of what leads to a funding that others make), `spend` (by
    txid, a transaction that took something of the channel, as the chain has it: what is held for a plugin came by it).
    `graph` is the commitment that `value` holds: who signs it next need not decode it.
    """

    kind: Literal["commitment", "update", "decision", "closing", "funding", "records", "ancestors", "spend"]
    key: str
    value: bytes
    txid: bytes = b""
    graph: Graph | None = None


class Broadcast(Action, frozen=True, tag="broadcast"):
    """Fill and broadcast a transaction until it, or one that conflicts, is confirmed.

    `anchor_vout` is an output that we may spend at once: a child of it can pay for the transaction. `ours_sat` is what
    is ours of it in all; of that the first of `stake_sat` may be lost from `deadline_height` on (0: never). What is
    paid at each height follows from the commitment and what is known then.
    """

    key: str
    transaction: Tx
    fill: tuple[Fill, ...] = ()
    anchor_vout: int | None = None
    ours_sat: int = 0
    stake_sat: int = 0
    deadline_height: int = 0


class Claim(Action, frozen=True, tag="claim"):
    """Take these outputs of the kept commitment `commitment` (see queries.commitment_key) until each is spent.

    Their locks have passed. The driver makes one transaction with lnpd.tx.sweeps, at the feerate that
    lnpd.tx.feerates schedules, and replaces it as the deadline nears or as others take some of the outputs; what is not
    worth its fee is left out. A sweep goes to `destination`; claims through a second stage go through it, and have one
    locktime. `secret` is the holder's per-commitment secret where it has revoked. `deadline_height`: from there on the
    peer can take one of the outputs too; 0 if it never can.
    """

    key: str
    commitment: str
    claims: tuple[Claimable, ...]
    destination: bytes
    secret: bytes = b""
    deadline_height: int = 0


class WatchTransaction(Action, frozen=True, tag="watch_transaction"):
    """Report TransactionConfirmed once this transaction is `depth` deep, and TransactionUnconfirmed after it."""

    key: str
    txid: bytes
    script_pubkey: bytes
    depth: int


class WatchOutput(Action, frozen=True, tag="watch_output"):
    """Report OutputSpent at depth 1 and again at `depth`, and OutputUnspent."""

    key: str
    txid: bytes
    vout: int
    script_pubkey: bytes
    depth: int


class Notify(Action, frozen=True, tag="notify"):
    """Publish that something changed; `fields` are (name, value) with values that JSON can carry."""

    key: str
    topic: str
    fields: tuple[tuple[str, str | int | bool], ...] = ()


# Messages to other parts of the node


class FundingWanted(msgspec.Struct, frozen=True, tag="funding_wanted"):
    """To `funding`: make, sign and lock a transaction that pays `output`, with at most this fee (None: what is modest);
    answered by FundingProvided or Failed."""

    output: TxOut
    max_fee_sat: int | None = None


class FundingReleased(msgspec.Struct, frozen=True, tag="funding_released"):
    """To `funding`: the transaction will not be broadcast by this channel; its coins are free."""

    txid: bytes


class HtlcOffered(msgspec.Struct, frozen=True, tag="htlc_offered"):
    """To `payments`: our HTLC got this id. It is not irrevocable yet, and HtlcForgotten may follow."""

    id: int
    reference: str


class HtlcForgotten(msgspec.Struct, frozen=True, tag="htlc_forgotten"):
    """To `payments`: our HTLC never reached a commitment (the connection was lost first). It may be offered again."""

    id: int


class HtlcReceived(msgspec.Struct, frozen=True, tag="htlc_received", forbid_unknown_fields=True):
    """To `payments`: the peer's HTLC is irrevocably committed; answered by Fulfill, Fail or FailMalformed.

    `over_exposure`: it exceeds our dust exposure; it has to be failed and its preimage kept back (BOLT 2).
    """

    id: int
    amount_msat: int
    payment_hash: bytes
    cltv_expiry: int
    onion: bytes
    path_key: bytes = b""
    over_exposure: bool = False
    tlvs: tuple[tuple[int, bytes], ...] = ()  # update_add_htlc's odd ones


class HtlcFulfilled(msgspec.Struct, frozen=True, tag="htlc_fulfilled"):
    """To `payments`: the peer showed the preimage of our HTLC. Sent on arrival, before anything else is asked."""

    id: int
    payment_hash: bytes
    preimage: bytes


class HtlcFailed(msgspec.Struct, frozen=True, tag="htlc_failed"):
    """To `payments`: our HTLC is irrevocably removed without a preimage.

    `reason` is BOLT 4's blob; for a malformed onion it is empty and `failure_code` and `sha256_of_onion` are set.
    `on_chain`: the channel is closed and nobody said why (BOLT 5); upstream that is permanent_channel_failure.
    """

    id: int
    payment_hash: bytes
    reason: bytes = b""
    failure_code: int = 0
    sha256_of_onion: bytes = b""
    on_chain: bool = False


class ExtensionCommitted(msgspec.Struct, frozen=True, tag="extension_committed"):
    """To `plugins`: an update of this provider is irrevocably committed on both sides."""

    provider: str
    proposer: Party
    id: int
    body: bytes


class ExtensionForgotten(msgspec.Struct, frozen=True, tag="extension_forgotten"):
    """To `plugins`: our own proposal was dropped before it was signed; it may be proposed again."""

    provider: str
    id: int
    body: bytes


class SecretSold(msgspec.Struct, frozen=True, tag="secret_sold"):
    """To `plugins`: the peer completed a child that we had signed for an adaptor point, and the chain shows its
    signature: this is the point's secret, by the name that `put_witness` has for it."""

    provider: str
    name: str
    data: bytes


Told = (
    FundingWanted
    | FundingReleased
    | HtlcOffered
    | HtlcForgotten
    | HtlcReceived
    | HtlcFulfilled
    | HtlcFailed
    | ExtensionCommitted
    | ExtensionForgotten
    | SecretSold
)


class Tell(Action, frozen=True, tag="tell"):
    """Hand something to another part of this node, through its stored inbox."""

    key: str
    recipient: Literal["payments", "funding", "plugins"]
    message: Told
