"""Does a fee begin at the estimate, rise to its deadline while blocks are full, and leave of what is at stake the half?

On the embedded chain, whose estimate is 2,500 sat per kw: a poor wallet, one coin for many, a node that was away.
"""

import asyncio
from pathlib import Path

import pytest

from lnpd.channel.deadlines import PROOF_BLOCKS
from lnpd.services.channels.driver import ChannelDriver
from lnpd.services.node.node import Node
from lnpd.testing import Network
from lnpd.tx.transaction import Tx
from tests.e2e.closing import (
    Money,
    broadcasts,
    driver_of,
    ears,
    estimate,
    full_blocks,
    know,
    offer,
    pass_blocks,
    spender,
)
from tests.e2e.kinds import kinds_of

ANCHORS = "anchors_zero_fee_htlc_tx"
EXPIRY, DEADLINE = 40, 18  # blocks from the offer to the expiry; blocks before it, at which bob closes


async def fulfilled(
    network: Network, amounts_sat: list[int], coin_sat: int, away: int = 0, apart: int = 0
) -> tuple[Node, int]:
    """Bob knows the preimages of HTLCs, alice is gone, and his commitment waits; or he was away for so many blocks
    more. The node, and the height of the first expiry; each other one is so many blocks `apart`."""
    alice, bob = await network.node("alice"), await network.node("bob")
    capacity_sat = min(16_000_000, max(1_000_000, 2 * sum(amounts_sat)))
    await network.channel(alice, bob, capacity_sat, push_sat=100_000, kind=ANCHORS)
    await network.fund(bob, coin_sat)
    ears(alice), ears(bob)
    expiry = (await network.chain.best_block()).height + EXPIRY
    ids = [await offer(alice, bob, n, amount, expiry + (n - 1) * apart) for n, amount in enumerate(amounts_sat, 1)]
    await network.stop(alice)
    for n, identity in enumerate(ids, 1):
        await know(bob, identity, n)
    if away:
        await network.stop(bob)
        await network.chain.mine_only((), EXPIRY - DEADLINE + away)
        bob = await network.restart(bob)
        await broadcasts(network)
    else:
        await pass_blocks(network, EXPIRY - DEADLINE, 11)
    return bob, expiry


async def waiting(network: Network, bob: Node) -> tuple[Tx, Tx | None]:
    """Bob's commitment, confirmed or not, and what spends it in the mempool."""
    funding = driver_of(bob).channel.fundings[0]
    tx = await spender(network, funding.txid, funding.vout)
    if tx is None:
        (tx,) = [each for each in await Money(network).transactions() if each.inputs[0].txid == funding.txid]
    found = [await spender(network, tx.txid, vout) for vout in range(len(tx.outputs))]
    return tx, next((each for each in found if each is not None), None)


async def rising(network: Network, bob: Node, blocks: int, kind: str) -> list[int]:
    """The fees of what spends bob's commitment, while so many full blocks go by."""
    fees_sat = []
    for _ in range(blocks):
        _, child = await waiting(network, bob)
        assert child is not None and kind in kinds_of(child)
        fees_sat.append(await Money(network).fee_sat(child))
        assert not [s.refused for s in bob.watcher.status(driver_of(bob).channel.key.encode()) if s.refused]
        await full_blocks(network)
    return fees_sat


async def claimed(network: Network) -> list[Tx]:
    """The HTLC transactions of the chain."""
    return [tx for tx in await Money(network).transactions() if "HTLC-success" in kinds_of(tx)]


def test_a_child_and_an_htlc_transaction_begin_low_rise_and_leave_half_of_the_htlc(tmp_path: Path) -> None:
    async def main() -> None:
        async with Network(tmp_path) as network:
            await network.node("carol")  # the estimate is set before a node asks for it
            bob, expiry = await fulfilled(network, [200_003], 300_000)
            await estimate(network, 10_000)
            await full_blocks(network)
            child_sat = await rising(network, bob, 9, "anchor")
            assert child_sat[0] < 20_000 and child_sat == sorted(child_sat) and len(set(child_sat)) > 5, child_sat
            assert child_sat[-1] <= 200_003 // 4
            await pass_blocks(network)
            money = Money(network)
            stage_sat = await rising(network, bob, expiry - 1 - bob.watcher.height, "HTLC-success")
            assert 10_000 < stage_sat[0] < 12_000 and stage_sat == sorted(stage_sat), stage_sat
            assert len(set(stage_sat)) >= 4, stage_sat
            await pass_blocks(network)
            (tx,) = await claimed(network)
            assert bob.watcher.height == expiry
            paid_sat = await money.fee_sat(tx) + child_sat[-1]
            assert 0.9 * 100_001 < paid_sat <= 100_001, "all that the stake allows, and no more"

    asyncio.run(main())


def test_a_small_htlc_that_is_due_spends_nothing_for_a_large_one_until_that_is_due_itself(tmp_path: Path) -> None:
    async def main() -> None:
        async with Network(tmp_path) as network:
            await network.node("carol")  # the estimate is set before a node asks for it
            bob, expiry = await fulfilled(network, [5_000, 400_000], 500_000, apart=30)
            await estimate(network, 5_000)
            await full_blocks(network)
            calm_sat = await rising(network, bob, 1, "anchor")
            await full_blocks(network, expiry - 1 - bob.watcher.height)
            _, child = await waiting(network, bob)
            assert child is not None and await Money(network).fee_sat(child) == calm_sat[0] < 8_000
            await full_blocks(network, 8)
            child_sat = await rising(network, bob, 16, "anchor")
            assert child_sat == sorted(child_sat) and len(set(child_sat)) > 5, child_sat
            assert 80_000 < child_sat[-1] <= 405_000 // 4
            await pass_blocks(network)

    asyncio.run(main())


@pytest.mark.parametrize(
    ("amount_sat", "coin_sat", "most_sat"), [(1_000_000, 25_000, 25_000), (12_000_000, 7_000_000, 275_000)]
)
def test_what_the_coins_or_all_bounds_do_not_allow_is_not_asked_for(
    tmp_path: Path, amount_sat: int, coin_sat: int, most_sat: int
) -> None:
    """A wallet without enough for half of the stake, and a stake of which half is more than anyone signs."""

    async def main() -> None:
        async with Network(tmp_path) as network:
            bob, expiry = await fulfilled(network, [amount_sat], coin_sat)
            await pass_blocks(network)
            stage_sat = await rising(network, bob, expiry - 1 - bob.watcher.height, "HTLC-success")
            assert stage_sat[0] < 3_000 and 0.98 * most_sat <= stage_sat[-1] <= most_sat, stage_sat
            await pass_blocks(network)
            assert len(await claimed(network)) == 1

    asyncio.run(main())


def test_who_comes_back_late_broadcasts_and_rises_in_the_blocks_that_are_left(tmp_path: Path) -> None:
    async def main() -> None:
        async with Network(tmp_path) as network:
            bob, expiry = await fulfilled(network, [12_000_000], 7_000_000, away=DEADLINE - PROOF_BLOCKS - 6)
            await full_blocks(network, PROOF_BLOCKS)  # the peer might show that bob's state is old
            await pass_blocks(network)
            stage_sat = await rising(network, bob, expiry - 1 - bob.watcher.height, "HTLC-success")
            assert stage_sat[0] < 3_000 and stage_sat[-1] > 270_000, stage_sat
            assert len(set(stage_sat)) == len(stage_sat) == 4, stage_sat
            await pass_blocks(network)
            assert len(await claimed(network)) == 1

    asyncio.run(main())


async def package(network: Network, money: Money, driver: ChannelDriver) -> tuple[Tx, Tx]:
    """A commitment and its child, both in the mempool."""
    funding = driver.channel.fundings[0]
    tx = await spender(network, funding.txid, funding.vout)
    assert tx is not None
    found = [await spender(network, tx.txid, vout) for vout in range(len(tx.outputs))]
    (child,) = {each for each in found if each is not None}
    fee_sat = await money.fee_sat(tx) + await money.fee_sat(child)
    assert 14_800 * (tx.weight + child.weight) <= 1000 * fee_sat
    return tx, child


def test_one_coin_pays_for_three_commitments_at_once(tmp_path: Path) -> None:
    """Each child but the first spends the change of the one before, which is in the mempool."""

    async def main() -> None:
        async with Network(tmp_path) as network:
            bob = await network.node("bob")
            for name in ("alice", "carol", "dave"):
                await network.channel(await network.node(name), bob, 1_000_000, push_sat=400_000, kind=ANCHORS)
            await network.fund(bob, 200_000)
            for node in [each for each in network.nodes if each is not bob]:
                await network.stop(node)
            await estimate(network, 15_000)
            money = Money(network, (await network.chain.best_block()).height)
            drivers = list(bob.channels.drivers.values())
            for driver in drivers:
                await bob.api.close(driver.channel.id.hex(), True, None)
            await full_blocks(network)
            packages = [await package(network, money, driver) for driver in drivers]
            await pass_blocks(network)
            confirmed = {tx.txid for tx in await money.transactions()}
            assert confirmed >= {tx.txid for each in packages for tx in each}

    asyncio.run(main())


def test_one_coin_pays_for_twenty_htlcs(tmp_path: Path) -> None:
    async def main() -> None:
        async with Network(tmp_path) as network:
            await fulfilled(network, [40_000] * 20, 200_000)
            await pass_blocks(network, 2)
            (tx,) = await claimed(network)
            assert len(tx.inputs) == 21
            assert 1000 * await Money(network).fee_sat(tx) < 2_600 * tx.weight

    asyncio.run(main())
