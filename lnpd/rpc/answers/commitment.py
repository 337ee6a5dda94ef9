"""What is the answer of the command that shows a commitment transaction? As __init__.py says."""

from typing import Literal

import msgspec

from lnpd.rpc.answers.ids import ChannelId, Hex, Outpoint, Txid


class SpendingWay(msgspec.Struct, frozen=True):
    """One way to spend an output, as the node found it in the output's script.

    `by` are those who have to sign: "us", "them", or a key in hex of which only its plugin knows whose it is; nobody
    has to if it is empty. It waits `after_blocks` from the confirmation of the output, and until `from_height`; it
    needs late data by their names (`sha256:` a hash: the preimage; `adaptor:` a point: its secret). `if_revoked`: only
    once the holder of the commitment has given up this state. `child` is the pre-signed transaction that it takes, by
    its place in `children`; -1: it pays to wherever its signer wants. `text` says all of it to a person.
    """

    path: str
    by: tuple[str, ...]
    text: str
    after_blocks: int = 0
    from_height: int = 0
    needs: tuple[str, ...] = ()
    if_revoked: bool = False
    child: int = -1


class CommitmentOutput(msgspec.Struct, frozen=True):
    """An output. `provider` contributed it, one of the node's own (`built_in`) or a plugin's; what it takes out of each
    balance are `ours_msat` and `theirs_msat`. `script_type` is how the chain calls it, `expression` what was compiled.
    `data` is what a data carrier holds. `claim_sealed_by` names the plugin without whose bytes nobody claims it."""

    index: int
    amount_sat: int
    provider: str
    built_in: bool
    kind: str
    id: str
    script_type: Literal["p2wpkh", "p2wsh", "p2tr", "op_return"]
    expression: str
    address: str
    script: Hex
    ours_msat: int
    theirs_msat: int
    ways: tuple[SpendingWay, ...]
    data: Hex = ""
    claim_sealed_by: str = ""


class CommitmentChild(msgspec.Struct, frozen=True):
    """A transaction that spends output `vout` of the commitment, which the counterparty has signed ahead.

    Where others may join (`may_be_joined`), its txid is not known before, and whoever broadcasts it adds a fee to
    `fee_sat`. The commitment does not stand before its plugin says so if it is `gated`; with an `adaptor_point` its
    signature is incomplete until the point's secret is known.
    """

    provider: str
    built_in: bool
    kind: str
    vout: int
    path: str
    txid: Txid
    fee_sat: int
    may_be_joined: bool
    outputs: tuple[CommitmentOutput, ...]
    after_blocks: int = 0
    from_height: int = 0
    gated: bool = False
    adaptor_point: Hex = ""


class TrimmedOutput(msgspec.Struct, frozen=True):
    """What was too small for an output; its amount went to the fee. None: of an extension, which alone knows it."""

    provider: str
    id: str
    amount_msat: int | None


class Commitment(msgspec.Struct, frozen=True):
    """The last commitment transaction of a holder that both sides have signed off.

    `signed`: we have the peer's signature, so that we could broadcast it; of the peer's commitment it says that it has
    ours. `fee_sat` is what no output holds, what was trimmed included. `funding_type` is how the chain calls the output
    that it spends, `funding_expression` what was compiled.
    """

    channel_id: ChannelId
    holder: Literal["us", "them"]
    number: int
    txid: Txid
    signed: bool
    type: str
    opener: Literal["us", "them"]
    funding: Outpoint
    capacity_sat: int
    funding_type: Literal["p2wpkh", "p2wsh", "p2tr", "op_return"]
    funding_expression: str
    funding_ways: tuple[SpendingWay, ...]
    ours_msat: int
    theirs_msat: int
    fee_sat: int
    feerate_per_kw: int
    weight: int
    outputs: tuple[CommitmentOutput, ...]
    children: tuple[CommitmentChild, ...]
    trimmed: tuple[TrimmedOutput, ...]
