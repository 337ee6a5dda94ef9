"""What does a person see of a channel?

From the snapshot and the kept commitments, in the values of answers.py. Nothing here is asked of a provider.
"""

from collections.abc import Sequence

from msgspec.structs import replace

from lnpd.channel.feerates import proposed_per_kw
from lnpd.channel.lost import UNKNOWN
from lnpd.channel.onchain_htlcs import TAKEN_BY_PREIMAGE
from lnpd.channel.queries import commitment_key
from lnpd.channel.state import SCID_ALIAS, AwaitingReady, Channel, Failed, Negotiating, OnChain, Resolution
from lnpd.providers.types import CORE_PROVIDERS
from lnpd.rpc.answers import Channel as Shown
from lnpd.rpc.answers import ExtensionOutput, Htlc, OnchainOutput
from lnpd.services.channels.batch import find_row, kept_of
from lnpd.services.channels.opening import ALIASED
from lnpd.services.onchain import BroadcastStatus
from lnpd.store.store import Store
from lnpd.tx.graph import Graph
from lnpd.tx.states import htlcs_of

STATES = {
    "waiting": "waiting",
    "unclaimed": "unclaimed",
    "claiming": "claimed",
    "spent": "claimed",
    "resolved": "resolved",
}


UNDONE = "A reorganisation took the funding out of the chain. Nothing new is agreed on before it is deep again."
UNPROVEN = " Our commitment waits until the peer was heard: this database could be an older copy."
# How an HTLC's output is taken, by whose commitment it is in; anything else is swept.
WAYS = {
    ("ours", "offered_htlc"): "HTLC-timeout transaction",
    ("ours", "received_htlc"): "HTLC-success transaction",
    ("theirs", "received_htlc"): "timeout",
    ("theirs", "offered_htlc"): "preimage",
}
NOT_WORTH_IT = "It could be claimed, but is not worth a transaction's fee now."


def txid_text(txid: bytes) -> str:
    """As explorers write it: bytes reversed."""
    return txid[::-1].hex()


def type_name(channel: Channel) -> str:
    """The BOLT type's name; a plugin's type with a funding of its own is known by its own."""
    if channel.funding_type is not None:
        return channel.funding_type.name
    found = channel.channel_type.features
    base = "anchors_zero_fee_htlc_tx" if "option_anchors" in found else "static_remotekey"
    return base + (ALIASED if SCID_ALIAS in found else "")


async def graphs(store: Store, channel: Channel) -> dict[int, Graph]:
    """The latest commitment of each holder, by party, as far as they are kept."""
    found = {}
    for funding in channel.fundings[:1]:
        for holder in (channel.us, channel.them):
            key = commitment_key(funding.txid, holder, channel.numbers[holder])
            kept = kept_of(await store.read(lambda read, key=key: find_row(read, channel, "commitment", key)))  # type: ignore[misc]  # mypy does not infer a lambda's default
            if kept is not None:
                found[int(holder)] = kept.graph
    return found


def extension_outputs(channel: Channel, found: dict[int, Graph]) -> tuple[ExtensionOutput, ...]:
    """The outputs of plugins' providers in both latest commitments."""
    return tuple(
        ExtensionOutput(
            o.provider,
            o.kind,
            o.value_sat,
            "ours" if holder == channel.us else "theirs",
            outpoint=f"{txid_text(graph.tx.txid)}:{vout}",
            script=o.script_pubkey.hex(),
        )
        for holder, graph in sorted(found.items())
        for vout, o in enumerate(graph.outputs)
        if o.provider not in CORE_PROVIDERS
    )


def htlcs(channel: Channel) -> tuple[Htlc, ...]:
    """The HTLCs that are committed on both sides and not removed."""
    return tuple(
        Htlc("out" if h.offerer == channel.us else "in", h.amount_msat, h.payment_hash.hex(), h.cltv_expiry)
        for h in htlcs_of(channel.base.states)
    )


def state_name(channel: Channel) -> str:
    """The phase, in one word that a person can search for."""
    if isinstance(channel.phase, Negotiating) and channel.phase.agreed_txid:
        return "closing"
    phase = type(channel.phase).__name__
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in phase).lstrip("_")


def onchain_rows(phase: OnChain, height: int, broadcasts: Sequence[BroadcastStatus] = ()) -> tuple[OnchainOutput, ...]:
    """What becomes of each output, and by which of these broadcasts."""
    known = {status.key: status for status in broadcasts}
    return tuple(_onchain_row(phase, row, height, known.get(row.claim)) for row in phase.resolutions)


def unclaimed(phase: OnChain) -> tuple[int, int]:
    """How many outputs nobody claims yet, and how much is in them, in satoshi."""
    values_sat = [row.value_sat for row in phase.resolutions if row.status == "unclaimed" and row.kind != UNKNOWN]
    return len(values_sat), sum(values_sat)


def _onchain_row(phase: OnChain, row: Resolution, height: int, broadcast: BroadcastStatus | None) -> OnchainOutput:
    waits = row.status == "waiting" and row.due_height > height
    taken = row.status in ("spent", "resolved")
    lost = row.kind == UNKNOWN or (taken and (not row.claim or row.reason == TAKEN_BY_PREIMAGE))
    unsent = broadcast is not None and not broadcast.txids
    idle = not waits if row.status == "waiting" else row.status == "claiming" and unsent
    refused = broadcast.refused if broadcast and row.status == "claiming" else ""
    return OnchainOutput(
        outpoint=f"{txid_text(row.txid)}:{row.vout}",
        amount_sat=row.value_sat,
        provider=row.provider if row.kind != UNKNOWN else "",
        kind=row.kind,
        state="lost" if lost else STATES[row.status],  # type: ignore[arg-type]  # a table of literals
        until_height=row.due_height if waits else 0,
        claim=txid_text(broadcast.txids[-1]) if broadcast and broadcast.txids and not taken else "",
        note=row.reason or refused or (NOT_WORTH_IT if idle else ""),
        by="" if taken or row.status == "unclaimed" else _how(phase, row),
        rival_height=0 if taken else row.rival_height,
    )


def _how(phase: OnChain, row: Resolution) -> str:
    """By which of BOLT 5's ways we take an output."""
    if phase.spend == "revoked" and row.kind not in ("to_remote", "anchor"):
        return "penalty"
    return WAYS.get(("ours" if phase.spend == "ours" else "theirs", row.kind), "sweep")


def blocks_left(channel: Channel, height: int, confirmations: int) -> int:
    """How many blocks are to come before an opening channel is ready, or nothing of a closed one can be undone."""
    phase, final = channel.phase, channel.policy.resolution_depth
    if isinstance(phase, AwaitingReady):
        return 0 if channel.depth_reached else max(0, channel.minimum_depth - confirmations)
    if isinstance(phase, Negotiating) and phase.agreed_txid:
        return final
    if isinstance(phase, OnChain):
        due = (row.due_height + 1 for row in phase.resolutions if row.status == "waiting" and row.due_height > height)
        return max(phase.height, *due, 0) + final - 1 - height if phase.height <= height else final
    return 0


def _why_frozen(channel: Channel, frozen: str) -> str:
    if isinstance(channel.phase, OnChain):
        return ""  # what is on chain is settled without anybody's answers
    if isinstance(channel.phase, Failed):
        waits = channel.unproven and channel.phase.may_broadcast
        return frozen or channel.phase.error + (UNPROVEN if waits else "")
    return frozen or (UNDONE if channel.funding_undone else "")


async def shown(
    store: Store,
    channel: Channel,
    height: int,
    frozen: str,
    connected: bool,
    broadcasts: Sequence[BroadcastStatus] = (),
    mined_height: int = 0,
) -> Shown:
    """A channel as the RPC shows it. mined_height: of its funding, as long as the channel does not know it."""
    us, them = channel.us, channel.them
    funding = channel.fundings[0] if channel.fundings else None
    opened = int.from_bytes(channel.short_channel_id[:3], "big") or mined_height
    deep = max(0, height - opened + 1) if opened else 0
    row = Shown(
        channel_id=channel.id.hex(),
        peer=channel.peer.hex(),
        connected=connected,
        state=state_name(channel),
        capacity_sat=channel.capacity_sat,
        ours_msat=channel.base.balances_msat[us],
        theirs_msat=channel.base.balances_msat[them],
        reserve_sat=channel.terms[them].channel_reserve_sat if len(channel.terms) > 1 else 0,
        opener="us" if us == 0 else "them",
        type=type_name(channel),
        providers=tuple(p.name for p in channel.channel_type.providers if p.name not in CORE_PROVIDERS),
        funding=f"{txid_text(funding.txid)}:{funding.vout}" if funding else "",
        confirmations=deep,
        our_commitment=channel.numbers[us],
        their_commitment=channel.numbers[them],
        feerate_per_kw=proposed_per_kw(channel),
        their_reserve_sat=channel.terms[us].channel_reserve_sat if len(channel.terms) > 1 else 0,
        blocks_left=blocks_left(channel, height, deep),
        htlcs=htlcs(channel),
        frozen=_why_frozen(channel, frozen),
        blocked_by=tuple(f"{name}: {reason}" for name, reason in channel.blocked_by),
    )
    if isinstance(channel.phase, OnChain):
        return replace(
            row,
            closing_txid=txid_text(channel.phase.txid),
            closing_confirmations=max(0, height - channel.phase.height + 1),
            onchain=onchain_rows(channel.phase, height, broadcasts),
        )
    if isinstance(channel.phase, Negotiating):
        row = replace(row, closing_txid=txid_text(channel.phase.agreed_txid))
    return replace(row, extension_outputs=extension_outputs(channel, await graphs(store, channel)))
