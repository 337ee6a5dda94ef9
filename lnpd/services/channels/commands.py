"""How does a person open and close a channel? What is asked before, how long it is waited for, and what is said then.

No wait is without an end: an opening that is late is given up and leaves nothing behind; a close that is late goes on,
and its error says what it waits for.
"""

import asyncio
import logging
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from lnpd_sdk.types import OPENER

from lnpd.chain.interface import ChainBackend, Outpoint
from lnpd.channel.actions import Notify
from lnpd.channel.events import Close, ForceClose
from lnpd.channel.feerates import FLOOR_BLOCKS, SOON_BLOCKS, Estimates, target_per_kw
from lnpd.channel.shutdown import answer_script
from lnpd.channel.state import AwaitingReady, Channel, Closed, Failed, Negotiating, OnChain
from lnpd.errors import (
    AlreadyClosed,
    ChainError,
    ChannelRefused,
    CloseBlocked,
    ClosePending,
    FeeTooHigh,
    OpenTimedOut,
    PeerNotConnected,
    StateUnproven,
    UnknownChannel,
)
from lnpd.rpc import answers
from lnpd.services.chain.watch import ChainWatch
from lnpd.services.channels import view as channel_view
from lnpd.services.channels.driver import ChannelDriver
from lnpd.services.channels.opening import Kind, Kinds, require_spoken, usual_type
from lnpd.services.channels.reserve import has_anchors
from lnpd.services.channels.service import Channels
from lnpd.services.wallet.select import Selection, require_modest
from lnpd.services.wallet.service import Wallet
from lnpd.store.store import Store
from lnpd.tx.transaction import TxOut

log = logging.getLogger("lnpd.channels")

OPEN_SECONDS: Final = 60.0
CLOSE_SECONDS: Final = 60.0
PROOF_SECONDS: Final = 5.0
CHAIN_SECONDS: Final = 5.0  # for a look at a chain that may not answer; what is stored is broadcast later
GOES_ON: Final = "The close has begun and goes on by itself as soon as it can: `lnp channels` shows it."
CONFIRM_BLOCKS: Final = 6
CLOSE_WEIGHT: Final = 676  # a mutual close with two P2WSH outputs
MIN_CLOSE_FEERATE_PER_KW: Final = 253
SAMPLE_SCRIPT: Final = b"\0\x20" + bytes(32)  # as long as any funding's
OURS_NOTE: Final = (
    "This is our commitment: what is ours is claimed when its delay has passed. Should the peer's confirm in its place,"
    " `lnp channels` shows that one."
)
THEIRS_NOTE: Final = "This is the peer's commitment, which came before ours: what is ours is claimed once it confirms."


@dataclass(frozen=True)
class Commands:
    """Opens and closes channels, with the services that this takes."""

    channels: Channels
    kinds: Kinds
    wallet: Wallet
    watcher: ChainWatch
    backend: ChainBackend
    store: Store

    async def open(
        self,
        peer: bytes,
        amount_sat: int,
        push_msat: int,
        channel_type: str,
        providers: tuple[str, ...],
        feerate_per_kw: int | None,
        max_fee_sat: int | None = None,
    ) -> answers.Opened:
        """Opens a channel; see Backend.open."""
        wanted = (peer, amount_sat, push_msat, channel_type, providers, max_fee_sat)
        kind, _ = await self.planned(*wanted)  # before the peer hears of it
        feerate = feerate_per_kw or await self.commitment_feerate(kind)
        channel = await self.channels.open(peer, amount_sat, push_msat, kind, feerate, max_fee_sat=max_fee_sat)
        try:
            async with asyncio.timeout(OPEN_SECONDS):
                channel = await self.channels.until(channel.key, funded)
        except TimeoutError:
            late = await self.channels.give_up(channel.key)
            if late is None:
                raise OpenTimedOut(
                    f"The peer has not answered within {OPEN_SECONDS:g} s. The opening is given up; its coins are free"
                    " again."
                ) from None
            channel = late
        except UnknownChannel:
            why = self.channels.judges.why(channel.key) or "The connection was lost before the channel was funded."
            raise ChannelRefused(why) from None
        finally:
            self.channels.judges.over(channel.key)
        await self._broadcast()
        funding = channel.fundings[0]
        outpoint = f"{channel_view.txid_text(funding.txid)}:{funding.vout}"
        return answers.Opened(channel.id.hex(), outpoint, channel.capacity_sat, channel_view.state_name(channel))

    async def planned(
        self,
        peer: bytes,
        amount_sat: int,
        push_msat: int,
        channel_type: str,
        providers: tuple[str, ...],
        max_fee_sat: int | None = None,
    ) -> tuple[Kind, Selection]:
        """What would be opened, and the coins that would pay for it; the peer hears nothing. Raises as `open` does."""
        negotiated = self.channels.negotiated(peer)
        kind = self.kinds.named(channel_type or usual_type(negotiated), providers)
        require_spoken(kind, amount_sat, negotiated)
        self.channels.room.check(kind, amount_sat)
        if push_msat > 1000 * amount_sat:
            raise ChannelRefused(f"{push_msat:,} msat cannot be given away of a channel of {amount_sat:,} sat.")
        await self.channels.parts.reserve.for_one_more(kind, amount_sat)
        funding = TxOut(amount_sat, SAMPLE_SCRIPT)
        chosen = await self.wallet.require(funding, await self.watcher.feerate(CONFIRM_BLOCKS))
        require_modest(chosen, amount_sat, max_fee_sat)
        return kind, chosen

    async def commitment_feerate(self, kind: Kind) -> int:
        """What would be due in the channel later: it begins with that."""
        soon, floor = await self.watcher.feerate(SOON_BLOCKS), await self.watcher.feerate(FLOOR_BLOCKS)
        return target_per_kw(has_anchors(kind.type), Estimates(soon, floor))

    async def force_close(
        self, driver: ChannelDriver, not_restored: bool = False, max_fee_sat: int | None = None
    ) -> answers.Closed:
        """Broadcasts our commitment; see Backend.close."""
        now = driver.channel
        _refuse_closed(now)
        await self.forced_fee_sat(now, max_fee_sat)
        name = now.id.hex()[:12]
        if now.unproven and now.peer in self.channels.links:  # it was only just connected: its word is on the way
            with suppress(TimeoutError):
                async with asyncio.timeout(PROOF_SECONDS):
                    await self.channels.until(now.key, lambda channel, _notices: None if channel.unproven else True)
        try:
            done = await driver.command(ForceClose(not_restored=not_restored))
        except StateUnproven as error:
            raise StateUnproven(
                f"{error} It is safe once the peer was connected. If you are sure that the database is no restored "
                f"copy: lnp close {name} --force --not-restored"
            ) from None
        if isinstance(done.phase, Closed):
            return answers.Closed(now.id.hex(), "", "forced", done.phase.reason)
        await self._broadcast()
        ours = (await channel_view.graphs(self.store, now))[int(now.us)].tx.txid
        found = await self._spender(now) or ours
        note = OURS_NOTE if found == ours else THEIRS_NOTE
        return answers.Closed(now.id.hex(), channel_view.txid_text(found), "forced", note)

    async def close(
        self, driver: ChannelDriver, destination: str | None, max_fee_sat: int | None = None
    ) -> answers.Closed:
        """Closes by agreement; see Backend.close."""
        now = driver.channel
        _refuse_closed(now)
        if isinstance(now.phase, Negotiating) and now.phase.agreed_fee_sat >= 0:
            raise AlreadyClosed("The close is agreed on already: its transaction waits for a block.")
        name = now.id.hex()
        if now.peer not in self.channels.links and not driver.frozen:
            raise PeerNotConnected(
                f"The peer is not connected, and has to agree to a close: ask again when `lnp peers` shows it, or close"
                f" without it: lnp close {name[:12]} --force"
            )
        await self.channels.judges.close(now)
        script = self.wallet.scripts.script_of(destination) if destination else answer_script(now)
        command = Close(script, *await self.close_fees_sat(max_fee_sat if now.us == OPENER else None))
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                txid = await self.channels.until(now.key, _closing_txid, command)
        except TimeoutError:
            raise ClosePending(_waits_for(driver.channel)) from None
        await self._broadcast()
        return answers.Closed(name, txid, "mutual")

    async def close_fees_sat(self, max_fee_sat: int | None = None) -> tuple[int, int]:
        """The lowest and the highest fee that we agree to in a mutual close. Raises FeeTooHigh."""
        feerate = await self.watcher.feerate(CONFIRM_BLOCKS)
        least = MIN_CLOSE_FEERATE_PER_KW * CLOSE_WEIGHT // 1000
        most = max(least, 2 * feerate * CLOSE_WEIGHT // 1000)
        if max_fee_sat is not None and max_fee_sat < least:
            raise FeeTooHigh(f"A close costs {least:,} sat at least; {max_fee_sat:,} are allowed.")
        return least, most if max_fee_sat is None else min(most, max_fee_sat)

    async def forced_fee_sat(self, channel: Channel, max_fee_sat: int | None = None) -> int:
        """What our commitment pays of our balance: its opener pays for it. Raises FeeTooHigh."""
        kept = (await channel_view.graphs(self.store, channel)).get(int(channel.us))
        fee_sat = kept.fee_sat if kept and channel.us == OPENER else 0
        if max_fee_sat is not None and fee_sat > max_fee_sat:
            raise FeeTooHigh(f"Our commitment pays {fee_sat:,} sat by now; {max_fee_sat:,} are allowed.")
        return fee_sat

    async def _spender(self, channel: Channel) -> bytes | None:
        """What spends a channel's funding, in the mempool or a block: the peer, who is told, may have been faster."""
        funding = channel.fundings[0]
        with suppress(ChainError, TimeoutError):
            async with asyncio.timeout(CHAIN_SECONDS):
                output = await self.backend.output(Outpoint(funding.txid, funding.vout))
                return output.spent_by if output else None
        return None

    async def _broadcast(self) -> None:
        """Returns once what is stored to be broadcast was broadcast; while the chain is away that is done later."""
        try:
            async with asyncio.timeout(CHAIN_SECONDS):
                await self.watcher.sync()
        except (ChainError, TimeoutError) as error:
            log.warning(
                "what was stored to be broadcast is broadcast later: %s", str(error) or "the chain does not answer"
            )


def funded(channel: Channel, notices: tuple[Notify, ...]) -> Channel | None:
    """The channel, once both first commitments are signed. Raises ChannelRefused if that will not be."""
    for notice in notices:
        if notice.topic == "channel_frozen":  # a provider does not do its part: nobody is waited for
            raise ChannelRefused(f"The channel is not opened: {dict(notice.fields)['reason']}")
    if isinstance(channel.phase, Closed):
        raise ChannelRefused(channel.phase.reason)
    return channel if isinstance(channel.phase, AwaitingReady) or channel.depth_reached else None


def _refuse_closed(channel: Channel) -> None:
    phase = channel.phase
    if isinstance(phase, OnChain):
        raise AlreadyClosed(f"The channel is on chain already, closed by {channel_view.txid_text(phase.txid)}.")


def _waits_for(channel: Channel) -> str:
    """Why a close is not agreed on yet, and what a person can do."""
    begun = f"The close has begun and goes on by itself, but is not done after {CLOSE_SECONDS:g} s:"
    if in_flight := len(channel_view.htlcs(channel)):
        return f"{begun} {in_flight} payments in flight have to end first. `lnp channels` shows them."
    return f"{begun} the peer has not answered. lnp close {channel.id.hex()[:12]} --force ends it without the peer."


def _closing_txid(channel: Channel, notices: tuple[Notify, ...]) -> str | None:
    """The mutual close, once it is agreed on; what stands in its way is raised."""
    for notice in notices:
        if notice.topic == "close_agreed":
            return str(dict(notice.fields)["txid"])
    if channel.blocked_by:
        blockers = "; ".join(f"{name}: {reason}" for name, reason in channel.blocked_by)
        raise CloseBlocked(f"The channel cannot be closed by agreement yet: {blockers}. {GOES_ON}")
    if isinstance(channel.phase, Failed):
        raise ChannelRefused(f"The channel failed: {channel.phase.error}")
    if isinstance(channel.phase, OnChain):
        return channel_view.txid_text(channel.phase.txid)
    return None
