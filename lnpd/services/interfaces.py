"""How do the services speak to each other?

Typed interfaces that the bus can carry: every parameter and result is a value, so where a service runs is
configuration. The signer is the only holder of keys; nobody else sees a secret.
"""

from collections.abc import Collection
from typing import Protocol

import msgspec
from lnpd_sdk.types import Party, PerParty

from lnpd.channel.actions import CompleteClosing, SignClosing
from lnpd.crypto.hd import ChannelBasepoints as ChannelPublics
from lnpd.crypto.hd import ChannelIndex
from lnpd.services.plugin_keys import PluginSigner
from lnpd.services.records import SignerRecord, SignerRecords
from lnpd.tx.graph import ChannelType, CommitmentSignatures, Funding, Graph
from lnpd.tx.transaction import Tx, TxOut
from lnpd.wire.base import Message
from lnpd.wire.messages import Extension

__all__ = [
    "ChannelIndex",
    "ChannelPublics",
    "Claim",
    "ClaimInput",
    "Held",
    "Link",
    "Released",
    "Reservation",
    "Router",
    "SecondStage",
    "Signer",
    "SignerChannel",
    "SignerRecord",
    "SignerRecords",
    "StagePart",
]


class SignerChannel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the signer is told of a channel once, when its opening is agreed; every later request is held against it.

    Tuples are indexed by party; `to_self_delay[p]` delays p's own outputs, and `reserve_sat[p]` is what p must keep.
    `publics` of the peer are those of its open_channel or accept_channel. `dust_exposure_sat` is what of
    our balance may be trimmed from a commitment. `destinations` are scriptPubKeys outside of the wallet that closings
    and claims may pay, because the user named them (an upfront shutdown script).
    """

    index: ChannelIndex
    us: Party
    type: ChannelType
    publics: tuple[ChannelPublics, ChannelPublics]
    dust_limit_sat: PerParty
    to_self_delay: PerParty
    reserve_sat: PerParty
    funding: Funding
    destinations: tuple[bytes, ...] = ()
    dust_exposure_sat: int = 50_000


class PaymentCoin(msgspec.Struct, frozen=True):
    """A to_remote output of a channel of ours that nothing else is known of: the place of its key in the set of payment
    basepoints, and whether it is of a channel with anchors."""

    turn: int
    value_sat: int
    anchors: bool


class Reservation(msgspec.Struct, frozen=True):
    """An index that belongs to one channel from now on, and our keys there."""

    publics: ChannelPublics
    records: SignerRecords = ()


class Held(msgspec.Struct, frozen=True):
    """Whether the peer's signatures of our commitment are valid: `wrong` says which is not, empty if all are."""

    wrong: str = ""
    records: SignerRecords = ()


class Released(msgspec.Struct, frozen=True):
    """What revoke_and_ack carries: the secret of our commitment n, and the point of n + 2."""

    per_commitment_secret: bytes
    next_per_commitment_point: bytes

    def __repr__(self) -> str:
        return "Released(...)"


class ClaimInput(msgspec.Struct, frozen=True):
    """One input of a claim: which output it spends, and by which of its paths (SpendPath.name).

    `child` is an index of the graph's children whose output `output` is spent; -1 is the commitment itself. `vout` is
    where the output stands in its transaction: a child may stand beside others there (SINGLE|ANYONECANPAY).
    `late` are the late data that the path needs, by name.
    """

    vout: int
    path: str
    child: int = -1
    late: tuple[tuple[str, bytes], ...] = ()
    output: int = 0


class Claim(msgspec.Struct, frozen=True):
    """A transaction that sweeps or punishes: input i is `inputs[i]`, further ones are the wallet's and stay unsigned.
    `others` are the outputs that those spend: a Schnorr signature covers them, too.

    `graph` is the kept commitment that was confirmed. `per_commitment_secret` is the holder's, of a revoked one.
    """

    graph: Graph
    tx: Tx
    inputs: tuple[ClaimInput, ...]
    per_commitment_secret: bytes = b""
    others: tuple[TxOut, ...] = ()


class StagePart(msgspec.Struct, frozen=True):
    """A child of our own commitment: its number in the kept graph, the peer's signature, and late data by name."""

    child: int
    signature: bytes
    late: tuple[tuple[str, bytes], ...] = ()


class SecondStage(msgspec.Struct, frozen=True):
    """A second-stage transaction of our own commitment: input i and output i are those of `parts[i]`.

    A child that the peer signed with SINGLE|ANYONECANPAY may stand beside others, and further inputs, and outputs that
    pay us, may follow; any other child is alone and as it was signed. `others` are the outputs that further inputs
    spend.
    """

    graph: Graph
    parts: tuple[StagePart, ...]
    tx: Tx
    others: tuple[TxOut, ...] = ()


class Signer(PluginSigner, Protocol):
    """The only holder of keys. Each refusal is a `SignerRefused` that names its rule.

    What returns records changes the signer's memory: the caller stores them in the transaction of the step that
    asked, and only then asks for the signature or the secret. All of it may be asked again, with the same answer.
    """

    # The node

    async def node_id(self) -> bytes:
        """Our node's public key."""
        ...

    async def backup_key(self) -> bytes:
        """What seals the backup of the channels, 32 bytes. It opens no money."""
        ...

    async def ecdh(self, point: bytes) -> bytes:
        """SHA256 of the node key times a point: what a BOLT 8 handshake and an onion's layer need. InvalidPoint."""
        ...

    async def sign_invoice(self, human_readable: str, data: bytes) -> tuple[bytes, int]:
        """The node's recoverable signature of a BOLT 11 invoice: (64 bytes, recovery id).

        `data` is the words between the separator and the signature, as bits padded with zeros to whole bytes.
        """
        ...

    async def sign_channel_update(self, data: bytes) -> bytes:
        """The node's signature of a channel_update (BOLT 7); `data` is all of the message behind the signature."""
        ...

    # A channel's life

    async def reserve_channel(self, index: ChannelIndex, name: str) -> Reservation:
        """Our keys of the channel `name` that is about to be opened or accepted; its records are stored before the
        keys are sent. Idempotent for one name; an index that another channel has is refused."""
        ...

    async def channel_publics(self, index: ChannelIndex) -> ChannelPublics:
        """Our keys of a reserved index."""
        ...

    async def register_channel(self, channel: SignerChannel) -> SignerRecords:
        """Fixes what a channel was opened with, before its first commitment. Idempotent; other terms are refused."""
        ...

    async def register_funding(self, index: ChannelIndex, funding: Funding) -> SignerRecords:
        """A further funding of a registered channel, which commitments spend beside the others. Idempotent."""
        ...

    async def forget_funding(self, index: ChannelIndex, funding_txid: bytes) -> SignerRecords:
        """A funding that can no longer confirm, or was spent by the one after it. The last one is kept; what was
        forgotten is not registered again."""
        ...

    async def allow_destination(self, index: ChannelIndex, script_pubkey: bytes) -> SignerRecords:
        """The user named a scriptPubKey outside of the wallet that this channel's closing and claims may pay."""
        ...

    async def forget_channel(self, index: ChannelIndex) -> None:
        """An opening came to nothing, and its rows, where the caller keeps them, are deleted. Idempotent; refused for a
        channel that was funded by us, or has gone beyond its first commitments."""
        ...

    async def resume_channel(self, index: ChannelIndex, ours: int, theirs: int) -> None:
        """Once for each channel after a start, with the snapshot's numbers (Channel.numbers of us and of the peer).

        Refused if the signer's rows, or the snapshot, are older than the other; the channel stays refused then.
        """
        ...

    async def take_back(self, index: ChannelIndex, stored: SignerRecords) -> None:
        """The caller could not store the step for which it had asked: what was prepared for this channel is undone.

        `stored` are all rows that the caller has (of a signer that keeps its own, they do not count). Refused if what
        was given out, a signature or a secret, is not in them.
        """
        ...

    async def commitment_point(self, index: ChannelIndex, number: int) -> bytes:
        """Our per-commitment point. Answers CommitmentPoint."""
        ...

    # Commitments

    async def hold_commitment(self, index: ChannelIndex, graph: Graph, signatures: CommitmentSignatures) -> Held:
        """Verifies the peer's signatures, children included, on our own commitment and remembers it as held.

        Answers CheckSignatures (`Held.wrong`).
        """
        ...

    async def prepare_commitment(self, index: ChannelIndex, graph: Graph, revealed: bytes = b"") -> SignerRecords:
        """Checks that the peer's commitment n may be signed; the records are stored before it is.

        `revealed` is the peer's per-commitment secret of n - 2, for n of 2 and more (a repeated n needs none).
        """
        ...

    async def sign_commitment(self, index: ChannelIndex, graph: Graph) -> CommitmentSignatures:
        """Signs the peer's prepared commitment and its children (RFC 6979: asked again, the same bytes).

        Fills SignCommitment.
        """
        ...

    async def prepare_release(self, index: ChannelIndex, number: int) -> SignerRecords:
        """Checks that our commitment `number` may be revoked; the records are stored before it is."""
        ...

    async def release_secret(self, index: ChannelIndex, number: int) -> Released:
        """Our per-commitment secret and the point of number + 2, once prepared. Fills ReleaseSecret."""
        ...

    # Leaving the channel

    async def prepare_broadcast(self, index: ChannelIndex, number: int) -> SignerRecords:
        """Our commitment `number` will be broadcast: from now on its secret is never released."""
        ...

    async def sign_broadcast(self, index: ChannelIndex, graph: Graph, signatures: CommitmentSignatures) -> Tx:
        """Our own prepared commitment, complete. Fills SignBroadcast; refused if its secret was released."""
        ...

    async def prepare_closing(self, index: ChannelIndex, closing: SignClosing) -> SignerRecords:
        """Checks that a mutual close may be signed; from now on there is no further commitment. Refused if it pays us
        less than our balance, less its fee where we opened the channel."""
        ...

    async def sign_closing(self, index: ChannelIndex, closing: SignClosing) -> bytes:
        """Our signature of a mutual close, once prepared."""
        ...

    async def complete_closing(self, index: ChannelIndex, closing: CompleteClosing) -> Tx:
        """The mutual close, once prepared, complete. Fills CompleteClosing."""
        ...

    async def sign_claim(self, index: ChannelIndex, claim: Claim) -> Tx:
        """A sweep or a penalty with the witness of each of its inputs. Fills SignClaim."""
        ...

    async def sign_second_stage(self, index: ChannelIndex, stage: SecondStage) -> Tx:
        """A second-stage transaction of our own commitment with the witness of each of its children's inputs."""
        ...

    async def sold_secret(self, index: ChannelIndex, graph: Graph, child: int, signatures: tuple[bytes, ...]) -> bytes:
        """The secret of the adaptor point of a child of the peer's commitment, once the chain has shown the child:
        `signatures`, 64 bytes each, are those in its witness. Empty if none was made of our pre-signature, which is
        made again for that, and does not leave the signer."""
        ...

    # The wallet

    async def payment_points(self) -> tuple[bytes, ...]:
        """Every payment basepoint that a channel of this seed can have: the keys of its to_remote outputs."""
        ...

    async def sign_payments(self, tx: Tx, coins: tuple[PaymentCoin, ...]) -> Tx:
        """A sweep of to_remote outputs to the wallet, one an input. Refused if it pays elsewhere, or too much fee."""
        ...

    async def wallet_account(self) -> str:
        """The wallet's BIP 84 account as a public descriptor key, origin included."""
        ...

    async def wallet_used(self, receive: int, change: int) -> None:
        """How many addresses of each branch the wallet has given out: these and the next 1000 are ours."""
        ...

    async def sign_wallet(self, psbt: bytes, max_fee_sat: int, ours: tuple[TxOut, ...]) -> bytes:
        """Signs the wallet's inputs of a PSBT. Refused over the fee cap, or where an output that should be ours
        (`ours`, change) is missing."""
        ...


# Peers. A link is an object of one process: peers and channels live in the same one.


class Link(Protocol):
    """One connection to a peer that has exchanged `init`. On a link that has ended, all of this does nothing."""

    @property
    def extensions(self) -> tuple[Extension, ...]:
        """The providers and formats that the peer's `init` offers."""
        ...

    def send(self, *messages: Message) -> None:
        """Queues messages, which leave in this order; all that is queued in one turn of the loop leaves in one write.

        Unencodable. Who sends without end awaits `drain` in between: a peer that takes too little is disconnected.
        """
        ...

    async def drain(self) -> None:
        """Returns once the peer has taken most of what was sent, or the link has ended."""
        ...

    def close(self, reason: str, message: Message | None = None) -> None:
        """Sends what is queued and a last message, then closes."""
        ...


class Router(Protocol):
    """Whoever the messages of peers are for. Calls for one node id never overlap, and come in this order:

    peer_connected, any number of messages, peer_disconnected; the same of its next connection only after that.
    A ProtocolError that one of the first two raises ends the connection: the peer is told with a `warning` or, where
    BOLT 1 wants the channels to fail, with an `error` for all channels, which the router has failed then.
    """

    def wanted_peers(self) -> Collection[bytes]:
        """The node ids to which there should be a connection: those with channels."""
        ...

    async def peer_connected(self, node_id: bytes, features: bytes, link: Link) -> None:
        """`init` went both ways; `features` are the negotiated ones (BOLT 9)."""
        ...

    async def messages(self, node_id: bytes, link: Link, batch: list[Message]) -> None:
        """What was read since the last call, in order, never empty. Nothing more is read while this takes too long."""
        ...

    async def peer_disconnected(self, node_id: bytes, link: Link) -> None:
        """The connection ended; whatever came over it was handed over before."""
        ...
