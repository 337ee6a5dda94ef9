"""What does the node answer to a person or a program? The Backend of the RPC, over the services."""

import os
import time
from contextlib import suppress
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from embit import script as scripts
from embit.networks import NETWORKS as EMBIT
from lnpd_sdk.envelope import CallFailed
from lnpd_sdk.manifest import RpcMethod

from lnpd.channel.actions import Notify
from lnpd.channel.events import Close, ForceClose
from lnpd.channel.state import AwaitingReady, Channel, Failed, Negotiating, OnChain
from lnpd.channel.state import Closed as ClosedPhase
from lnpd.errors import AddressRefused, ChainError, ChannelRefused, CloseBlocked, OnlyOnRegtest, PluginRefused
from lnpd.routing import invoice as invoices
from lnpd.services import answers, channel_view
from lnpd.services.channel_batch import put_records
from lnpd.services.channel_driver import ChannelDriver
from lnpd.services.channel_opening import DEFAULT_TYPE

if TYPE_CHECKING:
    from lnpd.services.node import Node

EMBIT_NAMES = {"bitcoin": "main", "testnet": "test", "signet": "signet", "regtest": "regtest"}
CONFIRM_BLOCKS = 6
CLOSE_WEIGHT = 676  # a mutual close with two P2WSH outputs
MIN_CLOSE_FEERATE_PER_KW = 253


class NodeApi:
    """The Backend of a node."""

    def __init__(self, node: "Node") -> None:
        self._node = node

    # --- the node
    async def info(self) -> answers.Info:
        """The node as a whole."""
        node = self._node
        best = await node.backend.best_block()
        return answers.Info(
            node_id=node.node_id.hex(),
            alias=node.config.alias,
            network=node.config.network,
            version=version("lnpd"),
            height=best.height,
            block_hash=best.hash[::-1].hex(),
            feerate_per_kw=await node.watcher.feerate(CONFIRM_BLOCKS),
            peers=len(node.peers.list()),
            channels=sum(bool(d.channel.fundings) for d in node.channels.drivers.values()),
            addresses=tuple(str(a) for a in node.peers.listening()),
            plugins=tuple(p.name for p in node.plugins.plugins if p.status == "ready"),
            warnings=self._warnings(),
            process=os.getpid(),
            directory=str(node.config.directory),
        )

    def _warnings(self) -> tuple[str, ...]:
        found = [f"plugin {p.name}: {p.status}: {p.why}" for p in self._node.plugins.plugins if p.status != "ready"]
        found += [f"channel {d.channel.id.hex()[:16]} is frozen: {d.frozen}" for d in self._drivers() if d.frozen]
        return tuple(found)

    def _drivers(self) -> list[ChannelDriver]:
        return list(self._node.channels.drivers.values())

    async def stop(self) -> answers.Done:
        """Begins to stop the node."""
        self._node.request_stop()
        return answers.Done("The node stops.")

    async def plugins(self) -> tuple[answers.Plugin, ...]:
        """Every plugin."""
        rows = []
        for plugin in self._node.plugins.plugins:
            manifest = plugin.manifest
            rows.append(
                answers.Plugin(
                    name=plugin.name,
                    path=str(plugin.path),
                    process=plugin.pid,
                    status=plugin.status,
                    why=plugin.why,
                    version=manifest.version if manifest else "",
                    providers=tuple(p.name for p in manifest.providers) if manifest else (),
                    rpc=tuple(m.name for m in manifest.rpc) if manifest else (),
                    capabilities=manifest.capabilities if manifest else (),
                    grants=self._node.config.granted().get(plugin.name, ()),
                    starts=plugin.starts,
                    faults=plugin.faults,
                )
            )
        return tuple(rows)

    def plugin_methods(self) -> tuple[tuple[str, RpcMethod], ...]:
        """The RPC methods of the plugins that run now."""
        return self._node.registry.rpc_methods()

    async def call_plugin(self, method: str, params: dict[str, Any]) -> object:  # Any: a plugin's values are its own
        """Calls a plugin's RPC method."""
        for name, value in params.items():
            if name == "channel_id" and isinstance(value, str):
                params = {**params, name: self._node.channels.driver_of(value).channel.id.hex()}
        try:
            return await self._node.plugins.call_rpc(method, params)
        except CallFailed as error:
            raise PluginRefused(str(error)) from None

    # --- peers
    async def listen(self, address: str) -> answers.Listening:
        """Listens at one more address."""
        return answers.Listening(tuple(str(a) for a in await self._node.peers.listen(address)))

    async def connect(self, address: str) -> answers.Connected:
        """Connects to a peer."""
        peer = await self._node.peers.connect(address)
        return answers.Connected(peer.node_id.hex(), str(peer.address))

    async def ping(self, peer: str) -> answers.Pong:
        """Sends a ping."""
        seconds = await self._node.peers.ping(bytes.fromhex(peer))
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
            for p in self._node.peers.list()
        ]
        rows += [answers.Peer(node_id.hex(), "", False, False, count, "") for node_id, count in counts.items() if count]
        return tuple(rows)

    async def disconnect(self, peer: str) -> answers.Done:
        """Ends a connection."""
        await self._node.peers.disconnect(bytes.fromhex(peer))
        return answers.Done()

    # --- the wallet
    async def address(self) -> answers.Address:
        """A fresh address."""
        return answers.Address(await self._node.wallet.new_address())

    async def funds(self) -> answers.Funds:
        """The wallet's coins and our balances in channels."""
        node = self._node
        balance, height = await node.wallet.balance(), node.watcher.height
        coins = tuple(
            answers.Coin(
                outpoint=f"{channel_view.txid_text(c.txid)}:{c.vout}",
                amount_sat=c.value_sat,
                address=self._address_of(c.script_pubkey),
                confirmations=0 if c.height is None else height - c.height + 1,
                reserved_for=c.reserved_for,
            )
            for c in await node.wallet.coins()
        )
        ours_msat = sum(
            d.channel.base.balances_msat[d.channel.us]
            for d in self._drivers()
            if d.channel.fundings and not isinstance(d.channel.phase, OnChain | ClosedPhase)
        )
        return answers.Funds(
            confirmed_sat=balance.confirmed_sat,
            unconfirmed_sat=balance.unconfirmed_sat + balance.pending_sat,
            reserved_sat=balance.reserved_sat,
            channels_msat=ours_msat,
            coins=coins,
        )

    def _address_of(self, script_pubkey: bytes) -> str:
        return str(scripts.Script(script_pubkey).address(EMBIT[EMBIT_NAMES[self._node.config.network]]))

    async def send(self, address: str, amount_sat: int, feerate_per_kw: int | None) -> answers.Sent:
        """Pays from the wallet."""
        feerate = feerate_per_kw or await self._node.watcher.feerate(CONFIRM_BLOCKS)
        made = await self._node.wallet.send(address, amount_sat, feerate)
        return answers.Sent(channel_view.txid_text(made.txid), amount_sat, made.fee_sat)

    async def mine(self, blocks: int) -> answers.Mined:
        """Mines blocks."""
        miner = self._node.miner
        if miner is None:
            raise OnlyOnRegtest("Blocks are mined on the regtest chain only.")
        found = await miner.mine(blocks, await self._node.wallet.next_script())
        await self._node.watcher.sync()
        await self._node.wallet.sync()
        return answers.Mined(found[-1].height, tuple(block.hash[::-1].hex() for block in found))

    async def fund(self, amount_sat: int) -> answers.Funded:
        """Lets the faucet pay to our wallet."""
        miner = self._node.miner
        if miner is None:
            raise OnlyOnRegtest("There is a faucet on the regtest chain only.")
        script = await self._node.wallet.next_script()
        paid = await miner.fund(script, amount_sat)
        await self.mine(1)
        outpoint = f"{channel_view.txid_text(paid.txid)}:{paid.index}"
        return answers.Funded(outpoint, amount_sat, self._address_of(script))

    # --- channels
    async def open(
        self,
        peer: str,
        amount_sat: int,
        push_msat: int,
        channel_type: str,
        providers: tuple[str, ...],
        feerate_per_kw: int | None,
    ) -> answers.Opened:
        """Opens a channel; returns when its funding transaction is broadcast."""
        node = self._node
        feerate = feerate_per_kw or await node.watcher.feerate(CONFIRM_BLOCKS)
        kind = node.kinds.named(channel_type or DEFAULT_TYPE, providers)
        channel = await node.channels.open(bytes.fromhex(peer), amount_sat, push_msat, kind, feerate, announce=False)

        def funded(now: Channel, _notices: tuple[Notify, ...]) -> Channel | None:
            if isinstance(now.phase, ClosedPhase):
                raise ChannelRefused(now.phase.reason)
            return now if isinstance(now.phase, AwaitingReady) or now.depth_reached else None

        channel = await node.channels.until(channel.key, funded)
        await self._broadcast()
        funding = channel.fundings[0]
        outpoint = f"{channel_view.txid_text(funding.txid)}:{funding.vout}"
        return answers.Opened(channel.id.hex(), outpoint, channel.capacity_sat, channel_view.state_name(channel))

    async def channels(self) -> tuple[answers.Channel, ...]:
        """Every channel."""
        node = self._node
        return tuple(
            [
                await channel_view.shown(
                    node.store, d.channel, node.watcher.height, d.frozen, d.channel.peer in node.channels.links
                )
                for d in self._drivers()
            ]
        )

    async def close(self, channel: str, force: bool, destination: str | None) -> answers.Closed:
        """Closes a channel; returns when the closing transaction is broadcast."""
        node = self._node
        driver = node.channels.driver_of(channel)
        now = driver.channel
        if force:
            done = await driver.command(ForceClose())
            if isinstance(done.phase, ClosedPhase):
                return answers.Closed(now.id.hex(), "", "forced", done.phase.reason)
            await self._broadcast()
            graphs = await channel_view.graphs(node.store, now)
            txid = channel_view.txid_text(graphs[int(now.us)].tx.txid)
            return answers.Closed(now.id.hex(), txid, "forced", "What is ours is claimed when its delay has passed.")
        script = self._script_of(destination) if destination else now.policy.sweep_script
        if destination:
            records = await node.signer.allow_destination(driver.index, script)
            await node.store.write(lambda write: put_records(write, records))
        feerate = await node.watcher.feerate(CONFIRM_BLOCKS)
        least = MIN_CLOSE_FEERATE_PER_KW * CLOSE_WEIGHT // 1000
        await driver.command(Close(script, least, max(least, 2 * feerate * CLOSE_WEIGHT // 1000)))
        txid = await node.channels.until(now.key, _closing_txid)
        await self._broadcast()
        return answers.Closed(now.id.hex(), txid, "mutual")

    async def _broadcast(self) -> None:
        """Returns once what is stored to be broadcast was broadcast; while the chain is away that is done later."""
        with suppress(ChainError):
            await self._node.watcher.sync()

    def _script_of(self, address: str) -> bytes:
        try:
            return bytes(scripts.address_to_scriptpubkey(address).data)
        except Exception:  # embit raises several kinds for what is no address
            raise AddressRefused(f"{address[:100]!r} is not an address.") from None

    # --- payments
    async def invoice(self, amount_msat: int | None, description: str, expiry_seconds: int) -> answers.Invoice:
        """Makes an invoice."""
        return await self._node.payments.create_invoice(amount_msat, description, expiry_seconds)

    async def invoices(self) -> tuple[answers.Invoice, ...]:
        """Our last invoices."""
        return await self._node.payments.invoices()

    async def decode(self, invoice: str) -> answers.Decoded:
        """Reads an invoice."""
        read = invoices.decode(invoice)
        return answers.Decoded(
            network=read.network,
            payee=read.payee.hex(),
            payment_hash=read.payment_hash.hex(),
            amount_msat=read.amount_msat,
            description=read.description or "",
            created_unix_seconds=read.timestamp_seconds,
            expiry_seconds=read.expiry_seconds,
            expired=invoices.is_expired(read, int(time.time())),
            min_final_cltv_expiry_delta=read.min_final_cltv_expiry_delta,
            features=read.features.to_bytes().hex(),
        )

    async def pay(self, invoice: str, amount_msat: int | None, timeout_seconds: int) -> answers.Paid:
        """Pays an invoice."""
        return await self._node.payments.pay(invoice, amount_msat, timeout_seconds)

    async def payments(self) -> tuple[answers.Payment, ...]:
        """Our last payments."""
        return await self._node.payments.payments()


def _closing_txid(channel: Channel, notices: tuple[Notify, ...]) -> str | None:
    """The mutual close, once it is agreed; what stands in its way is raised."""
    for notice in notices:
        if notice.topic == "close_agreed":
            return str(dict(notice.fields)["txid"])
    if channel.blocked_by:
        blockers = "; ".join(f"{name}: {reason}" for name, reason in channel.blocked_by)
        raise CloseBlocked(f"The channel cannot be closed by agreement yet: {blockers}.")
    if isinstance(channel.phase, Failed):
        raise ChannelRefused(f"The channel failed: {channel.phase.error}")
    if isinstance(channel.phase, OnChain):
        return channel_view.txid_text(channel.phase.txid)
    if isinstance(channel.phase, Negotiating) and channel.phase.agreed_fee_sat >= 0:
        return ""
    return None
