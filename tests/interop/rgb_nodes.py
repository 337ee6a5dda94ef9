"""How does a test get two nodes with RGB wallets, upon one bitcoind with an Electrum server?

async with rgb_nodes(tmp_path) as pair:
    asset = await pair.issued()
    channel = await pair.opened(asset, 5_000)
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from lnpd.services.node.node import Node
from lnpd.testing import Network, until_asked
from rgb_node.desk import CAPABILITIES
from tests.interop.rgb import RgbWorld, rgb_world

PLUGIN = Path(__file__).parents[2] / "plugins" / "rgb.py"
COINS_SAT = 5_000_000
ISSUED = 100_000
FUNDING_SAT = 1_000_000
PUSH_MSAT = 200_000_000
DUST_SAT = 1_000
DEPTH = 3
MOST_BLOCKS = 200  # each takes as long as two nodes and a server need for it


class RgbNodes:
    """Alice, who issues and opens, and Bob. Their plugins are processes of their own."""

    def __init__(self, world: RgbWorld, network: Network, alice: Node, bob: Node) -> None:
        self.world, self.network, self.alice, self.bob = world, network, alice, bob

    async def rgb(self, node: Node, method: str, **params: Any) -> Any:  # Any: JSON values
        """A command of the plugin."""
        return await node.api.call_plugin(f"rgb {method}", params)

    async def issued(self) -> str:
        """The id of 100,000 USDX that are Alice's, and that Bob takes."""
        address = (await self.rgb(self.alice, "address"))["address"]
        await self.world.fund(address, COINS_SAT)
        await self.network.followed()
        asset = str((await self.rgb(self.alice, "issue", ticker="USDX", amount=ISSUED))["asset_id"])
        await self.rgb(self.bob, "accept", asset_id=asset)
        return asset

    async def opened(self, amount: int, push_msat: int = PUSH_MSAT, ticker: str = "USDX") -> str:
        """The id of an active channel that holds so much of an asset of Alice's."""
        await self.network.connect(self.alice, self.bob)
        terms = {"peer": self.bob.node_id.hex(), "amount_sat": FUNDING_SAT, "asset": f"{ticker}:{amount}"}
        opened = await self.rgb(self.alice, "open", push_msat=push_msat, **terms)
        await self.network.seen(opened["funding"].partition(":")[0])
        await self.mine(DEPTH)
        await self.network.active(opened["channel_id"], self.alice, self.bob)
        return str(opened["channel_id"])

    async def paid(self, payer: Node, payee: Node, asset: str, amount: int) -> None:
        """An asset invoice, paid over the channel."""
        made = await self.rgb(payee, "invoice", asset=asset, amount=amount)
        paid = await self.rgb(payer, "pay", invoice=made["invoice"])
        assert (paid["payment_hash"], paid["amount"], paid["asset_id"]) == (made["payment_hash"], amount, asset)

    async def settled(self, node: Node) -> dict[str, Any]:
        """The one channel of a node with an asset, once nothing is in flight in it."""

        async def quiet() -> dict[str, Any] | None:
            (row,) = await self.rgb(node, "channels")
            return None if row["in_flight"] else dict(row)

        return await until_asked(quiet, f"no tokens in flight at {node.config.alias}")

    async def books(self, node: Node) -> list[tuple[str, int, int]]:
        """A node's history, sorted: kind, and what it changed on chain and in channels. It adds up to the balance."""
        rows = await self.rgb(node, "history", limit=1_000)
        for have in (await self.rgb(node, "balance"))["assets"]:
            own = [row for row in rows if row["asset_id"] == have["asset_id"]]
            there = sum(have[place] for place in ("in_channels", "in_flight", "closing", "coming_home"))
            assert sum(row["on_chain"] for row in own) == have["settled"] + have["pending"], (rows, have)
            assert sum(row["in_channels"] for row in own) == there, (rows, have)
        return sorted((row["kind"], row["on_chain"], row["in_channels"]) for row in rows)

    async def mine(self, blocks: int = 1) -> None:
        """Blocks with what waits; both nodes and the Electrum server know them then."""
        await self.world.mine(blocks)
        await self.network.followed()

    async def dusted(self, txid: str) -> None:
        """A stranger pays a little to each output of a transaction: the scripts are known, and held for the plugin."""
        shown = self.world.bitcoind.call("getrawtransaction", txid, True)
        for output in shown["vout"]:
            if "address" in output["scriptPubKey"]:
                await self.world.fund(output["scriptPubKey"]["address"], DUST_SAT)

    async def tokens(self, node: Node) -> int:
        """What a node's wallet has of the asset, settled."""
        rows = (await self.rgb(node, "balance"))["assets"]
        return sum(row["settled"] for row in rows)

    async def until_settled(self, node: Node, wanted: dict[str, int]) -> None:
        """Returns once a node's wallet has settled this of each asset, by id; blocks go by meanwhile."""
        for _ in range(MOST_BLOCKS):
            await self.mine()
            rows = (await self.rgb(node, "balance"))["assets"]
            if wanted == {row["asset_id"]: row["settled"] for row in rows}:
                return
        raise AssertionError(f"{wanted} were never in the wallet of {node.config.alias}: {rows}")

    async def until_tokens(self, node: Node, amount: int) -> None:
        """Returns once so many are settled in a node's wallet; blocks go by meanwhile, in which coins are collected."""
        for _ in range(MOST_BLOCKS):
            await self.mine()
            if await self.tokens(node) == amount:
                return
        shown = await self.rgb(node, "balance")
        raise AssertionError(f"{amount} tokens were never in the wallet of {node.config.alias}: {shown}")


def settings_of(world: RgbWorld) -> dict[str, Any]:  # Any: whatever Config takes
    """What a node with the plugin is configured with."""
    return {
        "plugins": (PLUGIN,),
        "grants": tuple(("rgb", each) for each in CAPABILITIES),
        "plugin_options": (("rgb", "electrum", world.electrum),),
    }


@asynccontextmanager
async def rgb_nodes(folder: Path) -> AsyncIterator[RgbNodes]:
    """Two connected nodes. Skips where rgb-lib or bitcoind is missing; in CI it fails."""
    world = await asyncio.to_thread(rgb_world)
    async with Network(folder / "n", bitcoind=world.bitcoind.directory) as network:
        alice, bob = [await network.node(name, **settings_of(world)) for name in ("alice", "bob")]
        yield RgbNodes(world, network, alice, bob)
