"""What becomes of two nodes' channel when the chain takes its funding back?"""

import asyncio
from pathlib import Path

import pytest

from lnpd.chain.embedded import EmbeddedChain
from lnpd.errors import LnpdError
from lnpd.services.node.node import Node
from lnpd.testing import DEPTH, Network, shown, until, until_asked
from lnpd.tx.transaction import TxOut
from tests.e2e.test_worst_days import hold


async def reorganise(network: Network, depth: int, length: int, *txs: bytes) -> None:
    """Other blocks in place of the last ones; returns once every node knows them."""
    assert isinstance(network.chain, EmbeddedChain)
    await network.chain.reorganise(depth, length, txs)
    height = (await network.chain.best_block()).height
    for node in network.nodes:
        await node.watcher.sync()
        await until(lambda node=node: node.watcher.height >= height, "the node's height")  # type: ignore[misc]


async def said(node: Node, channel: str) -> str:
    row = await shown(node, channel)
    return row.frozen if row is not None else ""


def test_the_funding_is_broadcast_again_and_the_channel_goes_on(tmp_path: Path) -> None:
    async def main() -> None:
        async with Network(tmp_path) as network:
            alice, bob = await network.node("alice"), await network.node("bob")
            channel = await network.channel(alice, bob, 1_000_000, push_sat=200_000)
            await reorganise(network, DEPTH, DEPTH + 1)
            for node in (alice, bob):
                await until_asked(lambda node=node: said(node, channel), "the alarm")  # type: ignore[misc]
                assert "reorganisation" in await said(node, channel)
                assert not node.channels.usable()
            row = await shown(alice, channel)
            assert row is not None
            assert (row.state, row.confirmations) == ("normal", 0)
            await network.seen(row.funding.partition(":")[0])
            await network.mine(DEPTH)
            await network.active(channel, alice, bob)
            assert not await said(alice, channel)
            await alice.api.pay((await bob.api.invoice(5_000_000, "it works", 3600)).invoice, None, 20)
            closed = await alice.api.close(channel, False, None)
            await network.seen(closed.txid)

    asyncio.run(main())


def test_a_double_spent_funding_ends_the_channel_and_its_htlcs(tmp_path: Path) -> None:
    async def main() -> None:
        async with Network(tmp_path) as network:
            alice, bob = await network.node("alice"), await network.node("bob")
            await network.fund(alice, 1_100_000)
            elsewhere = TxOut(1_000_000, await bob.wallet.next_script())
            rival = await alice.wallet.fund("another use of alice's only coin", elsewhere, 500)
            await alice.wallet.release(rival.txid)
            await network.connect(alice, bob)
            opened = await alice.api.open(bob.node_id.hex(), 900_000, 0, "", (), None)
            channel = opened.channel_id
            await network.mine(DEPTH)
            await network.active(channel, alice, bob)
            hold(bob)
            with pytest.raises(LnpdError):
                await alice.api.pay((await bob.api.invoice(5_000_000, "lost", 3600)).invoice, None, 1)
            await reorganise(network, DEPTH, DEPTH + 1, rival.transaction.serialise())

            async def failed() -> bool:
                await network.mine(1)
                rows = [await shown(node, channel) for node in (alice, bob)]
                return all(row is not None and row.state == "failed" for row in rows)

            await until_asked(failed, "both sides give the funding up")
            assert rival.txid[::-1].hex() in await said(alice, channel)
            assert (await alice.api.payments())[0].state == "pending"

            async def over() -> bool:
                await network.mine(10)
                return await shown(alice, channel) is None and await shown(bob, channel) is None

            await until_asked(over, "the end of the channel")
            (payment,) = await alice.api.payments()
            assert payment.state == "failed"

    asyncio.run(main())
