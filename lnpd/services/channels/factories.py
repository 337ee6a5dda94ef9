"""How does a plugin open channels on an output that is not on chain yet, and that others fund? (factories)

It opens, and learns the script; others make the transaction; it names the output, and both sides sign their first
commitments; then the transaction may be signed, kept with the channel, and published. Nothing of it is this node's to
fund or to broadcast, but for a forced close. An opening lasts as long as its connection, and ten minutes at most.
"""

import asyncio
from collections import Counter
from dataclasses import dataclass
from typing import Final

from lnpd_sdk.types import OPENER

from lnpd.channel.actions import Notify
from lnpd.channel.events import FundingNamed, KeepAncestors
from lnpd.channel.foreign import check_ancestors
from lnpd.channel.opening import wanted_output
from lnpd.channel.state import AwaitingFunding, Channel, Closed
from lnpd.errors import ChannelRefused, NoSuchOpening, NotItsFactory, OpenTimedOut, UnknownChannel
from lnpd.services.channels.ancestors import judge
from lnpd.services.channels.commands import Commands, funded
from lnpd.services.channels.opening import usual_type
from lnpd.tx.transaction import Tx, TxOut

ANSWER_SECONDS: Final = 60.0
HOLD_SECONDS: Final = 600.0
MAX_OPENINGS: Final = 16  # of a plugin at once


@dataclass(frozen=True)
class Begun:
    """An opening that waits for its funding, and what that has to pay."""

    key: str
    output: TxOut


class Factories:
    """The openings that plugins began, by the channel's key."""

    def __init__(self, commands: Commands) -> None:
        self._commands, self._channels = commands, commands.channels
        self._openings: dict[str, tuple[str, asyncio.TimerHandle]] = {}
        self._beginning: Counter[str] = Counter()  # openings that no channel has yet, by plugin
        self._late: set[asyncio.Task[Channel | None]] = set()

    async def open(self, plugin: str, peer: bytes, amount_sat: int, push_msat: int, channel_type: str) -> Begun:
        """Sends open_channel; what the funding has to pay, once the peer has accepted.

        ChannelRefused, ChannelTypeUnknown, PeerNotConnected, OpenTimedOut.
        """
        self._require_room(plugin)
        self._beginning[plugin] += 1
        try:
            channel = await self._begun(plugin, peer, amount_sat, push_msat, channel_type)
            timer = asyncio.get_running_loop().call_later(HOLD_SECONDS, self._expire, channel.key)
            self._openings[channel.key] = plugin, timer
        finally:
            self._beginning[plugin] -= 1
        try:
            return await self._until_accepted(channel.key)
        except BaseException:
            self._over(channel.key)
            raise

    async def fund(self, plugin: str, opening: str, vout: int, transactions: tuple[Tx, ...]) -> Channel:
        """Both sides sign their first commitments on this output; the channel, which waits for it from then on.

        What is refused of the transactions (CommandRefused) leaves the opening as it was. NoSuchOpening,
        ChannelRefused, OpenTimedOut.
        """
        self._require(plugin, opening)
        check_ancestors(transactions)
        await judge(self._commands.backend, transactions)
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                channel = await self._channels.until(opening, funded, FundingNamed(vout, transactions))
        except TimeoutError:
            late = await self._channels.give_up(opening)
            if late is None:
                self._over(opening)
                raise OpenTimedOut(
                    f"The peer has not signed within {ANSWER_SECONDS:g} s: the opening is given up."
                ) from None
            channel = late
        except (UnknownChannel, ChannelRefused) as error:
            raise ChannelRefused(self._over(opening) or str(error)) from None
        self._over(opening)
        return channel

    async def keep(self, plugin: str, channel_id: str, transactions: tuple[Tx, ...]) -> None:
        """Keeps what leads to a channel's funding, signed by now. UnknownChannel, NotItsFactory, CommandRefused."""
        driver = self._channels.driver_of(channel_id)
        if driver.channel.us == OPENER and driver.channel.factory != plugin:
            raise NotItsFactory(f"The channel {channel_id[:64]} was not opened by {plugin}.")
        check_ancestors(transactions)
        judged = await judge(self._commands.backend, transactions)
        await driver.command(KeepAncestors(transactions, judged))

    async def drop(self, plugin: str, opening: str) -> None:
        """Gives an opening up, and tells the peer. NoSuchOpening, also if the channel has come about meanwhile."""
        self._require(plugin, opening)
        self._over(opening)
        if await self._channels.give_up(opening, "The opening was given up.") is not None:
            raise NoSuchOpening("The opening is over: both sides have signed, and the channel waits for its funding.")

    def _require_room(self, plugin: str) -> None:
        for key in self._openings.keys() - self._channels.drivers.keys():  # the connection ended
            self._over(key)
        waiting = sum(owner == plugin for owner, _ in self._openings.values())
        if waiting + self._beginning[plugin] >= MAX_OPENINGS:
            raise ChannelRefused(f"{plugin} has {MAX_OPENINGS} openings that wait for their funding: no more at once.")

    async def _begun(self, plugin: str, peer: bytes, amount_sat: int, push_msat: int, channel_type: str) -> Channel:
        kind = self._commands.kinds.named(channel_type or usual_type(self._channels.negotiated(peer)))
        feerate = await self._commands.commitment_feerate(kind)
        if not 0 <= push_msat <= 1000 * amount_sat:
            raise ChannelRefused(f"{push_msat:,} msat cannot be given away of a channel of {amount_sat:,} sat.")
        await self._channels.parts.reserve.for_one_more(kind)
        return await self._channels.open(peer, amount_sat, push_msat, kind, feerate, factory=plugin)

    async def _until_accepted(self, key: str) -> Begun:
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                channel = await self._channels.until(key, _accepted)
        except TimeoutError:
            await self._channels.give_up(key)
            raise OpenTimedOut(f"The peer has not answered within {ANSWER_SECONDS:g} s.") from None
        except UnknownChannel:
            why = self._channels.judges.why(key) or "The connection was lost before the channel was funded."
            raise ChannelRefused(why) from None
        return Begun(key, wanted_output(channel))

    def _require(self, plugin: str, opening: str) -> None:
        if self._openings.get(opening, ("",))[0] != plugin:
            raise NoSuchOpening(f"No opening {opening[:40]!r} of {plugin} waits for its funding.")

    def _over(self, key: str) -> str:
        """Forgets an opening; why it was refused, if a plugin of this node did."""
        known = self._openings.pop(key, None)
        if known is not None:
            known[1].cancel()
        why = self._channels.judges.why(key)
        self._channels.judges.over(key)
        return why

    def _expire(self, key: str) -> None:
        self._over(key)
        task = asyncio.ensure_future(self._channels.give_up(key))
        self._late.add(task)
        task.add_done_callback(self._late.discard)


def _accepted(channel: Channel, _notices: tuple[Notify, ...]) -> Channel | None:
    if isinstance(channel.phase, Closed):
        raise ChannelRefused(channel.phase.reason)
    return channel if isinstance(channel.phase, AwaitingFunding) else None
