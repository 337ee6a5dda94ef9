"""What may happen to a plugin's output? Two nodes with the plugin in both, and a verb for each.

    def test_a_box_is_in_both_commitments_is_punished_when_stale(pair):
        pair.open()
        pair.alice.rpc("put", amount_sat=25_000)
        assert [each.amount_sat for each in pair.outputs()] == [25_000, 25_000]
        pair.cheat()
        assert pair.swept() == {"0/0": "bob"}

Both nodes are whole (network.py), on a chain of their own, in this process; the plugins run in theirs, under the SDK's
guard. Each verb returns when what it says has happened. In between nothing happens: the nodes run while a verb does.
"""

import asyncio
from collections.abc import Collection, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from lnpd_sdk.manifest import Manifest
from lnpd_sdk.types import Party

from lnpd.hooks.registry import asked_by
from lnpd.providers.types import CORE_PROVIDERS
from lnpd.services.channels import view
from lnpd.services.channels.driver import ChannelDriver
from lnpd.services.node.node import Node
from lnpd.services.plugins.alone import manifest_of
from lnpd.services.plugins.golden import Recorder
from lnpd.testing.network import Network, until
from lnpd.testing.onchain import Fate, stale_commitment, taken_by, transactions
from lnpd.tx.graph import Graph
from lnpd.tx.transaction import Tx

T = TypeVar("T")
PAY_SECONDS = 20
STEP_BLOCKS = 12
MAX_BLOCKS = 600


class Held(NamedTuple):
    """An output of a plugin's in a node's present commitment. `holder` is that node's name."""

    holder: str
    provider: str
    id: str
    kind: str
    amount_sat: int
    script_pubkey: bytes


class Side:
    """One of the two nodes. `node` is all of it, for what has no verb here."""

    def __init__(self, pair: "Pair", name: str, node: Node) -> None:
        self._pair, self.name, self.node = pair, name, node

    def rpc(self, method: str, **params: Any) -> Any:  # Any: JSON values
        """Calls an RPC method of the plugin, by its name or by what follows the plugin's in it. A `channel_id` that it
        takes is the pair's channel unless another is given. Raises PluginRefused with the plugin's sentence."""
        return self._pair.run(self._rpc(method, params))

    async def _rpc(self, method: str, params: dict[str, Any]) -> object:  # Any: JSON values
        rows = {row.name: row for row in self._pair.manifest.rpc}
        plugin = self._pair.manifest.name
        name = next((each for each in (method, f"{plugin} {method}") if each in rows), f"{plugin}-{method}")
        takes = {parameter.name for parameter in rows[name].parameters} if name in rows else set()
        if "channel_id" in takes and self._pair.channel:
            params = {"channel_id": self._pair.channel, **params}
        return await self.node.api.call_plugin(name, params)

    @property
    def driver(self) -> ChannelDriver:
        """The driver of the pair's channel."""
        return self.node.channels.driver_of(self._pair.channel)

    @property
    def party(self) -> Party:
        """0 if this node opened the channel, 1 if it accepted it."""
        return self.driver.channel.us


class Pair:
    """Two nodes, alice and bob. `manifest` is the plugin's, `channel` the id of what `open` opened."""

    def __init__(self, runner: asyncio.Runner, network: Network, manifest: Manifest) -> None:
        self._runner, self._network, self.manifest = runner, network, manifest
        self.channel = ""
        self.alice: Side
        self.bob: Side
        self._closing: dict[bytes, Graph] = {}  # by txid: the commitments that may confirm
        self._closed_height = 0

    def run(self, work: Coroutine[Any, Any, T]) -> T:  # Any: nothing is sent into it
        """Runs anything else in the nodes' event loop."""
        return self._runner.run(work)

    # --- life
    def connect(self) -> None:
        """A connection between the two, without a channel."""
        self.run(self._network.connect(self.alice.node, self.bob.node))

    def open(self, kind: str = "", amount_sat: int = 1_000_000, push_sat: int = 200_000) -> str:
        """A channel that alice opened, active on both sides; its id. `kind` is a channel type's name, the plugin's
        first unless given."""
        types = self.manifest.channel_types
        kind = kind or (types[0].name if types else "")
        nodes = self.alice.node, self.bob.node
        self.channel = self.run(self._network.channel(*nodes, amount_sat, push_sat=push_sat, kind=kind))
        return self.channel

    def pay(self, amount_sat: int = 1_000) -> None:
        """Alice pays bob through the channel, which has new commitments afterwards."""
        self.run(self._pay(amount_sat))

    async def _pay(self, amount_sat: int) -> None:
        invoice = await self.bob.node.api.invoice(1000 * amount_sat, "between the pair", 3600)
        await self.alice.node.api.pay(invoice.invoice, None, PAY_SECONDS)
        await self._settled()

    def outputs(self) -> tuple[Held, ...]:
        """The plugin's outputs in both present commitments, alice's first, once no update is on its way any more."""
        return self.run(self._outputs())

    async def _outputs(self) -> tuple[Held, ...]:
        await self._settled()
        graphs = [(side.name, await self._graph(side)) for side in (self.alice, self.bob)]
        return tuple(
            Held(name, each.provider, each.id, each.kind, each.value_sat, each.script_pubkey)
            for name, graph in graphs
            for each in graph.outputs
            if each.provider not in CORE_PROVIDERS
        )

    async def _settled(self) -> None:
        sides = self.alice, self.bob
        await until(lambda: not any(side.driver.channel.log for side in sides), "the end of all updates")

    async def _graph(self, side: Side) -> Graph:
        return (await view.graphs(side.node.store, side.driver.channel))[int(side.party)]

    def kill_plugin(self, *names: str) -> None:
        """The plugin's process ends for good on these nodes, on both unless some are named: its channels freeze."""
        for side in (self.alice, self.bob):
            if not names or side.name in names:
                self.run(side.node.plugins.stop())

    @contextmanager
    def record(self, path: Path, same: Collection[str] = (), side: str = "alice") -> Iterator[None]:
        """Writes what this side's plugin is asked meanwhile, and answers, into a golden file, a JSON object a line.
        `lnp plugin replay` asks it again. `same` names hooks and RPC methods whose answers follow from the question."""
        node = self.alice.node if side == "alice" else self.bob.node
        recorder = Recorder(node.plugins.plugins[0], path, same)
        try:
            yield
        finally:
            recorder.close()

    # --- ends
    def close(self, by: str = "alice") -> None:
        """A node closes by force: a present commitment, its own or the peer's, is in a block afterwards. While the
        plugin runs on both, what was proposed before is in it."""
        self.run(self._close(self.alice if by == "alice" else self.bob))

    async def _close(self, side: Side) -> None:
        if all(each.status == "ready" for node in self._network.nodes for each in node.plugins.plugins):
            await self._settled()
        graphs = [await self._graph(each) for each in (self.alice, self.bob)]
        await self._remember(*graphs)
        await side.node.api.close(self.channel, True, None)
        await self._network.spent(f"{graphs[0].funding.txid[::-1].hex()}:{graphs[0].funding.vout}")
        await self._mine(1)

    def cheat(self) -> None:
        """Alice's present commitment becomes stale by a payment, the plugin ends on both nodes, and what is stale is in
        a block: bob has to punish it alone."""
        self.run(self._cheat())

    async def _cheat(self) -> None:
        await self._settled()
        graph, tx = await stale_commitment(self.alice.node, self.alice.driver)
        await self._pay(1_000)
        for side in (self.alice, self.bob):
            await side.node.plugins.stop()
        await self._network.stop(self.alice.node)
        await self._remember(graph)
        chain = self._network.chain
        await chain.mine_only((tx.serialise(),), 1)  # type: ignore[union-attr]  # the pair's chain is the embedded one
        await self._handled()

    def mine(self, blocks: int = 1) -> None:
        """Blocks go by; after each few the nodes have broadcast what they want next."""
        self.run(self._mine(blocks))

    async def _mine(self, blocks: int) -> None:
        while blocks > 0:
            await self._network.mine(min(blocks, STEP_BLOCKS))
            blocks -= STEP_BLOCKS
            await self._handled()

    async def _handled(self) -> None:
        await self._network.followed()
        for node in self._network.nodes:
            for driver in list(node.channels.drivers.values()):
                await driver.settled()
            await node.watcher.sync()

    def transactions(self) -> tuple[Tx, ...]:
        """All that the chain holds, but for coinbases, the oldest first."""
        return tuple(self.run(transactions(self._network, 0)))

    def swept(self) -> dict[str, str]:
        """Who had each of the plugin's outputs in the end, by the output's id: blocks go by until all are taken.

        AssertionError names those that nobody takes. A data carrier, which has no value, is nobody's.
        """
        return self.run(self._swept())

    async def _swept(self) -> dict[str, str]:
        sides = {side.name: side.node for side in (self.alice, self.bob)}
        fate, found = Fate(self._closing, self._closed_height), None
        for _ in range(0, MAX_BLOCKS, STEP_BLOCKS):
            found = await taken_by(self._network, fate, sides)
            if found is not None and None not in found.values():
                return {name: str(who) for name, who in found.items()}
            await self._mine(STEP_BLOCKS)
        assert found is not None, "no commitment is in the chain"
        raise AssertionError(f"nobody takes {', '.join(name for name, who in found.items() if who is None)}")

    async def _remember(self, *graphs: Graph) -> None:
        self._closing = {graph.tx.txid: graph for graph in graphs}
        self._closed_height = (await self._network.chain.best_block()).height


@contextmanager
def paired(folder: Path, plugin: Path, grants: tuple[str, ...] | None = None) -> Iterator[Pair]:
    """A pair below a folder, while the context lasts. Granted is what the plugin asks for, unless `grants` are given.

    Raises PluginNotFound, and ManifestRefused with what a node would say of the plugin.
    """
    with asyncio.Runner() as runner:
        manifest = runner.run(manifest_of(plugin))
        network = Network(folder)
        runner.run(network.__aenter__())
        try:
            pair = Pair(runner, network, manifest)
            given = asked_by(manifest) if grants is None else grants
            options: dict[str, Any] = {  # Any: whatever Config takes
                "plugins": (plugin,),
                "grants": tuple((manifest.name, grant) for grant in given),
            }
            pair.alice = Side(pair, "alice", runner.run(network.node("alice", **options)))
            pair.bob = Side(pair, "bob", runner.run(network.node("bob", **options)))
            yield pair
        finally:
            runner.run(network.__aexit__())
