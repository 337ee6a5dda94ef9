"""Do tokens come home whatever it costs, where no block takes what carries them, and where their coin is too small?"""

import asyncio
from pathlib import Path
from typing import Any

from lnpd.chain.bitcoind.regtest import RegtestBitcoind
from lnpd.errors import PluginRefused
from lnpd.services.node.node import Node
from lnpd.testing import until_asked
from rgb_engine.wallet import HOLDING_SAT
from rgb_node.homeward import PATIENCE_BLOCKS, SURE_BLOCKS
from tests.interop.rgb_nodes import ISSUED, RgbNodes, rgb_nodes

HELD, PAID = 5_000, 700
COINS_SAT = 200_000
CHEAP_PER_KW, DEAR_PER_KW = 500, 20_000


def test_a_fee_rises_and_a_small_coin_is_joined(tmp_path: Path) -> None:
    async def main() -> None:
        async with rgb_nodes(tmp_path) as pair:
            asset = await pair.issued()
            channel = await pair.opened(HELD, push_msat=0)
            await pair.paid(pair.alice, pair.bob, asset, PAID)
            for node in (pair.alice, pair.bob):
                await pair.settled(node)
            closed = await pair.alice.api.close(channel, False, None)
            await pair.network.seen(closed.txid)
            await feerates(pair, CHEAP_PER_KW, DEAR_PER_KW)
            await pair.mine()
            await a_fee_rises(pair)
            await a_small_coin_waits(pair)
            for node, amount in ((pair.alice, ISSUED - PAID), (pair.bob, PAID)):
                await pair.until_tokens(node, amount)
                await pair.world.settled()
                assert await pair.rgb(node, "collect") == []
                balance = await node.wallet.balance()
                assert (balance.held_sat, balance.reserved_sat, balance.pending_sat) == (0, 0, 0)
            (came,) = [row for row in await pair.rgb(pair.bob, "history") if row["kind"] == "came_home"]
            shown = pair.world.bitcoind.call("getrawtransaction", came["txid"], True)
            assert len(shown["vin"]) == 2 and round(shown["vout"][1]["value"] * 10**8) == HOLDING_SAT

    asyncio.run(asyncio.wait_for(main(), 240))


async def feerates(pair: RgbNodes, alices_per_kw: int, bobs_per_kw: int) -> None:
    for node, per_kw in ((pair.alice, alices_per_kw), (pair.bob, bobs_per_kw)):
        assert isinstance(node.backend, RegtestBitcoind)
        await node.backend.set_feerate(per_kw)


async def under_way(pair: RgbNodes, node: Node, but: str = "") -> dict[str, Any]:
    """The node's one coin, once a transaction brings it home, other than one that did before."""

    async def there() -> dict[str, Any] | None:
        try:
            rows = await pair.rgb(node, "collect")
        except PluginRefused:  # the Electrum server is asked for what was replaced while it answered
            return None
        return next((row for row in rows if row["txid"] not in ("", but)), None)

    return await until_asked(there, "tokens on their way home")


async def a_small_coin_waits(pair: RgbNodes) -> None:
    """Until the fee falls, or the node has a coin; what is in the way, and what helps, is said."""
    await pair.world.settled()
    (row,) = await pair.rgb(pair.bob, "collect")
    assert "costs 80 sat/vB now" in row["problem"] and "it goes at 58 sat/vB or less" in row["problem"], row
    assert "a coin of the node's, which gives none" in row["problem"] and row["amount"] == PAID
    await pair.world.fund(await pair.bob.wallet.new_address(), COINS_SAT)


async def a_fee_rises(pair: RgbNodes) -> None:
    """As long as blocks leave it out; the wallet takes the tokens once the version that a block has is deep enough."""
    call = pair.world.bitcoind.call
    first = await under_way(pair, pair.alice)
    for _ in range(PATIENCE_BLOCKS):
        call("generateblock", "raw(51)", [])
    await pair.network.followed()
    second = await under_way(pair, pair.alice, but=first["txid"])
    waiting = call("getrawmempool", True)
    assert second["txid"] in waiting and first["txid"] not in waiting
    await pair.mine(SURE_BLOCKS - 1)
    assert await pair.tokens(pair.alice) == ISSUED - HELD
