"""What is a provider shown, and what does it answer?

Parties are indexed absolutely: 0 is the channel's opener, 1 its acceptor. Nothing in a view says which of the two
"we" are, so both nodes ask a provider the identical question and compute the identical bytes.

Balances contain what is still in flight: an output takes its amount out of them by its debits for as long as it
exists. A fulfilled HTLC moves balance from its offerer to its recipient; a failed one only disappears.
"""

from typing import Literal, Protocol

import msgspec

from lnpd_sdk.script import Miniscript, Script, Sighash, Taproot

Party = Literal[0, 1]
OPENER: Party = 0
ACCEPTOR: Party = 1
PARTIES: tuple[Party, Party] = (OPENER, ACCEPTOR)
Trim = Literal["refuse", "dust", "never"]
PerParty = tuple[int, int]


def other(party: Party) -> Party:
    """The other of the two parties."""
    return ACCEPTOR if party == OPENER else OPENER


class CommitmentKeys(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The public keys of one commitment, compressed points (BOLT 3, "Key Derivation")."""

    per_commitment_point: bytes
    revocation: bytes
    delayed: bytes
    holder_htlc: bytes
    counterparty_htlc: bytes
    counterparty_payment: bytes
    holder_funding: bytes
    counterparty_funding: bytes


class Htlc(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """One HTLC of a commitment. `id` counts per offerer (BOLT 2), `cltv_expiry` is a block height, `tlvs` are
    update_add_htlc's odd records."""

    offerer: Party
    id: int
    amount_msat: int
    payment_hash: bytes
    cltv_expiry: int
    tlvs: tuple[tuple[int, bytes], ...] = ()


class View(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a pure function of a provider may see. It holds no clock, no height and no configuration.

    `dust_limit_sat`, `to_self_delay` and `balances_msat` are indexed by party; `to_self_delay[p]` (blocks) delays what
    p can claim from its own commitment. In `validate` and `fold` there is no commitment yet: `keys` is None and
    `number` is that of the commitment being prepared.
    """

    funding_txid: bytes  # internal byte order
    funding_vout: int
    capacity_sat: int
    holder: Party
    number: int
    feerate_per_kw: int
    dust_limit_sat: PerParty
    to_self_delay: PerParty
    balances_msat: PerParty
    features: tuple[str, ...]  # the channel type's feature names
    keys: CommitmentKeys | None = None
    htlcs: tuple[Htlc, ...] = ()


class Update(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A proposed change of the channel's state, whoever owns it.

    `provider` owns it; `id` orders one proposer's updates of one provider, except for the htlc provider's
    removals, where it is the id of the HTLC that is removed. `body` is the owner's own encoding; the core's are
    the msgpack of the classes below. An extension's `kind` is always "ext": what it means is in the body.
    """

    proposer: Party
    provider: str
    kind: str
    id: int
    body: bytes = b""


class AddHtlc(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of the htlc provider's `add` (update_add_htlc). The onion is not part of it."""

    amount_msat: int
    payment_hash: bytes
    cltv_expiry: int
    tlvs: tuple[tuple[int, bytes], ...] = ()


class FulfillHtlc(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of the htlc provider's `fulfill` (update_fulfill_htlc)."""

    preimage: bytes


class FailHtlc(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of the htlc provider's `fail` and `fail_malformed`. The reason itself does not shape a commitment."""


class SetFee(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of the base provider's `fee` (update_fee)."""

    feerate_per_kw: int


class Reject(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="reject"):
    """A provider refuses an update; `reason` is a sentence for a person."""

    reason: str


class Folded(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="folded"):
    """The state after an update. `moves_msat` (sums to 0) moves balance between the parties."""

    state: bytes
    moves_msat: PerParty = (0, 0)


class OutputSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An output that a provider wants in a commitment.

    `value_sat` is floor(sum(debits_msat) / 1000), or, for an attached output, its share of the type's fixed costs
    (then `debits_msat` is (0, 0)). `id` is unique within the provider and equal on both nodes.
    `second_stage_weight` weighs the largest child whose fee comes out of this output, but for a sealer's carrier.

    `trim` says what becomes of an output whose value is under the holder's dust limit plus that fee: `dust` is a
    kind that falls away then (its amount goes to the fee, as an HTLC's does), `refuse` one that may not be proposed
    at all, `never` a data carrier, which has no value. A `refuse` with a second_stage_weight has to be large enough for
    250,000 sat per 1000 weight, the highest feerate that a node signs, and its children possible at it: else whoever
    owns the output could keep the opener from raising the fee of a commitment. A child to which the wallet adds its fee
    (`single_anyonecanpay`) needs no weight, on any type of channel.
    """

    provider: str
    id: str
    kind: str
    value_sat: int
    script: Script
    debits_msat: PerParty = (0, 0)
    second_stage_weight: int = 0
    trim: Trim = "refuse"
    cltv_expiry: int = 0


class ChildOutput(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An output of a second-stage transaction."""

    value_sat: int
    script: Script


class ChildTx(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A second-stage transaction that spends one output of the commitment by a path that needs both parties.

    The counterparty pre-signs it with `sighash` when it signs the commitment: in commitment_signed, or, if it is
    `gated`, in auxiliary_signatures ahead of it, and then this provider's `gate` decides whether the commitment stands.
    Of those that are not gated, all extensions together have 50 at most in a commitment: one message carries them.

    Where that covers `all`, no coin may join it: its fee comes out of its output, whose `second_stage_weight` says how
    much; else (`single_anyonecanpay`) the holder's wallet pays.

    The signature of a gated child may be for an `adaptor_point` (33 bytes): a pre-signature (of ECDSA, dlcspecs; of a
    taproot path, Schnorr) which only the point's secret completes, a late datum by the name `adaptor:<point in hex>`.
    """

    provider: str
    parent: str  # OutputSpec.id
    kind: str
    path: str  # SpendPath.name
    outputs: tuple[ChildOutput, ...]
    locktime: int = 0
    sequence: int = 0xFFFFFFFD  # replaceable, and it waits for nothing
    sighash: Sighash = Sighash.ALL
    gated: bool = False
    adaptor_point: bytes = b""


class ChildSignature(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The counterparty's signature of a gated child, valid, as the host has verified: 64 bytes (compact), or the 162 of
    an ECDSA pre-signature."""

    parent: str  # ChildTx.parent
    kind: str  # ChildTx.kind
    signature: bytes


class Ready(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="ready"):
    """The commitment may stand with these signatures."""


class Wait(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="wait"):
    """It may not; `reason` is a sentence for a person."""

    reason: str


class SealedOutput(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """An output as `seal` and `descend` see it; `spec` is None for those that no provider contributed."""

    value_sat: int
    script_pubkey: bytes
    spec: OutputSpec | None = None
    party: Party | None = None  # whom it pays its balance, in a mutual close


class Transaction(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A transaction whose amounts, order and count of outputs are fixed.

    `purpose` is `commitment`, `second_stage`, `close` or `claim`. `txid` is empty before it is sealed, and where others
    may still add to it. A second stage and a claim spend output `vout` of `parent`; the others, the funding. A claim is
    what `claimant` takes that output home by: beside the carrier that is shown it has one output more, of the wallet.
    """

    purpose: Literal["commitment", "second_stage", "close", "claim"]
    outputs: tuple[SealedOutput, ...]
    txid: bytes = b""
    parent: "Transaction | None" = None
    vout: int = 0
    claimant: Party | None = None


Sealed = Literal["second_stage", "close", "claim"]
"""Where a provider's slot may stand beside those that it reserves itself (`ProviderSpec.seals`)."""


class Blocked(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="blocked"):
    """This provider does not let the channel close by agreement yet."""

    reason: str


class CloseOutput(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An output of the mutual close beside the parties' own; `value_sat` is floor(sum(debits_msat) / 1000), no dust.

    The script is over points in hex, `opener_funding` and `acceptor_funding`. Who has its keys claims it: nobody here.
    """

    value_sat: int
    script: Miniscript | Taproot
    debits_msat: PerParty


class Closable(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, tag="closable"):
    """This provider lets the channel close; `moves_msat` (sums to 0) settles what it still owes, `outputs` pay others
    what it holds. All of it counts against its grant. What it takes of a party is no more than its outputs in the last
    commitments hold of that party's: else the close is blocked, and the signer signs none that pays us less."""

    moves_msat: PerParty = (0, 0)
    outputs: tuple[CloseOutput, ...] = ()


class Phase(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A phase that a provider takes part in, and the fields of the view that its answer depends on.

    The host asks again only when one of these (or the state) has changed; None means that all of them matter.
    """

    name: Literal["validate", "fold", "contribute", "settle", "attach", "seal", "descend", "gate", "close"]
    view_fields: tuple[str, ...] | None = None


class ProviderSpec(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What a provider declares in its manifest.

    `observes` names the other providers whose updates it is shown in `validate` and `fold` beside its own; the
    host evaluates it, so that a provider which HTLCs do not concern costs a payment nothing.

    `seals` says in which transactions that it does not make itself the host reserves it an OP_RETURN of `seal_length`
    bytes, their first output, one provider each: `close` is every mutual close, `claim` what takes an output of a
    commitment or a second stage home, `second_stage` every child of another provider. A child's signature has to cover
    the carrier (`all`: so the type is based on static_remotekey), and its parent pays for it, as `descend` is shown.
    Who `holds` seals `close` and `claim`: of what comes home from the channel the wallet spends nothing."""

    name: str
    formats: tuple[int, ...]
    phases: tuple[Phase, ...]
    observes: tuple[str, ...] = ()
    max_outputs: int = 16
    max_weight: int = 16_000  # weight units that it may add to one commitment
    seal_length: int = 0  # bytes of its seal slot in each transaction; 0 is none
    seals: tuple[Sealed, ...] = ()
    holds: bool = False


class Provider(Protocol):
    """The pure functions that shape a commitment.

    Each may be asked again, on either node, after a crash or at any time, and must then answer the same; a different
    answer, an exception, or none within 5 s freezes the channels that pin the provider until it is back. A phase that
    is not in `spec.phases` is never asked. `state` is the provider's own bytes, empty in a new channel and at most
    64 KiB: the base folded with the updates of the commitment in question.
    """

    spec: ProviderSpec

    def validate(self, view: View, state: bytes, update: Update) -> Reject | None:
        """Whether an update, its own or one that it observes, may stand. `update.body` comes from the peer: it may be
        anything, and is refused by `Reject`, not by an exception. Updates of both parties that cross on the wire must
        stay valid in either order."""
        ...

    def fold(self, view: View, state: bytes, update: Update) -> Folded:
        """The state after an update that was accepted. Only its own updates move balances (`moves_msat`, which sums to
        0, by party). Updates of different proposers must give the same in either order."""
        ...

    def contribute(self, view: View, state: bytes) -> tuple[OutputSpec, ...]:
        """The outputs that this commitment (of `view.holder`) has for this state; the debits come out of the balances.

        What they debit of each party follows from the state alone, and is the same on both sides' commitments: if it
        grows otherwise than by an own update of that party's, the channel freezes and nothing is signed."""
        ...

    def settle(self, view: View, state: bytes, remaining_msat: PerParty) -> tuple[OutputSpec, ...]:
        """What pays out the rest of each balance (msat, by party): one provider of a channel type does, `base`."""
        ...

    def attach(self, view: View, state: bytes, survivors: tuple[OutputSpec, ...]) -> tuple[OutputSpec, ...]:
        """Outputs that depend on which others were not trimmed, paid for by the type's fixed costs."""
        ...

    def seal(self, view: View, state: bytes, transaction: Transaction) -> bytes:
        """The content of its data carrier in this transaction: exactly `spec.seal_length` bytes.

        Both sides build the same transactions: both must get the same bytes. A close is asked for each fee: of what is
        irrevocable, its outputs with whose they are. Claims are asked for with their commitment, for each output and
        party that could, since later nobody is: zeros say that it moves satoshi alone, and is worth no more."""
        ...

    def descend(self, view: View, state: bytes, transaction: Transaction) -> tuple[ChildTx, ...]:
        """The second-stage transactions below its outputs; `transaction.txid` is final."""
        ...

    def gate(self, view: View, state: bytes, signatures: tuple[ChildSignature, ...]) -> Ready | Wait:
        """Whether the holder accepts this commitment with the counterparty's signatures of this provider's gated
        children, in the order of the outputs that they spend.

        Asked when a commitment_signed has come with all of them, and only if there are any. After Wait the commitment
        is refused, with a warning, and the channel freezes if it is offered again."""
        ...

    def close(self, view: View, state: bytes) -> Blocked | Closable:
        """Whether the channel may close by agreement now, what is then settled first, and who else is paid."""
        ...


class ProviderBase:
    """Defaults for the phases that a provider does not take part in."""

    spec: ProviderSpec

    def validate(self, view: View, state: bytes, update: Update) -> Reject | None:
        """Accept anyone's update."""
        return None

    def fold(self, view: View, state: bytes, update: Update) -> Folded:
        """Leave the state as it is."""
        return Folded(state)

    def contribute(self, view: View, state: bytes) -> tuple[OutputSpec, ...]:
        """Add no output."""
        return ()

    def settle(self, view: View, state: bytes, remaining_msat: PerParty) -> tuple[OutputSpec, ...]:
        """Pay out no balance: in a channel type one provider does (`base`)."""
        return ()

    def attach(self, view: View, state: bytes, survivors: tuple[OutputSpec, ...]) -> tuple[OutputSpec, ...]:
        """Attach no output."""
        return ()

    def seal(self, view: View, state: bytes, transaction: Transaction) -> bytes:
        """Fill no slot."""
        return b""

    def descend(self, view: View, state: bytes, transaction: Transaction) -> tuple[ChildTx, ...]:
        """Have no second stage."""
        return ()

    def gate(self, view: View, state: bytes, signatures: tuple[ChildSignature, ...]) -> Ready | Wait:
        """Be content with valid signatures."""
        return Ready()

    def close(self, view: View, state: bytes) -> Blocked | Closable:
        """Let the channel close."""
        return Closable()

    def samples(self) -> tuple[bytes, ...]:
        """Bodies of updates that make sense, as examples for `lnp plugin check`. A node never asks for them."""
        return ()
