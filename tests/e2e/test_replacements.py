"""Does a real bitcoind take what pays for a commitment, and each new version of a sweep; and where it refuses one, does
the node remember what is there?"""

import asyncio
from pathlib import Path

import pytest

from lnpd.chain.bitcoind.regtest import RegtestBitcoind
from lnpd.services.channels.versions import PAID
from lnpd.services.node.node import Node
from lnpd.store.codec import decode
from lnpd.testing import Network, until_asked
from lnpd.tx.feerates import Paid
from lnpd.tx.transaction import Tx, TxIn, TxOut
from tests.chain.purse import p2wsh
from tests.e2e.chains import a_network
from tests.e2e.closing import Money, broadcast_commitment, driver_of, ears, estimate, full_blocks, pass_blocks, spender
from tests.e2e.kinds import kinds_of

KINDS = ["static_remotekey", "anchors_zero_fee_htlc_tx"]
TWO = b"\x52"  # a script that anyone may spend, and the faucet does not
CROWD, CROWD_OUTPUTS = 60, 2_300
STEP = "-incrementalrelayfee=0.0002"  # 5,000 sat per kw more than what is replaced; usual are 250


async def closed(network: Network, kind: str) -> tuple[Node, Node, Tx]:
    """Alice's commitment is in a block, and bob has 400,000 sat in it."""
    alice, bob = await network.node("alice"), await network.node("bob")
    await network.channel(alice, bob, 1_000_000, push_sat=400_000, kind=kind)
    ears(alice), ears(bob)
    await estimate(network, 6_000)
    commitment = await broadcast_commitment(network, alice)
    await pass_blocks(network)
    return alice, bob, commitment


async def remembered(node: Node) -> set[tuple[int, int]]:
    """What the node's unconfirmed transactions pay and weigh, as it remembers."""
    rows = await node.store.read(lambda read: read.values(PAID))
    found = [decode(value, Paid, table=PAID, key=key) for key, value in rows]
    return {(each.fee_sat, each.weight) for each in found}


@pytest.mark.parametrize("kind", KINDS)
def test_a_refused_replacement_is_not_remembered_and_a_later_one_is_taken(tmp_path: Path, kind: str) -> None:
    async def main() -> None:
        async with a_network(tmp_path, "bitcoind", STEP) as network:
            alice, bob, commitment = await closed(network, kind)
            await network.stop(alice)
            money = Money(network)
            await money.begin(bob)
            (vout,) = [v for v, o in enumerate(commitment.outputs) if o.value_sat == 400_000]
            fees_sat, refused = [], []
            for feerate_per_kw in (6_000, 7_000, 10_000, 12_000):
                await estimate(network, feerate_per_kw)
                await full_blocks(network)
                sweep = await until_asked(lambda: spender(network, commitment.txid, vout), "the sweep")
                fees_sat.append(await money.fee_sat(sweep))
                refused += [s.refused for s in bob.watcher.status(driver_of(bob).channel.key.encode()) if s.refused]
                ((fee_sat, weight),) = await remembered(bob)
                assert fee_sat == fees_sat[-1] and weight - 4 <= sweep.weight <= weight
            assert fees_sat[0] == fees_sat[1] == fees_sat[2] < fees_sat[3], fees_sat
            assert any("insufficient fee, rejecting replacement" in each for each in refused), refused
            await pass_blocks(network)
            assert await money.gained_sat(bob) == 400_000 - fees_sat[3]

    asyncio.run(main())


@pytest.mark.parametrize("kind", KINDS)
def test_a_sweep_is_replaced_as_feerates_rise(tmp_path: Path, kind: str) -> None:
    async def main() -> None:
        async with a_network(tmp_path, "bitcoind") as network:
            _, bob, commitment = await closed(network, kind)
            (vout,) = [v for v, o in enumerate(commitment.outputs) if o.value_sat == 400_000]
            sweeps = []
            for feerate_per_kw in (6_000, 6_300, 15_000, 40_000):
                await estimate(network, feerate_per_kw)
                await full_blocks(network)
                sweep = await until_asked(lambda: spender(network, commitment.txid, vout), "the sweep")
                rate = 1000 * await Money(network).fee_sat(sweep) / sweep.weight
                assert feerate_per_kw * 0.99 < rate < feerate_per_kw * 1.02
                assert not [s.refused for s in bob.watcher.status(driver_of(bob).channel.key.encode()) if s.refused]
                sweeps.append(sweep.txid)
            assert len(set(sweeps)) == 4

    asyncio.run(main())


def test_a_commitment_that_bitcoind_refuses_alone_is_taken_with_the_child_of_its_anchor(tmp_path: Path) -> None:
    """A full mempool refuses it; `minrelaytxfee`, which a package cannot pass either, does not."""

    async def main() -> None:
        async with a_network(tmp_path, "bitcoind", "-maxmempool=5") as network:
            alice, bob = await network.node("alice"), await network.node("bob")
            await network.channel(alice, bob, 1_000_000, push_sat=400_000, kind=KINDS[1])
            await network.fund(alice, 200_000)
            floor_per_kw = await crowd(network, 8_000)
            await estimate(network, 15_000)
            money = Money(network)
            await money.begin(alice, bob)
            funding = driver_of(alice).channel.fundings[0]
            await alice.api.close(driver_of(alice).channel.id.hex(), True, None)
            commitment = await until_asked(lambda: spender(network, funding.txid, funding.vout), "the package")
            fee_sat = await money.fee_sat(commitment)
            assert 1000 * fee_sat < floor_per_kw * commitment.weight, "it does not get in by itself"
            found = [await spender(network, commitment.txid, v) for v in range(len(commitment.outputs))]
            (child,) = {tx for tx in found if tx is not None}
            assert kinds_of(child) == {"anchor", "payment from keys"}
            both = fee_sat + await money.fee_sat(child), commitment.weight + child.weight
            assert 14_800 < 1000 * both[0] / both[1] < 15_400
            await network.mine()
            assert {commitment.txid, child.txid} <= {tx.txid for tx in await money.transactions()}

    asyncio.run(main())


async def crowd(network: Network, feerate_per_kw: int) -> int:
    """Fills the mempool with transactions of this feerate; what it asks of others from now on."""
    assert isinstance(network.chain, RegtestBitcoind)
    many = CROWD_OUTPUTS * (TxOut(1_000, p2wsh(TWO)),)
    fee_sat = feerate_per_kw * Tx((TxIn(bytes(32), 0, witness=(TWO,)),), many).weight // 1000
    each = TxOut(CROWD_OUTPUTS * 1_000 + fee_sat, p2wsh(TWO))
    point = await network.chain.fund(each.script_pubkey, CROWD * each.value_sat + 100_000)
    spread = Tx((TxIn(point.txid, point.index, witness=(TWO,)),), CROWD * (each,))
    await network.chain.mine_only((spread.serialise(),))
    for vout in range(CROWD):
        tx = Tx((TxIn(spread.txid, vout, witness=(TWO,)),), many)
        if (await network.chain.broadcast((tx.serialise(),))).reason == "mempool full":
            break
    await network.followed()
    await network.chain.set_feerate(0)
    return await network.chain.feerate(1)
