"""What did the pipeline make of a commitment: its transaction, its outputs, their spend paths, and its children?

A graph is self-contained: from it alone the core signs, verifies, broadcasts, sweeps and punishes, without asking
any provider again.
"""

from typing import Final, Literal, NamedTuple

import msgspec
from lnpd_sdk.manifest import MainSpec
from lnpd_sdk.script import FundingScript, Script, Sighash, SpendPath
from lnpd_sdk.types import CommitmentKeys, Party, PerParty, Sealed, Trim

from lnpd.tx.transaction import Tx

MAX_CLOSE_OUTPUTS: Final = 8  # of a mutual close, beside the parties' own
ANCHORS_FEATURE: Final = "option_anchors"
"""With it the peer's signature of an HTLC transaction covers one input and one output, and others may join."""


class Funding(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """The output that a commitment spends: a 2-of-2 of the parties' funding keys (BOLT 3, "Funding Transaction"), or a
    `script` of the channel's type over `opener_funding` and `acceptor_funding`, as lnpd.tx.funding compiles it.
    """

    txid: bytes
    vout: int
    capacity_sat: int
    funding_keys: tuple[bytes, bytes]  # by party
    witness_script: bytes  # empty for taproot
    script: FundingScript | None = None  # None: the 2-of-2


class ProviderPin(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A provider that a channel's type pins, at one commitment format, with what was agreed for that format.

    `phases` are those it is asked in. `max_outputs` and `max_weight` (weight units) are limits for each party's
    outputs in one commitment; `seal_length` is the length of its seal slot in each transaction, 0 for none;
    `observes` the providers whose updates it is shown beside its own; `seals` where the host reserves it that slot;
    `holds` whether what comes home from the channel is kept for its plugin.
    """

    name: str
    format: int
    phases: tuple[str, ...] = ()
    max_outputs: int = 16
    max_weight: int = 16_000
    seal_length: int = 0
    observes: tuple[str, ...] = ()
    seals: tuple[Sealed, ...] = ()
    holds: bool = False


class ChannelType(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What shapes every commitment of a channel: the type's features, its constants, its providers in order, and what
    its funding and its main outputs pay to, if not to BOLT 3's scripts."""

    features: tuple[str, ...]
    commitment_weight: int  # of the transaction with both main outputs and what the type attaches
    fixed_cost_sat: int  # paid by the opener beside the fee (two anchors: 660)
    providers: tuple[ProviderPin, ...]
    funding: FundingScript | None = None
    main: MainSpec | None = None


class CommitmentSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All that the pipeline needs to know of one commitment.

    `balances_msat` and `states` are the base folded with this commitment's pending updates.
    """

    funding: Funding
    type: ChannelType
    holder: Party
    number: int
    keys: CommitmentKeys
    feerate_per_kw: int
    dust_limit_sat: PerParty
    to_self_delay: PerParty
    balances_msat: PerParty
    states: tuple[tuple[str, bytes], ...]  # (provider, state), in the type's order
    payment_basepoints: tuple[bytes, bytes]  # by party: they obscure the commitment number


class Output(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An output of a commitment or of a child, with every way to spend it. `witness_script` is empty for P2WPKH.

    `claim_seals`, by party: the script of the data carrier that stands first in its claim of this output, which is then
    the only one of its transaction; empty for none.
    """

    provider: str
    id: str
    kind: str
    value_sat: int
    script: Script
    script_pubkey: bytes
    witness_script: bytes
    paths: tuple[SpendPath, ...]
    debits_msat: PerParty = (0, 0)
    cltv_expiry: int = 0
    claim_seals: tuple[bytes, bytes] = (b"", b"")


class Child(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A second-stage transaction: input 0 spends output `vout` of the commitment by `path`.

    `gated`: the counterparty's signature of it comes in auxiliary_signatures, not in commitment_signed. With an
    `adaptor_point` it is a pre-signature (adaptors.py).
    """

    provider: str
    id: str
    kind: str
    vout: int
    path: SpendPath
    tx: Tx
    sighash: Sighash  # of the counterparty's signature; the holder's own is always ALL
    outputs: tuple[Output, ...]
    gated: bool = False
    adaptor_point: bytes = b""


class Graph(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A commitment transaction, unsigned, with its outputs in transaction order and its children in that order.

    `fee_sat` is all that no output holds: the fee proper, what was trimmed or rounded, and an absent anchor's share.
    Where the type seals, `states` are those of who seals and of the HTLCs, and `limits` what each output's
    specification says beside the output: with them `seal` can be asked again of a commitment that is long revoked.
    """

    funding: Funding
    holder: Party
    number: int
    keys: CommitmentKeys
    feerate_per_kw: int
    fee_sat: int
    balances_msat: PerParty
    tx: Tx
    outputs: tuple[Output, ...]
    children: tuple[Child, ...]
    trimmed: tuple[tuple[str, str], ...]  # (provider, id)
    digests: tuple[tuple[str, bytes], ...]  # (provider, 8 bytes of SHA256 over its outputs), in the type's order
    states: tuple[tuple[str, bytes], ...] = ()  # (provider, state), in the type's order
    limits: tuple[tuple[int, Trim], ...] = ()  # (second_stage_weight, trim) of each output


class CommitmentSignatures(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The counterparty's signatures of one graph, 64-byte compact: the commitment's, and one a child in order."""

    commitment: bytes
    children: tuple[bytes, ...] = ()


Method = Literal["validate", "fold", "contribute", "settle", "attach", "seal", "descend", "gate", "close"]


class ProviderCall(msgspec.Struct, frozen=True):
    """A question to one provider, by name: `method` is one of `lnpd_sdk.types.Provider`.

    `beside` are those that come next, whatever is answered to this one: they may be asked at once.
    """

    provider: str
    format: int
    method: Method
    arguments: tuple[object, ...]
    beside: tuple["ProviderCall", ...] = ()


class Foreseen(NamedTuple):
    """A question that is expected, one of a list: it may be asked ahead, if none of those at the places `after`, which
    are earlier ones to the same provider, is answered by Reject. Of a fold among them it takes the state, and the moves
    of the balances, in the place of its own."""

    call: ProviderCall
    after: tuple[int, ...] = ()
