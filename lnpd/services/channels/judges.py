"""What do plugins say of channels that begin, and of closes?

They may refuse, or make our terms stricter, never looser: what is asked of a peer is then asked by BOLT 2's own limits
all the same. Nothing here is awaited inside a channel's batch, nor by the messages of other peers.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Coroutine, Sequence
from typing import Any, Final

from lnpd_sdk.hooks import OpenTerms

from lnpd.channel.state import Channel
from lnpd.errors import CloseRefused, ProtocolError
from lnpd.errors.words import one_line
from lnpd.hooks.dispatch import Hooks
from lnpd.hooks.records import Received
from lnpd.hooks.trace import Trace, current, within
from lnpd.services.channels.opening import Kind
from lnpd.services.outgoing import HOOK
from lnpd.wire.base import Message
from lnpd.wire.messages import AcceptChannel, OpenChannel, Shutdown

log = logging.getLogger("lnpd.channels")
MOST_DEPTH: Final = 144
MAX_REASONS: Final = 1_000
MAX_WAITING: Final = 20  # of one peer's openings; one that opens more waits, with all that it says


class Judges:
    """Asks plugins; a refusal is a text for the peer, or the user."""

    def __init__(self, hooks: Hooks) -> None:
        self.hooks = hooks
        self._reasons: OrderedDict[str, str] = OrderedDict()  # why openings of ours were given up, by key
        self._traces: dict[str, Trace] = {}  # of openings that a plugin caused
        self._lines: dict[tuple[bytes, str], list[asyncio.Task[None]]] = {}  # what waits, by peer and hook
        self._telling: set[asyncio.Task[None]] = set()

    async def beside(self, peer: bytes, hook: str, work: Coroutine[Any, Any, None]) -> None:  # Any: nobody sends
        """Does this beside the peer's other messages if somebody is asked meanwhile, one after the other of what a peer
        asks of a hook: its channels do not wait for a slow plugin, and what a plugin asks for while it answers may need
        those messages."""
        if not (self.hooks.wanted(hook) or self.hooks.wanted(HOOK)):
            await work
            return
        key = peer, hook
        while len(line := self._lines.setdefault(key, [])) >= MAX_WAITING:
            await asyncio.wait({line[0]})
        line.append(task := asyncio.create_task(_behind(line[-1:], work)))
        task.add_done_callback(lambda done: self._ended(key, done))

    def _ended(self, key: tuple[bytes, str], task: "asyncio.Task[None]") -> None:
        self._lines[key].remove(task)
        if not self._lines[key]:
            del self._lines[key]
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("an opening was not judged", exc_info=error)

    # --- a peer's opening
    async def opening(self, node_id: bytes, message: OpenChannel, kind: Kind, minimum_depth: int) -> int:
        """The minimum_depth of the channel, at least ours. ProtocolError refuses it."""
        answer = await self.hooks.chain(
            "open_channel_received",
            lambda answer: _wrong_with(answer, minimum_depth),
            node_id=node_id.hex(),
            funding_sat=message.funding_satoshis,
            push_msat=message.push_msat,
            channel_type=kind.name,
            records=Received(message.NAME, message.tlvs.unknown),
        )
        if isinstance(answer, str):
            raise ProtocolError(one_line(answer))
        return answer.minimum_depth if isinstance(answer, OpenTerms) else minimum_depth

    # --- ours
    def begun(self, key: str) -> None:
        """An opening of ours begins: whoever causes it is not asked about it while it waits."""
        if (trace := current()) is not None:
            self._traces[key] = trace

    def over(self, key: str) -> None:
        """It is funded, or came to nothing."""
        self._traces.pop(key, None)

    async def accepted(self, channel: Channel, message: AcceptChannel) -> str:
        """Why the peer's answer to our open_channel is refused; empty if it is not."""
        with within(self._traces.get(channel.key)):
            answer = await self.hooks.chain(
                "accept_channel_received",
                None,
                node_id=channel.peer.hex(),
                funding_sat=channel.capacity_sat,
                minimum_depth=message.minimum_depth,
                to_self_delay=message.to_self_delay,
                channel_reserve_sat=message.channel_reserve_satoshis,
                dust_limit_sat=message.dust_limit_satoshis,
                htlc_minimum_msat=message.htlc_minimum_msat,
                max_accepted_htlcs=message.max_accepted_htlcs,
                records=Received(message.NAME, message.tlvs.unknown),
            )
        return self._kept(channel.key, answer)

    async def funding(self, channel: Channel, amount_sat: int, feerate_per_kw: int) -> str:
        """Why the wallet does not fund our channel; empty if it does."""
        with within(self._traces.get(channel.key)):
            answer = await self.hooks.chain(
                "funding", None, node_id=channel.peer.hex(), funding_sat=amount_sat, feerate_per_kw=feerate_per_kw
            )
        return self._kept(channel.key, answer)

    def why(self, key: str) -> str:
        """Why a plugin refused an opening of ours; empty if none did."""
        return self._reasons.get(key, "")

    def _kept(self, key: str, answer: str | None) -> str:
        if answer is None:
            return ""
        self._reasons[key] = why = f"A plugin refuses the channel: {one_line(answer)}"
        if len(self._reasons) > MAX_REASONS:
            self._reasons.popitem(last=False)
        return why

    # --- closes
    def heard(self, channel: Channel, message: Message) -> None:
        """What a peer says of a channel. A close of its cannot be refused: it is told, and nobody waits."""
        if isinstance(message, Shutdown) and self.hooks.wanted("shutdown_proposed"):
            task = asyncio.create_task(self.close(channel, Received(message.NAME, message.tlvs.unknown)))
            self._telling.add(task)
            task.add_done_callback(self._telling.discard)

    async def close(self, channel: Channel, theirs: Received | None = None) -> None:
        """A close by agreement is about to begin: one of ours, which CloseRefused refuses, or a peer's, which came with
        these records and begins all the same."""
        answer = await self.hooks.chain(
            "shutdown_proposed",
            None,
            channel_id=channel.id.hex(),
            node_id=channel.peer.hex(),
            ours=theirs is None,
            records=theirs or Received("shutdown"),
        )
        if answer is not None and theirs is None:
            raise CloseRefused(f"A plugin refuses the close: {one_line(answer)}")


async def _behind(before: Sequence["asyncio.Task[None]"], work: Coroutine[Any, Any, None]) -> None:
    if before:
        await asyncio.wait(before)
    await work


def _wrong_with(answer: str | OpenTerms, minimum_depth: int) -> str:
    if isinstance(answer, str) or minimum_depth <= answer.minimum_depth <= max(MOST_DEPTH, minimum_depth):
        return ""
    return f"a minimum_depth is {minimum_depth} to {MOST_DEPTH} here"
