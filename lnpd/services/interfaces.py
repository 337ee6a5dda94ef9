"""How do the services speak to each other?

Typed interfaces that the bus can carry: every parameter and result is a value, so where a service runs is
configuration. The signer is the only holder of keys; nobody else sees a secret.
"""

from typing import Protocol

import msgspec
from lnpd_sdk.script import SpendPath
from lnpd_sdk.types import Party, PerParty

from lnpd.tx.graph import ChannelType, CommitmentSignatures, Funding, Graph
from lnpd.tx.transaction import Tx, TxOut


class ChannelIndex(msgspec.Struct, frozen=True):
    """Where a channel's keys are derived: two hardened levels of 31 random bits, unique in the store.

    `payment_turn` (0 to 999) names the payment basepoint's key among those that the seed words alone recover.
    """

    first: int
    second: int
    payment_turn: int


class ChannelPublics(msgspec.Struct, frozen=True):
    """Our public keys of one channel (BOLT 2, open_channel)."""

    funding_pubkey: bytes
    revocation_basepoint: bytes
    payment_basepoint: bytes
    delayed_payment_basepoint: bytes
    htlc_basepoint: bytes
    first_per_commitment_point: bytes


class SignerChannel(msgspec.Struct, frozen=True):
    """What the signer is told of a channel once, when its opening is agreed; every later request is held against it.

    Tuples are indexed by party; `reserve_sat[p]` is what p must keep.
    """

    index: ChannelIndex
    us: Party
    type: ChannelType
    publics: tuple[ChannelPublics, ChannelPublics]
    dust_limit_sat: PerParty
    to_self_delay: PerParty
    reserve_sat: PerParty
    funding: Funding | None = None


class SignerRecord(msgspec.Struct, frozen=True):
    """A row of the signer's durable state, to be written by whoever keeps it: in the same transaction as the step
    that asked, where signer and store share a process. A signer in a process of its own keeps its rows itself and
    hands out none."""

    key: bytes
    value: bytes


class ClaimInput(msgspec.Struct, frozen=True):
    """One input of a claim: the output that it spends, and how.

    `commitment` names (holder, number) of the commitment that the output, or its parent, belongs to; its
    per-commitment point is needed where the holder is the other side or a secret was revealed.
    """

    funding_txid: bytes
    holder: Party
    number: int
    per_commitment_point: bytes
    value_sat: int
    witness_script: bytes  # empty for P2WPKH
    path: SpendPath
    late: tuple[tuple[str, bytes], ...] = ()  # late data by name
    per_commitment_secret: bytes = b""  # of a revoked commitment


class Signer(Protocol):
    """The only holder of keys. Each refusal is a `SignerRefused` that names its rule."""

    async def node_id(self) -> bytes:
        """Our node's public key."""
        ...

    async def ecdh(self, point: bytes) -> bytes:
        """SHA256 of the node key times a point: what a BOLT 8 handshake and an onion's layer need."""
        ...

    async def sign_invoice(self, human_readable: str, data: bytes) -> tuple[bytes, int]:
        """The node's recoverable signature of a BOLT 11 invoice: (64 bytes, recovery id)."""
        ...

    async def channel_publics(self, index: ChannelIndex) -> ChannelPublics:
        """Our keys of a channel that is about to be opened or accepted."""
        ...

    async def register_channel(self, channel: SignerChannel) -> tuple[SignerRecord, ...]:
        """Fixes what a channel was opened with. Idempotent; a different answer to a known index is refused."""
        ...

    async def commitment_point(self, index: ChannelIndex, number: int) -> bytes:
        """Our per-commitment point."""
        ...

    async def hold_commitment(
        self, index: ChannelIndex, graph: Graph, signatures: CommitmentSignatures
    ) -> tuple[SignerRecord, ...]:
        """Verifies the peer's signatures, children included, on our own commitment and remembers it as held.

        SignatureInvalid names which signature failed.
        """
        ...

    async def prepare_commitment(self, index: ChannelIndex, graph: Graph) -> tuple[SignerRecord, ...]:
        """Checks that the peer's commitment may be signed; the records are stored before it is."""
        ...

    async def sign_commitment(self, index: ChannelIndex, graph: Graph) -> CommitmentSignatures:
        """Signs the peer's commitment and its children (RFC 6979: asked again, the same bytes)."""
        ...

    async def prepare_release(self, index: ChannelIndex, number: int) -> tuple[SignerRecord, ...]:
        """Checks that our commitment `number` may be revoked; the records are stored before it is."""
        ...

    async def release_secret(self, index: ChannelIndex, number: int) -> bytes:
        """Our per-commitment secret. Refused before the peer's signatures on number + 1 are held."""
        ...

    async def sign_broadcast(self, index: ChannelIndex, graph: Graph, signatures: CommitmentSignatures) -> Tx:
        """Our own commitment, complete. Refused if its secret was released."""
        ...

    async def sign_closing(self, index: ChannelIndex, tx: Tx, our_balance_sat: int, max_fee_sat: int) -> bytes:
        """Our signature of a mutual close. Refused if it pays us less than our balance less the agreed fee."""
        ...

    async def sign_claim(self, index: ChannelIndex, tx: Tx, inputs: tuple[ClaimInput, ...]) -> Tx:
        """A claim (sweep or penalty), complete: input i of `tx` is `inputs[i]`."""
        ...

    async def wallet_account(self) -> str:
        """The wallet's BIP 84 account as a public descriptor key, origin included."""
        ...

    async def sign_wallet(self, psbt: bytes, max_fee_sat: int, ours: tuple[TxOut, ...]) -> bytes:
        """Signs the wallet's inputs of a PSBT. Refused over the fee cap, or where an output that should be ours
        (`ours`, change) is missing."""
        ...
