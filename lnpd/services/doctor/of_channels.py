"""Which channels are at risk, and what of the wallet's could not pay for their end?"""

from collections.abc import AsyncIterator, Iterator
from typing import Final

from lnpd.channel.deadlines import committed_htlcs, fulfilled
from lnpd.channel.state import Channel, Failed, Negotiating, OnChain
from lnpd.rpc.answers import Finding
from lnpd.services.chain.watch import is_rival
from lnpd.services.channels import view
from lnpd.services.channels.driver import ChannelDriver
from lnpd.services.doctor.check import Check, Line, danger, hint, span, warning
from lnpd.services.doctor.patient import Patient

LIST_CHANNELS: Final = "lnp channels"
ON_CHAIN: Final = "lnp channels --onchain"
CALL: Final = "lnp connect PEER"
GIVE_UP: Final = "lnp close CHANNEL --force"
LIST_PLUGINS: Final = "lnp plugin list"
CHECK: Final = "lnp check"
PAY_IN: Final = "lnp address"
FUNDS: Final = "lnp funds"
LIVE: Final = ("awaiting_ready", "normal", "shutting_down", "negotiating")


def frozen(patient: Patient) -> Iterator[Finding]:
    """Channels that nothing can be done in until a provider is back."""
    for driver in _drivers(patient):
        if driver.frozen and not isinstance(driver.channel.phase, OnChain):
            command = CHECK if driver.locked else LIST_PLUGINS
            yield danger(f"the channel {_name(driver.channel)} is frozen: {driver.frozen}", command)
        for name, reason in driver.channel.blocked_by:
            yield warning(f"{name} keeps the channel {_name(driver.channel)} from closing: {reason}", LIST_PLUGINS)


def peers(patient: Patient) -> Iterator[Finding]:
    """Channels whose peer is away, or has not said yet that it knows of nothing newer."""
    links = patient.services.channels.links
    for driver in _drivers(patient):
        channel = driver.channel
        if channel.fundings and channel.peer not in links:
            yield from _away(patient, channel)


def _away(patient: Patient, channel: Channel) -> Iterator[Finding]:
    name, (since, is_known) = _name(channel), patient.services.peers.away(channel.peer)
    seconds = max(0.0, patient.now_unix_seconds - since) if since is not None else 0.0
    peer = Line(channel.peer.hex() + ("" if is_known else "@HOST:PORT"))  # who called us may be called by nobody
    away = f"the peer of the channel {name} is away for {span(seconds)}"
    if channel.unproven and channel.doubted:
        text = f"the channel {name} is of a copy of the database: nothing of it is broadcast before its peer is heard"
        yield danger(text, CALL, peer=peer)
    elif isinstance(channel.phase, Failed) and channel.unproven:
        yield danger(f"the channel {name} has failed, and its close waits until the peer is heard", CALL, peer=peer)
    elif view.state_name(channel) not in LIVE:
        return
    elif seconds >= patient.bounds.long_seconds:
        ours_sat = channel.base.balances_msat[channel.us] // 1000
        text = f"{away}: {ours_sat:,} sat of ours are of no use until it is closed"
        yield warning(text, GIVE_UP, channel=channel.id.hex())
    elif htlcs := committed_htlcs(channel):
        ends = min((blocks for _, blocks in _closing(patient, channel)), default=None)
        then = f"in {ends} blocks it closes the channel" if ends is not None else "none of them is ours to lose"
        yield warning(f"{away}, with {len(htlcs)} HTLCs in flight; {then}", CALL, peer=peer)
    else:
        yield hint(f"{away}; nothing in it has a deadline", CALL, peer=peer)


def htlcs(patient: Patient) -> Iterator[Finding]:
    """HTLCs that close their channel soon, if the peer does not settle them before (BOLT 2)."""
    near = patient.bounds.near_blocks
    for driver in _drivers(patient):
        channel = driver.channel
        if view.state_name(channel) not in LIVE:
            continue
        for amount_msat, left in _closing(patient, channel):
            if left <= near:
                text = f"an HTLC of {amount_msat:,} msat closes the channel {_name(channel)} in {left} blocks"
                severe = danger if left <= near // 3 else warning
                yield severe(text, CALL, peer=channel.peer.hex())


def _closing(patient: Patient, channel: Channel) -> Iterator[tuple[int, int]]:
    """The amount of each HTLC that closes the channel if nobody settles it, and in how many blocks."""
    for htlc in committed_htlcs(channel):
        ours = htlc.offerer == channel.us
        if ours or fulfilled(channel, htlc):  # what we have not decided to claim, the peer may take back
            margin = 0 if ours else channel.policy.htlc_deadline_blocks
            yield htlc.amount_msat, max(0, htlc.cltv_expiry - margin - patient.services.watcher.height)


def closes(patient: Patient) -> Iterator[Finding]:
    """Channels that went on chain, and are not settled there."""
    services = patient.services
    height = services.watcher.height
    for driver in _drivers(patient):
        channel = driver.channel
        if isinstance(channel.phase, OnChain):
            count, sat = view.unclaimed(channel.phase)
            if count:
                yield warning(f"the channel {_name(channel)} is on chain with {sat:,} sat unclaimed", ON_CHAIN)
            yield from _rivals(patient, channel, channel.phase, height)
        elif isinstance(channel.phase, Negotiating) and not channel.phase.agreed_txid:
            yield hint(f"the channel {_name(channel)} is closing, and its peer has not agreed yet", LIST_CHANNELS)
        refused = [s for s in services.watcher.status(channel.key.encode()) if s.refused and not s.ended]
        for status in (each for each in refused if not is_rival(each.refused)):
            text = f"a transaction of the channel {_name(channel)} does not get out: {status.refused}"
            yield danger(text, FUNDS)


def _rivals(patient: Patient, channel: Channel, phase: OnChain, height: int) -> Iterator[Finding]:
    for row in view.onchain_rows(phase, height):
        if row.rival_height and row.state in ("waiting", "unclaimed", "claimed"):
            left = row.rival_height - height
            if left <= patient.bounds.rival_blocks:
                text = (
                    f"{row.amount_sat:,} sat of the channel {_name(channel)} can be taken by the peer in {left} blocks"
                )
                yield danger(text, ON_CHAIN)


def feerates(patient: Patient) -> Iterator[Finding]:
    """Channels whose commitment pays far too little, so that a forced close would not confirm."""
    for text in patient.services.feerates.warnings:
        yield warning(text, LIST_CHANNELS)


async def wallet(patient: Patient) -> AsyncIterator[Finding]:
    """Coins for closing channels with anchors; and coins that are still looked for."""
    services = patient.services
    for text in (*services.wallet.warnings, *services.payment_sweep.warnings):
        yield hint(text, FUNDS)
    kept_sat = services.wallet.reserve_sat()
    has_sat = (await services.wallet.balance()).confirmed_sat if kept_sat else 0
    if has_sat < kept_sat:
        text = f"the wallet has {has_sat:,} sat of the {kept_sat:,} sat that forced closes with anchors may cost"
        yield warning(f"{text}: an HTLC could be lost to its expiry", PAY_IN)


def _drivers(patient: Patient) -> list[ChannelDriver]:
    return list(patient.services.channels.drivers.values())


def _name(channel: Channel) -> str:
    return channel.id.hex()[:16]


CHECKS: Final[tuple[Check[Patient], ...]] = (
    Check(
        "frozen",
        "channels that are frozen, or whose close a plugin blocks",
        frozen,
        (CHECK, LIST_PLUGINS),
        "no channel is frozen",
    ),
    Check(
        "peers",
        "channels whose peer is away, for how long and what comes of it; or has to be heard before anything is sent",
        peers,
        (CALL, GIVE_UP),
        "the peer of every channel is there",
    ),
    Check(
        "htlcs",
        "HTLCs near the height at which they close their channel",
        htlcs,
        (CALL,),
        "no HTLC is near its deadline",
    ),
    Check(
        "closes",
        "channels that went on chain: what is unclaimed, what the peer could take, what does not get out",
        closes,
        (ON_CHAIN, LIST_CHANNELS, FUNDS),
        "no close is unresolved",
    ),
    Check(
        "feerates",
        "channels whose feerate is far from what is due",
        feerates,
        (LIST_CHANNELS,),
        "every channel pays what is due",
    ),
    Check(
        "wallet",
        "whether the wallet keeps what forced closes may cost, and is known whole",
        wallet,
        (PAY_IN, FUNDS),
        "the wallet keeps enough for closing",
    ),
)
