"""Does a node on a chain that forks at each stage of a close, and that is started again there, lose anything?"""

import asyncio
from hashlib import sha256
from pathlib import Path

import pytest

from lnpd.services.node.node import Node
from lnpd.testing import Network
from tests.e2e.closing import (
    Ears,
    Money,
    broadcast_commitment,
    broadcasts,
    ears,
    finish,
    full_blocks,
    know,
    offer,
    pass_blocks,
    preimage,
    reborn,
)
from tests.e2e.test_penalties import Only, coin, robbed, secured

KINDS = ["static_remotekey", "anchors_zero_fee_htlc_tx"]


async def fork(network: Network, depth: int) -> None:
    """The last blocks are replaced by empty ones, one more; what they held waits again."""
    await network.chain.reorganise(depth, depth + 1)
    await network.followed()
    await broadcasts(network)


@pytest.mark.parametrize("kind", KINDS)
def test_forks_of_one_to_six_blocks_at_every_stage(tmp_path: Path, kind: str) -> None:
    async def main() -> None:
        async with Network(tmp_path) as network:
            alice, bob = await network.node("alice"), await network.node("bob")
            await network.channel(alice, bob, 1_000_000, push_sat=400_000, kind=kind)
            await network.fund(bob, 200_000)
            alices, bobs = ears(alice), ears(bob)
            height = (await network.chain.best_block()).height
            await offer(alice, bob, 1, 40_000, height + 60)
            await offer(alice, bob, 2, 30_000, height + 61)
            await offer(bob, alice, 3, 20_000, height + 62)
            money = Money(network)
            await money.begin(alice, bob)
            await broadcast_commitment(network, alice)
            await know(alice, 0, 3)
            for depth in (1, 2, 3):  # the commitment, and claims at once
                await pass_blocks(network, depth)
                await fork(network, depth)
            await know(bob, 0, 1)
            for depth in (4, 5, 6):  # with preimages on chain
                await pass_blocks(network, depth)
                await fork(network, depth)
            alice, bob, heard = await again(network, alice, bob)
            while (await network.chain.best_block()).height < height + 70:  # timeouts
                await pass_blocks(network, 2)
            await fork(network, 6)
            await pass_blocks(network, 140)  # delays
            for depth in (6, 3):
                await fork(network, depth)
                await pass_blocks(network, 4)
            await finish(network, alice, bob)
            known = alices.fulfilled | heard.fulfilled
            assert known == {0: preimage(1)} and set(alices.failed + heard.failed) == {1}
            assert bobs.fulfilled == {0: preimage(3)}
            fees = await money.fees_sat(alice, bob)
            gained = await money.gained_sat(alice), await money.gained_sat(bob)
            anchors_sat = await money.unspent_anchors_sat()
            assert gained[1] == 400_000 + 40_000 - 20_000 - fees["bob"]
            assert gained[0] == 600_000 - 40_000 + 20_000 - fees["alice"] - fees["channel"] - anchors_sat

    asyncio.run(main())


async def again(network: Network, alice: Node, bob: Node) -> tuple[Node, Node, Ears]:
    """Both are started again from their databases."""
    (alice, heard), (bob, _) = await reborn(network, alice), await reborn(network, bob)
    return alice, bob, heard


@pytest.mark.parametrize(("kind", "depth"), [(KINDS[0], 6), (KINDS[1], 1)])
def test_a_close_by_agreement_is_forked_away(tmp_path: Path, kind: str, depth: int) -> None:
    async def main() -> None:
        async with Network(tmp_path) as network:
            alice, bob = await network.node("alice"), await network.node("bob")
            channel = await network.channel(alice, bob, 1_000_000, push_sat=400_000, kind=kind)
            money = Money(network)
            await money.begin(alice, bob)
            await network.seen((await alice.api.close(channel, False, None)).txid)
            await pass_blocks(network, depth)
            await fork(network, depth)
            await finish(network, alice, bob)
            fees = await money.fees_sat(alice, bob)
            assert await money.gained_sat(bob) == 400_000
            assert await money.gained_sat(alice) == 600_000 - fees["channel"]

    asyncio.run(main())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("depth", [1, 6])
def test_a_revoked_commitment_and_its_penalty_are_forked_away(tmp_path: Path, kind: str, depth: int) -> None:
    """And once more; alice's may have to be broadcast anew."""

    async def main() -> None:
        async with Network(tmp_path) as network:
            alice, bob, stolen = await robbed(network, kind)
            await network.stop(alice)
            money = Money(network)
            await money.begin(bob)
            await full_blocks(network, 1, stolen.commitment)
            await pass_blocks(network, depth - 1)
            await fork(network, depth)
            assert not await money.transactions()
            await fork(network, 1)
            await network.chain.broadcast((stolen.commitment.serialise(),))
            await pass_blocks(network, 3)
            await secured(network, bob, money, stolen)

    asyncio.run(main())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("depth", [1, 6])
def test_a_thiefs_second_stage_is_forked_away(tmp_path: Path, kind: str, depth: int) -> None:
    """Alone, or with the commitment that it spends; what it cost is lost to bob if it comes again before him."""

    async def main() -> None:
        async with Network(tmp_path) as network:
            alice, bob, stolen = await robbed(network, kind)
            await network.stop(alice)
            known, purse, money = preimage(3), await coin(network), Money(network)
            await money.begin(bob)
            await full_blocks(network, 1, stolen.commitment)
            claims = stolen.claims([known], [sha256(known).digest()])
            moved = stolen.second_stage([each for each in claims if each.late], purse)
            await full_blocks(network, 1, moved)
            await pass_blocks(network, max(0, depth - 2))
            await fork(network, depth)
            assert len(await money.transactions()) == (depth == 1)
            await pass_blocks(network, 4)
            await finish(network, bob)
            stands = kind == KINDS[0] and moved.txid in {tx.txid for tx in await money.transactions()}
            lost_sat = await money.fee_sat(moved) if stands else 0
            await secured(network, bob, Only(network, money, [moved], bob), stolen, lost_sat)

    asyncio.run(main())
