"""Do transactions that leave a channel pay enough when blocks are full, and more as their deadline nears?

Full blocks are empty ones here: nothing of ours gets in.
"""

import asyncio
from pathlib import Path

import pytest

from lnpd.services.node.node import Node
from lnpd.testing import Network
from lnpd.tx.transaction import Tx
from tests.e2e.chains import CHAINS, a_network
from tests.e2e.closing import (
    Money,
    broadcast_commitment,
    driver_of,
    ears,
    estimate,
    finish,
    full_blocks,
    know,
    offer,
    pass_blocks,
    spender,
)

ANCHORS = "anchors_zero_fee_htlc_tx"


async def two(network: Network, kind: str = ANCHORS) -> tuple[Node, Node]:
    alice, bob = await network.node("alice"), await network.node("bob")
    await network.channel(alice, bob, 1_000_000, push_sat=400_000, kind=kind)
    await network.fund(bob, 200_000)
    ears(alice), ears(bob)
    return alice, bob


async def mempool_fee(money: Money, *txs: Tx) -> tuple[int, int]:
    """What some transactions pay and weigh together."""
    return sum([await money.fee_sat(tx) for tx in txs]), sum(tx.weight for tx in txs)


@pytest.mark.parametrize("chain", CHAINS)
def test_a_child_of_our_anchor_pays_for_our_commitment_and_is_replaced_when_fees_rise(
    tmp_path: Path, chain: str
) -> None:
    async def main() -> None:
        async with a_network(tmp_path, chain) as network:
            alice, _ = await two(network)
            money = Money(network)
            await money.begin(alice)
            await estimate(network, 10_000)
            commitment = await broadcast_commitment(network, alice)
            fees = []
            for feerate_per_kw in (10_000, 10_050, 20_000):
                await estimate(network, feerate_per_kw)
                await full_blocks(network)
                anchors = [v for v, o in enumerate(commitment.outputs) if o.value_sat == 330]
                children = [c for v in anchors if (c := await spender(network, commitment.txid, v)) is not None]
                (child,) = children
                fee_sat, weight = await mempool_fee(money, commitment, child)
                fees.append(fee_sat)
                # 10,050 is too little more for another version to be relayed (BIP 125, rule 4).
                rate = 10_000 if feerate_per_kw == 10_050 else feerate_per_kw
                assert rate * 0.99 < 1000 * fee_sat / weight < rate * 1.02
            assert fees[0] == fees[1] < fees[2]
            await network.mine()
            assert (await money.transactions())[-1].inputs[0].txid == commitment.txid

    asyncio.run(main())


@pytest.mark.parametrize("coins_sat", [(200_000,), (3_000,) * 8])
def test_the_package_of_a_commitment_never_costs_more_than_half_of_what_is_ours(
    tmp_path: Path, coins_sat: tuple[int, ...]
) -> None:
    async def main() -> None:
        async with Network(tmp_path) as network:
            alice, bob = await network.node("alice"), await network.node("bob")
            await network.channel(alice, bob, 1_000_000, push_sat=20_000, kind=ANCHORS)
            for coin_sat in coins_sat:
                await network.fund(bob, coin_sat)
            ears(alice), ears(bob)
            money = Money(network)
            await money.begin(bob)
            await estimate(network, 40_000)
            commitment = await broadcast_commitment(network, bob)
            anchors = [v for v, o in enumerate(commitment.outputs) if o.value_sat == 330]
            (child,) = [c for v in anchors if (c := await spender(network, commitment.txid, v)) is not None]
            parent_sat, child_sat = await money.fee_sat(commitment), await money.fee_sat(child)
            assert child_sat <= 10_000, "half of what is bob's"
            assert parent_sat + child_sat > 9_500, "and no less: blocks are full"
            assert len(child.inputs) > 2 or len(coins_sat) == 1

    asyncio.run(main())


@pytest.mark.parametrize("chain", CHAINS)
def test_the_peers_commitment_is_helped_where_it_keeps_ours_out(tmp_path: Path, chain: str) -> None:
    async def main() -> None:
        async with a_network(tmp_path, chain) as network:
            alice, bob = await two(network)
            money = Money(network)
            await money.begin(alice, bob)
            commitment = await broadcast_commitment(network, bob)
            await network.stop(bob)
            await estimate(network, 15_000)
            await alice.api.close(driver_of(alice).channel.id.hex(), True, None)
            await full_blocks(network)
            found = [await spender(network, commitment.txid, v) for v in range(len(commitment.outputs))]
            children = [tx for tx in found if tx is not None]
            fees = [1000 * f / w for f, w in [await mempool_fee(money, commitment, child) for child in children]]
            assert any(14_800 < rate < 15_400 for rate in fees), fees

    asyncio.run(main())


@pytest.mark.parametrize("chain", CHAINS)
@pytest.mark.parametrize("kind", ["static_remotekey", ANCHORS])
def test_claims_pay_more_and_stand_alone_as_the_peers_timeout_nears(tmp_path: Path, chain: str, kind: str) -> None:
    """Bob holds the preimages of two HTLCs on alice's commitment: a claim of both, then each alone, at rising fees."""

    async def main() -> None:
        async with a_network(tmp_path, chain) as network:
            alice, bob = await two(network, kind)
            height = (await network.chain.best_block()).height
            ids = [await offer(alice, bob, n, 40_000, height + 40 + n) for n in (1, 2)]
            money = Money(network)
            await money.begin(alice, bob)
            commitment = await broadcast_commitment(network, alice)
            for number, identity in zip((1, 2), ids, strict=True):
                await know(bob, identity, number)
            await pass_blocks(network)
            await network.stop(alice)
            outputs = [v for v, o in enumerate(commitment.outputs) if o.value_sat == 40_000]
            history: list[tuple[int, int]] = []
            for _ in range(40):
                claims = {tx for v in outputs if (tx := await spender(network, commitment.txid, v)) is not None}
                history.append((len(claims), sum([await money.fee_sat(tx) for tx in claims])))
                await full_blocks(network)
            together = [fee for count, fee in history if count == 1]
            alone = [fee for count, fee in history if count == 2]
            assert len(together) > 10 and len(alone) >= 15, history
            assert together == sorted(together) and alone == sorted(alone), history
            assert alone[-1] > 30_000, "half of what is at stake, at last"
            await finish(network, bob)

    asyncio.run(main())
