"""Does a thief lose everything, whatever it gets in before it is punished? (BOLT 5, Revoked Transaction Close Handling)

Alice broadcasts a commitment that she has revoked, with an HTLC each way; rows 18 to 23 of the table of cases:

    nothing more           bob is awake, and takes it all at once
    one by one             bob sleeps through both HTLC transactions, and takes what came of them
    her preimage first     her HTLC-success is in the next block: bob learns the preimage, and takes the rest

With anchors she may also put both of one locktime into one transaction, at places that no graph knows.
"""

import asyncio
from hashlib import sha256
from pathlib import Path

import pytest

from lnpd.chain.interface import Outpoint
from lnpd.services.node.node import Node
from lnpd.testing import Network
from lnpd.tx.transaction import Tx, TxIn
from tests.chain.purse import p2wsh
from tests.e2e.closing import (
    Money,
    ears,
    finish,
    full_blocks,
    offer,
    pass_blocks,
    preimage,
    reborn,
)
from tests.e2e.thief import Loot, loot

KINDS = ["static_remotekey", "anchors_zero_fee_htlc_tx"]
ANYONE = b"\x52"  # not the faucet's
ESTIMATE_PER_KW = 2_500  # the embedded chain's


async def robbed(network: Network, kind: str) -> tuple[Node, Node, Loot]:
    """Bob, and what alice keeps: HTLCs of 40,000 sat (hers), 20,000 and 25,000 sat (bob's), and a later state."""
    alice, bob = await network.node("alice"), await network.node("bob")
    await network.channel(alice, bob, 1_000_000, push_sat=400_000, kind=kind)
    ears(alice), ears(bob)
    height = (await network.chain.best_block()).height
    await offer(alice, bob, 1, 40_000, height + 30)
    await offer(bob, alice, 2, 20_000, height + 60)
    await offer(bob, alice, 3, 25_000, height + 60)
    kept = await loot(alice)
    await offer(bob, alice, 4, 1_000, height + 60)
    return alice, bob, kept


async def coin(network: Network) -> tuple[TxIn, int]:
    """A coin that anyone may spend."""
    point: Outpoint = await network.chain.fund(p2wsh(ANYONE), 50_000)
    return TxIn(point.txid, point.index, witness=(ANYONE,)), 50_000


async def secured(network: Network, bob: Node, money: Money, stolen: Loot, lost_sat: int = 0) -> None:
    """Bob ends with all that the commitment held but what is named as lost, and fees."""
    await finish(network, bob)
    graph = stolen.kept.graph
    kept_sat = graph.funding.capacity_sat - graph.fee_sat - lost_sat
    fees = await money.fees_sat(bob)
    assert await money.gained_sat(bob) == kept_sat - fees["bob"] - await money.unspent_anchors_sat()
    weight = sum(tx.weight for tx in await money.transactions() if _is_all_for(bob, tx))
    assert fees["bob"] <= 1.02 * ESTIMATE_PER_KW * weight / 1000, "it is in no hurry: the estimate, and no more"


def _is_all_for(node: Node, tx: Tx) -> bool:
    return all(node.wallet.scripts.path(output.script_pubkey) is not None for output in tx.outputs)


@pytest.mark.parametrize("kind", KINDS)
def test_a_thief_who_does_nothing_more(tmp_path: Path, kind: str) -> None:
    async def main() -> None:
        async with Network(tmp_path) as network:
            alice, bob, stolen = await robbed(network, kind)
            heard = ears(bob)
            await network.stop(alice)
            money = Money(network)
            await money.begin(bob)
            await full_blocks(network, 1, stolen.commitment)
            await pass_blocks(network, 2)
            txs = await money.transactions()
            assert len(txs) == 2, "one penalty takes all"
            await secured(network, bob, money, stolen)
            assert sorted(heard.failed) == [0, 1, 2] and not heard.fulfilled

    asyncio.run(main())


@pytest.mark.parametrize("together", [False, True], ids=["one by one", "together"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_thief_whose_second_stage_confirms_while_its_victim_sleeps(tmp_path: Path, kind: str, together: bool) -> None:
    if together and kind == "static_remotekey":
        pytest.skip("its HTLC transactions stand alone")

    async def main() -> None:
        async with Network(tmp_path) as network:
            alice, bob, stolen = await robbed(network, kind)
            money = Money(network)
            await money.begin(bob)
            await network.stop(alice)
            await network.stop(bob)
            coins = [await coin(network) for _ in range(3)]
            await full_blocks(network, 40, stolen.commitment)
            known = [preimage(n) for n in (2, 3)]
            claims = stolen.claims(known, [sha256(each).digest() for each in known])
            success = [c for c in claims if c.late]
            groups = [success[::-1], [c for c in claims if not c.late]] if together else [[c] for c in claims]
            moved = [stolen.second_stage(group, each) for group, each in zip(groups, coins, strict=False)]
            await full_blocks(network, 2, *moved)
            bob, heard = await reborn(network, bob)
            await pass_blocks(network, 2)
            fees_sat = 0 if kind != "static_remotekey" else sum([await money.fee_sat(tx) for tx in moved])
            await secured(network, bob, Only(network, money, moved, bob), stolen, fees_sat)
            assert heard.fulfilled == {0: known[0], 1: known[1]} and heard.failed == [2]

    asyncio.run(main())


class Only(Money):
    """Money that leaves out what a thief pays out of a purse of its own."""

    def __init__(self, network: Network, money: Money, stolen: list[Tx], bob: Node) -> None:
        super().__init__(network, money.height, money.before_sat, money.fundings)
        self._stolen = {tx.txid for tx in stolen}

    async def fees_sat(self, *nodes: Node) -> dict[str, int]:
        everything = await self.transactions()
        fees = {"bob": 0}
        for tx in everything:
            if any(i.txid in self._stolen for i in tx.inputs) or self._pays(tx, nodes[0]):
                fees["bob"] += await self.fee_sat(tx)
        return fees

    def _pays(self, tx: Tx, node: Node) -> bool:
        return any(node.wallet.scripts.path(output.script_pubkey) is not None for output in tx.outputs)


@pytest.mark.parametrize("kind", KINDS)
def test_a_preimage_that_a_thief_shows_in_the_next_block(tmp_path: Path, kind: str) -> None:
    async def main() -> None:
        async with Network(tmp_path) as network:
            alice, bob, stolen = await robbed(network, kind)
            heard = ears(bob)
            await network.stop(alice)
            money = Money(network)
            await money.begin(bob)
            purse = await coin(network)
            await full_blocks(network, 1, stolen.commitment)
            known = preimage(3)
            claims = stolen.claims([known], [sha256(known).digest()])
            moved = stolen.second_stage([c for c in claims if c.late], purse)
            await full_blocks(network, 1, moved)
            assert heard.fulfilled == {1: known}
            await pass_blocks(network, 2)
            fees_sat = await money.fee_sat(moved) if kind == "static_remotekey" else 0
            await secured(network, bob, Only(network, money, [moved], bob), stolen, fees_sat)
            assert sorted(heard.failed) == [0, 2]

    asyncio.run(main())
