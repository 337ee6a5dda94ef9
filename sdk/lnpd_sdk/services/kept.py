"""What was a provider asked to seal in a commitment, or in a mutual close, that the node has kept?

The node tells each transaction once; what `seal` was shown of each, with its parents in it, is put together here.
"""

import msgspec

from lnpd_sdk.types import Party, SealedOutput, Transaction, View

Carriers = tuple[tuple[int, bytes], ...]
"""(output, scriptPubKey): the carriers of a transaction as they were filled."""


class KeptWanted(msgspec.Struct, frozen=True):
    """What `kept_commitment` takes: a channel's id, a txid as explorers write it, and which of the plugin's providers;
    empty if the channel pins one of them only."""

    channel_id: str
    txid: str
    provider: str = ""


class KeptChild(msgspec.Struct, frozen=True):
    """A second stage: the output that it spends, its outputs as they were shown, its id (empty where others may still
    add to it), and its carriers."""

    vout: int
    outputs: tuple[SealedOutput, ...]
    txid: bytes
    carriers: Carriers


class KeptClaim(msgspec.Struct, frozen=True):
    """A claim of output `vout` of the commitment (`child` -1) or of a child, and the carrier that was filled for it."""

    child: int
    vout: int
    claimant: Party
    script_pubkey: bytes


class KeptRow(msgspec.Struct, frozen=True):
    """What the node tells: `transaction` is as `seal` was shown it, `txid` and `carriers` what came of it; `reserved`
    is the carrier of claims before it is filled."""

    view: View
    state: bytes
    transaction: Transaction
    txid: bytes
    carriers: Carriers
    children: tuple[KeptChild, ...] = ()
    claims: tuple[KeptClaim, ...] = ()
    reserved: bytes = b""


class KeptCommitment(msgspec.Struct, frozen=True):
    """A commitment, or a mutual close, as one of the plugin's providers saw it.

    `seal(view, state, each)` of `transaction`, and of each of `children` and `claims`, gives the bytes that were sealed
    then. A transaction without a slot of the provider's is among them, too. `sealed` is the transaction as its children
    and claims have it for `parent`. `carriers` are the filled scripts, in the order of `transaction`, `children` and
    `claims`; empty where there is no carrier.
    """

    view: View
    state: bytes
    transaction: Transaction
    sealed: Transaction
    children: tuple[Transaction, ...]
    claims: tuple[Transaction, ...]
    carriers: tuple[bytes, ...]


def assembled(row: KeptRow) -> KeptCommitment:
    """The same with every transaction whole."""
    shown = row.transaction
    sealed = Transaction(shown.purpose, _filled(shown.outputs, row.carriers), row.txid)
    children = [Transaction("second_stage", each.outputs, parent=sealed, vout=each.vout) for each in row.children]
    parents = [
        sealed,
        *(
            Transaction("second_stage", _filled(each.outputs, each.carriers), each.txid, sealed, each.vout)
            for each in row.children
        ),
    ]
    carrier = (SealedOutput(0, row.reserved),)
    claims = [
        Transaction("claim", carrier, b"", parents[each.child + 1], each.vout, each.claimant) for each in row.claims
    ]
    filled = [next((script for _, script in each), b"") for each in (row.carriers, *(c.carriers for c in row.children))]
    carriers = (*filled, *(each.script_pubkey for each in row.claims))
    return KeptCommitment(row.view, row.state, shown, sealed, tuple(children), tuple(claims), carriers)


def _filled(outputs: tuple[SealedOutput, ...], carriers: Carriers) -> tuple[SealedOutput, ...]:
    scripts = dict(carriers)
    return tuple(
        msgspec.structs.replace(output, script_pubkey=scripts.get(vout, output.script_pubkey))
        for vout, output in enumerate(outputs)
    )
