"""Which node do the tests of the RPC, the command line and the shell talk to? A small one, that remembers what it did.

It has one peer, one channel, one plugin with an RPC method, and a real store with its events; no money and no network.
"""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import msgspec
from lnpd_sdk.manifest import Parameter, RpcMethod

from lnpd.errors import CloseBlocked, InsufficientFunds, PaymentFailed, PeerUnreachable
from lnpd.rpc import answers
from lnpd.services.events import Events
from lnpd.services.rpc.far import FarRpc, Pinned
from lnpd.services.rpc.server import RpcServer
from lnpd.store.store import Store
from tests.cli.render import pictures

NODE_ID = "02" + "a1" * 32
PEER_ID = "03" + "b2" * 32
CHANNEL_ID = "c3" * 32
TXID = "d4" * 32
INVOICE = "lnbcrt210n1" + "q" * 200


class SmallNode:
    """A Backend. `asked` are the calls that changed something, in order."""

    def __init__(self, channels: int = 1) -> None:
        self.asked: list[tuple[object, ...]] = []
        self.events: Events | None = None
        self.loop: asyncio.AbstractEventLoop | None = None
        self.stopped = asyncio.Event()
        self.waiting = 0  # questions that go on and on
        self.goes_on = asyncio.Event()  # until then a payment does
        self.pages = 0  # of its history that were asked for
        self.rows = tuple(_channel(number) for number in range(channels))

    async def info(self, features: bool = False, limits: bool = False) -> answers.Info:
        return answers.Info(
            node_id=NODE_ID, alias="alice", network="regtest", version="0.1.0", height=101, synced_height=101,
            block_hash=TXID, feerate_per_kw=2500, peers=1, channels=len(self.rows), addresses=("127.0.0.1:9735",),
            plugins=("lockbox",),
            warnings=("A channel is frozen.",), process=1, directory="/tmp/alice",
        )  # fmt: skip

    async def doctor(self) -> tuple[answers.Finding, ...]:
        return (
            answers.Finding("clock", "ok", "The clock agrees with the chain's."),
            answers.Finding("peers", "hint", "The peer of a channel is away.", f"lnp connect {PEER_ID}"),
        )

    async def history(self, since: int, limit: int) -> tuple[answers.Event, ...]:
        assert self.events is not None
        self.pages += 1
        return await self.events.since(since, limit)

    async def stop(self) -> answers.Done:
        self.stopped.set()
        return answers.Done("stopping")

    async def log(
        self, lines: int, level: str | None, of: tuple[str, ...], since: int | None, follow: bool
    ) -> answers.Log:
        if follow and lines == 13:
            await self._wait(asyncio.Event())
        return answers.Log((answers.LogLine(1.5, "info", "peers", "hello", "", ""),), 7, 0)

    async def _wait(self, until: asyncio.Event) -> None:
        self.waiting += 1
        try:
            await until.wait()
        finally:
            self.waiting -= 1

    async def config(self, key: str | None) -> tuple[answers.Setting, ...]:
        return (answers.Setting("alias", "alice", "file", "/c.toml, line 1", True, "a name"),)

    async def config_set(self, key: str, value: str) -> answers.Setting:
        self.asked.append(("config set", key, value))
        return answers.Setting(key, value, "set", "", True, "a name")

    async def config_unset(self, key: str) -> tuple[answers.Setting, ...]:
        self.asked.append(("config unset", key))
        return await self.config(key)

    async def plugins(self) -> tuple[answers.Plugin, ...]:
        return (
            answers.Plugin(
                "lockbox", "plugins/lockbox.py", 4711, "ready", "", "1", ("lockbox",), ("lockbox-put",),
                ("updates:100000",), ("updates:50000",), 1, 0,
            ),
        )  # fmt: skip

    async def plugin_start(self, plugin: str) -> answers.Plugin:
        return await self._plugin("start", plugin)

    async def plugin_stop(self, plugin: str) -> answers.Plugin:
        return await self._plugin("stop", plugin)

    async def plugin_reload(self, plugin: str) -> answers.Plugin:
        return await self._plugin("reload", plugin)

    async def _plugin(self, what: str, plugin: str) -> answers.Plugin:
        self.asked.append((what, plugin))
        return (await self.plugins())[0]

    async def plugin_options(self, plugin: str | None) -> tuple[answers.PluginOption, ...]:
        return (answers.PluginOption("lockbox", "most", "integer", 8, 8, "default", True, "how many boxes"),)

    async def plugin_set(self, plugin: str, option: str, value: str) -> answers.PluginOption:
        self.asked.append(("set", plugin, option, value))
        return (await self.plugin_options(plugin))[0]

    async def explain_hook(self, hook: str) -> answers.HookShown:
        return answers.HookShown(hook, "lnpd", "chain", "A hook.", (), 5.0, "Nothing.", False, ())

    async def permit(self, method: str, params: dict[str, Any]) -> None:
        pass

    def plugin_methods(self) -> tuple[tuple[str, RpcMethod], ...]:
        parameters = (Parameter("channel", "channel", "which channel"), Parameter("amount_sat", "integer", "how much"))
        with_boxes = (
            Parameter("boxes", "integer", "how many boxes are in it"),
            Parameter("peer", "text", ""),
            Parameter("amount_sat", "integer", ""),
        )
        return (
            ("lockbox", RpcMethod("lockbox-put", "Locks an amount of ours.", parameters, example="lnp lockbox-put")),
            ("lockbox", RpcMethod("lockbox open", "Opens a box.", (Parameter("file", "path", "its key"),))),
            ("lockbox", RpcMethod("lockbox-with", "Opens a channel with boxes in it.", with_boxes, extends="open")),
        )

    async def call_plugin(self, method: str, params: dict[str, Any]) -> object:
        self.asked.append((method, params))
        return {"box": 0, **({"amount_sat": params["amount_sat"]} if "amount_sat" in params else {})}

    async def listen(self, address: str) -> answers.Listening:
        return answers.Listening(("127.0.0.1:9735", address))

    async def connect(self, address: str) -> answers.Connected:
        node_id, _, host_port = address.partition("@")
        if host_port.endswith(":1"):
            raise PeerUnreachable(f"Nobody answers at {host_port}: connection refused.")
        return answers.Connected(node_id, host_port)

    async def ping(self, peer: str) -> answers.Pong:
        return answers.Pong(peer, 0.25)

    async def peers(self) -> tuple[answers.Peer, ...]:
        return (answers.Peer(PEER_ID, "127.0.0.1:9736", True, False, 1, "02a2", ("static_remotekey",)),)

    async def disconnect(self, peer: str) -> answers.Done:
        return answers.Done()

    async def address(self) -> answers.Address:
        return answers.Address("bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080")

    async def funds(self) -> answers.Funds:
        coin = answers.Coin(f"{TXID}:1", 150_000_000, "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080", 6)
        return answers.Funds(150_000_000, 0, 0, 0, 700_000_500, (coin,))

    async def send(
        self, address: str, amount_sat: int, feerate_per_kw: int | None, max_fee_sat: int | None = None
    ) -> answers.Sent:
        if amount_sat > 150_000_000:
            raise InsufficientFunds(f"The wallet has 150000000 sat, and {amount_sat} sat are to be sent.")
        return answers.Sent(TXID, amount_sat, 141)

    async def mine(self, blocks: int) -> answers.Mined:
        return answers.Mined(101 + blocks, (TXID,) * blocks)

    async def fund(self, amount_sat: int) -> answers.Funded:
        raise RuntimeError("the faucet has a defect of its own")

    async def open(
        self, peer: str, amount_sat: int, push_msat: int, channel_type: str, providers: tuple[str, ...],
        feerate_per_kw: int | None,
        max_fee_sat: int | None = None,
    ) -> answers.Opened:  # fmt: skip
        self.asked.append(("open", peer, amount_sat, push_msat, channel_type, providers, feerate_per_kw))
        return answers.Opened(CHANNEL_ID, f"{TXID}:0", amount_sat, "awaiting_depth")

    async def channels(self, onchain: bool = False) -> tuple[answers.Channel, ...]:
        return self.rows

    async def commitment(self, channel: str, theirs: bool = False) -> answers.Commitment:
        drawn = pictures.boxed(us=1 if theirs else 0)
        return msgspec.convert({**drawn, "channel_id": channel}, answers.Commitment)

    async def close(
        self,
        channel: str,
        force: bool,
        destination: str | None,
        not_restored: bool = False,
        max_fee_sat: int | None = None,
    ) -> answers.Closed:
        if not force:
            raise CloseBlocked(f"The provider lockbox blocks the close of {channel[:8]}: a box is open.")
        return answers.Closed(channel, TXID, "forced")

    async def invoice(self, amount_msat: int | None, description: str, expiry_seconds: int) -> answers.Invoice:
        return answers.Invoice(INVOICE, "e5" * 32, amount_msat, description, "open", 1_800_000_000)

    async def invoices(self) -> tuple[answers.Invoice, ...]:
        return (await self.invoice(21_000, "a coffee\x1b[31m", 3600),)

    async def decode(self, invoice: str) -> answers.Decoded:
        return answers.Decoded(
            "regtest", PEER_ID, "e5" * 32, 21_000, "Kaffee für zwei", 1_790_000_000, 3600, False, 18, ""
        )

    async def relay(self, channel: str, **changes: int | None) -> answers.Relayed:
        terms = answers.RelayTerms(changes["fee_base_msat"] or 1_000, 10, 80, 1, 990_000_000)
        return answers.Relayed(channel, ("539268x845x1",), terms, None)

    async def pay(
        self,
        invoice: str,
        amount_msat: int | None,
        timeout_seconds: int,
        route: tuple[str, ...] = (),
        max_fee_msat: int | None = None,
    ) -> answers.Paid:
        if route:
            self.asked.append(("pay", route, max_fee_msat))
        if amount_msat == 13:
            await self._wait(self.goes_on)
            self.asked.append(("paid", amount_msat))
        if amount_msat is not None:
            raise PaymentFailed("The invoice names an amount already.")
        return answers.Paid("e5" * 32, "f6" * 32, 21_000, 0, 1, 0.042)

    async def estimate_send(
        self, address: str, amount_sat: int, feerate_per_kw: int | None, max_fee_sat: int | None = None
    ) -> answers.Estimate:
        return answers.Estimate(1000 * amount_sat, 141_000, 141_000, 1000 * amount_sat + 141_000, address)

    async def estimate_open(
        self,
        peer: str,
        amount_sat: int,
        push_msat: int,
        channel_type: str,
        providers: tuple[str, ...],
        max_fee_sat: int | None = None,
    ) -> answers.Estimate:
        return answers.Estimate(1000 * amount_sat, 153_000, 153_000, 1000 * amount_sat + 153_000, peer)

    async def estimate_close(self, channel: str, force: bool, max_fee_sat: int | None = None) -> answers.Estimate:
        return answers.Estimate(700_000_500, 169_000, 338_000, 699_831_500, "wallet")

    async def estimate_pay(
        self, invoice: str, amount_msat: int | None, route: tuple[str, ...] = (), max_fee_msat: int | None = None
    ) -> answers.Estimate:
        return answers.Estimate(21_000, 0, 5_000, 21_000, PEER_ID, "Kaffee für zwei")

    async def forwards(self) -> tuple[answers.Forward, ...]:
        heights = (480, 400)
        return (
            answers.Forward("e5" * 32, "fulfilled", CHANNEL_ID, CHANNEL_ID, "539268x845x1", 22_000, 21_000, 1_000,
                            *heights, 1_790_000_000),
        )  # fmt: skip

    async def backup(self) -> answers.Backup:
        return answers.Backup((answers.BackupFile("/tmp/alice/channels.backup", 1_790_000_000, 5, 300),), ())

    async def backup_database(self, file: str) -> answers.DatabaseCopy:
        return answers.DatabaseCopy(file, 4096, "as it was")

    async def check(self) -> answers.StoreCheck:
        return answers.StoreCheck(len(self.rows), 2, ())

    async def coins_release(self, outpoint: str, lose: bool) -> answers.Coin:
        self.asked.append(("coins release", outpoint, lose))
        return answers.Coin(outpoint, 1_000, "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080", 6)

    async def rescan(self, from_height: int = 0) -> answers.Funds:
        return await self.funds()

    async def plugin_grants(self, plugin: str) -> answers.GrantsShown:
        return answers.GrantsShown(plugin, "/tmp/lockbox.py", "ready", ())

    async def payments(self) -> tuple[answers.Payment, ...]:
        return (answers.Payment("e5" * 32, "paid", 21_000, 0, 1_790_000_000, "f6" * 32),)


def _channel(number: int) -> answers.Channel:
    return answers.Channel(
        channel_id=CHANNEL_ID if number == 0 else f"{number:064x}", peer=PEER_ID, connected=True, state="normal",
        capacity_sat=1_000_000, ours_msat=700_000_500, theirs_msat=279_999_500, reserve_sat=10_000, opener="us",
        type="anchors_zero_fee_htlc_tx", providers=("lockbox",), funding=f"{TXID}:0", confirmations=6,
        our_commitment=4, their_commitment=5,
        htlcs=(answers.Htlc("out", 20_000_000, "e5" * 32, 150),),
        extension_outputs=(answers.ExtensionOutput("lockbox", "box", 20_000, "ours", f"{TXID}:1", "0020" + "ab" * 32),),
        frozen="the provider lockbox does not answer",
        onchain=(answers.OnchainOutput(f"{TXID}:2", 20_000, "htlc", "offered_htlc", "unclaimed", note="not yet"),),
    )  # fmt: skip


@contextlib.asynccontextmanager
async def served(
    directory: Path, node: SmallNode | None = None, pinned: Pinned | None = None
) -> AsyncIterator[SmallNode]:
    """A small node with its RPC in `directory`, and for other machines if keys are pinned."""
    node = node or SmallNode()
    store = Store.open(directory, "regtest")
    node.events, node.loop = Events(store), asyncio.get_running_loop()
    servers: list[RpcServer | FarRpc] = [RpcServer(node, node.events, directory)]
    if pinned is not None:
        servers.append(FarRpc(node, node.events, pinned, directory, directory))
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(store.close)
        for server in servers:
            await server.start()
            stack.push_async_callback(*((server.stop, 0.1) if isinstance(server, RpcServer) else (server.stop,)))
        yield node


@contextlib.contextmanager
def in_thread(directory: Path, pinned: Pinned | None = None) -> Iterator[SmallNode]:
    """The same for tests that block: the node lives in a thread with a loop of its own."""
    ready, nodes, failed = threading.Event(), [], []
    ended: list[asyncio.Event] = []

    async def live() -> None:
        ended.append(asyncio.Event())
        try:
            async with served(directory, pinned=pinned) as node:
                nodes.append(node)
                ready.set()
                await ended[0].wait()
        except Exception as error:
            failed.append(error)
            ready.set()

    thread = threading.Thread(target=lambda: asyncio.run(live()))
    thread.start()
    assert ready.wait(10), "the small node did not start"
    if failed:
        thread.join(10)
        raise failed[0]
    try:
        yield nodes[0]
    finally:
        assert nodes[0].loop is not None
        nodes[0].loop.call_soon_threadsafe(ended[0].set)
        thread.join(10)
