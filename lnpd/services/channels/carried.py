"""How do plugins' records get onto the messages of a channel, and stay the same when a message is sent again?

    a step wants a message sent -> plugins are asked -> what they add is stored with the step -> the message leaves
    a message is made again (channel_reestablish, BOLT 2) -> the stored row says what it carried

Asked inside the batch, and not for long once something urgent waits: the message then goes without. What a channel's
peer added to its channel_ready is kept as well, for it is told when the channel is opened, perhaps after a restart.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Final

import msgspec
from msgspec.structs import replace

from lnpd.channel.actions import Action, Keep, ReleaseSecret, Send, SignCommitment
from lnpd.channel.events import Add, Event
from lnpd.channel.state import Channel
from lnpd.errors import ChannelFrozen, WouldDeadlock
from lnpd.hooks.dispatch import Hooks
from lnpd.hooks.records import Received, Records
from lnpd.hooks.registry import Registry
from lnpd.hooks.trace import Trace, current, fresh_id, within
from lnpd.providers.types import extensions_in
from lnpd.services.channels.batch import Batch, find_row
from lnpd.services.outgoing import OutgoingRecords
from lnpd.services.recipients import CIRCUIT
from lnpd.store.codec import decode, encode
from lnpd.store.store import Store
from lnpd.tx.graph import ChannelType
from lnpd.tx.states import htlcs_of
from lnpd.wire.base import Message, Tlvs
from lnpd.wire.fields import MAX_MESSAGE_LENGTH
from lnpd.wire.message import encode as on_wire
from lnpd.wire.messages import ChannelReady, ChannelReestablish, CommitmentSigned, OpenChannel, RevokeAndAck, Shutdown

log = logging.getLogger("lnpd.channels")
ROWS: Final = "records"
GRACE_SECONDS: Final = 1.0  # what an urgent event waits for plugins: a new block is one, and most answers take no time
HEARD: Final = "heard/channel_ready"


class Sent(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A row: what the last message of a kind carried; `number` is the commitment's, 0 where it has none."""

    number: int
    records: Records


def _reestablishes(_channel: Channel, event: Event | Message) -> bool:
    return isinstance(event, ChannelReestablish)


# Which messages carry records, and whether one is sent once more: by the channel before the step, and its event.
AGAIN: Final[dict[type[Message], Callable[[Channel, Event | Message], bool]]] = {
    ChannelReady: lambda channel, _event: channel.ready[channel.us],
    CommitmentSigned: _reestablishes,
    RevokeAndAck: _reestablishes,
    ChannelReestablish: lambda _channel, _event: False,  # says where we are now, and is asked for anew
    Shutdown: lambda channel, _event: bool(channel.shutdown[channel.us]),
}


class Carried:
    """Puts records onto what channels send."""

    def __init__(self, hooks: Hooks, registry: Registry, store: Store) -> None:
        self.outgoing, self._store = OutgoingRecords(hooks, registry), store
        self._asking: dict[str, str] = {}  # in which trace the batch of a channel, by its key, asks now

    # --- outside a batch: without the answer there is no message yet
    async def answering(self, message: OpenChannel, peer: bytes, kind: ChannelType) -> Records:
        """For the accept_channel that answers an open_channel."""
        amount_msat, theirs = 1000 * message.funding_satoshis, message.tlvs.unknown
        parts = "accept_channel", peer, message.temporary_channel_id, kind, amount_msat
        return await self.outgoing.of(*parts, received=Received("open_channel", theirs))

    async def added(self, channel: Channel, add: Add, metadata: bytes, get: Callable[[str], Channel | None]) -> Add:
        """The same command, with records for its update_add_htlc. `metadata` is the invoice's, of a payment of ours;
        `get` finds a channel by its key. OfferRefused, ChannelFrozen: without its plugin's answer there is no offer.

        Nothing of the answer is remembered: an HTLC that was never sent, and is offered again, is asked about again.
        """
        which = "update_add_htlc", channel.peer, channel.id, channel.channel_type
        needed = self._owners(channel)
        if not (needed or self.outgoing.cares(*which)):
            return add
        incoming = add.reference.removeprefix(CIRCUIT) if add.reference.startswith(CIRCUIT) else ""
        before = get(incoming.partition("/")[0]) if incoming else None
        found = await self.outgoing.of(
            *which,
            add.amount_msat,
            add.payment_hash,
            metadata=metadata,
            incoming=incoming,
            incoming_channel=before.id if before else b"",
            received=Received("update_add_htlc", _carried_by(before, incoming) if before else ()),
            needed=needed,
        )
        return replace(add, tlvs=(*add.tlvs, *found)) if found else add

    def _owners(self, channel: Channel) -> frozenset[str]:
        """The plugins that have a part in a channel's type. ChannelFrozen if one is away."""
        owners = {name: self.outgoing.registry.provider(name) for name in extensions_in(channel.channel_type)}
        for name, found in owners.items():
            if found is None:
                raise ChannelFrozen(f"The channel is frozen: no plugin here provides {name}")
        return frozenset(found[0] for found in owners.values() if found is not None)

    # --- inside one

    async def onto(
        self, batch: Batch, event: Event | Message, actions: list[Action], urgent: asyncio.Event, trace: Trace | None
    ) -> list[Action]:
        """The same actions; what carries records has them. `batch` is as it was before the step; what is to be sent
        again later is kept in it."""
        return [
            await self._one(batch, event, action, urgent, trace)
            if isinstance(action, Send) and type(action.message) in AGAIN
            else action
            for action in actions
        ]

    async def _one(
        self, batch: Batch, event: Event | Message, send: Send, urgent: asyncio.Event, trace: Trace | None
    ) -> Send:
        message, number, channel = send.message, _number(send), batch.channel
        if AGAIN[type(message)](channel, event):
            stored = await self._row(batch, _key(send))
            found = stored.records if stored is not None and stored.number == number else ()
        elif not self.outgoing.cares(message.NAME, channel.peer, channel.id, channel.channel_type):
            return send
        else:
            found = await self._asked(channel, message, number, urgent, trace or Trace(fresh_id()))
            if found and not isinstance(message, ChannelReestablish):
                batch.keep(Keep(ROWS, _key(send), encode(Sent(number, found))))
        return replace(send, message=_with(message, found)) if found else send

    def check_command(self, channel: Channel) -> None:
        """WouldDeadlock for a plugin that would wait for a batch which waits for its own answer."""
        if (trace := current()) is not None and self._asking.get(channel.key) == trace.id:
            raise WouldDeadlock(f"The channel {channel.id.hex()} waits for the hook that asks for this: ask after it.")

    async def _row(self, batch: Batch, key: str) -> Sent | None:
        row = batch.row(ROWS, key)
        if row is None:
            row = await self._store.read(lambda read: find_row(read, batch.channel, ROWS, key))
        return decode(row, Sent, table="record", key=key) if row is not None else None

    async def _asked(
        self, channel: Channel, message: Message, number: int, urgent: asyncio.Event, trace: Trace
    ) -> Records:
        """What plugins add; nothing, if it is late and something urgent waits."""
        parts = message.NAME, channel.peer, channel.id, channel.channel_type, 1000 * channel.capacity_sat
        room = MAX_MESSAGE_LENGTH - len(on_wire(message))
        with within(trace):
            asking = asyncio.create_task(self.outgoing.of(*parts, number=number, room=room))
        waking = asyncio.create_task(urgent.wait())
        self._asking[channel.key] = trace.id
        try:
            await asyncio.wait({asking, waking}, return_when=asyncio.FIRST_COMPLETED)
            if not asking.done():
                await asyncio.wait({asking}, timeout=GRACE_SECONDS)
            if asking.done():
                return asking.result()
            log.info("channel %s: %s goes without records, for something urgent waits", channel.key, message.NAME)
            return ()
        finally:
            asking.cancel()
            waking.cancel()
            del self._asking[channel.key]


def heard(batch: Batch, message: Event | Message) -> None:
    """Keeps what the peer's plugins added to its channel_ready."""
    if isinstance(message, ChannelReady) and message.tlvs.unknown:
        batch.keep(Keep(ROWS, HEARD, encode(Sent(0, message.tlvs.unknown))))


async def opened_with(store: Store, channel: Channel) -> Received:
    """What `heard` kept."""
    row = await store.read(lambda read: find_row(read, channel, ROWS, HEARD))
    return Received(ChannelReady.NAME, decode(row, Sent, table="record", key=HEARD).records if row else ())


def _carried_by(channel: Channel, incoming: str) -> Records:
    """The records of an HTLC that came, named as in a circuit's reference."""
    identity = int(incoming.partition("/")[2])
    htlcs = (each for each in htlcs_of(channel.base.states) if (each.offerer, each.id) == (channel.them, identity))
    return next((each.tlvs for each in htlcs), ())


def _key(send: Send) -> str:
    funding = next((fill.funding_txid.hex() for fill in send.fill if isinstance(fill, SignCommitment)), "")
    return f"sent/{send.message.NAME}/{funding}"


def _number(send: Send) -> int:
    return next((fill.number for fill in send.fill if isinstance(fill, SignCommitment | ReleaseSecret)), 0)


def _with(message: Message, records: Sequence[tuple[int, bytes]]) -> Message:
    tlvs: Tlvs = message.tlvs  # type: ignore[attr-defined]  # each message's class has its own stream
    return replace(message, tlvs=replace(tlvs, unknown=tuple(sorted((*tlvs.unknown, *records)))))
