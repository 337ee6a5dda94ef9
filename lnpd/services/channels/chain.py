"""How do channels, the chain and the wallet meet?

Towards the drivers this is their `Outside` and the recipients `funding` and `plugins`; towards the chain watcher it is
the listener. It translates, and decides nothing.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Coroutine
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from lnpd.channel.actions import (
    Claim,
    ExtensionCommitted,
    ExtensionForgotten,
    FundingReleased,
    FundingWanted,
    SecretSold,
    Told,
)
from lnpd.channel.events import Disconnected, FundingFailed, FundingProvided, PutWitness, SpendSeen
from lnpd.channel.state import Channel
from lnpd.errors import ChannelRefused, ClaimUneconomic, LnpdError
from lnpd.services.chain.rows import StoredFact
from lnpd.services.channels.batch import Broadcasting, Watch
from lnpd.services.channels.driver import Item
from lnpd.services.channels.fees import FeePayer
from lnpd.services.channels.versions import forget
from lnpd.services.events import Events
from lnpd.services.onchain import ChainWatcher, FundingWallet, Outpoint, StoredBroadcast
from lnpd.services.recipients import Effects
from lnpd.store.codec import decode, encode
from lnpd.store.write import Write

if TYPE_CHECKING:
    from lnpd.services.channels.service import Channels

log = logging.getLogger("lnpd.channels")
FUNDING_BLOCKS = 6


class StoredAction(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a broadcast's owner keeps, to complete it when it is sent."""

    action: Broadcasting


class ChannelChain:
    """The channels' side of the chain. `on_block` hears the height of each new tip."""

    def __init__(self, on_block: Callable[[int], object] = lambda _height: None) -> None:
        self._on_block = on_block
        self.channels: Channels | None = None
        self.watcher: ChainWatcher | None = None
        self.payer: FeePayer | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._deliveries: set[asyncio.Task[None]] = set()  # what the chain did, on its way to mailboxes

    def _spawn(self, work: Coroutine[Any, Any, None], tasks: set[asyncio.Task[None]] | None = None) -> None:
        tasks = self._tasks if tasks is None else tasks
        task = asyncio.get_running_loop().create_task(work)
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    def tell_again(self) -> None:
        """Once, when the chain is followed: what waits for a decision is told to services that know the height now."""
        assert self.channels is not None
        for driver in self.channels.drivers.values():
            driver.post(Item(Disconnected()))  # which no peer is yet

    async def delivered(self) -> None:
        """Returns once what the chain did by now, and its new tip, are in the channels' mailboxes."""
        while self._deliveries:
            await asyncio.wait(tuple(self._deliveries))

    # --- the drivers' Outside
    def add_watch(self, write: Write, owner: bytes, action: Watch) -> None:
        """Watches from now on."""
        assert self.watcher is not None
        self.watcher.add_watch(write, owner, action)

    def add_broadcast(self, write: Write, owner: bytes, action: Broadcasting) -> None:
        """Broadcasts until confirmed."""
        assert self.watcher is not None
        payload = encode(StoredAction(action))
        if isinstance(action, Claim):
            inputs = tuple((each.txid, each.vout) for each in action.claims)
            broadcast = StoredBroadcast(action.key, inputs, payload)
        else:
            broadcast = StoredBroadcast.of(action.key, action.transaction, payload)
        self.watcher.add_broadcast(write, owner, broadcast)

    def remove_owner(self, write: Write, owner: bytes) -> None:
        """The channel is closed for good."""
        assert self.watcher is not None
        self.watcher.remove_owner(write, owner)
        forget(write, owner)

    def applied(self) -> None:
        """The transaction is committed."""
        assert self.watcher is not None
        self.watcher.applied()

    # --- the chain watcher's listener
    def deliver(self, owner: bytes) -> None:
        """Chain events wait in a channel's stored inbox."""
        if self.channels is not None:
            self._spawn(self.channels.deliver(owner), self._deliveries)

    def seen(self, owner: bytes, event: SpendSeen) -> None:
        """What waits in a mempool may show a channel something."""
        driver = self.channels.drivers.get(owner.decode()) if self.channels is not None else None
        if driver is not None:
            driver.post(Item(event))

    def deliver_block(self, height: int) -> None:
        """The best chain has a new tip. What happened up to it is told before: a deadline may have been met."""
        if self.channels is None:
            return
        if self._deliveries:
            self._spawn(self._block_after(tuple(self._deliveries), height), self._deliveries)
        else:
            self.channels.deliver_block(height)
            self._on_block(height)

    async def _block_after(self, deliveries: tuple[asyncio.Task[None], ...], height: int) -> None:
        await asyncio.wait(deliveries)
        if self.channels is not None:
            self.channels.deliver_block(height)
        self._on_block(height)

    async def complete(
        self, owner: bytes, broadcast: StoredBroadcast, spent: frozenset[Outpoint]
    ) -> tuple[bytes, ...] | None:
        """A transaction, complete at today's feerate; None if there is nothing (left) to send."""
        driver = self.channels.drivers.get(owner.decode()) if self.channels else None
        if driver is None or self.payer is None:
            return None
        action = decode(broadcast.payload, StoredAction, table="broadcast", key=broadcast.key).action
        if not isinstance(action, Claim):
            return tuple(tx.serialise() for tx in await self.payer.commitment(driver, action))
        try:
            tx = await self.payer.claim(driver, action, spent)
        except ClaimUneconomic as error:
            log.info("channel %s: %s is not claimed: %s", owner.decode(), broadcast.key, error)
            return None
        return (tx.serialise(),) if tx else None

    async def answered(self, txids: Collection[bytes], taken: Collection[bytes]) -> None:
        """What the mempool took of what was made."""
        if self.payer is not None:
            await self.payer.answered(txids, taken)

    async def ended(self, owner: bytes, key: str) -> None:
        """All that a broadcast spends is spent for good, as far as is usual."""
        if self.payer is not None:
            await self.payer.ended(owner, key)


class FundingRecipient:
    """Asks the wallet for funding transactions."""

    def __init__(self, chain: ChannelChain, wallet: FundingWallet) -> None:
        self._chain, self._wallet = chain, wallet

    async def told(self, channel: Channel, message: Told) -> Effects:
        """FundingWanted and FundingReleased."""
        match message:
            case FundingWanted():
                return Effects(after=(lambda: self._chain._spawn(self._fund(channel.key, message)),))
            case FundingReleased(txid=txid):
                return Effects(writes=(lambda write: self._wallet.released(write, txid),))
        raise AssertionError(f"the wallet is not told of {type(message).__name__}")

    async def _fund(self, key: str, wanted: FundingWanted) -> None:
        channels, watcher = self._chain.channels, self._chain.watcher
        assert channels is not None and watcher is not None
        driver = channels.drivers.get(key)
        if driver is None:
            return
        try:
            feerate_per_kw = await watcher.feerate(FUNDING_BLOCKS)
            if why := await channels.judges.funding(driver.channel, wanted.output.value_sat, feerate_per_kw):
                raise ChannelRefused(why)
            made = await self._wallet.fund(key, wanted.output, feerate_per_kw, wanted.max_fee_sat)
        except LnpdError as error:
            driver.post(Item(FundingFailed(str(error))))
            return
        if channels.drivers.get(key) is driver:
            driver.post(Item(FundingProvided(made.vout, made.transaction)))
        else:  # given up while the wallet was at work
            await self._wallet.release(made.txid)


class PluginRecipient:
    """Publishes what became of plugins' updates, and which secrets the chain showed."""

    def __init__(self, chain: ChannelChain, events: Events) -> None:
        self._chain, self._events = chain, events

    async def told(self, channel: Channel, message: Told) -> Effects:
        """ExtensionCommitted, ExtensionForgotten and SecretSold, as events of the log."""
        match message:
            case SecretSold():
                return self._sold(channel, message)
            case ExtensionCommitted():
                topic, by_us = "update_committed", message.proposer == channel.us
            case ExtensionForgotten():
                topic, by_us = "update_forgotten", True
            case _:
                raise AssertionError(f"plugins are not told of {type(message).__name__}")
        payload = {
            "channel_id": channel.id.hex(),
            "provider": message.provider,
            "id": message.id,
            "ours": by_us,
            "body": message.body.hex(),
        }
        return Effects(writes=(lambda write: Events.record(write, topic, payload),), after=(self._events.stored,))

    def _sold(self, channel: Channel, sold: SecretSold) -> Effects:
        """The same provider's outputs in other channels are opened by it too, with the plugin or without it: it goes
        into their inboxes."""
        assert self._chain.channels is not None
        named = {"provider": sold.provider, "name": sold.name, "data": sold.data.hex()}
        order = encode(StoredFact(PutWitness(sold.provider, sold.name, sold.data)))
        others = [
            each.key.encode()
            for each in self._chain.channels.every()
            if each.key != channel.key and each.fundings and any(e.name == sold.provider for e in each.extensions)
        ]

        def rows(write: Write) -> None:
            write.point("secret-sold")
            Events.record(write, "secret_sold", {"channel_id": channel.id.hex(), **named})
            for key in others:
                write.add_inbox(key, f"late/{sold.provider}/{sold.name}", order)

        deliveries = (partial(self._chain.deliver, key) for key in others)
        return Effects(writes=(rows,), after=(self._events.stored, *deliveries))
