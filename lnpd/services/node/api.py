"""What does the node answer to a person or a program? The Backend of the RPC, over the services."""

import os
import time
from collections.abc import Callable
from functools import partial
from importlib.metadata import version

import msgspec

from lnpd.channel.state import AwaitingReady, OnChain
from lnpd.errors import OnlyOnRegtest
from lnpd.routing import invoice as invoices
from lnpd.routing.invoice_prefix import NETWORKS
from lnpd.rpc import answers
from lnpd.services.backup import answers as backup
from lnpd.services.channels import picture
from lnpd.services.channels import view as channel_view
from lnpd.services.channels.commands import CONFIRM_BLOCKS, Commands
from lnpd.services.channels.driver import ChannelDriver
from lnpd.services.doctor import table as doctor
from lnpd.services.events import Events
from lnpd.services.logs import reader
from lnpd.services.logs.ring import RING
from lnpd.services.node import about, coins, configured, warnings
from lnpd.services.node.checking import checked_with_chain
from lnpd.services.node.estimates import EstimateApi
from lnpd.services.node.plugins import PluginApi
from lnpd.services.node.services import Services
from lnpd.services.payments.incoming import FEATURES as INVOICE_FEATURES

EMBIT_NAMES = {"bitcoin": "main", "testnet": "test", "signet": "signet", "regtest": "regtest"}


class NodeApi(EstimateApi, PluginApi):
    """The Backend of a node. `request_stop` ends it as soon as it can."""

    def __init__(self, services: Services, request_stop: Callable[[], None]) -> None:
        super().__init__(services)
        self._request_stop = request_stop
        self.events: Events | None = None  # made after it
        self.commands = Commands(
            services.channels, services.kinds, services.wallet, services.watcher, services.backend, services.store
        )

    # --- the node
    async def info(self, features: bool = False, limits: bool = False) -> answers.Info:
        """The node as a whole."""
        services, pulse = self._services, self._services.pulse
        best, watcher = await pulse.tip(), services.watcher
        silent_since = pulse.silent_since_unix_seconds
        invoices_say = INVOICE_FEATURES | services.plugins.desk.features.invoices
        return answers.Info(
            node_id=services.node_id.hex(),
            alias=services.config.alias,
            network=services.config.network,
            version=version("lnpd"),
            height=best.height,
            synced_height=min(best.height, watcher.known_height, services.wallet.known_height),
            block_hash=best.hash[::-1].hex(),
            feerate_per_kw=(
                await watcher.feerate(CONFIRM_BLOCKS) if silent_since is None else watcher.known_feerate(CONFIRM_BLOCKS)
            ),
            peers=len(services.peers.list()),
            channels=sum(bool(d.channel.fundings) for d in services.channels.drivers.values()),
            addresses=tuple(str(a) for a in services.peers.listening()),
            plugins=tuple(p.name for p in services.plugins.plugins if p.status == "ready"),
            warnings=warnings.found(services),
            process=os.getpid(),
            directory=str(services.config.directory),
            chain_silent_since_unix_seconds=silent_since,
            features=about.features(services.peers.greeting, invoices_say) if features else msgspec.UNSET,
            limits=about.limits(services.config.limits) if limits else msgspec.UNSET,
        )

    async def log(
        self, lines: int, level: str | None, of: tuple[str, ...], since: int | None, follow: bool
    ) -> answers.Log:
        """The last lines of the log, or those that come."""
        return await reader.read(RING, lines, level, of, since, follow)

    async def doctor(self) -> tuple[answers.Finding, ...]:
        """What is wrong with the node."""
        return await doctor.findings(self._services)

    async def config(self, key: str | None) -> tuple[answers.Setting, ...]:
        """What is in effect and who said it."""
        return await configured.shown(self._services, self, key)

    async def config_set(self, key: str, value: str) -> answers.Setting:
        """Sets an option."""
        return await configured.set_to(self._services, self, key, value)

    async def config_unset(self, key: str) -> tuple[answers.Setting, ...]:
        """Takes back what was set."""
        return await configured.unset(self._services, self, key)

    def _drivers(self) -> list[ChannelDriver]:
        return list(self._services.channels.drivers.values())

    async def backup(self) -> answers.Backup:
        """Where the backups of the channels are, and what they hold."""
        return backup.shown(self._services.backup)

    async def backup_database(self, file: str) -> answers.DatabaseCopy:
        """Copies the database."""
        return await backup.copied(self._services.store, file)

    async def check(self) -> answers.StoreCheck:
        """Whether what is stored is consistent."""
        services = self._services
        found = await checked_with_chain(services.store, services.backend, services.watcher, services.channels)
        return await backup.checked(services.store, found)

    async def history(self, since: int, limit: int) -> tuple[answers.Event, ...]:
        """What happened."""
        assert self.events is not None
        rows = await self.events.since(since, limit)
        return tuple(msgspec.structs.replace(row, payload=msgspec.json.decode(row.payload)) for row in rows)

    async def stop(self) -> answers.Done:
        """Begins to stop the node."""
        self._request_stop()
        return answers.Done("The node stops.")

    # --- peers
    async def listen(self, address: str) -> answers.Listening:
        """Listens at one more address."""
        await self._services.peers.listen(address)
        return answers.Listening(tuple(str(a) for a in self._services.peers.listening()))

    async def connect(self, address: str) -> answers.Connected:
        """Connects to a peer."""
        peer = await self._services.peers.connect(address)
        return answers.Connected(peer.node_id.hex(), str(peer.address))

    async def ping(self, peer: str) -> answers.Pong:
        """Sends a ping."""
        seconds = await self._services.peers.ping(bytes.fromhex(peer))
        return answers.Pong(peer, round(1000 * seconds, 3))

    async def peers(self) -> tuple[answers.Peer, ...]:
        """The peers that are connected or have channels with us."""
        counts: dict[bytes, int] = {}
        for driver in self._drivers():
            counts[driver.channel.peer] = counts.get(driver.channel.peer, 0) + bool(driver.channel.fundings)
        rows = [
            answers.Peer(
                node_id=p.node_id.hex(),
                address=str(p.address),
                connected=True,
                inbound=p.incoming,
                channels=counts.pop(p.node_id, 0),
                features=p.features.to_bytes().hex(),
            )
            for p in self._services.peers.list()
        ]
        rows += [answers.Peer(node_id.hex(), "", False, False, count, "") for node_id, count in counts.items() if count]
        return tuple(rows)

    async def disconnect(self, peer: str) -> answers.Done:
        """Ends a connection."""
        await self._services.peers.disconnect(bytes.fromhex(peer))
        return answers.Done()

    # --- the wallet
    async def address(self) -> answers.Address:
        """A fresh address."""
        return answers.Address(await self._services.wallet.new_address())

    async def funds(self) -> answers.Funds:
        """The wallet's coins and our balances in channels."""
        return await coins.funds(self._services)

    async def coins_release(self, outpoint: str, lose: bool) -> answers.Coin:
        """Lets a held coin go."""
        return await coins.release(self._services, outpoint, lose)

    async def rescan(self, from_height: int) -> answers.Funds:
        """Looks for the wallet's coins again."""
        await self._services.wallet.rescan(from_height)
        return await self.funds()

    async def send(
        self, address: str, amount_sat: int, feerate_per_kw: int | None, max_fee_sat: int | None = None
    ) -> answers.Sent:
        """Pays from the wallet."""
        self._services.pulse.require()
        self._services.sight.require_current()
        feerate = feerate_per_kw or await self._services.watcher.feerate(CONFIRM_BLOCKS)
        made = await self._services.wallet.send(address, amount_sat, feerate, max_fee_sat)
        return answers.Sent(channel_view.txid_text(made.txid), amount_sat, made.fee_sat)

    async def mine(self, blocks: int) -> answers.Mined:
        """Mines blocks."""
        miner = self._services.miner
        if miner is None:
            raise OnlyOnRegtest("Blocks are mined on the regtest chain only.")
        self._services.pulse.require()
        found = await miner.mine(blocks, await self._services.wallet.next_script())
        await self._followed()
        return answers.Mined(found[-1].height, tuple(block.hash[::-1].hex() for block in found))

    async def _followed(self) -> None:
        """Returns when everything up to the tip is handled."""
        await self._services.watcher.sync()
        await self._services.wallet.sync()

    async def fund(self, amount_sat: int) -> answers.Funded:
        """Lets the faucet pay to our wallet."""
        miner = self._services.miner
        if miner is None:
            raise OnlyOnRegtest("There is a faucet on the regtest chain only.")
        self._services.pulse.require()
        script = await self._services.wallet.next_script()
        paid = await miner.fund(script, amount_sat)
        await self._followed()
        outpoint = f"{channel_view.txid_text(paid.txid)}:{paid.index}"
        return answers.Funded(outpoint, amount_sat, coins.address_of(self._services, script))

    # --- channels
    async def open(
        self,
        peer: str,
        amount_sat: int,
        push_msat: int,
        channel_type: str,
        providers: tuple[str, ...],
        feerate_per_kw: int | None,
        max_fee_sat: int | None = None,
    ) -> answers.Opened:
        """Opens a channel."""
        self._services.pulse.require()
        self._services.sight.require_current()
        wanted = (amount_sat, push_msat, channel_type, providers, feerate_per_kw, max_fee_sat)
        return await self.commands.open(bytes.fromhex(peer), *wanted)

    async def channels(self, onchain: bool = False) -> tuple[answers.Channel, ...]:
        """Every channel, or those that are on chain."""
        services = self._services
        return tuple(
            [
                await channel_view.shown(
                    services.store,
                    d.channel,
                    services.watcher.height,
                    d.frozen,
                    d.channel.peer in services.channels.links,
                    services.watcher.status(d.channel.key.encode()),
                    await self._mined_height(d),
                )
                for d in self._drivers()
                if not onchain or isinstance(d.channel.phase, OnChain)
            ]
        )

    async def _mined_height(self, driver: ChannelDriver) -> int:
        if not isinstance(driver.channel.phase, AwaitingReady):
            return 0  # the channel knows it
        return await self._services.watcher.mined_height(driver.channel.key.encode(), "funding")

    async def commitment(self, channel: str, theirs: bool = False) -> answers.Commitment:
        """A commitment transaction."""
        services = self._services
        driver = services.channels.driver_of(channel)
        return await picture.shown(services.store, driver.channel, theirs, partial(coins.address_of, services))

    async def close(
        self,
        channel: str,
        force: bool,
        destination: str | None,
        not_restored: bool = False,
        max_fee_sat: int | None = None,
    ) -> answers.Closed:
        """Closes a channel."""
        driver = self._services.channels.driver_of(channel)
        if force:
            return await self.commands.force_close(driver, not_restored, max_fee_sat)
        return await self.commands.close(driver, destination, max_fee_sat)

    async def relay(
        self,
        channel: str,
        fee_base_msat: int | None = None,
        fee_proportional_millionths: int | None = None,
        cltv_expiry_delta: int | None = None,
        htlc_minimum_msat: int | None = None,
        htlc_maximum_msat: int | None = None,
    ) -> answers.Relayed:
        """What is asked for forwarding over a channel."""
        return await self._services.payments.relayed(
            self._services.channels.driver_of(channel).channel,
            fee_base_msat=fee_base_msat,
            fee_proportional_millionths=fee_proportional_millionths,
            cltv_expiry_delta=cltv_expiry_delta,
            htlc_minimum_msat=htlc_minimum_msat,
            htlc_maximum_msat=htlc_maximum_msat,
        )

    # --- payments
    async def invoice(self, amount_msat: int | None, description: str, expiry_seconds: int) -> answers.Invoice:
        """Makes an invoice."""
        return await self._services.payments.create_invoice(amount_msat, description, expiry_seconds)

    async def invoices(self) -> tuple[answers.Invoice, ...]:
        """Our last invoices."""
        return await self._services.payments.invoices()

    async def decode(self, invoice: str) -> answers.Decoded:
        """Reads an invoice."""
        table = self._services.plugins.desk.features.table
        read = invoices.decode(invoice, table)
        return answers.Decoded(
            network=NETWORKS[read.network],
            payee=read.payee.hex(),
            payment_hash=read.payment_hash.hex(),
            amount_msat=read.amount_msat,
            description=read.description or "",
            created_unix_seconds=read.timestamp_seconds,
            expiry_seconds=read.expiry_seconds,
            expired=invoices.is_expired(read, int(time.time())),
            min_final_cltv_expiry_delta=read.min_final_cltv_expiry_delta,
            features=read.features.to_bytes().hex(),
            feature_names=tuple(about.name_of(table, bit) for bit in read.features.bits()),
            payment_metadata=(read.payment_metadata or b"").hex(),
        )

    async def pay(
        self,
        invoice: str,
        amount_msat: int | None,
        timeout_seconds: int,
        route: tuple[str, ...] = (),
        max_fee_msat: int | None = None,
    ) -> answers.Paid:
        """Pays an invoice."""
        return await self._services.payments.pay(invoice, amount_msat, timeout_seconds, route, max_fee_msat)

    async def forwards(self) -> tuple[answers.Forward, ...]:
        """What passed through this node last."""
        return await self._services.payments.forwards()

    async def payments(self) -> tuple[answers.Payment, ...]:
        """Our last payments."""
        return await self._services.payments.payments()
