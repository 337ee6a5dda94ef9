"""How does one channel's mailbox turn events into stored state, and only then into messages?

    events wait -> their steps run, one after the other -> one transaction -> what they wanted sent is signed and sent

Everything that waited together is one batch. A chain event, a preimage or a forced close does not wait behind a step
that asks a slow provider: that step is dropped, and its event is handled after them. When a provider fails, what was
done before it stands, the connection is closed once with a warning that names it, and the channel is frozen.
"""

import asyncio
import logging
from collections import deque
from dataclasses import dataclass, field

from lnpd.channel import failure, step
from lnpd.channel.actions import (
    Action,
    Broadcast,
    Notify,
    ReleaseSecret,
    Send,
    SignBroadcast,
    SignCommitment,
    Tell,
)
from lnpd.channel.events import (
    Block,
    Commit,
    Connected,
    Disconnected,
    Event,
    Fail,
    FailMalformed,
    ForceClose,
    Fulfill,
    OutputSpent,
    OutputUnspent,
    TransactionConfirmed,
    TransactionUnconfirmed,
)
from lnpd.channel.queries import FoldMemory
from lnpd.channel.state import Channel, Closed
from lnpd.channel.table import Step
from lnpd.crypto.shachain import index_of
from lnpd.errors import (
    ChannelFrozen,
    ChannelGone,
    CommandRefused,
    LnpdError,
    ProtocolError,
    ProviderFault,
    StoreHalted,
)
from lnpd.services.chainwatch_rows import read_fact
from lnpd.services.channel_batch import Batch, Broadcasting
from lnpd.services.channel_fills import Fills
from lnpd.services.channel_parts import Link, Parts
from lnpd.services.channel_queries import Preempted, Queries
from lnpd.services.interfaces import ChannelIndex, SignerRecords
from lnpd.services.recipients import Effects
from lnpd.store.write import Write
from lnpd.tx.transaction import Tx
from lnpd.wire.base import Message
from lnpd.wire.messages import ChannelReestablish, CommitmentSigned, Warning

log = logging.getLogger("lnpd.channels")

CHAIN = (TransactionConfirmed, TransactionUnconfirmed, OutputSpent, OutputUnspent, Block)
DECISIONS = (Fulfill, Fail, FailMalformed)
URGENT = (*CHAIN, Fulfill, ForceClose)
MAX_BATCH = 1_000


@dataclass
class Item:
    """Something that waits in the mailbox. `link` is the connection that a message came over."""

    event: Event | Message
    link: Link | None = None
    done: "asyncio.Future[Channel] | None" = None
    inbox: str = ""
    fed: bool = field(default=False)  # handed to the channel within the batch

    @property
    def urgent(self) -> bool:
        """Whether it may not wait for a provider."""
        return isinstance(self.event, URGENT)


class ChannelDriver:
    """One channel, its mailbox and its connection."""

    def __init__(self, parts: Parts, channel: Channel, index: ChannelIndex, stored: bool) -> None:
        self.parts, self.index = parts, index
        self.channel = channel
        self.link: Link | None = None
        self.frozen = ""
        self.locked = False  # frozen for good: the signer does not go on with this channel
        self._stored = channel if stored else None
        self._memory = FoldMemory()
        self._waiting: deque[Item] = deque()
        self._wake = asyncio.Event()
        self._urgent = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._inbox: set[str] = set()
        self._held: list[Item] = []  # the peer's channel_reestablish, while frozen
        self._fills = Fills(parts.signer, parts.store, index)
        self._task: asyncio.Task[None] | None = None

    async def transaction(self, action: Broadcasting, feerate_per_kw: int) -> Tx:
        """A transaction that this channel wants broadcast, completed by the signer."""
        return await self._fills.transaction(self.channel, action, feerate_per_kw)

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
        """Puts something into the mailbox."""
        self._waiting.append(item)
        self._idle.clear()
        self._wake.set()
        if item.urgent:
            self._urgent.set()

    @property
    def crowded(self) -> bool:
        """Whether so much waits that the sender should wait too."""
        return len(self._waiting) >= MAX_BATCH

    def post_inbox(self, key: str, data: bytes) -> None:
        """Puts a stored event into the mailbox, once; its row goes with the batch that handles it."""
        if key not in self._inbox:
            self._inbox.add(key)
            self.post(Item(read_fact(data), inbox=key))

    async def command(self, event: Event) -> Channel:
        """Runs a command; the channel as it left it, once its effects are stored. CommandRefused, ChannelFrozen."""
        done: asyncio.Future[Channel] = asyncio.get_running_loop().create_future()
        self.post(Item(event, done=done))
        return await done

    async def settled(self) -> None:
        """Returns when the mailbox is empty."""
        await self._idle.wait()

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                items = [self._waiting.popleft() for _ in range(min(MAX_BATCH, len(self._waiting)))]
                try:
                    await self._batch(items)
                except asyncio.CancelledError:
                    raise
                except Exception as error:
                    self._fail(items, error)
            self._idle.set()

    def _fail(self, items: list[Item], error: Exception) -> None:
        """A batch was lost: nothing of it is stored, so nothing of it happened. The connection cannot go on."""
        if not isinstance(error, StoreHalted):
            log.exception("channel %s: a batch failed", self.channel.key, exc_info=error)
        for item in items:
            self._inbox.discard(item.inbox)  # its row is still there: it is read again when the chain moves
            if item.done and not item.done.done():
                item.done.set_exception(error if isinstance(error, LnpdError) else ChannelGone(str(error)))
        self._close_link(f"an internal error: {type(error).__name__}")
        self.parts.broken(self.channel, error)

    # --- a batch
    async def _batch(self, items: list[Item]) -> None:
        batch = Batch(self._stored, self.channel, self._memory)
        queue = deque(sorted(items, key=lambda item: not item.urgent))  # stable: order is kept within both
        self._urgent.clear()
        finished: list[tuple[Item, Channel]] = []  # each with the channel as its own step left it
        committed = False
        while queue or not committed:
            if not queue:
                committed = True
                queue.append(Item(Commit(), fed=True))
            item = queue.popleft()
            try:
                events = await self._handle(batch, item)
                queue.extendleft(Item(event, fed=True) for event in reversed(events))
                committed = committed and not events
                finished.append((item, batch.channel))
            except Preempted:  # what may not wait goes first; this event and those behind it keep their order
                self._urgent.clear()
                queue.appendleft(item)
                queue.extendleft(reversed([w for w in self._waiting if w.urgent]))
                self._waiting = deque(w for w in self._waiting if not w.urgent)
            except CommandRefused as error:
                self._refuse(item, error)
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
        elif isinstance(event, Message) and (item.link is not self.link or batch.disconnects):
            return ()  # it came over a connection that is gone, or is being closed
        if self.frozen and not self._passes_frozen(item):
            return ()
        try:
            channel, actions = await self._step(batch, step.step(batch.channel, event), item.urgent)
        except ProviderFault as error:
            self._freeze(batch, error)
            if item.done:
                self._refuse(item, ChannelFrozen(f"The channel is frozen: {error}"))
            return (Disconnected(), *((event,) if isinstance(event, DECISIONS) else ()))
        except ProtocolError as error:
            log.warning("channel %s: %s", batch.channel.key, error)
            channel, actions = await self._step(batch, failure.failed(batch.channel, error), True)
        await self._prepare(batch, channel, actions)
        if item.inbox:
            batch.done.append(item.inbox)
        batch.points.append(type(event).__name__)
        batch.add(channel, actions)
        return await self._tell(batch, actions)

    def _passes_frozen(self, item: Item) -> bool:
        """While frozen a channel knows its chain, the end of its connection, a forced close, and what is decided about
        incoming HTLCs (it is remembered, and sent once the channel goes on)."""
        if isinstance(item.event, (*CHAIN, *DECISIONS, Disconnected, ForceClose)):
            return True
        if isinstance(item.event, ChannelReestablish):
            self._held = [item]
        elif isinstance(item.event, Connected):
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

    async def _prepare(self, batch: Batch, channel: Channel, actions: list[Action]) -> None:
        """Has the signer check, before anything is stored, what it will be asked for after it."""
        for action in actions:
            if not isinstance(action, Send | Broadcast):
                continue
            for fill in action.fill:
                records: SignerRecords = ()
                match fill:
                    case SignCommitment(funding_txid=txid, number=number):
                        graph = (
                            await Queries(self.parts, batch, self.index).kept(actions, channel, txid, number)
                        ).graph
                        revealed = channel.their_secrets.get(index_of(number - 2)) if number > 1 else b""
                        records = await self.parts.signer.prepare_commitment(self.index, graph, revealed or b"")
                        self._fills.remember(graph)
                    case ReleaseSecret(number=number):
                        records = await self.parts.signer.prepare_release(self.index, number)
                    case SignBroadcast(number=number):
                        records = await self.parts.signer.prepare_broadcast(self.index, number)
                if records:
                    batch.records.append(records)
            if isinstance(action, Send) and isinstance(action.message, CommitmentSigned):
                batch.points.append("Committed")

    async def _tell(self, batch: Batch, actions: list[Action]) -> tuple[Event, ...]:
        events: list[Event] = []
        for action in actions:
            if isinstance(action, Tell):
                effects: Effects = await self.parts.recipients[action.recipient].told(batch.channel, action.message)
                batch.effects.append(effects)
                events += effects.events
        return tuple(events)

    async def _commit(self, batch: Batch) -> None:
        before, key = self.channel, batch.channel.key.encode()
        if batch.changed:
            outside, notices = self.parts.outside, tuple(batch.notices)

            def rows(write: Write) -> None:
                for watch in batch.watches:
                    outside.add_watch(write, key, watch)
                for broadcast in batch.broadcasts:
                    outside.add_broadcast(write, key, broadcast)
                if isinstance(batch.channel.phase, Closed):
                    outside.remove_owner(write, key)
                for notice in notices:
                    self.parts.publish(write, notice)

            await self.parts.store.write(lambda write: batch.write(write, (rows,)))
            if batch.watches or batch.broadcasts:
                outside.applied()
        self._inbox.difference_update(batch.done)
        self.channel = batch.channel
        self._stored = None if batch.given_up else batch.channel
        self.parts.changed(before, batch.channel, tuple(batch.notices))
        for effects in batch.effects:
            for after in effects.after:
                after()
        await self._send(batch)

    async def _send(self, batch: Batch) -> None:
        """Signs and sends what the batch wanted sent. The link may be gone meanwhile: reestablish will say it again."""
        messages: list[Message] = []
        for action in batch.sends:
            if isinstance(action, Send):
                messages.append(await self._fills.message(batch.channel, action))
            elif self.link is not None:
                self.link.send(*messages)
                messages = []
                self._close_link(action.reason)
        if messages and self.link is not None:
            self.link.send(*messages)

    # --- freezing
    def _freeze(self, batch: Batch, error: ProviderFault) -> None:
        """As if disconnected: both sides forget what was not signed, and reestablish waits for the provider."""
        if self.frozen:
            return
        self.frozen = str(error)
        text = f"The channel waits for the extension {error.plugin}."
        log.warning("channel %s is frozen: %s", batch.channel.key, error)
        batch.notices.append(
            Notify("frozen", "channel_frozen", (("channel", batch.channel.key), ("reason", self.frozen)))
        )
        if self.link is not None:
            self.link.close(self.frozen, Warning(channel_id=batch.channel.id, data=text.encode()))

    def freeze(self, why: str, for_good: bool = False) -> None:
        """A provider that this channel pins is not there; or, for good, its keys cannot be used any more."""
        self.locked = self.locked or for_good
        if not self.frozen:
            self.frozen = why
            log.warning("channel %s is frozen: %s", self.channel.key, why)
            self._close_link(why)

    def thaw(self) -> None:
        """Every provider is there again: reestablish, if the peer is connected."""
        if not self.frozen or self.locked:
            return
        self.frozen = ""
        log.info("channel %s goes on", self.channel.key)
        held, self._held = self._held, []
        if self.link is not None:
            self.post(Item(Connected(), link=self.link))
            for item in held:
                self.post(item)

    def _close_link(self, reason: str) -> None:
        if self.link is not None:
            self.link.close(reason)

    def _refuse(self, item: Item, error: CommandRefused) -> None:
        if item.done and not item.done.done():
            item.done.set_exception(error)
        elif not item.done:
            level = logging.ERROR if item.fed else logging.INFO  # what another service decided has to be possible
            log.log(level, "channel %s refused %s: %s", self.channel.key, type(item.event).__name__, error)
