"""How does a provider say what an output's script is, and how can such an output be spent?

A script is never raw bytes. It is one of four expressions over named keys, so that the host knows every way to
satisfy it, and its weight, by construction. The host compiles it and derives the spend paths itself.
"""

from enum import StrEnum

import msgspec


class Key(StrEnum):
    """The named keys of one commitment. Each belongs to one side of it, so who can sign is known.

    The *holder* is the party that can broadcast this commitment; the *counterparty* is the other one.
    """

    REVOCATION = "revocation"  # the counterparty's, once the holder has released this commitment's secret
    DELAYED = "delayed"  # the holder's local_delayedpubkey (BOLT 3)
    HOLDER_HTLC = "holder_htlc"
    COUNTERPARTY_HTLC = "counterparty_htlc"
    COUNTERPARTY_PAYMENT = "counterparty_payment"  # the counterparty's payment_basepoint (static_remotekey)
    HOLDER_FUNDING = "holder_funding"
    COUNTERPARTY_FUNDING = "counterparty_funding"


class InternalKey(StrEnum):
    """Who can spend a taproot output without its tree: the holder of this key of the commitment, nobody (a point that
    nobody knows the secret of), or both parties together (MuSig2 of the funding keys in BIP 327's order). The last,
    MUSIG2_FUNDING, is of use in what a channel type pays its funding to, and nowhere else: no child and no claim of a
    commitment's output is signed by it."""

    NUMS = "nums"  # BIP 341, "Constructing and spending Taproot outputs"
    NUMS_SIMPLE_TAPROOT = "nums_simple_taproot"  # the simple taproot channels' own
    MUSIG2_FUNDING = "musig2_funding"
    REVOCATION = "revocation"
    DELAYED = "delayed"
    HOLDER_HTLC = "holder_htlc"
    COUNTERPARTY_HTLC = "counterparty_htlc"
    COUNTERPARTY_PAYMENT = "counterparty_payment"
    HOLDER_FUNDING = "holder_funding"
    COUNTERPARTY_FUNDING = "counterparty_funding"


class Sighash(StrEnum):
    """What a signature covers. For taproot, `all` is BIP 341's default."""

    ALL = "all"
    SINGLE_ANYONECANPAY = "single_anyonecanpay"


class Template(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="template"):
    """A row of the core's table of scripts (BOLT 3's are not miniscript), with its parameters.

    Names: `to_local`, `to_remote`, `to_remote_anchors`, `offered_htlc`, `received_htlc`, `offered_htlc_anchors`,
    `received_htlc_anchors`, `anchor`. An offered HTLC's paths are `revocation`, `timeout` and `preimage`, a received
    one's `revocation`, `success` and `expired`. Keys and to_self_delay come from the commitment, never from
    the provider. As a leaf of a taproot tree: `revocation_leaf`, which shows the delayed key and is spent by the
    revocation key.
    """

    name: str
    payment_hash: bytes = b""  # 32 bytes, HTLC templates only
    cltv_expiry: int = 0  # block height, received HTLC templates only
    counterparty: bool = False  # `anchor` only: whose funding key it carries


class Miniscript(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="miniscript"):
    """A miniscript (P2WSH) whose keys are names of `Key` or compressed points in hex.

    A point that the host cannot attribute counts as the holder's. A path is named after what it needs:
    `revocation`, `delayed+older(144)`, `holder_htlc+sha256:<hex>+after(800000)`. Locks are blocks and heights, never
    times.
    """

    expression: str


class Leaf(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="leaf"):
    """A leaf of a taproot tree, `depth` branches below its root: a miniscript (in tapscript: x-only keys, `multi_a`),
    or a template that is one."""

    script: Template | Miniscript
    depth: int = 0


class Taproot(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="taproot"):
    """P2TR (BIP 341): a named internal key, and up to 16 leaves, in the order of a walk from left to right (as in
    BIP 371: a single leaf has depth 0, a pair depth 1). The ways of all leaves are the output's, beside `internal_key`
    itself under its own name; no two may need the same.
    """

    internal_key: InternalKey
    leaves: tuple[Leaf, ...] = ()


class DataCarrier(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="data_carrier"):
    """OP_RETURN with one push of exactly `length` bytes (1 to 80), reserved now and filled in `seal`."""

    length: int


Script = Template | Miniscript | Taproot | DataCarrier
FundingScript = Miniscript | Taproot


class SignatureSlot(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="signature"):
    """A witness element: a signature by a named key (or a point in hex)."""

    key: str
    sighash: Sighash = Sighash.ALL


class LateSlot(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="late"):
    """A witness element that is not known yet, by name: `sha256:<hex>` is the preimage of that hash."""

    name: str


class BytesSlot(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="bytes"):
    """A witness element that is known from the start (an empty push, a public key)."""

    data: bytes


Slot = SignatureSlot | LateSlot | BytesSlot


class SpendPath(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """One way to satisfy an output's script, found by the host's enumeration.

    `older` is a relative lock in blocks (BIP 68), `after` an absolute height; 0 is no lock. `witness` is the stack
    below the witness script, bottom first. Of a taproot output, `leaf` is the script that this path runs and `control`
    the control block that proves it; a path by the internal key has neither, but the `tweak` of that key (BIP 341).
    """

    name: str
    witness: tuple[Slot, ...]
    older: int = 0
    after: int = 0
    leaf: bytes = b""
    control: bytes = b""
    tweak: bytes = b""

    @property
    def taproot(self) -> bool:
        """Whether its signatures are Schnorr's, over BIP 341's digest."""
        return bool(self.control or self.tweak)

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys whose signatures this path needs, in witness order."""
        return tuple([slot.key for slot in self.witness if isinstance(slot, SignatureSlot)])

    @property
    def late(self) -> tuple[str, ...]:
        """The names of the late data that this path needs."""
        return tuple(slot.name for slot in self.witness if isinstance(slot, LateSlot))
