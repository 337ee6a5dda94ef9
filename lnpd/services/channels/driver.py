"""How does one channel's mailbox turn events into stored state, and only then into messages?

    events wait -> their steps run, one after the other -> one transaction -> what they wanted sent is signed and sent

Everything that waited together is one batch. A chain event, a preimage or a forced close does not wait behind a step
that asks a slow provider: that step is dropped, and its event is handled after them. When a provider fails, what was
done before it stands, the connection is closed once with a warning that names it, and the channel is frozen.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial

from lnpd.channel import failure, step
from lnpd.channel.actions import Action, Send, Tell
from lnpd.channel.events import (
    Block,
    Commit,
    Connected,
    Disconnected,
    Event,
    ForceClose,
    FundingProvided,
    GiveUp,
    PeerPosition,
)
from lnpd.channel.queries import FoldMemory
from lnpd.channel.state import Channel, Closed
from lnpd.channel.table import Step
from lnpd.errors import ChannelFrozen, ChannelGone, CommandRefused, LnpdError, ProtocolError
from lnpd.hooks.trace import together
from lnpd.services.chain.rows import read_fact
from lnpd.services.channels.batch import Batch, Recent
from lnpd.services.channels.carried import Carried, heard
from lnpd.services.channels.fills import Fills
from lnpd.services.channels.mailbox import CHAIN, FAULTS, LASTING, OURS, STORELESS, Item
from lnpd.services.channels.opening import with_grants
from lnpd.services.channels.parts import Link, Parts
from lnpd.services.channels.queries import Preempted, Queries
from lnpd.services.interfaces import ChannelIndex
from lnpd.services.recipients import Effects
from lnpd.store.rows import InboxRow
from lnpd.wire.base import Message
from lnpd.wire.messages import ChannelReestablish, CommitmentSigned
from lnpd.wire.messages import Error as ErrorMessage

__all__ = ["ChannelDriver", "Item"]

log = logging.getLogger("lnpd.channels")
MAX_BATCH = 1_000


class ChannelDriver:
    """One channel, its mailbox and its connection."""

    def __init__(self, parts: Parts, channel: Channel, index: ChannelIndex, stored: bool, carried: Carried) -> None:
        self.parts, self.index, self._carried = parts, index, carried
        self.channel = channel
        self.grants = channel.policy.grants  # what the user lets providers take now: a batch begins with it
        self.link: Link | None = None
        self.frozen = self._missing = ""  # the second is the same, if it is frozen because a provider is missing
        self.locked = False  # frozen for good: the signer does not go on with this channel
        self._stored = channel if stored else None
        self._memory, self._recent = FoldMemory(), Recent()
        self._waiting: deque[Item] = deque()
        self._wake = asyncio.Event()
        self._urgent = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._inbox: set[str] = set()  # what was posted: a slow read may show a row that is handled already
        self._held: list[Item] = []  # while frozen: how the connection begins, on our side and on the peer's
        self._again: list[Item] = []  # chain events that could not be handled: they are tried again at the next block
        self.fills = Fills(parts.signer, parts.store, index)
        self._task: asyncio.Task[None] | None = None
        self._ended: LnpdError | None = None  # by what, if not by the channel's own end

    # --- the mailbox
    def start(self) -> None:
        """Begins to handle what waits."""
        self._task = asyncio.create_task(self._run(), name=f"channel {self.channel.key}")

    async def stop(self) -> None:
        """Handles what waits, then ends."""
        await self._idle.wait()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def post(self, item: Item) -> None:
        """Puts something into the mailbox. A channel that is closed has none any more."""
        if self._task is not None and self._task.done():
            item.fail(self._ended or ChannelGone("The channel is closed."))
            return
        if isinstance(item.event, Block):
            self._waiting.extend(self._again)
            self._again = []
        elif isinstance(item.event, ChannelReestablish) and self.channel.unproven:
            self._waiting.append(Item(PeerPosition(item.event), link=item.link))
        self._waiting.append(item)
        self._idle.clear()
        self._wake.set()
        if item.urgent:
            self._urgent.set()

    @property
    def crowded(self) -> bool:
        """Whether so much waits that the sender should wait too."""
        return len(self._waiting) >= MAX_BATCH

    def post_inbox(self, rows: Sequence[InboxRow]) -> None:
        """Puts stored events into the mailbox, each once; its row goes with the batch that handles it.

        `rows` are all that there are. Reads answer in the order in which they were asked: a key that is gone stays so.
        """
        for row in rows:
            if row.key not in self._inbox:
                self.post(Item(read_fact(row.value), inbox=row.key))
        self._inbox = {row.key for row in rows}

    async def command(self, event: Event) -> Channel:
        """Runs a command; the channel as it left it, once its effects are stored. CommandRefused, ChannelFrozen,
        WouldDeadlock."""
        self._carried.check_command(self.channel)
        done: asyncio.Future[Channel] = asyncio.get_running_loop().create_future()
        self.post(Item(event, done=done))
        return await done

    async def settled(self) -> None:
        """Returns when the mailbox is empty."""
        await self._idle.wait()

    async def _run(self) -> None:
        while self._ended is None and not isinstance(self.channel.phase, Closed):
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                items = [self._waiting.popleft() for _ in range(min(MAX_BATCH, len(self._waiting)))]
                try:
                    await self._handled(items)
                except STORELESS as error:
                    self._end(error, (*items, *self._waiting))
            self._idle.set()

    def _end(self, error: LnpdError, left: Sequence[Item]) -> None:
        """Nothing is ever stored again: to try on for ever would only keep the node from ending."""
        self._ended = error
        self._waiting.clear()
        self._idle.set()
        for item in left:
            item.fail(error)

    async def _handled(self, items: list[Item]) -> None:
        """Handles these as one batch. If it fails, nothing of it is stored, so nothing of it happened."""
        link = self.link
        try:
            await self._batch(items)
        except Exception as error:
            if not (ended := isinstance(error, STORELESS)):
                log.exception("channel %s: a batch failed", self.channel.key, exc_info=error)
            self.link = link
            await self.fills.take_back()
            self.parts.broken(self.channel, error)
            left = [item for item in items if item.done is None or not item.done.done()]
            for item in sorted(left, key=lambda each: not each.urgent):
                if ended or len(items) == 1:
                    self._give_up(item, error)
                else:  # one of them is ill: the others need not suffer
                    await self._handled([item])
            if ended:
                raise

    def _give_up(self, item: Item, error: Exception) -> None:
        """An event cannot be handled. Its connection cannot go on; what nobody else repeats is tried again."""
        item.fail(error if isinstance(error, LnpdError) else ChannelGone(str(error)))
        if self.link is not None or self.channel.link != "down":
            self._disconnect(f"an internal error: {type(error).__name__}")
        if item.inbox:
            self._again.append(item)
        elif isinstance(item.event, FundingProvided) and not item.fed:
            self.post(Item(item.event, fed=True))  # the channel is over by then, and frees the coins

    # --- a batch
    async def _batch(self, items: list[Item]) -> None:
        batch = Batch(self._stored, with_grants(self.channel, self.grants), self._memory, self._recent)
        queue = deque(sorted(items, key=lambda item: not item.urgent))  # stable: order is kept within both
        batch.waiting = lambda: (each.event for each in queue)
        self._urgent.clear()
        finished: list[tuple[Item, Channel]] = []  # each with the channel as its own step left it
        committed = False
        while queue or not committed:
            if not queue:
                committed = True
                queue.append(Item(Commit(), fed=True, trace=together(each.trace for each, _ in finished)))
            item = queue.popleft()
            if self._held and not (self.frozen or item.urgent):  # the connection began with them
                queue.extendleft(reversed([*self._held[1:], item]))
                items[:0], item, self._held = self._held, self._held[0], []
            try:
                events = await self._handle(batch, item)
                queue.extendleft(Item(event, fed=True, trace=item.trace) for event in reversed(events))
                committed = committed and not events
                finished.append((item, batch.channel))
            except Preempted:  # what may not wait goes first; this event and those behind it keep their order
                self._urgent.clear()
                queue.appendleft(item)
                first = [w for w in self._waiting if w.urgent]
                queue.extendleft(reversed(first))
                items += first
                self._waiting = deque(w for w in self._waiting if not w.urgent)
            except CommandRefused as error:
                self._refuse(item, error)
                if item.inbox:  # what it asks for is over
                    batch.done.append(item.inbox)
        await self._commit(batch)
        for item, channel in finished:
            if item.done and not item.done.done():
                item.done.set_result(channel)

    async def _handle(self, batch: Batch, item: Item) -> tuple[Event, ...]:
        """Runs one event's step into the batch; the events that other services answer with."""
        event = item.event
        if isinstance(event, Connected):
            self.link = item.link
        elif isinstance(event, Disconnected):
            if item.link is not None and item.link is not self.link:
                return ()  # an older connection's end
            self.link, self._held = None, []
            batch.hung_up()
        elif isinstance(event, Message) and (item.link is not self.link or batch.disconnects):
            return ()  # it came over a connection that is gone, or is being closed
        if self.frozen and not self._passes_frozen(item):
            return ()
        again: tuple[Event, ...] = ()
        try:
            channel, actions = await self._step(batch, step.step(batch.channel, event), item.urgent)
        except FAULTS as error:
            self._freeze(batch, error)
            if item.done:
                self._refuse(item, ChannelFrozen(f"The channel is frozen: {error}"))
            return self._hung_up(batch, item, error)
        except ProtocolError as error:
            log.warning("channel %s: %s", batch.channel.key, error)
            if isinstance(event, OURS) and failure.only_warns(batch.channel, error):
                self._close_link(str(error), failure.warning(batch.channel, error))
                return self._hung_up(batch, item, error)
            channel, actions = await self._step(batch, failure.failed(batch.channel, error), True)
            if isinstance(event, OURS) and type(channel.phase) is not type(batch.channel.phase):
                again = (event,)  # it has happened all the same: a channel that is over frees its coins, or claims
        actions = await self._carried.onto(batch, event, actions, self._urgent, item.trace)
        heard(batch, event)
        batch.records += await self.fills.prepare(Queries(self.parts, batch, self.index), channel, actions)
        if any(isinstance(action, Send) and isinstance(action.message, CommitmentSigned) for action in actions):
            batch.points.append("Committed")
        if item.inbox:
            batch.done.append(item.inbox)
        batch.points.append(type(event).__name__)
        batch.add(channel, actions)
        return (*await self._tell(batch, actions), *again)

    def _hung_up(self, batch: Batch, item: Item, error: LnpdError) -> tuple[Event, ...]:
        """With the link down nobody is asked: what nobody says twice is handled then, and a decision is stored."""
        if not isinstance(item.event, OURS):
            return (Disconnected(),)
        if batch.channel.fundings and batch.channel.link == "down":
            raise error
        if item.inbox:
            batch.done.append(item.inbox)
        return (Disconnected(), item.event)

    def _passes_frozen(self, item: Item) -> bool:
        """While frozen a channel knows its chain, the end of its connection, where the peer is, its own end by what a
        side forces, and what is decided of incoming HTLCs (it is remembered, and sent once the channel goes on)."""
        if isinstance(item.event, (*CHAIN, *LASTING, Disconnected, PeerPosition, ForceClose, GiveUp, ErrorMessage)):
            return True
        if isinstance(item.event, ChannelReestablish):
            self._held = [*self._held[:1], item]
        elif isinstance(item.event, Connected):
            self._held = [item]
            log.info("channel %s waits: %s", self.channel.key, self.frozen)
        elif item.done is not None:
            raise ChannelFrozen(f"The channel is frozen: {self.frozen}. lnp close --force still closes it.")
        return False

    async def _step(self, batch: Batch, running: Step, urgent: bool) -> tuple[Channel, list[Action]]:
        queries = Queries(self.parts, batch, self.index, None if urgent else self._urgent)
        reply: object = None
        while True:
            try:
                query = running.send(reply)
            except StopIteration as stop:
                channel, actions = stop.value
                return channel, actions
            reply = await queries.answer(query)

    async def _tell(self, batch: Batch, actions: list[Action]) -> tuple[Event, ...]:
        events: list[Event] = []
        for action in actions:
            if isinstance(action, Tell):
                effects: Effects = await self.parts.recipients[action.recipient].told(batch.channel, action.message)
                batch.effects.append(effects)
                events += effects.events
        return tuple(events)

    async def _commit(self, batch: Batch) -> None:
        before = self.channel
        if batch.changed:
            rows = self.parts.rows_of(batch, self.index)
            await self.parts.store.write(lambda write: batch.write(write, (rows,)))
            batch.stored()
            if batch.watches or batch.broadcasts:
                self.parts.outside.applied()
        self.channel = batch.channel
        self._stored = None if batch.given_up else batch.channel
        await self._act(before, batch)

    async def _act(self, before: Channel, batch: Batch) -> None:
        """What is stored has happened, whatever becomes of acting on it: the peer will be told at reestablish."""
        acts: list[Callable[[], object]] = [
            partial(self.parts.changed, before, batch.channel, tuple(batch.notices)),
            *(after for effects in batch.effects for after in effects.after),
        ]
        for act in acts:
            try:
                act()
            except Exception:
                log.exception("channel %s: what was stored could not be passed on", self.channel.key)
        try:
            await self._send(batch)
            if batch.given_up:
                await self.parts.signer.forget_channel(self.index)
        except Exception as error:
            log.exception("channel %s: what was stored could not be sent", self.channel.key)
            self._close_link(f"an internal error: {type(error).__name__}")
            self.parts.broken(self.channel, error)

    async def _send(self, batch: Batch) -> None:
        """Signs and sends what the batch wanted sent. The link may be gone meanwhile: reestablish will say it again."""
        messages: list[Message] = []
        for action in batch.sends:
            if isinstance(action, Send):
                messages.append(await self.fills.message(batch.channel, action))
            elif self.link is not None:
                self.link.send(*messages)
                messages = []
                self._close_link(action.reason)
        if messages and self.link is not None:
            self.link.send(*messages)

    # --- freezing
    def _freeze(self, batch: Batch, error: LnpdError) -> None:
        """As if disconnected: both sides forget what was not signed, and reestablish waits for the provider."""
        if self.frozen:
            return
        self.frozen = str(error)
        name = getattr(error, "plugin", "that errs")
        log.warning("channel %s is frozen: %s", batch.channel.key, error)
        batch.notices.append(failure.frozen(batch.channel, self.frozen))
        self._close_link(self.frozen, failure.warning(batch.channel, f"The channel waits for the extension {name}."))

    def freeze(self, why: str, for_good: bool = False) -> bool:
        """A provider is missing, or not as it was; or, for good, its keys cannot be used. Whether it was not frozen."""
        news = not self.frozen
        if not self.locked and self.frozen in ("", self._missing) and self.frozen != why:
            self.frozen = self._missing = why  # what a provider did wrong says more than that it is away since
            log.warning("channel %s is frozen: %s", self.channel.key, why)
        self.locked = self.locked or for_good
        if news:
            self._disconnect(why)
        return news

    def thaw(self) -> None:
        """Every provider is there again: reestablish, if the peer is connected. What it said of that meanwhile is
        handled before all that it says later, wherever in the mailbox that is by now."""
        if not self.frozen or self.locked:
            return
        self.frozen = ""
        log.info("channel %s goes on", self.channel.key)
        if self._held:
            self.post(Item(Commit(), fed=True))

    def _disconnect(self, reason: str) -> None:
        """From now on nothing of this connection is handled, before its end is heard of too."""
        self._close_link(reason)
        self.link, self._held = None, []
        self.post(Item(Disconnected()))

    def _close_link(self, reason: str, last: Message | None = None) -> None:
        if self.link is not None:
            self.link.close(reason, last)

    def _refuse(self, item: Item, error: CommandRefused) -> None:
        item.fail(error)
        if not item.done:
            level = logging.ERROR if item.fed else logging.INFO  # what another service decided has to be possible
            log.log(level, "channel %s refused %s: %s", self.channel.key, type(item.event).__name__, error)
