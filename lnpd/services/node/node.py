"""What is a running node made of, in which order does it start, and how does it stop?

    store -> signer -> chain -> wallet -> plugins and channels -> payments -> peers -> rpc

Where the signer and the chain run is configuration: in this process, or in processes of their own over ipc. Stopping
goes the other way round; mailboxes are emptied before the store is closed.
"""

import asyncio
import logging
import time
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

from lnpd.chain.embedded import EmbeddedChain
from lnpd.chain.interface import BlockRef, Outpoint
from lnpd.channel.actions import Notify
from lnpd.channel.presets import LARGE_CHANNEL_SAT
from lnpd.channel.state import Channel
from lnpd.config import Config, Developer
from lnpd.errors import ChainError, RowRefused, SignerEnded, StoreError
from lnpd.hooks.answers import Answers
from lnpd.hooks.dispatch import Hooks
from lnpd.hooks.registry import Registry
from lnpd.peer.chains import CHAIN_HASHES
from lnpd.peer.greeting import LARGE_CHANNELS, OFFERED, Greeting
from lnpd.services.backup.keeper import BackupKeeper
from lnpd.services.backup.payments import PaymentSweep, is_restored
from lnpd.services.chain.follow import POLL_SECONDS
from lnpd.services.chain.pulse import ChainPulse
from lnpd.services.chain.sight import ChainSight
from lnpd.services.chain.watch import ChainWatch
from lnpd.services.channels.beginnings import Beginnings
from lnpd.services.channels.chain import ChannelChain, FundingRecipient, PluginRecipient
from lnpd.services.channels.feerates import FeerateKeeper
from lnpd.services.channels.fees import FeePayer
from lnpd.services.channels.opening import Kinds
from lnpd.services.channels.parts import Parts
from lnpd.services.channels.reserve import AnchorReserve
from lnpd.services.channels.service import Channels
from lnpd.services.events import Events
from lnpd.services.logs.ring import RING
from lnpd.services.node.api import NodeApi
from lnpd.services.node.belonging import check_chain, check_seed
from lnpd.services.node.checking import StartCheck
from lnpd.services.node.desk import furnish
from lnpd.services.node.doors import far_of, opened, pages_of
from lnpd.services.node.faults import fail_points
from lnpd.services.node.places import open_chain, open_signer
from lnpd.services.node.plugins import host_of, start_all
from lnpd.services.node.services import Services
from lnpd.services.node.terms import channel_settings, take_terms
from lnpd.services.node.told import tell_of_channel
from lnpd.services.node.tuning import Tuning
from lnpd.services.payments.service import Payments
from lnpd.services.payments.updates import UpdateRouter
from lnpd.services.peers.files import fitting, raise_open_files
from lnpd.services.peers.limits import USUAL_LIMITS, Limits, redialling
from lnpd.services.peers.service import Peers
from lnpd.services.plugins.messages import PluginMessages
from lnpd.services.recipients import Recipient
from lnpd.services.rpc.server import RpcServer
from lnpd.services.wallet.birth import birth_height
from lnpd.services.wallet.service import Wallet
from lnpd.store.store import Store
from lnpd.store.transactions import Fault
from lnpd.store.write import Write
from lnpd.wire.catalogue import CORE

log = logging.getLogger("lnpd.node")
DRAIN_SECONDS = 5.0
PLUGINS_SECONDS = 1.0  # a plugin that takes longer finds its channels frozen: no deadline waits for it


class Node:
    """A node. `start` returns when it is ready; `ended` resolves when it has to stop.

    `chain` is an embedded chain that several nodes in one process share, instead of what the configuration says.
    `fault` is called around each commit, in place of the configuration's fail-points.
    """

    def __init__(
        self,
        config: Config,
        passphrase: str | None = None,
        chain: EmbeddedChain | None = None,
        fault: Fault | None = None,
        limits: Limits = USUAL_LIMITS,
    ) -> None:
        self.config, self.tuning, self.shared_chain, self._limits = config, Tuning(config), chain, limits
        self._developer = config.developer or Developer()
        self._poll_seconds = self._developer.poll_seconds or POLL_SECONDS
        self._fault = fault or fail_points(self._developer.fail_at)
        self._passphrase = passphrase
        self._stack = AsyncExitStack()
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.answers = Answers(ask_twice=config.developer is not None)
        self.hooks = Hooks()
        self._beside: set[asyncio.Task[Any]] = set()  # Any: nobody waits for their results

    # --- starting
    async def start(self) -> None:
        """Starts everything. What cannot start raises its own error, and what had started is stopped."""
        try:
            await self._start()
        except BaseException:
            await self._stack.aclose()
            raise
        self._passphrase = None

    async def _start(self) -> None:
        self.store = Store.open(self.config.directory, self.config.network, self._fault)
        self._stack.push_async_callback(self.store.close)
        self.config = config = await self.tuning.load(self.store)
        self.checks = StartCheck(self.store)
        config.runtime.mkdir(mode=0o700, exist_ok=True)
        self.signer = await open_signer(config, self._passphrase, self.store, self._stack, self._broken)
        self.node_id = await check_seed(self.store, self.signer, config.directory)
        await self.checks.rows()
        self._restored = await self.store.read(is_restored)
        await self._keep_backup()
        self.backend, self.miner = await open_chain(config, self._stack, self._broken, self.shared_chain)
        await check_chain(self.store, self.backend, config)
        self.pulse = ChainPulse(self.backend, broken=self._broken)
        await self.pulse.start()
        self._stack.push_async_callback(self.pulse.stop)
        await self._open_wallet()
        self._compose()
        self._stack.push_async_callback(self._stop_plugins)
        self.hooks.expect(config.grants)
        plugins = asyncio.create_task(start_all(config, self.store, self.plugins))
        if (await asyncio.wait({plugins}, timeout=PLUGINS_SECONDS))[0]:
            plugins.result()
        await self.payments.load()
        await self.channels.restore()
        self.checks.channels(self.channels)
        self._stack.push_async_callback(self._drain)
        await self._free_orphans()
        await self.payments.reconcile(tuple(d.channel for d in self.channels.drivers.values()))
        self._stack.push_async_callback(self.payments.stop)
        await self._follow()
        await plugins
        self.hooks.settled.set()
        self.plugins.desk.backend = self.channels
        await self.plugins.changes.tell()
        await self._open_doors()

    async def _open_doors(self) -> None:
        """From here on others speak with this node. Peers come first: what they are told may not wait."""
        await self.peers.start()
        self._stack.push_async_callback(self.peers.stop)
        for address in self.config.listen:
            await self.peers.listen(str(address))
        far = far_of(self.config, self.api, self.events)
        await opened(self._stack, self.rpc, *far, self.payment_sweep, *pages_of(self.config, self.plugins))
        self._stack.callback(RING.wake)  # who follows the log is answered before the doors close

    async def _follow(self) -> None:
        await self.watcher.start(wait=not self._restored)
        self._stack.push_async_callback(self.watcher.stop)
        await self.checks.chain(self.backend, self.watcher, self.channels)
        self.payments.begin()
        self.channel_chain.tell_again()

    async def _keep_backup(self) -> None:
        config, key = self.config, await self.signer.backup_key()
        self.backup = BackupKeeper(self.store, key, self.node_id, config.network, config.directory, config.backup_file)
        self.backup.start()

    async def _open_wallet(self) -> None:
        config = self.config
        birth = await birth_height(self.store, self.backend, config.network, config.wallet_birth_height)
        self.wallet = await Wallet.open(
            self.store,
            self.backend,
            self.signer,
            config.network,
            birth_height=birth,
            broken=self._broken,
            poll_seconds=self._poll_seconds,
            wait=not self._restored,
        )
        self._stack.push_async_callback(self.wallet.close)
        self.payment_sweep = PaymentSweep(self.store, self.backend, self.signer, self.wallet, self._is_funding)

    # --- what is made of what
    def _compose(self) -> None:
        """Makes the services that take no time to make, each of those above it."""
        self.events = Events(self.store)
        self._make_plugin_host()
        self._make_watcher()
        self._make_channels()
        self._make_payments()
        self._make_peers()
        services = self._services()
        self.tuning.takers += take_terms(services)
        self.api = NodeApi(services, self.request_stop)
        furnish(services, self.api, self.events)
        self.rpc = RpcServer(self.api, self.events, self.config.directory)

    def _make_plugin_host(self) -> None:
        self.registry = Registry(CORE)
        parts = self.config, self.store, self.registry, self.answers, self.hooks
        self.plugins = host_of(*parts, lambda: self.channels.every())

    def _make_watcher(self) -> None:
        self.channel_chain = ChannelChain(lambda height: self._spawn(self._tell_block(height)))
        self.watcher = ChainWatch(self.store, self.backend, self.channel_chain, self._broken, self._poll_seconds)
        self.sight = ChainSight(self.pulse, lambda: self.watcher.height, self.config.network == "regtest")
        self.channel_chain.watcher = self.watcher
        self.watcher.on_undone = partial(self._hook, "block_disconnected")
        self.channel_chain.payer = FeePayer(self.store, self.backend, self.watcher, self.wallet)

    def _make_channels(self) -> None:
        config = self.config
        self._recipients: dict[str, Recipient] = {
            "funding": FundingRecipient(self.channel_chain, self.wallet),
            "plugins": PluginRecipient(self.channel_chain, self.events),
        }
        parts = Parts(
            store=self.store,
            signer=self.signer,
            answers=self.answers,
            outside=self.channel_chain,
            recipients=self._recipients,
            publish=self._record,
            changed=self._changed,
            reserve=self._reserve(),
            require_current=self.sight.require_current,
            broken=lambda _channel, error: self._batch_lost(error),
            beginnings=Beginnings(self.hooks, self.registry),
        )
        self.kinds = Kinds(self.registry)
        self.channels = Channels(parts, self.kinds, self.hooks, channel_settings(config, self.wallet))
        self.channel_chain.channels = self.channels
        self.feerates = FeerateKeeper(self.channels, self.watcher).started()
        self._stack.push_async_callback(self.feerates.stop)

    def _make_payments(self) -> None:
        self.payments = Payments(
            self.store,
            self.signer,
            self.channels,
            self.node_id,
            self.config.network,
            time.time,
            lambda: self.watcher.height,
            lambda: self.sight.is_current,
            self.hooks,
            self.events,
            self.backend,
            self.config.relay,
            lambda: self.plugins.desk.codec,
            lambda: self.plugins.desk.features,
        )
        self._recipients["payments"] = self.payments

    def _make_peers(self) -> None:
        large = self.config.limits.max_channel_sat >= LARGE_CHANNEL_SAT
        greeting = Greeting(CHAIN_HASHES[self.config.network], OFFERED | LARGE_CHANNELS if large else OFFERED)
        router = UpdateRouter(self.channels, self.payments.relay, self.payments.updates)
        messages = PluginMessages(router, self.registry, self.plugins.ready, self.hooks)
        limits = fitting(redialling(self._limits, self._developer.redial_seconds), raise_open_files())
        outgoing = self.channels.records.outgoing
        self.peers = Peers(self.signer, messages, self.hooks, self.store, greeting, limits=limits, outgoing=outgoing)
        self.plugins.desk.messages, messages.speaker = messages, self.peers

    def _services(self) -> Services:
        return Services(
            tuning=self.tuning,
            node_id=self.node_id,
            store=self.store,
            signer=self.signer,
            checks=self.checks,
            backup=self.backup,
            payment_sweep=self.payment_sweep,
            backend=self.backend,
            miner=self.miner,
            pulse=self.pulse,
            sight=self.sight,
            wallet=self.wallet,
            watcher=self.watcher,
            registry=self.registry,
            plugins=self.plugins,
            kinds=self.kinds,
            channels=self.channels,
            feerates=self.feerates,
            payments=self.payments,
            peers=self.peers,
        )

    def _reserve(self) -> AnchorReserve:
        """What the wallet keeps for closing channels."""
        reserve = AnchorReserve(
            self.config.reserve_sat,
            self.wallet,
            lambda: [driver.channel for driver in self.channels.drivers.values()],
        )
        self.wallet.reserve_sat = reserve.kept_sat
        return reserve

    async def _free_orphans(self) -> None:
        """Coins that were reserved for an opening of which nothing else was stored."""
        drivers = self.channels.drivers.values()
        await self.wallet.release_orphans([d.channel.key for d in drivers if d.channel.fundings])

    # --- what services tell the node
    def _record(self, write: Write, notice: Notify) -> None:
        fields = dict(notice.fields)
        if (driver := self.channels.drivers.get(str(fields.get("channel")))) is not None:
            fields = {"channel": driver.channel.key, "channel_id": driver.channel.id.hex(), **fields}
        Events.record(write, notice.topic, fields)

    def _changed(self, before: Channel, after: Channel, notices: tuple[Notify, ...]) -> None:
        for notice in notices:
            log.info("%s %s", notice.topic, " ".join(f"{k}={v}" for k, v in notice.fields))
        if notices:
            self.events.stored()
        self.backup.changed(before, after)
        self.channels.changed(before, after, notices)
        self.payments.relay.changed(before, after)
        self.feerates.changed(before, after)
        if type(before.phase) is not type(after.phase):
            self._spawn(tell_of_channel(self.hooks, self.store, before, after))

    def _is_funding(self, outpoint: Outpoint) -> bool:
        fundings = (funding for channel in self.channels.every() for funding in channel.fundings)
        return any((funding.txid, funding.vout) == (outpoint.txid, outpoint.index) for funding in fundings)

    async def _block_at(self, height: int) -> BlockRef | None:
        """For heights below the tip: a backend may have to ask for all that is in the block."""
        found = await self.backend.block_at(height)
        return found.block if found else None

    async def _tell_block(self, height: int) -> None:
        self.feerates.new_tip()
        self.payment_sweep.wake()
        await self.payments.block(height)
        try:
            best = await self.backend.best_block()
            block = best if best.height == height else await self._block_at(height)
        except ChainError as error:
            log.warning("plugins do not hear of block %s: %s", height, error)
            return
        if block is not None:  # else it was undone meanwhile, and the next tip is told
            await self.hooks.gather("block_connected", height=height, block_hash=block.hash[::-1].hex())

    def _hook(self, name: str, **params: object) -> None:
        self._spawn(self.hooks.gather(name, **params))

    def _spawn(self, work: Coroutine[Any, Any, Any]) -> None:  # Any: nobody waits for its result
        task = asyncio.get_running_loop().create_task(work)
        self._beside.add(task)
        task.add_done_callback(self._beside.discard)

    def _batch_lost(self, error: Exception) -> None:
        """A batch of a channel was lost: that costs this channel, unless nobody could go on."""
        if isinstance(error, StoreError | SignerEnded) and not isinstance(error, RowRefused):
            self._broken(error)

    def _broken(self, error: Exception) -> None:
        """What every channel needs has ended, whatever by: the node ends too, for it would see and enforce nothing."""
        if not self.ended.done():
            log.error("the node stops: %s", error)
            self.ended.set_exception(error)

    # --- stopping
    def request_stop(self) -> None:
        """Ends the node as soon as it can."""
        if not self.ended.done():
            self.ended.set_result(None)

    async def stop(self) -> None:
        """Stops everything, the last started first."""
        await self._stack.aclose()
        for task in tuple(self._beside):
            task.cancel()

    async def _stop_plugins(self) -> None:
        self.plugins.desk.backend = None  # no channel is left that could wait for them
        await self.plugins.stop()

    async def _drain(self) -> None:
        try:
            async with asyncio.timeout(DRAIN_SECONDS):
                await self.channels.stop()
        except TimeoutError:
            log.warning(
                "mailboxes were not empty after %s s: what waited is handled after the next start", DRAIN_SECONDS
            )
