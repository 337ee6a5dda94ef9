"""Which channels does this node have, and who reaches which?

Peers' messages by channel_id, commands by key, chain events by owner, plugins by provider: each goes into the mailbox
of one channel's driver. Nothing is decided here.
"""

import logging
import os
from collections.abc import Callable
from typing import TypeVar

from lnpd_sdk.services.channels import Proposal
from lnpd_sdk.types import ACCEPTOR, OPENER, Party
from msgspec.structs import replace

from lnpd.channel.actions import Notify
from lnpd.channel.events import Accept, Add, Block, Connected, Disconnected, Event, GiveUp, Open, Propose
from lnpd.channel.failure import frozen
from lnpd.channel.reestablish import restored
from lnpd.channel.state import Channel, Closed, Normal, OnChain, Terms, new_channel
from lnpd.errors import (
    ChannelRefused,
    ChannelsFull,
    ChannelTypeUnknown,
    CommandRefused,
    PeerNotConnected,
    ProtocolError,
    SignerRefused,
    UnknownChannel,
)
from lnpd.hooks.dispatch import Hooks
from lnpd.services.channels.batch import INDEX, put_records
from lnpd.services.channels.caps import Room
from lnpd.services.channels.carried import Carried
from lnpd.services.channels.doubt import doubt_copied
from lnpd.services.channels.driver import ChannelDriver, Item
from lnpd.services.channels.judges import Judges
from lnpd.services.channels.judging import judged, with_funding
from lnpd.services.channels.opening import Kind, Kinds, fresh_alias, policy_again, policy_for, require_spoken, reserving
from lnpd.services.channels.parts import Link, Parts, Settings
from lnpd.services.channels.waiters import Waiters
from lnpd.services.interfaces import ChannelIndex
from lnpd.services.wallet.marks import forget_stale, mark
from lnpd.store.codec import decode, encode
from lnpd.store.write import Write
from lnpd.wire.base import Message
from lnpd.wire.messages import AcceptChannel, ChannelReestablish, FundingCreated, OpenChannel
from lnpd.wire.messages import Error as ErrorMessage
from lnpd.wire.messages import Warning as WarningMessage

log = logging.getLogger("lnpd.channels")
T = TypeVar("T")
ALL = bytes(32)  # the channel_id that means every channel with this peer (BOLT 1)
TURN, TURNS = "payment-turn", 1000
KEY_BYTES = 16
NO_ROOM = "This node takes no more money into channels now."  # how much is in them is nobody's business


class Channels:
    """All drivers."""

    def __init__(self, parts: Parts, kinds: Kinds, hooks: Hooks, settings: Settings) -> None:
        self.parts, self.kinds, self.judges, self.settings = parts, kinds, Judges(hooks), settings
        self.records = Carried(hooks, kinds.registry, parts.store)
        self.drivers: dict[str, ChannelDriver] = {}
        self.links: dict[bytes, Link] = {}
        self._features: dict[bytes, bytes] = {}
        self._turn, self._news = 0, list[Notify]()
        self._waiters = Waiters(self.get)
        self.room = Room(settings.caps)
        self._spare_scripts: list[bytes] = []  # of openings that came to nothing: nobody was shown them

    # --- start and stop
    async def restore(self) -> None:
        """Every channel as it was stored; those whose providers are missing are frozen."""
        await doubt_copied(self.parts.store)
        await self.parts.store.write(forget_stale)
        rows = await self.parts.store.read(lambda read: read.channels())
        turn = await self.parts.store.read(lambda read: read.value("settings", TURN.encode()))
        self._turn = int.from_bytes(turn or b"", "big")
        for row in (row for row in rows if not row.closed):
            channel = decode(row.snapshot, Channel, table="channel", key=row.channel_id)
            index = await self._index(row.channel_id)
            policy = policy_again(channel.policy, self.settings.policy, self.kinds.grants())
            channel = restored(replace(channel, policy=policy))
            self.room.saw(channel)
            driver = self._add(channel, index, stored=True)
            try:
                if channel.fundings:
                    ours, theirs = channel.numbers[channel.us], channel.numbers[channel.them]
                    await self.parts.signer.resume_channel(index, ours, theirs)
            except SignerRefused as error:
                driver.freeze(str(error), for_good=True)
            driver.post(Item(Disconnected()))
            await self._deliver_inbox(driver)
        self.providers_changed()

    async def _index(self, key: bytes) -> ChannelIndex:
        stored = await self.parts.store.read(lambda read: read.value(INDEX, key))
        assert stored is not None, "a channel's index is stored before the channel"
        return decode(stored, ChannelIndex, table=INDEX, key=key)

    async def stop(self) -> None:
        """Handles what waits in every mailbox, then ends them."""
        for driver in list(self.drivers.values()):
            await driver.stop()

    def _add(self, channel: Channel, index: ChannelIndex, stored: bool) -> ChannelDriver:
        driver = ChannelDriver(self.parts, channel, index, stored, self.records)
        self.drivers[channel.key] = driver
        self.parts.ids.claim(channel.id, channel.key)
        driver.start()
        return driver

    # --- looking up
    def get(self, key: str) -> Channel | None:
        """A channel by its key, as last stored."""
        driver = self.drivers.get(key)
        return driver.channel if driver else None

    def driver_of(self, text: str) -> ChannelDriver:
        """A driver by its channel_id in hex, or its beginning if that is unique. UnknownChannel."""
        found = [d for d in self.drivers.values() if text and d.channel.id.hex().startswith(text.lower())]
        if len(found) != 1:
            many = f"{len(found)} channels begin" if found else "No channel begins"
            raise UnknownChannel(f"{many} with {text[:64]!r}.")
        return found[0]

    def usable(self) -> tuple[Channel, ...]:
        """The channels in which an HTLC could be offered now."""
        return tuple(
            d.channel
            for d in self.drivers.values()
            if isinstance(d.channel.phase, Normal) and d.channel.live and not d.frozen and not d.channel.funding_undone
        )

    def every(self) -> tuple[Channel, ...]:
        """All channels that are not closed."""
        return tuple(driver.channel for driver in self.drivers.values())

    def frozen(self, key: str) -> str:
        """Why nothing can be done in a channel."""
        return self.drivers[key].frozen if key in self.drivers else ""

    async def settled(self, key: str) -> None:
        """Returns when a channel's mailbox is empty."""
        if (driver := self.drivers.get(key)) is not None:
            await driver.settled()

    async def command(self, key: str, event: Event, metadata: bytes = b"") -> Channel:
        """Runs a command in a channel; see recipients.Channels."""
        if (driver := self.drivers.get(key)) is None:
            raise UnknownChannel("The channel is closed.")
        if isinstance(event, Add):
            event = await self.records.added(driver.channel, event, metadata, self.get)
            self.parts.require_current()
        return await driver.command(event)

    # --- the connection side (peers route here)
    def wanted_peers(self) -> frozenset[bytes]:
        """The peers with which a channel is not settled."""
        return frozenset(d.channel.peer for d in self.drivers.values() if d.channel.fundings)

    async def peer_connected(self, node_id: bytes, features: bytes, link: Link) -> None:
        """A connection is up and `init` is done."""
        self.links[node_id], self._features[node_id] = link, features
        for driver in self._with(node_id):
            driver.post(Item(Connected(), link=link))

    async def peer_disconnected(self, node_id: bytes, link: Link) -> None:
        """A connection is gone."""
        if self.links.get(node_id) is link:
            del self.links[node_id]
        for driver in self._with(node_id):
            driver.post(Item(Disconnected(), link=link))

    async def messages(self, node_id: bytes, link: Link, batch: list[Message]) -> None:
        """Messages of a peer, in order. Returns once the mailboxes took them; a full mailbox is waited for."""
        for message in batch:
            if isinstance(message, OpenChannel):
                await self.judges.beside(node_id, "open_channel_received", self._accept(node_id, link, message))
            for driver in self._addressed(node_id, message):
                if isinstance(message, AcceptChannel):
                    await self.judges.beside(node_id, "accept_channel_received", self._accepted(driver, message, link))
                    continue
                self.judges.heard(driver.channel, message)
                driver.post(Item(message, link=link))
                if driver.crowded:
                    await driver.settled()

    def _with(self, node_id: bytes) -> list[ChannelDriver]:
        return [d for d in self.drivers.values() if d.channel.peer == node_id]

    def _addressed(self, node_id: bytes, message: Message) -> list[ChannelDriver]:
        name = "temporary_channel_id" if isinstance(message, AcceptChannel | FundingCreated) else "channel_id"
        channel_id = getattr(message, name, None)
        if channel_id is None:
            return []
        drivers = self._with(node_id)
        if isinstance(message, ErrorMessage | WarningMessage):  # of funding_created it has the temporary id (BOLT 1)
            return [d for d in drivers if channel_id == ALL or d.channel.key == self.parts.ids.key(channel_id)]
        found = [d for d in drivers if channel_id == d.channel.id]
        if not found and isinstance(message, ChannelReestablish) and node_id in self.links:
            text = b"There is no such channel here."
            self.links[node_id].send(ErrorMessage(channel_id=channel_id, data=text))
        return found

    # --- opening
    def negotiated(self, peer: bytes) -> bytes:
        """The features of the connection with a peer. PeerNotConnected."""
        if peer not in self.links:
            raise PeerNotConnected(f"There is no connection to {peer.hex()}: `lnp connect` makes one.")
        return self._features[peer]

    async def open(
        self, peer: bytes, capacity_sat: int, push_msat: int, kind: Kind, feerate_per_kw: int, factory: str = "",
        max_fee_sat: int | None = None,
    ) -> Channel:  # fmt: skip
        """Sends open_channel; the channel as it stands after that. `factory`: the plugin for which others fund it.

        PeerNotConnected; ChannelRefused if our own caps do not allow it, or the peer lacks a feature that it takes.
        """
        require_spoken(kind, capacity_sat, self.negotiated(peer))
        kind = await with_funding(self.judges.hooks, kind, peer, OPENER, None)
        temporary_id, link = os.urandom(32), self.links[peer]
        records = await self.records.outgoing.of("open_channel", peer, temporary_id, kind.type, 1000 * capacity_sat)
        driver, terms = await self._new(peer, OPENER, kind, capacity_sat, temporary_id, link)
        command = Open(
            chain_hash=self.settings.chain_hash,
            capacity_sat=capacity_sat,
            push_msat=push_msat,
            feerate_per_kw=feerate_per_kw,
            announce=False,
            channel_type=kind.type,
            type_bits=kind.bits,
            extensions=kind.extensions,
            initial_states=kind.initial_states(feerate_per_kw),
            terms=terms, alias=fresh_alias(), funding_type=kind.funding_type, records=records,
            foreign=bool(factory), factory=factory, max_fee_sat=max_fee_sat,
        )  # fmt: skip
        self.judges.begun(driver.channel.key)
        try:
            return await driver.command(command)
        except CommandRefused:
            await self._forget(driver)
            raise

    async def _accept(self, node_id: bytes, link: Link, message: OpenChannel) -> None:
        """A peer wants to open a channel."""
        channel_id = message.temporary_channel_id
        try:
            kind, minimum_depth = await self._judge(node_id, message)
            records = await self.records.answering(message, node_id, kind.type)
            driver, terms = await self._new(node_id, ACCEPTOR, kind, message.funding_satoshis, channel_id, link)
        except (ChannelRefused, ChannelTypeUnknown, ProtocolError) as error:
            log.info("refused a channel of %s: %s", node_id.hex(), error)
            text = NO_ROOM if isinstance(error, ChannelsFull) else str(error)
            link.send(ErrorMessage(channel_id=channel_id, data=text.encode()[:1000]))
            return
        event = Accept(
            message=message,
            chain_hash=self.settings.chain_hash,
            channel_type=kind.type,
            initial_states=kind.initial_states(message.feerate_per_kw),
            terms=reserving(terms, message.dust_limit_satoshis),
            minimum_depth=minimum_depth,
            alias=fresh_alias(),
            records=records,
        )
        driver.post(Item(event))

    async def _judge(self, node_id: bytes, message: OpenChannel) -> tuple[Kind, int]:
        if message.temporary_channel_id in self.parts.ids:
            raise ProtocolError("this temporary_channel_id is in use")
        if message.tlvs.channel_type is None and self.settings.policy.require_channel_type:
            raise ProtocolError("open_channel has no channel_type")
        kind, depth = await judged(self.judges, self.kinds, node_id, message, self.settings.demands.minimum_depth)
        return await self.parts.reserve.for_one_more(kind), depth

    async def _accepted(self, driver: ChannelDriver, message: AcceptChannel, link: Link) -> None:
        """A peer takes our channel, on its terms."""
        why = await self.judges.accepted(driver.channel, message)
        driver.post(Item(GiveUp(why) if why else message, link=link))

    async def _new(
        self, peer: bytes, us: Party, kind: Kind, capacity_sat: int, temporary_id: bytes, link: Link
    ) -> tuple[ChannelDriver, Terms]:
        """A channel that begins, if the caps allow it. Raises ChannelRefused."""
        key = os.urandom(KEY_BYTES).hex()  # then nothing is awaited: two openings cannot share room
        if us == OPENER:
            self.room.take(key, kind, capacity_sat)
        else:
            known = any(driver.channel.depth_reached for driver in self._with(peer))
            self.room.admit(key, kind, capacity_sat, peer, known)
        try:
            driver, terms = await self._begun(key, peer, us, capacity_sat, temporary_id, kind)
        except BaseException:
            self.room.leave(key)
            raise
        driver.link = link
        if self.links.get(peer) is not link:  # it was lost meanwhile, and nobody says so again
            driver.post(Item(Disconnected(), link=link))
        return driver, terms

    async def _begun(
        self, key: str, peer: bytes, us: Party, capacity_sat: int, temporary_id: bytes, kind: Kind
    ) -> tuple[ChannelDriver, Terms]:
        """Its keys and its script are drawn, and stored as its own, before any message shows them."""
        self._turn = turn = (self._turn + 1) % TURNS
        index = ChannelIndex.drawn(os.urandom(8), turn)
        reservation = await self.parts.signer.reserve_channel(index, key)
        sweep_script = self._spare_scripts.pop() if self._spare_scripts else await self.settings.script()

        def rows(write: Write) -> None:
            mark(write, sweep_script, kind.type, key)
            write.put_value(INDEX, key.encode(), encode(index))
            write.put_value("settings", TURN.encode(), turn.to_bytes(2, "big"))
            put_records(write, reservation.records)

        await self.parts.store.write(rows)
        policy = policy_for(self.settings.policy, self._features.get(peer, b""), sweep_script, self.kinds.grants())
        channel = new_channel(key, peer, us, policy, temporary_id)
        terms = self.settings.demands.of(kind.type).terms(reservation.publics, capacity_sat, policy)
        return self._add(channel, index, stored=False), terms

    async def give_up(self, key: str, why: str = "The opening took too long.") -> Channel | None:
        """Ends an opening that nobody waits for, and tells the peer. A channel that has come about meanwhile stays."""
        if (driver := self.drivers.get(key)) is None or isinstance(driver.channel.phase, Closed):
            return None
        return None if isinstance((channel := await driver.command(GiveUp(why))).phase, Closed) else channel

    async def _forget(self, driver: ChannelDriver) -> None:
        self.room.leave(driver.channel.key)
        self.drivers.pop(driver.channel.key, None)
        self.parts.ids.leave(driver.channel.key)
        await driver.stop()

    # --- the chain side
    async def _deliver_inbox(self, driver: ChannelDriver) -> None:
        driver.post_inbox(await self.parts.store.read(lambda read: read.inbox(driver.channel.key.encode())))

    async def deliver(self, owner: bytes) -> None:
        """Chain events wait in a channel's stored inbox."""
        if (driver := self.drivers.get(owner.decode())) is not None:
            await self._deliver_inbox(driver)

    def deliver_block(self, height: int) -> None:
        """The best chain has a new tip."""
        for driver in self.drivers.values():
            driver.post(Item(Block(height)))

    def changed(self, before: Channel, after: Channel, notices: tuple[Notify, ...]) -> None:
        """A channel's state was stored: those that are closed leave, and who waits for this is told."""
        self.room.saw(after)
        self.parts.ids.claim(after.id, after.key)
        self._waiters.look(after, notices)
        if isinstance(after.phase, Closed) and not isinstance(before.phase, Closed):
            self.drivers.pop(after.key, None)
            self.parts.ids.leave(after.key)
            if not after.fundings:
                self._spare_scripts.append(after.policy.sweep_script)

    async def until(
        self, key: str, done: Callable[[Channel, tuple[Notify, ...]], T | None], command: Event | None = None
    ) -> T:
        """What `done` finds in a channel's state, or in what was published with it: now, or after some change.

        `command` is run first; nothing that is published meanwhile is missed. UnknownChannel if there is no such
        channel any more.
        """
        run = None if command is None else lambda: self.command(key, command)
        return await self._waiters.until(key, done, run)

    # --- the plugins' side
    def providers_changed(self) -> None:
        """Providers came or went, and what the user grants them with them: at once."""
        grants = self.kinds.grants()
        for driver in self.drivers.values():
            pins = {p.name: p.format for p in driver.channel.channel_type.providers if not driver.channel.from_backup}
            if (why := self.parts.answers.missing(pins)) and not isinstance(driver.channel.phase, OnChain):
                if driver.freeze(why):  # what is on chain, or lost, is settled without anybody's answers
                    self._news.append(frozen(driver.channel, why))
            else:
                driver.grants = grants
                driver.thaw()

    async def tell_frozen(self) -> None:
        """Publishes which of them froze; nobody says it twice, so that it is kept until it is told."""
        await self.parts.tell(self._news)

    async def propose(self, proposal: Proposal, max_debit_sat: int) -> int:
        """A plugin's update; at most `max_debit_sat` of our money may be its provider's in this channel, in all."""
        driver = self.driver_of(proposal.channel_id)
        channel = await driver.command(Propose(proposal.provider, proposal.body, 1000 * max_debit_sat))
        return next((n.ids[channel.us] - 1 for n in channel.next_ids if n.provider == proposal.provider), 0)
